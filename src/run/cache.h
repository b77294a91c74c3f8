/* Results in memory, for the passes that differentiate them later (gradient.eigenpairs): each rank
 * keeps what its own units gave. Bounded in bytes, and in results so that a service does not grow
 * with the requests that it has answered; what was used least recently goes first, and what belongs
 * to a file that is gone. Nothing is collective: a rank may lack what others have. */
#ifndef MPT_CACHE_H
#define MPT_CACHE_H

#include <multiplet/eigh.h>
#include "store/result.h"

/* One unit's part of a result on one rank. */
typedef struct mpt_cache_entry {
  int64_t dataset, first, count, row0, rows;
  int ranks;                      /* of its team */
  void *data[MPT_QUANTITY_COUNT]; /* by quantity, NULL: not kept */
  mpt_report *report;             /* [count] */
  struct mpt_cache_entry *next;
} mpt_cache_entry;

/* One result. */
typedef struct mpt_cached {
  char *path;
  char *datasets;           /* what the numbers of datasets mean, and which triangle was read */
  mpt_identity file, input; /* as they were when it was complete, and when it was begun */
  char id[17];              /* of the file's making: another one's result has another */
  bool input_settled;       /* that identity tells the content */
  char fingerprint[17];     /* of the input */
  mpt_cache_entry *entries; /* latest first */
  int64_t bytes, used;      /* used: larger is later */
  bool overflowed;
} mpt_cached;

/* Start it with {.most = bytes}. */
typedef struct mpt_cache {
  int64_t most, bytes, clock, looked, hits; /* hits: results that were found */
  mpt_cached **results;                     /* [count] */
  int64_t count, capacity;
} mpt_cache;

void mpt_cache_release(mpt_cache *cache);

/* A result that is being made; takes `datasets` over. NULL when memory is out. */
mpt_cached *mpt_cache_begin(mpt_cache *cache, char *datasets);

/* A new piece of it with room for its report, or NULL when there is no room; later pieces are not
 * taken either then. */
mpt_cache_entry *mpt_cache_add(mpt_cache *cache, mpt_cached *cached, const mpt_cache_entry *place);

/* A copy of `bytes` from data as a quantity of the newest piece. */
void mpt_cache_copy(mpt_cache *cache, mpt_cached *cached, mpt_quantity quantity, const void *data,
                    size_t bytes);

/* The result is complete in the file `path`, in the place of any other that had this path or file;
 * or, with NULL, will not be, and is dropped. */
void mpt_cache_end(mpt_cache *cache, mpt_cached *cached, const char *path,
                   const mpt_identity *file);

/* That of a file, as long as it is unchanged and of the same making, with these datasets; NULL:
 * none.
 */
mpt_cached *mpt_cache_find(mpt_cache *cache, const mpt_identity *file, const char *id,
                           const char *datasets);

/* A piece that is exactly this unit's. */
const mpt_cache_entry *mpt_cached_entry(const mpt_cached *cached, const mpt_cache_entry *place);

/* Problems in pieces of teams of one. */
int64_t mpt_cached_singles(const mpt_cached *cached);

#endif
