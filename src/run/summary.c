#include "run/summary.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "run/progress.h"

void mpt_tell_unused(const mpt_input *input, void (*tell)(const char *line)) {
  for (const char *at = input->not_used; at && *at;) {
    const int length = (int)strcspn(at, "\n");
    char *line = mpt_format("not used: %.*s", length, at);
    if (line) tell(line);
    free(line);
    at += length + (at[length] == '\n');
  }
}

static void warn(const char *line) {
  mpt_warn("%s", line);
}

void mpt_announce(const mpt_job *job, const mpt_plan *plan, int8_t *const *statuses, bool continued,
                  int ranks) {
  int64_t problems = 0, left = 0;
  mpt_tell_unused(&job->input, warn);
  for (int64_t d = 0; d < job->input.count; d++)
    for (int64_t k = 0; k < job->input.datasets[d].count; k++) {
      problems++;
      left += statuses[d][k] == MPT_STATUS_PENDING;
    }
  if (continued && left == 0)
    mpt_note("nothing to do: %lld problems are finished in '%s'", (long long)problems,
             job->config.output_file);
  else if (continued)
    mpt_note("continuing: %lld of %lld problems left", (long long)left, (long long)problems);
  for (int64_t d = 0; d < job->input.count && left > 0; d++) {
    const mpt_task_plan *w = &plan->tasks[d];
    const mpt_dataset *data = &job->input.datasets[d];
    char grid[48] = "";
    if (w->ranks > 1) snprintf(grid, sizeof grid, " on %d x %d ranks each", w->grid[0], w->grid[1]);
    mpt_note("%s: %lld matrices of n = %lld, %s, %s%s; %d rank%s in all", data->path,
             (long long)data->count, (long long)data->n, mpt_type_name(data->type),
             job->config.eigenpairs ? "given eigenpairs" : w->engine->name, grid, ranks,
             ranks == 1 ? "" : "s");
  }
}

void mpt_count_statuses(const mpt_job *job, int8_t *const *statuses, mpt_summary *summary) {
  const mpt_config *c = &job->config;
  for (int s = MPT_STATUS_PENDING + 1; s < MPT_STATUS_COUNT; s++)
    summary->by_status[MPT_STATUS_PENDING] -= summary->by_status[s];
  for (int64_t d = 0; d < job->input.count; d++)
    for (int64_t k = 0; k < job->input.datasets[d].count; k++) {
      int8_t s = mpt_status_name(statuses[d][k]) ? statuses[d][k] : MPT_STATUS_INTERNAL;
      summary->by_status[s]++;
      summary->refused += (s == MPT_STATUS_GAUGE_DEPENDENT && c->gauge_policy == MPT_GAUGE_FAIL) ||
                          (s == MPT_STATUS_SUBGRADIENT && c->spread_policy == MPT_SPREAD_REFUSE);
    }
}

void mpt_summary_reduce(MPI_Comm comm, mpt_summary *s) {
  struct {
    double value;
    int rank;
  } mine[MPT_PHASES], worst[MPT_PHASES];
  int rank;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &s->ranks);
  if (rank != 0) /* rank 0 has already subtracted its own finished problems from those left */
    for (int k = MPT_STATUS_PENDING + 1; k < MPT_STATUS_COUNT; k++)
      s->by_status[MPT_STATUS_PENDING] -= s->by_status[k];
  double times[] = {s->solve_seconds, s->io_seconds, s->wait_seconds}, sums[MPT_PHASES];
  for (int k = 0; k < MPT_PHASES; k++) {
    mine[k].value = times[k];
    mine[k].rank = rank;
  }
  MPI_Allreduce(mine, worst, MPT_PHASES, MPI_DOUBLE_INT, MPI_MAXLOC, comm);
  MPI_Allreduce(times, sums, MPT_PHASES, MPI_DOUBLE, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, s->by_status, MPT_STATUS_COUNT, MPI_INT64_T, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, &s->refused, 1, MPI_INT64_T, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, &s->retried, 1, MPI_INT64_T, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, s->worst, 3, MPI_DOUBLE, MPI_MAX, comm);
  s->peak_memory = mpt_peak_memory();
  MPI_Allreduce(MPI_IN_PLACE, &s->peak_memory, 1, MPI_INT64_T, MPI_MAX, comm);
  for (int k = 0; k < MPT_PHASES; k++) {
    s->slowest[k] = worst[k].value;
    s->slowest_rank[k] = worst[k].rank;
  }
  s->solve_seconds = sums[0];
  s->io_seconds = sums[1];
  s->wait_seconds = sums[2];
}

static int by_place(const void *a, const void *b) {
  const mpt_retried *x = a, *y = b;
  if (x->dataset != y->dataset) return x->dataset < y->dataset ? -1 : 1;
  return (x->problem > y->problem) - (x->problem < y->problem);
}

static void tell_retry(const mpt_job *job, const mpt_plan *plan, const mpt_retried *p) {
  static const char *const checks[] = {[MPT_FAILED_NONE] = "failed its check",
                                       [MPT_FAILED_CONVERGENCE] = "did not converge",
                                       [MPT_FAILED_RESIDUAL] = "had a residual",
                                       [MPT_FAILED_ORTHOGONALITY] = "was off orthogonality",
                                       [MPT_FAILED_OUTPUTS] = "had an output residual",
                                       [MPT_FAILED_VALUES] = "missed trace or norm"};
  _Static_assert(sizeof checks / sizeof *checks == MPT_FAILED_VALUES + 1, "a check has no name");
  const char *path = job->input.datasets[p->dataset].path;
  const char *engine = plan->tasks[p->dataset].engine->name;
  const bool number = p->failed >= MPT_FAILED_RESIDUAL && p->failed <= MPT_FAILED_OUTPUTS;
  char size[32] = "";
  if (number && p->decade == INT8_MAX)
    snprintf(size, sizeof size, " that is no number");
  else if (number)
    snprintf(size, sizeof size, " above 1e%d n eps", p->decade);
  mpt_warn("problem %lld of %s: the first solution, by %s, %s%s; lapack solved it again",
           (long long)p->problem, path, engine, checks[p->failed], size);
}

void mpt_tell_retries(MPI_Comm comm, const mpt_job *job, const mpt_plan *plan,
                      const mpt_worker *worker, int64_t retried) {
  enum { EACH = MPT_RETRIES_TOLD, BYTES = EACH * sizeof(mpt_retried) };
  int rank, size, failed = 0;
  mpt_retried mine[EACH], *all = NULL;
  if (retried == 0) return;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  for (int i = 0; i < EACH; i++)
    mine[i] = i < worker->retried ? worker->told[i] : (mpt_retried){.dataset = INT64_MAX};
  if (rank == 0) failed = mpt_allocate(&all, (int64_t)size * EACH, sizeof *all, "a log", NULL) != 0;
  MPI_Bcast(&failed, 1, MPI_INT, 0, comm);
  if (!failed) MPI_Gather(mine, BYTES, MPI_BYTE, all, BYTES, MPI_BYTE, 0, comm);
  if (all) qsort(all, (size_t)size * EACH, sizeof *all, by_place);
  for (int i = 0; all && i < EACH && all[i].dataset < INT64_MAX; i++)
    tell_retry(job, plan, &all[i]);
  if (all && retried > EACH) mpt_warn("... and %lld more", (long long)retried - EACH);
  free(all);
}

int64_t mpt_summary_failures(const mpt_summary *s) {
  int64_t failures = s->refused;
  for (int k = 0; k < MPT_STATUS_COUNT; k++)
    if (mpt_status_is_failure(k)) failures += s->by_status[k];
  return failures;
}

void mpt_summary_print(const mpt_summary *s) {
  static const char *const phases[] = {"solving", "reading and writing", "waiting"};
  const double sums[] = {s->solve_seconds, s->io_seconds, s->wait_seconds};
  _Static_assert(sizeof phases / sizeof *phases == MPT_PHASES &&
                     sizeof sums / sizeof *sums == MPT_PHASES,
                 "a phase has no name or no sum");
  mpt_text text = {0};
  for (int k = 0; k < MPT_STATUS_COUNT; k++)
    if (s->by_status[k])
      mpt_text_add(&text, "%s%lld %s", text.length ? ", " : "", (long long)s->by_status[k],
                   mpt_status_name(k));
  mpt_note("%s in %.3g s: %s",
           s->by_status[MPT_STATUS_PENDING] ? "stopped, to be continued," : "done", s->elapsed,
           mpt_text_shown(&text, "no problems"));
  mpt_text_release(&text);
  if (s->retried > 0)
    mpt_warn("the first solution of %lld problem%s failed its check; lapack solved %s again "
             "(diagnostics/retried)",
             (long long)s->retried, s->retried == 1 ? "" : "s", s->retried == 1 ? "it" : "them");
  if (s->worst[0] > 0)
    mpt_warn("the loss of %lld problems depends on the arbitrary basis inside a multiplet (gauge "
             "violation up to %.2g): that part has no gradient and was dropped",
             (long long)s->by_status[MPT_STATUS_GAUGE_DEPENDENT], s->worst[0]);
  if (s->worst[1] > 0)
    mpt_warn(
        "the loss of %lld problems tells equal eigenvalues apart (cotangents that differ by up to "
        "%.2g of the largest), and no form of it is certified: SUBGRADIENT",
        (long long)s->by_status[MPT_STATUS_SUBGRADIENT], s->worst[1]);
  if (s->worst[2] > 0)
    mpt_warn("the loss or the direction of %lld problems moves eigenvalues that are zero, where a "
             "function has no derivative (up to %.2g of it): that part was dropped",
             (long long)s->by_status[MPT_STATUS_NULL_SPACE], s->worst[2]);
  for (int k = 0; k < MPT_PHASES; k++)
    mpt_note("  %-20s %9.3f s a rank, most %.3f s on rank %d", phases[k], sums[k] / s->ranks,
             s->slowest[k], s->slowest_rank[k]);
  mpt_note("  peak memory %.1f MiB a rank", (double)s->peak_memory / 0x1p20);
}
