/* Codes, statuses and types by their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <multiplet/function.h>
#include "base/base.h"

/* The program exits with 0, 2, 3, 4, 5 or 75; codes differ. */
static void codes_and_exit_codes(void **state) {
  static const int exits[][2] = {{MPT_DONE, 0},        {MPT_BAD_USAGE, 2},  {MPT_BAD_INPUT, 3},
                                 {MPT_SOME_FAILED, 4}, {MPT_BAD_OUTPUT, 5}, {MPT_NO_RESOURCE, 2},
                                 {MPT_STOPPED, 75}};
  enum { CODES = sizeof exits / sizeof *exits };
  (void)state;
  for (int k = 0; k < CODES; k++) {
    assert_int_equal(mpt_exit_code((mpt_code)exits[k][0]), exits[k][1]);
    if (k) assert_true(exits[k - 1][0] < exits[k][0]);
  }
}

/* Functions that take a number from a caller accept any number. */
static void indices_out_of_range(void **state) {
  static const int wrong[] = {-1, 99, INT32_MIN, INT32_MAX};
  (void)state;
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    const mpt_type type = (mpt_type)wrong[k];
    assert_null(mpt_type_name(type));
    assert_true(mpt_type_size(type) == 0 && mpt_real_size(type) == 0);
    assert_true(mpt_type_epsilon(type) == 0 && !mpt_type_is_complex(type));
    assert_null(mpt_status_name(wrong[k]));
    assert_null(mpt_status_meaning(wrong[k]));
    assert_true(mpt_status_is_failure(wrong[k]) && !mpt_status_is_solved(wrong[k]));
    assert_null(mpt_function_name(wrong[k]));
  }
  assert_null(mpt_type_name(MPT_TYPE_COUNT));
  assert_null(mpt_status_name(MPT_STATUS_COUNT));
  assert_null(mpt_function_name(MPT_FUNCTION_KINDS));
}

/* The sizes are those of the C types. */
static void every_index(void **state) {
  static const size_t sizes[][2] = {{sizeof(float), sizeof(float)},
                                    {sizeof(double), sizeof(double)},
                                    {sizeof(float _Complex), sizeof(float)},
                                    {sizeof(double _Complex), sizeof(double)}};
  (void)state;
  for (int t = 0; t < MPT_TYPE_COUNT; t++) {
    mpt_type type;
    assert_true(mpt_type_from_name(mpt_type_name((mpt_type)t), &type) && (int)type == t);
    assert_true(mpt_type_size(type) == sizes[t][0] && mpt_real_size(type) == sizes[t][1]);
    assert_true(mpt_type_is_complex(type) == (sizes[t][0] > sizes[t][1]));
  }
  const int kept = 12; /* for a later version */
  for (int s = 0; s < MPT_STATUS_COUNT; s++)
    assert_true(!mpt_status_name(s) == (s == kept) && !mpt_status_meaning(s) == (s == kept));
  assert_true(mpt_status_is_failure(kept) && !mpt_status_is_solved(kept));
  assert_int_equal(MPT_STATUS_NULL_SPACE, 13);
  assert_true(mpt_status_is_solved(MPT_STATUS_NULL_SPACE));
  for (int k = 0; k < MPT_FUNCTION_KINDS; k++) assert_non_null(mpt_function_name(k));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(codes_and_exit_codes),
                                     cmocka_unit_test(indices_out_of_range),
                                     cmocka_unit_test(every_index)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
