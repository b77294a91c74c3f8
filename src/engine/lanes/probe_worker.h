/* The gradient's products held against their factors, as in engine/probe.h: T s against
 * V^H (gV s), and G s against V (X (V^H s)), for a vector s of signs, while X and G are in units of
 * about 1. Of G there is what stands on and below the diagonal. */

/* out_i = sum_j m_ij s_j, and out_j = sum_i conj(m_ij) s_i. */
static void NAME(signed_rows)(int n, const Lane *m, int64_t ld, const Real *signs, Lane *out) {
  for (int i = 0; i < n; i++) {
    Number sum = NAME(zero)();
    for (int j = 0; j < n; j++)
      sum = NAME(add)(
          sum, NAME(times_real)(NAME(load)(m + i * ld + j * PARTS), NAME(all)(signs[2 * j])));
    NAME(store)(out + i * PARTS, sum);
  }
}

static void NAME(signed_adjoint)(int n, const Lane *m, int64_t ld, const Real *signs, Lane *out) {
  for (int j = 0; j < n; j++) NAME(store)(out + j * PARTS, NAME(zero)());
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      const Number x = NAME(conjugate)(NAME(load)(m + i * ld + j * PARTS));
      Lane *at = out + j * PARTS;
      NAME(store)
      (at, NAME(add)(NAME(load)(at), NAME(times_real)(x, NAME(all)(signs[2 * i]))));
    }
}

/* out = M y, and out = M^H y. */
static void NAME(rows_times)(int n, const Lane *m, int64_t ld, const Lane *y, Lane *out) {
  for (int i = 0; i < n; i++) {
    Number sum = NAME(zero)();
    for (int j = 0; j < n; j++)
      sum = NAME(add_product)(sum, NAME(load)(m + i * ld + j * PARTS), NAME(load)(y + j * PARTS));
    NAME(store)(out + i * PARTS, sum);
  }
}

static void NAME(adjoint_times)(int n, const Lane *m, int64_t ld, const Lane *y, Lane *out) {
  for (int j = 0; j < n; j++) NAME(store)(out + j * PARTS, NAME(zero)());
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      Lane *at = out + j * PARTS;
      NAME(store)
      (at, NAME(add_cproduct)(NAME(load)(at), NAME(load)(m + i * ld + j * PARTS),
                              NAME(load)(y + i * PARTS)));
    }
}

/* The difference of p and q in units of n eps of what `size2` is the square of. */
static void NAME(note_difference)(NAME(gradient) * q, const Lane *is, const Lane *should,
                                  Lane size2) {
  const Lane zero = {0}, tiny = NAME(all)(REAL_BYTES == 4 ? (Real)0x1p-120 : (Real)0x1p-1000);
  Lane sum = zero;
  for (int j = 0; j < q->n * PARTS; j++) sum += (is[j] - should[j]) * (is[j] - should[j]);
  const Lane unit = NAME(all)((Real)q->n * EPSILON);
  const Lane units = NAME(root)(sum / NAME(max)(size2, tiny)) / unit;
  /* also where it is not a number */
  q->output = NAME(select)(NAME(at_most)(units, q->output), q->output, units);
}

/* T = V^H gV. */
static void NAME(probe_overlap)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *y = q->probe, *z = y + row, *t = z + row, size2 = {0};
  NAME(signed_rows)(n, q->gv, row, q->signs, y);
  NAME(adjoint_times)(n, q->v, q->ldv, y, z);
  NAME(signed_rows)(n, q->t, row, q->signs, t);
  for (int j = 0; j < n; j++) size2 += q->norm[j] * q->norm[j];
  NAME(note_difference)(q, t, z, size2);
}

/* V (X (V^H s)), before G takes the place of X in t; kept until then. */
static void NAME(expect_gradient)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *y = q->probe, *z = y + row, *kept = z + row;
  NAME(signed_adjoint)(n, q->v, q->ldv, q->signs, y);
  NAME(rows_times)(n, q->t, row, y, z);
  NAME(rows_times)(n, q->v, q->ldv, z, kept);
}

static void NAME(probe_gradient)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *is = q->probe, *kept = q->probe + 2 * row, size2 = {0};
  for (int j = 0; j < row; j++) is[j] = (Lane){0};
  for (int i = 0; i < n; i++) {
    const Lane si = NAME(all)(q->signs[2 * i]), *at = q->t + i * row;
    Number sum = NAME(load)(is + i * PARTS);
    Lane squares = {0};
    for (int j = 0; j < i; j++) {
      const Number x = NAME(load)(at + j * PARTS);
      sum = NAME(add)(sum, NAME(times_real)(x, NAME(all)(q->signs[2 * j])));
      Lane *other = is + j * PARTS;
      NAME(store)
      (other, NAME(add)(NAME(load)(other), NAME(times_real)(NAME(conjugate)(x), si)));
      squares += NAME(norm2)(x);
    }
    sum.re += at[i * PARTS] * si;
    size2 += squares + squares + at[i * PARTS] * at[i * PARTS];
    NAME(store)(is + i * PARTS, sum);
  }
  NAME(note_difference)(q, is, kept, size2);
}

/* The same of a matrix by itself, whose rows are `ld` Reals apart; vectors are complex, [n][2], and
 * before a product every number stands as often as an element has parts. `memory` is [12 n]. */
static void NAME(spread)(int n, const Real *y, Real *out) {
  for (int p = 0; p < PARTS; p++)
    for (int j = 0; j < n; j++)
      for (int r = 0; r < PARTS; r++) *out++ = y[2 * j + p];
}

/* row . y over `length` Reals, Im y standing `apart` behind Re y. */
static inline void NAME(row_dot)(int length, const Real *row, const Real *y, int apart,
                                 Real out[2]) {
  Lane sums[2] = {{0}, {0}};
  Real d[2][2] = {{0}, {0}};
  int j = 0;
  for (; j + W <= length; j += W)
    for (int p = 0; p < PARTS; p++)
      sums[p] += *(const Loose *)(row + j) * *(const Loose *)(y + p * apart + j);
  for (int p = 0; p < PARTS; p++) {
    for (int l = 0; l < W; l++) d[p][l % PARTS] += sums[p][l];
    for (int k = j; k < length; k++) d[p][k % PARTS] += row[k] * y[p * apart + k];
  }
  out[0] = d[0][0] - d[1][1];
  out[1] = d[0][1] + d[1][0];
}

static void NAME(single_rows)(int n, const Real *m, int64_t ld, const Real *y, Real *spread,
                              Real *out) {
  NAME(spread)(n, y, spread);
  for (int i = 0; i < n; i++) NAME(row_dot)(n * PARTS, m + i * ld, spread, n * PARTS, out + 2 * i);
}

/* sums += row y, and out_j = conj(Re) + i conj(Im) of what rows times y added up to. */
static inline void NAME(add_row)(int length, const Real *row, const Real y[2], int apart,
                                 Real *sums) {
  for (int p = 0; p < PARTS; p++)
    for (int j = 0; j < length; j++) sums[p * apart + j] += row[j] * y[p];
}

static void NAME(collect)(int n, const Real *sums, Real *out) {
  for (int j = 0; j < n; j++) {
    const Real *re = sums + j * PARTS, *im = re + n * PARTS;
    out[2 * j] = PARTS == 1 ? re[0] : re[0] + im[PARTS - 1];
    out[2 * j + 1] = PARTS == 1 ? 0 : im[0] - re[PARTS - 1];
  }
}

static void NAME(single_adjoint)(int n, const Real *m, int64_t ld, const Real *y, Real *sums,
                                 Real *out) {
  memset(sums, 0, sizeof *sums * (size_t)(2 * n * PARTS));
  for (int i = 0; i < n; i++) NAME(add_row)(n * PARTS, m + i * ld, y + 2 * i, n * PARTS, sums);
  NAME(collect)(n, sums, out);
}

static void NAME(single_signs)(int n, const Real *signs, Real *out) {
  for (int j = 0; j < n; j++) {
    out[2 * j] = signs[2 * j];
    out[2 * j + 1] = 0;
  }
}

static Real NAME(single_units)(int n, const Real *is, const Real *should, Real size2) {
  Real sum = 0;
  for (int j = 0; j < 2 * n; j++) sum += (is[j] - should[j]) * (is[j] - should[j]);
  return sum == 0 ? 0 : (Real)sqrt((double)sum / (double)size2) / ((Real)n * EPSILON);
}

static Real NAME(single_overlap)(int n, const Real *v, int64_t ldv, const Real *gv, const Real *t,
                                 int64_t ld, const Real *norm, const Real *signs, Real *memory) {
  Real *x = memory, *y = x + 2 * n, *z = y + 2 * n, *spread = z + 2 * n, size2 = 0;
  NAME(single_signs)(n, signs, x);
  NAME(single_rows)(n, gv, ld, x, spread, y);
  NAME(single_adjoint)(n, v, ldv, y, spread, z);
  NAME(single_rows)(n, t, ld, x, spread, y);
  for (int j = 0; j < n; j++) size2 += norm[j] * norm[j];
  return NAME(single_units)(n, y, z, size2);
}

static void NAME(single_expect)(int n, const Real *v, int64_t ldv, const Real *t, int64_t ld,
                                const Real *signs, Real *memory) {
  Real *x = memory, *kept = x + 2 * n, *z = kept + 2 * n, *spread = z + 2 * n;
  NAME(single_signs)(n, signs, x);
  NAME(single_adjoint)(n, v, ldv, x, spread, kept);
  NAME(single_rows)(n, t, ld, kept, spread, z);
  NAME(single_rows)(n, v, ldv, z, spread, kept);
}

static Real NAME(single_gradient)(int n, const Real *t, int64_t ld, const Real *signs,
                                  Real *memory) {
  Real *x = memory, *kept = x + 2 * n, *is = kept + 2 * n, *spread = is + 2 * n;
  Real *sums = spread + 2 * n * PARTS; /* what rows add to those above them: signs are real */
  double size2 = 0;
  NAME(single_signs)(n, signs, x);
  NAME(spread)(n, x, spread);
  memset(sums, 0, sizeof *sums * (size_t)(2 * n));
  for (int i = 0; i < n; i++) {
    const Real *row = t + i * ld, d = row[i * PARTS];
    NAME(row_dot)(i * PARTS, row, spread, n * PARTS, is + 2 * i);
    for (int j = 0; j < i * PARTS; j++) sums[j] += row[j] * x[2 * i];
    for (int j = 0; j < i * PARTS; j++) size2 += 2 * (double)row[j] * (double)row[j];
    is[2 * i] += d * x[2 * i];
    size2 += (double)d * (double)d;
  }
  for (int j = 0; j < n; j++) {
    is[2 * j] += sums[j * PARTS];
    if (PARTS == 2) is[2 * j + 1] -= sums[j * PARTS + PARTS - 1];
  }
  return NAME(single_units)(n, is, kept, (Real)size2);
}
