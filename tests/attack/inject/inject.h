/* What the preload libraries of this folder share: a number for every call, and one that fails.
 *
 *   INJECT_RANK    the rank on which calls fail (OMPI_COMM_WORLD_RANK; 0 without a launcher);
 *                  others count. Not set: every rank.
 *   INJECT_AT      the number of the call that fails, from 1; 0 or not set: none, they are listed.
 *   INJECT_LASTS   how many fail from there on (1 when not set; 0: all).
 *   INJECT_NAMES   names of calls with a space before, between and behind; not set: all.
 *   INJECT_ERRNO   a number; not set: each library's own.
 *   INJECT_LOG     a file: a line "NUMBER NAME OFFSET" for each call while they are listed, and
 *                  for the first that fails. Offsets are the caller's, in the program.
 *
 * Each library has its own numbers. */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>

#define INJECT_CALLER __builtin_return_address(0)
#define INJECT_EXPORT __attribute__((visibility("default")))

/* Counts this call; whether it is one to fail. Thread-safe, allocates nothing, keeps errno. */
bool inject_fails(const char *name, const void *caller);

/* errno as INJECT_ERRNO has it. */
int inject_errno(int otherwise);

/* Whether the code at `caller` belongs to one of the objects that `names` lists with a space
 * before, between and behind, by the beginnings of their file names. */
bool inject_is_in(const char *names, const void *caller);

/* dlsym(RTLD_NEXT, name) into *function, once. */
void inject_find(void *function, const char *name);

#endif
