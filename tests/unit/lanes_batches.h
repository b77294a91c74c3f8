/* Batches for the tests of the lanes engine: matrices of many kinds in one batch, computed in plain
 * loops. Include after cmocka.h. */
#ifndef TEST_LANES_BATCHES_H
#define TEST_LANES_BATCHES_H

#include <stdio.h>
#include "engine/lanes/lanes.h"
#include "memory_arrays.h"

typedef double _Complex number;

typedef enum kind {
  RANDOM,
  TWINS, /* every eigenvalue twice, exactly */
  THREEFOLD,
  CLUSTERED,
  GRADED_DOWN,
  GRADED_UP,
  DEFICIENT,
  ZERO,
  DIAGONAL,
  WILKINSON,
  ONES,
  KINDS,
  SEPARATED = KINDS, /* not in the lists of kinds: eigenvalues near 1, 2, ... */
} kind;

static const char *const kind_names[] = {"random",   "twins",     "threefold", "clustered",
                                         "graded",   "graded up", "deficient", "zero",
                                         "diagonal", "Wilkinson", "all ones",  "separated"};

static inline number draw(mpt_type type) {
  return (number)random_element(type);
}

/* a = H a H, H = 1 - 2 u u^H / u^H u for a random u. */
static inline void reflect(mpt_type type, int64_t n, number *a) {
  number u[64];
  double norm2 = 0;
  for (int64_t i = 0; i < n; i++) {
    u[i] = draw(type);
    norm2 += creal(u[i] * conj(u[i]));
  }
  for (int64_t j = 0; j < n; j++) {
    number sum = 0;
    for (int64_t i = 0; i < n; i++) sum += conj(u[i]) * a[i * n + j];
    for (int64_t i = 0; i < n; i++) a[i * n + j] -= 2 / norm2 * u[i] * sum;
  }
  for (int64_t i = 0; i < n; i++) {
    number sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[i * n + j] * u[j];
    for (int64_t j = 0; j < n; j++) a[i * n + j] -= 2 / norm2 * sum * conj(u[j]);
  }
}

/* Eigenvalue j of a kind that is defined by its spectrum. */
static inline double chosen_value(kind which, mpt_type type, int64_t j) {
  if (which == THREEFOLD) return (double)(j / 3) - 2;
  if (which == CLUSTERED) return j ? 1 + (double)j * 4 * mpt_type_epsilon(type) : -2;
  if (which == DIAGONAL) return (double)((j * 5) % 7) - 3;
  return (double)j + 1 + 0.2 * creal(draw(MPT_FLOAT64));
}

static inline number random_entry(kind which, mpt_type type, int64_t n, int64_t i, int64_t j) {
  const int64_t from = which == GRADED_UP ? n : 0, step = which == GRADED_UP ? -1 : 1;
  const number x = i == j ? creal(draw(type)) : draw(type);
  return which == RANDOM ? x : x * ldexp(1, -(int)((2 * from + step * (i + j)) / 4));
}

/* Element (i, j) of the lower triangle, for kinds that are defined by their elements. */
static inline number entry(kind which, mpt_type type, int64_t n, int64_t i, int64_t j) {
  if (which == RANDOM || which == GRADED_DOWN || which == GRADED_UP)
    return random_entry(which, type, n, i, j);
  if (which == WILKINSON) return i == j ? fabs((double)i - (double)(n - 1) / 2) : i == j + 1;
  if (which == ONES) return 1;
  if (which == ZERO || which == DEFICIENT || i != j) return 0;
  return chosen_value(which, type, i);
}

/* Two copies of one matrix, in the even and in the odd rows. */
static inline void twin(int64_t n, number *a) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      const bool last = n % 2 && (i == n - 1 || j == n - 1);
      if (i % 2 != j % 2 || last)
        a[i * n + j] = 0;
      else
        a[i * n + j] = a[i / 2 * 2 * n + j / 2 * 2];
    }
}

/* Adds n / 3 + 1 squares, whose sum has rank n / 3 + 1. */
static inline void add_squares(mpt_type type, int64_t n, number *a) {
  for (int64_t r = 0; r <= n / 3; r++) {
    number u[64];
    for (int64_t i = 0; i < n; i++) u[i] = draw(type);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) a[i * n + j] += u[i] * conj(u[j]);
  }
}

static inline void fill(kind which, mpt_type type, int64_t n, number *a) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      a[i * n + j] = entry(which == TWINS ? RANDOM : which, type, n, i, j);
      a[j * n + i] = conj(a[i * n + j]);
    }
  if (which == TWINS) twin(n, a);
  if (which == DEFICIENT) add_squares(type, n, a);
  const bool turned = which == THREEFOLD || which == CLUSTERED || which == SEPARATED;
  for (int k = 0; k < 3 && turned; k++) reflect(type, n, a);
  for (int64_t i = 0; i < n; i++) {
    a[i * n + i] = creal(a[i * n + i]);
    for (int64_t j = 0; j < i; j++) a[i * n + j] = conj(a[j * n + i]);
  }
}

/* Whether MULTIPLET_LONG=1: all cases, which take minutes (bash tests/run.sh --long). */
static inline bool long_tier(void) {
  const char *text = getenv("MULTIPLET_LONG");
  return text && !strcmp(text, "1");
}

/* A scale: 1, or near either end of the type's range. */
static inline double scale(mpt_type type, int64_t which) {
  const double far = mpt_real_size(type) == 4 ? 1e30 : 1e150;
  return which % 3 == 0 ? 1 : which % 3 == 1 ? far : 1 / far;
}

/* Sets problem k of x. */
static inline void set_matrix(arrays *x, int64_t k, kind which, double by) {
  const int64_t n = x->n;
  number *a = calloc((size_t)(n * n) + 1, sizeof *a);
  fill(which, x->type, n, a);
  for (int64_t i = 0; i < n * n; i++) put(x->type, x->a, k * n * n + i, by * a[i]);
  free(a);
}

/* Other outputs for the same inputs. */
static inline arrays anew(const arrays *x) {
  arrays y = make(x->type, x->n, x->count);
  y.options = x->options;
  memcpy(y.a, x->a, matrices(x));
  memcpy(y.gv, x->gv, matrices(x));
  memcpy(y.gw, x->gw, values(x));
  return y;
}

/* Selects instruction set number k of those that this processor has. After the last it returns NULL
 * and selects the widest again. */
static inline const mpt_lanes_set *use_set(int k) {
  static const mpt_lanes_set *const sets[] = {
#if defined(__x86_64__)
    &mpt_lanes_avx512,
    &mpt_lanes_avx2,
#endif
    &mpt_lanes_generic
  };
  for (size_t i = 0; i < COUNT(sets); i++)
    if (sets[i]->runs_here() && k-- == 0) return mpt_lanes_use(sets[i]->name) ? sets[i] : NULL;
  mpt_lanes_use(NULL);
  return NULL;
}

#endif
