/* Memory that runs out: allocations by the program (INJECT_OBJECTS names others, as in
 * " multiplet libhdf5 "). Never those of libc, MPI or BLAS, which promise nothing then. */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static const char *objects;

__attribute__((constructor)) static void prepare(void) {
  objects = getenv("INJECT_OBJECTS");
  if (!objects) objects = " multiplet libmultiplet lt-multiplet ";
}

static bool fails(const char *name, const void *caller) {
  const int before = errno;
  const bool failing = objects && inject_is_in(objects, caller) && inject_fails(name, caller);
  errno = failing ? ENOMEM : before;
  return failing;
}

INJECT_EXPORT void *malloc(size_t size) {
  return fails("malloc", INJECT_CALLER) ? NULL : __libc_malloc(size);
}

INJECT_EXPORT void *calloc(size_t count, size_t size) {
  return fails("calloc", INJECT_CALLER) ? NULL : __libc_calloc(count, size);
}

INJECT_EXPORT void *realloc(void *memory, size_t size) {
  return fails("realloc", INJECT_CALLER) ? NULL : __libc_realloc(memory, size);
}

INJECT_EXPORT void *reallocarray(void *memory, size_t count, size_t size) {
  if (size && count > SIZE_MAX / size) return NULL;
  return fails("reallocarray", INJECT_CALLER) ? NULL : __libc_realloc(memory, count * size);
}

INJECT_EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  return fails("aligned_alloc", INJECT_CALLER) ? NULL : __libc_memalign(alignment, size);
}

INJECT_EXPORT int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (fails("posix_memalign", INJECT_CALLER)) return ENOMEM;
  void *made = __libc_memalign(alignment, size);
  if (!made) return ENOMEM;
  *memory = made;
  return 0;
}

static char *copy(const char *text, size_t length) {
  char *made = __libc_malloc(length + 1);
  if (!made) return NULL;
  memcpy(made, text, length);
  made[length] = 0;
  return made;
}

INJECT_EXPORT char *strdup(const char *text) {
  return fails("strdup", INJECT_CALLER) ? NULL : copy(text, strlen(text));
}

INJECT_EXPORT char *strndup(const char *text, size_t length) {
  return fails("strndup", INJECT_CALLER) ? NULL : copy(text, strnlen(text, length));
}

/* What libc allocates for the caller. */
INJECT_EXPORT char *realpath(const char *path, char *out) {
  static char *(*real)(const char *, char *);
  inject_find(&real, "realpath");
  return !out && fails("realpath", INJECT_CALLER) ? NULL : real(path, out);
}
