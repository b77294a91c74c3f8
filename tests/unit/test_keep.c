/* Results in memory: what is found, what goes when there is no room, and that nothing is half
 * kept. */
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

static mpt_piece place_of(int64_t first, int ranks) {
  return (mpt_piece){.first = first, .count = 2, .rows = 4, .ranks = ranks};
}

/* A result of two pieces, filled with its number. */
static mpt_identity keep_result(mpt_keep *keep, int number, bool complete) {
  char data[PAIRS / 2], path[64];
  const mpt_identity identity = make_file(number);
  mpt_kept *kept = mpt_keep_begin(keep, mpt_format("/H"));
  file_of(number, path);
  memset(data, number, sizeof data);
  for (int64_t first = 0; first < 4; first += 2) {
    const mpt_piece place = place_of(first, 1);
    mpt_piece *piece = mpt_keep_piece(keep, kept, &place);
    if (piece) mpt_keep_copy(keep, kept, MPT_EIGENVECTORS, data, sizeof data);
  }
  memcpy(kept->id, ID, sizeof ID);
  mpt_keep_end(keep, kept, complete ? path : NULL, &identity);
  return identity;
}

static void assert_holds(mpt_keep *keep, const mpt_identity *file, int number) {
  mpt_kept *kept = mpt_keep_find(keep, file, ID, "/H");
  assert_non_null(kept);
  assert_null(mpt_keep_find(keep, file, ID, "/G"));
  assert_int_equal(mpt_kept_singles(kept), 4);
  for (int64_t first = 0; first < 4; first += 2) {
    mpt_piece place = place_of(first, 1);
    const mpt_piece *piece = mpt_kept_piece(kept, &place);
    assert_non_null(piece);
    const char *data = piece->data[MPT_EIGENVECTORS];
    for (int k = 0; k < PAIRS / 2; k++) assert_int_equal(data[k], number);
    place.rows = 3;
    assert_null(mpt_kept_piece(kept, &place));
  }
}

static void least_recently_used_goes_first(void **state) {
  mpt_keep keep = {.most = 10 * PAIRS};
  mpt_identity files[20];
  (void)state;
  for (int k = 0; k < 20; k++) {
    files[k] = keep_result(&keep, k, true);
    assert_true(keep.bytes <= keep.most);
    assert_holds(&keep, &files[0], 0); /* used all the time */
    assert_holds(&keep, &files[k], k);
  }
  assert_null(mpt_keep_find(&keep, &files[1], ID, "/H"));
  assert_holds(&keep, &files[18], 18);
  assert_true(keep.count >= 3);
  mpt_keep_release(&keep);
  for (int k = 0; k < 20; k++) remove_file(k);
}

static void what_is_too_large_or_unfinished_is_not_kept(void **state) {
  mpt_keep small = {.most = PAIRS}, keep = {.most = 10 * PAIRS};
  (void)state;
  mpt_identity file = keep_result(&small, 1, true); /* its second piece has no room */
  assert_null(mpt_keep_find(&small, &file, ID, "/H"));
  assert_int_equal(small.bytes, 0);
  file = keep_result(&keep, 2, false);
  assert_null(mpt_keep_find(&keep, &file, ID, "/H"));
  assert_int_equal(keep.bytes, 0);
  mpt_keep_release(&small);
  mpt_keep_release(&keep);
  remove_file(1);
  remove_file(2);
}

static void what_belongs_to_no_file_goes(void **state) {
  mpt_keep keep = {.most = 1000 * PAIRS};
  mpt_identity files[40], changed;
  (void)state;
  for (int k = 0; k < 40; k++) files[k] = keep_result(&keep, k, true);
  changed = files[3];
  changed.size++;
  assert_null(mpt_keep_find(&keep, &changed, ID, "/H"));
  for (int k = 0; k < 40; k++)
    if (k != 7) remove_file(k);
  for (int k = 40; k < 52; k++) keep_result(&keep, k, true);
  assert_int_equal(keep.count, 13);
  assert_holds(&keep, &files[7], 7);
  mpt_keep_release(&keep);
  assert_int_equal(keep.bytes, 0);
  for (int k = 7; k < 52; k++) remove_file(k);
}

/* Also where the file system's clock and numbers cannot tell: a file of another making is another.
 */
static void what_was_made_again_is_not_found(void **state) {
  mpt_keep keep = {.most = 1000 * PAIRS};
  (void)state;
  mpt_identity file = keep_result(&keep, 1, true);
  assert_null(mpt_keep_find(&keep, &file, "fedcba9876543210", "/H"));
  assert_null(mpt_keep_find(&keep, &file, NULL, "/H"));
  assert_holds(&keep, &file, 1);
  file = keep_result(&keep, 1, true); /* the same path */
  assert_int_equal(keep.count, 1);
  char old[64], new[64];
  file_of(1, old);
  file_of(2, new);
  assert_int_equal(link(old, new), 0); /* another path, the same inode */
  mpt_kept *kept = mpt_keep_begin(&keep, mpt_format("/H"));
  assert_true(mpt_identify(new, &file)); /* a link changes ctime */
  mpt_keep_end(&keep, kept, new, &file);
  assert_int_equal(keep.count, 1);
  mpt_keep_release(&keep);
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
