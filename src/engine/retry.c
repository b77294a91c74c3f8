#include "engine/retry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "engine/certificate.h"
#include "engine/probe.h"

bool mpt_is_worth_retrying(const mpt_report *report) {
  return report->status == MPT_STATUS_INTERNAL || report->status == MPT_STATUS_NO_CONVERGENCE;
}

void mpt_note_retry(const mpt_report *first, int64_t n, bool vectors, mpt_report *report) {
  const double bound = MPT_CERTIFICATE_BOUND / sqrt((double)n);
  const struct {
    mpt_failed_check check;
    double found, bound;
  } checks[] = {{MPT_FAILED_RESIDUAL, first->residual, bound},
                {MPT_FAILED_ORTHOGONALITY, first->orthogonality, bound},
                {MPT_FAILED_OUTPUTS, first->output_residual, MPT_PROBE_BOUND}};
  const bool converged = first->status != MPT_STATUS_NO_CONVERGENCE;
  report->retried = !mpt_status_is_failure(report->status);
  report->first_decade = 0;
  report->first_failed = vectors || !converged ? MPT_FAILED_CONVERGENCE : MPT_FAILED_VALUES;
  for (int i = 0; i < 3 && converged; i++)
    if (!(checks[i].found <= checks[i].bound)) {
      report->first_failed = (int8_t)checks[i].check;
      report->first_decade =
          (int8_t)(isnan(checks[i].found) ? INT8_MAX : fmin(log10(checks[i].found), 126));
      return;
    }
}

/* An array that the ranks hold in slabs gets room for the whole of it on the first rank, and NULL
 * elsewhere. */
static void gather_later(mpt_retry *r, mpt_quantity q, void **array) {
  const mpt_batch *b = r->batch;
  const mpt_sizes sizes = {b->n, mpt_batch_columns(b), b->frame.columns};
  const int64_t width = mpt_quantity_columns(q, &sizes);
  const bool goes_in = mpt_quantities[q].role == MPT_GIVEN;
  void *whole = NULL;
  if (!*array) return;
  if (r->team->rank == 0)
    r->failed |= mpt_allocate(&whole, b->n * width, r->size, "a whole matrix", NULL) != MPT_DONE;
  r->arrays[r->count++] = (mpt_retry_array){*array, whole, width, goes_in};
  *array = whole;
}

/* Makes `one` the whole of problem k of the batch. */
static mpt_code list_parts(mpt_retry *r) {
  mpt_code code = MPT_DONE;
  const mpt_batch *b = r->batch;
  mpt_batch *o = &r->one;
  mpt_function_arrays *functions;
  TRY(mpt_allocate(&r->arrays,
                   MPT_BATCH_QUANTITIES + MPT_FUNCTION_QUANTITIES * (int64_t)b->function_count,
                   sizeof *r->arrays, "a matrix", NULL));
  TRY(mpt_allocate(&functions, b->function_count, sizeof *functions, "functions", NULL));
  *o = mpt_batch_slice(b, r->k, 1, functions);
  o->row0 = 0;
  o->rows = o->n;
  for (mpt_quantity q = 0; q < MPT_STATUS; q++)
    for (int f = 0; f < mpt_batch_holders(b, q) && mpt_has_rows(q); f++)
      gather_later(r, q, mpt_batch_array(o, q, f));
done:
  return code != MPT_DONE || !r->failed ? code : MPT_NO_RESOURCE;
}

/* Copies the first rank's results to all ranks, for arrays that every rank holds in full. */
static void share_results(const mpt_retry *r) {
  mpt_batch o = r->one;
  mpt_team_broadcast(r->team, 0, sizeof *o.report, o.report);
  for (mpt_quantity q = 0; q < MPT_STATUS; q++)
    for (int f = 0; f < mpt_batch_holders(&o, q) && !mpt_has_rows(q); f++) {
      void *array = *mpt_batch_array(&o, q, f);
      if (array && mpt_quantities[q].role != MPT_GIVEN)
        mpt_team_broadcast(r->team, 0, (int64_t)mpt_batch_bytes(&o, q), array);
    }
}

/* Whether the first rank can hold the problem: it may take half of its free memory. */
static mpt_code check_memory(const mpt_retry *r) {
  const mpt_batch *b = r->batch;
  const mpt_shape shape = mpt_batch_shape(b);
  const int one[2] = {1, 1};
  int64_t bytes;
  const mpt_code code = mpt_lapack.workspace(&shape, one, &bytes, NULL);
  if (code != MPT_DONE) return code;
  /* pairs, cotangents, gradient, direction; a selection needs as much again for the whole spectrum
   */
  const int64_t matrices = 16 + 3 * b->function_count;
  bytes += matrices * b->n * b->n * (int64_t)r->size;
  return bytes <= mpt_free_memory() / 2 ? MPT_DONE : MPT_NO_RESOURCE;
}

static mpt_code open_all(mpt_retry *r) {
  mpt_code code = MPT_DONE;
  const mpt_batch *b = r->batch;
  const mpt_shape shape = mpt_batch_shape(b);
  const mpt_team alone = mpt_team_of_one();
  r->one = *b;
  TRY(mpt_allocate(&r->rows, 2 * r->team->size, sizeof *r->rows, "a matrix", NULL));
  r->starts = r->rows + r->team->size;
  for (int p = 0; p < r->team->size; p++) {
    r->starts[p] = (int)mpt_slab_start(b->n, r->team->size, p);
    r->rows[p] = (int)mpt_slab_start(b->n, r->team->size, p + 1) - r->starts[p];
  }
  if (r->team->rank == 0) TRY(check_memory(r));
  TRY(list_parts(r));
  if (r->team->rank == 0) TRY(mpt_lapack.open(&shape, &alone, &r->state, NULL));
done:
  return code;
}

/* Moves all inputs to the first rank (`in`), or all outputs back. */
static void move(const mpt_retry *r, bool in) {
  const mpt_collectives *calls = r->team->calls;
  for (int i = 0; i < r->count; i++) {
    const mpt_retry_array *p = &r->arrays[i];
    const int64_t row = p->width * (int64_t)r->size;
    if (p->goes_in != in) continue;
    if (r->team->size == 1)
      memcpy(in ? p->whole : p->slab, in ? p->slab : p->whole, (size_t)(row * r->batch->n));
    else if (in)
      calls->gather(r->team->comm, row, r->rows, r->starts, p->slab, p->whole);
    else
      calls->scatter(r->team->comm, row, r->rows, r->starts, p->whole, p->slab);
  }
}

bool mpt_retry_open(mpt_retry *r, const mpt_team *team, mpt_batch *b, int64_t k) {
  *r = (mpt_retry){.team = team, .batch = b, .k = k, .size = mpt_type_size(b->type)};
  if (mpt_team_any(team, open_all(r) != MPT_DONE)) return false;
  move(r, true);
  b->report[k] = (mpt_report){.status = MPT_STATUS_PENDING};
  return true;
}

void mpt_retry_share(const mpt_retry *r) {
  share_results(r);
  move(r, false);
}

void mpt_retry_close(mpt_retry *r) {
  mpt_lapack.close(r->state);
  for (int i = 0; i < r->count; i++) free(r->arrays[i].whole);
  free(r->arrays);
  free(r->rows);
  if (r->one.functions != r->batch->functions) free(r->one.functions);
}
