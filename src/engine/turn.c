#include "engine/turn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"

/* The columns of one multiplet in a slab. */
typedef struct turning {
  const mpt_team *team;
  const mpt_options *options;
  mpt_type type;
  int64_t n, row0, rows;
  int64_t ld, count;        /* elements of a row; columns turned */
  void *v;                  /* the first of the columns to turn */
  void *x;                  /* [count], the vector of a reflection */
  double *largest2, *pivot; /* [count], [2 count] */
  int64_t *at;              /* [count], rows of pivots */
} turning;

/* Steele, Lea and Flood 2014. */
static uint64_t splitmix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* Two Gaussian numbers (Marsaglia 1964). */
static void draw_pair(uint64_t *state, double out[2]) {
  double s = 0;
  do {
    for (int k = 0; k < 2; k++) out[k] = (double)(splitmix(state) >> 11) * 0x1p-52 - 1;
    s = out[0] * out[0] + out[1] * out[1];
  } while (s >= 1 || s == 0);
  for (int k = 0; k < 2; k++) out[k] *= sqrt(-2 * log(s) / s);
}

#define WORKER "engine/turn_worker.h"
#include "base/for_each_type.h"

static void fix_phases(turning *t) {
  static void (*const largest[])(turning *) = WORKER_TABLE(find_largest);
  static void (*const pivots[])(turning *) = WORKER_TABLE(find_pivots);
  static void (*const turn[])(turning *) = WORKER_TABLE(turn_phases);
  const int count = (int)t->count;
  const bool several = t->team->size > 1;
  largest[t->type](t);
  mpt_team_max(t->team, count, t->largest2);
  pivots[t->type](t);
  if (several) { /* the first such row of all ranks, and the element in it */
    mpt_team_reduce(t->team, MPT_REDUCE_MIN, MPT_INT64, count, t->at);
    for (int64_t j = 0; j < t->count; j++)
      if (t->at[j] < t->row0 || t->at[j] >= t->row0 + t->rows)
        t->pivot[2 * j] = t->pivot[2 * j + 1] = 0;
    mpt_team_sum(t->team, 2 * count, t->pivot);
  }
  turn[t->type](t);
}

static void turn_one(turning *t, int64_t first) {
  static void (*const reflect[])(turning *, int64_t, uint64_t *) = WORKER_TABLE(reflect);
  enum { HAAR = 64, FEW = 3 };
  uint64_t state = t->options->seed;
  state = splitmix(&state) ^ (uint64_t)first;
  state = splitmix(&state) ^ (uint64_t)t->count;
  const bool haar = t->count <= HAAR || t->options->spread_policy == MPT_SPREAD_UNBIASED;
  const int64_t reflections = haar ? t->count : FEW;
  for (int64_t k = 0; k < reflections; k++) reflect[t->type](t, k, &state);
  fix_phases(t);
}

static bool allocate(turning *t, int64_t columns) {
  double *memory = mpt_alloc(columns, 4 * sizeof *memory + 16);
  t->largest2 = memory;
  if (!memory) return false;
  t->pivot = memory + columns;
  t->at = (int64_t *)(memory + 3 * columns);
  t->x = memory + 4 * columns;
  return true;
}

static bool has_multiplets(int64_t columns, const int32_t *multiplet) {
  for (int64_t j = 1; j < columns; j++)
    if (multiplet[j] == multiplet[j - 1]) return true;
  return false;
}

mpt_status mpt_turn_multiplets(const mpt_team *team, const mpt_options *options, const mpt_batch *b,
                               int64_t first, int64_t columns, const double *w, double norm,
                               const int32_t *multiplet, void *v) {
  const double width = mpt_resolution(b->type, b->n) * norm;
  turning t = {.team = team, .options = options, .type = b->type, .n = b->n};
  if (options->basis != MPT_BASIS_TURNED || !has_multiplets(columns, multiplet))
    return MPT_STATUS_OK;
  t.row0 = b->row0;
  t.rows = b->rows;
  t.ld = columns;
  const bool failed = mpt_team_any(team, !allocate(&t, columns));
  for (int64_t start = 0, stop; start < columns && !failed; start = stop) {
    for (stop = start + 1; stop < columns && multiplet[stop] == multiplet[start];) {
      if (w[stop] - w[start] > width) break;
      stop++;
    }
    t.count = stop - start;
    t.v = (char *)v + (size_t)start * mpt_type_size(b->type);
    if (t.count > 1) turn_one(&t, first + start);
  }
  free(t.largest2);
  return failed ? MPT_STATUS_INTERNAL : MPT_STATUS_OK;
}
