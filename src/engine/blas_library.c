#define _GNU_SOURCE
#include "engine/blas_library.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "engine/engine.h"

#ifndef MPT_BLAS_PREFIX
#define MPT_BLAS_PREFIX "" /* of every symbol */
#endif

static const char *ask(const char *function) {
  const char *(*call)(void) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, function);
  memcpy(&call, &symbol, sizeof call);
  return call ? call() : NULL;
}

const char *mpt_blas_kernels(void) {
  const char *name = ask(MPT_BLAS_PREFIX "openblas_get_corename");
  return name ? name : "";
}

const char *mpt_blas_config(void) {
  const char *config = ask(MPT_BLAS_PREFIX "openblas_get_config");
  if (config) return config;
  return dlsym(RTLD_DEFAULT, "mkl_set_num_threads") ? "MKL" : "unknown BLAS";
}

/* Each library has a number of its own, because a process may have two of them. OpenMP's comes
 * last: an OpenBLAS that is built with OpenMP sets that number with its own. */
static const struct {
  const char *get, *set;
} threads_of[MPT_BLAS_LIBRARIES] = {
    {MPT_BLAS_PREFIX "openblas_get_num_threads", MPT_BLAS_PREFIX "openblas_set_num_threads"},
    {"MKL_Get_Max_Threads", "MKL_Set_Num_Threads"},
    {"bli_thread_get_num_threads", "bli_thread_set_num_threads"},
    {"omp_get_max_threads", "omp_set_num_threads"}};

static void set_threads(int library, int threads) {
  void (*call)(int) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, threads_of[library].set);
  memcpy(&call, &symbol, sizeof call);
  if (call && threads > 0) call(threads);
}

void mpt_blas_set_threads(int threads) {
  for (int k = 0; k < MPT_BLAS_LIBRARIES; k++) set_threads(k, threads);
}

void mpt_blas_save_threads(int threads[MPT_BLAS_LIBRARIES]) {
  for (int k = 0; k < MPT_BLAS_LIBRARIES; k++) {
    int (*call)(void) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, threads_of[k].get);
    memcpy(&call, &symbol, sizeof call);
    threads[k] = call ? call() : 0;
  }
}

void mpt_blas_restore_threads(const int threads[MPT_BLAS_LIBRARIES]) {
  for (int k = 0; k < MPT_BLAS_LIBRARIES; k++) set_threads(k, threads[k]);
}

bool mpt_blas_held_back(void) {
  const char *asked = getenv("OPENBLAS_CORETYPE");
  if (!asked || !*asked) return false;
#if defined(__x86_64__) && defined(__GNUC__)
  if (!__builtin_cpu_supports("avx512f")) return false;
#else
  return false;
#endif
  static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
  for (size_t k = 0; k < sizeof wide / sizeof *wide; k++)
    if (!strcasecmp(mpt_blas_kernels(), wide[k])) return false;
  return true;
}

static double measure_rate(void) {
  enum { N = 128 };
  const mpt_shape shape = {.type = MPT_FLOAT64, .n = N, .vectors = true};
  const mpt_team team = mpt_team_of_one();
  const double operations = 14.0 / 3 * N * N * N * (N + 60) / N;
  mpt_state *state = NULL;
  mpt_error error;
  double seconds = INFINITY, w[N], *a = mpt_alloc(2 * N * N, sizeof *a);
  mpt_report report = {0};
  mpt_batch batch = {
      .type = MPT_FLOAT64, .count = 1, .n = N, .rows = N, .a = a, .w = w, .report = &report};
  if (a && mpt_lapack.open(&shape, &team, &state, &error) == MPT_DONE) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) a[i * N + j] = cos(i * j) + (i == j ? i : 0);
    batch.v = a + N * N;
    for (int k = 0; k < 3; k++) {
      double start = mpt_now();
      mpt_lapack.solve(state, &batch);
      seconds = fmin(seconds, mpt_now() - start);
    }
    mpt_lapack.close(state);
  }
  free(a);
  return isfinite(seconds) && seconds > 0 ? operations / seconds : 5e9;
}

double mpt_measure_rate(void) {
  static double rate;
  if (rate == 0) rate = measure_rate();
  return rate;
}
