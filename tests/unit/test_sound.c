/* No false alarm: correct solutions of matrices of all kinds are never INTERNAL and never computed
 * twice. Forward, backward, eigenvalues alone and selections, with lanes and lapack.
 *
 * MULTIPLET_SOUND: this many matrices with n <= 8, and a hundredth of that larger ones, instead of
 * 10^5; prints a table of how near to the bounds they came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/certificate.h"
#include "engine/engine.h"
#include "engine/probe.h"
#include "base/scalar.h"
#include "engine/process.h"

enum { CHUNK = 256, MOST_N = 96, SMALL_N = 8, LAPACK_SHARE = 16 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t bits(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1du;
}

static double uniform(void) {
  return (double)(int64_t)bits() * 0x1p-63;
}

typedef enum kind { RANDOM, EQUAL, CLUSTERED, GRADED, ROWS_GRADED, DEFICIENT, KINDS } kind;

static double eigenvalue(kind which, mpt_type type, int64_t j) {
  if (which == EQUAL) return (double)(bits() % 3) - 1;
  if (which == CLUSTERED) return 1 + 8 * mpt_type_epsilon(type) * uniform();
  if (which == DEFICIENT) return bits() % 2 ? uniform() : 0;
  return ldexp(uniform(), -(int)(4 * j));
}

/* The lower triangle of a random matrix; with `graded`, of graded rows. */
static void fill_random(int64_t n, bool is_complex, bool graded, double *a) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      const double size = graded ? ldexp(1, -(int)(2 * (i + j))) : 1;
      a[2 * (i * n + j)] = size * uniform();
      a[2 * (i * n + j) + 1] = is_complex && j < i ? size * uniform() : 0;
    }
}

/* The lower triangle of D - 2 (u (D u)^H + (D u) u^H) + 4 (u^H D u) u u^H, u of length 1: D
 * transformed by a reflection. */
static void fill_chosen(int64_t n, bool is_complex, const double *d, double *a) {
  double u[2 * MOST_N], norm2 = 0, middle = 0;
  for (int64_t i = 0; i < n; i++) {
    u[2 * i] = uniform();
    u[2 * i + 1] = is_complex ? uniform() : 0;
    norm2 += u[2 * i] * u[2 * i] + u[2 * i + 1] * u[2 * i + 1];
  }
  for (int64_t i = 0; i < n; i++)
    middle += d[i] * (u[2 * i] * u[2 * i] + u[2 * i + 1] * u[2 * i + 1]) / norm2;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      const double factor = (4 * middle - 2 * (d[i] + d[j])) / norm2;
      const double *x = u + 2 * i, *y = u + 2 * j;
      a[2 * (i * n + j)] = factor * (x[0] * y[0] + x[1] * y[1]) + (i == j ? d[i] : 0);
      a[2 * (i * n + j) + 1] = i == j ? 0 : factor * (x[1] * y[0] - x[0] * y[1]);
    }
}

static void put(mpt_type type, void *array, int64_t at, double re, double im) {
  const int64_t parts = mpt_type_is_complex(type) ? 2 : 1;
  const double x[2] = {re, im};
  for (int64_t p = 0; p < parts; p++)
    if (mpt_real_size(type) == 4)
      ((float *)array)[at * parts + p] = (float)x[p];
    else
      ((double *)array)[at * parts + p] = x[p];
}

static void fill_matrix(mpt_type type, int64_t n, int64_t k, void *a) {
  static double lower[2 * MOST_N * MOST_N];
  const kind which = (kind)(bits() % KINDS);
  const bool is_complex = mpt_type_is_complex(type);
  double d[MOST_N];
  for (int64_t j = 0; j < n; j++) d[j] = eigenvalue(which, type, j);
  if (which == RANDOM || which == ROWS_GRADED)
    fill_random(n, is_complex, which == ROWS_GRADED, lower);
  else
    fill_chosen(n, is_complex, d, lower);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      const double *x = lower + 2 * (i * n + j);
      put(type, a, (k * n + i) * n + j, x[0], x[1]);
      put(type, a, (k * n + j) * n + i, x[0], -x[1]);
    }
}

/* The arrays of a batch of one type, with room for all n. */
typedef struct arrays {
  mpt_batch batch;
  void *a, *gv;
  double gw[CHUNK * MOST_N];
} arrays;

static void *room(int64_t count, size_t size) {
  void *memory;
  assert_int_equal(mpt_allocate(&memory, count, size, "a test", NULL), MPT_DONE);
  return memory;
}

static void open_arrays(arrays *s, mpt_type type) {
  const int64_t all = (int64_t)CHUNK * MOST_N * MOST_N, vectors = (int64_t)CHUNK * MOST_N;
  const size_t size = mpt_type_size(type), real = mpt_real_size(type);
  s->batch = (mpt_batch){.type = type, .count = CHUNK};
  s->a = room(all, size);
  s->gv = room(all, size);
  s->batch.w = room(vectors, real);
  s->batch.v = room(all, size);
  s->batch.g = room(all, size);
  s->batch.multiplet = room(vectors, sizeof *s->batch.multiplet);
  s->batch.report = room(CHUNK, sizeof *s->batch.report);
  for (int64_t i = 0; i < all; i++) put(type, s->gv, i, uniform(), uniform());
  const mpt_type of_values = real == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  for (int64_t i = 0; i < vectors; i++) put(of_values, s->gw, i, uniform(), 0);
}

static void close_arrays(arrays *s) {
  free(s->a);
  free(s->gv);
  free(s->batch.w);
  free(s->batch.v);
  free(s->batch.g);
  free(s->batch.multiplet);
  free(s->batch.report);
}

/* The results of one engine for one type: for each check the largest share of its bound. */
typedef struct tally {
  int64_t sound, alarms;
  double residual, orthogonality, output;
} tally;

static void look_at(const mpt_batch *b, tally *t) {
  const double bound = MPT_CERTIFICATE_BOUND / sqrt((double)b->n);
  for (int64_t k = 0; k < b->count; k++) {
    const mpt_report *r = &b->report[k];
    const bool wrong = r->status == MPT_STATUS_INTERNAL || r->status == MPT_STATUS_NO_CONVERGENCE;
    const bool alarm = wrong || r->retried;
    if (alarm && t->alarms < 4)
      printf("%s, n = %lld: status %d, %s; residual %.3g, orthogonality %.3g, output %.3g\n",
             mpt_type_name(b->type), (long long)b->n, r->status, r->retried ? "retried" : "failed",
             r->residual, r->orthogonality, r->output_residual);
    t->alarms += alarm;
    t->sound++;
    t->residual = fmax(t->residual, r->residual / bound);
    t->orthogonality = fmax(t->orthogonality, r->orthogonality / bound);
    t->output = fmax(t->output, r->output_residual / MPT_PROBE_BOUND);
  }
}

typedef enum mode { VALUES, WHOLE, SELECTION, MODES } mode; /* the last two with gradients */

/* Solves `count` matrices of one n. */
static void solve(const mpt_engine *engine, arrays *s, int64_t n, mode what, int64_t count,
                  tally *t) {
  static const mpt_options options = {0};
  const bool whole = what != VALUES;
  const mpt_team team = mpt_team_of_one();
  mpt_shape shape = {.type = s->batch.type, .n = n, .vectors = whole, .backward = whole};
  const int64_t first = (int64_t)(bits() % (uint64_t)n),
                stop = first + 1 + (int64_t)(bits() % (uint64_t)(n - first));
  const mpt_select some = {.kind = MPT_SELECT_INDEX, .index = {first, stop}};
  mpt_state *engine_state = NULL;
  mpt_batch b = s->batch;
  b.n = b.rows = n;
  b.a = s->a;
  b.gv = whole ? s->gv : NULL;
  b.gw = whole ? s->gw : NULL;
  if (!whole) b.v = b.g = NULL;
  if (what == SELECTION) {
    b.select = some;
    shape.columns = stop - first;
  }
  assert_int_equal(engine->open(&shape, &team, &engine_state, NULL), MPT_DONE);
  for (int64_t done = 0; done < count; done += b.count) {
    b.count = count - done < CHUNK ? count - done : CHUNK;
    for (int64_t k = 0; k < b.count; k++) fill_matrix(b.type, n, k, s->a);
    memset(b.report, 0, sizeof *b.report * (size_t)b.count);
    mpt_process_batch(engine, engine_state, &team, &options, &b);
    look_at(&b, t);
  }
  engine->close(engine_state);
}

static double wanted(void) {
  const char *text = getenv("MULTIPLET_SOUND");
  return text ? atof(text) : 1e5;
}

static void no_alarm(const mpt_engine *engine, bool small) {
  static const int64_t sizes[] = {9, 10, 13, 16, 17, 20, 24, 25, 32, 33, 48, 64, 65, 96};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  const int64_t sizes_tried = small ? SMALL_N : SIZES;
  const double share = engine == &mpt_lapack && small ? LAPACK_SHARE
                       : engine == &mpt_lapack        ? 4
                                                      : 1;
  const double all = small ? wanted() : wanted() / 100;
  const int64_t each = 1 + (int64_t)(all / share / (double)(sizes_tried * MPT_TYPE_COUNT));
  int64_t alarms = 0;
  for (mpt_type type = 0; type < MPT_TYPE_COUNT; type++) {
    static arrays s;
    tally t = {0};
    open_arrays(&s, type);
    for (int64_t k = 0; k < sizes_tried; k++)
      for (int what = VALUES; what < MODES; what++)
        if (what != SELECTION || engine == &mpt_lapack)
          solve(engine, &s, small ? k + 1 : sizes[k], (mode)what,
                what == WHOLE ? each - 2 * (each / 5) : each / 5, &t);
    close_arrays(&s);
    alarms += t.alarms;
    if (getenv("MULTIPLET_SOUND"))
      printf("%s, %s, n %s %d: %lld sound matrices, %lld alarms; of their bounds residuals "
             "reached %.3f, overlaps %.3f, outputs %.3f\n",
             engine->name, mpt_type_name(type), small ? "<=" : ">", SMALL_N, (long long)t.sound,
             (long long)t.alarms, t.residual, t.orthogonality, t.output);
    fflush(stdout);
  }
  assert_int_equal(alarms, 0);
}

static void test_small_by_lanes(void **unused) {
  (void)unused;
  no_alarm(&mpt_lanes, true);
}

static void test_small_by_lapack(void **unused) {
  (void)unused;
  no_alarm(&mpt_lapack, true);
}

static void test_larger_by_lanes(void **unused) {
  (void)unused;
  no_alarm(&mpt_lanes, false);
}

static void test_larger_by_lapack(void **unused) {
  (void)unused;
  no_alarm(&mpt_lapack, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_by_lanes), cmocka_unit_test(test_small_by_lapack),
      cmocka_unit_test(test_larger_by_lanes), cmocka_unit_test(test_larger_by_lapack)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
