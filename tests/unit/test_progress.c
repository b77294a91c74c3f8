/* Progress lines, with a clock of the test's own. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "run/progress.h"

#include <stdio.h>

static double clock_now;
static int kept, file;
static char name[] = "/tmp/multiplet-progress-XXXXXX";

static double fake_clock(void) {
  return clock_now;
}

/* Begins with standard error redirected to a file. */
static mpt_progress begin(bool shown, bool terminal, double total) {
  mpt_progress p;
  fflush(stderr);
  assert_int_equal(ftruncate(file, 0), 0);
  lseek(file, 0, SEEK_SET);
  kept = dup(2);
  dup2(file, 2);
  mpt_progress_begin(&p, shown, total);
  assert_false(p.terminal); /* a file is no terminal */
  p.terminal = terminal;
  p.now = fake_clock;
  p.started = p.printed = clock_now = 100;
  return p;
}

static const char *end(void) {
  static char text[4096];
  fflush(stderr);
  dup2(kept, 2);
  close(kept);
  ssize_t length = pread(file, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = 0;
  return text;
}

static void show_at(mpt_progress *p, double seconds, double done) {
  clock_now = 100 + seconds;
  mpt_progress_show(p, done);
}

static void test_lines(void **state) {
  (void)state;
  mpt_progress p = begin(true, false, 200);
  show_at(&p, 1, 10);    /* too early */
  show_at(&p, 10, 50);   /* a quarter in 10 s: 30 s left */
  show_at(&p, 15, 60);   /* too soon after the last */
  show_at(&p, 20, 100);  /* half in 20 s */
  show_at(&p, 120, 150); /* three quarters in 120 s */
  show_at(&p, 140, 900); /* more than the expected total counts as all of it */
  mpt_progress_end(&p);
  assert_string_equal(end(), "multiplet: 25 % done, 30 s left\n"
                             "multiplet: 50 % done, 20 s left\n"
                             "multiplet: 75 % done, 40 s left\n"
                             "multiplet: 100 % done, 0 s left\n");
}

static void test_nothing_is_known_yet(void **state) {
  (void)state;
  mpt_progress p = begin(true, false, 1e9);
  show_at(&p, 11, 1);
  assert_string_equal(end(), "multiplet: 0 % done, ? left\n");
  p = begin(true, false, 0); /* no work */
  show_at(&p, 11, 0);
  assert_string_equal(end(), "multiplet: 100 % done, 0 s left\n");
}

static void test_other_ranks_are_silent(void **state) {
  (void)state;
  for (int terminal = 0; terminal < 2; terminal++) {
    mpt_progress p = begin(false, terminal, 10);
    show_at(&p, 100, 5);
    mpt_progress_end(&p);
    assert_string_equal(end(), "");
  }
}

/* The bar is drawn over itself, at most five times a second, and erased at the end. */
static void test_bar(void **state) {
  (void)state;
  mpt_progress p = begin(true, true, 8);
  show_at(&p, 0.1, 1);
  show_at(&p, 4, 2);
  show_at(&p, 4.1, 3);
  show_at(&p, 8, 8);
  mpt_progress_end(&p);
  char wiped[128];
  snprintf(wiped, sizeof wiped, "\r%72s\r", "");
  const char *text = end();
  assert_null(strchr(text, '\n'));
  assert_non_null(strstr(text, "\r[##########..............................]  25 %, 12 s left   "));
  assert_non_null(strstr(text, "\r[########################################] 100 %, 0 s left   "));
  assert_string_equal(text + strlen(text) - strlen(wiped), wiped);
  int drawn = 0;
  for (const char *c = text; (c = strchr(c, '[')); c++) drawn++;
  assert_int_equal(drawn, 2);
}

static void test_a_short_job_draws_nothing(void **state) {
  (void)state;
  mpt_progress p = begin(true, true, 8);
  show_at(&p, 0.1, 8);
  mpt_progress_end(&p);
  assert_string_equal(end(), "");
}

static void listen(void *context, mpt_level level, const char *line) {
  assert_int_equal(level, MPT_LEVEL_NOTE);
  strcat(strcat(context, line), "|");
}

/* A listener gets lines even on a terminal. */
static void test_listener(void **state) {
  (void)state;
  char told[200] = "";
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal));
  const int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY), before = dup(2);
  mpt_progress p, heard;
  dup2(slave, 2);
  mpt_progress_begin(&p, true, 100);
  const mpt_log log = mpt_log_set((mpt_log){true, 0, listen, told});
  mpt_progress_begin(&heard, true, 100);
  mpt_log_set(log);
  dup2(before, 2);
  assert_true(p.terminal && !heard.terminal);
  heard = begin(true, false, 100);
  mpt_log_set((mpt_log){true, 0, listen, told});
  show_at(&heard, 10, 50);
  show_at(&heard, 20, 100);
  mpt_progress_end(&heard);
  mpt_log_set(log);
  assert_string_equal(end(), "");
  assert_string_equal(told, "50 % done, 10 s left|100 % done, 0 s left|");
  close(before);
  close(slave);
  close(terminal);
}

static void test_seconds(void **state) {
  (void)state;
  static const struct {
    double seconds;
    const char *text;
  } cases[] = {{-1, "0 s"},
               {0.4, "0 s"},
               {0.6, "1 s"},
               {59.4, "59 s"},
               {59.6, "1 min 00 s"},
               {200, "3 min 20 s"},
               {3599.6, "1 h 00 min"},
               {3725, "1 h 02 min"},
               {1e12, "277777 h 46 min"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[64];
    mpt_format_seconds(cases[k].seconds, text, sizeof text);
    assert_string_equal(text, cases[k].text);
  }
}

static int open_file(void **state) {
  (void)state;
  file = mkstemp(name);
  return file < 0;
}

static int close_file(void **state) {
  (void)state;
  close(file);
  return unlink(name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_nothing_is_known_yet),
      cmocka_unit_test(test_other_ranks_are_silent),
      cmocka_unit_test(test_bar),
      cmocka_unit_test(test_a_short_job_draws_nothing),
      cmocka_unit_test(test_listener),
      cmocka_unit_test(test_seconds),
  };
  return cmocka_run_group_tests(tests, open_file, close_file);
}
