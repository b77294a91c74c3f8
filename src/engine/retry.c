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

/* Returns the whole, on the first rank; NULL where there is none or no memory, which `failed` says.
 */
static void *add(mpt_retry *r, const void *array, int64_t k, int64_t width, bool goes_in) {
  const int64_t n = r->batch->n;
  void *whole = NULL;
  if (!array) return NULL;
  if (r->team->rank == 0)
    r->failed |= mpt_allocate(&whole, n * width, r->size, "a whole matrix", NULL) != MPT_DONE;
  r->arrays[r->count++] = (mpt_retry_array){mpt_part_of(array, k, r->batch->rows * width, r->size),
                                            whole, width, goes_in};
  return whole;
}

/* Everything that the ranks hold in slabs: `one` gets the whole of it. */
static mpt_code list_parts(mpt_retry *r) {
  mpt_code code = MPT_DONE;
  const mpt_batch *b = r->batch;
  const mpt_frame_arrays *frame = &b->frame;
  mpt_batch *o = &r->one;
  mpt_function_arrays *functions;
  const int64_t k = r->k, n = b->n, m = mpt_batch_columns(b), columns = frame->columns;
  TRY(mpt_allocate(&r->arrays, 11 + 3 * b->function_count, sizeof *r->arrays, "a matrix", NULL));
  TRY(mpt_allocate(&functions, b->function_count, sizeof *functions, "functions", NULL));
  *o = mpt_batch_slice(b, k, 1, functions); /* what all ranks have the same of is in place */
  o->row0 = 0;
  o->rows = n;
  o->a = add(r, b->a, k, n, true);
  o->gv = add(r, b->gv, k, m, true);
  o->da = add(r, b->da, k, n, true);
  o->v = add(r, b->v, k, m, false);
  o->g = add(r, b->g, k, n, false);
  o->dv = add(r, b->dv, k, m, false);
  o->factor.reflectors = add(r, b->factor.reflectors, k, n, false);
  o->frame.reference = add(r, frame->reference, frame->each ? k : 0, columns, true);
  o->frame.cotangent = add(r, frame->cotangent, k, columns, true);
  o->frame.value = add(r, frame->value, k, columns, false);
  o->frame.gradient_reference = add(r, frame->gradient_reference, k, columns, false);
  for (int f = 0; f < b->function_count; f++) {
    const mpt_function_arrays *from = &b->functions[f];
    o->functions[f].cotangent = add(r, from->cotangent, k, n, true);
    o->functions[f].value = add(r, from->value, k, n, false);
    o->functions[f].tangent = add(r, from->tangent, k, n, false);
  }
done:
  return code != MPT_DONE || !r->failed ? code : MPT_NO_RESOURCE;
}

/* What every rank has all of becomes the first rank's. */
static void share(const mpt_retry *r, void *array, size_t bytes) {
  if (array) mpt_team_broadcast(r->team, 0, (int64_t)bytes, array);
}

static void share_results(const mpt_retry *r) {
  const mpt_batch *o = &r->one;
  const size_t m = (size_t)mpt_batch_columns(r->batch), n = (size_t)o->n;
  const size_t real = mpt_real_size(o->type);
  share(r, o->report, sizeof *o->report);
  share(r, o->w, m * real);
  share(r, o->dw, m * real);
  share(r, o->multiplet, m * sizeof *o->multiplet);
  share(r, o->found, sizeof *o->found);
  share(r, o->factor.tau, n * r->size);
  share(r, o->factor.diagonal, n * real);
  share(r, o->factor.offdiagonal, n * real);
  share(r, o->factor.eigenvalues, n * real);
  for (int f = 0; f < o->function_count; f++) share(r, o->functions[f].mu, sizeof(double));
}

/* Whether the first rank can hold it: half of what is free is enough. */
static mpt_code check_memory(const mpt_retry *r) {
  const mpt_batch *b = r->batch;
  const mpt_shape shape = mpt_batch_shape(b);
  const int one[2] = {1, 1};
  int64_t bytes;
  const mpt_code code = mpt_lapack.workspace(&shape, one, &bytes, NULL);
  if (code != MPT_DONE) return code;
  /* pairs, cotangents, gradient, direction; a selection makes as much again for the whole */
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

/* All parts that go in to the first rank, or the others back. */
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
