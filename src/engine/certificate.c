#include "engine/certificate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"

#define WORKER "engine/certificate_worker.h"
#include "base/for_each_type.h"

bool mpt_certify(const mpt_team *team, mpt_batch *batch, int64_t k, double norm) {
  static void (*const table[])(const mpt_team *, mpt_batch *, int64_t, double) =
      WORKER_TABLE(certify);
  const mpt_report *report = &batch->report[k];
  const double columns = sqrt((double)mpt_batch_columns(batch)); /* ||x|| */
  table[batch->type](team, batch, k, fmax(norm, report->largest));
  return report->residual * columns <= MPT_CERTIFICATE_BOUND &&
         report->orthogonality * columns <= MPT_CERTIFICATE_BOUND;
}

bool mpt_certify_values(const mpt_team *team, const mpt_batch *b, int64_t k, const double *w) {
  static void (*const table[])(const mpt_batch *, int64_t, double, double[2]) =
      WORKER_TABLE(moments);
  const double norm = fmax(mpt_spectral_norm(b->n, w), b->report[k].largest);
  if (norm == 0 || b->n == 0) return true;
  const double scale = mpt_scale_of(norm); /* so that no square overflows or underflows */
  const double unit = (double)b->n * mpt_type_epsilon(b->type);
  const double tiny = (double)b->n * (mpt_real_size(b->type) == 4 ? 0x1p-149 : 0x1p-1074);
  double sums[2] = {0}, values = 0, squares = 0, rest[2] = {0};
  table[b->type](b, k, scale, sums);
  mpt_team_sum(team, 2, sums);
  for (int64_t j = 0; j < b->n; j++) {
    mpt_add_exactly(w[j] * scale, &values, &rest[0]);
    mpt_add_exactly(w[j] * scale * (w[j] * scale), &squares, &rest[1]);
  }
  const double bound = MPT_CERTIFICATE_BOUND * (unit * (norm * scale) + tiny * scale);
  return fabs(values + rest[0] - sums[0]) <= bound &&
         fabs(squares + rest[1] - sums[1]) <= 2 * bound * (norm * scale);
}

static char *slab_of(const mpt_batch *batch, int64_t k) {
  return (char *)batch->a + (size_t)(k * batch->rows * batch->n) * mpt_type_size(batch->type);
}

/* A rectangle of the matrix, by global rows and columns. */
typedef struct span {
  int64_t row0, rows, col0, cols;
} span;

/* The part of its rows that rank `from` sends to rank `to`, which compares it with its own. To
 * check, the two ranks share the two blocks that face each other across the diagonal: each sends
 * half of its block. To fill in, only the rank that has the triangle that is read sends. To
 * average, both send. */
static span told(const mpt_team *team, int64_t n, mpt_triangle triangle, int from, int to) {
  const int64_t row0 = mpt_slab_start(n, team->size, from),
                col0 = mpt_slab_start(n, team->size, to);
  span s = {row0, mpt_slab_start(n, team->size, from + 1) - row0, col0,
            mpt_slab_start(n, team->size, to + 1) - col0};
  const bool lower = to < from;
  if (triangle == MPT_TRIANGLE_AVERAGE) return s;
  if (triangle == MPT_TRIANGLE_FULL && lower) {
    s.cols /= 2;
  } else if (triangle == MPT_TRIANGLE_FULL) {
    s.row0 += s.rows / 2;
    s.rows -= s.rows / 2;
  } else if (lower != (triangle == MPT_TRIANGLE_LOWER)) {
    s.rows = 0;
  }
  return s;
}

/* Checks or fills in all off-diagonal blocks. Returns the defect. */
static double exchange_blocks(const mpt_team *team, mpt_triangle triangle, const mpt_batch *batch,
                              char *slab, char *buffer) {
  const size_t element = mpt_type_size(batch->type);
  const int64_t n = batch->n;
  double defect = 0;
  for (int step = 1; step < team->size; step++) {
    int to = (team->rank + step) % team->size, from = (team->rank + team->size - step) % team->size;
    span out = told(team, n, triangle, team->rank, to);
    span in = told(team, n, triangle, from, team->rank);
    const char *first = slab + (size_t)((out.row0 - batch->row0) * n + out.col0) * element;
    const mpt_rectangle sent = {first, out.rows, out.cols, n, element};
    team->calls->exchange(team->comm, to, &sent, from, in.rows * in.cols, buffer);
    char *mine = slab + (size_t)((in.col0 - batch->row0) * n + in.row0) * element;
    mpt_facing f = {in.cols, in.rows, mine, n, buffer, in.cols};
    if (triangle == MPT_TRIANGLE_FULL)
      defect = fmax(defect, mpt_hermitian_defect(batch->type, &f));
    else if (triangle == MPT_TRIANGLE_AVERAGE && 2 * step <= team->size)
      mpt_average(batch->type, &f);
    else /* fills in, also with an average that was taken before it was sent */
      mpt_conjugate_transpose(batch->type, &f);
  }
  return defect;
}

/* The diagonal block, which this rank holds alone. */
static double own_block(mpt_triangle triangle, const mpt_batch *batch, char *slab) {
  size_t element = mpt_type_size(batch->type);
  char *block = slab + (size_t)batch->row0 * element;
  mpt_facing f = {batch->rows, batch->rows, block, batch->n, block, batch->n};
  double defect = triangle == MPT_TRIANGLE_FULL ? mpt_hermitian_defect(batch->type, &f) : 0;
  mpt_mirror_block(batch->type, batch->rows, block, batch->n, triangle);
  return defect;
}

void mpt_check_input(const mpt_team *team, mpt_triangle triangle, mpt_batch *batch) {
  size_t element = mpt_type_size(batch->type);
  char *buffer = team->size > 1
                     ? malloc((size_t)(batch->rows * (batch->n / team->size + 1)) * element + 1)
                     : NULL;
  const bool failed = mpt_team_any(team, team->size > 1 && !buffer);
  for (int64_t k = 0; k < batch->count; k++) {
    int8_t *status = &batch->report[k].status;
    if (*status != MPT_STATUS_PENDING) continue;
    char *slab = slab_of(batch, k);
    mpt_scan scan = mpt_scan_slab(batch->type, batch->row0, batch->rows, batch->n, slab, triangle);
    double all[2] = {scan.finite ? 0 : 1, scan.largest};
    mpt_team_max(team, 2, all);
    batch->report[k].largest = all[1];
    if (all[0] > 0) *status = MPT_STATUS_NONFINITE_INPUT;
    if (failed) *status = MPT_STATUS_INTERNAL;
    if (*status != MPT_STATUS_PENDING) continue;
    double defect = own_block(triangle, batch, slab);
    if (team->size > 1) {
      defect = fmax(defect, exchange_blocks(team, triangle, batch, slab, buffer));
      mpt_team_max(team, 1, &defect);
    }
    if (triangle == MPT_TRIANGLE_AVERAGE)
      batch->report[k].largest =
          mpt_largest_on_team(team, batch->type, batch->rows * batch->n, slab);
    if (defect > 100 * (double)batch->n * mpt_type_epsilon(batch->type) * all[1])
      *status = MPT_STATUS_NOT_HERMITIAN;
  }
  free(buffer);
}
