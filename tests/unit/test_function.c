/* Divided differences compared with 50-digit arithmetic (tests/oracle/divided_differences.h5),
 * chemical potentials compared with their definition, and the cases where functions do not
 * exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "spectral/kinds.h"
#include "spectral/occupation.h"

enum { COLUMNS = 10, MOST_ROWS = 200 };
static const int32_t apart[] = {0, 1, 2, 3, 4};

static int read_rows(hid_t file, const char *kind, double rows[MOST_ROWS][COLUMNS]) {
  hsize_t size[2];
  hid_t dataset = H5Dopen(file, kind, H5P_DEFAULT);
  assert_true(dataset >= 0);
  hid_t space = H5Dget_space(dataset);
  H5Sget_simple_extent_dims(space, size, NULL);
  assert_true(size[0] > 60 && size[0] <= MOST_ROWS && size[1] == COLUMNS);
  assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
  H5Sclose(space);
  H5Dclose(dataset);
  return (int)size[0];
}

/* The largest relative error of a pair, in either order. */
static double pair_error(int kind, const double row[COLUMNS]) {
  const mpt_function f = {.kind = (mpt_function_kind)kind,
                          .scale = row[0],
                          .exponent = row[1],
                          .beta = row[2],
                          .mu = row[3],
                          .sigma = row[4],
                          .order = row[5],
                          .minimum = row[6]};
  const double w[] = {fmin(row[7], row[8]), fmax(row[7], row[8])}, exact = row[9];
  double memory[2 * MPT_FUNCTION_MEMORY];
  mpt_spectral_function s;
  assert_int_equal(mpt_function_start(&f, 2, w, apart, 0, memory, &s), MPT_STATUS_OK);
  const double one = mpt_divided_difference(&s, 0, 1), other = mpt_divided_difference(&s, 1, 0);
  return fmax(fabs(one / exact - 1), fabs(other / exact - 1));
}

static void divided_differences(void **state) {
  static double rows[MOST_ROWS][COLUMNS];
  (void)state;
  hid_t file = H5Fopen(ORACLE "/divided_differences.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  for (int kind = 0; kind < MPT_FUNCTION_KINDS; kind++) {
    if (mpt_function_range(&(mpt_function){.kind = (mpt_function_kind)kind})) continue;
    const int count = read_rows(file, mpt_function_name(kind), rows);
    for (int k = 0; k < count; k++) {
      const double error = pair_error(kind, rows[k]);
      if (!(error <= 1e-13))
        fail_msg("%s [%.17g, %.17g]: relative error %.2g", mpt_function_name(kind), rows[k][7],
                 rows[k][8], error);
    }
  }
  H5Fclose(file);
}

/* Each row of the table is complete, and its parameters are members of mpt_function. */
static void kinds(void **state) {
  const mpt_parameter *p;
  (void)state;
  for (int kind = 0; kind < MPT_FUNCTION_KINDS; kind++) {
    const mpt_kind *row = &mpt_kinds[kind];
    int count = 0, one_of = 0;
    assert_true(row->name && row->difference && row->reach);
    assert_true(row->value || (row->start && row->turn));
    assert_string_equal(mpt_function_name(kind), row->name);
    for (; (p = mpt_function_parameter(kind, count)); count++) {
      assert_true(p->offset >= sizeof(mpt_function_kind) && p->offset < sizeof(mpt_function));
      assert_true(p->domain <= MPT_DOMAIN_ORDER && p->need <= MPT_NEED_ONE_OF);
      if (p->need == MPT_NEED_OPTIONAL) assert_true(mpt_parameter_takes(p, p->standard));
      one_of += p->need == MPT_NEED_ONE_OF;
    }
    assert_true(count > 0 && !row->parameters[MPT_MOST_PARAMETERS].name);
    assert_true(one_of != 1 && !one_of == !row->one_of);
  }
  assert_null(mpt_function_name(MPT_FUNCTION_KINDS));
  assert_null(mpt_function_parameter(MPT_FUNCTION_KINDS, 0));
  assert_null(mpt_function_parameter(-1, 0));
  assert_null(mpt_function_parameter(MPT_FUNCTION_EXP, -1));
}

/* The arguments that a C caller may give for an n x n matrix, n = 4. */
static void arguments(void **state) {
  static const struct {
    mpt_function f;
    bool fits;
  } cases[] = {
      {{.kind = MPT_FUNCTION_EXP}, true},
      {{.kind = MPT_FUNCTION_EXP, .scale = -1}, true},
      {{.kind = MPT_FUNCTION_EXP, .scale = NAN}, false},
      {{.kind = MPT_FUNCTION_POWER}, true},
      {{.kind = MPT_FUNCTION_POWER, .exponent = INFINITY}, false},
      {{.kind = MPT_FUNCTION_FERMI}, false},
      {{.kind = MPT_FUNCTION_FERMI, .beta = -1}, false},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1}, true},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1, .mu = NAN}, false},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1, .electrons = -1}, false},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1, .electrons = 3.5}, true},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1, .electrons = 4}, false},
      {{.kind = MPT_FUNCTION_PROJECTOR}, false},
      {{.kind = MPT_FUNCTION_PROJECTOR, .index = {-1, 2}}, false},
      {{.kind = MPT_FUNCTION_PROJECTOR, .index = {0, 4}}, true},
      {{.kind = MPT_FUNCTION_PROJECTOR, .index = {0, 5}}, false},
      {{.kind = MPT_FUNCTION_GAUSSIAN, .mu = 1}, false},
      {{.kind = MPT_FUNCTION_COLD, .sigma = 0.1, .electrons = 3.5}, true},
      {{.kind = MPT_FUNCTION_METHFESSEL_PAXTON, .sigma = 0.1}, true},
      {{.kind = MPT_FUNCTION_METHFESSEL_PAXTON, .sigma = 0.1, .order = 8}, true},
      {{.kind = MPT_FUNCTION_METHFESSEL_PAXTON, .sigma = 0.1, .order = 9}, false},
      {{.kind = MPT_FUNCTION_METHFESSEL_PAXTON, .sigma = 0.1, .order = 1.5}, false},
      {{.kind = MPT_FUNCTION_CLAMP_MIN, .minimum = -1}, true},
      {{.kind = MPT_FUNCTION_KINDS}, false},
  };
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    if (mpt_function_fits(&cases[k].f, 4) != cases[k].fits) fail_msg("case %zu", k);
}

/* A projector is the limit of a cold Fermi function; its divided differences are nonzero only
 * across the edge. */
static void projector(void **state) {
  const double w[] = {-1, 0.25, 0.75, 4};
  const mpt_function f = {.kind = MPT_FUNCTION_PROJECTOR, .index = {1, 3}};
  double memory[4 * MPT_FUNCTION_MEMORY];
  mpt_spectral_function s;
  (void)state;
  assert_int_equal(mpt_function_start(&f, 4, w, apart, 0, memory, &s), MPT_STATUS_OK);
  assert_true(s.value[0] == 0 && s.value[1] == 1 && s.value[2] == 1 && s.value[3] == 0);
  assert_true(mpt_divided_difference(&s, 1, 2) == 0 && mpt_divided_difference(&s, 0, 3) == 0);
  assert_true(fabs(mpt_divided_difference(&s, 0, 1) - 0.8) < 1e-15);
  assert_true(fabs(mpt_divided_difference(&s, 3, 2) + 1 / 3.25) < 1e-15);
  const int32_t cut_below[] = {0, 0, 1, 2}, cut_above[] = {0, 1, 2, 2};
  assert_int_equal(mpt_function_start(&f, 4, w, cut_below, 0, memory, &s),
                   MPT_STATUS_SPLIT_MULTIPLET);
  assert_int_equal(mpt_function_start(&f, 4, w, cut_above, 0, memory, &s),
                   MPT_STATUS_SPLIT_MULTIPLET);
}

static void undefined(void **state) {
  static const struct {
    mpt_function f;
    double w;
    mpt_status status;
  } cases[] = {
      {{.kind = MPT_FUNCTION_LOG}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_LOG}, -1, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_LOG, .scale = -1}, -1, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_SQRT}, -1, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_SQRT}, 0, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_SQRT}, -1e-300, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_XLOGX}, 0, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_XLOGX}, -1, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_XLOGX}, 5e-324, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 0.5}, 0, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_POWER, .exponent = -0.5}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_INV_SQRT}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_INVERSE}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_INVERSE}, -2, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 0.5}, -2, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 3}, -2, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 2}, 0, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_POWER, .exponent = -2}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_SIGN}, 0, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_ABS}, 0, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_SOFTPLUS}, 1e300, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_EXP}, 1000, MPT_STATUS_FUNCTION_UNDEFINED},
      {{.kind = MPT_FUNCTION_EXP}, -1000, MPT_STATUS_OK},
      {{.kind = MPT_FUNCTION_FERMI, .beta = 1e8}, 1e8, MPT_STATUS_OK},
  };
  double memory[MPT_FUNCTION_MEMORY];
  mpt_spectral_function s;
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    if (mpt_function_start(&cases[k].f, 1, &cases[k].w, apart, 0, memory, &s) != cases[k].status)
      fail_msg("case %zu: %s at %g", k, mpt_function_name(cases[k].f.kind), cases[k].w);
}

/* Eigenvalues within rounding of zero count as zero, on either side and with either sign of the
 * scale; those just beyond do not. */
static void null_space(void **state) {
  static const struct {
    mpt_function f;
    double value[3], slope[3]; /* at 0, 1/4 and 4: f and f[0, y] */
    bool steep;
  } cases[] = {
      {{.kind = MPT_FUNCTION_SQRT}, {0, 0.5, 2}, {0, 2, 0.5}, true},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 0.5}, {0, 0.5, 2}, {0, 2, 0.5}, true},
      {{.kind = MPT_FUNCTION_POWER, .exponent = 1.5}, {0, 0.125, 8}, {0, 0.5, 2}, false},
      {{.kind = MPT_FUNCTION_XLOGX},
       {0, -0.34657359027997265, 5.545177444479562},
       {0, -1.3862943611198906, 1.3862943611198906},
       true},
  };
  const double r = 1e-15;
  double memory[5 * MPT_FUNCTION_MEMORY], turns[5];
  mpt_spectral_function s;
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    for (int sign = 1; sign >= -1; sign -= 2) {
      mpt_function f = cases[k].f;
      const double up[] = {-r, 0, r, 0.25, 4}, down[] = {-4, -0.25, -r, 0, r};
      const int64_t other[] = {sign > 0 ? 3 : 1, sign > 0 ? 4 : 0}, null = sign > 0 ? 0 : 2;
      const double *w = sign > 0 ? up : down;
      f.scale = sign;
      assert_int_equal(mpt_function_start(&f, 5, w, apart, r, memory, &s), MPT_STATUS_OK);
      assert_true(s.null[0] == null && s.null[1] == null + 3 && s.steep == cases[k].steep);
      for (int64_t i = null; i < null + 3; i++) {
        assert_true(s.value[i] == 0 && s.slope[i] == 0 && s.x[i] == 0);
        for (int64_t j = null; j < null + 3; j++) assert_true(!mpt_divided_difference(&s, i, j));
        for (int j = 0; j < 2; j++) {
          const double exact = sign * cases[k].slope[j + 1];
          assert_true(fabs(mpt_divided_difference(&s, i, other[j]) - exact) <= 4e-16 * fabs(exact));
          assert_true(fabs(mpt_divided_difference(&s, other[j], i) - exact) <= 4e-16 * fabs(exact));
          assert_true(fabs(s.value[other[j]] - cases[k].value[j + 1]) <= 1e-15);
        }
      }
      mpt_function_turns(&s, r / 5, turns);
      for (int i = 0; i < 5; i++) assert_true(isfinite(turns[i]) && turns[i] >= 0);
      const double rises = cases[k].steep ? 0 : pow(r / 5, 0.5);
      assert_true(fabs(turns[null] - rises) <= 1e-12 * rises);
      for (int j = 0; j < 2; j++) {
        const double y = j ? 4 : 0.25, own = fabs(cases[k].value[j + 1]) / (y * y) * r / 5;
        assert_true(turns[other[j]] >= 0.999 * own);
      }
      assert_int_equal(mpt_function_start(&f, 5, w, apart, 0.99 * r, memory, &s),
                       MPT_STATUS_FUNCTION_UNDEFINED);
    }
}

/* x log x loses no digits where its derivative, or a quotient nearby, is nearly zero. */
static void entropy_near_its_minimum(void **state) {
  static const double rows[][3] = {
      {0.36787944117144233, 0.36787944117144233, 3.3784855259134224e-17},
      {0.36787944117144233, 0.3678794411714424, 1.0923233209351927e-16},
      {0.3678794408035629, 0.3678794408035629, -9.999999883372001e-10},
      {0.3678794374926479, 0.3678794448502367, -5.8329288208177909e-17},
      {0.3678426532273252, 0.3679162291155595, -1.6666666378828698e-09},
      {0.3642006467597279, 0.37155823558315676, -1.6667166690443815e-05},
      {0.25, 0.4, -0.13295134979792911},
  };
  const mpt_function f = {.kind = MPT_FUNCTION_XLOGX};
  double memory[2 * MPT_FUNCTION_MEMORY];
  mpt_spectral_function s;
  (void)state;
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    assert_int_equal(mpt_function_start(&f, 2, rows[k], apart, 0, memory, &s), MPT_STATUS_OK);
    const double error = fabs(mpt_divided_difference(&s, 0, 1) / rows[k][2] - 1);
    if (!(error <= 1e-15)) fail_msg("row %zu: relative error %.2g", k, error);
  }
}

/* The lowest states are filled with `electrons`: in the sum and, inside a gap, separately in
 * particles and holes. */
static void chemical_potentials(void **state) {
  const double w[] = {-2, -2, -0.5, -0.5, 0.75, 3};
  const int64_t m = 6;
  (void)state;
  for (double beta = 0.01; beta < 1e6; beta *= 7)
    for (double electrons = 0.125; electrons < 6; electrons += 0.125) {
      mpt_function f = {.kind = MPT_FUNCTION_FERMI, .beta = beta, .electrons = electrons};
      const mpt_levels levels = {.m = m, .w = w};
      double mu_low;
      const double mu = mpt_chemical_potential(&f, &levels, &mu_low);
      double sum = 0, particles = 0, holes = 0;
      const int64_t whole = (int64_t)electrons;
      for (int64_t i = 0; i < m; i++) {
        double hole;
        const double x = beta * (w[i] - mu), occupied = mpt_occupied(&f, x, 0, &hole);
        sum += occupied;
        if (i >= whole) particles += occupied;
        if (i < whole) holes += hole;
      }
      /* mu itself is rounded: to 2e-16 of its size */
      const double rounding = 1e-14 + beta * 4e-16;
      if (fabs(sum - electrons) > 6 * rounding) fail_msg("beta %g, %g electrons", beta, electrons);
      if (electrons == (double)whole && holes > 0 && fabs(particles / holes - 1) > 40 * rounding)
        fail_msg("beta %g, gap above %g: %g particles, %g holes", beta, electrons, particles,
                 holes);
      double memory[6 * MPT_FUNCTION_MEMORY], weight = 0;
      const int32_t id[] = {0, 0, 1, 1, 2, 3};
      mpt_spectral_function s;
      assert_int_equal(mpt_function_start(&f, m, w, id, 0, memory, &s), MPT_STATUS_OK);
      for (int64_t i = 0; i < m; i++) weight += s.weight[i];
      assert_true(s.mu == mu && fabs(weight - 1) < 1e-14);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(kinds),
                                     cmocka_unit_test(arguments),
                                     cmocka_unit_test(divided_differences),
                                     cmocka_unit_test(projector),
                                     cmocka_unit_test(undefined),
                                     cmocka_unit_test(null_space),
                                     cmocka_unit_test(entropy_near_its_minimum),
                                     cmocka_unit_test(chemical_potentials)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
