/* Some of n eigenpairs on one rank: ?hetrd, T's eigenvectors by ?stebz and ?stein if they are few
 * and else by ?stedc, and ?unmtr on the wanted columns. */
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"
#include "engine/lapack/state.h"

void dsterf_(const int *n, double *d, double *e, int *info); /* LAPACK: eigenvalues of T */

/* Whether T's wanted eigenvectors are computed one by one, in O(n) each; of more than these, divide
 * and conquer takes no longer for all. (?stemr is fast as well, but of eigenvalues near each other
 * its vectors had residuals of 1e4 n eps ||T||.) */
static bool takes_few(const mpt_state *s) {
  return s->shape.columns > 0 && 10 * s->shape.columns <= s->shape.n;
}

#define WORKER "engine/lapack/lapack_reduced_worker.h"
#include "base/for_each_type.h"
#include "engine/reduced_dispatch.h"

static int64_t panel_elements(int64_t n, int64_t columns) {
  return 2 * columns * (n + columns);
}

int64_t mpt_lapack_reduced_elements(const mpt_shape *shape) {
  return 3 * shape->n + 1 + panel_elements(shape->n, shape->columns);
}

/* Allocates one piece of memory, and lays out panels in it for the current number of columns. What
 * reduce() left is kept. */
static mpt_code widen(mpt_state *s, int64_t columns, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = s->shape.n;
  const size_t element = mpt_type_size(s->shape.type);
  const char *what = "panels of eigenvectors";
  if (!s->panels.tau) TRY(mpt_allocate(&s->panels.tau, 3 * n + 1, element, what, error));
  s->panels.reals = (char *)s->panels.tau + (size_t)n * element;
  if (!s->panels.u || s->panels.room < columns) {
    free(s->panels.u);
    TRY(mpt_allocate(&s->panels.u, panel_elements(n, columns), element, what, error));
    s->panels.room = columns;
  }
  s->panels.columns = columns;
  s->panels.b = (char *)s->panels.u + (size_t)(n * columns) * element;
  s->panels.t = (char *)s->panels.b + (size_t)(n * columns) * element;
  s->panels.th = (char *)s->panels.t + (size_t)(columns * columns) * element;
done:
  return code;
}

static void keep_factor(mpt_state *s, void *reflectors, void *tau) {
  const size_t size = mpt_type_size(s->shape.type), n = (size_t)s->shape.n;
  memcpy(reflectors, s->z, n * n * size);
  memset(tau, 0, n * size);
  memcpy(tau, s->panels.tau, (n - 1) * size);
}

static void take_factor(mpt_state *s, const void *reflectors, const void *tau) {
  const size_t size = mpt_type_size(s->shape.type), n = (size_t)s->shape.n;
  memcpy(s->z, reflectors, n * n * size);
  memcpy(s->panels.tau, tau, n * size);
}

static void *panel_of(const mpt_state *s, mpt_panel panel) {
  return panel == MPT_PANEL_U ? s->panels.u : s->panels.b;
}

static void load(mpt_state *s, mpt_panel panel, const void *slab) {
  const int64_t n = s->shape.n, m = s->panels.columns;
  const mpt_facing f = {m, n, panel_of(s, panel), n, slab, m};
  mpt_conjugate_transpose(s->shape.type, &f);
}

static void store(mpt_state *s, mpt_panel panel, void *slab) {
  const int64_t n = s->shape.n, m = s->panels.columns;
  const mpt_facing f = {n, m, slab, m, panel_of(s, panel), n};
  mpt_conjugate_transpose(s->shape.type, &f);
}

static bool next_tile(const mpt_state *s, int64_t *next, mpt_tile *tile) {
  const int64_t m = s->panels.columns;
  *tile = (mpt_tile){0, 0, m, m, s->panels.t, m, s->panels.th, m, NULL};
  return m > 0 && (*next)++ == 0;
}

static void *whole_columns(mpt_state *s, int64_t *first, int64_t *count) {
  *first = 0;
  *count = s->panels.columns;
  return s->panels.b;
}

static void whole_columns_back(mpt_state *s) {
  (void)s;
}

const mpt_reduced mpt_lapack_reduced = {
    .widen = widen,
    .reduce = reduce,
    .keep_factor = keep_factor,
    .take_factor = take_factor,
    .diagonalize = diagonalize,
    .take = take,
    .load = load,
    .store = store,
    .overlap = overlap,
    .next_tile = next_tile,
    .project = project,
    .turn = turn,
    .whole_columns = whole_columns,
    .whole_columns_back = whole_columns_back,
    .combine = combine,
    .assemble = assemble,
};
