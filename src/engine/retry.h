/* A second solution of problems whose first one failed its check, by the reference. */
#ifndef MPT_RETRY_H
#define MPT_RETRY_H

#include "engine/engine.h"

/* Whether the first solution of a problem is to blame, and not the problem. */
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
  mpt_batch *batch, one; /* `one` is the first rank's: the whole problem */
  mpt_state *state;      /* of lapack, on the first rank */
  int64_t k;
  size_t size;
  mpt_retry_array *arrays;
  int count;
  bool failed;
  int *rows, *starts; /* [size of the team] */
} mpt_retry;

/* The team's first rank gets all of matrix k, its cotangents and what else goes in, for lapack to
 * solve as `one`, PENDING; false, and the report as it was, where that does not fit into half of
 * the memory that rank still has. Close it in any case. Collective, and agreed. */
bool mpt_retry_open(mpt_retry *retry, const mpt_team *team, mpt_batch *batch, int64_t k);
void mpt_retry_close(mpt_retry *retry);

/* When it has been solved: all ranks get what came out. Collective. */
void mpt_retry_share(const mpt_retry *retry);

/* After a second solution: that there was one, and what the first had failed, into `report`. */
void mpt_note_retry(const mpt_report *first, int64_t n, bool vectors, mpt_report *report);

#endif
