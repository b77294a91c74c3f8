/* Finding the request that ended a service, through notes that one service leaves for the next. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/crash.h"
#include "serve/spool.h"

static char crash_note[PATH_MAX];

static char *path_of(const mpt_spool *s, const char *name) {
  return mpt_format("%s/work/%s", s->path, name);
}

void mpt_spool_suspect(const mpt_spool *s, const char *name, int endings) {
  char *path = path_of(s, ".suspect"), *text = name ? mpt_format("%d %s", endings, name) : NULL;
  const int file = text && path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (file >= 0 && write(file, text, strlen(text)) < 0)
    mpt_warn("cannot note that %s is tried again: %s", name, strerror(errno));
  if (file >= 0) close(file);
  if (path && !name) unlink(path);
  free(text);
  free(path);
}

char *mpt_spool_left_suspect(const mpt_spool *s, int *endings, bool *crashed) {
  char text[NAME_MAX + 32] = "", name[NAME_MAX + 1] = "";
  char *path = path_of(s, ".suspect"), *crash = path_of(s, ".crashed"), *request = NULL;
  const int file = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
  if (file >= 0 && read(file, text, sizeof text - 1) < 0) text[0] = 0;
  if (file >= 0) close(file);
  *endings = 0;
  *crashed = crash && !unlink(crash);
  if (path) unlink(path);
  if (sscanf(text, "%d %255s", endings, name) == 2) request = path_of(s, name);
  const bool there = request && !strchr(name, '/') && access(request, F_OK) == 0;
  free(request);
  free(crash);
  free(path);
  return there ? mpt_format("%s", name) : NULL;
}

static void note(void) {
  const int file = open(crash_note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
}

void mpt_spool_note_crashes(const mpt_spool *s) {
  if (!s->path) return;
  snprintf(crash_note, sizeof crash_note, "%s/work/.crashed", s->path);
  mpt_on_crash(note);
}
