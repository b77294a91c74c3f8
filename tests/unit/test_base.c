/* What calls and the program return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/base.h"

/* The program ends with 0, 2, 3, 4, 5 or 75; codes differ. */
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(codes_and_exit_codes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
