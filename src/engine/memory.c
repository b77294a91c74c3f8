/* The public calls on arrays in memory: one matrix at a time through the reference engine. */
#include <multiplet/gradient.h>

#include <stdlib.h>
#include <string.h>
#include "engine.h"

/* A problem's arrays; those of the next follow at once. */
typedef struct arrays {
  const void *a, *w_in, *v_in, *gw, *gv;
  void *w, *v, *g;
  int32_t *multiplet;
  mpt_report *report;
} arrays;

static mpt_code check_arguments(mpt_type type, int64_t n, int64_t count, const arrays *x,
                                mpt_error *error) {
  const char *wrong = (int)type < 0 || type >= MPT_TYPE_COUNT                ? "type"
                      : n < 0                                                ? "n"
                      : count < 0                                            ? "count"
                      : count && (!x->a || !x->report || !x->multiplet) && n ? "a null array"
                                                                             : NULL;
  if (!wrong) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE, "cannot start: bad argument, %s (see multiplet/eigh.h)",
                  wrong);
}

static const void *at(const void *array, int64_t k, int64_t each, size_t size) {
  return array ? (const char *)array + (size_t)(k * each) * size : NULL;
}

/* The engine gets copies where it may write and the caller's array is constant. */
static void do_one(mpt_state *state, const mpt_options *options, mpt_batch *b, const arrays *x,
                   int64_t k, bool given) {
  const mpt_team alone = mpt_team_of_one();
  const int64_t n = b->n, n2 = n * n;
  const size_t element = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memcpy(b->a, at(x->a, k, n2, element), (size_t)n2 * element);
  if (given) {
    memcpy(b->w, at(x->w_in, k, n, real), (size_t)n * real);
    memcpy(b->v, at(x->v_in, k, n2, element), (size_t)n2 * element);
  } else {
    b->w = (void *)(uintptr_t)at(x->w, k, n, real);
    b->v = (void *)(uintptr_t)at(x->v, k, n2, element);
  }
  b->gw = at(x->gw, k, n, real);
  b->gv = at(x->gv, k, n2, element);
  b->g = (void *)(uintptr_t)at(x->g, k, n2, element);
  b->multiplet = x->multiplet + k * n;
  b->report = x->report + k;
  *b->report = (mpt_report){0};
  mpt_process_batch(&mpt_lapack, state, &alone, options, b);
}

static mpt_code do_all(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                       const arrays *x, bool given, mpt_error *error) {
  static const mpt_options defaults;
  mpt_code code = MPT_DONE;
  mpt_state *state = NULL;
  void *a = NULL, *w = NULL, *v = NULL;
  const mpt_team alone = mpt_team_of_one();
  const mpt_shape shape = {type, n, 0, given || x->v, given};
  const size_t element = mpt_type_size(type);
  TRY(mpt_allocate(&a, n * n, element, "a matrix", error));
  if (given) TRY(mpt_allocate(&w, n, mpt_real_size(type), "eigenvalues", error));
  if (given) TRY(mpt_allocate(&v, n * n, element, "eigenvectors", error));
  TRY(mpt_lapack.open(&shape, &alone, &state, error));
  mpt_batch b = {
      .type = type, .count = 1, .n = n, .rows = n, .given = given, .a = a, .w = w, .v = v};
  for (int64_t k = 0; k < count; k++) do_one(state, options ? options : &defaults, &b, x, k, given);
done:
  mpt_lapack.close(state);
  free(a);
  free(w);
  free(v);
  return code;
}

mpt_code mpt_eigh(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                  const void *a, void *w, void *v, int32_t *multiplet, mpt_report *report,
                  mpt_error *error) {
  const arrays x = {.a = a, .w = w, .v = v, .multiplet = multiplet, .report = report};
  mpt_code code = check_arguments(type, n, count, &x, error);
  return code != MPT_DONE ? code : do_all(type, n, count, options, &x, false, error);
}

mpt_code mpt_eigh_backward(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                           const void *a, const void *w, const void *v, const void *gw,
                           const void *gv, void *g, int32_t *multiplet, mpt_report *report,
                           mpt_error *error) {
  const arrays x = {.a = a,
                    .w_in = w,
                    .v_in = v,
                    .gw = gw,
                    .gv = gv,
                    .g = g,
                    .multiplet = multiplet,
                    .report = report};
  mpt_code code = check_arguments(type, n, count, &x, error);
  return code != MPT_DONE ? code : do_all(type, n, count, options, &x, true, error);
}
