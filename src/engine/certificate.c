#include "certificate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "scalar.h"

#define WORKER "certificate_worker.h"
#include "for_each_type.h"

void mpt_certify(const mpt_team *team, mpt_batch *batch, int64_t k) {
  static void (*const table[])(const mpt_team *, mpt_batch *, int64_t) = WORKER_TABLE(certify);
  table[batch->type](team, batch, k);
}

static char *slab_of(const mpt_batch *batch, int64_t k) {
  return (char *)batch->a + (size_t)(k * batch->rows * batch->n) * mpt_type_size(batch->type);
}

/* The block of rows of `rank` times the columns of `other` is exchanged with the block of rows of
 * `other` times the columns of `rank`: together, block by block, that is A against A^H. Under a
 * triangle, only the side that is read has something to say. Returns the defect. */
static double exchange_blocks(const mpt_team *team, mpt_triangle triangle, const mpt_batch *batch,
                              char *slab, char *buffer) {
  size_t element = mpt_type_size(batch->type);
  double defect = 0;
  for (int step = 1; step < team->size; step++) {
    int to = (team->rank + step) % team->size;
    int from = (team->rank + team->size - step) % team->size;
    int64_t to0 = mpt_slab_start(batch->n, team->size, to);
    int64_t to_cols = mpt_slab_start(batch->n, team->size, to + 1) - to0;
    int64_t from0 = mpt_slab_start(batch->n, team->size, from);
    int64_t from_rows = mpt_slab_start(batch->n, team->size, from + 1) - from0;
    MPI_Datatype block, line;
    MPI_Type_contiguous((int)element, MPI_BYTE, &line);
    MPI_Type_vector((int)batch->rows, (int)to_cols, (int)batch->n, line, &block);
    MPI_Type_commit(&block);
    MPI_Type_commit(&line);
    MPI_Sendrecv(slab + (size_t)to0 * element, 1, block, to, 0, buffer,
                 (int)(from_rows * batch->rows), line, from, 0, team->comm, MPI_STATUS_IGNORE);
    MPI_Type_free(&block);
    MPI_Type_free(&line);
    mpt_facing f = {batch->rows, from_rows, slab + (size_t)from0 * element,
                    batch->n,    buffer,    batch->rows};
    bool lower = from < team->rank; /* my block (rank, from) lies in the lower triangle */
    if (triangle == MPT_FULL)
      defect = fmax(defect, mpt_hermitian_defect(batch->type, &f));
    else if (lower != (triangle == MPT_LOWER))
      mpt_conjugate_transpose(batch->type, &f);
  }
  return defect;
}

/* The diagonal block, which is this rank's alone. */
static double own_block(mpt_triangle triangle, const mpt_batch *batch, char *slab) {
  size_t element = mpt_type_size(batch->type);
  char *block = slab + (size_t)batch->row0 * element;
  mpt_facing f = {batch->rows, batch->rows, block, batch->n, block, batch->n};
  double defect = triangle == MPT_FULL ? mpt_hermitian_defect(batch->type, &f) : 0;
  mpt_mirror_block(batch->type, batch->rows, block, batch->n, triangle);
  return defect;
}

void mpt_check_input(const mpt_team *team, mpt_triangle triangle, mpt_batch *batch) {
  size_t element = mpt_type_size(batch->type);
  char *buffer = team->size > 1
                     ? malloc((size_t)(batch->rows * (batch->n / team->size + 1)) * element + 1)
                     : NULL;
  int failed = team->size > 1 && !buffer;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  for (int64_t k = 0; k < batch->count; k++) {
    int8_t *status = &batch->report[k].status;
    if (*status != MPT_PENDING) continue;
    char *slab = slab_of(batch, k);
    mpt_scan scan = mpt_scan_slab(batch->type, batch->row0, batch->rows, batch->n, slab, triangle);
    double all[2] = {scan.finite ? 0 : 1, scan.largest};
    if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_DOUBLE, MPI_MAX, team->comm);
    batch->report[k].largest = all[1];
    if (all[0] > 0) *status = MPT_NONFINITE_INPUT;
    if (failed) *status = MPT_INTERNAL;
    if (*status != MPT_PENDING) continue;
    double defect = own_block(triangle, batch, slab);
    if (team->size > 1) {
      defect = fmax(defect, exchange_blocks(team, triangle, batch, slab, buffer));
      MPI_Allreduce(MPI_IN_PLACE, &defect, 1, MPI_DOUBLE, MPI_MAX, team->comm);
    }
    if (defect > 100 * (double)batch->n * mpt_type_epsilon(batch->type) * all[1])
      *status = MPT_NOT_HERMITIAN;
  }
  free(buffer);
}
