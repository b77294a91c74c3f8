/* Detects changes of a file while it is read. Writing to a file changes its size or its time of
 * change before a reader can see anything of it; where a clock ticks too slowly to tell (the file
 * was written just before it was opened), its content is hashed at both ends. Not collective. */
#ifndef MPT_WATCH_H
#define MPT_WATCH_H

#include "store/input.h"

typedef struct mpt_watch {
  const char *what, *name; /* "input", and its path; the caller's */
  int file;                /* HDF5's own descriptor; -1: it has none, and nothing is seen */
  mpt_identity first;
  bool settled, hashed; /* settled: any change shows in the times */
  uint64_t hash; /* mpt_fingerprint's, where the user of the watch knows it or it is needed */
} mpt_watch;

/* Right after `file` was opened, before anything is taken from it. */
void mpt_watch_begin(mpt_watch *watch, hid_t file, const char *what, const char *name);

/* For the rank that looks at the end, before elements are read: the content of a file whose times
 * do not tell of every change. */
void mpt_watch_hash(mpt_watch *watch);

/* MPT_BAD_INPUT when the file was changed since, so that what was just read may not be the file's:
 * cheap, for after each reading. */
mpt_code mpt_watch_look(const mpt_watch *watch, mpt_error *error);

/* For one rank, at the end: also whether another file stands at the path. *doubt is set when
 * earlier reads may not match the file. */
mpt_code mpt_watch_end(const mpt_watch *watch, bool *doubt, mpt_error *error);

#endif
