#include "engine/whole.h"

#include <stdlib.h>
#include <string.h>
#include "engine/policy.h"
#include "engine/selected.h"
#include "spectral/tiles.h"

static mpt_code allocate(mpt_whole *s) {
  mpt_code code = MPT_DONE;
  const mpt_batch *b = s->batch;
  mpt_batch *a = &s->whole;
  const int64_t n = b->n, values = b->count * n, elements = b->count * b->rows * n;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const char *what = "a whole spectrum";
  *a = *b;
  a->select = (mpt_select){0};
  a->given = a->factor_given = false;
  a->found = NULL;
  a->w = a->v = a->dw = a->dv = NULL;
  a->multiplet = NULL;
  a->gw = a->gv = NULL;
  a->factor = (mpt_factor_arrays){0};
  TRY(mpt_allocate(&s->w, n, sizeof *s->w, what, NULL));
  TRY(mpt_allocate(&s->first, b->count, sizeof *s->first, what, NULL));
  TRY(mpt_allocate(&s->place, b->count, sizeof *s->place, what, NULL));
  TRY(mpt_allocate(&a->multiplet, values, sizeof *a->multiplet, what, NULL));
  if (b->factor.reflectors && !b->factor_given) {
    a->w = b->factor.eigenvalues;
    a->v = b->factor.reflectors;
  } else {
    TRY(mpt_allocate(&a->w, values, real, what, NULL));
    if (b->v) TRY(mpt_allocate(&a->v, elements, size, what, NULL));
  }
  if (b->factor_given) { /* given pairs take their places in a copy */
    if (values) memcpy(a->w, b->factor.eigenvalues, (size_t)values * real);
    if (elements && a->v) memcpy(a->v, b->factor.reflectors, (size_t)elements * size);
  }
  if (b->gw) TRY(mpt_allocate(&s->gw, values, real, what, NULL));
  a->gw = s->gw;
  if (b->gv) TRY(mpt_allocate(&s->gv, elements, size, what, NULL));
  a->gv = s->gv;
  if (b->dw) TRY(mpt_allocate(&a->dw, values, real, what, NULL));
  if (b->dv) TRY(mpt_allocate(&a->dv, elements, size, what, NULL));
done:
  return code;
}

mpt_code mpt_whole_open(mpt_whole *s, const mpt_team *team, mpt_batch *b) {
  *s = (mpt_whole){.batch = b, .team = team, .m = mpt_batch_columns(b)};
  return mpt_team_any(team, allocate(s) != MPT_DONE) ? MPT_NO_RESOURCE : MPT_DONE;
}

void mpt_whole_close(mpt_whole *s) {
  mpt_batch *a = &s->whole;
  free(s->w);
  free(s->first);
  free(s->place);
  if (!s->batch->factor.reflectors || s->batch->factor_given) {
    free(a->w);
    free(a->v);
  }
  free(a->multiplet);
  free(s->gw);
  free(s->gv);
  free(a->dw);
  free(a->dv);
}

mpt_batch mpt_whole_pairs(const mpt_whole *s) {
  mpt_batch pairs = mpt_batch_pairs(&s->whole);
  pairs.given = s->batch->factor_given;
  pairs.gw = pairs.gv = NULL;
  return pairs;
}

/* Puts the cotangents and the given vectors of problem k into their columns of the whole spectrum.
 * A cut multiplet keeps its newly solved vectors: given ones need not be orthogonal to its other
 * members, and only the projector on all members enters. */
static void embed(mpt_whole *s, int64_t k) {
  const mpt_batch *b = s->batch;
  mpt_batch *a = &s->whole;
  const mpt_selected *place = &s->place[k];
  const int64_t n = b->n, first = place->first, found = place->found;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  if (b->gw)
    memcpy(mpt_part_of(s->gw, k * n + first, 1, real), mpt_part_of(b->gw, k, s->m, real),
           (size_t)found * real);
  if (b->gv)
    mpt_copy_columns(b->rows, found, size, mpt_part_of(b->gv, k, b->rows * s->m, size), s->m,
                     mpt_part_of(s->gv, k * b->rows * n + first, 1, size), n);
  for (int64_t j = 0; b->given && j < found; j++)
    if (!mpt_is_cut(n, a->multiplet + k * n, place, j))
      mpt_copy_columns(b->rows, 1, size, mpt_part_of(b->v, k * b->rows * s->m + j, 1, size), s->m,
                       mpt_part_of(a->v, k * b->rows * n + first + j, 1, size), n);
}

static void select_problem(mpt_whole *s, int64_t k, const mpt_options *options) {
  mpt_batch *b = s->batch;
  const int64_t n = b->n;
  mpt_reals_to_double(b->type, n, mpt_part_of(s->whole.w, k, n, mpt_real_size(b->type)), s->w);
  mpt_status status = mpt_find_selected(b, s->w, &s->place[k]);
  const int32_t *id = s->whole.multiplet + k * n;
  const bool raw = mpt_needs_basis(options);
  if (status == MPT_STATUS_OK && b->g && mpt_sees_cut(s->team, b, k, id, &s->place[k], raw, true))
    status = MPT_STATUS_SPLIT_MULTIPLET;
  b->report[k].status = status;
  if (status != MPT_STATUS_OK) return;
  embed(s, k);
  b->report[k].min_gap = mpt_selected_gap(n, s->w, id, &s->place[k]);
}

void mpt_whole_select(mpt_whole *s, const mpt_options *options) {
  for (int64_t k = 0; k < s->batch->count; k++)
    if (s->batch->report[k].status == MPT_STATUS_OK) select_problem(s, k, options);
}

mpt_batch mpt_whole_outputs(mpt_whole *s) {
  mpt_batch *b = s->batch;
  mpt_batch one = s->whole;
  /* given vectors stand beside newly solved ones, with which they have not been certified yet */
  if (!b->given || b->factor_given) one.a = NULL;
  one.given = true;
  for (int64_t k = 0; k < b->count; k++) {
    mpt_report *r = &b->report[k];
    s->first[k] = *r;
    if (r->status == MPT_STATUS_OK) r->status = MPT_STATUS_PENDING;
  }
  return one;
}

void mpt_whole_recall(mpt_whole *s) {
  mpt_batch *b = s->batch;
  for (int64_t k = 0; k < b->count; k++) {
    mpt_report *r = &b->report[k];
    if (mpt_status_is_failure(r->status)) continue;
    if (!b->given) r->residual = s->first[k].residual;
    if (!b->given) r->orthogonality = s->first[k].orthogonality;
    r->min_gap = s->first[k].min_gap;
  }
}

/* What the factors of problem k hold beside all eigenpairs, which are there already. Jobs keep no
 * more than those. */
static void put_factor(const mpt_batch *b, int64_t k) {
  const int64_t n = b->n;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  if (!b->factor.tau || b->factor_given || !n) return;
  memset(mpt_part_of(b->factor.diagonal, k, n, real), 0, (size_t)n * real);
  memset(mpt_part_of(b->factor.offdiagonal, k, n, real), 0, (size_t)n * real);
  char *tau = memset(mpt_part_of(b->factor.tau, k, n, size), 0, (size_t)n * size);
  mpt_doubles_to_real(b->type, 1, &(const double){1}, tau + (size_t)(n - 1) * size);
}

static void take_out(mpt_whole *s, int64_t k) {
  mpt_batch *b = s->batch;
  const mpt_batch *a = &s->whole;
  const int64_t n = b->n, m = s->m, first = s->place[k].first, found = s->place[k].found;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const int32_t *id = a->multiplet + k * n + first;
  int32_t *out = b->multiplet + k * m;
  for (int64_t j = 0; j < m; j++) out[j] = j < found ? id[j] - id[0] : 0;
  if (b->found) b->found[k] = (int32_t)found;
  put_factor(b, k);
  void *const values[][2] = {{a->w, b->given ? NULL : b->w}, {a->dw, b->dw}};
  void *const vectors[][2] = {{a->v, b->given ? NULL : b->v}, {a->dv, b->dv}};
  for (int i = 0; i < 2; i++) {
    if (values[i][1]) {
      char *to = mpt_part_of(values[i][1], k, m, real);
      memset(to, 0, (size_t)m * real);
      memcpy(to, mpt_part_of(values[i][0], k * n + first, 1, real), (size_t)found * real);
    }
    if (vectors[i][1]) {
      char *to = mpt_part_of(vectors[i][1], k, b->rows * m, size);
      memset(to, 0, (size_t)(b->rows * m) * size);
      mpt_copy_columns(b->rows, found, size,
                       mpt_part_of(vectors[i][0], k * b->rows * n + first, 1, size), n, to, m);
    }
  }
}

void mpt_whole_take_out(mpt_whole *s) {
  for (int64_t k = 0; k < s->batch->count; k++)
    if (!mpt_status_is_failure(s->batch->report[k].status)) take_out(s, k);
}
