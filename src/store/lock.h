/* One job at a time writes a result. The lock is a file beside it, RESULT.lock. Every rank of the
 * job holds it by flock() from before the result is looked at until after it is closed. The system
 * releases the lock when the last rank ends, however it ends, so that no stale lock blocks. The
 * file says who holds it, and names the draft that a killed job has left. */
#ifndef MPT_LOCK_H
#define MPT_LOCK_H

#include "base/base.h"

typedef struct mpt_lock {
  char *path;
  char *draft;  /* of the first rank: the name of a new file before it is renamed to the result */
  int file;     /* -1: not held */
  int refused;  /* errno where the directory cannot be written to, so that there is no lock */
  bool useless; /* the file system has no locks */
} mpt_lock;

/* For the job's first rank; with `shared`, other ranks join. MPT_BAD_OUTPUT when another job, which
 * the message names, holds the lock, or when the lock cannot be created. Warns of a file system
 * without locks. */
mpt_code mpt_lock_take(const char *output, bool shared, mpt_lock *lock, mpt_error *error);

/* For the other ranks, while the first holds the lock. */
mpt_code mpt_lock_join(const char *output, mpt_lock *lock, mpt_error *error);

/* Whether the lock file at its path is still the one that was locked. On a file system whose locks
 * do not reach other hosts, this detects the lock of another job. */
bool mpt_lock_stands(const mpt_lock *lock);

/* Releases the lock. The first rank removes the file once no other rank writes any more. */
void mpt_lock_release(mpt_lock *lock, bool remove);

#endif
