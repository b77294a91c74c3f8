/* Results in memory, for the passes that differentiate them later (gradient.eigenpairs): each rank
 * keeps what its own units gave. Bounded in bytes, and in results so that a service does not grow
 * with the requests that it has answered; what was used least recently goes first, and what belongs
 * to a file that is gone. Nothing is collective: a rank may lack what others have. */
#ifndef MPT_KEEP_H
#define MPT_KEEP_H

#include <multiplet/eigh.h>
#include "store/result.h"

/* One unit's part of a result on one rank. */
typedef struct mpt_piece {
  int64_t dataset, first, count, row0, rows;
  int ranks;                   /* of its team */
  void *data[MPT_FIELD_COUNT]; /* by field, NULL: not kept; the matrices themselves in GRADIENT's
                                  place, whose shape they have */
  mpt_report *report;          /* [count] */
  struct mpt_piece *next;
} mpt_piece;

/* One result. */
typedef struct mpt_kept {
  char *path;
  char *datasets;           /* what the numbers of datasets mean, and which triangle was read */
  mpt_identity file, input; /* as they were when it was complete, and when it was begun */
  char id[17];              /* of the file's making: another one's result has another */
  bool input_settled;       /* that identity tells the content */
  char fingerprint[17];     /* of the input */
  mpt_piece *pieces;        /* latest first */
  int64_t bytes, used;      /* used: larger is later */
  bool overflowed;
} mpt_kept;

/* Start it with {.most = bytes}. */
typedef struct mpt_keep {
  int64_t most, bytes, clock, looked, hits; /* hits: results that were found */
  mpt_kept **results;                       /* [count] */
  int64_t count, capacity;
} mpt_keep;

void mpt_keep_release(mpt_keep *keep);

/* A result that is being made; takes `datasets` over. NULL when memory is out. */
mpt_kept *mpt_keep_begin(mpt_keep *keep, char *datasets);

/* A new piece of it with room for its report, or NULL when there is no room; later pieces are not
 * taken either then. */
mpt_piece *mpt_keep_piece(mpt_keep *keep, mpt_kept *kept, const mpt_piece *place);

/* A copy of `bytes` from data as a field of the newest piece. */
void mpt_keep_copy(mpt_keep *keep, mpt_kept *kept, mpt_field field, const void *data, size_t bytes);

/* The result is complete in the file `path`, in the place of any other that had this path or file;
 * or, with NULL, will not be, and is dropped. */
void mpt_keep_end(mpt_keep *keep, mpt_kept *kept, const char *path, const mpt_identity *file);

/* That of a file, as long as it is unchanged and of the same making, with these datasets; NULL:
 * none.
 */
mpt_kept *mpt_keep_find(mpt_keep *keep, const mpt_identity *file, const char *id,
                        const char *datasets);

/* A piece that is exactly this unit's. */
const mpt_piece *mpt_kept_piece(const mpt_kept *kept, const mpt_piece *place);

/* Problems in pieces of teams of one. */
int64_t mpt_kept_singles(const mpt_kept *kept);

#endif
