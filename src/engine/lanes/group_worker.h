/* One call of the engine: takes up to GROUPS * W problems from a batch's arrays to its outputs. */

/* Up to this n backward passes are interleaved; beyond it, single matrices are multiplied. */
enum { NAME(INTERLEAVED) = REAL_BYTES == 4 ? 24 : 16 };

/* The beginning of a call's memory. */
typedef struct NAME(memory) {
  NAME(space) space;
  bool vectors, backward;
  Lane *gw, *gv, *t, *y, *id; /* backward, interleaved */
  Lane *probe;
  Real *signs, *nowhere, *ids;
  NAME(aside) aside;
  NAME(product_memory) products;
} NAME(memory);

static void NAME(lay_out)(NAME(arena) * arena, NAME(memory) * m, int n, bool vectors,
                          bool backward) {
  NAME(space) *s = &m->space;
  const int64_t n2 = (int64_t)n * n * PARTS, longest = (int64_t)1 << 14;
  const int64_t capacity = 3 * n * n + 8 * n < longest ? 3 * n * n + 8 * n : longest;
  for (int g = 0; g < GROUPS; g++) {
    s->a[g] = NAME(lanes)(arena, n2);
    s->triangle[g] = NAME(lanes)(arena, NAME(row)(n));
    s->tau[g] = NAME(lanes)(arena, n * PARTS);
    s->z[g] = vectors ? NAME(lanes)(arena, (int64_t)n * NAME(leading)(n)) : NULL;
    s->ql.rotations[g] = NAME(lanes)(arena, capacity);
  }
  s->v = NAME(lanes)(arena, (int64_t)n * NAME(row_length)(n));
  s->w = NAME(lanes)(arena, n * GROUPS);
  s->e = NAME(lanes)(arena, n * GROUPS);
  s->strip = NAME(lanes)(arena, n * NAME(COLUMNS) * PARTS);
  s->work = NAME(lanes)(arena, 2 * GROUPS * n * PARTS + 6 * n);
  m->id = NAME(lanes)(arena, n);
  m->gw = NAME(lanes)(arena, n);
  const bool here = backward && n <= NAME(INTERLEAVED);
  m->gv = NAME(lanes)(arena, here ? n2 : 0);
  m->t = NAME(lanes)(arena, here ? n2 : 0);
  m->y = NAME(lanes)(arena, here ? n2 : 0);
  m->probe = NAME(lanes)(arena, here ? 3 * n * PARTS : 0);
  m->signs = NAME(take)(arena, 2 * n, sizeof(Real));
  m->nowhere = NAME(take)(arena, n2, sizeof(Real));
  m->ids = NAME(take)(arena, n * W, sizeof(Real));
  m->aside.numbers = NAME(take)(arena, backward ? (MPT_RULE_ARRAYS + 4) * n : n, sizeof(double));
  m->aside.t = NAME(take)(arena, here ? n2 : 0, sizeof(Real));
  m->aside.th = NAME(take)(arena, here ? n2 : 0, sizeof(Real));
  NAME(lay_out_products)(arena, &m->products, backward && !here ? n : 0);
  s->ql.n = n;
  s->ql.capacity = (int)capacity;
  s->ql.d = s->w;
  s->ql.e = s->e;
  m->vectors = vectors;
  m->backward = backward;
}

static int64_t NAME(bytes)(int n, bool vectors, bool backward) {
  NAME(memory) m;
  NAME(arena) counting = {NULL, sizeof m + LANE_BYTES};
  NAME(lay_out)(&counting, &m, n, vectors, backward);
  return counting.used;
}

static void NAME(prepare)(void *memory, int n, bool vectors, bool backward) {
  NAME(memory) *m = memory;
  NAME(arena) arena = {memory, (sizeof *m + LANE_BYTES - 1) / LANE_BYTES * LANE_BYTES};
  NAME(lay_out)(&arena, m, n, vectors, backward);
  NAME(make_signs)(n, m->signs);
}

/* Where each of the W problems of group g has its part of an input with `each` Reals per problem;
 * `nowhere` for lanes without a problem. */
static void NAME(sources)(const mpt_lanes_call *c, int g, const void *array, int64_t each,
                          const Real *nowhere, const Real *out[W]) {
  const Real *first = (const Real *)array + (c->first + g * W) * each;
  const int64_t left = c->count - g * W;
  for (int l = 0; l < W; l++) out[l] = l < left ? first + l * each : nowhere;
}

/* The same for an output. */
static void NAME(targets)(const mpt_lanes_call *c, int g, void *array, int64_t each, Real *nowhere,
                          Real *out[W]) {
  Real *first = (Real *)array + (c->first + g * W) * each;
  const int64_t left = c->count - g * W;
  for (int l = 0; l < W; l++) out[l] = l < left ? first + l * each : nowhere;
}

static void NAME(gather)(const mpt_lanes_call *c, NAME(memory) * m, int g, const void *array,
                         int64_t each, Lane *out) {
  const Real *at[W];
  NAME(sources)(c, g, array, each, m->nowhere, at);
  NAME(interleave)(each, at, out);
}

/* Loads the input of group g, and finds lanes with unusable input and the largest elements. */
static void NAME(load_group)(const mpt_lanes_call *c, NAME(memory) * m, int g, Lane *defect) {
  const int n = (int)c->batch->n;
  NAME(space) *s = &m->space;
  *defect = s->largest[g] = (Lane){0};
  s->dead[g] = NAME(less)(*defect, *defect);
  if (!c->batch->a) return;
  NAME(gather)(c, m, g, c->batch->a, (int64_t)n * n * PARTS, s->a[g]);
  if (c->options->triangle == MPT_TRIANGLE_AVERAGE)
    NAME(average)(n, s->a[g]);
  else if (c->options->triangle != MPT_TRIANGLE_FULL)
    NAME(mirror)(n, s->a[g], c->options->triangle == MPT_TRIANGLE_LOWER);
  NAME(scan)(n, s->a[g], &s->largest[g], &s->dead[g]);
  if (c->options->triangle == MPT_TRIANGLE_FULL && !c->bare)
    *defect = NAME(hermitian_defect)(n, s->a[g]);
}

/* The findings about the problems of one group, one per lane. */
typedef struct NAME(verdict) {
  Lane defect, residual, orthogonality, gap;
  Mask lost, unsound;
} NAME(verdict);

static void NAME(report_group)(const mpt_lanes_call *c, NAME(memory) * m, int g,
                               const NAME(verdict) * v) {
  const NAME(space) *s = &m->space;
  const Real tolerance = 100 * (Real)c->batch->n * EPSILON;
  const int64_t first = g * W, left = c->count - first;
  for (int l = 0; l < W && l < left; l++) {
    mpt_report *r = &c->batch->report[c->first + first + l];
    if (r->status != MPT_STATUS_PENDING) continue;
    r->largest = (double)s->largest[g][l];
    if (NAME(in_lane)(s->dead[g], l))
      r->status = MPT_STATUS_NONFINITE_INPUT;
    else if (v->defect[l] > tolerance * s->largest[g][l])
      r->status = MPT_STATUS_NOT_HERMITIAN;
    else if (NAME(in_lane)(v->lost | v->unsound, l))
      c->lost[first + l] = true;
    r->residual = (double)v->residual[l];
    r->orthogonality = (double)v->orthogonality[l];
    r->min_gap = (double)v->gap[l];
  }
}

static void NAME(write_values)(const mpt_lanes_call *c, NAME(memory) * m, int g, Lane *values,
                               void *array) {
  Real *at[W];
  NAME(targets)(c, g, array, c->batch->n, m->nowhere, at);
  NAME(deinterleave)(c->batch->n, values, at, 0);
}

static void NAME(write_multiplets)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const int n = (int)c->batch->n;
  const int64_t left = c->count - g * W;
  Real *at[W];
  for (int l = 0; l < W; l++) at[l] = m->ids + l * n;
  NAME(deinterleave)(n, m->id, at, 0);
  int32_t *out = c->batch->multiplet + (c->first + g * W) * n;
  for (int j = 0; j < (left < W ? (int)left : W) * n; j++) out[j] = (int32_t)m->ids[j];
}

/* Numbers the multiplets of group g, whose eigenvalues are in w. */
static void NAME(number_group)(const mpt_lanes_call *c, NAME(memory) * m, int g,
                               NAME(verdict) * v) {
  const int n = (int)c->batch->n;
  const Real given = (Real)c->options->tolerance;
  const Real width = given > 0 ? given : (Real)mpt_resolution(TYPE, n);
  v->gap = NAME(number_multiplets)(n, m->space.w + g, GROUPS, width, m->id);
  NAME(write_multiplets)(c, m, g);
}

/* Certifies and reports group g, whose eigenpairs are in w and v. */
static void NAME(finish_group)(const mpt_lanes_call *c, NAME(memory) * m, int g,
                               NAME(verdict) * v) {
  const int n = (int)c->batch->n;
  NAME(space) *s = &m->space;
  const Lane *w = s->w + g, zero = {0};
  const Lane bound = NAME(all)((Real)MPT_CERTIFICATE_BOUND / (Real)sqrt((double)n));
  v->residual = v->orthogonality = zero;
  const NAME(pairs) q = {n, NAME(row_length)(n), GROUPS, s->a[g], s->v, w, m->signs, s->work};
  if (m->vectors && c->batch->a) NAME(certify)(&q, s->largest[g], &v->residual, &v->orthogonality);
  v->unsound = ~NAME(at_most)(NAME(max)(v->residual, v->orthogonality), bound);
  if (!m->vectors && c->batch->a) v->unsound = ~NAME(values_agree)(&q, s->largest[g]);
  for (int j = 0; j < n; j++) {
    const Lane x = w[j * GROUPS];
    v->unsound =
        v->unsound | ~NAME(at_most)(w[(j ? j - 1 : 0) * GROUPS], x) | ~NAME(equal)(x - x, zero);
  }
  NAME(report_group)(c, m, g, v);
}

static void NAME(write_pairs)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const int n = (int)c->batch->n;
  NAME(space) *s = &m->space;
  Real *at[W];
  for (int j = 0; j < n; j++) s->work[j] = s->w[j * GROUPS + g];
  NAME(write_values)(c, m, g, s->work, c->batch->w);
  if (!c->batch->v) return;
  NAME(targets)(c, g, c->batch->v, (int64_t)n * n * PARTS, m->nowhere, at);
  NAME(deinterleave_rows)(n, n * PARTS, NAME(row_length)(n), s->v, at);
}

/* Loads the batch's eigenvectors, interleaved. */
static void NAME(load_vectors)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const int n = (int)c->batch->n, ld = NAME(row_length)(n);
  NAME(space) *s = &m->space;
  if (ld == n * PARTS) {
    NAME(gather)(c, m, g, c->batch->v, (int64_t)n * ld, s->v);
    return;
  }
  const Real *at[W];
  NAME(sources)(c, g, c->batch->v, (int64_t)n * n * PARTS, m->nowhere, at);
  for (int i = 0; i < n; i++) {
    NAME(interleave)(n * PARTS, at, s->v + (int64_t)i * ld);
    for (int l = 0; l < W && l < c->count - g * W; l++) at[l] += n * PARTS;
  }
}

/* Turns multiplets of new vectors in the batch's array, and interleaves the vectors again. */
static void NAME(turn_group)(const mpt_lanes_call *c, NAME(memory) * m, int g,
                             const NAME(verdict) * v) {
  const Mask skipped = m->space.dead[g] | v->lost;
  const mpt_batch *b = c->batch;
  const int64_t n = b->n, n2 = n * n, first = c->first + g * W, left = c->count - g * W;
  const mpt_team alone = mpt_team_of_one();
  double *w = m->aside.numbers;
  bool any = false;
  for (int l = 0; l < W && l < left; l++) {
    const int32_t *id = b->multiplet + (first + l) * n;
    if (b->report[first + l].status != MPT_STATUS_PENDING || NAME(in_lane)(skipped, l) ||
        id[n - 1] == n - 1)
      continue;
    any = true;
    mpt_reals_to_double(TYPE, n, (const Real *)b->w + (first + l) * n, w);
    if (mpt_turn_multiplets(&alone, c->options, b, 0, n, w, mpt_spectral_norm(n, w), id,
                            (Scalar *)b->v + (first + l) * n2) != MPT_STATUS_OK)
      c->lost[g * W + l] = true;
  }
  if (any) NAME(load_vectors)(c, m, g);
}

/* Loads the cotangents and prepares everything up to the products. */
static void NAME(start_gradient)(const mpt_lanes_call *c, NAME(memory) * m, int g,
                                 NAME(gradient) * q, Lane largest, Lane bad) {
  const mpt_batch *b = c->batch;
  const int n = (int)b->n;
  *q = (NAME(gradient)){.n = n, .ldv = NAME(row_length)(n), .stride = GROUPS};
  q->v = m->space.v;
  q->w = m->space.w + g;
  q->id = m->id;
  q->gw = m->gw;
  q->gv = b->gv && n <= NAME(INTERLEAVED) ? m->gv : NULL;
  q->t = m->t;
  q->y = m->y;
  q->norm = m->space.work;
  q->signs = m->signs;
  q->probe = m->probe;
  q->spoil = c->spoil;
  q->epsilon = EPSILON;
  q->noise = 8 * EPSILON * (Real)sqrt((double)n);
  if (b->gw)
    NAME(gather)(c, m, g, b->gw, n, q->gw);
  else
    memset(q->gw, 0, sizeof(Lane) * (size_t)n);
  if (q->gv) NAME(gather)(c, m, g, b->gv, (int64_t)n * n * PARTS, q->gv);
  NAME(load_cotangents)(q, largest, bad);
  NAME(scale_values)(q);
  m->aside.call = c;
  m->aside.first = c->first + g * W;
}

static void NAME(report_gradient)(const mpt_lanes_call *c, int g, const NAME(gradient) * q) {
  const int64_t first = g * W, left = c->count - first;
  const double unit = (double)c->batch->n * EPSILON;
  for (int l = 0; l < W && l < left; l++) {
    mpt_report *r = &c->batch->report[c->first + first + l];
    if (r->status != MPT_STATUS_PENDING || c->lost[first + l]) continue;
    mpt_finding found = {.gauge = (double)q->gauge[l],
                         .error = isfinite(q->error[l]) ? (double)q->error[l] : 1e300,
                         .dependent = NAME(in_lane)(q->dependent, l)};
    if (q->apart[l]) found = q->found[l];
    found.finite = !NAME(in_lane)(q->dead, l);
    mpt_settle_gradient(c->options, &found, r);
    r->output_residual = sqrt((double)q->output[l]) / unit;
    if (found.finite && !(r->output_residual <= MPT_PROBE_BOUND)) c->lost[first + l] = true;
  }
}

/* Makes the gradients of group g, interleaved. */
static void NAME(differentiate_group)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const int64_t n2 = c->batch->n * c->batch->n * PARTS;
  NAME(gradient) q;
  Real *at[W];
  NAME(start_gradient)(c, m, g, &q, (Lane){0}, (Lane){0});
  NAME(multiply_all)(&q, c->options->convention == MPT_CONVENTION_JAX, &m->aside);
  NAME(targets)(c, g, c->batch->g, n2, m->nowhere, at);
  NAME(deinterleave)(n2, q.t, at, 0);
  NAME(report_gradient)(c, g, &q);
}

/* Differentiates problem l of group g alone; its sums go into its lane. */
static void NAME(differentiate_lane)(const mpt_lanes_call *c, NAME(memory) * m, int g, int l,
                                     NAME(gradient) * q, NAME(sums) * sums) {
  const mpt_batch *b = c->batch;
  const int64_t at = (c->first + g * W + l) * b->n * b->n * PARTS;
  const NAME(product_memory) *p = &m->products;
  Lane factor[2];
  NAME(unscale_factors)(q, factor);
  NAME(single) s = {.n = (int)b->n, .v = (const Real *)b->v + at, .g = (Real *)b->g + at};
  s.gv = b->gv ? (const Real *)b->gv + at : NULL;
  s.w = p->w + l * p->ldn;
  s.gw = p->gw + l * p->ldn;
  s.group = q;
  s.signs = m->signs;
  s.lane = l;
  s.aside = &m->aside;
  s.scale = q->scale[l];
  s.on = q->on[l];
  s.factor[0] = factor[0][l];
  s.factor[1] = factor[1][l];
  s.conjugate = c->options->convention == MPT_CONVENTION_JAX;
  NAME(differentiate_single)(p, &s);
  sums->gauge2[l] = NAME(top)(s.sums.gauge2);
  sums->signal2[l] = NAME(top)(s.sums.signal2);
  sums->violated2[l] = NAME(top)(s.sums.violated2);
  sums->noise2[l] = NAME(sum_of)(s.sums.noise2);
  sums->x2[l] = NAME(sum_of)(s.sums.x2);
  sums->turn2[l] = NAME(sum_of)(s.sums.turn2);
  q->output[l] = s.output * s.output;
  if (!s.finite) sums->bad[l] = NAN;
}

/* Makes the gradients of group g one after the other, by products of single matrices. */
static void NAME(differentiate_each)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const mpt_batch *b = c->batch;
  const int n = (int)b->n;
  const int64_t n2 = b->n * b->n * PARTS, first = c->first + g * W, left = c->count - g * W;
  const NAME(product_memory) *p = &m->products;
  Lane largest = {0}, bad = {0};
  NAME(gradient) q;
  NAME(sums) sums = {{0}, {0}, {0}, {0}, {0}, {0}, {0}};
  for (int l = 0; l < W && l < left && b->gv; l++) {
    Real most, not_finite;
    NAME(survey)(n2, (const Real *)b->gv + (first + l) * n2, &most, &not_finite);
    largest[l] = most;
    bad[l] = not_finite;
  }
  NAME(start_gradient)(c, m, g, &q, largest, bad);
  NAME(find_apart)(&q, &m->aside);
  const Lane *const from[] = {q.norm + n, q.gw};
  Real *const to[] = {p->w, p->gw};
  for (int k = 0; k < 2; k++) {
    Real *at[W];
    for (int l = 0; l < W; l++) at[l] = to[k] + l * p->ldn;
    NAME(deinterleave)(n, from[k], at, 0);
  }
  for (int l = 0; l < W && l < left; l++)
    if (b->report[first + l].status == MPT_STATUS_PENDING && !c->lost[g * W + l] &&
        !NAME(in_lane)(q.dead, l))
      NAME(differentiate_lane)(c, m, g, l, &q, &sums);
  for (int j = 0; j < n; j++) sums.turn2 += NAME(singular2)(&q, j) / NAME(all)(2);
  NAME(judge)(&q, &sums);
  NAME(report_gradient)(c, g, &q);
}

/* Loads given eigenpairs; eigenvectors are interleaved only where that form is used. */
static void NAME(load_given)(const mpt_lanes_call *c, NAME(memory) * m, int g) {
  const int n = (int)c->batch->n;
  NAME(space) *s = &m->space;
  NAME(gather)(c, m, g, c->batch->w, n, s->work);
  for (int j = 0; j < n; j++) s->w[j * GROUPS + g] = s->work[j];
  if (m->vectors && (c->batch->a || n <= NAME(INTERLEAVED))) NAME(load_vectors)(c, m, g);
}

static void NAME(process)(const mpt_lanes_call *c) {
  NAME(memory) *m = c->memory;
  NAME(space) *s = &m->space;
  const int n = (int)c->batch->n;
  NAME(verdict) v[GROUPS];
  bool several = false;
  for (int g = 0; g < GROUPS; g++) {
    v[g].lost = NAME(less)((Lane){0}, (Lane){0});
    if (g * W >= c->count) {
      NAME(leave_empty)(n, s, g);
      continue;
    }
    NAME(load_group)(c, m, g, &v[g].defect);
    if (c->batch->given) continue;
    NAME(choose_scale)(s->largest[g], s->scale[g], s->unscale[g]);
  }
  s->ql.most = c->most_sweeps;
  const int groups = (int)((c->count + W - 1) / W);
  for (int g = 0; g < groups && n == 2 && !c->batch->given; g++) NAME(solve_two)(s, g);
  if (n != 2 && !c->batch->given) {
    NAME(reduce)(n, s, groups);
    several = NAME(diagonalize)(n, s, m->vectors);
  }
  for (int g = 0; g * W < c->count; g++) {
    if (c->batch->given)
      NAME(load_given)(c, m, g);
    else if (n == 2)
      NAME(take_two)(s, g);
    else
      NAME(find_pairs)(n, s, g, several, m->vectors);
    if (!c->batch->given) v[g].lost = s->lost[g];
    if (!c->bare) NAME(number_group)(c, m, g, &v[g]);
    if (!c->batch->given) NAME(write_pairs)(c, m, g);
    if (!c->batch->given && c->batch->v && !c->bare && c->options->basis == MPT_BASIS_TURNED)
      NAME(turn_group)(c, m, g, &v[g]);
    if (!c->bare) NAME(finish_group)(c, m, g, &v[g]);
    if (c->batch->g && n <= NAME(INTERLEAVED))
      NAME(differentiate_group)(c, m, g);
    else if (c->batch->g)
      NAME(differentiate_each)(c, m, g);
  }
}
