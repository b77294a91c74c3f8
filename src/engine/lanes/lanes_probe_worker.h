/* The gradient's products checked against their factors, as in engine/probe.h: T s against V^H (gV
 * s), and G s against V (X (V^H s)), with a vector s of signs, while X and G are in units of about
 * 1. Only the part of G on and below the diagonal exists. */

/* Fault hook: changes the first element of the last row of a product. */
static void NAME(spoil)(int n, Lane *product) {
  Lane *row = product + (n - 1) * n * PARTS, sum = {0};
  for (int j = 0; j < n * PARTS; j++) sum += NAME(abs)(row[j]);
  row[0] += sum;
}

/* out = M y in R rows from i on, for a complex y or (y NULL) the signs. */
static inline __attribute__((always_inline)) void NAME(some_rows)(const int R, int n, const Lane *m,
                                                                  int64_t ld, const Lane *y,
                                                                  const Real *signs, Lane *out) {
  Number sum[4];
  for (int r = 0; r < R; r++) sum[r] = NAME(zero)();
  for (int j = 0; j < n; j++)
    for (int r = 0; r < R; r++) {
      const Number x = NAME(load)(m + r * ld + j * PARTS);
      if (y) {
        sum[r] = NAME(add_product)(sum[r], x, NAME(load)(y + j * PARTS));
        continue;
      }
      const Lane sign = NAME(all)(signs[2 * j]);
      sum[r].re = NAME(fma)(x.re, sign, sum[r].re);
#if IS_COMPLEX
      sum[r].im = NAME(fma)(x.im, sign, sum[r].im);
#endif
    }
  for (int r = 0; r < R; r++) NAME(store)(out + r * PARTS, sum[r]);
}

static void NAME(rows_times)(int n, const Lane *m, int64_t ld, const Lane *y, const Real *signs,
                             Lane *out) {
  int i = 0;
  for (; i + 4 <= n; i += 4) NAME(some_rows)(4, n, m + i * ld, ld, y, signs, out + i * PARTS);
  for (; i < n; i++) NAME(some_rows)(1, n, m + i * ld, ld, y, signs, out + i * PARTS);
}

/* out = M^H s and out = M^H y. The sums of all columns are formed side by side. */
static void NAME(signed_adjoint)(int n, const Lane *m, int64_t ld, const Real *signs, Lane *out) {
  for (int j = 0; j < n * PARTS; j++) out[j] = (Lane){0};
  for (int i = 0; i < n; i++) {
    const Lane sign = NAME(all)(signs[2 * i]);
    for (int j = 0; j < n * PARTS; j++) out[j] = NAME(fma)(m[i * ld + j], sign, out[j]);
  }
  for (int j = 1; j < n * PARTS && PARTS == 2; j += 2) out[j] = -out[j];
}

static void NAME(adjoint_times)(int n, const Lane *m, int64_t ld, const Lane *y, Lane *out) {
  for (int j = 0; j < n * PARTS; j++) out[j] = (Lane){0};
  for (int i = 0; i < n; i++) {
    const Number yi = NAME(load)(y + i * PARTS);
    for (int j = 0; j < n; j++) {
      Lane *at = out + j * PARTS;
      NAME(store)
      (at, NAME(add_cproduct)(NAME(load)(at), NAME(load)(m + i * ld + j * PARTS), yi));
    }
  }
}

/* Puts the square of a difference, relative to `size2`, into q->output if it is larger. */
static void NAME(note_difference)(NAME(gradient) * q, const Lane *is, const Lane *should,
                                  Lane size2) {
  const Lane zero = {0}, tiny = NAME(all)(REAL_BYTES == 4 ? (Real)0x1p-120 : (Real)0x1p-1000);
  Lane sum = zero;
  for (int j = 0; j < q->n * PARTS; j++) sum += (is[j] - should[j]) * (is[j] - should[j]);
  const Lane share = sum / NAME(max)(size2, tiny);
  /* also where share is NaN */
  q->output = NAME(select)(NAME(at_most)(share, q->output), q->output, share);
}

/* Checks T = V^H gV with T^H s. */
static void NAME(probe_overlap)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *y = q->probe, *z = y + row, *t = z + row, size2 = {0};
  NAME(rows_times)(n, q->v, q->ldv, NULL, q->signs, y);
  NAME(adjoint_times)(n, q->gv, row, y, z);
  NAME(signed_adjoint)(n, q->t, row, q->signs, t);
  for (int j = 0; j < n; j++) size2 += q->norm[j] * q->norm[j];
  NAME(note_difference)(q, t, z, size2);
}

/* Computes V (X (V^H s)) before G takes the place of X in t, and keeps it until probe_gradient. */
static void NAME(expect_gradient)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *y = q->probe, *z = y + row, *kept = z + row;
  NAME(signed_adjoint)(n, q->v, q->ldv, q->signs, y);
  NAME(adjoint_times)(n, q->t, row, y, z); /* X is Hermitian */
  NAME(rows_times)(n, q->v, q->ldv, z, NULL, kept);
}

/* Computes G s from the existing half of G: the elements below the diagonal, and their conjugates.
 */
static void NAME(probe_gradient)(NAME(gradient) * q) {
  const int n = q->n, row = n * PARTS;
  Lane *is = q->probe, *kept = q->probe + 2 * row, size2[2] = {{0}, {0}};
  for (int j = 0; j < row; j++) is[j] = (Lane){0};
  for (int i = 0; i < n; i++) {
    const Lane si = NAME(all)(q->signs[2 * i]), *at = q->t + i * row, d = at[i * PARTS];
    Lane sum[2][2] = {{{0}, {0}}, {{0}, {0}}};
    for (int j = 0; j < i; j++) {
      const Lane sj = NAME(all)(q->signs[2 * j]);
      for (int p = 0; p < PARTS; p++) {
        const Lane x = at[j * PARTS + p];
        sum[p][j % 2] = NAME(fma)(x, sj, sum[p][j % 2]);
        is[j * PARTS + p] = NAME(fma)(x, p ? -si : si, is[j * PARTS + p]);
        size2[p] = NAME(fma)(x + x, x, size2[p]);
      }
    }
    is[i * PARTS] = sum[0][0] + sum[0][1] + d * si;
    if (PARTS == 2) is[i * PARTS + PARTS - 1] = sum[1][0] + sum[1][1];
    size2[0] += d * d;
  }
  NAME(note_difference)(q, is, kept, size2[0] + size2[1]);
}

#define ACROSS(l, h) ((l) ^ (h))

/* The same for a single matrix, whose rows are `ld` Reals apart. Vectors are complex, [n][2];
 * before a product every number is repeated once for each part of an element. `memory` is [12 n].
 */
static void NAME(spread)(int n, const Real *y, Real *out) {
  for (int p = 0; p < PARTS; p++)
    for (int j = 0; j < n; j++)
      for (int r = 0; r < PARTS; r++) *out++ = y[2 * j + p];
}

/* Adds up a vector's lanes, separately for each part; the sums are in the first lanes. */
static inline Lane NAME(fold)(Lane x) {
#if LANE_BYTES / REAL_BYTES >= 16
  x += __builtin_shufflevector(x, x, INDEX(ACROSS, 8));
#endif
#if LANE_BYTES / REAL_BYTES >= 8
  x += __builtin_shufflevector(x, x, INDEX(ACROSS, 4));
#endif
#if LANE_BYTES / REAL_BYTES >= 4
  x += __builtin_shufflevector(x, x, INDEX(ACROSS, 2));
#endif
#if !IS_COMPLEX
  x += __builtin_shufflevector(x, x, INDEX(ACROSS, 1));
#endif
  return x;
}

/* row . y over `length` Reals; where `parts` is 2, Im y begins `apart` after Re y. */
static inline __attribute__((always_inline)) void
NAME(row_dot)(const int parts, int length, const Real *row, const Real *y, int apart, Real out[2]) {
  Lane sums[2] = {{0}, {0}};
  Real d[2][2] = {{0}, {0}};
  int j = 0;
  for (; j + W <= length; j += W)
    for (int p = 0; p < parts; p++)
      sums[p] = NAME(fma)(*(const Loose *)(row + j), *(const Loose *)(y + p * apart + j), sums[p]);
  for (int p = 0; p < parts; p++) {
    const Lane sum = NAME(fold)(sums[p]);
    for (int q = 0; q < PARTS; q++) d[p][q] = sum[q];
    for (int k = j; k < length; k++) d[p][k % PARTS] += row[k] * y[p * apart + k];
  }
  out[0] = d[0][0] - d[1][1];
  out[1] = d[0][1] + d[1][0];
}

/* out = M y; `parts` is 1 for a real y. */
static inline __attribute__((always_inline)) void NAME(single_rows)(const int parts, int n,
                                                                    const Real *m, int64_t ld,
                                                                    const Real *y, Real *spread,
                                                                    Real *out) {
  NAME(spread)(n, y, spread);
  for (int i = 0; i < n; i++)
    NAME(row_dot)(parts, n * PARTS, m + i * ld, spread, n * PARTS, out + 2 * i);
}

/* M^H y before conjugation: `blocks` vectors of it, kept in registers over all rows. */
static inline __attribute__((always_inline)) void
NAME(adjoint_block)(const int parts, const int blocks, int n, const Real *m, int64_t ld,
                    const Real *y, int apart, Real *sums) {
  Lane sum[2][4];
  for (int p = 0; p < parts; p++)
    for (int b = 0; b < blocks; b++) sum[p][b] = (Lane){0};
  for (int i = 0; i < n; i++)
    for (int p = 0; p < parts; p++)
      for (int b = 0; b < blocks; b++)
        sum[p][b] =
            NAME(fma)(*(const Loose *)(m + i * ld + b * W), NAME(all)(y[2 * i + p]), sum[p][b]);
  for (int p = 0; p < parts; p++)
    for (int b = 0; b < blocks; b++) *(Loose *)(sums + p * apart + b * W) = sum[p][b];
}

/* out = M^H y; `parts` is 1 for a real y. */
static inline __attribute__((always_inline)) void NAME(single_adjoint)(const int parts, int n,
                                                                       const Real *m, int64_t ld,
                                                                       const Real *y, Real *sums,
                                                                       Real *out) {
  const int length = n * PARTS;
  int j = 0;
  if (parts < PARTS) memset(sums + length, 0, sizeof *sums * (size_t)length);
  for (; j + 4 * W <= length; j += 4 * W)
    NAME(adjoint_block)(parts, 4, n, m + j, ld, y, length, sums + j);
  for (; j + W <= length; j += W) NAME(adjoint_block)(parts, 1, n, m + j, ld, y, length, sums + j);
  for (int p = 0; p < parts; p++)
    for (int k = j; k < length; k++) sums[p * length + k] = 0;
  for (int i = 0; i < n && j < length; i++)
    for (int p = 0; p < parts; p++)
      for (int k = j; k < length; k++) sums[p * length + k] += m[i * ld + k] * y[2 * i + p];
  for (j = 0; j < n; j++) {
    const Real *re = sums + j * PARTS, *im = re + n * PARTS;
    out[2 * j] = PARTS == 1 ? re[0] : re[0] + im[PARTS - 1];
    out[2 * j + 1] = PARTS == 1 ? 0 : im[0] - re[PARTS - 1];
  }
}

static void NAME(spoil_row)(int n, Real *row) {
  Real sum = 0;
  for (int j = 0; j < n * PARTS; j++) sum += row[j] < 0 ? -row[j] : row[j];
  row[0] += sum;
}

static void NAME(single_signs)(int n, const Real *signs, Real *out) {
  for (int j = 0; j < n; j++) {
    out[2 * j] = signs[2 * j];
    out[2 * j + 1] = 0;
  }
}

/* The square root of the difference relative to `size2`. */
static Real NAME(single_share)(int n, const Real *is, const Real *should, Real size2) {
  Real sum = 0;
  for (int j = 0; j < 2 * n; j++) sum += (is[j] - should[j]) * (is[j] - should[j]);
  return sum == 0 ? 0 : (Real)sqrt((double)sum / (double)size2);
}

static Real NAME(single_overlap)(int n, const Real *v, int64_t ldv, const Real *gv, const Real *t,
                                 int64_t ld, const Real *norm, const Real *signs, Real *memory) {
  Real *x = memory, *y = x + 2 * n, *z = y + 2 * n, *spread = z + 2 * n, size2 = 0;
  NAME(single_signs)(n, signs, x);
  NAME(single_rows)(1, n, v, ldv, x, spread, y);
  NAME(single_adjoint)(PARTS, n, gv, ld, y, spread, z);
  NAME(single_adjoint)(1, n, t, ld, x, spread, y);
  for (int j = 0; j < n; j++) size2 += norm[j] * norm[j];
  return NAME(single_share)(n, y, z, size2);
}

static void NAME(single_expect)(int n, const Real *v, int64_t ldv, const Real *t, int64_t ld,
                                const Real *signs, Real *memory) {
  Real *x = memory, *kept = x + 2 * n, *z = kept + 2 * n, *spread = z + 2 * n;
  NAME(single_signs)(n, signs, x);
  NAME(single_adjoint)(1, n, v, ldv, x, spread, kept);
  NAME(single_adjoint)(PARTS, n, t, ld, kept, spread, z); /* X is Hermitian */
  NAME(single_rows)(PARTS, n, v, ldv, z, spread, kept);
}

/* Checks all of G. */
static Real NAME(single_gradient)(int n, const Real *t, int64_t ld, const Real *signs,
                                  Real *memory) {
  Real *x = memory, *kept = x + 2 * n, *is = kept + 2 * n, *sums = is + 2 * n, size2 = 0;
  Lane squares[2] = {{0}, {0}};
  NAME(single_signs)(n, signs, x);
  NAME(single_adjoint)(1, n, t, ld, x, sums, is);
  for (int i = 0; i < n; i++) {
    const Real *row = t + i * ld;
    int j = 0;
    for (; j + W <= n * PARTS; j += W)
      squares[i % 2] =
          NAME(fma)(*(const Loose *)(row + j), *(const Loose *)(row + j), squares[i % 2]);
    for (; j < n * PARTS; j++) size2 += row[j] * row[j];
  }
  for (int l = 0; l < W; l++) size2 += squares[0][l] + squares[1][l];
  return NAME(single_share)(n, is, kept, size2);
}
