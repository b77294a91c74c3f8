/* Householder tridiagonalization A = Q T Q^H in every lane, by the unblocked algorithm of LAPACK's
 * ?hetd2 (upper): Q = H(n-1) ... H(1), H(k) = I - tau_k v_k v_k^H with v_k in components 0..k-1.
 *
 * Packed lower triangle: row i, whose elements 0..i are contiguous, begins at NAME(row)(i). The
 * rank-2 update of one step and the product A v of the next share one pass over the triangle. */

/* A vector of less than this squared length (of a matrix scaled to NAME(SCALE_EXPONENT)) counts as
 * zero. */
#define TINY (REAL_BYTES == 4 ? (Real)0x1p-110 : (Real)0x1p-900)
#define ROOT_OF_TINY (REAL_BYTES == 4 ? (Real)0x1p-55 : (Real)0x1p-450)
enum { NAME(SCALE_EXPONENT) = REAL_BYTES == 4 ? 30 : 300 };

static inline int64_t NAME(row)(int64_t i) {
  return i * (i + 1) / 2 * PARTS;
}

/* Makes the reflection of step k: leaves v in row k and the off-diagonal element e_{k-1}, returns
 * tau_k. `row` holds A_k,0..k-1, which is x^H for the column x to be reflected to H^H x = beta
 * e_{k-1}. */
static inline Number NAME(reflect)(int k, Lane *row, Lane *e) {
  Lane rest2 = {0};
  for (int j = 0; j < k - 1; j++) rest2 += NAME(norm2)(NAME(load)(row + j * PARTS));
  const Number alpha = NAME(conjugate)(NAME(load)(row + (k - 1) * PARTS));
  const Lane one = NAME(all)(1);
  const Lane length2 = rest2 + NAME(norm2)(alpha);
  const Mask nothing = NAME(less)(length2, NAME(all)(TINY));
  const Lane length = NAME(root)(NAME(select)(nothing, one, length2));
  const Lane beta = NAME(with_sign)(length, -alpha.re);
  Number shifted = alpha, tau;
  shifted.re = alpha.re - beta;
  Number scale = NAME(inverse)(shifted);
  tau.re = NAME(select)(nothing, NAME(all)(0), one - alpha.re / beta);
#if IS_COMPLEX
  tau.im = NAME(select)(nothing, NAME(all)(0), -alpha.im / beta);
#endif
  scale = NAME(choose)(nothing, NAME(zero)(), scale);
  for (int j = 0; j < k - 1; j++) {
    Number x = NAME(conjugate)(NAME(load)(row + j * PARTS));
    NAME(store)(row + j * PARTS, NAME(product)(x, scale));
  }
  Number unit = NAME(zero)();
  unit.re = one;
  NAME(store)(row + (k - 1) * PARTS, unit);
  *e = NAME(select)(nothing, NAME(all)(0), beta);
  return tau;
}

/* a - v_i conj(w_j) - w_i conj(v_j) */
static inline Number NAME(minus_rank2)(Number a, Number vi, Number wi, Number vj, Number wj) {
#if IS_COMPLEX
  a.re = NAME(fnma)(vi.re, wj.re, a.re);
  a.im = NAME(fnma)(vi.im, wj.re, a.im);
  a.re = NAME(fnma)(vi.im, wj.im, a.re);
  a.im = NAME(fma)(vi.re, wj.im, a.im);
  a.re = NAME(fnma)(wi.re, vj.re, a.re);
  a.im = NAME(fnma)(wi.im, vj.re, a.im);
  a.re = NAME(fnma)(wi.im, vj.im, a.re);
  a.im = NAME(fma)(wi.re, vj.im, a.im);
#else
  a.re = NAME(fnma)(vi.re, wj.re, a.re);
  a.re = NAME(fnma)(wi.re, vj.re, a.re);
#endif
  return a;
}

/* Rows i .. i + R - 1 of the triangle: applies the pending update by (v, w), then p += A u. */
static inline __attribute__((always_inline)) void NAME(update_rows)(const int R, int i, Lane *a,
                                                                    const Lane *v, const Lane *w,
                                                                    const Lane *u, Lane *p) {
  Number vi[2], wi[2], ui[2], sum[2];
  Lane *row[2];
  for (int r = 0; r < R; r++) {
    row[r] = a + NAME(row)(i + r);
    vi[r] = NAME(load)(v + (i + r) * PARTS);
    wi[r] = NAME(load)(w + (i + r) * PARTS);
    ui[r] = NAME(load)(u + (i + r) * PARTS);
    sum[r] = NAME(zero)();
  }
  for (int j = 0; j < i; j++) {
    const Number vj = NAME(load)(v + j * PARTS), wj = NAME(load)(w + j * PARTS);
    const Number uj = NAME(load)(u + j * PARTS);
    Number pj = NAME(load)(p + j * PARTS);
    for (int r = 0; r < R; r++) {
      const Number x = NAME(minus_rank2)(NAME(load)(row[r] + j * PARTS), vi[r], wi[r], vj, wj);
      NAME(store)(row[r] + j * PARTS, x);
      sum[r] = NAME(add_product)(sum[r], x, uj);
      pj = NAME(add_cproduct)(pj, x, ui[r]);
    }
    NAME(store)(p + j * PARTS, pj);
  }
  for (int r = 0; r < R; r++) { /* the triangle at the diagonal */
    for (int q = 0; q <= r; q++) {
      Number x =
          NAME(minus_rank2)(NAME(load)(row[r] + (i + q) * PARTS), vi[r], wi[r], vi[q], wi[q]);
#if IS_COMPLEX
      if (q == r) x.im = (Lane){0};
#endif
      NAME(store)(row[r] + (i + q) * PARTS, x);
      sum[r] = NAME(add_product)(sum[r], x, ui[q]);
      if (q < r) sum[q] = NAME(add_cproduct)(sum[q], x, ui[r]);
    }
  }
  for (int r = 0; r < R; r++) NAME(store)(p + (i + r) * PARTS, sum[r]);
}

/* w = tau p - (tau/2) (tau p)^H v v */
static inline void NAME(make_w)(int k, Number tau, const Lane *v, Lane *p) {
  Number dot = NAME(zero)();
  for (int j = 0; j < k; j++) {
    const Number x = NAME(product)(tau, NAME(load)(p + j * PARTS));
    NAME(store)(p + j * PARTS, x);
    dot = NAME(add_cproduct)(dot, x, NAME(load)(v + j * PARTS));
  }
  const Number half = NAME(product)(NAME(times_real)(tau, NAME(all)((Real)-0.5)), dot);
  for (int j = 0; j < k; j++) NAME(store)
  (p + j * PARTS, NAME(add_product)(NAME(load)(p + j * PARTS), half, NAME(load)(v + j * PARTS)));
}

/* A reduction in progress: the packed triangle, which becomes the v_k; d, e [n], `stride` apart
 * (e_{n-1} = 0); tau [n]; work [2 n] Numbers. */
typedef struct NAME(reduction) {
  Lane *a, *d, *e, *tau, *w, *p;
  const Lane *v;
  int stride;
} NAME(reduction);

static NAME(reduction)
    NAME(start_reduction)(int n, Lane *a, Lane *d, Lane *e, int stride, Lane *tau, Lane *work) {
  memset(work, 0, sizeof(Lane) * (size_t)(2 * n * PARTS)); /* no update is pending at first */
  e[(n - 1) * stride] = (Lane){0};
  return (NAME(reduction)){a, d, e, tau, work, work + n * PARTS, work, stride};
}

/* Step k, called for k = n - 1 .. 0. */
static void NAME(reduce_step)(int k, NAME(reduction) * q) {
  Lane *row = q->a + NAME(row)(k);
  const Lane *v = q->v;
  Lane *w = q->w, *p = q->p;
  const Number vk = NAME(load)(v + k * PARTS), wk = NAME(load)(w + k * PARTS);
  for (int j = 0; j <= k; j++) NAME(store)
  (row + j * PARTS, NAME(minus_rank2)(NAME(load)(row + j * PARTS), vk, wk,
                                      NAME(load)(v + j * PARTS), NAME(load)(w + j * PARTS)));
  q->d[k * q->stride] = row[k * PARTS];
  if (k == 0) return;
  const Number t = NAME(reflect)(k, row, &q->e[(k - 1) * q->stride]);
  NAME(store)(q->tau + k * PARTS, t);
  int i = 0;
  for (; i + 1 < k; i += 2) NAME(update_rows)(2, i, q->a, v, w, row, p);
  if (i < k) NAME(update_rows)(1, i, q->a, v, w, row, p);
  NAME(make_w)(k, t, row, p);
  q->w = p;
  q->p = w;
  q->v = row;
}
