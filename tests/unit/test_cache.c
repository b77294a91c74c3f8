/* Results in memory: which are found, which are removed when there is no room, and that no result
 * is kept in part. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "run/cache.h"

enum { PAIRS = 1000 }; /* bytes of eigenvectors in each */

static void file_of(int number, char path[64]) {
  snprintf(path, 64, "keep-%d-%d.tmp", (int)getpid(), number);
}

static mpt_identity make_file(int number) {
  char path[64];
  mpt_identity identity;
  file_of(number, path);
  FILE *file = fopen(path, "w");
  fprintf(file, "%d", number);
  fclose(file);
  assert_true(mpt_identify(path, &identity));
  return identity;
}

static void remove_file(int number) {
  char path[64];
  file_of(number, path);
  unlink(path);
}

#define ID "0123456789abcdef"

static mpt_cache_entry place_of(int64_t first, int ranks) {
  return (mpt_cache_entry){.first = first, .count = 2, .rows = 4, .ranks = ranks};
}

/* Keeps a result of two pieces, filled with its number. */
static mpt_identity keep_result(mpt_cache *cache, int number, bool complete) {
  char data[PAIRS / 2], path[64];
  const mpt_identity identity = make_file(number);
  mpt_cached *cached = mpt_cache_begin(cache, mpt_format("/H"));
  file_of(number, path);
  memset(data, number, sizeof data);
  for (int64_t first = 0; first < 4; first += 2) {
    const mpt_cache_entry place = place_of(first, 1);
    mpt_cache_entry *entry = mpt_cache_add(cache, cached, &place);
    if (entry) mpt_cache_copy(cache, cached, MPT_EIGENVECTORS, data, sizeof data);
  }
  memcpy(cached->id, ID, sizeof ID);
  mpt_cache_end(cache, cached, complete ? path : NULL, &identity);
  return identity;
}

static void assert_holds(mpt_cache *cache, const mpt_identity *file, int number) {
  mpt_cached *cached = mpt_cache_find(cache, file, ID, "/H");
  assert_non_null(cached);
  assert_null(mpt_cache_find(cache, file, ID, "/G"));
  assert_int_equal(mpt_cached_singles(cached), 4);
  for (int64_t first = 0; first < 4; first += 2) {
    mpt_cache_entry place = place_of(first, 1);
    const mpt_cache_entry *entry = mpt_cached_entry(cached, &place);
    assert_non_null(entry);
    const char *data = entry->data[MPT_EIGENVECTORS];
    for (int k = 0; k < PAIRS / 2; k++) assert_int_equal(data[k], number);
    place.rows = 3;
    assert_null(mpt_cached_entry(cached, &place));
  }
}

static void least_recently_used_goes_first(void **state) {
  mpt_cache cache = {.most = 10 * PAIRS};
  mpt_identity files[20];
  (void)state;
  for (int k = 0; k < 20; k++) {
    files[k] = keep_result(&cache, k, true);
    assert_true(cache.bytes <= cache.most);
    assert_holds(&cache, &files[0], 0); /* used all the time */
    assert_holds(&cache, &files[k], k);
  }
  assert_null(mpt_cache_find(&cache, &files[1], ID, "/H"));
  assert_holds(&cache, &files[18], 18);
  assert_true(cache.count >= 3);
  mpt_cache_release(&cache);
  for (int k = 0; k < 20; k++) remove_file(k);
}

static void what_is_too_large_or_unfinished_is_not_kept(void **state) {
  mpt_cache small = {.most = PAIRS}, cache = {.most = 10 * PAIRS};
  (void)state;
  mpt_identity file = keep_result(&small, 1, true); /* no room for its second piece */
  assert_null(mpt_cache_find(&small, &file, ID, "/H"));
  assert_int_equal(small.bytes, 0);
  file = keep_result(&cache, 2, false);
  assert_null(mpt_cache_find(&cache, &file, ID, "/H"));
  assert_int_equal(cache.bytes, 0);
  mpt_cache_release(&small);
  mpt_cache_release(&cache);
  remove_file(1);
  remove_file(2);
}

static void what_belongs_to_no_file_goes(void **state) {
  mpt_cache cache = {.most = 1000 * PAIRS};
  mpt_identity files[40], changed;
  (void)state;
  for (int k = 0; k < 40; k++) files[k] = keep_result(&cache, k, true);
  changed = files[3];
  changed.size++;
  assert_null(mpt_cache_find(&cache, &changed, ID, "/H"));
  for (int k = 0; k < 40; k++)
    if (k != 7) remove_file(k);
  for (int k = 40; k < 52; k++) keep_result(&cache, k, true);
  assert_int_equal(cache.count, 13);
  assert_holds(&cache, &files[7], 7);
  mpt_cache_release(&cache);
  assert_int_equal(cache.bytes, 0);
  for (int k = 7; k < 52; k++) remove_file(k);
}

/* A file that was made again is another file, even where the file system's clock and inode numbers
 * do not show it. */
static void what_was_made_again_is_not_found(void **state) {
  mpt_cache cache = {.most = 1000 * PAIRS};
  (void)state;
  mpt_identity file = keep_result(&cache, 1, true);
  assert_null(mpt_cache_find(&cache, &file, "fedcba9876543210", "/H"));
  assert_null(mpt_cache_find(&cache, &file, NULL, "/H"));
  assert_holds(&cache, &file, 1);
  file = keep_result(&cache, 1, true); /* the same path */
  assert_int_equal(cache.count, 1);
  char old[64], new[64];
  file_of(1, old);
  file_of(2, new);
  assert_int_equal(link(old, new), 0); /* another path, the same inode */
  mpt_cached *cached = mpt_cache_begin(&cache, mpt_format("/H"));
  assert_true(mpt_identify(new, &file)); /* a link changes ctime */
  mpt_cache_end(&cache, cached, new, &file);
  assert_int_equal(cache.count, 1);
  mpt_cache_release(&cache);
  remove_file(1);
  remove_file(2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(least_recently_used_goes_first),
      cmocka_unit_test(what_is_too_large_or_unfinished_is_not_kept),
      cmocka_unit_test(what_belongs_to_no_file_goes),
      cmocka_unit_test(what_was_made_again_is_not_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
