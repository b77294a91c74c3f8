/* A = H D H with H = 1 - 2 u u^H and a diagonal D of a few repeated numbers, so that everything has
 * a closed form. The loss is sum_j c_j w_j + x^H P x, with c_j equal in each multiplet and P the
 * projector on the eigenspaces of the LOWEST levels. Its gradient is H (F o y y^H + diag(c)) H with
 * y = H x. F is symmetric: F_ij = 1 / (d_i - d_j) where only i is among the lowest, and 0 where
 * both or neither are. */
#include "engine/self_test.h"

#include <complex.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "engine/blas_library.h"
#include "engine/process.h"
#include "spectral/tiles.h"

typedef double _Complex element;

enum { LEAST_N = 20, KINDS = 8, LOWEST = 2, COPIES = 16, ENGINES = 4 };
static const double levels[KINDS] = {-3, -2, -1, 0, 0.5, 1, 2, 3};

/* By engine and type. */
enum { UNTRIED, PASSED, FAILED };
static atomic_int results[ENGINES][MPT_TYPE_COUNT];

/* One problem; a rank holds `rows` of its rows, from row0 on. */
typedef struct trial {
  const mpt_engine *engine;
  const mpt_team *team;
  mpt_type type;
  int64_t n, copies;  /* number of equal problems, for lanes */
  element *u, *x, *y; /* [n] each */
  double *d;          /* [n] */
  double *spare;      /* a slab in double precision, [2 n n] */
  mpt_batch batch;
  void *gw, *gv;
  mpt_state *state;
  bool judged; /* the trial ended with a verdict */
} trial;

/* The level of eigenvalue j, in multiplets of one, four, three, two, one, four ... eigenvalues. */
static int level_of(int64_t n, int64_t j) {
  static const int ends[KINDS] = {1, 5, 8, 10, 11, 15, 17, 20};
  int level = 0;
  while (level + 1 < KINDS && j * LEAST_N >= ends[level] * n) level++;
  return level;
}

static void choose_numbers(trial *t) {
  const bool is_complex = mpt_type_is_complex(t->type);
  double size = 0;
  element overlap = 0;
  for (int64_t i = 0; i < t->n; i++) {
    const double angle = is_complex ? 0.7 * (double)i : 0;
    t->u[i] = (1 + sin(1.3 * (double)i)) * (cos(angle) + I * sin(angle));
    t->x[i] = cos(2.1 * (double)i) + (is_complex ? I * sin(0.4 * (double)i) : 0);
    t->d[i] = levels[level_of(t->n, i)];
    size += creal(t->u[i] * conj(t->u[i]));
  }
  for (int64_t i = 0; i < t->n; i++) t->u[i] /= sqrt(size);
  for (int64_t i = 0; i < t->n; i++) overlap += conj(t->u[i]) * t->x[i];
  for (int64_t i = 0; i < t->n; i++) t->y[i] = t->x[i] - 2 * t->u[i] * overlap;
}

static mpt_code allocate(trial *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = t->n, rows = mpt_slab_start(n, t->team->size, t->team->rank + 1) -
                                 mpt_slab_start(n, t->team->size, t->team->rank);
  const int64_t slabs = t->copies * rows * n, values = t->copies * n;
  const size_t size = mpt_type_size(t->type), real = mpt_real_size(t->type);
  const char *what = "the self-test";
  mpt_batch *b = &t->batch;
  *b = (mpt_batch){.type = t->type, .count = t->copies, .n = n, .rows = rows};
  b->row0 = mpt_slab_start(n, t->team->size, t->team->rank);
  TRY(mpt_allocate(&t->u, 3 * n, sizeof *t->u, what, error));
  t->x = t->u + n;
  t->y = t->x + n;
  TRY(mpt_allocate(&t->d, n, sizeof *t->d, what, error));
  TRY(mpt_allocate(&t->spare, 2 * n * n + 6 * n, sizeof *t->spare, what, error));
  TRY(mpt_allocate(&b->a, slabs, size, what, error));
  TRY(mpt_allocate(&b->w, values, real, what, error));
  TRY(mpt_allocate(&b->v, slabs, size, what, error));
  TRY(mpt_allocate(&b->g, slabs, size, what, error));
  TRY(mpt_allocate(&t->gw, values, real, what, error));
  TRY(mpt_allocate(&t->gv, slabs, size, what, error));
  TRY(mpt_allocate(&b->multiplet, values, sizeof *b->multiplet, what, error));
  TRY(mpt_allocate(&b->report, t->copies, sizeof *b->report, what, error));
done:
  return code;
}

static void release(trial *t) {
  const mpt_batch *b = &t->batch;
  void *const all[] = {t->u, t->d,  t->spare, b->a,         b->w,     b->v,
                       b->g, t->gw, t->gv,    b->multiplet, b->report};
  if (t->state) t->engine->close(t->state);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Copies `reals` real numbers to every copy of the problem. */
static void put(const trial *t, int64_t reals, const double *from, void *array) {
  const size_t bytes = (size_t)reals * mpt_real_size(t->type);
  mpt_doubles_to_real(t->type, reals, from, array);
  for (int64_t k = 1; k < t->copies; k++) memcpy((char *)array + (size_t)k * bytes, array, bytes);
}

/* Row i of H M H, where M is F o y y^H + diag(c), or D. */
static void make_row(const trial *t, int64_t i, bool gradient, element *row) {
  const int64_t n = t->n, kept = LOWEST;
  element sum = 0;
  for (int64_t j = 0; j < n; j++) row[j] = 0;
  for (int64_t k = 0; k < n; k++) { /* row i of H, times M */
    const element h = (i == k) - 2 * t->u[i] * conj(t->u[k]);
    const int level = level_of(n, k);
    row[k] += h * (gradient ? 1 + level : t->d[k]);
    for (int64_t j = 0; j < n && gradient; j++)
      if ((level < kept) != (level_of(n, j) < kept))
        row[j] +=
            h * t->y[k] * conj(t->y[j]) / (level < kept ? t->d[k] - t->d[j] : t->d[j] - t->d[k]);
  }
  for (int64_t j = 0; j < n; j++) sum += row[j] * t->u[j];
  for (int64_t j = 0; j < n; j++) row[j] -= 2 * sum * conj(t->u[j]);
}

/* Writes this rank's rows of A, or of the gradient, to `spare` as doubles. */
static void make_slab(const trial *t, bool gradient) {
  const mpt_batch *b = &t->batch;
  const int parts = mpt_type_is_complex(t->type) ? 2 : 1;
  element *row = (element *)(t->spare + 2 * t->n * t->n); /* [n], followed by other workspace */
  double *to = t->spare;
  for (int64_t i = b->row0; i < b->row0 + b->rows; i++) {
    make_row(t, i, gradient, row);
    for (int64_t j = 0; j < t->n; j++) {
      *to++ = creal(row[j]);
      if (parts == 2) *to++ = i == j ? 0 : cimag(row[j]);
    }
  }
}

/* gw_j = c_j; gv_j = 2 x (x^H v_j) for the lowest levels. */
static void make_cotangents(trial *t) {
  const mpt_batch *b = &t->batch;
  const int64_t n = t->n;
  const int parts = mpt_type_is_complex(t->type) ? 2 : 1;
  double *overlap = t->spare + 2 * n * n, *to = t->spare; /* [2 n]: x^H v_j */
  memset(overlap, 0, sizeof *overlap * (size_t)(2 * n));
  for (int64_t i = 0; i < b->rows; i++)
    for (int64_t j = 0; j < n; j++) {
      double v[2];
      mpt_get_element(t->type, b->v, i * n + j, v);
      const element part = conj(t->x[b->row0 + i]) * (v[0] + I * v[1]);
      overlap[2 * j] += creal(part);
      overlap[2 * j + 1] += cimag(part);
    }
  mpt_team_sum(t->team, 2 * n, overlap);
  for (int64_t i = 0; i < b->rows; i++)
    for (int64_t j = 0; j < n; j++) {
      element g = 2 * t->x[b->row0 + i] * (overlap[2 * j] + I * overlap[2 * j + 1]);
      if (level_of(n, j) >= LOWEST) g = 0;
      *to++ = creal(g);
      if (parts == 2) *to++ = cimag(g);
    }
  put(t, b->rows * n * parts, t->spare, t->gv);
  for (int64_t j = 0; j < n; j++) overlap[j] = 1 + level_of(n, j);
  put(t, n, overlap, t->gw);
}

/* The largest difference of one copy's elements from `spare`, or NaN. */
static double difference(const trial *t, const void *array, int64_t count) {
  double worst = 0;
  for (int64_t i = 0; i < count; i++) {
    double is[2] = {0};
    mpt_get_element(t->type, array, i, is);
    const int parts = mpt_type_is_complex(t->type) ? 2 : 1;
    for (int p = 0; p < parts; p++) {
      const double off = fabs(is[p] - t->spare[i * parts + p]);
      if (!(off <= worst)) worst = off;
    }
  }
  return worst;
}

static bool went_well(const trial *t) {
  bool well = true;
  for (int64_t k = 0; k < t->copies; k++)
    well &= !mpt_status_is_failure(t->batch.report[k].status) && !t->batch.report[k].retried;
  return well;
}

/* Whether the eigenpairs and their multiplets are right; the certificate checks the vectors. */
static bool pairs_are_right(const trial *t, double bound) {
  const mpt_batch *b = &t->batch;
  const int64_t n = t->n;
  double *w = t->spare + 2 * n * n;
  bool right = went_well(t);
  for (int64_t k = 0; k < t->copies; k++) {
    mpt_reals_to_double(t->type, n, mpt_part_of(b->w, k, n, mpt_real_size(t->type)), w);
    for (int64_t j = 0; j < n; j++)
      right &= fabs(w[j] - t->d[j]) <= bound && b->multiplet[k * n + j] == level_of(n, j);
  }
  return right;
}

static bool gradient_is_right(const trial *t, double bound) {
  const mpt_batch *b = &t->batch;
  const int64_t elements = b->rows * t->n;
  const size_t size = mpt_type_size(t->type);
  bool right = went_well(t);
  make_slab(t, true);
  for (int64_t k = 0; k < t->copies; k++)
    right &= difference(t, mpt_part_of(b->g, k, elements, size), elements) <= bound;
  return right;
}

/* The verdict is local; the calls are collective. */
static bool passes(trial *t) {
  static const mpt_options options;
  mpt_batch *b = &t->batch;
  mpt_batch forward = *b;
  const int parts = mpt_type_is_complex(t->type) ? 2 : 1;
  const double bound = 100 * (double)t->n * mpt_type_epsilon(t->type);
  make_slab(t, false);
  put(t, b->rows * t->n * parts, t->spare, b->a);
  forward.g = NULL;
  mpt_process_batch(t->engine, t->state, t->team, &options, &forward);
  bool right = pairs_are_right(t, 3 * bound);
  make_cotangents(t);
  memset(b->report, 0, sizeof *b->report * (size_t)t->copies);
  b->gw = t->gw;
  b->gv = t->gv;
  b->given = true;
  mpt_process_batch(t->engine, t->state, t->team, &options, b);
  return gradient_is_right(t, 8 * bound) && right;
}

static mpt_code fail(const trial *t, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot use %s for %s: it failed its self-test, a %d x %d matrix of known "
                  "eigenvalues and gradient; its library is wrong or was built for another "
                  "processor (%s; use another solver, or another BLAS)",
                  t->engine->name, mpt_type_name(t->type), (int)t->n, (int)t->n,
                  mpt_blas_description());
}

static mpt_code run(trial *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_shape shape = {.type = t->type, .n = t->n, .vectors = true, .backward = true};
  TRY_COLL(mpt_team_agree(t->team, allocate(t, error), error));
  choose_numbers(t);
  TRY_COLL(t->engine->open(&shape, t->team, &t->state, error));
  const bool right = passes(t);
  t->judged = true;
  TRY_COLL(mpt_team_agree(t->team, right ? MPT_DONE : fail(t, error), error));
done:
  return code;
}

/* A new trial with new memory. */
static mpt_code try_once(const trial *wanted, bool *judged, mpt_error *error) {
  trial t = *wanted;
  const mpt_code code = run(&t, error);
  *judged = t.judged;
  release(&t);
  return code;
}

/* The first failure may have been a lack of memory, so the test is repeated once. After a second
 * failure it is not tried again. */
mpt_code mpt_self_test(const mpt_engine *engine, mpt_type type, const mpt_team *team,
                       mpt_error *error) {
  const int most = team->grid[0] > team->grid[1] ? team->grid[0] : team->grid[1];
  atomic_int *result = &results[engine->id][type];
  int tried = atomic_load(result) == PASSED;
  bool judged;
  mpt_team_reduce(team, MPT_REDUCE_MIN, MPT_INT32, 1, &tried);
  if (tried) return MPT_DONE;
  trial t = {.engine = engine, .team = team, .type = type};
  t.n = 2 * most > LEAST_N ? 2 * most : LEAST_N;
  t.copies = engine->process ? COPIES : 1;
  if (atomic_load(result) == FAILED && team->size == 1) return fail(&t, error);
  mpt_code code = try_once(&t, &judged, error);
  if (code != MPT_DONE && judged) code = try_once(&t, &judged, error);
  if (code == MPT_DONE) atomic_store(result, PASSED);
  if (code != MPT_DONE && judged) atomic_store(result, FAILED);
  return code;
}
