/* Units, their order, and a simulation of when each rank takes which (plan.h). */
#include "plan/plan.h"

#include <stdlib.h>

/* More pieces than this are refused: it is the number of 4 MiB pieces in 64 TiB of matrices. */
static const int64_t most_units = INT64_C(1) << 24;

static int by_cost(const void *a, const void *b) {
  const mpt_unit *x = a, *y = b;
  if (x->ranks != y->ranks) return x->ranks > y->ranks ? -1 : 1;
  if (x->seconds != y->seconds) return x->seconds > y->seconds ? -1 : 1;
  if (x->dataset != y->dataset) return x->dataset < y->dataset ? -1 : 1;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* The next run of PENDING problems at or after *first, at most `chunk` long; 0 at the end. */
static int64_t next_run(const int8_t *statuses, int64_t count, int64_t chunk, int64_t *first) {
  int64_t at = *first, length = 0;
  if (!statuses) return count - at < chunk ? count - at : chunk;
  while (at < count && statuses[at] != MPT_STATUS_PENDING) at++;
  while (at + length < count && length < chunk && statuses[at + length] == MPT_STATUS_PENDING)
    length++;
  *first = at;
  return length;
}

/* Counts a dataset's units, and writes them to `out` unless it is NULL. */
static int64_t cut(const mpt_plan *plan, const mpt_task *tasks, int64_t d, const int8_t *statuses,
                   mpt_unit *out) {
  const mpt_task_plan *w = &plan->tasks[d];
  int64_t units = 0, length, count = tasks[d].dataset->count;
  for (int64_t first = 0; (length = next_run(statuses, count, w->chunk, &first)) > 0;
       first += length, units++)
    if (out) out[units] = (mpt_unit){d, first, length, w->ranks, 0, (double)length * w->seconds};
  return units;
}

/* The time at which all ranks of a team are free. */
static double free_from(const double *load, int ranks, int team) {
  double latest = 0;
  for (int r = team * ranks; r < (team + 1) * ranks; r++)
    latest = load[r] > latest ? load[r] : latest;
  return latest;
}

/* Each unit goes to the team that is free first; all ranks compute the same assignment. Teams of
 * different sizes share ranks, so the load is counted for each rank. */
static mpt_code assign_teams(const mpt_plan *plan, mpt_schedule *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double *load = NULL;
  TRY(mpt_allocate(&load, plan->ranks, sizeof *load, "the schedule", error));
  for (int64_t k = 0; k < s->team_count; k++) {
    mpt_unit *u = &s->units[k];
    double first = free_from(load, u->ranks, 0);
    for (int t = 1; t < plan->ranks / u->ranks; t++) {
      double from = free_from(load, u->ranks, t);
      if (from >= first) continue;
      first = from;
      u->team = t;
    }
    for (int r = 0; r < u->ranks; r++) load[u->team * u->ranks + r] = first + u->seconds;
  }
done:
  free(load);
  return code;
}

/* Checks the number of units before anything is allocated or looped over. */
static mpt_code check_count(const mpt_plan *plan, const mpt_task *tasks, mpt_error *error) {
  int64_t units = 0;
  for (int64_t d = 0; d < plan->count; d++) {
    const mpt_dataset *data = tasks[d].dataset;
    units += data->count / plan->tasks[d].chunk + (data->count % plan->tasks[d].chunk > 0);
    if (units > most_units)
      return mpt_fail(
          error, MPT_BAD_INPUT,
          "cannot schedule '%s': its %lld matrices of n = %lld are more pieces than the "
          "2^24 that can be (split it over several jobs)",
          data->path, (long long)data->count, (long long)data->n);
  }
  return MPT_DONE;
}

mpt_code mpt_schedule_make(const mpt_plan *plan, const mpt_task *tasks,
                           const int8_t *const *statuses, mpt_schedule *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *s = (mpt_schedule){0};
  TRY(check_count(plan, tasks, error));
  for (int64_t d = 0; d < plan->count; d++)
    s->count += cut(plan, tasks, d, statuses ? statuses[d] : NULL, NULL);
  TRY(mpt_allocate(&s->units, s->count, sizeof *s->units, "the schedule", error));
  int64_t at = 0;
  for (int64_t d = 0; d < plan->count; d++)
    at += cut(plan, tasks, d, statuses ? statuses[d] : NULL, s->units + at);
  qsort(s->units, (size_t)s->count, sizeof *s->units, by_cost);
  while (s->team_count < s->count && s->units[s->team_count].ranks > 1) s->team_count++;
  for (int64_t k = 0; k < s->count; k++) s->seconds += s->units[k].seconds * s->units[k].ranks;
  TRY(assign_teams(plan, s, error));
done:
  if (code != MPT_DONE) mpt_schedule_release(s);
  return code;
}

void mpt_schedule_release(mpt_schedule *s) {
  free(s->units);
  *s = (mpt_schedule){0};
}

/* Restores the heap order of times[count] downwards from the root. */
static void sift(double *times, int count) {
  for (int at = 0, child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && times[child + 1] < times[child]) child++;
    if (times[at] <= times[child]) return;
    double swap = times[at];
    times[at] = times[child];
    times[child] = swap;
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

mpt_simulation mpt_simulate(const mpt_plan *plan, const mpt_schedule *s) {
  mpt_simulation result = {0};
  double *free_at = mpt_alloc(plan->ranks, sizeof *free_at), busy = 0;
  if (!free_at) return result;
  for (int64_t k = 0; k < s->team_count; k++) {
    const mpt_unit *u = &s->units[k];
    double *team = free_at + u->team * u->ranks, start = 0;
    for (int r = 0; r < u->ranks; r++) start = team[r] > start ? team[r] : start;
    for (int r = 0; r < u->ranks; r++) team[r] = start + u->seconds;
    busy += u->seconds * u->ranks;
  }
  qsort(free_at, (size_t)plan->ranks, sizeof *free_at, ascending); /* a sorted array is a heap */
  for (int64_t k = s->team_count; k < s->count; k++) {
    free_at[0] += s->units[k].seconds;
    busy += s->units[k].seconds;
    sift(free_at, plan->ranks);
  }
  for (int r = 0; r < plan->ranks; r++)
    if (free_at[r] > result.makespan) result.makespan = free_at[r];
  if (result.makespan > 0) result.lost = 1 - busy / (result.makespan * plan->ranks);
  free(free_at);
  return result;
}
