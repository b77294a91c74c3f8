/* Batches of which some eigenpairs are wanted: the whole spectrum is solved, the wanted columns are
 * taken out, and cotangents are zero for the others. */
#include "engine/whole.h"

#include <stdlib.h>
#include <string.h>
#include "engine/outputs.h"

void mpt_copy_columns(int64_t rows, int64_t count, size_t size, const void *from,
                      int64_t from_width, void *to, int64_t to_width) {
  for (int64_t i = 0; i < rows; i++)
    memcpy((char *)to + (size_t)(i * to_width) * size,
           (const char *)from + (size_t)(i * from_width) * size, (size_t)count * size);
}

mpt_status mpt_find_selected(const mpt_batch *b, const double *w, mpt_selected *place) {
  const mpt_select *select = &b->select;
  const int64_t n = b->n, m = mpt_batch_columns(b);
  int64_t first = 0, stop = m;
  switch (select->kind) {
  case MPT_SELECT_HIGHEST:
    first = n - m;
    stop = n;
    break;
  case MPT_SELECT_INDEX:
    first = select->index[0] < n ? select->index[0] : n;
    stop = first + m;
    break;
  case MPT_SELECT_RANGE:
    while (first < n && w[first] < select->range[0]) first++;
    for (stop = first; stop < n && w[stop] < select->range[1];) stop++;
    break;
  default:
    break;
  }
  place->first = first;
  place->found = stop - first;
  return stop - first > m ? MPT_TOO_MANY_IN_RANGE : MPT_OK;
}

bool mpt_is_cut(int64_t n, const int32_t *id, const mpt_selected *p, int64_t j) {
  const int64_t first = p->first, stop = first + p->found;
  return (first > 0 && id[first - 1] == id[first + j]) || (stop < n && id[stop] == id[first + j]);
}

bool mpt_needs_basis(const mpt_options *options) {
  return options->spread_policy == MPT_RAW || options->spread_policy == MPT_UNBIASED;
}

static bool is_zero(mpt_type type, const void *array, int64_t at) {
  double x[2];
  mpt_get_element(type, array, at, x);
  return x[0] == 0 && x[1] == 0;
}

bool mpt_sees_cut(const mpt_team *team, const mpt_batch *b, int64_t k, const int32_t *id,
                  const mpt_selected *place, bool values, bool vectors) {
  const mpt_type real = mpt_real_size(b->type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  const int64_t m = mpt_batch_columns(b);
  const void *gw = values ? mpt_part_of(b->gw, k, m, mpt_real_size(b->type)) : NULL;
  const void *gv = vectors ? mpt_part_of(b->gv, k, b->rows * m, mpt_type_size(b->type)) : NULL;
  int any = 0;
  for (int64_t j = 0; j < place->found; j++) {
    if (!mpt_is_cut(b->n, id, place, j)) continue;
    any |= gw && !is_zero(real, gw, j);
    for (int64_t i = 0; gv && i < b->rows; i++) any |= !is_zero(b->type, gv, i * m + j);
  }
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, team->comm);
  return any;
}

double mpt_selected_gap(int64_t n, const double *w, const int32_t *id, const mpt_selected *p) {
  const int64_t low = p->first > 0 ? p->first - 1 : 0;
  const int64_t stop = p->first + p->found, high = stop < n ? stop + 1 : n;
  return mpt_min_gap(high - low, w + low, id + low, mpt_spectral_norm(n, w));
}

/* Whole arrays, and what is wanted of each problem. */
typedef struct selection {
  mpt_batch *batch, whole;
  const mpt_team *team;
  double *w;           /* [n], of one problem */
  double *kept;        /* [3 count]: what the certificate said of the whole */
  mpt_selected *place; /* [count] */
  int64_t m;
} selection;

static mpt_code allocate(selection *s) {
  mpt_code code = MPT_DONE;
  const mpt_batch *b = s->batch;
  mpt_batch *a = &s->whole;
  const int64_t n = b->n, values = b->count * n, elements = b->count * b->rows * n;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const char *what = "a whole spectrum";
  void *gw = NULL, *gv = NULL;
  *a = *b;
  a->select = (mpt_select){0};
  a->given = false;
  a->found = NULL;
  a->w = a->v = a->dw = a->dv = NULL;
  a->multiplet = NULL;
  a->gw = a->gv = NULL;
  a->factor = (mpt_factor_arrays){0};
  TRY(mpt_allocate(&s->w, n, sizeof *s->w, what, NULL));
  TRY(mpt_allocate(&s->kept, 3 * b->count, sizeof *s->kept, what, NULL));
  TRY(mpt_allocate(&s->place, b->count, sizeof *s->place, what, NULL));
  TRY(mpt_allocate(&a->multiplet, values, sizeof *a->multiplet, what, NULL));
  if (b->factor.reflectors) {
    a->w = b->factor.eigenvalues;
    a->v = b->factor.reflectors;
  } else {
    TRY(mpt_allocate(&a->w, values, real, what, NULL));
    if (b->v) TRY(mpt_allocate(&a->v, elements, size, what, NULL));
  }
  if (b->gw) TRY(mpt_allocate(&gw, values, real, what, NULL));
  a->gw = gw;
  if (b->gv) TRY(mpt_allocate(&gv, elements, size, what, NULL));
  a->gv = gv;
  if (b->dw) TRY(mpt_allocate(&a->dw, values, real, what, NULL));
  if (b->dv) TRY(mpt_allocate(&a->dv, elements, size, what, NULL));
done:
  return code;
}

static void release(selection *s) {
  mpt_batch *a = &s->whole;
  free(s->w);
  free(s->kept);
  free(s->place);
  if (!s->batch->factor.reflectors) {
    free(a->w);
    free(a->v);
  }
  free(a->multiplet);
  free((void *)(uintptr_t)a->gw);
  free((void *)(uintptr_t)a->gv);
  free(a->dw);
  free(a->dv);
}

/* Cotangents, and given vectors, of problem k at their places in the whole. Of a cut multiplet the
 * solved vectors stay: given ones need not be orthogonal to its other members, and no more than the
 * projector on all of it enters then. */
static void embed(selection *s, int64_t k) {
  const mpt_batch *b = s->batch;
  mpt_batch *a = &s->whole;
  const mpt_selected *place = &s->place[k];
  const int64_t n = b->n, first = place->first, found = place->found;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  if (b->gw)
    memcpy(mpt_part_of(a->gw, k * n + first, 1, real), mpt_part_of(b->gw, k, s->m, real),
           (size_t)found * real);
  if (b->gv)
    mpt_copy_columns(b->rows, found, size, mpt_part_of(b->gv, k, b->rows * s->m, size), s->m,
                     mpt_part_of(a->gv, k * b->rows * n + first, 1, size), n);
  for (int64_t j = 0; b->given && j < found; j++)
    if (!mpt_is_cut(n, a->multiplet + k * n, place, j))
      mpt_copy_columns(b->rows, 1, size, mpt_part_of(b->v, k * b->rows * s->m + j, 1, size), s->m,
                       mpt_part_of(a->v, k * b->rows * n + first + j, 1, size), n);
}

/* After the whole has been solved: what is wanted, and whether that can be differentiated. */
static void prepare_problem(selection *s, int64_t k, const mpt_options *options) {
  mpt_batch *b = s->batch;
  const int64_t n = b->n;
  mpt_reals_to_double(b->type, n, mpt_part_of(s->whole.w, k, n, mpt_real_size(b->type)), s->w);
  mpt_status status = mpt_find_selected(b, s->w, &s->place[k]);
  const int32_t *id = s->whole.multiplet + k * n;
  const bool raw = mpt_needs_basis(options);
  if (status == MPT_OK && b->g && mpt_sees_cut(s->team, b, k, id, &s->place[k], raw, true))
    status = MPT_SPLIT_MULTIPLET;
  b->report[k].status = status;
  if (status != MPT_OK) return;
  embed(s, k);
  b->report[k].min_gap = mpt_selected_gap(n, s->w, id, &s->place[k]);
}

static void take_out(selection *s, int64_t k) {
  mpt_batch *b = s->batch;
  const mpt_batch *a = &s->whole;
  const int64_t n = b->n, m = s->m, first = s->place[k].first, found = s->place[k].found;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const int32_t *id = a->multiplet + k * n + first;
  int32_t *out = b->multiplet + k * m;
  for (int64_t j = 0; j < m; j++) out[j] = j < found ? id[j] - id[0] : 0;
  if (b->found) b->found[k] = (int32_t)found;
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

/* The second half: gradients and outputs of pairs that are there by now. */
static void differentiate(selection *s, const mpt_engine *engine, mpt_state *state,
                          const mpt_options *options) {
  mpt_batch *b = s->batch;
  mpt_batch one = s->whole;
  /* given vectors stand among newly solved ones, with which they have not been certified yet */
  if (!b->given || b->factor.given) one.a = NULL;
  one.given = true;
  one.count = b->count;
  double *kept = s->kept;
  for (int64_t k = 0; k < b->count; k++) {
    mpt_report *r = &b->report[k];
    memcpy(kept + 3 * k, (double[]){r->residual, r->orthogonality, r->min_gap}, 24);
    if (r->status == MPT_OK) r->status = MPT_PENDING;
  }
  mpt_process_batch(engine, state, s->team, options, &one);
  for (int64_t k = 0; k < b->count; k++) {
    mpt_report *r = &b->report[k];
    if (mpt_status_is_failure(r->status)) continue;
    if (!b->given) r->residual = kept[3 * k];
    if (!b->given) r->orthogonality = kept[3 * k + 1];
    r->min_gap = kept[3 * k + 2];
  }
}

mpt_code mpt_process_whole(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                           const mpt_options *options, mpt_batch *b) {
  selection s = {.batch = b, .team = team, .m = mpt_batch_columns(b)};
  int failed = allocate(&s) != MPT_DONE;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  if (!failed) {
    mpt_batch pairs = s.whole;
    const bool more = b->g || mpt_has_outputs(b);
    pairs.given = b->factor.given;
    pairs.g = NULL;
    pairs.gw = pairs.gv = NULL;
    pairs.da = NULL;
    pairs.function_count = 0;
    pairs.frame.columns = 0;
    mpt_process_batch(engine, state, team, options, &pairs);
    for (int64_t k = 0; k < b->count; k++)
      if (b->report[k].status == MPT_OK) prepare_problem(&s, k, options);
    if (more) differentiate(&s, engine, state, options);
    for (int64_t k = 0; k < b->count; k++)
      if (!mpt_status_is_failure(b->report[k].status)) take_out(&s, k);
  }
  release(&s);
  return failed ? MPT_NO_RESOURCE : MPT_DONE;
}
