/* The table of quantities compared with other places: SCHEMA.md, mpt_report, and shapes by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/quantity.h"

static const char *const schema = ORACLE "/../../src/store/SCHEMA.md";

static const char *shape_of(mpt_extent extent) {
  static const char *const shapes[] = {"[B]",       "[B, m]",    "[B, n]",
                                       "[B, n, m]", "[B, n, n]", "[B, n, c]"};
  return shapes[extent];
}

static const char *type_of(mpt_element element) {
  static const char *const types[] = {"real", "scalar",       "float64",      "int32",
                                      "int8", "enum of int8", "enum of int8", "enum of int8"};
  return types[element];
}

/* Each dataset of a result has one row in SCHEMA.md with its shape and type, and SCHEMA.md has no
 * other rows. */
static void schema_md_is_the_table(void **state) {
  char line[1024];
  mpt_quantityset seen = 0, stored = 0;
  bool within = false;
  FILE *file = fopen(schema, "r");
  (void)state;
  assert_non_null(file);
  while (fgets(line, sizeof line, file)) {
    if (!strncmp(line, "| dataset | shape | type", 24)) within = true;
    if (within && *line == '\n') break;
    if (!within || strncmp(line, "| `", 3)) continue;
    int known = 0;
    for (mpt_quantity q = 0; q < MPT_QUANTITY_COUNT; q++) {
      const mpt_quantity_info *info = &mpt_quantities[q];
      char row[256];
      if (!info->store) continue;
      snprintf(row, sizeof row, "| `%s%s` | %s | %s |", info->name,
               mpt_is_per_function(q) ? "<name>" : "", shape_of(info->extent),
               type_of(info->element));
      if (strncmp(line, row, strlen(row))) continue;
      seen |= MPT_BIT(q);
      known++;
    }
    if (known != 1) fail_msg("SCHEMA.md has a row that %d quantities have: %s", known, line);
  }
  fclose(file);
  for (mpt_quantity q = 0; q < MPT_QUANTITY_COUNT; q++)
    if (mpt_quantities[q].store) stored |= MPT_BIT(q);
  for (mpt_quantity q = 0; q < MPT_QUANTITY_COUNT; q++)
    if ((stored & ~seen) & MPT_BIT(q)) fail_msg("SCHEMA.md lacks %s", mpt_quantities[q].name);
}

/* The members cover mpt_report up to `reserved`: in order, and without a gap large enough for
 * another member. */
static void members_cover_the_report(void **state) {
  size_t offset, bytes, at = 0;
  int count = 0;
  (void)state;
  for (const char *name; (name = mpt_report_member(count, &offset, &bytes)); count++) {
    assert_true(bytes == 1 || bytes == 4 || bytes == 8);
    assert_int_equal(offset, (at + bytes - 1) / bytes * bytes);
    if (!strcmp(name, "tangent_error"))
      assert_int_equal(offset, offsetof(mpt_report, tangent_error));
    if (!strcmp(name, "rule")) assert_int_equal(offset, offsetof(mpt_report, rule));
    at = offset + bytes;
  }
  assert_int_equal(at, offsetof(mpt_report, reserved));
  assert_null(mpt_report_member(-1, &offset, &bytes));
  assert_null(mpt_report_member(count + 100, &offset, &bytes));
}

static void sets_by_hand(void **state) {
  const mpt_quantityset all = mpt_wanted(MPT_FOR_ALL), gradient = mpt_wanted(MPT_FOR_GRADIENT);
  (void)state;
  assert_true(all & MPT_BIT(MPT_MATRIX) && all & MPT_BIT(MPT_EIGENVALUES) &&
              all & MPT_BIT(MPT_MULTIPLET) && all & MPT_BIT(MPT_STATUS));
  assert_false(all & MPT_BIT(MPT_EIGENVECTORS) || all & MPT_BIT(MPT_GRADIENT) ||
               all & MPT_BIT(MPT_DIRECTION) || all & MPT_BIT(MPT_COTANGENT_EIGENVALUES));
  assert_true(gradient & MPT_BIT(MPT_GRADIENT) && gradient & MPT_BIT(MPT_GRADIENT_ERROR));
  assert_true(mpt_wanted(MPT_FOR_FACTOR) ==
              (MPT_BIT(MPT_REFLECTORS) | MPT_BIT(MPT_TAU) | MPT_BIT(MPT_DIAGONAL) |
               MPT_BIT(MPT_OFFDIAGONAL) | MPT_BIT(MPT_SPECTRUM)));
  assert_true(mpt_stored(0) == (MPT_BIT(MPT_MULTIPLET) | MPT_BIT(MPT_FOUND) | MPT_BIT(MPT_STATUS) |
                                MPT_BIT(MPT_TANGENT_EIGENVALUES) |
                                MPT_BIT(MPT_TANGENT_EIGENVECTORS) | MPT_BIT(MPT_TANGENT_FUNCTION)));
  assert_true((mpt_stored(MPT_STORE_FRAME) ^ mpt_stored(0)) == MPT_BIT(MPT_FRAME));
  assert_true(mpt_from(MPT_FROM_COTANGENTS) ==
              (MPT_BIT(MPT_COTANGENT_EIGENVALUES) | MPT_BIT(MPT_COTANGENT_EIGENVECTORS) |
               MPT_BIT(MPT_COTANGENT_FRAME) | MPT_BIT(MPT_COTANGENT_FUNCTION)));
}

static void shapes_by_hand(void **state) {
  const mpt_sizes sizes = {.n = 7, .columns = 3, .frame_columns = 2};
  static const struct {
    mpt_quantity quantity;
    bool rows;
    int64_t columns;
    size_t bytes; /* of an element, for complex64 */
  } cases[] = {{MPT_MATRIX, true, 7, 8},        {MPT_EIGENVALUES, false, 3, 4},
               {MPT_EIGENVECTORS, true, 3, 8},  {MPT_TAU, false, 7, 8},
               {MPT_SPECTRUM, false, 7, 4},     {MPT_FRAME, true, 2, 8},
               {MPT_FOUND, false, 1, 4},        {MPT_CHEMICAL_POTENTIAL, false, 1, 8},
               {MPT_FUNCTION, true, 7, 8},      {MPT_STATUS, false, 1, 1},
               {MPT_GRADIENT_RULE, false, 1, 1}};
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const mpt_quantity q = cases[k].quantity;
    assert_int_equal(mpt_has_rows(q), cases[k].rows);
    assert_int_equal(mpt_quantity_columns(q, &sizes), cases[k].columns);
    assert_int_equal(mpt_element_size(mpt_quantities[q].element, MPT_COMPLEX64), cases[k].bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(schema_md_is_the_table), cmocka_unit_test(members_cover_the_report),
      cmocka_unit_test(sets_by_hand), cmocka_unit_test(shapes_by_hand)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
