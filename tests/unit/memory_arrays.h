/* Batches in memory for the tests of the public calls on arrays. Include after cmocka.h. */
#ifndef TEST_MEMORY_ARRAYS_H
#define TEST_MEMORY_ARRAYS_H

#include <complex.h>
#include <math.h>
#include <multiplet/function.h>
#include <multiplet/gradient.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
typedef long double _Complex wide;

static inline void put(mpt_type type, void *to, int64_t i, wide x) {
  if (type == MPT_FLOAT32) ((float *)to)[i] = (float)creall(x);
  if (type == MPT_FLOAT64) ((double *)to)[i] = (double)creall(x);
  if (type == MPT_COMPLEX64) ((float _Complex *)to)[i] = (float _Complex)x;
  if (type == MPT_COMPLEX128) ((double _Complex *)to)[i] = (double _Complex)x;
}

static inline wide get(mpt_type type, const void *from, int64_t i) {
  if (type == MPT_FLOAT32) return ((const float *)from)[i];
  if (type == MPT_FLOAT64) return ((const double *)from)[i];
  if (type == MPT_COMPLEX64) return ((const float _Complex *)from)[i];
  return ((const double _Complex *)from)[i];
}

static inline mpt_type real_of(mpt_type type) {
  return mpt_real_size(type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
}

static uint64_t seed = 1;

static inline wide random_element(mpt_type type) {
  long double part[2];
  for (int i = 0; i < 2; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    part[i] = (long double)(int64_t)(seed >> 11) * 0x1p-52L - 1;
  }
  return part[0] + (mpt_type_is_complex(type) ? I * part[1] : 0);
}

static inline void on_types(void (*test)(mpt_type type)) {
  for (int type = 0; type < MPT_TYPE_COUNT; type++) test((mpt_type)type);
}

/* All arrays of a call. */
typedef struct arrays {
  mpt_type type;
  int64_t n, count;
  mpt_options options;
  void *a, *gw, *gv, *w, *v, *g;
  int32_t *multiplet;
  mpt_report *report;
} arrays;

typedef enum pass { FORWARD, BACKWARD, BOTH } pass;

static inline void *pages(size_t size) {
  void *memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(memory != MAP_FAILED);
  return memory;
}

static inline size_t matrices(const arrays *x) {
  return (size_t)(x->count * x->n * x->n) * mpt_type_size(x->type);
}

static inline size_t values(const arrays *x) {
  return (size_t)(x->count * x->n) * mpt_real_size(x->type);
}

/* Makes random Hermitian matrices and cotangents. */
static inline arrays make(mpt_type type, int64_t n, int64_t count) {
  arrays x = {.type = type, .n = n, .count = count, .options = {.size = sizeof(mpt_options)}};
  void **const all[] = {&x.a, &x.gv, &x.v, &x.g};
  for (size_t k = 0; k < COUNT(all); k++) *all[k] = pages(matrices(&x));
  x.w = pages(values(&x));
  x.gw = pages(values(&x));
  x.multiplet = calloc((size_t)(count * n) + 1, sizeof *x.multiplet);
  x.report = calloc((size_t)count + 1, sizeof *x.report);
  for (int64_t i = 0; i < count * n; i++) put(real_of(type), x.gw, i, random_element(type));
  for (int64_t i = 0; i < count * n * n; i++) {
    const int64_t r = i / n % n, c = i % n, facing = i + (c - r) * n + r - c;
    put(type, x.gv, i, random_element(type));
    wide element = random_element(type);
    if (r == c) element = creall(element);
    put(type, x.a, i, c < r ? conjl(get(type, x.a, facing)) : element);
  }
  return x;
}

static inline void release(arrays *x) {
  void *const all[] = {x->a, x->gv, x->v, x->g};
  for (size_t k = 0; k < COUNT(all); k++) munmap(all[k], matrices(x) + 1);
  munmap(x->w, values(x) + 1);
  munmap(x->gw, values(x) + 1);
  free(x->multiplet);
  free(x->report);
}

static inline void protect(const arrays *x, pass which, int how) {
  mprotect(x->a, matrices(x) + 1, how);
  mprotect(x->gv, matrices(x) + 1, how);
  mprotect(x->gw, values(x) + 1, how);
  if (which == BACKWARD) mprotect(x->v, matrices(x) + 1, how);
  if (which == BACKWARD) mprotect(x->w, values(x) + 1, how);
}

static inline mpt_code call(const arrays *x, pass which, mpt_error *error) {
  const mpt_options *o = &x->options;
  if (which == FORWARD)
    return mpt_eigh(x->type, x->n, x->count, o, x->a, x->w, x->v, x->multiplet, x->report, error);
  if (which == BACKWARD)
    return mpt_eigh_backward(x->type, x->n, x->count, o, x->a, x->w, x->v, x->gw, x->gv, x->g,
                             x->multiplet, x->report, error);
  return mpt_eigh_with_gradient(x->type, x->n, x->count, o, x->a, x->gw, x->gv, x->w, x->v, x->g,
                                x->multiplet, x->report, error);
}

/* Runs a call; a write to its inputs ends the test. */
static inline mpt_code run(const arrays *x, pass which, mpt_error *error) {
  protect(x, which, PROT_READ);
  mpt_code code = call(x, which, error);
  protect(x, which, PROT_READ | PROT_WRITE);
  return code;
}

static inline void succeed(const arrays *x, pass which) {
  mpt_error error = {0};
  mpt_code code = run(x, which, &error);
  if (code != MPT_DONE) print_error("%s\n", error.text);
  assert_int_equal(code, MPT_DONE);
}

#endif
