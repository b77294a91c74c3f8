#include "run/merge.h"

#include <stdlib.h>
#include <string.h>
#include "run/worker_arrays.h"

static bool same_functions(const mpt_batch *a, const mpt_batch *b) {
  if (a->function_count != b->function_count) return false;
  for (int f = 0; f < a->function_count; f++)
    if (memcmp(&a->functions[f].function, &b->functions[f].function, sizeof(mpt_function)))
      return false;
  return true;
}

/* Frames are the same only where each problem has its own reference: jobs with one reference for
 * all problems cannot be joined. */
static bool same_frame(const mpt_frame_shape *a, const mpt_frame_shape *b) {
  return a->columns == b->columns &&
         (!a->columns || (a->each && b->each && !memcmp(a->index, b->index, sizeof a->index)));
}

static bool same_options(const mpt_options *a, const mpt_options *b) {
  return a->triangle == b->triangle && a->tolerance == b->tolerance &&
         a->gauge_policy == b->gauge_policy && a->spread_policy == b->spread_policy &&
         a->convention == b->convention && a->basis == b->basis && a->seed == b->seed;
}

/* Whether two units that have been read can be solved as one batch. */
static bool same_kind(const mpt_worker *a, const mpt_worker *b) {
  const mpt_batch *x = &a->batch, *y = &b->batch;
  bool same =
      a->plan->tasks->engine == b->plan->tasks->engine && x->type == y->type && x->n == y->n &&
      x->given == y->given && !x->a == !y->a && x->factor_given == y->factor_given &&
      same_options(&a->job->options, &b->job->options) && mpt_same_select(&x->select, &y->select) &&
      same_functions(x, y) && same_frame(&x->frame, &y->frame) && a->array_count == b->array_count;
  for (int64_t k = 0; same && k < a->array_count; k++)
    same = a->arrays[k].quantity == b->arrays[k].quantity &&
           a->arrays[k].function == b->arrays[k].function;
  return same;
}

/* Copies between a member's arrays and its part of the joint ones, which begins at problem
 * `first`. */
static void copy_arrays(mpt_worker *joint, int64_t first, mpt_worker *own, bool into_joint) {
  const int64_t count = own->batch.count;
  const size_t report = sizeof *own->batch.report;
  for (int64_t k = 0; k < own->array_count; k++) {
    const size_t each = mpt_array_bytes(own, &own->arrays[k], 1);
    char *mine = own->arrays[k].data, *ours = (char *)joint->arrays[k].data + (size_t)first * each;
    memcpy(into_joint ? ours : mine, into_joint ? mine : ours, (size_t)count * each);
  }
  mpt_report *mine = own->batch.report, *ours = joint->batch.report + first;
  memcpy(into_joint ? ours : mine, into_joint ? mine : ours, (size_t)count * report);
}

/* Solves the units of `count` workers of one kind as one batch. */
static mpt_code solve_jointly(mpt_worker *const *workers, int count, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_team alone = mpt_team_of_one();
  mpt_task_plan work = *workers[0]->plan->tasks;
  const mpt_plan plan = {.tasks = &work, .count = 1, .ranks = 1};
  mpt_worker joint;
  int64_t total = 0, first = 0;
  for (int k = 0; k < count; k++) total += workers[k]->batch.count;
  work.chunk = total;
  mpt_worker_open(&joint, workers[0]->job, &plan, NULL);
  TRY(mpt_worker_prepare(&joint, 0, &alone, error));
  joint.batch.count = total;
  if (!workers[0]->batch.a) joint.batch.a = NULL;
  joint.batch.factor_given = workers[0]->batch.factor_given;
  for (int k = 0; k < count; first += workers[k++]->batch.count)
    copy_arrays(&joint, first, workers[k], true);
  TRY(mpt_worker_solve(&joint, error));
  first = 0;
  for (int k = 0; k < count; first += workers[k++]->batch.count) {
    copy_arrays(&joint, first, workers[k], false);
    workers[k]->started = joint.started;
    workers[k]->solve_seconds +=
        joint.solve_seconds * (double)workers[k]->batch.count / (double)total;
  }
done:
  mpt_worker_close(&joint);
  return code;
}

/* Solves member `first` together with the later members of its kind. */
static void solve_kind(mpt_member *members, int first, int count, bool *solved, mpt_worker **kind) {
  int size = 0;
  mpt_error error = {0};
  for (int k = first; k < count; k++) {
    if (solved[k] || members[k].code != MPT_DONE) continue;
    if (same_kind(members[first].worker, members[k].worker)) kind[size++] = members[k].worker;
  }
  const mpt_code code = size > 1 ? solve_jointly(kind, size, &error)
                                 : mpt_worker_solve(members[first].worker, &error);
  for (int k = first, at = 0; k < count && at < size; k++) {
    if (members[k].worker != kind[at]) continue;
    at++;
    solved[k] = true;
    members[k].code = code;
    if (code != MPT_DONE) *members[k].error = error;
  }
}

void mpt_merge(mpt_member *members, int count) {
  const mpt_team alone = mpt_team_of_one();
  mpt_worker **kind = mpt_alloc(count, sizeof(mpt_worker *));
  bool *solved = mpt_alloc(count, sizeof *solved);
  for (int k = 0; k < count; k++) {
    mpt_member *m = &members[k];
    if (m->code != MPT_DONE) continue;
    mpt_error *error = m->error;
    if (kind && solved)
      m->code = mpt_worker_read(m->worker, &m->unit, &alone, error);
    else
      m->code = mpt_no_memory("solve", error);
  }
  for (int k = 0; k < count; k++)
    if (members[k].code == MPT_DONE && !solved[k]) solve_kind(members, k, count, solved, kind);
  for (int k = 0; k < count; k++) {
    mpt_member *m = &members[k];
    if (m->code == MPT_DONE) m->code = mpt_worker_write(m->worker, &m->unit, m->error);
  }
  free(kind);
  free(solved);
}
