#include "engine/lanes/lanes.h"

#include <stdlib.h>
#include <string.h>
#include "engine/retry.h"
#include "engine/process.h"

enum { SWEEPS_PER_VALUE = 30, HUGE_N = 1 << 12 };

static const mpt_lanes_set *const sets[] = {
#if defined(__x86_64__)
    &mpt_lanes_avx512,
    &mpt_lanes_avx2,
#endif
    &mpt_lanes_generic,
};
enum { SETS = sizeof sets / sizeof *sets };

static const mpt_lanes_set *chosen; /* NULL: not chosen yet */
static int sweep_limit;             /* fault hook */
static int spoilt_product;          /* fault hook */
static bool bare;                   /* for the benchmark */

static const mpt_lanes_set *find_set(const char *name) {
  for (int k = 0; k < SETS; k++)
    if (name ? !strcmp(sets[k]->name, name) : sets[k]->runs_here())
      return sets[k]->runs_here() ? sets[k] : NULL;
  return NULL;
}

static const mpt_lanes_set *set_in_use(void) {
  const mpt_lanes_set *set = chosen;
  return set ? set : find_set(NULL);
}

const char *mpt_lanes_isa(void) {
  return set_in_use()->name;
}

bool mpt_lanes_use(const char *name) {
  const mpt_lanes_set *set = find_set(name);
  if (set) chosen = set;
  return set != NULL;
}

int64_t mpt_lanes_largest(mpt_type type) {
  return set_in_use()->largest[type];
}

static bool suits(const mpt_shape *shape) {
  return shape->n <= mpt_lanes_largest(shape->type);
}

void mpt_lanes_spoil(int product) {
  spoilt_product = product;
}

void mpt_lanes_bare(bool without_checks) {
  bare = without_checks;
}

void mpt_lanes_limit_sweeps(int most) {
  sweep_limit = most;
}

struct mpt_state {
  mpt_shape shape;
  const mpt_lanes_kernels *kernels;
  void *memory;      /* of the kernels */
  bool *lost;        /* [chunk] */
  void *copy;        /* [n n], allocated when a problem was lost */
  mpt_state *lapack; /* likewise, or opened at the start with shape.outputs */
};

static mpt_code workspace(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                          mpt_error *error) {
  if (shape->n > HUGE_N)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot solve n = %lld with lanes: they are for n up to %d (use solver: auto)",
                    (long long)shape->n, HUGE_N);
  const mpt_lanes_kernels *kernels = &set_in_use()->kernels[shape->type];
  mpt_code code = MPT_DONE;
  *bytes = 0;
  if (shape->outputs) code = mpt_lapack.workspace(shape, grid, bytes, error);
  *bytes += kernels->bytes((int)shape->n, shape->vectors, shape->backward) + kernels->chunk;
  return code;
}

static void close_lanes(mpt_state *state) {
  if (!state) return;
  mpt_lapack.close(state->lapack);
  free(state->copy);
  free(state->memory);
  free(state->lost);
  free(state);
}

static mpt_code open_lanes(const mpt_shape *shape, const mpt_team *team, mpt_state **out,
                           mpt_error *error) {
  static const int one[2] = {1, 1};
  mpt_code code = MPT_DONE;
  mpt_state *s = NULL;
  int64_t bytes = 0;
  TRY(workspace(shape, one, &bytes, error));
  TRY(mpt_allocate(&s, 1, sizeof *s, "the lanes engine", error));
  s->shape = *shape;
  s->kernels = &set_in_use()->kernels[shape->type];
  TRY(mpt_allocate(&s->lost, s->kernels->chunk, sizeof *s->lost, "the lanes engine", error));
  TRY(mpt_allocate_aligned(&s->memory, bytes, "the lanes' workspace", error));
  s->kernels->prepare(s->memory, (int)shape->n, shape->vectors, shape->backward);
  if (shape->outputs) TRY(mpt_lapack.open(shape, team, &s->lapack, error));
done:
  if (code != MPT_DONE) {
    close_lanes(s);
    s = NULL;
  }
  *out = s;
  return code;
}

/* The products of `lapack` make functions, frames and derivatives from the eigenpairs. */
static void begin(mpt_state *s, const mpt_batch *batch, int64_t k, bool solved) {
  mpt_lapack.begin(s->lapack, batch, k, solved);
}

static void into_basis(mpt_state *s, const void *slab, mpt_side side) {
  mpt_lapack.into_basis(s->lapack, slab, side);
}

static bool next_tile(const mpt_state *s, int64_t *next, mpt_tile *tile) {
  return mpt_lapack.next_tile(s->lapack, next, tile);
}

static void out_of_basis(mpt_state *s, bool sum, mpt_side side, void *slab) {
  mpt_lapack.out_of_basis(s->lapack, sum, side, slab);
}

static void from_diagonal(mpt_state *s, const double *diagonal, void *slab) {
  mpt_lapack.from_diagonal(s->lapack, diagonal, slab);
}

/* Lets `lapack` process problem k; it may write into its copy of the matrix. */
static mpt_code hand_over(mpt_state *s, const mpt_options *options, const mpt_batch *batch,
                          int64_t k) {
  mpt_code code = MPT_DONE;
  const mpt_team alone = mpt_team_of_one();
  const int64_t n = batch->n, n2 = n * n;
  const size_t element = mpt_type_size(batch->type);
  if (!s->lapack) TRY(mpt_lapack.open(&s->shape, &alone, &s->lapack, NULL));
  if (!s->copy) TRY(mpt_allocate(&s->copy, n2, element, "a matrix", NULL));
  if (batch->a) memcpy(s->copy, mpt_part_of(batch->a, k, n2, element), (size_t)n2 * element);
  mpt_batch one = mpt_batch_slice(batch, k, 1, NULL);
  one.a = batch->a ? s->copy : NULL;
  const mpt_report first = *one.report;
  *one.report = (mpt_report){0};
  mpt_process_batch(&mpt_lapack, s->lapack, &alone, options, &one);
  mpt_note_retry(&first, n, batch->v != NULL, one.report);
done:
  return code;
}

static mpt_code process(mpt_state *s, const mpt_options *options, mpt_batch *batch) {
  const int64_t n = batch->n, chunk = s->kernels->chunk;
  mpt_lanes_call call = {.options = options,
                         .batch = batch,
                         .memory = s->memory,
                         .lost = s->lost,
                         .spoil = spoilt_product,
                         .bare = bare};
  for (int64_t k = 0; k < batch->count && n == 0; k++)
    if (batch->report[k].status == MPT_STATUS_PENDING) batch->report[k].status = MPT_STATUS_OK;
  if (n == 0) return MPT_DONE;
  call.most_sweeps = sweep_limit ? sweep_limit : SWEEPS_PER_VALUE * (int)n;
  for (; call.first < batch->count; call.first += chunk) {
    call.count = batch->count - call.first < chunk ? batch->count - call.first : chunk;
    memset(s->lost, 0, sizeof *s->lost * (size_t)chunk);
    s->kernels->process(&call);
    for (int64_t k = 0; k < call.count && !bare; k++) {
      mpt_report *report = &batch->report[call.first + k];
      if (s->lost[k]) {
        mpt_code code = hand_over(s, options, batch, call.first + k);
        if (code != MPT_DONE) return code;
      } else if (report->status == MPT_STATUS_PENDING && !batch->g) {
        report->status = MPT_STATUS_OK;
      }
    }
  }
  return MPT_DONE;
}

const mpt_engine mpt_lanes = {
    .name = "lanes",
    .id = MPT_ENGINE_LANES,
    .takes_team = false,
    .suits = suits,
    .cost = {5, 20, 2e-8},
    .side_by_side = 64,
    .kernels = mpt_lanes_isa,
    .workspace = workspace,
    .open = open_lanes,
    .close = close_lanes,
    .process = process,
    .begin = begin,
    .into_basis = into_basis,
    .next_tile = next_tile,
    .out_of_basis = out_of_basis,
    .from_diagonal = from_diagonal,
};
