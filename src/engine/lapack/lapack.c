/* One problem at a time on one rank, with ?heevd and ?syevd, or the routines that these are made
 * of: the reference for all other engines. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"
#include "engine/lapack/state.h"

/* From n = LARGE on, reflectors are applied as many at a time as BLOCK says. What that needs has to
 * fit into n^2 elements. */
enum { BLOCK = 64, LARGE = 4 * BLOCK };
_Static_assert(2 * BLOCK * BLOCK + 3 * BLOCK * LARGE <= LARGE * LARGE, "room for panels");

#define WORKER "engine/lapack/lapack_worker.h"
#include "base/for_each_type.h"
#include "engine/engine_dispatch.h"

/* Elements of work, rwork and iwork, from LAPACK's documentation (job 'V' or 'N'). The backward
 * pass needs n^2 elements of work besides z. */
static void minimum_sizes(const mpt_shape *s, int64_t size[3]) {
  int64_t n = s->n, n2 = n * n;
  bool c = mpt_type_is_complex(s->type), vectors = s->vectors;
  size[0] = c ? (vectors ? 2 * n + n2 : n + 1) : (vectors ? 1 + 6 * n + 2 * n2 : 2 * n + 1);
  size[1] = c ? (vectors ? 1 + 5 * n + 2 * n2 : n) : 0;
  size[2] = vectors ? 3 + 6 * n : 1; /* ?stedc takes 3 + 5 n, ?stebz and ?stein 6 n */
  for (int i = 0; i < 3; i++)
    if (size[i] < 1) size[i] = 1;
}

/* The only place where sizes are narrowed to LAPACK's integers. */
static mpt_code check_range(const mpt_shape *shape, int64_t size[3], mpt_error *error) {
  const bool small = shape->n < INT32_MAX / 16; /* so that the counts fit 64 bits */
  if (small) minimum_sizes(shape, size);
  if (small && size[0] <= INT_MAX && size[1] <= INT_MAX) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot solve n = %lld with lapack: its workspace passes 32-bit integers (run "
                  "on several ranks, with solver: scalapack)",
                  (long long)shape->n);
}

static mpt_code workspace(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                          mpt_error *error) {
  (void)grid;
  int64_t size[3];
  mpt_code code = check_range(shape, size, error);
  if (code != MPT_DONE) return code;
  const int64_t panels = shape->columns ? mpt_lapack_reduced_elements(shape) : 0;
  *bytes = ((shape->outputs ? 2 : 1) * shape->n * shape->n + size[0] + panels) *
               (int64_t)mpt_type_size(shape->type) +
           size[1] * (int64_t)mpt_real_size(shape->type) + size[2] * (int64_t)sizeof(int);
  return code;
}

static void close_lapack(mpt_state *state) {
  if (!state) return;
  free(state->z);
  free(state->sum);
  free(state->panels.tau);
  free(state->panels.u);
  free(state->work);
  free(state->rwork);
  free(state->iwork);
  free(state);
}

static int larger(double query, int64_t minimum) {
  return query > (double)minimum && query < INT_MAX ? (int)query : (int)minimum;
}

static mpt_code open_lapack(const mpt_shape *shape, const mpt_team *team, mpt_state **out,
                            mpt_error *error) {
  static void (*const query[])(const mpt_shape *, double[3]) = WORKER_TABLE(query);
  mpt_code code = MPT_DONE;
  mpt_state *s = NULL;
  int64_t minimum[3];
  double wanted[3] = {0};
  (void)team;
  TRY(check_range(shape, minimum, error));
  TRY(mpt_allocate(&s, 1, sizeof *s, "the lapack engine", error));
  s->shape = *shape;
  if (shape->n) query[shape->type](shape, wanted);
  s->lwork = larger(wanted[0], minimum[0]);
  s->lrwork = larger(wanted[1], minimum[1]);
  s->liwork = larger(wanted[2], minimum[2]);
  const size_t element = mpt_type_size(shape->type);
  const char *what = "lapack's workspace";
  TRY(mpt_allocate(&s->z, shape->n * shape->n, element, what, error));
  if (shape->outputs) TRY(mpt_allocate(&s->sum, shape->n * shape->n, element, what, error));
  TRY(mpt_allocate(&s->work, s->lwork, element, what, error));
  TRY(mpt_allocate(&s->rwork, s->lrwork, mpt_real_size(shape->type), what, error));
  TRY(mpt_allocate(&s->iwork, s->liwork, sizeof(int), what, error));
  if (shape->columns) TRY(mpt_lapack_reduced.widen(s, shape->columns, error));
done:
  if (code != MPT_DONE) {
    close_lapack(s);
    s = NULL;
  }
  *out = s;
  return code;
}

static void begin(mpt_state *state, const mpt_batch *batch, int64_t k, bool solved) {
  (void)solved;
  state->vt =
      (const char *)batch->v + (size_t)(k * batch->n * batch->n) * mpt_type_size(batch->type);
}

/* The whole matrix is one tile. */
static bool next_tile(const mpt_state *s, int64_t *next, mpt_tile *tile) {
  const int64_t n = s->shape.n;
  *tile = (mpt_tile){0, 0, n, n, s->z, n, s->work, n, s->sum};
  return n > 0 && (*next)++ == 0;
}

const mpt_engine mpt_lapack = {
    .name = "lapack",
    .id = MPT_ENGINE_LAPACK,
    .cost = {1, 60, 3e-6},
    .takes_team = false,
    .writes_input = true,
    .workspace = workspace,
    .open = open_lapack,
    .close = close_lapack,
    .solve = solve,
    .begin = begin,
    .into_basis = into_basis,
    .next_tile = next_tile,
    .out_of_basis = out_of_basis,
    .from_diagonal = from_diagonal,
    .reduced = &mpt_lapack_reduced,
};
