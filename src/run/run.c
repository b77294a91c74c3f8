#include "run/run.h"

#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "engine/blas_library.h"
#include "run/failures.h"
#include "run/job_files.h"
#include "run/look.h"
#include "run/recall.h"
#include "run/stop.h"
#include "run/summary.h"
#include "run/merge.h"
#include "engine/scalapack/mpi_team.h"

static const double brief_seconds = 0.01; /* of each rank; less work is not worth a window */

int64_t mpt_memory_share(int ranks_on_node) {
  return mpt_free_memory() / 5 * 4 / (ranks_on_node > 0 ? ranks_on_node : 1);
}

int64_t mpt_agree_on_memory(MPI_Comm comm) {
  MPI_Comm node;
  int ranks;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Barrier(node);
  int64_t share = mpt_memory_share(ranks), least;
  MPI_Comm_free(&node);
  MPI_Allreduce(&share, &least, 1, MPI_INT64_T, MPI_MIN, comm);
  return least;
}

/* Warns once where ranks run on different kernels, or on slower kernels than the processor has. */
static void check_blas(MPI_Comm comm, int rank) {
  char mine[64] = "", first[64] = "";
  strncpy(mine, mpt_kernels(), sizeof mine - 1);
  memcpy(first, mine, sizeof first);
  MPI_Bcast(first, sizeof first, MPI_CHAR, 0, comm);
  int seen[2] = {strcmp(mine, first) != 0, mpt_blas_held_back()};
  MPI_Allreduce(MPI_IN_PLACE, seen, 2, MPI_INT, MPI_MAX, comm);
  if (rank != 0) return;
  if (seen[0])
    mpt_warn("ranks run on different kernels (rank 0: %s): results can differ in the last bits",
             first);
  if (seen[1])
    mpt_warn("OPENBLAS_CORETYPE holds AVX-512 processors to %s kernels: up to 1.6 times slower "
             "(unset it)",
             mpt_blas_kernels());
}

/* Whether this rank's text equals rank 0's. Collective and agreed. */
static mpt_code same_text(mpt_run *r, const char *mine, bool *same, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *first = r->rank == 0 && mine ? mpt_format("%s", mine) : NULL;
  AGREE(r->comm, mine && (r->rank != 0 || first) ? MPT_DONE : mpt_no_memory("start", error));
  TRY_COLL(mpt_share_text(r->comm, &first, error));
  *same = !strcmp(first, mine);
done:
  free(first);
  return code;
}

static mpt_code same_config(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool same;
  TRY_COLL(same_text(r, r->job.config.resolved, &same, error));
  if (!same)
    code = mpt_fail(error, MPT_BAD_USAGE,
                    "cannot start: rank %d read another config than rank 0 (use a file system that "
                    "all nodes share)",
                    r->rank);
  AGREE(r->comm, code);
done:
  return code;
}

/* The input's fingerprint. It is taken from the cached eigenpairs where the input has not changed
 * since they were computed. Collective. */
static mpt_code find_fingerprint(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const char *name = r->job.config.input_file;
  int known = 0;
  uint64_t sum;
  if (r->rank == 0) {
    r->input = r->job.watched[0].first;
    r->input_settled = mpt_is_settled(&r->input);
    known = r->recalled && r->recalled->input_settled &&
            mpt_same_identity(&r->recalled->input, &r->input);
  }
  MPI_Bcast(&known, 1, MPI_INT, 0, r->comm);
  if (known) {
    memcpy(r->fingerprint, r->recalled->fingerprint, sizeof r->fingerprint);
    return MPT_DONE;
  }
  AGREE(r->comm, mpt_fingerprint_part(r->job.watched[0].file, name, r->rank, r->size, &sum, error));
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, r->comm);
  mpt_fingerprint_write(sum, r->fingerprint);
  r->job.watched[0].hash = sum;
  r->job.watched[0].hashed = true;
done:
  return code;
}

/* Compares the datasets that the ranks found: a dataset that a rank failed to read may look absent
 * to that rank. Collective and agreed. */
static mpt_code same_datasets(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_text list = {0};
  bool same;
  mpt_text_add(&list, "%llx", (unsigned long long)r->job.quantities);
  for (int64_t d = 0; d < r->job.input.count; d++) {
    const mpt_dataset *x = &r->job.input.datasets[d];
    mpt_text_add(&list, "\n%s %d %lld %lld %lld %lld %d", x->path, (int)x->type,
                 (long long)x->count, (long long)x->n, (long long)x->columns,
                 (long long)x->frame_columns, (int)x->leading);
  }
  TRY_COLL(same_text(r, list.data, &same, error));
  if (!same)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use '%s': rank %d finds other datasets in the files than rank 0 (check "
                    "them with h5dump)",
                    r->job.config.input_file, r->rank);
  AGREE(r->comm, code);
done:
  mpt_text_release(&list);
  return code;
}

/* Compares the files that the ranks see: on hosts with separate file systems, each rank would read
 * another file. Collective. */
static mpt_code same_files(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_identity first[MPT_MOST_WATCHED] = {0};
  for (int k = 0; k < r->job.watched_count; k++) first[k] = r->job.watched[k].first;
  MPI_Bcast(first, sizeof first, MPI_BYTE, 0, r->comm);
  TRY_COLL(same_datasets(r, error));
  for (int k = 0; k < r->job.watched_count && code == MPT_DONE; k++) {
    const mpt_watch *w = &r->job.watched[k];
    if (w->first.size != first[k].size || w->first.written != first[k].written)
      code = mpt_fail(error, MPT_BAD_INPUT,
                      "cannot use %s '%s': rank %d sees another file there than rank 0 (use a file "
                      "system that all nodes share, and run again when nobody writes it)",
                      w->what, w->name, r->rank);
  }
  AGREE(r->comm, code);
done:
  return code;
}

static mpt_code open_inputs(mpt_run *r, mpt_config *config, mpt_error *error) {
  mpt_code code = MPT_DONE;
  AGREE(r->comm, r->rank == 0 ? mpt_look_at_inputs(config, error) : MPT_DONE);
  AGREE(r->comm, mpt_job_open(config, &r->job, error));
  TRY_COLL(same_config(r, error));
  TRY_COLL(same_files(r, error));
  mpt_find_memory(r);
  TRY_COLL(find_fingerprint(r, error));
  if (r->rank == 0) mpt_job_hash(&r->job, r->recalled != NULL);
  if (r->rank == 0) code = mpt_job_check_eigenpairs(&r->job, r->fingerprint, error);
  AGREE(r->comm, code);
done:
  mpt_config_release(config); /* the job has taken it over, unless looking at the files failed */
  return code;
}

static mpt_code make_plan(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double rate = r->rank == 0 ? mpt_measure_rate() : 0;
  MPI_Bcast(&rate, 1, MPI_DOUBLE, 0, r->comm);
  const mpt_plan_request request = {.config = &r->job.config,
                                    .tasks = r->job.tasks,
                                    .count = r->job.input.count,
                                    .ranks = r->size,
                                    .memory = mpt_agree_on_memory(r->comm),
                                    .rate = rate};
  AGREE(r->comm, mpt_plan_make(&request, &r->plan, error));
done:
  return code;
}

static mpt_code open_result(mpt_run *r, bool fresh, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_result_spec spec = mpt_job_spec(&r->job);
  spec.fingerprint = r->fingerprint;
  spec.blas = mpt_blas_description();
  spec.ranks = r->size;
  AGREE(r->comm,
        mpt_allocate(&r->statuses, r->job.input.count, sizeof *r->statuses, "statuses", error));
  TRY_COLL(mpt_result_open(r->comm, &spec, fresh, &r->result, r->statuses, &r->continued, error));
  mpt_result_id(r->result, r->result_id);
  AGREE(r->comm, mpt_schedule_make(&r->plan, r->job.tasks, (const int8_t *const *)r->statuses,
                                   &r->schedule, error));
  if (r->rank == 0) mpt_announce(&r->job, &r->plan, r->statuses, r->continued, r->size);
done:
  return code;
}

static void note_done(mpt_run *r, const mpt_unit *u, const mpt_team *team) {
  if (team->rank == 0)
    mpt_progress_show(&r->progress, mpt_counter_done(&r->counter, u->seconds * u->ranks));
}

/* True on all ranks of the team when a signal came, or another rank failed. */
static bool team_stops(mpt_run *r, const mpt_team *team) {
  return mpt_team_any(team, mpt_stop_requested() || mpt_counter_stopped(&r->counter));
}

/* Does units first..end, which are for teams of one size. Collective over all ranks. */
static mpt_code do_team_units(mpt_run *r, int64_t first, int64_t end, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_unit *units = r->schedule.units;
  const mpt_task_plan *work = &r->plan.tasks[units[first].dataset];
  MPI_Comm comm;
  const int mine = r->rank / work->ranks;
  const bool member = mine < r->size / work->ranks;
  MPI_Comm_split(r->comm, member ? mine : MPI_UNDEFINED, r->rank, &comm);
  if (!member) return MPT_DONE;
  mpt_team team = mpt_mpi_team(comm);
  for (int64_t k = first; k < end && code == MPT_DONE; k++) {
    if (units[k].team != mine) continue;
    if (team_stops(r, &team)) break;
    memcpy(team.grid, r->plan.tasks[units[k].dataset].grid, sizeof team.grid);
    code = mpt_worker_do(&r->worker, &units[k], &team, error);
    note_done(r, &units[k], &team);
  }
  mpt_worker_close(&r->worker);
  MPI_Comm_free(&comm);
  return code;
}

/* Each rank does the units that it has solved before. */
static mpt_code do_recalled_units(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_team alone = mpt_team_of_one();
  for (const mpt_cache_entry *p = r->recalled->entries; p && code == MPT_DONE; p = p->next) {
    if (p->ranks > 1) continue;
    if (mpt_stop_requested() || mpt_counter_stopped(&r->counter)) break;
    const mpt_unit unit = {p->dataset, p->first, p->count, 1, 0, 0};
    code = mpt_worker_do(&r->worker, &unit, &alone, error);
  }
  return code;
}

static mpt_code do_single_units(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_team alone = mpt_team_of_one();
  while (code == MPT_DONE && !mpt_stop_requested()) {
    int64_t next = r->schedule.team_count + mpt_counter_next(&r->counter);
    if (next >= r->schedule.count) break;
    code = mpt_worker_do(&r->worker, &r->schedule.units[next], &alone, error);
    note_done(r, &r->schedule.units[next], &alone);
  }
  return code;
}

static int64_t problems_left(const mpt_run *r) {
  int64_t done = 0, left = 0;
  for (int s = 0; s < MPT_STATUS_COUNT; s++) done += r->worker.by_status[s];
  MPI_Allreduce(MPI_IN_PLACE, &done, 1, MPI_INT64_T, MPI_SUM, r->comm);
  for (int64_t k = 0; k < r->schedule.count; k++) left += r->schedule.units[k].count;
  return left - done;
}

static void begin_units(mpt_run *r) {
  mpt_worker_open(&r->worker, &r->job, &r->plan, r->result);
  r->worker.rank = r->rank;
  r->worker.cache = r->cache;
  r->worker.recalled = r->recalled;
  mpt_begin_memory(r);
}

/* Checks that the files that were read have not changed. If the time of a change is unknown,
 * everything that this run has finished is taken back. Collective. */
static mpt_code look_again(mpt_run *r, mpt_error *error) {
  bool doubt = false;
  mpt_error second = {0};
  mpt_code code = mpt_job_look(&r->job, error);
  if (code == MPT_DONE && r->rank == 0) code = mpt_job_look_again(&r->job, &doubt, error);
  code = mpt_agree(r->comm, code, error);
  MPI_Bcast(&doubt, 1, MPI_C_BOOL, 0, r->comm);
  const mpt_code revoked = doubt ? mpt_result_revoke(r->result, r->statuses, &second) : MPT_DONE;
  if (revoked == MPT_DONE) return code;
  *error = second;
  return revoked;
}

/* Stops the counter and agrees on the failures of all ranks. Collective. */
static mpt_code end_units(mpt_run *r, mpt_code code, mpt_error *error) {
  if (code != MPT_DONE || mpt_stop_requested()) mpt_counter_stop(&r->counter);
  mpt_worker_close(&r->worker);
  const double arrived = mpt_now();
  code = mpt_agree(r->comm, code, error);
  r->wait_seconds = mpt_now() - arrived;
  if (code == MPT_DONE) code = look_again(r, error);
  r->left = problems_left(r);
  return code;
}

/* Every rank works until no unit is left, a signal comes or some rank fails. Collective. */
static mpt_code do_all_units(mpt_run *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_schedule *s = &r->schedule;
  begin_units(r);
  for (int64_t first = 0, end; first < s->team_count; first = end) {
    for (end = first; end < s->team_count && s->units[end].ranks == s->units[first].ranks;) end++;
    mpt_error here;
    mpt_code failed = do_team_units(r, first, end, code == MPT_DONE ? error : &here);
    if (failed != MPT_DONE) mpt_counter_stop(&r->counter);
    if (code == MPT_DONE) code = failed;
  }
  if (code == MPT_DONE) code = r->recalls ? do_recalled_units(r, error) : do_single_units(r, error);
  return end_units(r, code, error);
}

/* Adds up all ranks' work. The failures in the file, also those of earlier runs, decide the exit
 * code. */
static mpt_code conclude(mpt_run *r, mpt_summary *out) {
  mpt_summary summary = {.io_seconds = r->worker.io_seconds,
                         .solve_seconds = r->worker.solve_seconds,
                         .wait_seconds = r->wait_seconds,
                         .elapsed = mpt_now() - r->progress.started,
                         .refused = r->worker.refused,
                         .retried = r->worker.retried};
  memcpy(summary.by_status, r->worker.by_status, sizeof summary.by_status);
  memcpy(summary.worst, r->worker.worst, sizeof summary.worst);
  if (r->rank == 0) mpt_count_statuses(&r->job, r->statuses, &summary);
  mpt_summary_reduce(r->comm, &summary);
  mpt_tell_retries(r->comm, &r->job, &r->plan, &r->worker, summary.retried);
  if (r->rank == 0) mpt_summary_print(&summary);
  mpt_tell_failures(r->comm, &r->job, &r->worker, &summary);
  if (out) *out = summary;
  if (summary.by_status[MPT_STATUS_PENDING] > 0) return MPT_STOPPED;
  return mpt_summary_failures(&summary) > 0 ? MPT_SOME_FAILED : MPT_DONE;
}

static void release(mpt_run *r) {
  for (int64_t d = 0; r->statuses && d < r->job.input.count; d++) free(r->statuses[d]);
  free(r->statuses);
  mpt_schedule_release(&r->schedule);
  mpt_plan_release(&r->plan);
  mpt_job_close(&r->job);
}

/* Logs the end of a stage, for MULTIPLET_LOG=debug. */
static void end_stage(const mpt_run *r, const char *what) {
  mpt_debug("%9.6f s: %s", mpt_now() - r->begun, what);
}

/* Everything before the first unit; takes the config over. Collective. */
static mpt_code open_run(MPI_Comm comm, mpt_config *config, bool fresh, mpt_cache *cache,
                         mpt_run **out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_run *r = *out = mpt_alloc(1, sizeof *r);
  AGREE(comm, r ? MPT_DONE : mpt_no_memory("start", error));
  r->begun = mpt_now();
  r->comm = comm;
  r->cache = cache;
  MPI_Comm_rank(comm, &r->rank);
  MPI_Comm_size(comm, &r->size);
  mpt_blas_set_threads((int)config->threads);
  check_blas(comm, r->rank);
  TRY_COLL(open_inputs(r, config, error));
  end_stage(r, "inputs are open");
  TRY_COLL(make_plan(r, error));
  end_stage(r, "planned");
  TRY_COLL(open_result(r, fresh, error));
  end_stage(r, "the result is open");
  mpt_open_memory(r);
  mpt_counter_open(comm, r->schedule.seconds < brief_seconds * r->size, &r->counter);
  r->counting = true;
  mpt_progress_begin(&r->progress, r->rank == 0, r->schedule.seconds);
done:
  return code;
}

/* Everything after the last unit, whether or not the run succeeded. Collective. */
static mpt_code close_run(mpt_run *r, mpt_code code, mpt_summary *summary, mpt_error *error) {
  if (!r) return code;
  end_stage(r, "no unit is left");
  if (r->counting) mpt_progress_end(&r->progress);
  if (r->result) {
    const double start = mpt_now();
    bool complete = code == MPT_DONE && r->left == 0 && r->counting;
    code = mpt_result_close(r->result, code, complete, error);
    if (r->counting) mpt_close_memory(r, code == MPT_DONE && complete);
    r->worker.io_seconds += mpt_now() - start;
  }
  if (r->counting) mpt_counter_close(&r->counter);
  if (r->counting && code == MPT_DONE) code = conclude(r, summary);
  end_stage(r, "the result is closed");
  release(r);
  free(r);
  return code;
}

mpt_code mpt_run_config(MPI_Comm comm, mpt_config *config, bool fresh, mpt_cache *cache,
                        mpt_summary *summary, mpt_error *error) {
  mpt_run *r = NULL;
  mpt_code code = open_run(comm, config, fresh, cache, &r, error);
  if (code == MPT_DONE) code = do_all_units(r, error);
  return close_run(r, code, summary, error);
}

/* Whether the whole job is one unit of small matrices. */
static bool is_one_batch(const mpt_run *r) {
  if (r->job.input.count != 1 || !r->plan.tasks->engine->process) return false;
  const mpt_cache_entry *entry = r->recalls ? r->recalled->entries : NULL;
  if (r->recalls) return entry && !entry->next && entry->ranks == 1;
  return r->schedule.count == 1 && r->schedule.team_count == 0;
}

static mpt_unit only_unit(const mpt_run *r) {
  if (!r->recalls) return *r->schedule.units;
  const mpt_cache_entry *p = r->recalled->entries;
  return (mpt_unit){p->dataset, p->first, p->count, 1, 0, 0};
}

void mpt_run_merged(mpt_job_run *const *jobs, int count, mpt_cache *cache) {
  mpt_run **runs = mpt_alloc(count, sizeof *runs);
  mpt_member *members = mpt_alloc(count, sizeof *members);
  int joint = 0;
  for (int k = 0; k < count; k++) {
    mpt_job_run *j = jobs[k];
    mpt_error *error = &j->error;
    if (j->code != MPT_DONE) continue;
    if (!runs || !members)
      j->code = mpt_no_memory("start", error);
    else
      j->code = open_run(MPI_COMM_SELF, &j->config, false, cache, &runs[k], error);
    if (j->code != MPT_DONE || !is_one_batch(runs[k])) continue;
    begin_units(runs[k]);
    members[joint++] = (mpt_member){&runs[k]->worker, only_unit(runs[k]), MPT_DONE, error};
  }
  mpt_merge(members, joint);
  for (int k = 0, at = 0; runs && members && k < count; k++) {
    mpt_job_run *j = jobs[k];
    const bool member = at < joint && members[at].worker == (runs[k] ? &runs[k]->worker : NULL);
    if (member)
      j->code = end_units(runs[k], members[at++].code, &j->error);
    else if (j->code == MPT_DONE && runs[k])
      j->code = do_all_units(runs[k], &j->error);
    if (runs[k]) j->code = close_run(runs[k], j->code, &j->summary, &j->error);
  }
  free(runs);
  free(members);
}
