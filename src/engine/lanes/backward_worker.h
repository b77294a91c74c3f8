/* The backward pass of W small matrices at once, in interleaved form (see spectral/backward.h for
 * what is computed). Lanes whose eigenvalues are all far apart are differentiated by quotients
 * here. For the others, spectral/backward.c does the elementwise step, one by one. Eigenvalues, gw
 * and gv are each scaled by a power of two, so that no square overflows or underflows. Until the
 * end, X is scaled by a power of two that brings the larger of its parts near 1. */

enum { NAME(PLAIN), NAME(LEFT_CONJUGATE), NAME(RIGHT_CONJUGATE) };

/* The array of one factor: element (i, j) is at i * row + j * column Lanes. */
typedef struct NAME(view) {
  const Lane *at;
  int64_t row, column;
} NAME(view);

enum {
  NAME(TALL) = LANE_BYTES == 64 || !IS_COMPLEX ? 4 : 2,
  NAME(WIDE) = LANE_BYTES == 64 && !IS_COMPLEX ? 4 : 2
};

/* R x C entries of the product of `a` (R rows) and `b` (C columns); rows of `out` are ld apart. */
static inline __attribute__((always_inline)) void NAME(multiply_tile)(const int R, const int C,
                                                                      const int how, int depth,
                                                                      NAME(view) a, NAME(view) b,
                                                                      Lane *out, int64_t ld) {
  Number sum[4][4];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) sum[r][c] = NAME(zero)();
  for (int k = 0; k < depth; k++) {
    Number y[4];
    for (int c = 0; c < C; c++) y[c] = NAME(load)(b.at + k * b.row + c * b.column);
    for (int r = 0; r < R; r++) {
      const Number x = NAME(load)(a.at + r * a.row + k * a.column);
      for (int c = 0; c < C; c++)
        sum[r][c] = how == NAME(PLAIN)            ? NAME(add_product)(sum[r][c], x, y[c])
                    : how == NAME(LEFT_CONJUGATE) ? NAME(add_cproduct)(sum[r][c], x, y[c])
                                                  : NAME(add_cproduct)(sum[r][c], y[c], x);
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) NAME(store)(out + r * ld + c * PARTS, sum[r][c]);
}

/* R rows from row i on, columns up to `end`. */
static inline __attribute__((always_inline)) void NAME(multiply_rows)(const int R, const int how,
                                                                      int i, int end, int depth,
                                                                      NAME(view) a, NAME(view) b,
                                                                      Lane *out, int64_t ld) {
  enum { C = NAME(WIDE) };
  const NAME(view) x = {a.at + i * a.row, a.row, a.column};
  for (int j = 0; j < end;) {
    const NAME(view) y = {b.at + j * b.column, b.row, b.column};
    Lane *z = out + i * ld + j * PARTS;
    if (j + C <= end)
      NAME(multiply_tile)(R, C, how, depth, x, y, z, ld), j += C;
    else
      NAME(multiply_tile)(R, 1, how, depth, x, y, z, ld), j += 1;
  }
}

/* out = a b with one factor conjugated or none, n x n; `half`: only the part below the diagonal
 * (and some entries above). */
static inline __attribute__((always_inline)) void
NAME(multiply)(const int how, bool half, int n, NAME(view) a, NAME(view) b, Lane *out) {
  enum { R = NAME(TALL) };
  const int64_t ld = (int64_t)n * PARTS;
  int i = 0;
  for (; i + R <= n; i += R) NAME(multiply_rows)(R, how, i, half ? i + R : n, n, a, b, out, ld);
  for (; i + 2 <= n; i += 2) NAME(multiply_rows)(2, how, i, half ? i + 2 : n, n, a, b, out, ld);
  for (; i < n; i++) NAME(multiply_rows)(1, how, i, half ? i + 1 : n, n, a, b, out, ld);
}

/* A group's backward pass. */
typedef struct NAME(gradient) {
  int n, ldv, stride;
  const Lane *v, *w, *id; /* id: multiplets */
  Lane *gw, *gv;          /* [n], or NULL; [n n] Numbers, or NULL; scaled in place */
  Lane *t, *y;            /* [n n] Numbers each; the gradient is left in t */
  Lane *norm;             /* [6 n]: norms of gv's columns, scaled eigenvalues, and work */
  Real epsilon, noise;    /* noise: 8 eps sqrt(n) */
  Lane scale, gw_scale;   /* the factors applied to gv and gw */
  Mask no_gv, no_gw;      /* all elements are zero */
  Lane unit;              /* X is in units of 2 to this power */
  Lane off, on, angle; /* the resulting factors of entries off and on the diagonal; the rotation of
                          eigenvectors by rounding at a gap of 1 */
  Lane near;           /* smallest distance of scaled eigenvalues */
  Lane gauge, error;
  Mask dependent;
  Mask dead;            /* cotangents or a gradient that are not finite */
  const Real *signs;    /* [n][2]; the first of each pair are used */
  Lane *probe;          /* [3 n] Numbers */
  Lane output;          /* what the probes found */
  int spoil;            /* mpt_lanes_call.spoil */
  bool apart[W];        /* lanes that are left to spectral/backward.c */
  mpt_finding found[W]; /* and what it found for them */
} NAME(gradient);

/* Scales the cotangents by a power of two for each lane, finds those that are not finite, and
 * computes the norms of gv. Where gv is not interleaved, the caller supplies `largest` and `bad`.
 */
static void NAME(load_cotangents)(NAME(gradient) * q, Lane largest, Lane bad) {
  const int n = q->n, count = q->gv ? n * n * PARTS : 0;
  const Lane zero = {0};
  Lane values = zero;
  for (int i = 0; i < count; i++) {
    largest = NAME(max)(NAME(abs)(q->gv[i]), largest);
    bad += q->gv[i] - q->gv[i];
  }
  for (int j = 0; j < n; j++) {
    values = NAME(max)(NAME(abs)(q->gw[j]), values);
    bad += q->gw[j] - q->gw[j];
    q->norm[j] = zero;
  }
  q->dead = ~NAME(equal)(bad, zero);
  q->no_gv = NAME(equal)(largest, zero);
  q->no_gw = NAME(equal)(values, zero);
  q->scale = NAME(inverse_power)(NAME(select)(q->dead, NAME(all)(1), largest));
  q->gw_scale = NAME(inverse_power)(NAME(select)(q->dead, NAME(all)(1), values));
  for (int j = 0; j < n; j++) q->gw[j] *= q->gw_scale;
  for (int i = 0; i < n && q->gv; i++)
    for (int j = 0; j < n; j++) {
      Lane *at = q->gv + (i * n + j) * PARTS;
      const Number x = NAME(times_real)(NAME(load)(at), q->scale);
      NAME(store)(at, x);
      q->norm[j] += NAME(norm2)(x);
    }
  for (int j = 0; j < n; j++) q->norm[j] = NAME(root)(q->norm[j]);
}

enum { NAME(LIMIT) = REAL_BYTES == 4 ? 120 : 1000 }; /* for exponents, as in inverse_power */

/* The exponent of a power of two, and the inverse, which saturates at the limits. */
static inline Lane NAME(exponent)(Lane power) {
  const Bits bias = (REAL_BYTES == 4 ? 127 : 1023) + (Bits){0};
  return __builtin_convertvector(((Bits)power >> (REAL_BYTES == 4 ? 23 : 52)) - bias, Lane);
}

static inline Lane NAME(power)(Lane exponent) {
  const Lane limit = NAME(all)((Real)NAME(LIMIT)),
             e = NAME(max)(NAME(min)(exponent, limit), -limit);
  const Bits bias = (REAL_BYTES == 4 ? 127 : 1023) + (Bits){0};
  return (Lane)((bias + __builtin_convertvector(e, Bits)) << (REAL_BYTES == 4 ? 23 : 52));
}

/* Multiplies the eigenvalues by s, about 1 / ||A||, and chooses the unit of X: the larger of those
 * of gv / ||A|| and of gw. */
static void NAME(scale_values)(NAME(gradient) * q) {
  Lane *x = q->norm + q->n;
  const Lane s = NAME(inverse_power)(NAME(spectral_norm)(q->n, q->w, q->stride));
  const Lane limit = NAME(all)((Real)NAME(LIMIT)), never = limit * -4;
  for (int j = 0; j < q->n; j++) x[j] = q->w[j * q->stride] * s;
  Lane off = NAME(exponent)(s) - NAME(exponent)(q->scale), on = -NAME(exponent)(q->gw_scale);
  off = NAME(select)(q->no_gv, never, off);
  on = NAME(select)(q->no_gw, never, on);
  Lane unit = NAME(max)(off, on);
  /* All of gv may be dropped as noise. So gw must stay in range, and gv has precedence only where
   * it would overflow. */
  unit = NAME(select)(q->no_gw, unit, NAME(min)(unit, on + limit));
  q->unit = NAME(max)(NAME(max)(unit, off - limit), limit * -2);
  q->off = NAME(power)(off - q->unit);
  q->on = NAME(select)(NAME(less)(on - q->unit, -limit), limit - limit, NAME(power)(on - q->unit));
  q->angle = NAME(all)(MPT_TURN * q->epsilon) * (q->on / q->off);
  q->near = NAME(all)(2);
  for (int j = 1; j < q->n; j++) q->near = NAME(min)(q->near, x[j] - x[j - 1]);
}

/* Sums over the entries of X. */
typedef struct NAME(sums) {
  Lane gauge2, signal2, violated2; /* of phases */
  Lane noise2, x2, turn2;
  Lane bad; /* not zero: the gradient is not finite */
} NAME(sums);

/* Turns an entry of K into one of X; `inverse`: off / (w_b - w_a). Adds its contributions to the
 * estimate; returns theta^2 = (MPT_TURN eps / gap)^2 where the quotient is kept. `own`: |S_aa| or
 * |S_bb|; `values`: 100 times the eigenvalues' cotangents, in units of X. */
static inline Lane NAME(step_entry)(const NAME(gradient) * q, Lane off, Lane k[2], Lane scale,
                                    Lane inverse, Lane own, Lane values, NAME(sums) * sum) {
  const Lane zero = {0}, level = NAME(all)(q->noise / 2) * scale, level2 = level * level;
  const Lane magnitude2 = k[0] * k[0] + k[1] * k[1];
  const Lane kept = NAME(select)(NAME(less)(level2, magnitude2), inverse, zero);
  const Lane kept2 = kept * kept, theta = kept * NAME(all)(MPT_TURN * q->epsilon) / off;
  sum->noise2 += level2 * kept2 * NAME(all)((Real)(1.0 / 9));
  sum->x2 += magnitude2 * kept2;
  const Mask alone = NAME(less)(values * values, magnitude2 * kept2);
  const Lane turning = NAME(select)(alone, theta * own * kept, zero);
  sum->noise2 += turning * turning;
  k[0] *= kept;
  k[1] *= kept;
  return theta * theta;
}

/* mpt_leverage2 of a vector. */
static inline Lane NAME(leverage2)(const NAME(gradient) * q, Lane norm, Lane s) {
  const Lane share = norm * norm / NAME(all)((Real)q->n), s2 = s * s, most = NAME(all)(1000);
  const Lane tiny = share / most, one = NAME(all)(1);
  return NAME(select)(NAME(equal)(share, share - share), one,
                      NAME(max)(one, share / NAME(max)(s2, tiny)));
}

/* How much the uncertainty of an eigenvalue changes its own cotangent, as in spectral/backward.c.
 */
static inline Lane NAME(singular2)(const NAME(gradient) * q, int j) {
  const Lane zero = {0}, one = NAME(all)(1), *w = q->norm + q->n;
  const Lane below = j > 0 ? NAME(abs)(q->gw[j - 1]) : zero;
  const Lane above = j + 1 < q->n ? NAME(abs)(q->gw[j + 1]) : zero;
  const Lane share = NAME(all)(MPT_TURN * q->epsilon) / NAME(abs)(w[j]);
  const Lane more = NAME(max)(NAME(abs)(q->gw[j]) - NAME(max)(below, above), zero);
  const Lane moved = more * q->on * NAME(min)(share, one);
  return moved * moved;
}

/* The phase of one vector: `im`, the imaginary part of K_aa, relative to 2 |gv_a|. */
static inline void NAME(phase_entry)(const NAME(gradient) * q, Lane im, Lane norm,
                                     NAME(sums) * sum) {
  const Lane zero = {0}, one = NAME(all)(1), level = NAME(all)(q->noise) * norm, k2 = im * im;
  const Lane norm2 = norm * norm;
  const Lane ratio2 = k2 / NAME(select)(NAME(less)(zero, norm2), norm2, one);
  const Mask above = NAME(less)(level * level, k2);
  sum->gauge2 = NAME(max)(sum->gauge2, ratio2);
  sum->signal2 = NAME(max)(sum->signal2, NAME(select)(above, ratio2, zero));
  sum->violated2 = NAME(max)(sum->violated2, NAME(select)(above, k2, zero));
}

/* Turns T = V^H gV into X. Sums count each pair of entries once, and diagonal entries half. */
static void NAME(make_x)(NAME(gradient) * q, NAME(sums) * sums) {
  const int n = q->n;
  const Lane zero = {0}, *w = q->norm + n;
  Lane *turned = q->norm + 2 * n, *size = q->norm + 3 * n, *leverage = q->norm + 4 * n;
  Lane *diagonal = q->norm + 5 * n; /* |S_aa| */
  Lane moved2 = zero;
  NAME(sums) sum = {zero, zero, zero, zero, zero, zero, zero};
  for (int j = 0; j < n; j++) turned[j] = size[j] = zero;
  for (int a = 0; a < n; a++) {
    for (int b = 0; b < a; b++) {
      Lane *ab = q->t + (a * n + b) * PARTS, *ba = q->t + (b * n + a) * PARTS;
      const Number x = NAME(load)(ab), y = NAME(load)(ba);
      Lane k[2] = {(x.re - y.re) / 2, zero};
#if IS_COMPLEX
      k[1] = (x.im + y.im) / 2;
#endif
      const Lane inverse = q->off / (w[b] - w[a]); /* F_ab = 1 / (w_b - w_a) */
      const Lane own = NAME(max)(NAME(abs)(q->t[(a * n + a) * PARTS]), diagonal[b]);
      const Lane values = (NAME(abs)(q->gw[a]) + NAME(abs)(q->gw[b])) * q->on * NAME(all)(100);
      const Lane theta2 =
          NAME(step_entry)(q, q->off, k, q->norm[a] + q->norm[b], inverse, own, values, &sum);
      Number e;
      e.re = k[0];
#if IS_COMPLEX
      e.im = k[1];
#endif
      NAME(store)(ab, e);
      NAME(store)(ba, NAME(conjugate)(e));
      const Lane turn = inverse * q->angle * (q->gw[a] - q->gw[b]), x2 = NAME(norm2)(e);
      sum.turn2 += turn * turn;
      turned[a] += theta2;
      turned[b] += theta2;
      size[a] += x2;
      size[b] += x2;
    }
    Lane *aa = q->t + (a * n + a) * PARTS;
#if IS_COMPLEX
    NAME(phase_entry)(q, aa[1], q->norm[a], &sum);
    aa[1] = zero;
#endif
    diagonal[a] = NAME(abs)(aa[0]);
    leverage[a] = NAME(leverage2)(q, q->norm[a], aa[0]);
    aa[0] = q->gw[a] * q->on;
    sum.x2 += aa[0] * aa[0] / 2;
    sum.turn2 += NAME(singular2)(q, a) / 2;
  }
  for (int j = 0; j < n; j++) moved2 += turned[j] * size[j] * leverage[j];
  sum.turn2 += moved2;
  *sums = sum;
}

/* Computes the diagnostics from the sums. */
static void NAME(judge)(NAME(gradient) * q, const NAME(sums) * s) {
  const Lane zero = {0}, one = NAME(all)(1), threshold = NAME(all)((Real)sqrt(q->epsilon));
  const Mask nothing = NAME(equal)(s->x2, zero);
  const Lane relative2 = (s->noise2 + s->turn2) / NAME(select)(nothing, one, s->x2);
  q->gauge = NAME(min)(NAME(root)(s->gauge2), one);
  q->error = NAME(root)(relative2) + NAME(all)(q->epsilon * (Real)sqrt((double)q->n));
  /* all of the cotangents may be lost in rounding, or there were none */
  q->error = NAME(select)(nothing, one, q->error);
  q->error = NAME(select)(nothing & q->no_gw & q->no_gv, zero, q->error);
  const Lane whole = NAME(root)(s->x2 + s->x2) / q->off;
  q->dependent = NAME(less)(threshold, NAME(root)(s->signal2)) |
                 NAME(less)(threshold * whole, NAME(root)(s->violated2));
  q->dead = q->dead | ~NAME(equal)(s->bad, zero);
}

/* The unit of X as two factors, since a single one can overflow or underflow. */
static inline void NAME(unscale_factors)(const NAME(gradient) * q, Lane factor[2]) {
  const Bits bias = (REAL_BYTES == 4 ? 127 : 1023) + (Bits){0};
  const int digits = REAL_BYTES == 4 ? 23 : 52;
  const Bits exponent = __builtin_convertvector(q->unit, Bits);
  const Bits half = exponent >> 1;
  factor[0] = (Lane)((bias + half) << digits);
  factor[1] = (Lane)((bias + exponent - half) << digits);
}

/* Brings G in t back to the caller's units, Hermitian to the last bit, and checks that it is
 * finite. */
static void NAME(unscale)(NAME(gradient) * q, bool conjugate) {
  const int n = q->n;
  Lane bad = {0}, factor[2];
  NAME(unscale_factors)(q, factor);
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      Lane *low = q->t + (i * n + j) * PARTS, *high = q->t + (j * n + i) * PARTS;
      Number x = NAME(times_real)(NAME(times_real)(NAME(load)(low), factor[0]), factor[1]);
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
