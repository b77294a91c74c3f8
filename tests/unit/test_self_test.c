/* A LAPACK library that gives wrong results is reported before it is used. Linked with --wrap for
 * two of LAPACK's drivers. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "engine/lanes/lanes.h"
#include "memory_arrays.h"
#include "engine/self_test.h"

static int spoilt; /* 1: one eigenvector is rotated; 2: eigenvalues are shifted */

typedef size_t length; /* of a string argument, passed after the others */
void __real_dsyevd_(const char *, const char *, const int *, double *, const int *, double *,
                    double *, const int *, int *, const int *, int *, length, length);
void __wrap_dsyevd_(const char *, const char *, const int *, double *, const int *, double *,
                    double *, const int *, int *, const int *, int *, length, length);
void __real_cheevd_(const char *, const char *, const int *, void *, const int *, float *, void *,
                    const int *, float *, const int *, int *, const int *, int *, length, length);
void __wrap_cheevd_(const char *, const char *, const int *, void *, const int *, float *, void *,
                    const int *, float *, const int *, int *, const int *, int *, length, length);

void __wrap_dsyevd_(const char *job, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info, length one, length two) {
  __real_dsyevd_(job, uplo, n, a, lda, w, work, lwork, iwork, liwork, info, one, two);
  for (int i = 0; spoilt == 1 && *lwork > 0 && i < *n; i++) a[i] += 1e-6 * a[i + *n];
}

void __wrap_cheevd_(const char *job, const char *uplo, const int *n, void *a, const int *lda,
                    float *w, void *work, const int *lwork, float *rwork, const int *lrwork,
                    int *iwork, const int *liwork, int *info, length one, length two) {
  __real_cheevd_(job, uplo, n, a, lda, w, work, lwork, rwork, lrwork, iwork, liwork, info, one,
                 two);
  for (int i = 0; spoilt == 2 && *lwork > 0 && i < *n; i++) w[i] += 0.01f;
}

/* The call fails and names the routine, also after the library has become correct again, and for
 * this type only. */
static void refused(mpt_type type, int how) {
  arrays x = make(type, 30, 2);
  mpt_error error = {0};
  x.options.solver = MPT_SOLVER_LAPACK;
  spoilt = how;
  assert_int_not_equal(run(&x, FORWARD, &error), MPT_DONE);
  spoilt = 0;
  assert_non_null(strstr(error.text, "cannot use lapack for "));
  assert_non_null(strstr(error.text, mpt_type_name(type)));
  assert_int_not_equal(run(&x, BOTH, &error), MPT_DONE);
  release(&x);
}

static void wrong_libraries_are_named(void **state) {
  (void)state;
  refused(MPT_FLOAT64, 1);
  refused(MPT_COMPLEX64, 2);
}

static void sound_ones_pass(void **state) {
  const mpt_team alone = mpt_team_of_one();
  mpt_error error = {0};
  (void)state;
  assert_int_equal(mpt_self_test(&mpt_lapack, MPT_FLOAT32, &alone, &error), MPT_DONE);
  assert_int_equal(mpt_self_test(&mpt_lapack, MPT_COMPLEX128, &alone, &error), MPT_DONE);
  for (int type = 0; type < MPT_TYPE_COUNT; type++)
    if (type != MPT_COMPLEX128)
      assert_int_equal(mpt_self_test(&mpt_lanes, (mpt_type)type, &alone, &error), MPT_DONE);
}

/* Lanes that never converge are replaced by lapack, unless the caller asked for them. */
static void lapack_stands_in(void **state) {
  arrays x = make(MPT_COMPLEX128, 4, 20);
  mpt_error error = {0};
  (void)state;
  mpt_lanes_limit_sweeps(1);
  mpt_log_speaks(false);
  assert_int_equal(run(&x, FORWARD, &error), MPT_DONE);
  mpt_log_speaks(true);
  for (int k = 0; k < 20; k++) assert_int_equal(x.report[k].status, MPT_STATUS_OK);
  for (int k = 0; k < 20; k++) assert_int_equal(x.report[k].retried, 0);
  x.options.solver = MPT_SOLVER_LANES;
  assert_int_not_equal(run(&x, FORWARD, &error), MPT_DONE);
  assert_non_null(strstr(error.text, "cannot use lanes for complex128"));
  mpt_lanes_limit_sweeps(0);
  release(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_libraries_are_named),
      cmocka_unit_test(sound_ones_pass),
      cmocka_unit_test(lapack_stands_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
