/* Second derivatives of matrix functions in memory. Threads take the problems in turn, each with a
 * workspace of its own. */
#include <multiplet/function.h>

#include <stdatomic.h>
#include <stdlib.h>
#include "api/arguments.h"
#include "api/threads.h"
#include "base/base.h"
#include "engine/policy.h"
#include "engine/second.h"

typedef struct call {
  mpt_second_problem first; /* of the batch */
  int64_t count, each;      /* each: doubles of a thread's workspace */
  double width;
  mpt_convention convention;
  _Atomic int64_t next; /* the first problem that no thread has taken */
  double *memory;       /* [threads, each] */
} call;

static void do_problems(void *context, int thread) {
  call *c = context;
  const mpt_second_problem *all = &c->first;
  const int64_t n = all->n, n2 = n * n;
  const size_t size = mpt_type_size(all->type);
  int64_t k;
  while ((k = atomic_fetch_add(&c->next, 1)) < c->count) {
    mpt_second_problem one = *all;
    one.w = mpt_part_of(all->w, k, n, mpt_real_size(all->type));
    one.v = mpt_part_of(all->v, k, n2, size);
    one.e = mpt_part_of(all->e, k, n2, size);
    one.c = mpt_part_of(all->c, k, n2, size);
    one.s = mpt_part_of(all->s, k, n2, size);
    one.multiplet = mpt_part_of(all->multiplet, k, n, sizeof *one.multiplet);
    one.report = all->report + k;
    mpt_make_second(&one, c->width, c->convention, c->memory + thread * c->each);
  }
}

mpt_code mpt_matrix_function_second(mpt_type type, int64_t n, int64_t count,
                                    const mpt_options *options, const mpt_function *function,
                                    const void *w, const void *v, const void *e, const void *c,
                                    void *s, int32_t *multiplet, mpt_report *report,
                                    mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_options mine = {0};
  mpt_function_arrays one = {.cotangent = e};
  mpt_batch all = mpt_memory_batch(type, n, count, c, w, v, multiplet, report);
  if (!mpt_receive(function, &one.function, sizeof one.function))
    return mpt_refuse("function.size", error);
  if (options && !mpt_receive(options, &mine, sizeof mine))
    return mpt_refuse("options.size", error);
  all.functions = &one;
  all.function_count = 1;
  all.given = true;
  all.g = s;
  const char *wrong = mpt_wrong_argument(&all, &mine, true);
  if (!wrong && n && count && !(v && e && c)) wrong = "a null array";
  if (wrong) return mpt_refuse(wrong, error);
  call work = {.first = {type, n, &one.function, w, v, e, c, s, multiplet, report},
               .count = count,
               .each = mpt_second_workspace(type, n),
               .width = mpt_tolerance(&mine, &all),
               .convention = mine.convention};
  const int64_t threads = mine.threads < 1 ? 1 : mine.threads > count ? count : mine.threads;
  if (!count) return MPT_DONE;
  TRY(mpt_allocate(&work.memory, threads * work.each, sizeof(double), "second derivatives", error));
  mpt_run_threads((int)threads, do_problems, &work);
done:
  free(work.memory);
  return code;
}
