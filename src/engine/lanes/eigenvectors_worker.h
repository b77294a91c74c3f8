/* Eigenvectors of one group of W matrices: rotations of the identity, sorting, back-transformation
 * by the Householder vectors, and the phase convention. */

/* As many as fit the registers: rows of Z that stay there while a sweep's rotations pass over its
 * columns, and columns of V to which reflections are applied at a time. */
enum {
  NAME(STRIP) = LANE_BYTES == 64 ? 8 : 4,
  NAME(COLUMNS) = (LANE_BYTES == 64 ? 4 : 2) * (IS_COMPLEX ? 1 : 2)
};

/* Applies the rotations of one sweep to rows z .. z + R - 1: columns j, j + 1 for j = top ..
 * bottom. Lifting needs three products where the plain form needs four. The angle is in [-pi/2,
 * pi/2], so that the tangent of its half is at most 1. */
static inline __attribute__((always_inline)) void
NAME(rotate)(const int R, Lane *z, int ld, int top, int bottom, const Lane *rotation) {
  if (top < bottom) return;
  Lane y[8];
  for (int r = 0; r < R; r++) y[r] = z[(top + 1) * ld + r];
  for (int j = top; j >= bottom; j--, rotation += 2) {
    const Lane s = rotation[0], t = rotation[1];
    Lane *column = z + j * ld;
    for (int r = 0; r < R; r++) {
      const Lane x = NAME(fnma)(t, y[r], column[r]);
      const Lane below = NAME(fma)(s, x, y[r]);
      y[r] = NAME(fnma)(t, below, x);
      column[ld + r] = below;
    }
  }
  for (int r = 0; r < R; r++) z[bottom * ld + r] = y[r];
}

/* Applies two sweeps at once, the second one column behind the first. */
static inline __attribute__((always_inline)) void NAME(rotate_twice)(const int R, Lane *z, int ld,
                                                                     int top, int bottom,
                                                                     const Lane *first,
                                                                     const Lane *second) {
  if (top < bottom) return;
  Lane y[8], v[8];
  for (int r = 0; r < R; r++) y[r] = z[(top + 1) * ld + r];
  for (int r = 0; r < R; r++) v[r] = z[(top + 2) * ld + r];
  for (int j = top; j >= bottom; j--, first += 2, second += 2) {
    const Lane s1 = first[0], t1 = first[1], s2 = second[0], t2 = second[1];
    Lane *column = z + j * ld;
    for (int r = 0; r < R; r++) {
      const Lane x = NAME(fnma)(t1, y[r], column[r]);
      const Lane between = NAME(fma)(s1, x, y[r]);
      y[r] = NAME(fnma)(t1, between, x);
      const Lane u = NAME(fnma)(t2, v[r], between);
      const Lane below = NAME(fma)(s2, u, v[r]);
      v[r] = NAME(fnma)(t2, below, u);
      column[2 * ld + r] = below;
    }
  }
  for (int r = 0; r < R; r++) z[(bottom + 1) * ld + r] = v[r];
  for (int r = 0; r < R; r++) z[bottom * ld + r] = y[r];
}

/* Where sweep k of a round begins and ends in rows up to `last`. After m sweeps on the identity,
 * row i is zero beyond column i + m, and rotations there can be skipped. */
typedef struct NAME(span) {
  int top, bottom;
  const Lane *first; /* the rotation of column `top` */
} NAME(span);

static inline NAME(span) NAME(span_of)(const NAME(ql) * q, int g, int k, int last) {
  const int reach = last + q->done - q->sweeps + k;
  const int top = q->top[g][k] < reach ? q->top[g][k] : reach;
  return (NAME(span)){top, q->bottom[g][k],
                      q->rotations[g] + q->offset[k] + 2 * (q->from[k] - top)};
}

/* Sweep `b` follows `a`: b's rotation of column j + 1 comes after a's of column j. */
static inline __attribute__((always_inline)) void
NAME(rotate_span_pair)(const int R, Lane *z, int ld, NAME(span) a, NAME(span) b) {
  int j = a.top < b.top - 1 ? a.top : b.top - 1;
  int end = a.bottom > b.bottom - 1 ? a.bottom : b.bottom - 1;
  NAME(rotate)(R, z, ld, a.top, j + 1 > a.bottom ? j + 1 : a.bottom, a.first);
  NAME(rotate)(R, z, ld, b.top, j + 2 > b.bottom ? j + 2 : b.bottom, b.first);
  NAME(rotate_twice)
  (R, z, ld, j, end, a.first + 2 * (a.top - j), b.first + 2 * (b.top - j - 1));
  if (j >= end) j = end - 1;
  NAME(rotate)(R, z, ld, j, a.bottom, a.first + 2 * (a.top - j));
  NAME(rotate)(R, z, ld, j + 1, b.bottom, b.first + 2 * (b.top - j - 1));
}

/* Applies all rotations of a round to rows first .. first + R - 1; `twice`: two sweeps at once,
 * which pays where the sweeps are long. */
static inline __attribute__((always_inline)) void
NAME(rotate_strip)(const int R, bool twice, const NAME(ql) * q, int g, Lane *z, int ld, int first) {
  const int last = first + R - 1;
  int k = 0;
  for (; twice && k + 1 < q->sweeps; k += 2) NAME(rotate_span_pair)
  (R, z + first, ld, NAME(span_of)(q, g, k, last), NAME(span_of)(q, g, k + 1, last));
  for (; k < q->sweeps; k++) {
    const NAME(span) a = NAME(span_of)(q, g, k, last);
    NAME(rotate)(R, z + first, ld, a.top, a.bottom, a.first);
  }
}

static void NAME(rotate_all)(const NAME(ql) * q, int g, Lane *z, int ld) {
  enum { STRIP = NAME(STRIP) };
  const bool twice = q->n > 8;
  int i = 0;
  for (; i + STRIP <= q->n; i += STRIP) NAME(rotate_strip)(STRIP, twice, q, g, z, ld, i);
  for (; i + 4 <= q->n; i += 4) NAME(rotate_strip)(4, twice, q, g, z, ld, i);
  for (; i + 2 <= q->n; i += 2) NAME(rotate_strip)(2, twice, q, g, z, ld, i);
  if (i < q->n) NAME(rotate_strip)(1, twice, q, g, z, ld, i);
}

static void NAME(start_identity)(int n, Lane *z, int ld) {
  memset(z, 0, sizeof(Lane) * (size_t)(n * ld));
  for (int i = 0; i < n; i++) z[i * ld + i] = NAME(all)(1);
}

/* Brings columns a and b of Z and their eigenvalues into ascending order. */
static inline void NAME(exchange)(int n, Lane *w, int stride, Lane *z, int ld, int a, int b) {
  const Lane wa = w[a * stride], wb = w[b * stride];
  const Mask turned = NAME(less)(wb, wa);
  if (!NAME(any)(turned)) return;
  w[a * stride] = NAME(select)(turned, wb, wa);
  w[b * stride] = NAME(select)(turned, wa, wb);
  for (int i = 0; z && i < n; i++) {
    const Lane x = z[a * ld + i], y = z[b * ld + i];
    z[a * ld + i] = NAME(select)(turned, y, x);
    z[b * ld + i] = NAME(select)(turned, x, y);
  }
}

/* Batcher's merge exchange (Knuth, volume 3, algorithm 5.2.2M): the same exchanges in all lanes. */
static void NAME(sort)(int n, Lane *w, int stride, Lane *z, int ld) {
  int highest = 1;
  while (2 * highest < n) highest *= 2;
  for (int p = highest; p > 0; p /= 2)
    for (int q = highest, r = 0, d = p;;) {
      for (int i = 0; i + d < n; i++)
        if ((i & p) == r) NAME(exchange)(n, w, stride, z, ld, i, i + d);
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
}

/* Applies two reflections to C columns s of k + 1 rows: s <- H(k+1) H(k) s. v1 and v2 are the
 * vectors of k and k + 1 components; `inner` is v2^H v1. */
static inline __attribute__((always_inline)) void
NAME(reflect_columns)(const int C, int k, const Lane *v1, const Lane *v2, Number tau1, Number tau2,
                      Number inner, Lane *s) {
  Number a[8], b[8];
  for (int c = 0; c < C; c++) a[c] = NAME(zero)();
  for (int c = 0; c < C; c++) b[c] = NAME(load)(s + (k * C + c) * PARTS);
  for (int i = 0; i < k; i++) {
    const Number x1 = NAME(load)(v1 + i * PARTS), x2 = NAME(load)(v2 + i * PARTS);
    for (int c = 0; c < C; c++) {
      const Number y = NAME(load)(s + (i * C + c) * PARTS);
      a[c] = NAME(add_cproduct)(a[c], x1, y);
      b[c] = NAME(add_cproduct)(b[c], x2, y);
    }
  }
  for (int c = 0; c < C; c++) {
    a[c] = NAME(negate)(NAME(product)(tau1, a[c]));
    b[c] = NAME(negate)(NAME(product)(tau2, NAME(add_product)(b[c], inner, a[c])));
  }
  for (int i = 0; i < k; i++) {
    const Number x1 = NAME(load)(v1 + i * PARTS), x2 = NAME(load)(v2 + i * PARTS);
    for (int c = 0; c < C; c++) {
      Lane *at = s + (i * C + c) * PARTS;
      Number y = NAME(add_product)(NAME(load)(at), x1, a[c]);
      NAME(store)(at, NAME(add_product)(y, x2, b[c]));
    }
  }
  for (int c = 0; c < C; c++) {
    Lane *at = s + (k * C + c) * PARTS;
    NAME(store)(at, NAME(add)(NAME(load)(at), b[c]));
  }
}

/* H(1), which only rotates a phase, is applied alone when n is even; the others are applied in
 * pairs. */
static inline int NAME(first_pair)(int n) {
  return n % 2 ? 1 : 2;
}

/* inner_k = v_{k+1}^H v_k for all pairs. */
static void NAME(pair_products)(int n, const Lane *a, Lane *inner) {
  for (int k = NAME(first_pair)(n); k + 1 < n; k += 2) {
    const Lane *v1 = a + NAME(row)(k), *v2 = a + NAME(row)(k + 1);
    Number sum = NAME(zero)();
    for (int i = 0; i < k; i++)
      sum = NAME(add_cproduct)(sum, NAME(load)(v2 + i * PARTS), NAME(load)(v1 + i * PARTS));
    NAME(store)(inner + k * PARTS, sum);
  }
}

/* The phase convention for C columns: the first of the components that are largest, within
 * rounding, is real and positive. */
static inline __attribute__((always_inline)) void NAME(fix_phases)(const int C, int n, Lane *s) {
  const Lane one = NAME(all)(1), none = {0};
  const Real equal = 1 - (8 * (Real)n + 1000) * (REAL_BYTES == 4 ? (Real)0x1p-23 : (Real)0x1p-52);
  Lane largest[8], at[8];
  Number pivot[8];
  for (int c = 0; c < C; c++) largest[c] = none;
  for (int i = 0; i < n; i++)
    for (int c = 0; c < C; c++)
      largest[c] = NAME(max)(largest[c], NAME(norm2)(NAME(load)(s + (i * C + c) * PARTS)));
  for (int c = 0; c < C; c++) {
    largest[c] *= equal * equal;
    pivot[c] = NAME(zero)();
    at[c] = none;
  }
  for (int i = n - 1; i >= 0; i--) {
    const Lane here = NAME(all)((Real)i);
    for (int c = 0; c < C; c++) {
      const Number x = NAME(load)(s + (i * C + c) * PARTS);
      const Mask large = NAME(at_most)(largest[c], NAME(norm2)(x));
      pivot[c] = NAME(choose)(large, x, pivot[c]);
      at[c] = NAME(select)(large, here, at[c]);
    }
  }
  for (int c = 0; c < C; c++) {
#if IS_COMPLEX
    const Lane size = NAME(root)(NAME(norm2)(pivot[c]));
    const Lane divisor = NAME(select)(NAME(equal)(size, none), one, size);
    pivot[c] = NAME(times_real)(NAME(conjugate)(pivot[c]), one / divisor);
#else
    pivot[c].re = NAME(with_sign)(one, pivot[c].re);
#endif
  }
  for (int i = 0; i < n; i++) {
    const Lane here = NAME(all)((Real)i);
    for (int c = 0; c < C; c++) {
      Number x = NAME(product)(pivot[c], NAME(load)(s + (i * C + c) * PARTS));
#if IS_COMPLEX
      x.im = NAME(select)(NAME(equal)(at[c], here), none, x.im) + none;
#else
      (void)here;
#endif
      x.re += none; /* no negative zeros: their sign would depend on the neighbours */
      NAME(store)(s + (i * C + c) * PARTS, x);
    }
  }
}

/* Columns first .. first + C - 1 of V = H(n-1) ... H(1) Z; v: n rows, ldv
 * Lanes apart. */
static inline __attribute__((always_inline)) void
NAME(back_columns)(const int C, int n, const Lane *a, const Lane *tau, const Lane *inner,
                   const Lane *z, int ld, int first, Lane *s, Lane *v, int ldv) {
  for (int c = 0; c < C; c++)
    for (int i = 0; i < n; i++) {
      Number x = NAME(zero)();
      x.re = z[(first + c) * ld + i];
      NAME(store)(s + (i * C + c) * PARTS, x);
    }
  for (int c = 0; c < C && NAME(first_pair)(n) == 2; c++) {
    const Number x = NAME(load)(s + c * PARTS), tau1 = NAME(load)(tau + PARTS);
    NAME(store)(s + c * PARTS, NAME(add)(x, NAME(negate)(NAME(product)(tau1, x))));
  }
  for (int k = NAME(first_pair)(n); k + 1 < n; k += 2) NAME(reflect_columns)
  (C, k, a + NAME(row)(k), a + NAME(row)(k + 1), NAME(load)(tau + k * PARTS),
   NAME(load)(tau + (k + 1) * PARTS), NAME(load)(inner + k * PARTS), s);
  NAME(fix_phases)(C, n, s);
  for (int i = 0; i < n; i++)
    for (int c = 0; c < C * PARTS; c++)
      v[(int64_t)i * ldv + first * PARTS + c] = s[i * C * PARTS + c];
}

static void NAME(back_transform)(int n, const Lane *a, const Lane *tau, const Lane *z, int ld,
                                 Lane *inner, Lane *s, Lane *v, int ldv) {
  enum { C = NAME(COLUMNS) };
  int j = 0;
  NAME(pair_products)(n, a, inner);
  for (; j + C <= n; j += C) NAME(back_columns)(C, n, a, tau, inner, z, ld, j, s, v, ldv);
  for (; j + 2 <= n; j += 2) NAME(back_columns)(2, n, a, tau, inner, z, ld, j, s, v, ldv);
  for (; j < n; j++) NAME(back_columns)(1, n, a, tau, inner, z, ld, j, s, v, ldv);
}
