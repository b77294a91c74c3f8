/* A preload library that records what a program does to the files of one directory, in order and
 * with the data, for tests/attack/replay.py:
 *
 *   LD_PRELOAD=librecord.so MULTIPLET_RECORD=LOG MULTIPLET_RECORD_UNDER=/directory multiplet run
 * ...
 *
 * A record is a line "OP PID INODE OFFSET LENGTH PATH", where PATH may hold no line break, followed
 * by LENGTH bytes. OP: C created, W written, T truncated or extended to OFFSET, S synced, R renamed
 * (PATH to the LENGTH bytes that follow), U unlinked, D directory synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t (*real_write)(int, const void *, size_t);

static int log_file(void) {
  static int file = -1;
  const char *name = getenv("MULTIPLET_RECORD");
  if (file < 0 && name) {
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    file = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  return file;
}

static int is_under(const char *path) {
  const char *under = getenv("MULTIPLET_RECORD_UNDER");
  return under && !strncmp(path, under, strlen(under)) && log_file() >= 0;
}

/* Under the directory, and what it is called now. */
static int path_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length > 0 ? length : 0] = 0;
  return is_under(path);
}

static unsigned long inode_of(int fd) {
  struct stat about;
  return fstat(fd, &about) ? 0 : (unsigned long)about.st_ino;
}

/* Before the call that it is about, where that has an effect; ranks take turns. */
static void record(char op, unsigned long inode, long offset, size_t length, const char *path,
                   const void *data) {
  char head[PATH_MAX + 128];
  const int saved = errno, size = snprintf(head, sizeof head, "%c %d %lu %ld %zu %s\n", op,
                                           (int)getpid(), inode, offset, length, path);
  if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
  flock(log_file(), LOCK_EX);
  if (real_write(log_file(), head, (size_t)size) != size ||
      (length && data && real_write(log_file(), data, length) != (ssize_t)length))
    abort();
  flock(log_file(), LOCK_UN);
  errno = saved;
}

#define OPEN(name, parameters, call)                                                               \
  int name parameters {                                                                            \
    static int(*real) parameters;                                                                  \
    mode_t mode = 0;                                                                               \
    char where[PATH_MAX];                                                                          \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    if (flags & O_CREAT) mode = va_arg(rest, mode_t);                                              \
    va_end(rest);                                                                                  \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                                          \
    const int was = access(path, F_OK) == 0, fd = call;                                            \
    if (fd >= 0 && flags & O_CREAT && !was && path_of(fd, where))                                  \
      record('C', inode_of(fd), 0, 0, where, NULL);                                                \
    else if (fd >= 0 && flags & O_TRUNC && path_of(fd, where))                                     \
      record('T', inode_of(fd), 0, 0, where, NULL);                                                \
    return fd;                                                                                     \
  }
OPEN(open, (const char *path, int flags, ...), real(path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), real(path, flags, mode))

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  char path[PATH_MAX];
  if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
  if (path_of(fd, path)) record('W', inode_of(fd), offset, length, path, data);
  return real(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
  char path[PATH_MAX];
  if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
  if (path_of(fd, path)) record('W', inode_of(fd), lseek(fd, 0, SEEK_CUR), length, path, data);
  return real_write(fd, data, length);
}

static int resized(int fd, off_t length, const char *name) {
  int (*real)(int, off_t) = dlsym(RTLD_NEXT, name);
  char path[PATH_MAX];
  if (path_of(fd, path)) record('T', inode_of(fd), length, 0, path, NULL);
  return real(fd, length);
}

int ftruncate(int fd, off_t length) {
  return resized(fd, length, "ftruncate");
}

int ftruncate64(int fd, off64_t length) {
  return resized(fd, length, "ftruncate64");
}

/* After the call: nothing can be relied on before. */
static int synced(int fd, const char *name) {
  int (*real)(int) = dlsym(RTLD_NEXT, name);
  struct stat about;
  char path[PATH_MAX];
  const int failed = real(fd);
  if (!failed && path_of(fd, path) && !fstat(fd, &about))
    record(S_ISDIR(about.st_mode) ? 'D' : 'S', (unsigned long)about.st_ino, 0, 0, path, NULL);
  return failed;
}

int fsync(int fd) {
  return synced(fd, "fsync");
}

int fdatasync(int fd) {
  return synced(fd, "fdatasync");
}

static void renamed(const char *from, const char *to) {
  struct stat about;
  if (is_under(to) && !lstat(to, &about))
    record('R', (unsigned long)about.st_ino, 0, strlen(to), from, to);
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  const int failed = real(from, to);
  if (!failed) renamed(from, to);
  return failed;
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags) {
  int (*real)(int, const char *, int, const char *, unsigned) = dlsym(RTLD_NEXT, "renameat2");
  const int failed = real(from_directory, from, to_directory, to, flags);
  if (!failed) renamed(from, to);
  return failed;
}

int unlink(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
  if (is_under(path)) record('U', 0, 0, 0, path, NULL);
  return real(path);
}
