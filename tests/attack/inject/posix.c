/* Files that cannot be opened, read, written, synchronised, closed, renamed: those under the
 * directory INJECT_UNDER, whoever calls (HDF5, MPI-IO, libc's streams where they are opened and
 * closed). INJECT_SHORT=1: reads and writes do half of what they should instead of failing.
 * INJECT_DELAY=SECONDS: nothing fails, writes and synchronisations take so much longer. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 4096 };
static const char *under;
static bool halves, ours[MOST_FILES];
static double delay;

__attribute__((constructor)) static void prepare(void) {
  const char *wait = getenv("INJECT_DELAY");
  under = getenv("INJECT_UNDER");
  halves = getenv("INJECT_SHORT") != NULL;
  delay = wait ? atof(wait) : 0;
}

static bool is_under(const char *path) {
  return under && path && !strncmp(path, under, strlen(under));
}

static bool is_ours(int file) {
  return file >= 0 && file < MOST_FILES && ours[file];
}

static void take(int file, bool value) {
  if (file >= 0 && file < MOST_FILES) ours[file] = value;
}

static void wait_if_slow(bool concerned) {
  const struct timespec time = {(time_t)delay, (long)((delay - (double)(time_t)delay) * 1e9)};
  if (concerned && delay > 0) nanosleep(&time, NULL);
}

static bool fails(bool concerned, const char *name, int otherwise, const void *caller) {
  if (!concerned || delay > 0 || !inject_fails(name, caller)) return false;
  errno = inject_errno(otherwise);
  return true;
}

#define REAL(name)                                                                                 \
  static __typeof__(name) *real;                                                                   \
  inject_find(&real, #name)

#define ON_PATH(type, name, parameters, path, otherwise, arguments)                                \
  INJECT_EXPORT type name parameters {                                                             \
    REAL(name);                                                                                    \
    return fails(is_under(path), #name, otherwise, INJECT_CALLER) ? -1 : real arguments;           \
  }

#define ON_FILE(type, name, parameters, file, otherwise, arguments)                                \
  INJECT_EXPORT type name parameters {                                                             \
    REAL(name);                                                                                    \
    return fails(is_ours(file), #name, otherwise, INJECT_CALLER) ? -1 : real arguments;            \
  }

#define OPEN(name)                                                                                 \
  INJECT_EXPORT int name(const char *path, int flags, ...) {                                       \
    va_list more;                                                                                  \
    va_start(more, flags);                                                                         \
    const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;                \
    va_end(more);                                                                                  \
    REAL(name);                                                                                    \
    if (fails(is_under(path), #name, EACCES, INJECT_CALLER)) return -1;                            \
    const int file = real(path, flags, mode);                                                      \
    take(file, is_under(path));                                                                    \
    return file;                                                                                   \
  }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name)                                                                              \
  INJECT_EXPORT int name(int directory, const char *path, int flags, ...) {                        \
    va_list more;                                                                                  \
    va_start(more, flags);                                                                         \
    const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;                \
    va_end(more);                                                                                  \
    REAL(name);                                                                                    \
    const bool concerned = is_under(path) || (path[0] != '/' && is_ours(directory));               \
    if (fails(concerned, #name, EACCES, INJECT_CALLER)) return -1;                                 \
    const int file = real(directory, path, flags, mode);                                           \
    take(file, concerned);                                                                         \
    return file;                                                                                   \
  }
OPEN_AT(openat)
OPEN_AT(openat64)

/* A file that failed to close is closed all the same. */
INJECT_EXPORT int close(int file) {
  REAL(close);
  const bool failed = fails(is_ours(file), "close", EIO, INJECT_CALLER);
  const int reason = errno;
  take(file, false);
  const int done = real(file);
  if (!failed) return done;
  errno = reason;
  return -1;
}

#define MOVE(name, writes, parameters, otherwise, whole, half)                                     \
  INJECT_EXPORT ssize_t name parameters {                                                          \
    REAL(name);                                                                                    \
    wait_if_slow(writes &&is_ours(file));                                                          \
    if (!fails(is_ours(file), #name, otherwise, INJECT_CALLER)) return real whole;                 \
    return halves && bytes > 1 ? real half : -1;                                                   \
  }
MOVE(read, false, (int file, void *to, size_t bytes), EIO, (file, to, bytes), (file, to, bytes / 2))
MOVE(pread, false, (int file, void *to, size_t bytes, off_t at), EIO, (file, to, bytes, at),
     (file, to, bytes / 2, at))
MOVE(pread64, false, (int file, void *to, size_t bytes, off64_t at), EIO, (file, to, bytes, at),
     (file, to, bytes / 2, at))
MOVE(write, true, (int file, const void *from, size_t bytes), ENOSPC, (file, from, bytes),
     (file, from, bytes / 2))
MOVE(pwrite, true, (int file, const void *from, size_t bytes, off_t at), ENOSPC,
     (file, from, bytes, at), (file, from, bytes / 2, at))
MOVE(pwrite64, true, (int file, const void *from, size_t bytes, off64_t at), ENOSPC,
     (file, from, bytes, at), (file, from, bytes / 2, at))

#define SYNC(name)                                                                                 \
  INJECT_EXPORT int name(int file) {                                                               \
    REAL(name);                                                                                    \
    wait_if_slow(is_ours(file));                                                                   \
    return fails(is_ours(file), #name, EIO, INJECT_CALLER) ? -1 : real(file);                      \
  }
SYNC(fsync)
SYNC(fdatasync)

ON_FILE(int, ftruncate, (int file, off_t length), file, ENOSPC, (file, length))
ON_FILE(int, ftruncate64, (int file, off64_t length), file, ENOSPC, (file, length))
ON_FILE(int, fallocate, (int file, int mode, off_t at, off_t length), file, ENOSPC,
        (file, mode, at, length))
ON_FILE(int, fallocate64, (int file, int mode, off64_t at, off64_t length), file, ENOSPC,
        (file, mode, at, length))
ON_FILE(off_t, lseek, (int file, off_t at, int from), file, EIO, (file, at, from))
ON_FILE(off64_t, lseek64, (int file, off64_t at, int from), file, EIO, (file, at, from))
ON_FILE(int, fstat, (int file, struct stat *out), file, EIO, (file, out))
ON_FILE(int, fstat64, (int file, struct stat64 *out), file, EIO, (file, out))
ON_FILE(int, fstatvfs, (int file, struct statvfs *out), file, EIO, (file, out))
ON_FILE(int, fstatvfs64, (int file, struct statvfs64 *out), file, EIO, (file, out))
ON_FILE(int, flock, (int file, int how), file, ENOLCK, (file, how))
ON_PATH(int, stat, (const char *path, struct stat *out), path, EIO, (path, out))
ON_PATH(int, stat64, (const char *path, struct stat64 *out), path, EIO, (path, out))
ON_PATH(int, lstat, (const char *path, struct stat *out), path, EIO, (path, out))
ON_PATH(int, lstat64, (const char *path, struct stat64 *out), path, EIO, (path, out))
ON_PATH(int, statvfs, (const char *path, struct statvfs *out), path, EIO, (path, out))
ON_PATH(int, access, (const char *path, int how), path, EIO, (path, how))
ON_PATH(int, mkdir, (const char *path, mode_t mode), path, EACCES, (path, mode))
ON_PATH(int, rename, (const char *from, const char *to), from, EACCES, (from, to))
ON_PATH(int, link, (const char *from, const char *to), from, EACCES, (from, to))
ON_PATH(int, unlink, (const char *path), path, EACCES, (path))

INJECT_EXPORT int fstatat(int directory, const char *path, struct stat *out, int flags) {
  REAL(fstatat);
  const bool concerned = is_under(path) || (path[0] != '/' && is_ours(directory));
  return fails(concerned, "fstatat", EIO, INJECT_CALLER) ? -1 : real(directory, path, out, flags);
}

/* Of fcntl only locks. */
#define FCNTL(name)                                                                                \
  INJECT_EXPORT int name(int file, int command, ...) {                                             \
    va_list more;                                                                                  \
    va_start(more, command);                                                                       \
    void *argument = va_arg(more, void *);                                                         \
    va_end(more);                                                                                  \
    REAL(name);                                                                                    \
    const bool locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||      \
                       command == F_OFD_SETLKW;                                                    \
    return fails(locks && is_ours(file), #name, ENOLCK, INJECT_CALLER)                             \
               ? -1                                                                                \
               : real(file, command, argument);                                                    \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

INJECT_EXPORT DIR *opendir(const char *path) {
  REAL(opendir);
  DIR *entries = fails(is_under(path), "opendir", EACCES, INJECT_CALLER) ? NULL : real(path);
  if (entries) take(dirfd(entries), is_under(path));
  return entries;
}

INJECT_EXPORT int closedir(DIR *entries) {
  REAL(closedir);
  take(dirfd(entries), false);
  return real(entries);
}

#define STREAM(name)                                                                               \
  INJECT_EXPORT FILE *name(const char *path, const char *mode) {                                   \
    REAL(name);                                                                                    \
    FILE *stream = fails(is_under(path), #name, EACCES, INJECT_CALLER) ? NULL : real(path, mode);  \
    if (stream) take(fileno(stream), is_under(path));                                              \
    return stream;                                                                                 \
  }
STREAM(fopen)
STREAM(fopen64)

/* What a stream holds may not have been written when its closing fails. */
INJECT_EXPORT int fclose(FILE *stream) {
  REAL(fclose);
  const int file = fileno(stream);
  const bool failed = fails(is_ours(file), "fclose", ENOSPC, INJECT_CALLER);
  const int reason = errno;
  take(file, false);
  const int done = real(stream);
  if (!failed) return done;
  errno = reason;
  return EOF;
}
