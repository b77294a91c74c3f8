/* Checks of W matrices and their eigenpairs: the input, the certificate, multiplets and gaps. The
 * definitions are those of engine/certificate_worker.h and spectral/multiplet.c. */

#define EPSILON (REAL_BYTES == 4 ? (Real)0x1p-23 : (Real)0x1p-52)

/* The largest |part|, and which lanes contain elements that are not finite. */
static void NAME(scan)(int n, const Lane *a, Lane *largest, Mask *dead) {
  Lane top[4] = {{0}}, bad[4] = {{0}};
  const int count = n * n * PARTS;
  for (int i = 0; i < count; i += 4)
    for (int c = 0; c < 4; c++) {
      const Lane x = a[i + c < count ? i + c : i];
      top[c] = NAME(max)(NAME(abs)(x), top[c]);
      bad[c] += x - x;
    }
  const Lane any = NAME(max)(NAME(max)(top[0], top[1]), NAME(max)(top[2], top[3]));
  *dead = ~NAME(equal)((bad[0] + bad[1]) + (bad[2] + bad[3]), (Lane){0});
  *largest = NAME(select)(*dead, (Lane){0}, any);
}

/* The largest part of |a_ij - conj(a_ji)|; the diagonal becomes real. */
static Lane NAME(hermitian_defect)(int n, Lane *a) {
  Lane defect[2] = {{0}, {0}};
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      const Number x = NAME(load)(a + (i * n + j) * PARTS), y = NAME(load)(a + (j * n + i) * PARTS);
      defect[0] = NAME(max)(defect[0], NAME(abs)(x.re - y.re));
#if IS_COMPLEX
      defect[1] = NAME(max)(defect[1], NAME(abs)(x.im + y.im));
#endif
    }
#if IS_COMPLEX
    Lane *im = a + (i * n + i) * 2 + 1;
    defect[1] = NAME(max)(defect[1], NAME(abs)(*im + *im));
    *im = (Lane){0};
#endif
  }
  return NAME(max)(defect[0], defect[1]);
}

/* Fills in the unread triangle and makes the diagonal real. */
static void NAME(mirror)(int n, Lane *a, bool lower) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      Lane *low = a + (i * n + j) * PARTS, *high = a + (j * n + i) * PARTS;
      if (lower)
        NAME(store)(high, NAME(conjugate)(NAME(load)(low)));
      else
        NAME(store)(low, NAME(conjugate)(NAME(load)(high)));
    }
#if IS_COMPLEX
    a[(i * n + i) * 2 + 1] = (Lane){0};
#endif
  }
}

/* (A + A^H) / 2, as a sum of halves, which cannot overflow. */
static void NAME(average)(int n, Lane *a) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++)
      for (int p = 0; p < PARTS; p++) {
        Lane *low = a + (i * n + j) * PARTS + p, *high = a + (j * n + i) * PARTS + p;
        const Lane half = *low * (Real)0.5, other = *high * (Real)0.5;
        *low = p ? half - other : half + other;
        *high = p ? other - half : half + other;
      }
#if IS_COMPLEX
    a[(i * n + i) * 2 + 1] = (Lane){0};
#endif
  }
}

/* The random signs of the two probes, the same as in mpt_certify. */
static void NAME(make_signs)(int n, Real *signs) {
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (int j = 0; j < n; j++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    for (int p = 0; p < 2; p++) signs[2 * j + p] = (state >> (40 + p)) & 1 ? 1 : -1;
  }
}

/* 2^-e where x is of the size of 2^e; e is kept away from the ends of the exponent range. */
static inline Lane NAME(inverse_power)(Lane x) {
  const Bits bias = (REAL_BYTES == 4 ? 127 : 1023) + (Bits){0};
  const int digits = REAL_BYTES == 4 ? 23 : 52, limit = REAL_BYTES == 4 ? 120 : 1000;
  Lane e = __builtin_convertvector(((Bits)x >> digits) - bias, Lane);
  e = NAME(max)(NAME(min)(e, NAME(all)((Real)limit)), NAME(all)((Real)-limit));
  return (Lane)((bias - __builtin_convertvector(e, Bits)) << digits);
}

typedef struct NAME(pairs) {
  int n, ldv, stride; /* rows of V are ldv Lanes apart, eigenvalues `stride` */
  const Lane *a, *v, *w;
  const Real *signs; /* [n][2] */
  Lane *work;        /* [6 n] Numbers and [n] Lanes */
} NAME(pairs);

/* y_p = V x_p and u_p = s V (w o x_p) of R rows from i on, in y [n][2], u [n][2] Numbers. */
static inline __attribute__((always_inline)) void
NAME(apply_rows)(const int R, const NAME(pairs) * q, int i, const Lane *w, Lane *y, Lane *u) {
  Number sum[2][2], weighted[2][2];
  for (int k = 0; k < 2 * R; k++) sum[k / 2][k % 2] = weighted[k / 2][k % 2] = NAME(zero)();
  for (int j = 0; j < q->n; j++)
    for (int p = 0; p < 2; p++) {
      const Lane sign = NAME(all)(q->signs[2 * j + p]), turned = w[j] * sign;
      for (int r = 0; r < R; r++) {
        const Number v = NAME(load)(q->v + (int64_t)(i + r) * q->ldv + j * PARTS);
        sum[r][p].re = NAME(fma)(v.re, sign, sum[r][p].re);
        weighted[r][p].re = NAME(fma)(v.re, turned, weighted[r][p].re);
#if IS_COMPLEX
        sum[r][p].im = NAME(fma)(v.im, sign, sum[r][p].im);
        weighted[r][p].im = NAME(fma)(v.im, turned, weighted[r][p].im);
#endif
      }
    }
  for (int k = 0; k < 2 * R; k++) {
    NAME(store)(y + (2 * i + k) * PARTS, sum[k / 2][k % 2]);
    NAME(store)(u + (2 * i + k) * PARTS, weighted[k / 2][k % 2]);
  }
}

/* Adds squares of A (s y) - u in R rows from i on to norm2 [2]. */
static inline __attribute__((always_inline)) void NAME(residual_rows)(const int R,
                                                                      const NAME(pairs) * q, int i,
                                                                      const Lane *y, const Lane *u,
                                                                      Lane norm2[2]) {
  Number sum[2][2];
  for (int k = 0; k < 2 * R; k++)
    sum[k / 2][k % 2] = NAME(negate)(NAME(load)(u + (2 * i + k) * PARTS));
  for (int j = 0; j < q->n; j++)
    for (int p = 0; p < 2; p++) {
      const Number x = NAME(load)(y + (2 * j + p) * PARTS);
      for (int r = 0; r < R; r++) {
        const Number a = NAME(load)(q->a + ((int64_t)(i + r) * q->n + j) * PARTS);
        sum[r][p] = NAME(add_product)(sum[r][p], a, x);
      }
    }
  for (int k = 0; k < 2 * R; k++) norm2[k % 2] += NAME(norm2)(sum[k / 2][k % 2]);
}

static void NAME(apply_vectors)(const NAME(pairs) * q, Lane s, Lane *w, Lane *y, Lane *u) {
  int i = 0;
  for (int j = 0; j < q->n; j++) w[j] = q->w[j * q->stride] * s;
  for (; i + 2 <= q->n; i += 2) NAME(apply_rows)(2, q, i, w, y, u);
  if (i < q->n) NAME(apply_rows)(1, q, i, w, y, u);
}

/* The larger of the two probes' squared norms of A (s y) - u. */
static Lane NAME(residual2)(const NAME(pairs) * q, Lane s, Lane *y, const Lane *u) {
  Lane norm2[2] = {{0}, {0}};
  int i = 0;
  for (int j = 0; j < 2 * q->n * PARTS; j++) y[j] *= s;
  for (; i + 2 <= q->n; i += 2) NAME(residual_rows)(2, q, i, y, u, norm2);
  if (i < q->n) NAME(residual_rows)(1, q, i, y, u, norm2);
  return NAME(max)(norm2[0], norm2[1]);
}

/* The same for V^H y - x. */
static Lane NAME(overlap2)(const NAME(pairs) * q, const Lane *y, Lane *o) {
  const int n = q->n;
  Lane norm2[2] = {{0}, {0}};
  for (int j = 0; j < n; j++)
    for (int p = 0; p < 2; p++) {
      Number x = NAME(zero)();
      x.re = -NAME(all)(q->signs[2 * j + p]);
      NAME(store)(o + (2 * j + p) * PARTS, x);
    }
  for (int i = 0; i < n; i++) {
    const Number y0 = NAME(load)(y + 2 * i * PARTS), y1 = NAME(load)(y + (2 * i + 1) * PARTS);
    for (int j = 0; j < n; j++) {
      const Number v = NAME(load)(q->v + (int64_t)i * q->ldv + j * PARTS);
      Lane *at = o + 2 * j * PARTS;
      NAME(store)(at, NAME(add_cproduct)(NAME(load)(at), v, y0));
      NAME(store)(at + PARTS, NAME(add_cproduct)(NAME(load)(at + PARTS), v, y1));
    }
  }
  for (int j = 0; j < n; j++)
    for (int p = 0; p < 2; p++) norm2[p] += NAME(norm2)(NAME(load)(o + (2 * j + p) * PARTS));
  return NAME(max)(norm2[0], norm2[1]);
}

static inline Lane NAME(spectral_norm)(int n, const Lane *w, int stride) {
  return NAME(max)(NAME(abs)(w[0]), NAME(abs)(w[(n - 1) * stride]));
}

/* Residual and orthogonality, each by two probes. */
static void NAME(certify)(const NAME(pairs) * q, Lane largest, Lane *residual,
                          Lane *orthogonality) {
  const int n = q->n;
  Lane *y = q->work, *u = y + 2 * n * PARTS, *o = u + 2 * n * PARTS, *w = o + 2 * n * PARTS;
  const Lane norm = NAME(max)(NAME(spectral_norm)(n, q->w, q->stride), largest);
  const Lane s = NAME(inverse_power)(norm);
  const Real unit = (Real)n * EPSILON * (Real)sqrt((double)n);
  const Real tiny = (Real)n * (REAL_BYTES == 4 ? (Real)0x1p-149 : (Real)0x1p-1074);
  NAME(apply_vectors)(q, s, w, y, u);
  *orthogonality = NAME(root)(NAME(overlap2)(q, y, o)) / NAME(all)(unit);
  const Lane r = NAME(root)(NAME(residual2)(q, s, y, u));
  const Lane size = NAME(all)(unit) * (norm * s) + s * NAME(all)(tiny);
  *residual = NAME(select)(NAME(equal)(norm, (Lane){0}), (Lane){0}, r / size);
}

/* Adds x to a sum; `rest` collects the rounding errors. */
static inline void NAME(add_exactly)(Lane x, Lane *sum, Lane *rest) {
  const Lane old = *sum, now = old + x, part = now - old;
  *rest += (old - (now - part)) + (x - part);
  *sum = now;
}

/* For eigenvalues without vectors: the lanes in which they add up to the trace, and their squares
 * to the squared Frobenius norm, as in mpt_certify_values. The sums are short enough to need no
 * compensation. */
static Mask NAME(values_agree)(const NAME(pairs) * q, Lane largest) {
  const int n = q->n, row = n * PARTS;
  const Lane zero = {0}, norm = NAME(max)(NAME(spectral_norm)(n, q->w, q->stride), largest);
  const Lane s = NAME(inverse_power)(norm), size = norm * s;
  const Real unit = (Real)MPT_CERTIFICATE_BOUND * (Real)n * EPSILON;
  const Real tiny = unit / EPSILON * (REAL_BYTES == 4 ? (Real)0x1p-149 : (Real)0x1p-1074);
  Lane values = zero, squares = zero, rest[2] = {zero, zero};
  for (int i = 0; i < n; i++) { /* the triangle that the solver has read */
    Lane part[4] = {{0}, {0}, {0}, {0}};
    const Lane w = q->w[i * q->stride] * s, d = q->a[i * row + i * PARTS] * s;
    int j = 0;
    for (; j + 4 <= i * PARTS; j += 4)
      for (int p = 0; p < 4; p++) {
        const Lane x = q->a[i * row + j + p] * s;
        part[p] = NAME(fma)(x, x, part[p]);
      }
    for (; j < i * PARTS; j++) {
      const Lane x = q->a[i * row + j] * s;
      part[0] = NAME(fma)(x, x, part[0]);
    }
    const Lane sum = (part[0] + part[1]) + (part[2] + part[3]), difference = w - d;
    const Lane square = difference * (w + d) - (sum + sum);
    if (n > 8) {
      NAME(add_exactly)(difference, &values, &rest[0]);
      NAME(add_exactly)(square, &squares, &rest[1]);
    } else {
      values += difference;
      squares += square;
    }
  }
  const Lane limit = NAME(fma)(NAME(all)(unit), size, s * NAME(all)(tiny));
  return NAME(at_most)(NAME(abs)(values + rest[0]), limit) &
         NAME(at_most)(NAME(abs)(squares + rest[1]), (limit + limit) * size);
}

/* Numbers multiplets no wider than the tolerance from 0 into id [n]; returns the smallest gap
 * between them relative to the norm (2 when there is none). */
static Lane NAME(number_multiplets)(int n, const Lane *w, int stride, Real tolerance, Lane *id) {
  const Lane norm = NAME(spectral_norm)(n, w, stride), one = NAME(all)(1);
  const Lane least = norm * NAME(all)(tolerance);
  Lane gap = NAME(all)(2), current = {0}, first = w[0];
  id[0] = current;
  for (int j = 1; j < n; j++) {
    const Lane low = w[(j - 1) * stride], high = w[j * stride];
    const Mask apart = NAME(less)(least, high - first);
    first = NAME(select)(apart, high, first);
    current = NAME(select)(apart, current + one, current);
    gap = NAME(select)(apart, NAME(min)(gap, high / norm - low / norm), gap);
    id[j] = current;
  }
  return gap;
}
