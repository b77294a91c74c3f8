/* One job at a time writes a result. The lock is a file beside it, RESULT.lock, that every rank of
 * the job holds by flock() from before the result is looked at until after it is closed: the system
 * lets go when the last of them ends, however it ends, so that no stale lock blocks. The file says
 * who holds it, and names the file that a killed job left half made. */
#ifndef MPT_LOCK_H
#define MPT_LOCK_H

#include "base/base.h"

typedef struct mpt_lock {
  char *path;
  char *draft;  /* the first rank's: for a new file before it takes the result's place */
  int file;     /* -1: not held */
  int refused;  /* why it could not be made (errno): the directory cannot be written to */
  bool useless; /* the file system knows no locks */
} mpt_lock;

/* For the job's first rank; `shared` when others join. MPT_BAD_OUTPUT when another job holds it,
 * which is named, or when it cannot be had. A file system without locks is warned of. */
mpt_code mpt_lock_take(const char *output, bool shared, mpt_lock *lock, mpt_error *error);

/* For the others, while the first holds it. */
mpt_code mpt_lock_join(const char *output, mpt_lock *lock, mpt_error *error);

/* True as long as the file at its path is the one that was locked: on a file system whose locks do
 * not reach other hosts, another job's is seen by this. */
bool mpt_lock_stands(const mpt_lock *lock);

/* Lets go; the first rank removes the file, when no other one writes any more. */
void mpt_lock_release(mpt_lock *lock, bool remove);

#endif
