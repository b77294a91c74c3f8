/* A second solution by the reference engine, for problems whose first solution failed its check. */
#ifndef MPT_RETRY_H
#define MPT_RETRY_H

#include "engine/engine.h"

/* Whether the fault may be in the first solution rather than in the problem. */
bool mpt_is_worth_retrying(const mpt_report *report);

/* An array of one problem that the ranks hold as slabs of `width` elements a row. */
typedef struct mpt_retry_array {
  void *slab;
  void *whole; /* on the first rank */
  int64_t width;
  bool goes_in;
} mpt_retry_array;

/* One problem on its way to the first rank and back. */
typedef struct mpt_retry {
  const mpt_team *team;
  mpt_batch *batch, one; /* `one` is the whole problem, on the first rank */
  mpt_state *state;      /* of lapack, on the first rank */
  int64_t k;
  size_t size;
  mpt_retry_array *arrays;
  int count;
  bool failed;
  int *rows, *starts; /* [size of the team] */
} mpt_retry;

/* Gathers all of matrix k, its cotangents and its other inputs on the team's first rank, for lapack
 * to solve as `one`, PENDING. Returns false, and leaves the report as it was, where that does not
 * fit into half of the free memory of that rank. Call mpt_retry_close in any case. Collective, and
 * agreed. */
bool mpt_retry_open(mpt_retry *retry, const mpt_team *team, mpt_batch *batch, int64_t k);
void mpt_retry_close(mpt_retry *retry);

/* Distributes the results to all ranks after the problem has been solved. Collective. */
void mpt_retry_share(const mpt_retry *retry);

/* Notes in `report` that there was a second solution, and which check the first one failed. */
void mpt_note_retry(const mpt_report *first, int64_t n, bool vectors, mpt_report *report);

#endif
