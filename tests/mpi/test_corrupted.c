/* Wrong eigenpairs, of all the kinds that a faulty library or memory may cause, are never called
 * OK: in matrices of every size, one column that is off by more than 100 n eps is enough. Correct
 * eigenpairs are always called OK.
 *
 * MULTIPLET_LONG: larger n, up to 2000. MULTIPLET_FAULTS: this many faults for each type and engine
 * instead of some hundred, and a table of them. MULTIPLET_COUNT: only the table, without
 * failing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"

enum { LARGEST_BATCH = 16 };

typedef enum fault {
  WRONG_ELEMENT,
  SWAPPED_COLUMNS,
  WRONG_EIGENVALUE,
  ZERO_EIGENVALUES,
  TURNED_VECTOR,
  NEIGHBOURS_VECTORS,
  FAULTS
} fault;

static const char *const names[FAULTS] = {
    "a wrong element", "swapped columns", "a wrong eigenvalue",
    "no eigenvalues",  "a turned vector", "the neighbour's vectors",
};

static uint64_t dice = 1;

static int64_t draw(int64_t count) {
  return (int64_t)((double)(random_number(&dice) + 1) / 2 * 0.999999 * (double)count);
}

/* An error slightly above the limit, up to a thousand times the limit. */
static double too_much(mpt_type type, int64_t n) {
  const double least = 101 * (double)n * mpt_type_epsilon(type);
  const double most = fmax(least, fmin(0.1, 1e3 * least));
  return least * pow(most / least, (double)(random_number(&dice) + 1) / 2);
}

static void spoil_vector(mpt_type type, int64_t n, wide *v, bool turn) {
  const int64_t i = draw(n), j = (i + 1 + draw(n - 1)) % n, row = draw(n);
  const double size = too_much(type, n);
  if (!turn) v[row * n + i] += size * (draw(2) ? 1 : -1);
  for (int64_t r = 0; r < n && turn; r++)
    v[r * n + i] = sqrt(1 - size * size) * v[r * n + i] + size * v[r * n + j];
}

static void swap_columns(int64_t n, wide *v, int64_t i, int64_t j) {
  for (int64_t r = 0; r < n; r++) {
    const wide kept = v[r * n + i];
    v[r * n + i] = v[r * n + j];
    v[r * n + j] = kept;
  }
}

/* Spoils problem k of a correct solution of `count` problems; false where this fault would have no
 * effect. */
static bool spoil(const run *r, int64_t k, fault what) {
  const int64_t n = r->n, i = draw(n), j = draw(n);
  const double limit = 101 * (double)n * mpt_type_epsilon(r->type);
  double *w = r->w + k * n, norm = fmax(fabs(w[0]), fabs(w[n - 1]));
  wide *v = r->v + k * n * n;
  switch (what) {
  case WRONG_ELEMENT:
    spoil_vector(r->type, n, v, false);
    return true;
  case TURNED_VECTOR:
    if (n > 1) spoil_vector(r->type, n, v, true);
    return n > 1;
  case SWAPPED_COLUMNS:
    swap_columns(n, v, i, j);
    return fabs(w[i] - w[j]) > limit * norm;
  case WRONG_EIGENVALUE:
    w[i] += too_much(r->type, n) * norm * (draw(2) ? 1 : -1);
    return true;
  case ZERO_EIGENVALUES:
    memset(w, 0, sizeof *w * (size_t)n);
    return true;
  case NEIGHBOURS_VECTORS:
    memcpy(v, r->v + (k + 1) % r->count * n * n, sizeof *v * (size_t)(n * n));
    return n > 2 && r->count > 1;
  case FAULTS:
    break;
  }
  return false;
}

/* Correct solutions of random matrices. */
static run solve(bench *b, mpt_type type, int64_t n, int64_t count, wide *a) {
  run r = {.type = type, .count = count, .n = n, .a = a};
  for (int64_t k = 0; k < count; k++)
    fill_hermitian(n, mpt_type_is_complex(type), (uint64_t)(1 + draw(1 << 30)), a + k * n * n);
  run_batch(b, &r);
  for (int64_t k = 0; k < count; k++)
    CHECK(r.report[k].status == MPT_STATUS_OK, "%s %s n=%lld: a sound solution is %s (%g, %g)",
          bench_name(b), mpt_type_name(type), (long long)n, mpt_status_name(r.report[k].status),
          r.report[k].residual, r.report[k].orthogonality);
  return r;
}

static int64_t injected[FAULTS], missed[FAULTS], alarms; /* for this engine and type */

/* Checks that the spoilt problems, and no others, are reported. */
static void judge(const bench *b, const run *r, const bool *bad, int f) {
  for (int64_t k = 0; k < r->count; k++) {
    const int status = r->report[k].status;
    injected[f] += bad[k];
    missed[f] += bad[k] && status != MPT_STATUS_INTERNAL;
    alarms += !bad[k] && status != MPT_STATUS_OK;
    if (getenv("MULTIPLET_COUNT")) continue;
    CHECK(status == (bad[k] ? MPT_STATUS_INTERNAL : MPT_STATUS_OK), "%s %s n=%lld: %s%s: status %s",
          bench_name(b), mpt_type_name(r->type), (long long)r->n, bad[k] ? "" : "a neighbour of ",
          names[f], mpt_status_name(status));
  }
}

/* Injects each fault into every other problem of a batch; the problems between are correct. */
static void corrupt(bench *b, mpt_type type, int64_t n, int64_t count, bool values) {
  const size_t matrices = (size_t)(count * n * n);
  wide *a = calloc(matrices, sizeof *a), *v = calloc(matrices, sizeof *v);
  run r = solve(b, type, n, count, a);
  double *w = calloc((size_t)(count * n), sizeof *w);
  bool *bad = calloc((size_t)count, sizeof *bad);
  memcpy(v, r.v, sizeof *v * matrices);
  memcpy(w, r.w, sizeof *w * (size_t)(count * n));
  r.given = true;
  r.values_only = values;
  for (int f = 0; f < FAULTS; f++) {
    if (values && f != WRONG_EIGENVALUE && f != ZERO_EIGENVALUES) continue;
    memcpy(r.v, v, sizeof *v * matrices);
    memcpy(r.w, w, sizeof *w * (size_t)(count * n));
    for (int64_t k = 0; k < count; k++) {
      bad[k] = k % 2 == 0 && spoil(&r, k, (fault)f);
      if (!bad[k]) memcpy(r.v + k * n * n, v + k * n * n, sizeof *v * (size_t)(n * n));
    }
    run_batch(b, &r);
    judge(b, &r, bad, f);
  }
  run_free(&r);
  free(a);
  free(v);
  free(w);
  free(bad);
}

static int64_t number_of(const char *variable, int64_t otherwise) {
  const char *text = getenv(variable);
  return text ? atoll(text) : otherwise;
}

/* The size, and the number of problems at a time. Lanes get only sizes that they are meant for. */
static int64_t size_of(const bench *b, int index) {
  static const int64_t gate[] = {1, 2, 3, 5, 9, 17, 33, 64, 150};
  static const int64_t more[] = {300, 1000, 2000};
  const bool small = !strcmp(b->engine->name, "lanes");
  if (index < (int)COUNT(gate)) return small && gate[index] > 64 ? 0 : gate[index];
  if (!getenv("MULTIPLET_LONG") || small || index - COUNT(gate) >= COUNT(more)) return 0;
  return more[index - COUNT(gate)];
}

static int64_t injected_in_all(void) {
  int64_t sum = 0;
  for (int f = 0; f < FAULTS; f++) sum += injected[f];
  return sum;
}

static void tell(const bench *b, mpt_type type) {
  if (b->team.rank != 0 || !getenv("MULTIPLET_FAULTS")) return;
  for (int f = 0; f < FAULTS; f++)
    if (injected[f])
      printf("%-14s %-10s %-24s found %lld of %lld\n", bench_name(b), mpt_type_name(type), names[f],
             (long long)(injected[f] - missed[f]), (long long)injected[f]);
  printf("%-14s %-10s false alarms %lld\n", bench_name(b), mpt_type_name(type), (long long)alarms);
}

static void spoil_all(bench *b, mpt_type type, bool values) {
  const int64_t wanted = number_of("MULTIPLET_FAULTS", 1);
  int64_t n;
  memset(injected, 0, sizeof injected);
  memset(missed, 0, sizeof missed);
  alarms = 0;
  for (int64_t rounds = 0; rounds == 0 || injected_in_all() < wanted; rounds++)
    for (int s = 0; (n = size_of(b, s)) > 0; s++)
      if (n < 100 || rounds % 100 == 0)
        corrupt(b, type, n, n < 100 ? LARGEST_BATCH : n < 1000 ? 2 : 1, values);
  tell(b, type);
}

static void on_pairs(bench *b, mpt_type type) {
  spoil_all(b, type, false);
}

static void on_values(bench *b, mpt_type type) {
  spoil_all(b, type, true);
}

static void on_all(void (*test)(bench *b, mpt_type type)) {
  bench b;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++) test(&b, (mpt_type)type);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void faults_are_found(void **state) {
  (void)state;
  on_all(on_pairs);
}

/* Eigenvalues alone, without eigenvectors to check them with. */
static void wrong_values_are_found(void **state) {
  (void)state;
  on_all(on_values);
}

/* One vector of a large matrix in single precision: a bound on ||R x|| / ||x|| does not detect
 * this. */
static void spoil_large(bench *b, mpt_type type) {
  const int64_t n = 400;
  if (mpt_real_size(type) == 8 || !strcmp(b->engine->name, "lanes")) return;
  corrupt(b, type, n, 2, false);
}

static void large_in_single_precision(void **state) {
  (void)state;
  on_all(spoil_large);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test_teardown(faults_are_found, agree_on_failures),
      cmocka_unit_test_teardown(wrong_values_are_found, agree_on_failures),
      cmocka_unit_test_teardown(large_in_single_precision, agree_on_failures),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
