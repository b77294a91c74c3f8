/* Memory runs out while a config is read: the result is an error that says so and nothing else, or
 * the complete config. The config's text, by which jobs are compared, is never truncated. Linked
 * with --wrap for the allocators. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"

static int64_t left = -1; /* allocations until one fails, or all later ones; negative: none fails */
static bool lasting, failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool fails(void) {
  if (left < 0 || left > 0) {
    left -= left > 0;
    return false;
  }
  if (!lasting) left = -1;
  return failed = true;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
  return fails() ? NULL : __real_realloc(memory, size);
}

static const char sound[] = "input: {file: h.h5, datasets: [/a, /b/c, /d]}\n"
                            "solve: {select: {range: [-1.5, 2.5], at_most: 4}, solver: lapack}\n"
                            "functions:\n"
                            "  - {name: rho, kind: fermi, beta: 40.0, electrons: 2.5}\n"
                            "  - {name: P, kind: projector, index: [0, 4]}\n"
                            "frame: {index: [0, 2], reference: {file: ref.h5, dataset: /R}}\n"
                            "gradient: {cotangents: cotangents.h5}\n"
                            "output: {file: result.h5, store: [eigenvalues, gradient]}\n";
static const char faulty[] = "input: {fil: h.h5}\nsolve: {solver: lapak}\noutput: {file: r.h5}\n";

static mpt_code read(const char *text, mpt_config *config, mpt_text *errors) {
  *config = (mpt_config){0};
  *errors = (mpt_text){0};
  return mpt_config_from_text(text, "/tmp", config, errors);
}

static int count(const char *text, const char *what) {
  int found = 0;
  while ((text = strstr(text, what))) text++, found++;
  return found;
}

/* Each allocation in turn fails, or that one and all later ones. */
static void exhaust(const char *text, bool from_there_on) {
  mpt_config whole, config;
  mpt_text all, errors;
  const mpt_code expected = read(text, &whole, &all);
  lasting = from_there_on;
  failed = true;
  for (int64_t turn = 0; failed; turn++) {
    failed = false;
    left = turn;
    const mpt_code code = read(text, &config, &errors);
    left = -1;
    if (code == MPT_DONE)
      assert_string_equal(config.resolved, whole.resolved);
    else if (!errors.exhausted && !strstr(errors.data, "out of memory"))
      assert_int_equal(count(errors.data, "line "), count(all.data, "line ")); /* none is missing */
    assert_true(code == expected || code == MPT_NO_RESOURCE);
    mpt_config_release(&config);
    mpt_text_release(&errors);
  }
  mpt_config_release(&whole);
  mpt_text_release(&all);
}

static void a_config_is_whole_or_none(void **state) {
  (void)state;
  for (int mode = 0; mode < 2; mode++) {
    exhaust(sound, mode);
    exhaust(faulty, mode);
  }
}

static void a_text_remembers(void **state) {
  mpt_text text = {0}, other = {0};
  (void)state;
  mpt_text_add(&text, "a");
  lasting = false;
  left = 0;
  for (int k = 0; k < 100; k++) mpt_text_add(&text, "%d, ", k);
  left = -1;
  assert_true(text.exhausted);
  assert_null(text.data);
  assert_string_equal(mpt_text_shown(&text, ""), "(out of memory)");
  mpt_text_add(&other, "b");
  mpt_text_join(&other, &text);
  assert_true(other.exhausted);
  assert_null(other.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_config_is_whole_or_none),
                                     cmocka_unit_test(a_text_remembers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
