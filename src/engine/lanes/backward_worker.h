/* The backward pass of W small matrices at once, in interleaved form (see spectral/spectral.h for
 * what is computed). Cotangents are scaled by a power of two, and so is everything until the end.
 */

#define Value Lane
#define Flag Mask
#define ROOT NAME(root)
#define LARGER NAME(max)
#define LESS NAME(less)
#define CHOOSE NAME(select)
#include "entry_worker.h"
#undef Value
#undef Flag
#undef ROOT
#undef LARGER
#undef LESS
#undef CHOOSE

enum { NAME(PLAIN), NAME(LEFT_CONJUGATE), NAME(RIGHT_CONJUGATE) };

/* The array of one factor or of the result: element (i, j) stands at i * row + j * column Lanes. */
typedef struct NAME(view) {
  Lane *at;
  int64_t row, column;
} NAME(view);

/* R x C entries of the product of `a` (R rows) and `b` (C columns). */
static inline __attribute__((always_inline)) void NAME(multiply_tile)(const int R, const int C,
                                                                      const int how, int depth,
                                                                      NAME(view) a, NAME(view) b,
                                                                      NAME(view) out) {
  Number sum[2][2];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) sum[r][c] = NAME(zero)();
  for (int k = 0; k < depth; k++) {
    Number x[2], y[2];
    for (int r = 0; r < R; r++) x[r] = NAME(load)(a.at + r * a.row + k * a.column);
    for (int c = 0; c < C; c++) y[c] = NAME(load)(b.at + k * b.row + c * b.column);
    for (int r = 0; r < R; r++)
      for (int c = 0; c < C; c++)
        sum[r][c] = how == NAME(PLAIN)            ? NAME(add_product)(sum[r][c], x[r], y[c])
                    : how == NAME(LEFT_CONJUGATE) ? NAME(add_cproduct)(sum[r][c], x[r], y[c])
                                                  : NAME(add_cproduct)(sum[r][c], y[c], x[r]);
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) NAME(store)(out.at + r * out.row + c * out.column, sum[r][c]);
}

/* out = a b with one factor conjugated or none, n x n; `half`: what is below the diagonal, and some
 * more. */
static inline __attribute__((always_inline)) void
NAME(multiply)(const int how, bool half, int n, NAME(view) a, NAME(view) b, NAME(view) out) {
  for (int i = 0; i < n; i += 2)
    for (int j = 0; j < (half ? (i + 2 < n ? i + 2 : n) : n); j += 2) {
      const NAME(view) x = {a.at + i * a.row, a.row, a.column};
      const NAME(view) y = {b.at + j * b.column, b.row, b.column};
      const NAME(view) z = {out.at + i * out.row + j * out.column, out.row, out.column};
      if (i + 1 < n && j + 1 < n)
        NAME(multiply_tile)(2, 2, how, n, x, y, z);
      else if (i + 1 < n)
        NAME(multiply_tile)(2, 1, how, n, x, y, z);
      else if (j + 1 < n)
        NAME(multiply_tile)(1, 2, how, n, x, y, z);
      else
        NAME(multiply_tile)(1, 1, how, n, x, y, z);
    }
}

/* A group's backward pass. */
typedef struct NAME(gradient) {
  int n, ldv, stride;
  const Lane *v, *w, *id; /* id: multiplets */
  Lane *gw, *gv;          /* [n], or NULL; [n n] Numbers, or NULL; scaled in place */
  Lane *t, *y;            /* [n n] Numbers each; the gradient ends in t */
  Lane *norm;             /* [4 n] */
  Real epsilon, noise;    /* noise: 8 eps sqrt(n) */
  bool mean;              /* the spread policy */
  Lane gauge, spread, error;
  Mask dead; /* cotangents that are not finite, or whose gradient is not */
} NAME(gradient);

/* Scales the cotangents by a power of two each lane, finds those that are not finite, and norms. */
static Lane NAME(load_cotangents)(NAME(gradient) * q) {
  const int n = q->n, count = q->gv ? n * n * PARTS : 0;
  Lane largest = {0}, bad = {0};
  for (int i = 0; i < count; i++) {
    largest = NAME(max)(NAME(abs)(q->gv[i]), largest);
    bad += q->gv[i] - q->gv[i];
  }
  for (int j = 0; j < n; j++) {
    largest = NAME(max)(NAME(abs)(q->gw[j]), largest);
    bad += q->gw[j] - q->gw[j];
  }
  q->dead = ~NAME(equal)(bad, (Lane){0});
  largest = NAME(select)(q->dead, NAME(all)(1), largest);
  const Lane scale = NAME(inverse_power)(largest);
  for (int j = 0; j < n; j++) {
    q->gw[j] *= scale;
    q->norm[j] = (Lane){0};
  }
  for (int i = 0; i < n && q->gv; i++)
    for (int j = 0; j < n; j++) {
      Lane *at = q->gv + (i * n + j) * PARTS;
      const Number x = NAME(times_real)(NAME(load)(at), scale);
      NAME(store)(at, x);
      q->norm[j] += NAME(norm2)(x);
    }
  for (int j = 0; j < n; j++) q->norm[j] = NAME(root)(q->norm[j]);
  return NAME(all)(1) / scale;
}

/* The spread of gw inside multiplets, and their means where the policy asks for them. */
static void NAME(apply_spread)(NAME(gradient) * q) {
  const int n = q->n;
  Lane *sum = q->norm + n, *count = sum + n, *range = count + n;
  Lane largest = {0}, spread = {0}, low = {0}, high = {0};
  const Lane one = NAME(all)(1), zero = {0};
  for (int j = 0; j < n; j++) {
    const Lane x = q->gw[j];
    const Mask on = j ? NAME(equal)(q->id[j], q->id[j - 1]) : NAME(less)(one, zero);
    low = NAME(select)(on, NAME(min)(low, x), x);
    high = NAME(select)(on, NAME(max)(high, x), x);
    sum[j] = NAME(select)(on, sum[j ? j - 1 : 0] + x, x);
    count[j] = NAME(select)(on, count[j ? j - 1 : 0] + one, one);
    range[j] = high - low;
    spread = NAME(max)(spread, range[j]);
    largest = NAME(max)(largest, NAME(abs)(x));
  }
  q->spread = NAME(select)(NAME(equal)(largest, zero), zero, spread / largest);
  if (!q->mean) return;
  Lane mean = zero, all = zero;
  for (int j = n - 1; j >= 0; j--) {
    const Mask on = j + 1 < n ? NAME(equal)(q->id[j], q->id[j + 1]) : NAME(less)(one, zero);
    mean = NAME(select)(on, mean, sum[j] / count[j]);
    all = NAME(select)(on, all, range[j]);
    q->gw[j] = NAME(select)(NAME(equal)(all, zero), q->gw[j], mean);
  }
}

/* T = V^H gV becomes X. Adds up the noise of kept entries, and the turn of the eigenvectors by
 * rounding where eigenvalue cotangents differ. */
static void NAME(make_x)(NAME(gradient) * q) {
  const int n = q->n;
  const Lane zero = {0}, noise = NAME(all)(q->noise), one = NAME(all)(1);
  const Lane turn = NAME(all)(q->epsilon) * NAME(spectral_norm)(n, q->w, q->stride);
  Lane gauge = zero, noise2 = zero, x2 = zero, turn2 = zero;
  for (int a = 0; a < n; a++) {
    for (int b = 0; b < a; b++) {
      Lane *ab = q->t + (a * n + b) * PARTS, *ba = q->t + (b * n + a) * PARTS;
      const Lane gap = q->w[b * q->stride] - q->w[a * q->stride]; /* F_ab = 1 / (w_b - w_a) */
      const Mask same = NAME(equal)(q->id[a], q->id[b]);
      const Number x = NAME(load)(ab), y = NAME(load)(ba);
      Lane k[2] = {(x.re - y.re) / 2, zero};
#if IS_COMPLEX
      k[1] = (x.im + y.im) / 2;
#endif
      NAME(step_entry)(k, q->norm[a] + q->norm[b], gap, same, noise, &gauge, &noise2, &x2);
      Number e;
      e.re = k[0];
#if IS_COMPLEX
      e.im = k[1];
#endif
      NAME(store)(ab, e);
      NAME(store)(ba, NAME(conjugate)(e));
      const Lane t = turn / NAME(select)(same, one, gap) * (q->gw[a] - q->gw[b]);
      turn2 += NAME(select)(same, zero, t * t);
    }
    Lane *aa = q->t + (a * n + a) * PARTS;
#if IS_COMPLEX
    Lane k[2] = {zero, aa[1]}; /* the phase of one vector */
    NAME(step_entry)
    (k, q->norm[a] + q->norm[a], one, NAME(everywhere)(), noise, &gauge, &noise2, &x2);
    aa[1] = zero;
#endif
    aa[0] = q->gw[a];
    x2 += q->gw[a] * q->gw[a] / 2; /* entries off the diagonal count twice */
  }
  const Mask nothing = NAME(equal)(x2, zero);
  const Lane relative2 = (noise2 + turn2) / NAME(select)(nothing, one, x2);
  q->gauge = NAME(min)(gauge, one);
  q->error = NAME(select)(nothing, zero,
                          NAME(root)(relative2) + NAME(all)(q->epsilon * (Real)sqrt((double)n)));
}

/* G in t, Hermitian to the last bit, and whether it is finite. */
static void NAME(unscale)(NAME(gradient) * q, Lane unscale, bool conjugate) {
  const int n = q->n;
  Lane bad = {0};
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      Lane *low = q->t + (i * n + j) * PARTS, *high = q->t + (j * n + i) * PARTS;
      Number x = NAME(times_real)(NAME(load)(low), unscale);
      bad += x.re - x.re;
      x.re += (Lane){0};
#if IS_COMPLEX
      bad += x.im - x.im;
      x.im += (Lane){0};
      if (i == j) x.im = (Lane){0};
#endif
      NAME(store)(conjugate ? high : low, x);
      NAME(store)(conjugate ? low : high, NAME(conjugate)(x));
    }
  q->dead = q->dead | ~NAME(equal)(bad, (Lane){0});
}

static void NAME(differentiate)(NAME(gradient) * q, bool conjugate) {
  const int n = q->n;
  const Lane unscale = NAME(load_cotangents)(q);
  NAME(apply_spread)(q);
  const NAME(view) v = {(Lane *)(uintptr_t)q->v, q->ldv, PARTS};
  const NAME(view) vt = {v.at, PARTS, q->ldv};
  const NAME(view) t = {q->t, n * PARTS, PARTS}, y = {q->y, n * PARTS, PARTS};
  if (q->gv) {
    const NAME(view) gv = {q->gv, n * PARTS, PARTS};
    NAME(multiply)(NAME(LEFT_CONJUGATE), false, n, vt, gv, t);
  } else {
    memset(q->t, 0, sizeof(Lane) * (size_t)(n * n * PARTS));
  }
  NAME(make_x)(q);
  if (q->gv)
    NAME(multiply)(NAME(PLAIN), false, n, v, t, y);
  else
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) NAME(store)
  (q->y + (i * n + j) * PARTS,
   NAME(times_real)(NAME(load)(q->v + (int64_t)i * q->ldv + j * PARTS), q->gw[j]));
  NAME(multiply)(NAME(RIGHT_CONJUGATE), true, n, y, vt, t);
  NAME(unscale)(q, unscale, conjugate);
}
