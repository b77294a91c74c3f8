#define _GNU_SOURCE
#include "serve/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const directories[] = {"inbox", "work", "done", "failed"};
enum { INBOX, WORK, DONE, FAILED, DIRECTORIES };
_Static_assert(sizeof directories / sizeof *directories == DIRECTORIES, "a directory has no name");
static const char *const own_files[] = {"stop", "status.json", "lock"};
static const char half[] = ".put-";
static const int64_t largest_request = INT64_C(1) << 20;

/* "SPOOL/directory/name" */
static char *path_in(const mpt_spool *s, int directory, const char *name) {
  return mpt_format("%s/%s/%s", s->path, directories[directory], name);
}

/* Whether a name consists of letters, digits and "._-", is not hidden, and ends with .yaml. */
static bool is_request(const char *name) {
  const size_t length = strlen(name);
  const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return length > 5 && name[0] != '.' && !strcmp(name + length - 5, ".yaml") &&
         strspn(name, allowed) == length;
}

static mpt_code refuse(const char *path, const char *why, const char *mend, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE, "cannot serve '%s': %s (%s)", path, why, mend);
}

static mpt_code check_directory(const char *path, bool shared, mpt_error *error) {
  struct stat info;
  if (mkdir(path, 0700) && errno != EEXIST)
    return refuse(path, strerror(errno), "name a directory that can be made", error);
  if (stat(path, &info) || !S_ISDIR(info.st_mode))
    return refuse(path, "it is no directory", "name one", error);
  if (access(path, R_OK | W_OK | X_OK))
    return refuse(path, strerror(errno), "check its permissions", error);
  if (!shared && (info.st_uid != geteuid() || info.st_mode & (S_IWGRP | S_IWOTH)))
    return refuse(path, "other users can write there, and so can have anything read and written",
                  "chmod go-w, or give --shared when that is meant", error);
  return MPT_DONE;
}

static mpt_code take_lock(mpt_spool *s, mpt_error *error) {
  char *path = mpt_format("%s/lock", s->path);
  s->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  const bool held = s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0;
  free(path);
  if (held) return MPT_DONE;
  if (s->lock >= 0 && errno == EWOULDBLOCK)
    return refuse(s->path, "another service runs there", "stop that one, or use it", error);
  return refuse(s->path, strerror(errno), "check its permissions", error);
}

/* Watches the inbox. Without inotify, waiting ranks look now and then, which is enough. */
static void watch_inbox(mpt_spool *s) {
  char *inbox = path_in(s, INBOX, "");
  s->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inbox && s->watch >= 0) inotify_add_watch(s->watch, inbox, IN_MOVED_TO | IN_CLOSE_WRITE);
  free(inbox);
}

mpt_code mpt_spool_join(const char *path, mpt_spool *s, mpt_error *error) {
  *s = (mpt_spool){.lock = -1, .watch = -1, .path = mpt_format("%s", path)};
  if (!s->path) return mpt_no_memory("serve", error);
  watch_inbox(s);
  return MPT_DONE;
}

mpt_code mpt_spool_open(const char *path, bool shared, mpt_spool *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *s = (mpt_spool){.lock = -1, .watch = -1, .shared = shared};
  TRY(check_directory(path, shared, error));
  s->path = realpath(path, NULL);
  if (!s->path) TRY(refuse(path, strerror(errno), "name a directory", error));
  for (int d = 0; d < DIRECTORIES; d++) {
    char *inner = mpt_format("%s/%s", s->path, directories[d]);
    if (!inner) TRY(mpt_no_memory("serve", error));
    code = check_directory(inner, shared, error);
    free(inner);
    if (code != MPT_DONE) goto done;
  }
  TRY(take_lock(s, error));
  watch_inbox(s);
  if (s->watch >= 0) inotify_add_watch(s->watch, s->path, IN_MOVED_TO | IN_CREATE);
  mpt_spool_take_stop(s); /* left from an earlier service */
done:
  if (code != MPT_DONE) mpt_spool_close(s);
  return code;
}

void mpt_spool_close(mpt_spool *s) {
  if (s->watch >= 0) close(s->watch);
  if (s->lock >= 0) close(s->lock);
  free(s->path);
  *s = (mpt_spool){.lock = -1, .watch = -1};
}

void mpt_requests_release(mpt_requests *r) {
  for (int64_t k = 0; k < r->count; k++) free(r->names[k]);
  free(r->names);
  *r = (mpt_requests){0};
}

/* A request and its time of arrival: a rename sets ctime. */
typedef struct arrival {
  struct timespec time;
  char *name;
} arrival;

static int earlier(const void *left, const void *right) {
  const arrival *a = left, *b = right;
  if (a->time.tv_sec != b->time.tv_sec) return a->time.tv_sec < b->time.tv_sec ? -1 : 1;
  if (a->time.tv_nsec != b->time.tv_nsec) return a->time.tv_nsec < b->time.tv_nsec ? -1 : 1;
  return strcmp(a->name, b->name);
}

static mpt_requests list(const mpt_spool *s, int directory) {
  mpt_requests out = {0};
  arrival *found = NULL;
  int64_t count = 0, room = 0;
  char *path = path_in(s, directory, "");
  DIR *entries = path ? opendir(path) : NULL;
  for (struct dirent *e; entries && (e = readdir(entries));) {
    struct stat info;
    if (!is_request(e->d_name) || fstatat(dirfd(entries), e->d_name, &info, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(info.st_mode))
      continue;
    if (count == room) {
      arrival *grown = realloc(found, sizeof *found * (size_t)(room = 2 * room + 64));
      if (!grown) break; /* the others are found at the next look */
      found = grown;
    }
    found[count] = (arrival){info.st_ctim, mpt_format("%s", e->d_name)};
    if (!found[count].name) break;
    count++;
  }
  if (entries) closedir(entries);
  free(path);
  if (count) qsort(found, (size_t)count, sizeof *found, earlier);
  out.names = mpt_alloc(count + 1, sizeof *out.names);
  for (int64_t k = 0; k < count; k++)
    if (out.names)
      out.names[out.count++] = found[k].name;
    else
      free(found[k].name);
  free(found);
  return out;
}

mpt_requests mpt_spool_waiting(const mpt_spool *s) {
  return list(s, INBOX);
}

static bool exists(const mpt_spool *s, int directory, const char *name) {
  char *path = path_in(s, directory, name);
  const bool there = path && access(path, F_OK) == 0;
  free(path);
  return there;
}

static void take_away(const mpt_spool *s, int directory, const char *name) {
  char *path = path_in(s, directory, name);
  if (path) unlink(path);
  free(path);
}

/* Removes drafts of answers and statuses that a killed service left. */
static void remove_halves(const mpt_spool *s) {
  char *path = path_in(s, WORK, "");
  DIR *entries = path ? opendir(path) : NULL;
  for (struct dirent *e; entries && (e = readdir(entries));)
    if (!strncmp(e->d_name, half, sizeof half - 1)) unlinkat(dirfd(entries), e->d_name, 0);
  if (entries) closedir(entries);
  free(path);
}

mpt_requests mpt_spool_left(const mpt_spool *s) {
  mpt_requests all = list(s, WORK), left = all;
  left.count = 0;
  remove_halves(s);
  for (int64_t k = 0; k < all.count; k++)
    if (exists(s, DONE, all.names[k]) || exists(s, FAILED, all.names[k])) {
      take_away(s, WORK, all.names[k]);
      free(all.names[k]);
    } else {
      left.names[left.count++] = all.names[k];
    }
  return left;
}

static bool move(const mpt_spool *s, int from, int to, const char *name) {
  char *old = path_in(s, from, name), *new = path_in(s, to, name);
  const bool moved = old && new &&rename(old, new) == 0;
  free(old);
  free(new);
  return moved;
}

bool mpt_spool_accept(const mpt_spool *s, const char *name) {
  take_away(s, DONE, name); /* an answer to an earlier request with this name */
  take_away(s, FAILED, name);
  return move(s, INBOX, WORK, name);
}

bool mpt_spool_owns(const mpt_spool *s, const char *path) {
  const size_t length = strlen(s->path);
  if (strncmp(path, s->path, length) || path[length] != '/') return false;
  const char *rest = path + length + 1, *slash = strchr(rest, '/');
  for (size_t k = 0; k < sizeof own_files / sizeof *own_files && !slash; k++)
    if (!strcmp(rest, own_files[k])) return true;
  for (int d = 0; d < DIRECTORIES; d++)
    if (slash ? !strncmp(rest, directories[d], (size_t)(slash - rest)) &&
                    !directories[d][slash - rest]
              : !strcmp(rest, directories[d]))
      return true;
  return false;
}

/* Accepts only requests of the spool's owner: through others, users could have files read and
 * written to which they have no access. */
static mpt_code check_owner(const mpt_spool *s, const char *name, int file, mpt_error *error) {
  struct stat about;
  if (s->shared || file < 0 || fstat(file, &about) || about.st_uid == geteuid()) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot serve request '%s': it belongs to user %lld and this spool to user %lld "
                  "(give serve --shared when that is meant)",
                  name, (long long)about.st_uid, (long long)geteuid());
}

/* Reads up to `most` bytes; a single read may return fewer. */
static ssize_t read_all(int file, char *out, size_t most) {
  size_t length = 0;
  for (ssize_t got = 1; got > 0 && length < most; length += (size_t)got) {
    got = read(file, out + length, most - length);
    if (got < 0) return -1;
  }
  return (ssize_t)length;
}

mpt_code mpt_spool_read(const mpt_spool *s, const char *name, char **text, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *path = path_in(s, WORK, name);
  int file = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
  ssize_t length = -1;
  *text = NULL;
  TRY(check_owner(s, name, file, error));
  TRY(mpt_allocate(text, largest_request + 2, 1, "a request", error));
  if (file >= 0) length = read_all(file, *text, (size_t)largest_request + 1);
  if (length < 0)
    code = mpt_fail(error, MPT_BAD_USAGE, "cannot read request '%s': %s (check its permissions)",
                    name, strerror(errno));
  else if (length > largest_request)
    code = mpt_fail(error, MPT_BAD_USAGE,
                    "cannot read request '%s': it is larger than 1 MiB (is it a YAML file?)", name);
  else if (memchr(*text, 0, (size_t)length))
    code = mpt_fail(error, MPT_BAD_USAGE,
                    "cannot read request '%s': it holds a zero byte (is it a YAML file?)", name);
done:
  if (file >= 0) close(file);
  free(path);
  return code;
}

/* Writes a hidden file and renames it. The hidden name is a number: the longest possible name could
 * not take a dot in front. */
static bool put(const mpt_spool *s, const char *path, const char *text) {
  uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) < 0) number = (uint64_t)getpid();
  char *hidden =
      mpt_format("%s/%s/.put-%016llx", s->path, directories[WORK], (unsigned long long)number);
  FILE *file = hidden && path ? fopen(hidden, "wx") : NULL;
  bool written = file && fputs(text, file) >= 0;
  if (file) written = fclose(file) == 0 && written;
  written = written && rename(hidden, path) == 0;
  if (file && !written) unlink(hidden);
  free(hidden);
  return written;
}

bool mpt_spool_answer(const mpt_spool *s, const char *name, bool done, const char *text) {
  char *path = path_in(s, done ? DONE : FAILED, name);
  const bool written = put(s, path, text);
  free(path);
  if (written) take_away(s, WORK, name);
  return written;
}

void mpt_spool_set_aside(const mpt_spool *s, const char *name) {
  const bool heard = mpt_log_is_heard(), moved = move(s, WORK, FAILED, name);
  const int reason = errno;
  mpt_log_speaks(true);
  if (moved)
    mpt_warn("request %s went to failed/ without its outcome, which could not be written (free "
             "space; its output.file tells)",
             name);
  else
    mpt_warn("request %s stays in work/, neither it nor its outcome could be put anywhere: %s "
             "(free space; the next service answers it)",
             name, strerror(reason));
  mpt_log_speaks(heard);
}

bool mpt_spool_put(const mpt_spool *s, const char *name, const char *text) {
  char *path = mpt_format("%s/%s", s->path, name);
  const bool written = put(s, path, text);
  free(path);
  return written;
}

bool mpt_spool_stops(const mpt_spool *s) {
  char *path = mpt_format("%s/stop", s->path);
  const bool there = path && access(path, F_OK) == 0;
  free(path);
  return there;
}

void mpt_spool_take_stop(const mpt_spool *s) {
  char *path = mpt_format("%s/stop", s->path);
  if (path) unlink(path);
  free(path);
}

bool mpt_spool_wait(const mpt_spool *s, double seconds) {
  char events[4096];
  struct pollfd watch = {.fd = s->watch, .events = POLLIN};
  const struct timespec time = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
  if (ppoll(&watch, s->watch >= 0, &time, NULL) <= 0) return false;
  while (read(s->watch, events, sizeof events) > 0) continue;
  return true;
}
