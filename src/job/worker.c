#include "worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"

static const double spread_worth_a_word = 1e-6;

void mpt_worker_open(mpt_worker *w, const mpt_job *job, const mpt_plan *plan, mpt_result *result) {
  *w = (mpt_worker){.job = job, .plan = plan, .result = result, .dataset = -1};
}

/* Frees what belongs to the current dataset. Collective over its team. */
static void release_memory(mpt_worker *w) {
  mpt_batch *b = &w->batch;
  if (w->state) w->plan->work[w->dataset].engine->close(w->state);
  w->state = NULL;
  free(b->a);
  free(b->w);
  free(b->v);
  free(b->g);
  free(b->multiplet);
  free(b->report);
  free(w->gw);
  free(w->gv);
  free(w->column);
  *b = (mpt_batch){0};
  w->gw = w->gv = w->column = NULL;
  w->dataset = -1;
}

void mpt_worker_close(mpt_worker *w) {
  release_memory(w);
}

static mpt_code allocate(mpt_worker *w, int64_t d, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_dataset *data = &w->job->input.datasets[d];
  const mpt_task *task = &w->job->tasks[d];
  const size_t element = mpt_type_size(data->type), real = mpt_real_size(data->type);
  const int64_t chunk = w->plan->work[d].chunk, n = data->n, rows = w->batch.rows;
  mpt_batch *b = &w->batch;
  const char *what = "a piece of the batch";
  TRY(mpt_allocate(&b->a, chunk * rows * n, element, what, error));
  TRY(mpt_allocate(&b->w, chunk * n, real, what, error));
  if (task->vectors) TRY(mpt_allocate(&b->v, chunk * rows * n, element, what, error));
  if (task->gradient) TRY(mpt_allocate(&b->g, chunk * rows * n, element, what, error));
  if (w->job->given[d].values) TRY(mpt_allocate(&w->gw, chunk * n, real, what, error));
  if (task->vector_gradient) TRY(mpt_allocate(&w->gv, chunk * rows * n, element, what, error));
  TRY(mpt_allocate(&b->multiplet, chunk * n, sizeof *b->multiplet, what, error));
  TRY(mpt_allocate(&b->report, chunk, sizeof *b->report, what, error));
  TRY(mpt_allocate(&w->column, chunk, sizeof *w->column, what, error));
done:
  return code;
}

/* Memory and engine for a dataset. Collective over the team. */
static mpt_code prepare(mpt_worker *w, int64_t d, const mpt_team *team, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_dataset *data = &w->job->input.datasets[d];
  const mpt_task *task = &w->job->tasks[d];
  const mpt_shape shape = {.type = data->type,
                           .n = data->n,
                           .block = w->job->config.block,
                           .vectors = task->vectors,
                           .backward = task->gradient};
  if (w->dataset == d && w->team.comm == team->comm) return MPT_DONE;
  release_memory(w);
  w->dataset = d;
  w->team = *team;
  w->batch.row0 = mpt_slab_start(data->n, team->size, team->rank);
  w->batch.rows = mpt_slab_start(data->n, team->size, team->rank + 1) - w->batch.row0;
  w->batch.type = data->type;
  w->batch.n = data->n;
  w->batch.given = !task->solve;
  AGREE(team->comm, allocate(w, d, error));
  TRY_COLL(w->plan->work[d].engine->open(&shape, team, &w->state, error));
  w->batch.gw = w->gw;
  w->batch.gv = w->gv;
done:
  return code;
}

/* Reads this rank's part of one array; nothing when there is no memory for it. */
static mpt_code read_array(const mpt_worker *w, hid_t file, const char *path, mpt_field field,
                           const mpt_unit *u, void *out, mpt_error *error) {
  if (!out) return MPT_DONE;
  mpt_part part =
      mpt_field_part(field, u->first, u->count, w->batch.n, w->batch.row0, w->batch.rows);
  hid_t type = mpt_element_type(mpt_fields[field].element, w->batch.type);
  mpt_code code = mpt_read_part(file, path, &part, type, out, error);
  H5Tclose(type);
  return code;
}

static mpt_code read_named(const mpt_worker *w, hid_t file, mpt_field field, const mpt_unit *u,
                           void *out, mpt_error *error) {
  char *path = mpt_job_path(w->job, u->dataset, mpt_fields[field].name);
  if (!path) return mpt_fail(error, MPT_NO_RESOURCE, "cannot read: out of memory");
  mpt_code code = read_array(w, file, path, field, u, out, error);
  free(path);
  return code;
}

/* A problem that failed in the earlier result keeps that status. */
static mpt_code read_given(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch *b = &w->batch;
  int8_t *statuses = NULL;
  TRY(mpt_allocate(&statuses, u->count, 1, "statuses", error));
  TRY(read_named(w, w->job->eigenpairs, MPT_EIGENVALUES, u, b->w, error));
  TRY(read_named(w, w->job->eigenpairs, MPT_EIGENVECTORS, u, b->v, error));
  TRY(read_named(w, w->job->eigenpairs, MPT_STATUS, u, statuses, error));
  for (int64_t k = 0; k < u->count; k++)
    if (mpt_status_is_failure(statuses[k])) b->report[k].status = statuses[k];
done:
  free(statuses);
  return code;
}

static mpt_code read_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch *b = &w->batch;
  b->count = u->count;
  memset(b->report, 0, sizeof *b->report * (size_t)u->count);
  TRY(read_array(w, w->job->input.file, w->job->input.datasets[u->dataset].path, MPT_GRADIENT, u,
                 b->a, error));
  TRY(read_named(w, w->job->cotangents, MPT_EIGENVALUES, u, w->gw, error));
  TRY(read_named(w, w->job->cotangents, MPT_EIGENVECTORS, u, w->gv, error));
  if (b->given) TRY(read_given(w, u, error));
done:
  return code;
}

/* The member of mpt_report behind a field of one double a problem. */
static double diagnostic(const mpt_report *r, mpt_field field) {
  switch (field) {
  case MPT_RESIDUAL:
    return r->residual;
  case MPT_ORTHOGONALITY:
    return r->orthogonality;
  case MPT_MIN_GAP:
    return r->min_gap;
  case MPT_GAUGE_VIOLATION:
    return r->gauge_violation;
  case MPT_COTANGENT_SPREAD:
    return r->cotangent_spread;
  case MPT_GRADIENT_ERROR:
    return r->gradient_error;
  default:
    return r->seconds;
  }
}

/* Fills w->column with one number a problem; its first bytes are int32 or int8 where the field's
 * element is. */
static void fill_column(mpt_worker *w, mpt_field field) {
  const mpt_work *work = &w->plan->work[w->dataset];
  int8_t *bytes = (int8_t *)w->column;
  int32_t *integers = (int32_t *)w->column;
  for (int64_t k = 0; k < w->batch.count; k++) switch (mpt_fields[field].element) {
    case MPT_E_SOLVER:
      bytes[k] = (int8_t)work->engine->id;
      break;
    case MPT_E_INT32:
      integers[k] = work->ranks;
      break;
    default:
      w->column[k] = diagnostic(&w->batch.report[k], field);
    }
}

static mpt_code write_field(mpt_worker *w, const mpt_unit *u, mpt_field field, mpt_error *error) {
  const mpt_batch *b = &w->batch;
  const mpt_part part = mpt_field_part(field, u->first, u->count, b->n, b->row0, b->rows);
  const void *data = w->column;
  switch (field) {
  case MPT_EIGENVALUES:
    data = b->w;
    break;
  case MPT_EIGENVECTORS:
    data = b->v;
    break;
  case MPT_GRADIENT:
    data = b->g;
    break;
  case MPT_MULTIPLET:
    data = b->multiplet;
    break;
  default:
    fill_column(w, field);
  }
  return mpt_result_write(w->result, u->dataset, field, &part, data, error);
}

/* Matrices by every rank of the team, what is one number or vector a problem by its first. */
static mpt_code write_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int f = 0; f < MPT_FIELD_COUNT && code == MPT_DONE; f++) {
    if (f == MPT_STATUS || !(w->job->fields & MPT_BIT(f))) continue;
    if (mpt_fields[f].extent == MPT_MATRIX || w->team.rank == 0)
      code = write_field(w, u, (mpt_field)f, error);
  }
  return code;
}

static mpt_code finish_unit(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  int8_t *statuses = (int8_t *)w->column;
  if (w->team.rank != 0) return MPT_DONE;
  for (int64_t k = 0; k < u->count; k++) {
    const mpt_report *r = &w->batch.report[k];
    statuses[k] = r->status;
    w->by_status[statuses[k]]++;
    w->refused += r->refused;
    if (r->status == MPT_GAUGE_DEPENDENT) w->worst[0] = fmax(w->worst[0], r->gauge_violation);
    if (r->cotangent_spread > spread_worth_a_word)
      w->worst[1] = fmax(w->worst[1], r->cotangent_spread);
  }
  mpt_code code = mpt_result_finish(w->result, u->dataset, u->first, u->count, statuses, error);
  if (code != MPT_DONE) return code;
  return mpt_result_commit(w->result, w->job->config.checkpoint_seconds, error);
}

/* Local codes become the team's. */
static mpt_code agree_in_team(const mpt_team *team, mpt_code code, mpt_error *error) {
  return team->size == 1 ? code : mpt_agree(team->comm, code, error);
}

/* In the file, also eigenpairs that were given are outputs. */
static void zero_given_failures(mpt_batch *b) {
  for (int64_t k = 0; b->given && k < b->count; k++)
    if (mpt_status_is_failure(b->report[k].status)) mpt_zero_pairs(b, k);
}

mpt_code mpt_worker_do(mpt_worker *w, const mpt_unit *u, const mpt_team *team, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double start = mpt_now(), solved, read;
  TRY_COLL(prepare(w, u->dataset, team, error));
  TRY_COLL(agree_in_team(team, read_unit(w, u, error), error));
  read = mpt_now();
  mpt_process_batch(w->plan->work[u->dataset].engine, w->state, team, &w->job->options, &w->batch);
  zero_given_failures(&w->batch);
  solved = mpt_now();
  TRY_COLL(agree_in_team(team, write_unit(w, u, error), error));
  TRY_COLL(agree_in_team(team, finish_unit(w, u, error), error));
  w->solve_seconds += solved - read;
  w->io_seconds += mpt_now() - solved + read - start;
done:
  return code;
}
