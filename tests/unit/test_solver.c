/* A handle: results are the same to the last bit with it and without, whatever calls came before;
 * and what it keeps is bounded. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <multiplet/multiplet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "api/workspace.h"
#include "failing_allocations.h"
#include "memory_arrays.h"

/* A call's inputs and all of its outputs. */
typedef struct subject {
  arrays x;
  void *f; /* of a function or a frame, or the derivative by a frame's reference */
} subject;

typedef enum calls {
  VALUES,
  EIGH,
  EIGH_BACKWARD,
  WITH_GRADIENT,
  FUNCTION,
  FUNCTION_BACKWARD,
  FRAME,
  FRAME_BACKWARD,
  CALLS
} calls;

static subject new_subject(mpt_type type, int64_t n, int64_t count) {
  subject s = {.x = make(type, n, count)};
  s.f = pages(matrices(&s.x));
  return s;
}

static void drop(subject *s) {
  munmap(s->f, matrices(&s->x) + 1);
  release(&s->x);
}

static mpt_code do_call(const subject *s, calls which) {
  const arrays *x = &s->x;
  const mpt_options *o = &x->options;
  const mpt_function f = {.size = sizeof f, .kind = MPT_FUNCTION_TANH};
  const mpt_frame_spec frame = {
      .size = sizeof frame, .index = {0, x->n}, .columns = 1, .reference = x->gv};
  switch (which) {
  case VALUES:
    return mpt_eigh(x->type, x->n, x->count, o, x->a, x->w, NULL, x->multiplet, x->report, NULL);
  case EIGH:
    return call(x, FORWARD, NULL);
  case EIGH_BACKWARD:
    return call(x, BACKWARD, NULL);
  case WITH_GRADIENT:
    return call(x, BOTH, NULL);
  case FUNCTION:
    return mpt_matrix_function(x->type, x->n, x->count, o, &f, x->a, s->f, x->w, x->v, x->multiplet,
                               x->report, NULL);
  case FUNCTION_BACKWARD:
    return mpt_matrix_function_backward(x->type, x->n, x->count, o, &f, NULL, x->w, x->v, x->gv,
                                        x->g, x->multiplet, x->report, NULL);
  case FRAME:
    return mpt_frame(x->type, x->n, x->count, o, &frame, x->a, s->f, x->w, x->v, x->multiplet,
                     x->report, NULL);
  case FRAME_BACKWARD:
    return mpt_frame_backward(x->type, x->n, x->count, o, &frame, NULL, x->w, x->v, x->gv, x->g,
                              s->f, x->multiplet, x->report, NULL);
  case CALLS:
    break;
  }
  return MPT_BAD_USAGE;
}

/* Only times may differ between two calls. */
static void forget_seconds(const arrays *x) {
  for (int64_t k = 0; k < x->count; k++) x->report[k].seconds = 0;
}

static void assert_same_outputs(const subject *s, const subject *t) {
  const arrays *x = &s->x, *y = &t->x;
  const struct {
    const void *mine, *other;
    size_t bytes;
  } all[] = {{x->w, y->w, values(x)},
             {x->v, y->v, matrices(x)},
             {x->g, y->g, matrices(x)},
             {s->f, t->f, matrices(x)},
             {x->multiplet, y->multiplet, (size_t)(x->count * x->n) * sizeof *x->multiplet},
             {x->report, y->report, (size_t)x->count * sizeof *x->report}};
  forget_seconds(x);
  forget_seconds(y);
  for (size_t k = 0; k < COUNT(all); k++)
    assert_memory_equal(all[k].mine, all[k].other, all[k].bytes);
}

/* A call that leaves NaN and infinity in its workspace. */
static void spoil(mpt_type type, int64_t n, calls which, const mpt_options *options) {
  subject s = new_subject(type, n, 3);
  s.x.options = *options;
  for (int64_t i = 0; i < s.x.count * n * n; i++) put(type, s.x.a, i, i % 3 ? NAN : INFINITY);
  memcpy(s.x.v, s.x.a, matrices(&s.x));
  memcpy(s.x.gv, s.x.a, matrices(&s.x));
  assert_int_equal(do_call(&s, which), MPT_DONE);
  drop(&s);
}

/* All calls on the same matrices, with the handle and without, so that each call finds what another
 * one left. */
static void compare(mpt_type type, int64_t n, int64_t count, mpt_options options) {
  subject with = new_subject(type, n, count);
  const uint64_t before = seed;
  subject without = new_subject(type, n, count);
  mpt_options plain = options;
  plain.handle = NULL;
  seed = before;
  memcpy(without.x.a, with.x.a, matrices(&with.x));
  memcpy(without.x.gv, with.x.gv, matrices(&with.x));
  memcpy(without.x.gw, with.x.gw, values(&with.x));
  for (calls which = VALUES; which < CALLS; which++) {
    if (!n && which >= FRAME) continue;
    with.x.options = options;
    without.x.options = plain;
    if (n) spoil(type, n, which, &options);
    assert_int_equal(do_call(&with, which), MPT_DONE);
    assert_int_equal(do_call(&without, which), MPT_DONE);
    assert_same_outputs(&with, &without);
  }
  drop(&with);
  drop(&without);
}

/* Sizes of both backward passes of lanes; batches of one problem, of some lanes, of several chunks.
 * Solvers, conventions and threads vary from case to case. */
static void same_bits(mpt_type type) {
  static const int64_t shapes[][2] = {{4, 1},  {4, 200}, {0, 3}, {17, 5}, {2, 70},
                                      {30, 3}, {1, 9},   {4, 1}, {17, 2}, {30, 20}};
  mpt_options options = {.size = sizeof options};
  assert_int_equal(mpt_solver_create(&options.handle, NULL), MPT_DONE);
  for (int turn = 0; turn < 2; turn++)
    for (size_t k = 0; k < COUNT(shapes); k++)
      for (int way = 0; way < 8; way++) {
        options.solver = way & 1 ? MPT_SOLVER_LANES : MPT_SOLVER_LAPACK;
        options.convention = way & 2 ? MPT_CONVENTION_JAX : MPT_CONVENTION_TORCH;
        options.threads = way & 4 ? 3 : 0;
        compare(type, shapes[k][0], shapes[k][1], options);
      }
  mpt_solver_destroy(options.handle);
}

static void a_handle_changes_no_bit(void **state) {
  (void)state;
  on_types(same_bits);
}

static int64_t allocations_of(const subject *s, calls which) {
  const int64_t before = allocations;
  assert_int_equal(do_call(s, which), MPT_DONE);
  return allocations - before;
}

/* The second call and later calls with a handle allocate less than a call without. */
static void workspaces_are_used_again(void **state) {
  (void)state;
  for (int solver = MPT_SOLVER_LANES; solver <= MPT_SOLVER_LAPACK; solver++) {
    subject s = new_subject(MPT_COMPLEX128, 6, 400);
    s.x.options.solver = (mpt_solver)solver;
    s.x.options.threads = 2;
    for (calls which = VALUES; which < CALLS; which++) {
      do_call(&s, which); /* the first use of an engine tests it */
      const int64_t plain = allocations_of(&s, which);
      assert_int_equal(mpt_solver_create(&s.x.options.handle, NULL), MPT_DONE);
      const int64_t first = allocations_of(&s, which), second = allocations_of(&s, which);
      assert_int_equal(first, plain);
      assert_true(second < first);
      assert_int_equal(allocations_of(&s, which), second);
      mpt_solver_destroy(s.x.options.handle);
      s.x.options.handle = NULL;
    }
    drop(&s);
  }
}

/* Shapes that differ in a number that lapack does not use. */
static mpt_shape shape_of(int64_t n, int64_t number) {
  return (mpt_shape){.type = MPT_FLOAT64, .n = n, .vectors = true, .block = number};
}

/* Whether such a workspace is kept; then it becomes the most recently used. If not, none is
 * added. */
static bool is_kept(mpt_solver_handle *handle, int64_t n, int64_t number) {
  mpt_workspace *w;
  const mpt_shape shape = shape_of(n, number);
  const int64_t before = allocations;
  assert_int_equal(mpt_workspace_take(handle, &mpt_lapack, &shape, &w, NULL), MPT_DONE);
  const bool kept = allocations == before;
  mpt_workspace_give_back(kept ? handle : NULL, w);
  return kept;
}

static void keep(mpt_solver_handle *handle, int64_t n, int64_t number) {
  mpt_workspace *w;
  const mpt_shape shape = shape_of(n, number);
  assert_int_equal(mpt_workspace_take(NULL, &mpt_lapack, &shape, &w, NULL), MPT_DONE);
  mpt_workspace_give_back(handle, w);
}

static void what_is_kept_is_bounded(void **state) {
  (void)state;
  mpt_solver_handle *handle;
  assert_int_equal(mpt_solver_create(&handle, NULL), MPT_DONE);
  for (int64_t k = 0; k < 256; k++) keep(handle, 3, k);
  assert_true(is_kept(handle, 3, 0)); /* now 1 is the least recently used */
  keep(handle, 3, 256);
  assert_false(is_kept(handle, 3, 1));
  for (int64_t k = 2; k <= 256; k++) assert_true(is_kept(handle, 3, k));
  for (int64_t k = 0; k < 3; k++) keep(handle, 1000, k); /* 23 MiB each */
  assert_false(is_kept(handle, 3, 256));
  assert_false(is_kept(handle, 1000, 0));
  assert_true(is_kept(handle, 1000, 1));
  assert_true(is_kept(handle, 1000, 2));
  keep(handle, 2000, 0); /* too large: nothing is removed for it */
  assert_false(is_kept(handle, 2000, 0));
  assert_true(is_kept(handle, 1000, 1));
  mpt_solver_destroy(handle);
  mpt_solver_destroy(NULL);
}

/* Each allocation in turn fails in a call with a handle that is empty or full. */
static void exhaust(mpt_solver solver, calls which, bool full) {
  subject s = new_subject(MPT_COMPLEX64, 5, 3);
  s.x.options.solver = solver;
  s.x.options.convention = MPT_CONVENTION_JAX;
  do_call(&s, EIGH);
  do_call(&s, which);
  for (int64_t turn = 0; turn < 1 || failed; turn++) {
    assert_int_equal(mpt_solver_create(&s.x.options.handle, NULL), MPT_DONE);
    if (full) do_call(&s, which);
    failed = false;
    left = turn;
    const mpt_code code = do_call(&s, which);
    left = -1;
    assert_true(code == MPT_DONE || (failed && code == MPT_NO_RESOURCE));
    do_call(&s, EIGH);
    assert_int_equal(do_call(&s, which), MPT_DONE);
    for (int64_t k = 0; k < s.x.count; k++)
      assert_false(mpt_status_is_failure(s.x.report[k].status));
    mpt_solver_destroy(s.x.options.handle);
  }
  drop(&s);
}

static void memory_that_runs_out(void **state) {
  (void)state;
  mpt_error error;
  mpt_solver_handle *handle = (mpt_solver_handle *)&error;
  left = 0;
  assert_int_equal(mpt_solver_create(&handle, &error), MPT_NO_RESOURCE);
  left = -1;
  assert_null(handle);
  assert_int_equal(error.code, MPT_NO_RESOURCE);
  assert_non_null(strstr(error.text, "out of memory"));
  for (int solver = MPT_SOLVER_LANES; solver <= MPT_SOLVER_LAPACK; solver++)
    for (calls which = VALUES; which < CALLS; which++) {
      exhaust((mpt_solver)solver, which, false);
      exhaust((mpt_solver)solver, which, true);
    }
}

typedef struct job {
  subject mine, other;
  bool well;
} job;

static void *repeat(void *argument) {
  job *j = argument;
  for (int turn = 0; turn < 1000; turn++) {
    memset(j->mine.x.w, 0, values(&j->mine.x));
    j->well &= do_call(&j->mine, WITH_GRADIENT) == MPT_DONE;
    j->well &= !memcmp(j->mine.x.w, j->other.x.w, values(&j->mine.x));
    j->well &= !memcmp(j->mine.x.g, j->other.x.g, matrices(&j->mine.x));
  }
  return NULL;
}

/* Threads share a handle; half of them use one shape. */
static void calls_at_the_same_time(void **state) {
  (void)state;
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  job jobs[THREADS];
  mpt_solver_handle *handle;
  assert_int_equal(mpt_solver_create(&handle, NULL), MPT_DONE);
  for (int t = 0; t < THREADS; t++) {
    jobs[t].well = true;
    jobs[t].mine = new_subject(MPT_FLOAT64, t < 2 ? 4 : 4 + t, 2);
    jobs[t].other = jobs[t].mine;
    jobs[t].other.x.w = pages(values(&jobs[t].mine.x));
    jobs[t].other.x.g = pages(matrices(&jobs[t].mine.x));
    assert_int_equal(do_call(&jobs[t].other, WITH_GRADIENT), MPT_DONE);
    jobs[t].mine.x.options.handle = handle;
  }
  for (int t = 0; t < THREADS; t++)
    assert_int_equal(pthread_create(&threads[t], NULL, repeat, &jobs[t]), 0);
  for (int t = 0; t < THREADS; t++) {
    pthread_join(threads[t], NULL);
    assert_true(jobs[t].well);
    munmap(jobs[t].other.x.w, values(&jobs[t].mine.x) + 1);
    munmap(jobs[t].other.x.g, matrices(&jobs[t].mine.x) + 1);
    drop(&jobs[t].mine);
  }
  mpt_solver_destroy(handle);
}

/* No thread gets a workspace that another one uses. */
static void *take_and_give_back(void *argument) {
  mpt_solver_handle *handle = argument;
  const mpt_shape shape = shape_of(3, 0);
  for (int64_t turn = 0; turn < 100000; turn++) {
    mpt_workspace *w;
    if (mpt_workspace_take(handle, &mpt_lapack, &shape, &w, NULL) != MPT_DONE) return handle;
    const int64_t mine = (int64_t)(intptr_t)&w;
    __atomic_store_n(&w->bytes, mine, __ATOMIC_RELAXED);
    if (w->next || __atomic_load_n(&w->bytes, __ATOMIC_RELAXED) != mine) return handle;
    mpt_workspace_give_back(handle, w);
  }
  return NULL;
}

static void a_workspace_has_one_user(void **state) {
  (void)state;
  pthread_t threads[3];
  mpt_solver_handle *handle;
  assert_int_equal(mpt_solver_create(&handle, NULL), MPT_DONE);
  for (size_t t = 0; t < COUNT(threads); t++)
    assert_int_equal(pthread_create(&threads[t], NULL, take_and_give_back, handle), 0);
  for (size_t t = 0; t < COUNT(threads); t++) {
    void *wrong;
    pthread_join(threads[t], &wrong);
    assert_null(wrong);
  }
  mpt_solver_destroy(handle);
}

static void after_a_fork(void **state) {
  (void)state;
  subject s = new_subject(MPT_FLOAT64, 4, 3);
  assert_int_equal(mpt_solver_create(&s.x.options.handle, NULL), MPT_DONE);
  assert_int_equal(do_call(&s, WITH_GRADIENT), MPT_DONE);
  subject child_s = s;
  child_s.x.g = pages(matrices(&s.x));
  const pid_t child = fork();
  if (!child) {
    alarm(20);
    const bool well =
        do_call(&child_s, WITH_GRADIENT) == MPT_DONE && !memcmp(child_s.x.g, s.x.g, matrices(&s.x));
    mpt_solver_destroy(s.x.options.handle);
    _exit(well ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_int_equal(do_call(&s, WITH_GRADIENT), MPT_DONE);
  munmap(child_s.x.g, matrices(&s.x) + 1);
  mpt_solver_destroy(s.x.options.handle);
  drop(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_handle_changes_no_bit),  cmocka_unit_test(workspaces_are_used_again),
      cmocka_unit_test(what_is_kept_is_bounded),  cmocka_unit_test(memory_that_runs_out),
      cmocka_unit_test(calls_at_the_same_time),   cmocka_unit_test(after_a_fork),
      cmocka_unit_test(a_workspace_has_one_user),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
