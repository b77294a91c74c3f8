#include "run/worker.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/self_test.h"
#include "run/job_files.h"
#include "run/worker_arrays.h"
#include "engine/process.h"
#include "store/search.h"

void mpt_worker_open(mpt_worker *w, const mpt_job *job, const mpt_plan *plan, mpt_result *result) {
  *w = (mpt_worker){.job = job, .plan = plan, .result = result, .dataset = -1};
  for (int s = 0; s < MPT_STATUS_COUNT; s++) w->first[s] = INT64_MAX;
}

/* Frees what belongs to the current dataset. Collective over its team. */
static void release_memory(mpt_worker *w) {
  if (w->state) w->plan->tasks[w->dataset].engine->close(w->state);
  w->state = NULL;
  mpt_arrays_release(w);
  w->dataset = -1;
}

void mpt_worker_close(mpt_worker *w) {
  release_memory(w);
}

mpt_code mpt_worker_prepare(mpt_worker *w, int64_t d, const mpt_team *team, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_dataset *data = &w->job->input.datasets[d];
  if (w->dataset == d && w->team.comm == team->comm) return MPT_DONE;
  release_memory(w);
  w->dataset = d;
  w->team = *team;
  w->batch.row0 = mpt_slab_start(data->n, team->size, team->rank);
  w->batch.rows = mpt_slab_start(data->n, team->size, team->rank + 1) - w->batch.row0;
  w->batch.type = data->type;
  w->batch.n = data->n;
  w->batch.given = !w->job->tasks[d].solve;
  TRY_COLL(mpt_team_agree(team, mpt_arrays_allocate(w, d, error), error));
done:
  return code;
}

static mpt_code open_engine(mpt_worker *w, mpt_error *error) {
  const mpt_shape shape = mpt_shape_of(&w->job->config, &w->job->tasks[w->dataset]);
  const mpt_engine *engine = w->plan->tasks[w->dataset].engine;
  mpt_code code = MPT_DONE;
  if (w->state) return MPT_DONE;
  TRY_COLL(mpt_self_test(engine, shape.type, &w->team, error));
  TRY_COLL(engine->open(&shape, &w->team, &w->state, error));
done:
  return code;
}

/* A problem that failed in the earlier result keeps that status. */
static mpt_code read_given_statuses(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int8_t *statuses = NULL;
  char *path = mpt_job_path(w->job, u->dataset, MPT_STATUS, 0);
  const mpt_slab part = {u->first, u->count, 0, 1, 1, 1};
  hid_t type = mpt_element_type(MPT_E_STATUS, w->batch.type);
  TRY(mpt_allocate(&statuses, u->count, 1, "statuses", error));
  if (!path) TRY(mpt_no_memory("read", error));
  TRY(mpt_read_slab(w->job->eigenpairs, path, &part, type, statuses, error));
  for (int64_t k = 0; k < u->count; k++)
    if (mpt_status_is_failure(statuses[k])) w->batch.report[k].status = statuses[k];
done:
  H5Tclose(type);
  free(path);
  free(statuses);
  return code;
}

static mpt_code read_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch *b = &w->batch;
  const mpt_cache_entry *entry = w->entry;
  b->count = u->count;
  memset(b->report, 0, sizeof *b->report * (size_t)u->count);
  TRY(mpt_arrays_read(w, u, entry, error));
  TRY(mpt_job_look(w->job, error));
  for (int64_t k = 0; entry && k < u->count; k++)
    if (mpt_status_is_failure(entry->report[k].status))
      b->report[k].status = entry->report[k].status;
  if (b->given && !entry) TRY(read_given_statuses(w, u, error));
done:
  return code;
}

/* The unit's entry in memory: found by all ranks of the team or by none. */
static const mpt_cache_entry *entry_of(const mpt_worker *w, const mpt_unit *u,
                                       const mpt_team *team) {
  if (!w->recalled) return NULL;
  const mpt_cache_entry place = mpt_unit_entry(w, u),
                        *entry = mpt_cached_entry(w->recalled, &place);
  return mpt_team_all(team, entry != NULL) ? entry : NULL;
}

/* Copies the certificate's numbers from the run that computed these eigenpairs. */
static void recall_certificate(mpt_batch *b, const mpt_cache_entry *entry) {
  for (int64_t k = 0; entry && !b->a && k < b->count; k++) {
    if (mpt_status_is_failure(b->report[k].status)) continue;
    b->report[k].residual = entry->report[k].residual;
    b->report[k].orthogonality = entry->report[k].orthogonality;
  }
}

_Static_assert(MPT_MOST_PROBLEMS < MPT_PLACES, "a problem has no place");

/* Sets *out where the quantity is one number for each problem that the worker itself knows. */
static void own_number(const mpt_worker *w, mpt_quantity quantity, void *out) {
  const mpt_task_plan *work = &w->plan->tasks[w->dataset];
  const int8_t solver = (int8_t)work->engine->id;
  const int32_t rank = w->rank, ranks = work->ranks;
  if (quantity == MPT_SOLVER) memcpy(out, &solver, sizeof solver);
  if (quantity == MPT_RANKS) memcpy(out, &ranks, sizeof ranks);
  if (quantity == MPT_RANK) memcpy(out, &rank, sizeof rank);
  if (quantity == MPT_STARTED) memcpy(out, &w->started, sizeof w->started);
}

/* Fills w->column with one number for each problem, as wide as the quantity's element. */
static void fill_column(mpt_worker *w, mpt_quantity quantity) {
  const mpt_quantity_info *info = &mpt_quantities[quantity];
  const size_t size = mpt_element_size(info->element, w->batch.type);
  char *out = (char *)w->column;
  for (int64_t k = 0; k < w->batch.count; k++, out += size)
    if (info->role == MPT_REPORTED)
      memcpy(out, (const char *)&w->batch.report[k] + info->report, size);
    else
      own_number(w, quantity, out);
}

/* Writes the diagnostics with one number for each problem; only the team's first rank does. */
static mpt_code write_columns(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int f = MPT_STATUS + 1; f < MPT_QUANTITY_COUNT && code == MPT_DONE; f++) {
    if (!(w->job->quantities & MPT_BIT(f)) || mpt_is_per_function((mpt_quantity)f)) continue;
    const mpt_slab part = {u->first, u->count, 0, 1, 1, 1};
    fill_column(w, (mpt_quantity)f);
    code = mpt_result_write(w->result, u->dataset, (mpt_quantity)f, 0, &part, w->column, error);
  }
  return code;
}

static mpt_code write_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  TRY(mpt_arrays_write(w, u, error));
  if (w->team.rank == 0) TRY(write_columns(w, u, error));
  if (w->team.size > 1) TRY(mpt_result_sync(w->result, error)); /* the first rank commits */
done:
  return code;
}

static mpt_code finish_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  int8_t *statuses = (int8_t *)w->column;
  if (w->team.rank != 0) return MPT_DONE;
  for (int64_t k = 0; k < u->count; k++) {
    const mpt_report *r = &w->batch.report[k];
    statuses[k] = r->status;
    w->by_status[statuses[k]]++;
    const int64_t place = u->dataset * MPT_PLACES + u->first + k;
    if (place < w->first[r->status]) w->first[r->status] = place;
    w->refused += r->refused;
    if (r->retried && w->retried < MPT_RETRIES_TOLD)
      w->told[w->retried] =
          (mpt_retried){u->dataset, u->first + k, r->first_failed, r->first_decade};
    w->retried += r->retried;
    if (r->status == MPT_STATUS_GAUGE_DEPENDENT)
      w->worst[0] = fmax(w->worst[0], r->gauge_violation);
    if (r->status == MPT_STATUS_SUBGRADIENT) w->worst[1] = fmax(w->worst[1], r->cotangent_spread);
    if (r->status == MPT_STATUS_NULL_SPACE) w->worst[2] = fmax(w->worst[2], r->null_violation);
  }
  mpt_code code = mpt_result_finish(w->result, u->dataset, u->first, u->count, statuses, error);
  if (code != MPT_DONE) return code;
  return mpt_result_commit(w->result, w->job->config.checkpoint_seconds, error);
}

/* Sets failed eigenpairs to zero: in the result file, eigenpairs that were given are outputs,
 * too. */
static void zero_given_failures(mpt_batch *b) {
  for (int64_t k = 0; b->given && k < b->count; k++)
    if (mpt_status_is_failure(b->report[k].status)) mpt_zero_pairs(b, k);
}

mpt_code mpt_worker_read(mpt_worker *w, const mpt_unit *u, const mpt_team *team, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const double start = mpt_now();
  TRY_COLL(mpt_worker_prepare(w, u->dataset, team, error));
  w->entry = entry_of(w, u, team);
  TRY_COLL(mpt_team_agree(team, read_unit(w, u, error), error));
  w->io_seconds += mpt_now() - start;
done:
  return code;
}

static double time_of_day(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

mpt_code mpt_worker_solve(mpt_worker *w, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const double start = mpt_now();
  w->started = time_of_day();
  TRY_COLL(open_engine(w, error));
  mpt_process_batch(w->plan->tasks[w->dataset].engine, w->state, &w->team, &w->job->options,
                    &w->batch);
  w->solve_seconds += mpt_now() - start;
done:
  return code;
}

mpt_code mpt_worker_write(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const double start = mpt_now();
  zero_given_failures(&w->batch);
  recall_certificate(&w->batch, w->entry);
  if (w->caching) mpt_arrays_cache(w, u);
  TRY_COLL(mpt_team_agree(&w->team, write_unit(w, u, error), error));
  TRY_COLL(mpt_team_agree(&w->team, finish_unit(w, u, error), error));
  w->io_seconds += mpt_now() - start;
done:
  return code;
}

mpt_code mpt_worker_do(mpt_worker *w, const mpt_unit *u, const mpt_team *team, mpt_error *error) {
  mpt_code code = MPT_DONE;
  TRY_COLL(mpt_worker_read(w, u, team, error));
  TRY_COLL(mpt_worker_solve(w, error));
  TRY_COLL(mpt_worker_write(w, u, error));
done:
  return code;
}
