/* Results kept in memory for later jobs that differentiate them (gradient.eigenpairs). Each rank
 * keeps what its own units produced. The cache is bounded in bytes, and in the number of results,
 * so that a service does not grow with the requests that it has answered. The least recently used
 * results go first, and results whose file is gone. Nothing is collective: a rank may lack what
 * others have. */
#ifndef MPT_CACHE_H
#define MPT_CACHE_H

#include <multiplet/eigh.h>
#include "store/result.h"

/* One unit's part of a result on one rank. */
typedef struct mpt_cache_entry {
  int64_t dataset, first, count, row0, rows;
  int ranks;                      /* of its team */
  void *data[MPT_QUANTITY_COUNT]; /* by quantity; NULL: not kept */
  mpt_report *report;             /* [count] */
  struct mpt_cache_entry *next;
} mpt_cache_entry;

/* One result. */
typedef struct mpt_cached {
  char *path;
  char *datasets;           /* the paths by number, and which triangle was read */
  mpt_identity file, input; /* when the result was complete; when it was begun */
  char id[17];          /* the file's result_id: a new result at the same path has another one */
  bool input_settled;   /* equal identities mean equal content */
  char fingerprint[17]; /* of the input */
  mpt_cache_entry *entries; /* latest first */
  int64_t bytes, used;      /* larger `used` is later */
  bool overflowed;
} mpt_cached;

/* Start it with {.most = bytes}. */
typedef struct mpt_cache {
  int64_t most, bytes, clock, looked, hits; /* hits: results that were found */
  mpt_cached **results;                     /* [count] */
  int64_t count, capacity;
} mpt_cache;

void mpt_cache_release(mpt_cache *cache);

/* Begins a result; takes `datasets` over. NULL when memory is out. */
mpt_cached *mpt_cache_begin(mpt_cache *cache, char *datasets);

/* A new piece of the result with room for its report. NULL when there is no room; then later pieces
 * are refused too. */
mpt_cache_entry *mpt_cache_add(mpt_cache *cache, mpt_cached *cached, const mpt_cache_entry *place);

/* Copies `bytes` from data into the newest piece as this quantity. */
void mpt_cache_copy(mpt_cache *cache, mpt_cached *cached, mpt_quantity quantity, const void *data,
                    size_t bytes);

/* Ends a result that is complete in the file `path`; it replaces any other result with this path or
 * file. With path NULL the result is not complete, and is dropped. */
void mpt_cache_end(mpt_cache *cache, mpt_cached *cached, const char *path,
                   const mpt_identity *file);

/* The result of this file, if the file is unchanged and has this result_id and these datasets;
 * NULL: none. */
mpt_cached *mpt_cache_find(mpt_cache *cache, const mpt_identity *file, const char *id,
                           const char *datasets);

/* The piece that is exactly this unit's; NULL: none. */
const mpt_cache_entry *mpt_cached_entry(const mpt_cached *cached, const mpt_cache_entry *place);

/* The number of problems in pieces of teams of one. */
int64_t mpt_cached_singles(const mpt_cached *cached);

#endif
