#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "store/destination.h"

enum { TRIES = 100, HOLDER = 8192 }; /* a path has up to 4096 bytes */
static const char header[] = "lock of a multiplet job\n", draft_line[] = "making ";

/* Whether the locked file is the one that the path names now, and not one that its holder has just
 * removed. */
static bool is_current(int file, const char *path) {
  struct stat mine, there;
  return !fstat(file, &mine) && !lstat(path, &there) && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

static void read_text(int file, char text[HOLDER]) {
  const ssize_t got = pread(file, text, HOLDER - 1, 0);
  text[got > 0 ? got : 0] = 0;
}

static void describe_self(const char *draft, char text[HOLDER]) {
  char host[256] = "", since[32];
  const time_t now = time(NULL);
  gethostname(host, sizeof host - 1);
  strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  snprintf(text, HOLDER, "%sprocess %lld on %s since %s\n%s%s\n", header, (long long)getpid(), host,
           since, draft_line, draft ? draft : "");
}

/* The error that names the holder; the name appears in the file a moment after the lock. */
static mpt_code held_by_another(const char *output, int file, mpt_error *error) {
  char text[HOLDER];
  for (int k = 0; k < TRIES; k++) {
    read_text(file, text);
    if (!strncmp(text, header, sizeof header - 1) && strchr(text + sizeof header - 1, '\n')) break;
    usleep(2000);
  }
  char *holder = strncmp(text, header, sizeof header - 1) ? text : text + sizeof header - 1;
  holder[strcspn(holder, "\n")] = 0;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': another job is writing it, %s (wait for it, or name "
                  "another output.file)",
                  output, *holder ? holder : "which has not said its name");
}

static mpt_code cannot_lock(const char *output, const char *path, int reason, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': its lock '%s' cannot be taken: %s (check the "
                  "directory's permissions and space)",
                  output, path, strerror(reason));
}

static bool knows_no_locks(int reason) {
  return reason == ENOLCK || reason == ENOSYS || reason == EOPNOTSUPP || reason == EINVAL;
}

/* Whether it is a file of another program that has this name by chance; it is left alone. */
static bool is_foreign(int file) {
  char text[HOLDER];
  struct stat about;
  if (fstat(file, &about) || !S_ISREG(about.st_mode)) return true;
  read_text(file, text);
  const size_t length = strlen(text), compared = sizeof header - 1;
  return about.st_size > 0 && strncmp(text, header, length < compared ? length : compared);
}

static int open_lock(const char *path, int create) {
  return open(path, O_RDWR | create | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
}

/* Removes the draft that the last holder was making when it was killed. */
static void remove_left_draft(const char *output, int file) {
  char text[HOLDER];
  read_text(file, text);
  char *line = strstr(text, draft_line);
  if (!line) return;
  line += sizeof draft_line - 1;
  line[strcspn(line, "\n")] = 0;
  mpt_destination_remove_draft(output, line);
}

static void write_holder(const mpt_lock *lock) {
  char text[HOLDER];
  describe_self(lock->draft, text);
  const ssize_t length = (ssize_t)strlen(text);
  if (ftruncate(lock->file, 0) || pwrite(lock->file, text, (size_t)length, 0) != length)
    mpt_warn("a lock does not say who holds it: %s", strerror(errno));
}

/* Tries once. lock->file stays -1 when the last holder has removed the file in the meantime. */
static mpt_code try_to_take(const char *output, mpt_lock *lock, mpt_error *error) {
  const int file = lock->file = open_lock(lock->path, O_CREAT);
  if (file < 0) {
    lock->refused = errno;
    return cannot_lock(output, lock->path, errno, error);
  }
  if (is_foreign(file))
    return mpt_fail(error, MPT_BAD_OUTPUT,
                    "cannot write result '%s': '%s', which would lock it, is another file (name "
                    "another output.file, or move that file)",
                    output, lock->path);
  if (flock(file, LOCK_EX | LOCK_NB)) {
    if (errno == EWOULDBLOCK) return held_by_another(output, file, error);
    lock->useless = knows_no_locks(errno);
    if (!lock->useless) return cannot_lock(output, lock->path, errno, error);
    mpt_warn("the file system of '%s' knows no locks: a second job on this output is seen only at "
             "the end",
             output);
  }
  if (is_current(file, lock->path)) return MPT_DONE;
  close(file);
  lock->file = -1;
  return MPT_DONE;
}

mpt_code mpt_lock_take(const char *output, bool shared, mpt_lock *lock, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *lock = (mpt_lock){
      .file = -1, .path = mpt_beside(output, ".lock"), .draft = mpt_destination_draft(output)};
  if (!lock->path || !lock->draft) return mpt_no_memory("lock the result", error);
  for (int k = 0; k < TRIES && lock->file < 0; k++) TRY(try_to_take(output, lock, error));
  if (lock->file < 0) TRY(cannot_lock(output, lock->path, EBUSY, error));
  remove_left_draft(output, lock->file);
  write_holder(lock);
  if (shared && !lock->useless && flock(lock->file, LOCK_SH | LOCK_NB))
    TRY(held_by_another(output, lock->file, error));
done:
  if (code != MPT_DONE && lock->file >= 0) close(lock->file);
  if (code != MPT_DONE) lock->file = -1;
  return code;
}

mpt_code mpt_lock_join(const char *output, mpt_lock *lock, mpt_error *error) {
  *lock = (mpt_lock){.file = -1, .path = mpt_beside(output, ".lock")};
  if (!lock->path) return mpt_no_memory("lock the result", error);
  for (int k = 0; k < TRIES && lock->file < 0; k++) { /* other hosts see a new file with a delay */
    lock->file = open_lock(lock->path, 0);
    if (lock->file < 0) usleep(20000);
  }
  if (lock->file >= 0 && !flock(lock->file, LOCK_SH | LOCK_NB)) return MPT_DONE;
  mpt_code code = cannot_lock(output, lock->path, errno, error);
  mpt_lock_release(lock, false);
  return code;
}

bool mpt_lock_stands(const mpt_lock *lock) {
  char text[HOLDER], mine[HOLDER];
  if (lock->file < 0) return true;
  if (!is_current(lock->file, lock->path)) return false;
  read_text(lock->file, text);
  describe_self(NULL, mine);
  const char *since = strstr(mine, " since ");
  return !text[0] || !since || !strncmp(text, mine, (size_t)(since - mine));
}

void mpt_lock_release(mpt_lock *lock, bool remove) {
  if (remove && lock->file >= 0 && is_current(lock->file, lock->path)) unlink(lock->path);
  if (lock->file >= 0) close(lock->file);
  free(lock->path);
  free(lock->draft);
  *lock = (mpt_lock){.file = -1};
}
