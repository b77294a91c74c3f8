/* Occupations of eigenvalues in memory. */
#include <multiplet/function.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/base.h"
#include "spectral/function.h"
#include "spectral/occupation.h"

/* What is made of one set of levels, `count` of them; any may be NULL. */
typedef struct made {
  double *occupations, *slopes, *response, *mu;
} made;

typedef struct pair {
  double w, weight;
} pair;

static int compare(const void *a, const void *b) {
  const double x = ((const pair *)a)->w, y = ((const pair *)b)->w;
  return (x > y) - (x < y);
}

/* Sorted copies of levels, each with the weight of its matrix; sorted[2 m], pairs[m]. */
static mpt_levels sort_levels(int64_t n, int64_t count, const double *w, const double *weights,
                              double *sorted, pair *pairs) {
  const int64_t m = n * count;
  for (int64_t i = 0; i < m; i++) pairs[i] = (pair){w[i], weights ? weights[i / n] : 1};
  qsort(pairs, (size_t)m, sizeof *pairs, compare);
  for (int64_t i = 0; i < m; i++) {
    sorted[i] = pairs[i].w;
    sorted[m + i] = pairs[i].weight;
  }
  return (mpt_levels){.m = m, .w = sorted, .weight = weights ? sorted + m : NULL};
}

/* Of `count` matrices that share one chemical potential. The levels keep the caller's order in
 * `each`, their weights included, and ascend in `sorted`. */
static mpt_code share(const mpt_function *f, const mpt_levels *each, const mpt_levels *sorted,
                      const made *out, mpt_error *error) {
  const bool solve = f->electrons > 0;
  double mu = f->mu, mu_low = 0, hold;
  if (solve && !mpt_electrons_fit(f, sorted, &hold))
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot find a chemical potential: %.15g electrons, and the levels hold %.15g "
                    "(give fewer than they hold)",
                    f->electrons, hold);
  if (solve) mu = mpt_chemical_potential(f, sorted, &mu_low);
  mpt_occupy_levels(f, each, mu, mu_low, out->occupations, out->slopes);
  if (out->response && solve) mpt_occupation_response(f, each, mu, mu_low, out->response);
  if (out->response && !solve) memset(out->response, 0, sizeof(double) * (size_t)each->m);
  if (out->mu) *out->mu = mu;
  return MPT_DONE;
}

static const char *wrong_argument(int64_t n, int64_t count, const mpt_function *f,
                                  const double *weights, const double *w) {
  double heaviest = 0;
  if (n < 0 || n > INT32_MAX / 16) return "n";
  if (count < 0 || count > INT64_MAX / 64 / (n ? n : 1)) return "count";
  if (!mpt_is_occupation((int)f->kind) || !mpt_function_fits(f, INT64_MAX)) return "function";
  if (n && count && !w) return "a null array";
  for (int64_t k = 0; weights && k < count; k++) {
    if (!(weights[k] >= 0 && isfinite(weights[k]))) return "weights";
    heaviest = fmax(heaviest, weights[k]);
  }
  if (weights && count && heaviest == 0) return "weights";
  for (int64_t i = 0; i < n * count; i++)
    if (!isfinite(w[i])) return "w, which is not finite";
  return NULL;
}

static double *part_of(double *array, int64_t at) {
  return array ? array + at : NULL;
}

mpt_code mpt_occupations(int64_t n, int64_t count, const mpt_function *function,
                         const double *weights, const double *w, double *occupations,
                         double *slopes, double *response, double *mu, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_function f = {0};
  double *memory = NULL;
  pair *pairs = NULL;
  const char *wrong = mpt_receive(function, &f, sizeof f) ? NULL : "function.size";
  if (!wrong) wrong = wrong_argument(n, count, &f, weights, w);
  if (wrong)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot make occupations: bad argument, %s (see multiplet/function.h)", wrong);
  const int64_t together = weights ? count : 1, m = n * together, sets = weights ? 1 : count;
  if (!m || !sets) return MPT_DONE;
  TRY(mpt_allocate(&memory, 3 * m, sizeof *memory, "levels", error));
  TRY(mpt_allocate(&pairs, m, sizeof *pairs, "levels", error));
  for (int64_t s = 0; s < sets; s++) {
    const mpt_levels sorted = sort_levels(n, together, w + s * m, weights, memory, pairs);
    double *weight = memory + 2 * m;
    for (int64_t i = 0; i < m; i++) weight[i] = weights ? weights[i / n] : 1;
    const mpt_levels each = {.m = m, .w = w + s * m, .weight = weight};
    const made out = {part_of(occupations, s * m), part_of(slopes, s * m), part_of(response, s * m),
                      part_of(mu, s)};
    TRY(share(&f, &each, &sorted, &out, error));
  }
done:
  free(memory);
  free(pairs);
  return code;
}
