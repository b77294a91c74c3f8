/* The directory of a service. Rank 0 accepts requests; the rank that has served one answers it.
 *
 *   inbox/NAME.yaml    a request, put there by rename
 *   work/NAME.yaml     accepted: moved here by rename, until it has been answered
 *   done/, failed/     answers, put there by rename
 *   stop               ends the service
 *   status.json        what it is doing
 *   work/.suspect      the request that is served alone, since a service ended in the middle of it
 *   work/.crashed      a rank had a fault
 *   lock               held by the service that runs
 *
 * A request is in one of inbox, work and an answer's directory at any time, so that a service that
 * was killed loses none. An answer in done or failed beside a request in work means that the
 * request had been answered when the service died. */
#ifndef MPT_SPOOL_H
#define MPT_SPOOL_H

#include "base/base.h"

typedef struct mpt_spool {
  char *path; /* absolute */
  int lock, watch;
  bool shared; /* other users' requests are served, too */
} mpt_spool;

/* Makes the directories that are missing and takes the lock. Refuses a spool that other users can
 * write to, unless `shared`. */
mpt_code mpt_spool_open(const char *path, bool shared, mpt_spool *spool, mpt_error *error);
void mpt_spool_close(mpt_spool *spool);

/* Another rank's part in a spool that rank 0 has opened; path NULL: none. */
mpt_code mpt_spool_join(const char *path, mpt_spool *spool, mpt_error *error);

/* Requests by their file names, NULL-terminated behind `count`; the caller frees the list. */
typedef struct mpt_requests {
  char **names;
  int64_t count;
} mpt_requests;
void mpt_requests_release(mpt_requests *requests);

/* Those in the inbox, in order of arrival; those left in work by an earlier service, without the
 * ones that it had answered, which go. */
mpt_requests mpt_spool_waiting(const mpt_spool *spool);
mpt_requests mpt_spool_left(const mpt_spool *spool);

/* The request of an earlier service that is being served now, alone: how many services have ended
 * in the middle of it so far, by what they left. NULL: it has been served. */
void mpt_spool_suspect(const mpt_spool *spool, const char *name, int endings);

/* What an earlier service left of that: the name, for the caller to free, NULL where there was none
 * or it is no longer in work. *crashed: a rank ended by a fault of its own, and was not killed. */
char *mpt_spool_left_suspect(const mpt_spool *spool, int *endings, bool *crashed);

/* From now on a fault of this process (SIGSEGV and the like) leaves a note in the spool. */
void mpt_spool_note_crashes(const mpt_spool *spool);

/* Whether a path is one of the service's own files, or in one of its directories. */
bool mpt_spool_owns(const mpt_spool *spool, const char *path);

/* Moves a request to work; false when it has gone meanwhile. */
bool mpt_spool_accept(const mpt_spool *spool, const char *name);

/* The text of an accepted request; the caller frees it. */
mpt_code mpt_spool_read(const mpt_spool *spool, const char *name, char **text, mpt_error *error);

/* Puts `text` into done or failed and takes the request out of work; false when there is no room
 * for it. */
bool mpt_spool_answer(const mpt_spool *spool, const char *name, bool done, const char *text);

/* Where no answer can be written: the request itself goes to failed, and the log says so. */
void mpt_spool_set_aside(const mpt_spool *spool, const char *name);

/* Replaces a file of the spool as a whole; false when that cannot be. */
bool mpt_spool_put(const mpt_spool *spool, const char *name, const char *text);

bool mpt_spool_stops(const mpt_spool *spool);
void mpt_spool_take_stop(const mpt_spool *spool);

/* Sleeps until something arrives in the inbox (true), a signal comes, or so much time has gone. */
bool mpt_spool_wait(const mpt_spool *spool, double seconds);

#endif
