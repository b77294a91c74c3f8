/* Agreement between ranks, shared texts, and the counter that hands out units. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "run/counter.h"
#include "harness.h"

static int rank, size;

static void nobody_fails(void **state) {
  mpt_error error = {.text = "untouched"};
  (void)state;
  mpt_code code = mpt_agree(MPI_COMM_WORLD, MPT_DONE, &error);
  CHECK(code == MPT_DONE && !strcmp(error.text, "untouched"), "rank %d", rank);
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Each rank in turn fails alone: all learn its code and text. */
static void one_fails(void **state) {
  (void)state;
  for (int bad = 0; bad < size; bad++) {
    mpt_error error = {0};
    mpt_code mine = MPT_DONE, code;
    if (rank == bad) mine = mpt_fail(&error, MPT_BAD_INPUT, "cannot read: rank %d says so", bad);
    code = mpt_agree(MPI_COMM_WORLD, mine, &error);
    char expected[64];
    snprintf(expected, sizeof expected, "cannot read: rank %d says so", bad);
    CHECK(code == MPT_BAD_INPUT && error.code == MPT_BAD_INPUT && !strcmp(error.text, expected),
          "rank %d of %d learnt %d '%s'", rank, size, code, error.text);
    CHECK(mpt_agree(MPI_COMM_WORLD, mine, NULL) == MPT_BAD_INPUT, "without an error");
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* The worst code wins; if several ranks have it, the lowest rank's text is used. */
static void all_fail(void **state) {
  mpt_error error = {0};
  mpt_code mine = rank == 0 && size > 1 ? MPT_BAD_USAGE : MPT_BAD_OUTPUT;
  char expected[64];
  (void)state;
  snprintf(expected, sizeof expected, "rank %d", size > 1);
  mpt_fail(&error, mine, "rank %d", rank);
  mpt_code code = mpt_agree(MPI_COMM_WORLD, mine, &error);
  CHECK(code == MPT_BAD_OUTPUT && !strcmp(error.text, expected), "rank %d learnt %d '%s'", rank,
        code, error.text);
  CHECK(mpt_agree(MPI_COMM_WORLD, rank ? MPT_BAD_OUTPUT : MPT_NO_RESOURCE, NULL) == MPT_NO_RESOURCE,
        "memory is out on rank 0 of %d", size);
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void shared_text(void **state) {
  static const size_t lengths[] = {0, 1, 1000, 300000};
  (void)state;
  for (int64_t k = 0; k < COUNT(lengths); k++) {
    char *text = NULL;
    mpt_error error = {0};
    if (rank == 0) {
      text = calloc(lengths[k] + 1, 1);
      for (size_t i = 0; i < lengths[k]; i++) text[i] = (char)('a' + i % 26);
    }
    mpt_code code = mpt_share_text(MPI_COMM_WORLD, &text, &error);
    bool right = code == MPT_DONE && text && strlen(text) == lengths[k];
    for (size_t i = 0; right && i < lengths[k]; i++) right = text[i] == (char)('a' + i % 26);
    CHECK(right, "rank %d: text of %zu", rank, lengths[k]);
    free(text);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

enum { UNITS = 500 };

/* A counter with a window or, with *state, like one without. */
static mpt_counter open_counter(void **state) {
  mpt_counter counter = {.window = MPI_WIN_NULL, .rank = rank, .size = size};
  if (!*state) mpt_counter_open(MPI_COMM_WORLD, false, &counter);
  CHECK(*state || size == 1 || counter.window != MPI_WIN_NULL, "no window on one host");
  return counter;
}

/* Every unit goes to exactly one rank. */
static void each_unit_once(void **state) {
  int taken[UNITS] = {0};
  mpt_counter counter = open_counter(state);
  for (int64_t unit; (unit = mpt_counter_next(&counter)) < UNITS;) {
    CHECK(unit >= 0, "unit %lld", (long long)unit);
    if (unit >= 0) taken[unit]++;
    CHECK(!mpt_counter_stopped(&counter), "stopped by itself");
  }
  MPI_Allreduce(MPI_IN_PLACE, taken, UNITS, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  for (int k = 0; k < UNITS; k++) CHECK(taken[k] == 1, "unit %d was given %d times", k, taken[k]);
  mpt_counter_close(&counter);
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* After a stop by any or all ranks no rank gets a unit, however often it asks. Without a window,
 * ranks that did not stop go on. */
static void stop(void **state) {
  for (int who = -1; who < size; who++) {
    mpt_counter counter = open_counter(state);
    mpt_counter_next(&counter);
    MPI_Barrier(MPI_COMM_WORLD);
    if (who < 0 || rank == who) mpt_counter_stop(&counter);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int k = 0; k < 3 && (!*state || who < 0 || rank == who); k++) {
      CHECK(mpt_counter_next(&counter) >= INT64_C(1) << 40, "rank %d got a unit", rank);
      CHECK(mpt_counter_stopped(&counter), "rank %d does not know", rank);
    }
    if (*state && who >= 0 && rank != who)
      CHECK(mpt_counter_next(&counter) == rank + size && !mpt_counter_stopped(&counter),
            "rank %d was stopped by rank %d", rank, who);
    mpt_counter_close(&counter);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Seconds add up over ranks: every rank adds 1/8 s ten times, and later calls see all earlier
 * ones. */
static void seconds_add_up(void **state) {
  mpt_counter counter = open_counter(state);
  double last = 0, most = 0;
  for (int k = 0; k < 10; k++) {
    double sum = mpt_counter_done(&counter, 0.125);
    CHECK(sum > last + 0.1249, "the sum went from %g to %g", last, sum);
    last = sum;
  }
  MPI_Allreduce(&last, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  CHECK(most > 1.25 * size - 1e-6 && most < 1.25 * size + 1e-6, "%g s in all", most);
  mpt_counter_close(&counter);
  assert_int_equal(agree_on_failures(NULL), 0);
}

#define without_window(test)                                                                       \
  { #test " without a window", test, NULL, NULL, (void *)"none" }

static int tests(void) {
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const struct CMUnitTest list[] = {
      cmocka_unit_test(nobody_fails),
      cmocka_unit_test(one_fails),
      cmocka_unit_test(all_fail),
      cmocka_unit_test(shared_text),
      cmocka_unit_test(each_unit_once),
      cmocka_unit_test(stop),
      cmocka_unit_test(seconds_add_up),
      without_window(each_unit_once),
      without_window(stop),
      without_window(seconds_add_up),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
