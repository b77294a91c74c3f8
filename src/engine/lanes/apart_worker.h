/* Lanes "apart": problems with eigenvalues so close to each other that quotients alone are not
 * accurate enough. spectral/backward.c does their elementwise step, one by one, in double
 * precision. */

/* Workspace for this; problem `first` is in lane 0. */
typedef struct NAME(aside) {
  const mpt_lanes_call *call;
  int64_t first;
  double *numbers; /* [(MPT_RULE_ARRAYS + 4) n] */
  Real *t, *th;    /* [n n] elements each, for interleaved backward passes */
} NAME(aside);

/* At gaps of this size and above, quotients are never worse than the form: their errors, eps / gap
 * and gap^2, cross at the cube root of eps. This is 1.5 times the cube root. */
static const Real NAME(nearest) = REAL_BYTES == 4 ? (Real)7.3823499e-3 : (Real)9.08318168e-6;

static inline bool NAME(is_apart)(const NAME(gradient) * q, const NAME(aside) * s, int l) {
  const mpt_batch *b = s->call->batch;
  const int64_t n2 = b->n * b->n;
  if (!(q->near[l] > NAME(nearest)) && b->n > 1) return true;
  if (!b->gv || REAL_BYTES == 4) return false;
  const Scalar *gv = (const Scalar *)b->gv + (s->first + l) * n2;
  const Real first = *(const Real *)gv; /* this decides nearly all cases */
  return (Real)(float)first == first && mpt_cotangent_epsilon(TYPE, n2, gv) > q->epsilon;
}

static void NAME(find_apart)(NAME(gradient) * q, const NAME(aside) * s) {
  const int64_t left = s->call->first + s->call->count - s->first;
  for (int l = 0; l < W; l++)
    q->apart[l] = l < left && !NAME(in_lane)(q->dead, l) && NAME(is_apart)(q, s, l);
}

/* The rule of lane l without its W and T^T. The 2-norms of gv in `memory` are scaled as T is. */
static mpt_rule NAME(rule_apart)(const NAME(gradient) * q, const NAME(aside) * s, int l,
                                 double *memory) {
  const mpt_batch *b = s->call->batch;
  const int64_t n = b->n, k = s->first + l, n2 = n * n;
  double *w = memory + MPT_RULE_ARRAYS * n, *gw = w + n, values = 0, vectors = 0;
  mpt_rule rule = {.type = TYPE, .n = n, .m = n, .w = w, .multiplet = b->multiplet + k * n};
  for (int64_t j = 0; j < n; j++) {
    w[j] = ((const Real *)b->w)[k * n + j];
    gw[j] = b->gw ? ((const Real *)b->gw)[k * n + j] : 0;
    values = fmax(values, fabs(gw[j]));
    vectors = fmax(vectors, gw[n + j]);
  }
  rule.gw = gw;
  rule.gv_norm = vectors > 0 ? gw + n : NULL;
  rule.norm = mpt_spectral_norm(n, w);
  rule.policy = s->call->options->spread_policy;
  rule.cotangent_epsilon = vectors > 0
                               ? mpt_cotangent_epsilon(TYPE, n2, (const Scalar *)b->gv + k * n2)
                               : mpt_type_epsilon(TYPE);
  rule.gv_exponent = q->scale[l] > 0 ? ilogb((double)q->scale[l]) : 0;
  rule.x_exponent = -(int)q->unit[l];
  mpt_rule_open(&rule, values, vectors, INT_MIN / 4, memory);
  return rule;
}

/* The step of lane l: T = V^H gV, row-major, rows `ld` Reals apart, becomes X in the lane's unit.
 * The norms of gv's columns are in numbers [(MPT_RULE_ARRAYS + 2) n ..]. */
static void NAME(step_apart)(NAME(gradient) * q, const NAME(aside) * s, int l, Real *t,
                             const Real *th, int64_t ld) {
  const int64_t n = q->n;
  double *memory = s->numbers, *diagonal = memory + (MPT_RULE_ARRAYS + 3) * n;
  mpt_rule rule = NAME(rule_apart)(q, s, l, memory);
  mpt_sums sums = {0};
  if (rule.gv_norm) {
    for (int64_t j = 0; j < n; j++) diagonal[j] = (double)t[j * ld + j * PARTS];
    const mpt_tile tile = {0, 0, n, n, t, ld / PARTS, th, ld / PARTS, NULL};
    mpt_rule_look(&rule, &tile);
    mpt_rule_fit(&rule, diagonal);
    mpt_backward_tile(TYPE, &rule, &tile, &sums);
  } else {
    mpt_rule_fit(&rule, NULL);
    mpt_add_diagonal(&rule, &sums);
    mpt_rule_diagonal(&rule);
    for (int64_t i = 0; i < n; i++) {
      memset(t + i * ld, 0, sizeof(Real) * (size_t)(n * PARTS));
      t[i * ld + i * PARTS] = (Real)rule.gw[i];
    }
  }
  q->found[l] = mpt_find(&rule, &sums);
}

/* Interleaved: makes X of the lanes apart from q->t, in q->y. */
static void NAME(step_lanes_apart)(NAME(gradient) * q, const NAME(aside) * s) {
  const int n = q->n;
  double *norm = s->numbers + (MPT_RULE_ARRAYS + 2) * n;
  for (int l = 0; l < W; l++) {
    if (!q->apart[l]) continue;
    for (int i = 0; i < n * n * PARTS; i++) s->t[i] = q->t[i][l];
    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        const Real *from = s->t + (b * n + a) * PARTS;
        Real *to = s->th + (a * n + b) * PARTS;
        to[0] = from[0];
        if (IS_COMPLEX) to[PARTS - 1] = -from[PARTS - 1];
      }
    for (int j = 0; j < n; j++) norm[j] = (double)q->norm[j][l];
    NAME(step_apart)(q, s, l, s->t, s->th, (int64_t)n * PARTS);
    for (int i = 0; i < n * n * PARTS; i++) q->y[i][l] = s->t[i];
  }
}

/* Copies it into q->t, after make_x. */
static void NAME(put_lanes_apart)(NAME(gradient) * q) {
  for (int l = 0; l < W; l++)
    for (int i = 0; i < q->n * q->n * PARTS && q->apart[l]; i++) q->t[i][l] = q->y[i][l];
}

/* The interleaved backward pass, from cotangents to G in q->t. */
static void NAME(multiply_all)(NAME(gradient) * q, bool conjugate, const NAME(aside) * aside) {
  const int n = q->n;
  const NAME(view) v = {q->v, q->ldv, PARTS};
  const NAME(view) vt = {v.at, PARTS, q->ldv};
  const NAME(view) t = {q->t, n * PARTS, PARTS}, y = {q->y, n * PARTS, PARTS};
  NAME(sums) sums;
  if (q->gv) {
    const NAME(view) gv = {q->gv, n * PARTS, PARTS};
    NAME(multiply)(NAME(LEFT_CONJUGATE), false, n, vt, gv, q->t);
    if (q->spoil == 1) NAME(spoil)(n, q->t);
    NAME(probe_overlap)(q);
  } else {
    memset(q->t, 0, sizeof(Lane) * (size_t)(n * n * PARTS));
  }
  NAME(find_apart)(q, aside);
  NAME(step_lanes_apart)(q, aside);
  NAME(make_x)(q, &sums);
  NAME(judge)(q, &sums);
  NAME(put_lanes_apart)(q);
  if (q->gv)
    NAME(multiply)(NAME(PLAIN), false, n, v, t, q->y);
  else
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) NAME(store)
  (q->y + (i * n + j) * PARTS,
   NAME(times_real)(NAME(load)(q->v + (int64_t)i * q->ldv + j * PARTS), q->t[(j * n + j) * PARTS]));
  NAME(expect_gradient)(q);
  if (q->spoil == 2) NAME(spoil)(n, q->y);
  NAME(multiply)(NAME(RIGHT_CONJUGATE), true, n, y, vt, q->t);
  if (q->spoil == 3) NAME(spoil)(n, q->t);
  NAME(probe_gradient)(q);
  NAME(unscale)(q, conjugate);
}
