#define _GNU_SOURCE
#include "api/openmp.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

/* Its calls, by GNU's names, which LLVM's and Intel's runtimes have, too; all NULL without it. */
static struct {
  void (*set)(int threads);
  int (*get)(void);
  void (*parallel)(void (*part)(void *), void *data, unsigned threads, unsigned flags);
  int (*number)(void);
  int (*size)(void);
} openmp;
static _Atomic bool found, forked;

static void look_up(void *place, const char *name) {
  void *symbol = dlsym(RTLD_DEFAULT, name);
  memcpy(place, &symbol, sizeof symbol);
}

/* It may come at any time, with a module that is imported later. */
static bool find(void) {
  if (atomic_load(&found)) return true;
  if (!dlsym(RTLD_DEFAULT, "GOMP_parallel")) return false;
  look_up(&openmp.set, "omp_set_num_threads");
  look_up(&openmp.get, "omp_get_max_threads");
  look_up(&openmp.parallel, "GOMP_parallel");
  look_up(&openmp.number, "omp_get_thread_num");
  look_up(&openmp.size, "omp_get_num_threads");
  atomic_store(&found, openmp.set && openmp.get && openmp.number && openmp.size);
  return atomic_load(&found);
}

int mpt_openmp_threads(void) {
  return find() ? openmp.get() : 0;
}

void mpt_openmp_set_threads(int threads) {
  if (find()) openmp.set(threads);
}

typedef struct team {
  void (*body)(void *context, int thread);
  void *context;
  int threads;
  _Atomic int refused;
} team;

static void part(void *data) {
  team *t = data;
  if (openmp.size() != t->threads)
    atomic_store(&t->refused, 1);
  else
    t->body(t->context, openmp.number());
}

bool mpt_openmp_run(int threads, void (*body)(void *context, int thread), void *context) {
  team t = {.body = body, .context = context, .threads = threads};
  if (atomic_load(&forked) || !find()) return false;
  openmp.parallel(part, &t, (unsigned)threads, 0);
  return !atomic_load(&t.refused);
}

void mpt_openmp_forked(void) {
  atomic_store(&forked, true);
}

bool mpt_openmp_is_whole(void) {
  return !atomic_load(&forked);
}
