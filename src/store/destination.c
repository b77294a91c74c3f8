#define _GNU_SOURCE
#include "store/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/input.h"
#include "store/lookout.h"
#include "store/find.h"

enum { LONGEST = 200, DIGITS = 16, LOOKED_THROUGH = 1 << 20 };
static const char draft_mark[] = ".new-";

static mpt_code refuse(const char *path, const char *why, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': %s (name another output.file, or move that away)",
                  path, why);
}

mpt_code mpt_destination_find(const char *output, bool fresh, char **path, mpt_error *error) {
  struct stat about;
  const bool link = !lstat(output, &about) && S_ISLNK(about.st_mode);
  if (link && fresh)
    return refuse(output, "it is a symbolic link, and --fresh replaces files only", error);
  *path = link ? realpath(output, NULL) : mpt_format("%s", output);
  if (*path) return MPT_DONE;
  if (link && errno != ENOMEM)
    return refuse(output, "it is a symbolic link that leads to no file", error);
  return mpt_no_memory("open the result", error);
}

/* Recognizes a damaged result, which no longer opens: the name of the schema is near the
 * beginning. */
static bool speaks_of_us(int file) {
  bool found = false;
  char *bytes = malloc(LOOKED_THROUGH);
  const ssize_t got = bytes ? pread(file, bytes, LOOKED_THROUGH, 0) : -1;
  if (got > 8 && !memcmp(bytes, "\x89HDF\r\n\x1a\n", 8))
    found = memmem(bytes, (size_t)got, MPT_SCHEMA_NAME, strlen(MPT_SCHEMA_NAME)) != NULL;
  free(bytes);
  return found;
}

static bool is_result(const char *path) {
  hid_t file;
  /* libhdf5 may crash on the file, so it is looked at in another process first. */
  if (mpt_look_at(path, "result", NULL) != MPT_DONE ||
      mpt_open_for_reading(path, "result", &file, NULL) != MPT_DONE) {
    const int raw = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool found = raw >= 0 && speaks_of_us(raw);
    if (raw >= 0) close(raw);
    return found;
  }
  char *schema;
  mpt_find_text(file, "schema_name", &schema, NULL);
  const bool found = schema && !strcmp(schema, MPT_SCHEMA_NAME);
  free(schema);
  H5Fclose(file);
  return found;
}

mpt_code mpt_destination_check(const char *path, bool fresh, bool *exists, mpt_error *error) {
  struct stat about;
  *exists = !lstat(path, &about);
  if (!*exists) return errno == ENOENT ? MPT_DONE : refuse(path, strerror(errno), error);
  if (!S_ISREG(about.st_mode))
    return mpt_fail(
        error, MPT_BAD_OUTPUT,
        "cannot write result '%s': it is %s, no regular file (name another output.file, "
        "or move that away)",
        path, mpt_kind_of_file(about.st_mode));
  if (!fresh || about.st_size == 0 || is_result(path)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot replace '%s': it is no result of this program (--fresh replaces results "
                  "only: remove it, or name another output.file)",
                  path);
}

mpt_code mpt_destination_is_alone(const char *path, mpt_error *error) {
  struct stat about;
  if (stat(path, &about) || about.st_nlink < 2) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot continue '%s': the file has %lld names (hard links), under another of "
                  "which another job could write it (copy it, and continue the copy)",
                  path, (long long)about.st_nlink);
}

/* The length of the directory's part with its slash; 0: the current directory. */
static int directory_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (int)(slash - path + 1) : 0;
}

char *mpt_beside(const char *path, const char *suffix) {
  const int directory = directory_length(path);
  return mpt_format("%.*s%.*s%s", directory, path, LONGEST, path + directory, suffix);
}

static char *directory_of(const char *path) {
  const int length = directory_length(path);
  return length ? mpt_format("%.*s", length, path) : mpt_format(".");
}

void mpt_destination_remove_draft(const char *path, const char *draft) {
  char *base = mpt_beside(path, draft_mark);
  const size_t length = base ? strlen(base) : 0;
  if (base && !strncmp(draft, base, length) && strlen(draft) == length + DIGITS &&
      strspn(draft + length, "0123456789abcdef") == DIGITS)
    unlink(draft);
  free(base);
}

char *mpt_destination_draft(const char *path) {
  uint64_t number = 0;
  char suffix[sizeof draft_mark + DIGITS];
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    number = (uint64_t)getpid() << 32 ^ (uint64_t)(mpt_now() * 1e9);
  snprintf(suffix, sizeof suffix, "%s%016llx", draft_mark, (unsigned long long)number);
  return mpt_beside(path, suffix);
}

bool mpt_destination_put(const char *draft, const char *path, bool replaces) {
#ifdef RENAME_NOREPLACE
  if (!replaces) {
    if (!renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE)) return true;
    if (errno != EINVAL && errno != ENOSYS) return false; /* not every file system supports this */
  }
#endif
  return rename(draft, path) == 0;
}

bool mpt_sync_directory(const char *path) {
  char *directory = directory_of(path);
  const int file = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  /* Some file systems cannot sync directories, and keep their entries safe by themselves. */
  const bool done = file >= 0 && (!fsync(file) || errno == EINVAL || errno == EROFS);
  free(directory);
  if (file >= 0) close(file);
  return done;
}
