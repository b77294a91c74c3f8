#include "run/progress.h"

#include <stdio.h>
#include <unistd.h>

static const double terminal_interval = 0.2, line_interval = 10;
enum { WIDTH = 40 };

void mpt_progress_begin(mpt_progress *p, bool shown, double total) {
  *p = (mpt_progress){.shown = shown, .total = total, .now = mpt_now};
  p->terminal = !mpt_log_has_listener() && isatty(STDERR_FILENO);
  p->started = p->printed = p->now();
}

void mpt_format_seconds(double seconds, char *out, size_t size) {
  long s = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (long)(seconds + 0.5);
  if (s >= 3600)
    snprintf(out, size, "%ld h %02ld min", s / 3600, s % 3600 / 60);
  else if (s >= 60)
    snprintf(out, size, "%ld min %02ld s", s / 60, s % 60);
  else
    snprintf(out, size, "%ld s", s);
}

void mpt_progress_show(mpt_progress *p, double done) {
  double now = p->now(), fraction = p->total > 0 ? done / p->total : 1;
  char left[32] = "?", bar[WIDTH + 1];
  if (!p->shown || now - p->printed < (p->terminal ? terminal_interval : line_interval)) return;
  p->printed = now;
  if (fraction > 1) fraction = 1;
  if (fraction > 0.001)
    mpt_format_seconds((now - p->started) * (1 - fraction) / fraction, left, sizeof left);
  for (int k = 0; k < WIDTH; k++) bar[k] = k < fraction * WIDTH ? '#' : '.';
  bar[WIDTH] = 0;
  if (p->terminal)
    fprintf(stderr, "\r[%s] %3.0f %%, %s left   ", bar, 100 * fraction, left);
  else
    mpt_note("%.0f %% done, %s left", 100 * fraction, left);
}

void mpt_progress_end(mpt_progress *p) {
  if (p->shown && p->terminal && p->printed > p->started)
    fprintf(stderr, "\r%*s\r", WIDTH + 32, "");
}
