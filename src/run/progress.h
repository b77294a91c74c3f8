/* Shows how far a job is: a bar with the time left on a terminal, otherwise a line now and then,
 * which a listener gets too. Only on rank 0; calls of other ranks do nothing. */
#ifndef MPT_PROGRESS_H
#define MPT_PROGRESS_H

#include "base/base.h"

typedef struct mpt_progress {
  bool shown, terminal;
  double total; /* expected rank-seconds of all work */
  double started, printed;
  double (*now)(void); /* the clock; tests set their own */
} mpt_progress;

void mpt_progress_begin(mpt_progress *progress, bool shown, double total);

/* Shows that `done` of the total has been done. */
void mpt_progress_show(mpt_progress *progress, double done);

/* Leaves the terminal's cursor at the start of a line. */
void mpt_progress_end(mpt_progress *progress);

/* "1 h 02 min", "3 min 20 s", "12 s". */
void mpt_format_seconds(double seconds, char *out, size_t size);

#endif
