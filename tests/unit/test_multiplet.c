/* Multiplets, gaps, spread policies and error estimates on spectra chosen by hand. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include "spectral/spectral.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { MOST = 8 };

static const struct {
  int64_t m;
  double w[MOST], tolerance;
  int32_t id[MOST];
  int64_t count;
  double min_gap; /* relative to norm 2 */
} spectra[] = {
    {0, {0}, 1, {0}, 0, 2},
    {1, {5}, 1, {0}, 1, 2},
    {2, {1, 1}, 0, {0, 0}, 1, 2},
    {2, {1, 1 + DBL_EPSILON}, 0, {0, 1}, 2, DBL_EPSILON / 2},
    {3, {0, 1, 3}, 1, {0, 0, 1}, 2, 1},               /* a gap equal to the tolerance is inside */
    {5, {0, 1, 2, 3, 4}, 1, {0, 0, 1, 1, 2}, 3, 0.5}, /* by width: no chains */
    {5, {0, 1, 2.5, 3, 4}, 1, {0, 0, 1, 1, 2}, 3, 0.5},
    {6, {-3, -3, -1, 0.5, 0.5, 2}, 0.1, {0, 0, 1, 2, 2, 3}, 4, 0.75},
    {2, {-DBL_MAX, DBL_MAX}, 1, {0, 1}, 2, 2},
};

static void multiplets(void **state) {
  (void)state;
  for (size_t k = 0; k < COUNT(spectra); k++) {
    int32_t id[MOST] = {-1};
    assert_int_equal(mpt_number_multiplets(spectra[k].m, spectra[k].w, spectra[k].tolerance, id),
                     spectra[k].count);
    for (int64_t j = 0; j < spectra[k].m; j++) assert_int_equal(id[j], spectra[k].id[j]);
    double gap = mpt_min_gap(spectra[k].m, spectra[k].w, spectra[k].id, 2);
    assert_true(gap == spectra[k].min_gap);
  }
}

static void norm(void **state) {
  const double negative[] = {-7, -2, 3}, positive[] = {-1, 0, 4};
  const int32_t id[] = {0, 1, 2};
  (void)state;
  assert_true(mpt_spectral_norm(3, negative) == 7);
  assert_true(mpt_spectral_norm(3, positive) == 4);
  assert_true(mpt_spectral_norm(0, positive) == 0);
  assert_true(mpt_min_gap(3, negative, id, 0) == 2);
}

static const struct {
  int64_t m;
  int32_t id[MOST];
  double gw[MOST], mean[MOST], spread;
} cotangents[] = {
    {0, {0}, {0}, {0}, 0},
    {3, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, 0},
    {3, {0, 1, 2}, {1, -2, 3}, {1, -2, 3}, 0},
    {3, {0, 0, 1}, {1, 3, 8}, {2, 2, 8}, 0.25},
    {5, {0, 0, 0, 1, 1}, {1, 0, 0, -4, 4}, {1 / 3.0, 1 / 3.0, 1 / 3.0, 0, 0}, 2},
    {2, {0, 0}, {1e308, 1.5e308}, {1.25e308, 1.25e308}, 1 / 3.0},
    {2, {0, 0}, {1e-300, 3e-300}, {2e-300, 2e-300}, 2 / 3.0},
};

static void spread_policies(void **state) {
  static const mpt_spread_policy policies[] = {MPT_SPREAD_MEAN, MPT_SPREAD_RAW, MPT_SPREAD_REFUSE};
  (void)state;
  for (size_t k = 0; k < COUNT(cotangents); k++)
    for (size_t p = 0; p < COUNT(policies); p++) {
      const int64_t m = cotangents[k].m;
      const double *expected = p ? cotangents[k].gw : cotangents[k].mean;
      double gw[MOST];
      memcpy(gw, cotangents[k].gw, sizeof gw);
      double spread = mpt_apply_spread_policy(m, cotangents[k].id, policies[p], gw);
      assert_true(fabs(spread - cotangents[k].spread) <= 4 * DBL_EPSILON);
      for (int64_t j = 0; j < m; j++)
        assert_true(fabs(gw[j] - expected[j]) <= 8 * DBL_EPSILON * fabs(expected[j]));
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(multiplets),
      cmocka_unit_test(norm),
      cmocka_unit_test(spread_policies),

  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
