/* k of n eigenpairs and their gradients in O(n^2 k) beyond one reduction A = Q T Q^H:
 *
 *   G = V M V^H + herm(Z V^H),  M = F o K + diag(gw) among the selected pairs,
 *   (A - w_j) z_j = -(I - V V^H) gv_j,  V^H z_j = 0,
 *
 * where z_j = Q y_j and (T - w_j) y_j = -Q^H (I - V V^H) gv_j is tridiagonal. All eigenvalues come
 * from T and show where multiplets end. If the selection cuts a multiplet and its mean is asked
 * for, all its vectors are computed. */
#include "engine/reduced.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "engine/certificate.h"
#include "engine/policy.h"
#include "engine/probe.h"
#include "engine/selected.h"
#include "spectral/tiles.h"
#include "spectral/tridiagonal.h"
#include "engine/turn.h"

void dsterf_(const int *n, double *d, double *e, int *info); /* LAPACK: eigenvalues of T */

/* One problem at a time. */
typedef struct reduced_pass {
  const mpt_reduced *ops;
  mpt_state *state;
  const mpt_team *team;
  const mpt_options *options;
  mpt_batch *batch;
  double *d, *e, *w, *gw, *norm, *memory; /* [n] each, the last [MPT_TRIDIAGONAL_MEMORY n] */
  double *column;                         /* [2 n] */
  double *rule_memory, *diagonal;         /* [MPT_RULE_ARRAYS n], [n] */
  int32_t *multiplet;                     /* [n] */
  mpt_selected place;
  int64_t first, columns; /* of the panels: as in `place`, or more where multiplets are cut */
  double scale, size;     /* the scale of T relative to A, and ||A|| */
  bool loaded;            /* U holds the vectors */
  mpt_probe probe;        /* of the gradient */
  void *vectors, *cotangents, *values; /* [rows, columns] twice, [columns] */
  void *outside;                       /* [rows, columns]: Z, if A is there to check it against */
} reduced_pass;

static mpt_code open_pass(reduced_pass *p) {
  mpt_code code = MPT_DONE;
  const int64_t n = p->batch->n;
  double *memory;
  const char *what = "a selection";
  TRY(mpt_allocate(&memory, (8 + MPT_RULE_ARRAYS + MPT_TRIDIAGONAL_MEMORY) * n + 1, sizeof *memory,
                   what, NULL));
  p->d = memory;
  p->e = p->d + n;
  p->w = p->e + n;
  p->gw = p->w + n;
  p->norm = p->gw + n;
  p->column = p->norm + n;
  p->diagonal = p->column + 2 * n;
  p->rule_memory = p->diagonal + n;
  p->memory = p->rule_memory + MPT_RULE_ARRAYS * n;
  TRY(mpt_allocate(&p->multiplet, n, sizeof *p->multiplet, what, NULL));
  if (p->batch->g) TRY(mpt_probe_open(p->batch, &p->probe));
done:
  return code;
}

static void free_slabs(reduced_pass *p) {
  free(p->vectors);
  free(p->cotangents);
  free(p->values);
  free(p->outside);
  p->vectors = p->cotangents = p->values = p->outside = NULL;
}

/* Makes room for the vectors of one problem. Collective. */
static mpt_status widen(reduced_pass *p) {
  const mpt_batch *b = p->batch;
  const int64_t elements = b->rows * p->columns;
  const size_t size = mpt_type_size(b->type);
  int failed =
      mpt_allocate(&p->vectors, elements, size, "vectors", NULL) != MPT_DONE ||
      mpt_allocate(&p->cotangents, elements, size, "cotangents", NULL) != MPT_DONE ||
      (b->a && b->g && b->gv &&
       mpt_allocate(&p->outside, elements, size, "vectors", NULL) != MPT_DONE) ||
      mpt_allocate(&p->values, p->columns, mpt_real_size(b->type), "values", NULL) != MPT_DONE;
  mpt_team_reduce(p->team, MPT_REDUCE_MAX, MPT_INT32, 1, &failed);
  if (failed || p->ops->widen(p->state, p->columns, NULL) != MPT_DONE) return MPT_STATUS_INTERNAL;
  return MPT_STATUS_OK;
}

/* A real array of mpt_factor_arrays. */
static void get_reals(const reduced_pass *p, const void *array, int64_t k, double *out) {
  const int64_t n = p->batch->n;
  const void *from = mpt_part_of(array, k, n, mpt_real_size(p->batch->type));
  mpt_reals_to_double(p->batch->type, n, from, out);
  for (int64_t i = 0; i < n; i++) out[i] *= p->scale;
}

static void put_reals(const reduced_pass *p, const double *in, int64_t count, int64_t k,
                      void *array) {
  const int64_t n = p->batch->n;
  void *to = mpt_part_of(array, k, n, mpt_real_size(p->batch->type));
  for (int64_t i = 0; i < n; i++) p->column[i] = i < count ? in[i] / p->scale : 0;
  mpt_doubles_to_real(p->batch->type, n, p->column, to);
}

/* T's eigenvalues, with eigenvectors of T if new ones are wanted. Returns INFO. */
static int diagonalize(reduced_pass *p) {
  const int n = (int)p->batch->n;
  int info = 0;
  if (p->batch->v && !p->batch->given) return p->ops->diagonalize(p->state, p->d, p->e, p->w);
  memcpy(p->w, p->d, sizeof *p->w * (size_t)n);
  memcpy(p->norm, p->e, sizeof *p->w * (size_t)n);
  dsterf_(&n, p->w, p->norm, &info);
  return info;
}

/* Computes Q, T and its eigenvalues and keeps them if wanted, or takes given ones. Returns INFO.
 * Collective. */
static int reduce(reduced_pass *p, int64_t k) {
  const mpt_batch *b = p->batch;
  const mpt_factor_arrays *f = &b->factor;
  const size_t size = mpt_type_size(b->type);
  void *reflectors = mpt_part_of(f->reflectors, k, b->rows * b->n, size);
  void *tau = mpt_part_of(f->tau, k, b->n, size);
  if (b->factor_given) {
    p->ops->take_factor(p->state, reflectors, tau);
    get_reals(p, f->diagonal, k, p->d);
    get_reals(p, f->offdiagonal, k, p->e);
    get_reals(p, f->eigenvalues, k, p->w);
    return 0;
  }
  int info = p->ops->reduce(p->state, b, k, p->scale, p->d, p->e);
  if (!info && reflectors) p->ops->keep_factor(p->state, reflectors, tau);
  if (!info) info = diagonalize(p);
  if (info || !reflectors) return info;
  put_reals(p, p->d, b->n, k, f->diagonal);
  put_reals(p, p->e, b->n - 1, k, f->offdiagonal);
  put_reals(p, p->w, b->n, k, f->eigenvalues);
  return 0;
}

/* The scale of T. Of a matrix that is not there its eigenvalues tell the size. */
static double scale_of(reduced_pass *p, int64_t k) {
  const mpt_batch *b = p->batch;
  if (b->a || !b->factor_given) return mpt_extreme_scale(b->type, b->report[k].largest);
  p->scale = 1;
  get_reals(p, b->factor.eigenvalues, k, p->w);
  return mpt_extreme_scale(b->type, mpt_spectral_norm(b->n, p->w));
}

/* Finds all eigenvalues, and which of them are selected. Collective. */
static mpt_status find(reduced_pass *p, int64_t k) {
  const mpt_batch *b = p->batch;
  const int n = (int)b->n;
  p->scale = scale_of(p, k);
  int info = reduce(p, k);
  mpt_team_broadcast(p->team, 0, n * (int64_t)sizeof *p->w, p->w); /* last digits may differ */
  mpt_team_broadcast(p->team, 0, sizeof info, &info);
  if (info) return MPT_STATUS_NO_CONVERGENCE;
  for (int64_t j = 0; j < n; j++) p->w[j] /= p->scale;
  p->size = mpt_spectral_norm(n, p->w);
  if (b->a && !mpt_certify_values(p->team, b, k, p->w)) return MPT_STATUS_INTERNAL;
  return mpt_find_selected(b, p->w, &p->place);
}

static void number(reduced_pass *p) {
  const int64_t n = p->batch->n;
  mpt_number_multiplets(n, p->w, mpt_tolerance(p->options, p->batch) * p->size, p->multiplet);
}

/* Extends the columns to all of every multiplet that is selected in part. */
static void extend(reduced_pass *p) {
  const int64_t n = p->batch->n;
  int64_t stop = p->first + p->columns;
  const int32_t *id = p->multiplet;
  while (p->columns && p->first > 0 && id[p->first - 1] == id[p->first]) p->first--;
  while (p->columns && stop < n && id[stop] == id[stop - 1]) stop++;
  p->columns = stop - p->first;
}

/* How far the eigenvalues of two solvers may differ. */
static double slack_of(const reduced_pass *p) {
  return 100 * (double)p->batch->n * mpt_type_epsilon(p->batch->type) * p->size;
}

/* Takes given pairs, except the vectors of cut multiplets: those need not be orthogonal to the
 * other members, and only the projector on all members enters. False if T has other eigenvalues. */
static bool take_given(reduced_pass *p, int64_t k, bool extended) {
  const mpt_batch *b = p->batch;
  const size_t size = mpt_type_size(b->type);
  const int64_t m = mpt_batch_columns(b), shift = p->place.first - p->first;
  double *w = p->w + p->place.first, largest = 0;
  mpt_reals_to_double(b->type, p->place.found, mpt_part_of(b->w, k, m, mpt_real_size(b->type)),
                      p->column);
  for (int64_t j = 0; j < p->place.found; j++) {
    largest = fmax(largest, fabs(p->column[j] - w[j]));
    w[j] = p->column[j];
  }
  for (int64_t j = 0; j < p->place.found; j++)
    if (!extended || !mpt_is_cut(b->n, p->multiplet, &p->place, j))
      mpt_copy_columns(b->rows, 1, size, mpt_part_of(b->v, k * b->rows * m + j, 1, size), m,
                       mpt_part_of(p->vectors, shift + j, 1, size), p->columns);
  return largest <= slack_of(p);
}

/* Turns new vectors inside multiplets; returns whether there was anything to turn. Collective. */
static bool turn_pairs(reduced_pass *p, mpt_status *status) {
  const int32_t *id = p->multiplet + p->first;
  bool any = false;
  for (int64_t j = 1; j < p->columns; j++) any |= id[j] == id[j - 1];
  if (!any || p->options->basis != MPT_BASIS_TURNED) return false;
  *status = mpt_turn_multiplets(p->team, p->options, p->batch, p->first, p->columns,
                                p->w + p->first, p->size, id, p->vectors);
  return true;
}

/* Puts the selected pairs into w and `vectors` and certifies them. Collective. */
static mpt_status make_pairs(reduced_pass *p, int64_t k, bool extended) {
  mpt_batch *b = p->batch;
  const int64_t n = b->n, columns = p->columns;
  mpt_status status = MPT_STATUS_OK;
  p->loaded = false;
  if (!columns) return status;
  if (!b->given || extended) {
    if (b->given && p->ops->diagonalize(p->state, p->d, p->e, p->norm))
      return MPT_STATUS_NO_CONVERGENCE;
    if (p->ops->take(p->state, p->first)) return MPT_STATUS_NO_CONVERGENCE;
    p->ops->store(p->state, MPT_PANEL_U, p->vectors);
    p->loaded = !b->given && !turn_pairs(p, &status);
  }
  bool sound = !b->given || take_given(p, k, extended);
  const double slack = slack_of(p);
  for (int64_t j = p->first; j < p->first + columns; j++) {
    sound &= isfinite(p->w[j]) && (j == 0 || p->w[j] >= p->w[j - 1] - slack);
    sound &= j + 1 == n || p->w[j] <= p->w[j + 1] + slack;
  }
  mpt_doubles_to_real(b->type, columns, p->w + p->first, p->values);
  mpt_batch pairs = *b;
  pairs.a = mpt_part_of(b->a, k, b->rows * n, mpt_type_size(b->type));
  pairs.w = p->values;
  pairs.v = p->vectors;
  pairs.report = &b->report[k];
  pairs.select = (mpt_select){.kind = MPT_SELECT_INDEX, .index = {p->first, p->first + columns}};
  if (b->a) sound &= mpt_certify(p->team, &pairs, 0, p->size);
  return sound && status == MPT_STATUS_OK && b->report[k].status == MPT_STATUS_PENDING
             ? MPT_STATUS_OK
             : MPT_STATUS_INTERNAL;
}

static void put_pairs(reduced_pass *p, int64_t k) {
  mpt_batch *b = p->batch;
  const int64_t m = mpt_batch_columns(b), found = p->place.found, at = p->place.first;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  int32_t *id = mpt_part_of(b->multiplet, k, m, sizeof *id);
  for (int64_t j = 0; j < m; j++) id[j] = j < found ? p->multiplet[at + j] - p->multiplet[at] : 0;
  if (b->found) b->found[k] = (int32_t)found;
  if (b->given) return;
  void *w = mpt_part_of(b->w, k, m, real), *v = mpt_part_of(b->v, k, b->rows * m, size);
  memset(w, 0, (size_t)m * real);
  mpt_doubles_to_real(b->type, found, p->w + at, w);
  if (!v) return;
  memset(v, 0, (size_t)(b->rows * m) * size);
  mpt_copy_columns(b->rows, found, size, mpt_part_of(p->vectors, at - p->first, 1, size),
                   p->columns, v, m);
}

/* Puts the cotangents into their columns, and their sizes into the rule of all n pairs; false if
 * one is not finite. Collective. */
static bool load_cotangents(reduced_pass *p, int64_t k, mpt_rule *rule) {
  const mpt_batch *b = p->batch;
  const int64_t m = mpt_batch_columns(b), found = p->place.found, elements = b->rows * p->columns;
  const size_t size = mpt_type_size(b->type);
  double values = 0, largest = 0;
  bool finite = true;
  memset(p->gw, 0, sizeof *p->gw * (size_t)b->n);
  if (b->gw)
    mpt_reals_to_double(b->type, found, mpt_part_of(b->gw, k, m, mpt_real_size(b->type)),
                        p->gw + p->place.first);
  for (int64_t j = 0; j < b->n; j++) {
    finite &= isfinite(p->gw[j]) != 0;
    values = fmax(values, fabs(p->gw[j]));
  }
  if (b->gv) {
    memset(p->cotangents, 0, (size_t)elements * size);
    mpt_copy_columns(b->rows, found, size, mpt_part_of(b->gv, k, b->rows * m, size), m,
                     mpt_part_of(p->cotangents, p->place.first - p->first, 1, size), p->columns);
    largest = mpt_largest_on_team(p->team, b->type, elements, p->cotangents);
    finite &= largest >= 0;
  }
  memset(p->norm, 0, sizeof *p->norm * (size_t)b->n);
  if (finite && largest > 0) {
    rule->gv_norm = p->norm + p->first;
    rule->cotangent_epsilon = mpt_team_precision(p->team, b->type, elements, p->cotangents);
    finite = mpt_team_norms(p->team, b->type, b->rows, p->columns, p->cotangents, largest,
                            p->norm + p->first);
  }
  if (finite) mpt_rule_open(rule, values, largest, INT_MIN / 4, p->rule_memory);
  if (rule->gv_norm) rule->gv_norm = p->norm;
  return finite;
}

/* Adds the components of z_j outside the selection to the estimate, |z_j|^2 = norm2. */
static void add_outside(const reduced_pass *p, const mpt_rule *rule, int64_t j, double norm2,
                        mpt_sums *sums) {
  const double noise = rule->level * rule->gv_norm[j] * rule->gv_in[0] * rule->gv_in[1] / 2;
  const double rounding = 2 * MPT_TURN * rule->epsilon; /* T has its own rounding errors */
  const bool alone = 100 * fabs(rule->cotangent[j]) < sqrt(norm2);
  double nearest = INFINITY;
  for (int64_t i = 0; i < p->batch->n; i++) {
    if (i == p->first) i += p->columns;
    if (i >= p->batch->n) break;
    const double gap = fabs(rule->place[i] - rule->place[j]), entry = noise / 3 / gap;
    const double turning = alone ? fmin(1, rounding / gap) * rule->own[j] / gap : 0;
    sums->noise2 += 2 * (entry * entry + turning * turning);
    nearest = fmin(nearest, gap);
  }
  sums->x2 += norm2 / 2;
  /* the vector's own rotation towards the outside, which changes the rest of its column */
  rule->turned[j] += fmin(1, rounding / nearest) * fmin(1, rounding / nearest);
  rule->size[j] += norm2 / 2;
}

/* Eigenvalues of T this close to w, relative to ||A||, are taken to be w itself. This is less than
 * the width of a multiplet; otherwise neighbours across the edge of the selection would be damped
 * as well. What damping leaves along the kept vectors is projected out. */
static double damping_of(const reduced_pass *p) {
  return mpt_resolution(p->batch->type, p->batch->n) / 4;
}

/* B = Q^H (I - V V^H) gv becomes Y, column by column; rounding error alone becomes zero. */
static void solve_columns(reduced_pass *p, const mpt_rule *rule, mpt_sums *sums) {
  const mpt_batch *b = p->batch;
  const int64_t n = b->n;
  const int parts = mpt_type_is_complex(b->type) ? 2 : 1;
  const mpt_type real = mpt_real_size(b->type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  const double in = rule->gv_in[0] * rule->gv_in[1], out = mpt_rule_unit(rule);
  const double near = damping_of(p) * p->size * p->scale;
  int64_t first, count;
  char *columns = p->ops->whole_columns(p->state, &first, &count);
  for (int64_t j = first; j < first + count; j++, columns += (size_t)n * mpt_type_size(b->type)) {
    double norm2 = 0, z2 = 0;
    mpt_reals_to_double(real, n * parts, columns, p->column);
    for (int64_t i = 0; i < n * parts; i++) norm2 += p->column[i] * in * p->column[i] * in;
    const int64_t at = p->first + j;
    if (sqrt(norm2) <= rule->level * rule->gv_norm[at] * in) {
      memset(columns, 0, (size_t)n * mpt_type_size(b->type));
      continue;
    }
    mpt_solve_tridiagonal(n, p->d, p->e, p->w[at] * p->scale, near, parts, p->column, p->memory);
    for (int64_t i = 0; i < n * parts; i++) {
      p->column[i] *= p->scale;
      const double z = p->column[i] * out;
      z2 += z * z;
    }
    mpt_doubles_to_real(real, n * parts, p->column, columns);
    add_outside(p, rule, at, z2, sums);
  }
  p->ops->whole_columns_back(p->state);
}

/* S_jj of the kept pairs, on all ranks. Collective. */
static void get_diagonal(reduced_pass *p) {
  mpt_tile tile;
  memset(p->diagonal, 0, sizeof *p->diagonal * (size_t)p->batch->n);
  for (int64_t next = 0; p->ops->next_tile(p->state, &next, &tile);)
    mpt_tile_diagonal(p->batch->type, &tile, p->diagonal + p->first);
  mpt_team_sum(p->team, p->batch->n, p->diagonal);
}

/* Checks Z, which is in B, against A. Three steps of refinement damp a component by the sixth power
 * of the damping width over the gap. */
static void probe_outside(reduced_pass *p, int64_t k) {
  const mpt_batch *b = p->batch;
  const int64_t stop = p->first + p->columns;
  double gap = INFINITY;
  if (p->first > 0) gap = fmin(gap, p->w[p->first] - p->w[p->first - 1]);
  if (stop < b->n) gap = fmin(gap, p->w[stop] - p->w[stop - 1]);
  const double share = gap > 0 ? damping_of(p) * p->size / gap : 1;
  const mpt_chain chain = {.columns = p->columns,
                           .a = mpt_part_of(b->a, k, b->rows * b->n, mpt_type_size(b->type)),
                           .v = p->vectors,
                           .gv = p->cotangents,
                           .z = p->outside,
                           .w = p->w + p->first,
                           .norm = p->size,
                           .damping = fmin(1, pow(share, 6))};
  p->ops->store(p->state, MPT_PANEL_B, p->outside);
  mpt_probe_chain(&p->probe, p->team, b, &chain);
}

/* B = U X^T / 2 + Z / 2 from the vectors' cotangents. */
static void step_vectors(reduced_pass *p, int64_t k, mpt_rule *rule, mpt_sums *sums) {
  const mpt_reduced *ops = p->ops;
  mpt_tile tile;
  ops->load(p->state, MPT_PANEL_B, p->cotangents);
  ops->overlap(p->state);
  get_diagonal(p);
  const mpt_rule kept = mpt_rule_of(rule, p->first, p->columns);
  for (int64_t next = 0; ops->next_tile(p->state, &next, &tile);) mpt_rule_look(&kept, &tile);
  mpt_share_looks(p->team, rule);
  mpt_rule_fit(rule, p->diagonal);
  for (int64_t next = 0; ops->next_tile(p->state, &next, &tile);)
    mpt_backward_tile(p->batch->type, &kept, &tile, sums);
  ops->project(p->state);
  ops->turn(p->state, false);
  solve_columns(p, rule, sums);
  ops->turn(p->state, true);
  ops->project(p->state);
  if (p->outside) probe_outside(p, k);
  ops->combine(p->state, NULL);
  if (p->team->rank == 0) mpt_add_outer_turns(rule, p->first, p->columns, sums);
}

static void step_values(reduced_pass *p, mpt_rule *rule, mpt_sums *sums) {
  mpt_rule_fit(rule, NULL);
  if (p->team->rank == 0) mpt_add_diagonal(rule, sums);
  mpt_rule_diagonal(rule);
  p->ops->combine(p->state, p->gw + p->first);
}

/* Collective. */
static mpt_status differentiate(reduced_pass *p, int64_t k) {
  mpt_batch *b = p->batch;
  mpt_report *report = &b->report[k];
  const int64_t elements = b->rows * b->n;
  void *g = mpt_part_of(b->g, k, elements, mpt_type_size(b->type));
  mpt_rule rule = {.type = b->type, .n = b->n, .m = b->n, .w = p->w, .multiplet = p->multiplet};
  mpt_sums sums = {0};
  rule.gw = p->gw;
  rule.norm = p->size;
  rule.policy = p->options->spread_policy;
  rule.cotangent_epsilon = mpt_type_epsilon(b->type);
  p->probe.worst = 0;
  if (!load_cotangents(p, k, &rule)) return MPT_STATUS_NONFINITE_COTANGENT;
  if (p->columns == 0) {
    memset(g, 0, (size_t)elements * mpt_type_size(b->type));
    mpt_rule_fit(&rule, NULL);
  } else {
    if (!p->loaded) p->ops->load(p->state, MPT_PANEL_U, p->vectors);
    if (rule.gv_norm)
      step_vectors(p, k, &rule, &sums);
    else
      step_values(p, &rule, &sums);
    p->ops->store(p->state, MPT_PANEL_B, p->cotangents); /* they are no longer needed */
    p->ops->assemble(p->state, g);
    mpt_probe_outer(&p->probe, p->team, b, p->columns, p->vectors, p->cotangents, g);
  }
  sums = mpt_sums_over_team(p->team, &rule, sums);
  if (p->options->convention == MPT_CONVENTION_JAX) mpt_conjugate(b->type, elements, g);
  mpt_finding found = mpt_find(&rule, &sums);
  found.finite = mpt_largest_on_team(p->team, b->type, elements, g) >= 0;
  mpt_settle_gradient(p->options, &found, report);
  report->output_residual = p->probe.worst;
  return mpt_probe_passed(&p->probe) ? (mpt_status)report->status : MPT_STATUS_INTERNAL;
}

/* Collective. */
static mpt_status process_problem(reduced_pass *p, int64_t k) {
  mpt_batch *b = p->batch;
  const bool mean = p->options->spread_policy == MPT_SPREAD_MEAN, raw = mpt_needs_basis(p->options);
  mpt_status status = find(p, k);
  if (status != MPT_STATUS_OK) return status;
  number(p);
  p->first = p->place.first;
  p->columns = p->place.found;
  const bool extended =
      b->g && mean && mpt_sees_cut(p->team, b, k, p->multiplet, &p->place, true, false);
  if (extended) extend(p);
  if (b->v) {
    status = widen(p);
    if (status == MPT_STATUS_OK) status = make_pairs(p, k, extended);
    if (status != MPT_STATUS_OK) return status;
    number(p);
  }
  if (b->g && mpt_sees_cut(p->team, b, k, p->multiplet, &p->place, raw, true))
    return MPT_STATUS_SPLIT_MULTIPLET;
  put_pairs(p, k);
  b->report[k].min_gap = mpt_selected_gap(b->n, p->w, p->multiplet, &p->place);
  return b->g ? differentiate(p, k) : MPT_STATUS_OK;
}

mpt_code mpt_process_reduced(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                             const mpt_options *options, mpt_batch *b) {
  reduced_pass p = {
      .ops = engine->reduced, .state = state, .team = team, .options = options, .batch = b};
  bool failed = mpt_team_any(team, open_pass(&p) != MPT_DONE);
  if (!failed) failed = p.ops->widen(state, 0, NULL) != MPT_DONE;
  if (!failed && b->a) mpt_check_input(team, options->triangle, b);
  for (int64_t k = 0; k < b->count && !failed; k++) {
    mpt_report *report = &b->report[k];
    if (report->status != MPT_STATUS_PENDING) continue;
    report->status = b->n ? process_problem(&p, k) : MPT_STATUS_OK;
    free_slabs(&p);
  }
  free(p.d);
  free(p.multiplet);
  mpt_probe_close(&p.probe);
  return failed ? MPT_NO_RESOURCE : MPT_DONE;
}
