/* The calls on arrays in memory: results depend only on the matrix, and inputs are only read. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <omp.h>
#include <stdio.h>
#include <sys/resource.h>
#include "memory_arrays.h"

/* Other memory for the outputs of the same inputs. */
static arrays anew(const arrays *x) {
  arrays y = make(x->type, x->n, x->count);
  memcpy(y.a, x->a, matrices(x));
  memcpy(y.gv, x->gv, matrices(x));
  memcpy(y.gw, x->gw, values(x));
  return y;
}

static void assert_same_reports(const mpt_report *p, const mpt_report *q) {
  assert_int_equal(p->status, q->status);
  assert_int_equal(p->refused, q->refused);
  const size_t first = offsetof(mpt_report, largest), end = offsetof(mpt_report, refused);
  assert_memory_equal((const char *)p + first, (const char *)q + first, end - first);
}

/* The outputs of problems `from` to `end` - 1 are equal to the last bit. */
static void assert_same(const arrays *x, const arrays *y, int64_t from, int64_t end) {
  const size_t each = (size_t)(x->n * x->n) * mpt_type_size(x->type), many = (size_t)(end - from);
  const size_t row = (size_t)x->n * mpt_real_size(x->type), start = (size_t)from;
  if (from == end) return;
  assert_memory_equal((char *)x->w + start * row, (char *)y->w + start * row, many * row);
  assert_memory_equal((char *)x->v + start * each, (char *)y->v + start * each, many * each);
  assert_memory_equal((char *)x->g + start * each, (char *)y->g + start * each, many * each);
  assert_memory_equal(x->multiplet + from * x->n, y->multiplet + from * x->n,
                      many * (size_t)x->n * sizeof *x->multiplet);
  for (int64_t k = from; k < end; k++) assert_same_reports(&x->report[k], &y->report[k]);
}

/* No problem has failed. A random loss of complex vectors depends on their phases, so the status
 * need not be OK. */
static void assert_all_solved(const arrays *x) {
  for (int64_t k = 0; k < x->count; k++) assert_false(mpt_status_is_failure(x->report[k].status));
}

/* One pass may keep more digits than stored eigenpairs have. */
static void agreeing(mpt_type type) {
  arrays x = make(type, 6, 200), y = anew(&x);
  succeed(&x, FORWARD);
  assert_all_solved(&x);
  succeed(&x, BACKWARD);
  assert_all_solved(&x);
  succeed(&y, BOTH);
  assert_memory_equal(x.w, y.w, values(&x));
  assert_memory_equal(x.v, y.v, matrices(&x));
  assert_memory_equal(x.multiplet, y.multiplet, (size_t)(x.count * x.n) * sizeof *x.multiplet);
  for (int64_t k = 0; k < x.count; k++) {
    assert_false(mpt_status_is_failure(y.report[k].status));
    assert_true(y.report[k].seconds > 0 && y.report[k].seconds == y.report[k / 64 * 64].seconds);
    const double error = fmax(x.report[k].gradient_error, 64 * mpt_type_epsilon(type));
    long double difference = 0, size = 0;
    for (int64_t i = k * 36; i < (k + 1) * 36; i++) {
      difference += powl(cabsl(get(type, x.g, i) - get(type, y.g, i)), 2);
      size += powl(cabsl(get(type, x.g, i)), 2);
    }
    assert_true(size > 0 && sqrtl(difference / size) < error);
  }
  release(&x);
  release(&y);
}

static void passes_agree(void **state) {
  (void)state;
  on_types(agreeing);
}

static void threaded(mpt_type type, int64_t n, int64_t count) {
  arrays x = make(type, n, count);
  succeed(&x, BOTH);
  for (int threads = 1; threads <= 3; threads++)
    for (int passes = 1; passes <= 2; passes++) {
      arrays y = anew(&x);
      y.options.threads = threads;
      omp_set_num_threads(4); /* the BLAS must not use this number */
      if (passes == 2) succeed(&y, FORWARD);
      succeed(&y, passes == 2 ? BACKWARD : BOTH);
      assert_int_equal(omp_get_max_threads(), 4);
      omp_set_num_threads(1);
      if (passes == 1) assert_same(&x, &y, 0, count);
      if (passes == 2) assert_memory_equal(x.v, y.v, matrices(&x));
      release(&y);
    }
  release(&x);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  for (int type = 0; type < MPT_TYPE_COUNT; type++) threaded((mpt_type)type, 5, 1000);
  threaded(MPT_FLOAT64, 200, 3);
  threaded(MPT_COMPLEX64, 3, 2);
}

/* A view of `count` problems of x from `first` on. */
static arrays slice(const arrays *x, int64_t first, int64_t count) {
  const size_t real = mpt_real_size(x->type), element = mpt_type_size(x->type);
  arrays y = *x;
  y.count = count;
  void **const big[] = {&y.a, &y.v, &y.g, &y.gv}, **const small[] = {&y.w, &y.gw};
  for (size_t i = 0; i < COUNT(big); i++)
    *big[i] = (char *)*big[i] + (size_t)(first * x->n * x->n) * element;
  for (size_t i = 0; i < COUNT(small); i++)
    *small[i] = (char *)*small[i] + (size_t)(first * x->n) * real;
  y.multiplet += first * x->n;
  y.report += first;
  return y;
}

static void split(mpt_type type) {
  const int64_t count = 100;
  arrays x = make(type, 4, count), y = anew(&x);
  for (pass which = BOTH; which >= BACKWARD; which--) {
    succeed(&x, which);
    for (int64_t at = 0; at <= count; at++) {
      const arrays head = slice(&y, 0, at), tail = slice(&y, at, count - at);
      assert_int_equal(call(&head, which, NULL), MPT_DONE);
      assert_int_equal(call(&tail, which, NULL), MPT_DONE);
      assert_same(&x, &y, 0, count);
    }
  }
  release(&x);
  release(&y);
}

static void neighbours_do_not_matter(void **state) {
  (void)state;
  on_types(split);
}

static void assert_zero(const void *array, size_t size) {
  for (size_t i = 0; i < size; i++) assert_int_equal(((const char *)array)[i], 0);
}

static void nan_in_the_middle(mpt_type type) {
  enum { N = 4, BAD = 77 };
  const size_t each = N * N * mpt_type_size(type);
  arrays x = make(type, N, 200), y = anew(&x);
  succeed(&x, BOTH);
  put(type, y.a, BAD * N * N + 5, NAN);
  memset(y.w, 1, values(&y)); /* old contents must be overwritten */
  memset(y.v, 1, matrices(&y));
  memset(y.g, 1, matrices(&y));
  succeed(&y, BOTH);
  assert_int_equal(y.report[BAD].status, MPT_STATUS_NONFINITE_INPUT);
  assert_same(&x, &y, 0, BAD);
  assert_same(&x, &y, BAD + 1, x.count);
  assert_zero((char *)y.v + BAD * each, each);
  assert_zero((char *)y.g + BAD * each, each);
  assert_zero((char *)y.w + BAD * N * mpt_real_size(type), N * mpt_real_size(type));
  put(type, x.a, BAD * N * N + 5, NAN); /* x.w and x.v are correct, and now inputs */
  memset(x.g, 1, matrices(&x));
  succeed(&x, BACKWARD);
  assert_int_equal(x.report[BAD].status, MPT_STATUS_NONFINITE_INPUT);
  assert_zero((char *)x.g + BAD * each, each);
  assert_false(mpt_status_is_failure(x.report[BAD - 1].status));
  assert_false(mpt_status_is_failure(x.report[BAD + 1].status));
  release(&x);
  release(&y);
}

static void nan_fails_alone(void **state) {
  (void)state;
  on_types(nan_in_the_middle);
}

/* The triangle that is not used holds NaN; run() makes inputs read-only. */
static void triangles(mpt_type type) {
  enum { N = 5 };
  for (int solver = MPT_SOLVER_AUTO; solver <= MPT_SOLVER_LAPACK; solver += MPT_SOLVER_LAPACK)
    for (int triangle = MPT_TRIANGLE_FULL; triangle <= MPT_TRIANGLE_UPPER; triangle++) {
      arrays x = make(type, N, 70), y = anew(&x);
      x.options.solver = y.options.solver = (mpt_solver)solver;
      y.options.triangle = (mpt_triangle)triangle;
      for (int64_t i = 0; i < y.count * N * N; i++) {
        const int64_t r = i / N % N, c = i % N;
        if ((triangle == MPT_TRIANGLE_LOWER && c > r) || (triangle == MPT_TRIANGLE_UPPER && c < r))
          put(type, y.a, i, NAN);
      }
      void *copy = malloc(matrices(&y));
      memcpy(copy, y.a, matrices(&y));
      succeed(&x, BOTH);
      succeed(&y, FORWARD);
      succeed(&y, BACKWARD);
      succeed(&y, BOTH);
      assert_memory_equal(y.a, copy, matrices(&y));
      assert_all_solved(&y);
      assert_same(&x, &y, 0, x.count);
      free(copy);
      release(&x);
      release(&y);
    }
}

static void input_is_not_written(void **state) {
  (void)state;
  on_types(triangles);
}

static void bad_arguments(void **state) {
  (void)state;
  arrays x = make(MPT_FLOAT64, 3, 4);
  mpt_error error;
  mpt_options wrong[] = {{.threads = -1},
                         {.triangle = (mpt_triangle)4},
                         {.solver = (mpt_solver)3},
                         {.solver = (mpt_solver)17}};
  for (pass which = FORWARD; which <= BOTH; which++) {
    for (size_t k = 0; k < COUNT(wrong); k++) {
      wrong[k].size = sizeof *wrong;
      x.options = wrong[k];
      assert_int_equal(run(&x, which, &error), MPT_BAD_USAGE);
      assert_int_equal(run(&x, which, NULL), MPT_BAD_USAGE);
      assert_int_equal(error.code, MPT_BAD_USAGE);
    }
    arrays y = x;
    y.options = (mpt_options){.size = sizeof y.options};
    y.report = NULL;
    assert_int_equal(run(&y, which, &error), MPT_BAD_USAGE);
    y.count = 0;
    assert_int_equal(run(&y, which, &error), MPT_DONE);
    y.count = INT64_MAX / 64;
    assert_int_equal(mpt_eigh(y.type, 3, y.count, NULL, y.a, y.w, y.v, y.multiplet, x.report, NULL),
                     MPT_BAD_USAGE);
  }
  assert_zero(x.v, matrices(&x));
  release(&x);
  x = make(MPT_COMPLEX64, 0, 3);
  succeed(&x, BOTH);
  assert_all_solved(&x);
  release(&x);
}

/* Runs with address space for some of the threads only. A sanitizer needs too much of it itself. */
static void no_memory(void **state) {
  (void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) /* clang's, which needs memory of its own */
  skip();
#endif
#elif defined(__SANITIZE_ADDRESS__)
  skip();
#endif
  struct rlimit before, little;
  arrays x = make(MPT_FLOAT64, 510, 40); /* larger ones have one workspace */
  memset(x.w, 7, values(&x));
  memset(x.report, 7, sizeof *x.report * (size_t)x.count);
  x.options = (mpt_options){.size = sizeof x.options, .threads = 10, .solver = MPT_SOLVER_LAPACK};
  mpt_error error;
  getrlimit(RLIMIT_AS, &before);
  little = before;
  FILE *file = fopen("/proc/self/statm", "r");
  long used = 0;
  assert_true(file && fscanf(file, "%ld", &used) == 1);
  fclose(file);
  little.rlim_cur = (rlim_t)used * 4096 + (64 << 20);
  setrlimit(RLIMIT_AS, &little);
  mpt_code code = run(&x, FORWARD, &error);
  setrlimit(RLIMIT_AS, &before);
  assert_int_equal(code, MPT_NO_RESOURCE);
  assert_non_null(strstr(error.text, "out of memory"));
  for (size_t i = 0; i < values(&x); i++) assert_int_equal(((char *)x.w)[i], 7);
  assert_int_equal(x.report[0].status, 7);
  release(&x);
}

/* Any of the structures that calls read. */
typedef union structure {
  size_t size;
  mpt_options options;
  mpt_function function;
  mpt_frame_spec frame;
  mpt_select select;
} structure;

typedef mpt_code structure_call(const arrays *x, const void *read);

static mpt_code with_options(const arrays *x, const void *read) {
  return mpt_eigh(x->type, x->n, x->count, read, x->a, x->w, x->v, x->multiplet, x->report, NULL);
}

static mpt_code with_function(const arrays *x, const void *read) {
  return mpt_matrix_function(x->type, x->n, x->count, NULL, read, x->a, x->g, x->w, x->v,
                             x->multiplet, x->report, NULL);
}

static mpt_code with_function_backward(const arrays *x, const void *read) {
  return mpt_matrix_function_backward(x->type, x->n, x->count, NULL, read, x->a, x->w, x->v, x->gv,
                                      x->g, x->multiplet, x->report, NULL);
}

static mpt_code with_function_second(const arrays *x, const void *read) {
  return mpt_matrix_function_second(x->type, x->n, x->count, NULL, read, x->w, x->v, x->gv, x->a,
                                    x->g, x->multiplet, x->report, NULL);
}

static mpt_code with_frame(const arrays *x, const void *read) {
  return mpt_frame(x->type, x->n, x->count, NULL, read, x->a, x->g, x->w, x->v, x->multiplet,
                   x->report, NULL);
}

static mpt_code with_frame_backward(const arrays *x, const void *read) {
  return mpt_frame_backward(x->type, x->n, x->count, NULL, read, x->a, x->w, x->v, x->gv, x->g,
                            NULL, x->multiplet, x->report, NULL);
}

static mpt_code with_select(const arrays *x, const void *read) {
  return mpt_select_columns(read, x->n) == x->n ? MPT_DONE : MPT_BAD_USAGE;
}

/* `older` is the size of the structure in an older header; memory ends right after it. */
static void sizes_of(const arrays *x, structure_call *make_call, structure whole, size_t older) {
  static const size_t refused[] = {0, 1, 7, 4097, SIZE_MAX};
  const size_t size = whole.size;
  _Alignas(structure) char larger[sizeof(structure) + 8] = {0}, *smaller = malloc(older);
  memcpy(larger, &whole, size);
  assert_int_equal(make_call(x, larger), MPT_DONE);
  *(size_t *)(void *)larger = size + 8; /* a newer program that does not use the new member */
  assert_int_equal(make_call(x, larger), MPT_DONE);
  larger[size + 7] = 1; /* a newer program that uses it */
  assert_int_equal(make_call(x, larger), MPT_BAD_USAGE);
  for (size_t k = 0; k < COUNT(refused); k++) {
    *(size_t *)(void *)larger = refused[k];
    assert_int_equal(make_call(x, larger), MPT_BAD_USAGE);
  }
  whole.size = older;
  memcpy(smaller, &whole, older);
  assert_int_equal(make_call(x, smaller), MPT_DONE);
  free(smaller);
}

static void structures_say_their_size(void **state) {
  (void)state;
  arrays x = make(MPT_FLOAT64, 4, 3);
  const structure options = {.options = {.size = sizeof(mpt_options), .seed = 1}};
  const structure function = {.function = {.size = sizeof(mpt_function), .kind = MPT_FUNCTION_EXP}};
  const structure frame = {
      .frame = {.size = sizeof(mpt_frame_spec), .index = {0, 2}, .columns = 1, .reference = x.gw}};
  const structure select = {.select = {.size = sizeof(mpt_select)}};
  sizes_of(&x, with_options, options, offsetof(mpt_options, threads));
  sizes_of(&x, with_function, function, offsetof(mpt_function, electrons));
  sizes_of(&x, with_function_backward, function, offsetof(mpt_function, electrons));
  sizes_of(&x, with_function_second, function, offsetof(mpt_function, electrons));
  sizes_of(&x, with_frame, frame, offsetof(mpt_frame_spec, each));
  sizes_of(&x, with_frame_backward, frame, offsetof(mpt_frame_spec, each));
  sizes_of(&x, with_select, select, offsetof(mpt_select, range));
  assert_int_equal(with_function(&x, NULL), MPT_BAD_USAGE);
  mpt_frame_spec later = frame.frame;
  later.reserved = 1;
  assert_int_equal(with_frame(&x, &later), MPT_BAD_USAGE);
  for (int k = 0; k < 5; k++) assert_true(x.report[0].reserved[k] == 0);
  assert_true(x.report[0].null_violation == 0);
  release(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(passes_agree),          cmocka_unit_test(structures_say_their_size),
      cmocka_unit_test(threads_do_not_matter), cmocka_unit_test(neighbours_do_not_matter),
      cmocka_unit_test(nan_fails_alone),       cmocka_unit_test(input_is_not_written),
      cmocka_unit_test(bad_arguments),         cmocka_unit_test(no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
