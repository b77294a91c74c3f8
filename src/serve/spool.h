/* The directory of a service. Rank 0 accepts requests; the rank that has served a request answers
 * it.
 *
 *   inbox/NAME.yaml    a request, put there by rename
 *   work/NAME.yaml     accepted: moved here by rename, until it has been answered
 *   done/, failed/     answers, put there by rename
 *   stop               ends the service
 *   status.json        what the service is doing
 *   work/.suspect      the request that is served alone because a service ended during it
 *   work/.crashed      a rank crashed
 *   lock               held by the running service
 *
 * At any time a request is in one of inbox, work and an answer's directory, so that a killed
 * service loses none. An answer in done or failed beside a request in work means that the request
 * had been answered when the service died. */
#ifndef MPT_SPOOL_H
#define MPT_SPOOL_H

#include "base/base.h"

typedef struct mpt_spool {
  char *path; /* absolute */
  int lock, watch;
  bool shared; /* requests of other users are served, too */
} mpt_spool;

/* Creates the directories that are missing and takes the lock. Refuses a spool that other users can
 * write to, unless `shared`. */
mpt_code mpt_spool_open(const char *path, bool shared, mpt_spool *spool, mpt_error *error);
void mpt_spool_close(mpt_spool *spool);

/* Opens a spool that rank 0 has opened, on another rank; path NULL: none. */
mpt_code mpt_spool_join(const char *path, mpt_spool *spool, mpt_error *error);

/* Requests by their file names, with a NULL after the last. The caller frees the list. */
typedef struct mpt_requests {
  char **names;
  int64_t count;
} mpt_requests;
void mpt_requests_release(mpt_requests *requests);

/* The first lists the requests in the inbox, in order of arrival. The second lists those that an
 * earlier service left in work; those that it had answered are removed. */
mpt_requests mpt_spool_waiting(const mpt_spool *spool);
mpt_requests mpt_spool_left(const mpt_spool *spool);

/* Notes that a request of an earlier service is now being served alone, and how many services have
 * ended during it so far. NULL: it has been served. */
void mpt_spool_suspect(const mpt_spool *spool, const char *name, int endings);

/* The name in that note of an earlier service, for the caller to free; NULL where there is no note
 * or the request is no longer in work. *crashed: a rank crashed, and was not killed. */
char *mpt_spool_left_suspect(const mpt_spool *spool, int *endings, bool *crashed);

/* From now on, a crash of this process (SIGSEGV and the like) leaves a note in the spool. */
void mpt_spool_note_crashes(const mpt_spool *spool);

/* Whether a path is one of the service's own files or in one of its directories. */
bool mpt_spool_owns(const mpt_spool *spool, const char *path);

/* Moves a request to work; false when it is no longer there. */
bool mpt_spool_accept(const mpt_spool *spool, const char *name);

/* The text of an accepted request; the caller frees it. */
mpt_code mpt_spool_read(const mpt_spool *spool, const char *name, char **text, mpt_error *error);

/* Puts `text` into done or failed and removes the request from work; false when there is no room on
 * the disk. */
bool mpt_spool_answer(const mpt_spool *spool, const char *name, bool done, const char *text);

/* For a request whose answer cannot be written: moves the request itself to failed, and logs
 * this. */
void mpt_spool_set_aside(const mpt_spool *spool, const char *name);

/* Replaces a file of the spool atomically; false on failure. */
bool mpt_spool_put(const mpt_spool *spool, const char *name, const char *text);

bool mpt_spool_stops(const mpt_spool *spool);
void mpt_spool_take_stop(const mpt_spool *spool);

/* Sleeps until something arrives in the inbox (true), a signal comes, or the time is over. */
bool mpt_spool_wait(const mpt_spool *spool, double seconds);

#endif
