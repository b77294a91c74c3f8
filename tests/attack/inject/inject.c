#define _GNU_SOURCE
#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long number;
static long at, lasts = 1;
static int error_number, log_file = -1;
static bool ready, fails_here;
static const char *only;

static long number_of(const char *variable, long otherwise) {
  const char *value = getenv(variable);
  return value && *value ? atol(value) : otherwise;
}

__attribute__((constructor)) static void prepare(void) {
  const char *file = getenv("INJECT_LOG");
  const long rank = number_of("OMPI_COMM_WORLD_RANK", 0);
  at = number_of("INJECT_AT", 0);
  lasts = number_of("INJECT_LASTS", 1);
  error_number = (int)number_of("INJECT_ERRNO", 0);
  only = getenv("INJECT_NAMES");
  fails_here = number_of("INJECT_RANK", rank) == rank;
  if (file && fails_here)
    log_file =
        (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  ready = true;
}

/* Which segment of which object the address is in. */
typedef struct place {
  uintptr_t address, base;
  const char *object;
} place;

static int is_there(struct dl_phdr_info *info, size_t size, void *context) {
  place *p = context;
  (void)size;
  for (int k = 0; k < info->dlpi_phnum; k++) {
    const uintptr_t start = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
    if (info->dlpi_phdr[k].p_type != PT_LOAD || p->address < start ||
        p->address >= start + info->dlpi_phdr[k].p_memsz)
      continue;
    p->base = info->dlpi_addr;
    p->object = info->dlpi_name[0] ? info->dlpi_name : program_invocation_name;
    return 1;
  }
  return 0;
}

static place place_of(const void *caller) {
  place p = {(uintptr_t)caller, 0, "?"};
  dl_iterate_phdr(is_there, &p);
  const char *slash = strrchr(p.object, '/');
  if (slash) p.object = slash + 1;
  return p;
}

bool inject_is_in(const char *names, const void *caller) {
  const char *object = place_of(caller).object;
  for (const char *name = names; (name = strchr(name, ' ')) && *++name;) {
    const size_t length = strcspn(name, " ");
    if (length && !strncmp(object, name, length)) return true;
  }
  return false;
}

static bool is_meant(const char *name) {
  const size_t length = strlen(name);
  for (const char *found = only; found && (found = strstr(found, name)); found++)
    if (found > only && found[-1] == ' ' && found[length] == ' ') return true;
  return !only;
}

static void note(long count, const char *name, const void *caller) {
  char line[160];
  const place p = place_of(caller);
  const int length = snprintf(line, sizeof line, "%ld %s %.40s+%#lx\n", count, name, p.object,
                              (unsigned long)(p.address - p.base));
  if (syscall(SYS_write, log_file, line, (size_t)length) < 0) log_file = -1;
}

bool inject_fails(const char *name, const void *caller) {
  if (!ready || !fails_here || !is_meant(name)) return false;
  const int before = errno;
  const long count = atomic_fetch_add(&number, 1) + 1;
  const bool fails = at > 0 && count >= at && (lasts == 0 || count < at + lasts);
  if (log_file >= 0 && (at == 0 || count == at)) note(count, name, caller);
  errno = before;
  return fails;
}

int inject_errno(int otherwise) {
  return error_number ? error_number : otherwise;
}

void inject_find(void *function, const char *name) {
  void *found;
  memcpy(&found, function, sizeof found);
  if (found) return;
  found = dlsym(RTLD_NEXT, name);
  memcpy(function, &found, sizeof found);
}
