/* Detects changes of a file while it is read. A write to a file changes its size or its time of
 * change before a reader can see any of it. Where the file was written just before it was opened,
 * the clock may tick too slowly to show a change; then the content is hashed at the beginning and
 * at the end. Not collective. */
#ifndef MPT_WATCH_H
#define MPT_WATCH_H

#include "store/input.h"

typedef struct mpt_watch {
  const char *what, *name; /* "input", and its path; both belong to the caller */
  int file;                /* HDF5's own descriptor; -1: there is none, and no change is detected */
  mpt_identity first;
  bool settled, hashed; /* settled: any change shows in the times */
  uint64_t hash;        /* mpt_fingerprint's, if the watch's user knows it or it is needed */
} mpt_watch;

/* Call right after `file` was opened, before anything is read from it. */
void mpt_watch_begin(mpt_watch *watch, hid_t file, const char *what, const char *name);

/* For the rank that will call mpt_watch_end, before elements are read: hashes the content of a file
 * whose times may not show every change. */
void mpt_watch_hash(mpt_watch *watch);

/* MPT_BAD_INPUT when the file has changed, so that what was just read may not be the file's
 * content. Cheap: for after each reading. */
mpt_code mpt_watch_look(const mpt_watch *watch, mpt_error *error);

/* For one rank, at the end: also checks whether another file is at the path now. *doubt is set when
 * earlier reads may not match the file. */
mpt_code mpt_watch_end(const mpt_watch *watch, bool *doubt, mpt_error *error);

#endif
