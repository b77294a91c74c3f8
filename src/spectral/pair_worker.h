/* Included once per scalar type by backward.c. */

enum { NAME(RUN) = 8 };

/* tanh(x) / x for x^2 up to 0.01, to 1e-13. */
static inline double NAME(tanhc)(double x2) {
  return 1 + x2 * (-1.0 / 3 + x2 * (2.0 / 15 + x2 * (-17.0 / 315 + x2 * (62.0 / 2835))));
}

typedef struct NAME(side) {
  double gauge[NAME(RUN)], signal[NAME(RUN)], violated[NAME(RUN)], noise2[NAME(RUN)];
  double turn2[NAME(RUN)], turned[NAME(RUN)], size[NAME(RUN)], formed[NAME(RUN)];
} NAME(side);

/* Processes `count` entries of one column of the tile from row i on, without a branch. There are
 * several sums side by side, so that the loop vectorizes. `triangle`: each entry also stands for
 * the one across the diagonal. */
static inline __attribute__((always_inline)) void NAME(step_run)(const bool triangle, int count,
                                                                 const mpt_rule *r,
                                                                 const mpt_tile *tile, int64_t i,
                                                                 int64_t j, NAME(side) * side) {
  enum { P = 1 + IS_COMPLEX };
  const int64_t a = tile->row0 + i, b = tile->col0 + j;
  const double *w = r->place + a, *norm = r->gv_norm + a, *gw = r->cotangent + a, *rho = r->rho + a;
  const double *rho_error = r->rho_error + a, *own = r->own + a;
  const double *drift = r->drift + a, driftb = r->drift[b];
  const double wb = r->place[b], normb = r->gv_norm[b], gwb = r->cotangent[b], rhob = r->rho[b];
  const double errorb = r->rho_error[b], in = r->inside[b], in_error = r->inside_error[b],
               ownb = r->own[b];
  const double unit0 = r->gv_in[0], unit1 = r->gv_in[1], back0 = r->x_out[0], back1 = r->x_out[1];
  const double level = r->level, rounding = MPT_TURN * r->epsilon, tight = 1 / sqrt((double)r->n);
  const double gauge0 = r->gauge_in[0], gauge1 = r->gauge_in[1];
  const bool certified = in_error < DBL_MAX;
  const double in_kept = certified ? in : 0, in_turn = certified ? 0 : 1;
  const int32_t *id = r->multiplet + a, idb = r->multiplet[b];
  Real *t = (Real *)((Scalar *)tile->t + i + j * tile->ldt);
  const Real *th = (const Real *)((const Scalar *)tile->th + i + j * tile->ldth);
  double theta2[NAME(RUN)], x2[NAME(RUN)];
  for (int l = 0; l < count; l++) {
    const double t0 = (double)t[l * P] * unit0 * unit1, h0 = (double)th[l * P] * unit0 * unit1;
    const double t1 = IS_COMPLEX ? (double)t[l * P + P - 1] * unit0 * unit1 : 0;
    const double h1 = IS_COMPLEX ? (double)th[l * P + P - 1] * unit0 * unit1 : 0;
    const double k0 = (t0 - h0) / 2, k1 = (t1 - h1) / 2, s0 = (t0 + h0) / 2, s1 = (t1 + h1) / 2;
    const double k2 = k0 * k0 + k1 * k1, s2 = s0 * s0 + s1 * s1;
    const double scale = (norm[l] + normb) * unit0 * unit1, noise = level * scale / 2,
                 third = noise * (1.0 / 3);
    const bool same = id[l] == idb, above = k2 > noise * noise;
    /* inside a multiplet, as a share of gv */
    const double own0 = (double)(t[l * P] - th[l * P]) / 2 * gauge0 * gauge1;
    const double own1 =
        IS_COMPLEX ? (double)(t[l * P + P - 1] - th[l * P + P - 1]) / 2 * gauge0 * gauge1 : 0;
    const double whole = (norm[l] + normb) * gauge0 * gauge1, own2 = own0 * own0 + own1 * own1;
    const double ratio2 = 4 * own2 / (whole > 0 ? whole * whole : 1);
    const bool signal = 4 * own2 > level * level * whole * whole;
    side->gauge[l] = (same & (ratio2 > side->gauge[l])) ? ratio2 : side->gauge[l];
    side->signal[l] = (same & signal & (ratio2 > side->signal[l])) ? ratio2 : side->signal[l];
    side->violated[l] = (same & signal & (k2 > side->violated[l])) ? k2 : side->violated[l];
    /* between multiplets: the quotient and the form */
    const double d = same ? 1 : w[l] - wb, inverse = 1 / d, far = fabs(inverse),
                 mean = (rho[l] + rhob) / 2;
    const double differ = fabs(rho[l] - rhob), error = (rho_error[l] + errorb) / 2, x = mean * d;
    const double slope = mean * NAME(tanhc)(x * x), s = sqrt(s2), half = fabs(mean);
    const double r0 = k0 - s0 * slope * d, r1 = k1 - s1 * slope * d;
    const double bend = differ * (differ / (half > 0 ? half : 1) + fabs(x)) * (1.0 / 6);
    const double of_form = s * (error + bend) + half * third, of_quotient = third * far;
    /* K and S come from one product: the noise is a few rounding errors, not the cautious bound */
    const double near_noise = tight * noise + s * (error + bend) * fabs(d);
    const bool agrees = r0 * r0 + r1 * r1 <= near_noise * near_noise;
    const bool alike =
        mpt_alike(rho[l], rho_error[l], rhob, errorb, d, drift[l] > driftb ? drift[l] : driftb);
    const bool form = !same & (x * x < 0.01) & agrees & alike & (of_form < of_quotient);
    const bool quotient = !same & !form & above;
    const double of_inside = s * in_error + fabs(in) * third;
    const double on_k = quotient ? inverse : 0;
    const double slope_kept = form ? slope : 0, on_s = same ? in_kept : slope_kept;
    const double x0 = k0 * on_k + s0 * on_s, x1 = k1 * on_k + s1 * on_s;
    const double wrong = same ? (certified ? of_inside : 0) : of_form;
    /* where eigenvalue cotangents differ, the dropped entry may have been more than noise */
    const double apart = fabs(gw[l] - gwb), dropped = apart < noise * far ? apart : noise * far;
    /* a rotation of the two vectors brings S into K. It does not count beside eigenvalue
     * cotangents: those come from a function of the matrix, whose gradient does not depend on
     * rotations */
    const double share = rounding * far, theta = share < 1 ? share : 1;
    const double both = own[l] > ownb ? own[l] : ownb, turning = theta * both * far;
    const bool vectors_alone = 100 * (fabs(gw[l]) + fabs(gwb)) < sqrt(k2) * far;
    const double of_turn = vectors_alone ? turning : 0;
    const double other = (same | form) ? wrong : dropped;
    const double missed = quotient ? of_quotient + of_turn : other;
    const double near = level * far, near2 = near * near;
    const double most = share > near2 ? share : near2;
    const double near_turn = most < 1 ? most : 1, outer_turn = form ? 0 : near_turn;
    const double turn = same ? in_turn : outer_turn;
    const double moved = turn * (gw[l] - gwb);
    const bool off = a + l != b;
    side->noise2[l] += off ? missed * missed : 0;
    side->turn2[l] += moved * moved;
    side->formed[l] += (form & (s2 * slope * slope > 0)) ? 1 : 0;
    theta2[l] = quotient ? theta * theta : 0;
    x2[l] = off ? x0 * x0 + x1 * x1 : 0;
    side->turned[l] += theta2[l];
    side->size[l] += x2[l];
    t[l * P] = (Real)(x0 * back0 * back1) + 0;
    if (IS_COMPLEX) t[l * P + P - 1] = (Real)(x1 * back0 * back1) + 0;
  }
  for (int l = 0; l < count && triangle; l++) {
    r->turned[a + l] += theta2[l];
    r->size[a + l] += x2[l];
  }
}

/* Processes a column from row i on. */
static inline __attribute__((always_inline)) void NAME(step_column)(const bool triangle,
                                                                    const mpt_rule *r,
                                                                    const mpt_tile *tile, int64_t i,
                                                                    int64_t j, NAME(side) * side) {
  enum { RUN = NAME(RUN) };
  for (; i + RUN <= tile->rows; i += RUN) NAME(step_run)(triangle, RUN, r, tile, i, j, side);
  NAME(step_run)(triangle, (int)(tile->rows - i), r, tile, i, j, side);
}

static void NAME(add_column)(const mpt_rule *r, int64_t b, double times, NAME(side) * side,
                             mpt_sums *sums) {
  double turned = 0, size = 0;
  for (int l = 0; l < NAME(RUN); l++) {
    turned += side->turned[l];
    size += side->size[l];
    side->turned[l] = side->size[l] = 0;
  }
  r->turned[b] += turned;
  r->size[b] += size;
  sums->x2 += times * size;
}

/* Copies the lower triangle of X to the upper one, block by block; zeros stay positive. */
static void NAME(fill_half)(const mpt_tile *tile) {
  enum { P = 1 + IS_COMPLEX, BLOCK = 8 };
  Real *t = tile->t;
  const int64_t n = tile->cols, ld = tile->ldt;
  for (int64_t j0 = 0; j0 < n; j0 += BLOCK)
    for (int64_t i0 = j0; i0 < n; i0 += BLOCK)
      for (int64_t j = j0; j < j0 + BLOCK && j < n; j++)
        for (int64_t i = i0 > j ? i0 : j + 1; i < i0 + BLOCK && i < n; i++) {
          const Real *from = t + (i + j * ld) * P;
          Real *to = t + (j + i * ld) * P;
          to[0] = from[0];
          if (IS_COMPLEX) to[P - 1] = 0 - from[P - 1];
        }
}

VECTOR_CLONES
static void NAME(backward_tile)(const mpt_rule *r, const mpt_tile *tile, mpt_sums *sums) {
  NAME(side) side = {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}};
  const bool half = tile->row0 == tile->col0 && tile->rows == tile->cols;
  const double times = half ? 2 : 1;
  for (int64_t j = 0; j < tile->cols; j++) {
    if (half)
      NAME(step_column)(true, r, tile, j, j, &side);
    else
      NAME(step_column)(false, r, tile, 0, j, &side);
    const int64_t b = tile->col0 + j, diagonal = b - tile->row0;
    NAME(add_column)(r, b, times, &side, sums);
    if (diagonal < 0 || diagonal >= tile->rows) continue;
    ((Scalar *)tile->t)[diagonal + j * tile->ldt] = (Real)(r->x[b] * r->x_out[0] * r->x_out[1]);
    sums->x2 += r->x[b] * r->x[b];
  }
  if (half) NAME(fill_half)(tile);
  for (int l = 0; l < NAME(RUN); l++)
    mpt_sums_add(sums,
                 &(mpt_sums){sqrt(side.gauge[l]), sqrt(side.signal[l]), sqrt(side.violated[l]),
                             times * side.noise2[l], times * side.turn2[l], 0, side.formed[l]});
}

/* Marks the columns that depend on the basis of their multiplet. */
static void NAME(look_inside)(const mpt_rule *r, const mpt_tile *tile) {
  const double share = fmax(r->level, sqrt(r->epsilon)); /* less: the members' distances */
  const double unit0 = r->gauge_in[0], unit1 = r->gauge_in[1];
  for (int64_t b = tile->col0; b < tile->col0 + tile->cols; b++) {
    int64_t first = b, stop = b + 1;
    while (first > 0 && r->multiplet[first - 1] == r->multiplet[b]) first--;
    while (stop < r->m && r->multiplet[stop] == r->multiplet[b]) stop++;
    if (first < tile->row0) first = tile->row0;
    if (stop > tile->row0 + tile->rows) stop = tile->row0 + tile->rows;
    for (int64_t a = first; a < stop; a++) {
      const int64_t i = a - tile->row0, j = b - tile->col0;
      const Scalar t = ((const Scalar *)tile->t)[i + j * tile->ldt];
      const Scalar th = ((const Scalar *)tile->th)[i + j * tile->ldth];
      const double re = ((double)RE(t) - (double)RE(th)) * unit0 * unit1;
      const double im = ((double)IM(t) - (double)IM(th)) * unit0 * unit1;
      const double bound = share * (r->gv_norm[a] + r->gv_norm[b]) * unit0 * unit1;
      if (a != b && re * re + im * im > bound * bound) r->turned[b] = 1;
    }
  }
}

/* Whether all elements are float32 numbers and most of the nonzero ones have more digits than
 * numbers that a person types. */
static bool NAME(are_single)(int64_t count, const void *elements) {
#if REAL_BYTES == 8
  const Real *x = elements;
  int64_t other = 0, full = 0;
  for (int64_t i = 0; i < count * (1 + IS_COMPLEX); i++) {
    if (x[i] == 0) continue;
    if ((double)(float)x[i] != x[i]) return false;
    const double scaled = ldexp(x[i], 12 - ilogb(x[i]));
    full += scaled != floor(scaled);
    other++;
  }
  return 2 * full > other;
#else
  (void)count;
  (void)elements;
  return false;
#endif
}
