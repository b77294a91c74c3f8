#include "config/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *directory_part(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return mpt_format(".");
  return slash == path ? mpt_format("/") : mpt_format("%.*s", (int)(slash - path), path);
}

char *mpt_directory_of(const char *path) {
  char *part = directory_part(path);
  char *directory = part ? realpath(part, NULL) : NULL;
  free(part);
  return directory;
}

char *mpt_absolute_path(const char *directory, const char *path) {
  char *joined = path[0] == '/' ? mpt_format("%s", path) : mpt_format("%s/%s", directory, path);
  if (!joined) return NULL;
  /* Links are resolved in the directory only: the file itself may not exist yet, and if it is a
   * link, that link is what the user named. */
  const char *name = strrchr(joined, '/') + 1;
  char *real = *name && strcmp(name, ".") && strcmp(name, "..") ? mpt_directory_of(joined) : NULL;
  if (!real) return joined;
  char *absolute = mpt_format("%s/%s", strcmp(real, "/") ? real : "", name);
  free(real);
  free(joined);
  return absolute;
}

bool mpt_same_file(const char *a, const char *b) {
  struct stat first, second;
  if (!strcmp(a, b)) return true;
  return !stat(a, &first) && !stat(b, &second) && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}
