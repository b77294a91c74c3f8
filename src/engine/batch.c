#include "engine/batch.h"

#include <string.h>

void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size) {
  return array ? (char *)(uintptr_t)array + (size_t)(k * each) * size : NULL;
}

bool mpt_has_outputs(const mpt_batch *b) {
  return b->function_count > 0 || b->frame.columns > 0 || b->da;
}

int64_t mpt_batch_columns(const mpt_batch *batch) {
  return mpt_selected_columns(&batch->select, batch->n);
}

void mpt_zero_pairs(mpt_batch *b, int64_t k) {
  const int64_t columns = mpt_batch_columns(b), elements = b->rows * columns;
  size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memset(mpt_part_of(b->w, k, columns, real), 0, (size_t)columns * real);
  if (b->v) memset(mpt_part_of(b->v, k, elements, size), 0, (size_t)elements * size);
}

static void zero_factor(mpt_batch *b, int64_t k) {
  const int64_t n = b->n, elements = b->rows * n;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memset(mpt_part_of(b->factor.reflectors, k, elements, size), 0, (size_t)elements * size);
  memset(mpt_part_of(b->factor.eigenvalues, k, n, real), 0, (size_t)n * real);
  if (!b->factor.tau) return;
  memset(mpt_part_of(b->factor.tau, k, n, size), 0, (size_t)n * size);
  memset(mpt_part_of(b->factor.diagonal, k, n, real), 0, (size_t)n * real);
  memset(mpt_part_of(b->factor.offdiagonal, k, n, real), 0, (size_t)n * real);
}

void mpt_zero_gradient(mpt_batch *b, int64_t k) {
  const size_t size = mpt_type_size(b->type);
  const int64_t elements = b->rows * b->n, reference = b->rows * b->frame.columns;
  if (b->g) memset(mpt_part_of(b->g, k, elements, size), 0, (size_t)elements * size);
  void *gr = b->frame.columns ? b->frame.gradient_reference : NULL;
  if (gr) memset(mpt_part_of(gr, k, reference, size), 0, (size_t)reference * size);
}

static void zero_made(mpt_batch *b, int64_t k) {
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const int64_t columns = mpt_batch_columns(b);
  const int64_t n2 = b->rows * b->n, nc = b->rows * b->frame.columns, nm = b->rows * columns;
  for (int f = 0; f < b->function_count; f++) {
    void *const arrays[] = {b->functions[f].value, b->functions[f].tangent};
    for (int a = 0; a < 2; a++)
      if (arrays[a]) memset(mpt_part_of(arrays[a], k, n2, size), 0, (size_t)n2 * size);
    if (b->functions[f].mu) b->functions[f].mu[k] = 0;
  }
  if (nc && b->frame.value) memset(mpt_part_of(b->frame.value, k, nc, size), 0, (size_t)nc * size);
  if (b->dw) memset(mpt_part_of(b->dw, k, columns, real), 0, (size_t)columns * real);
  if (b->dv) memset(mpt_part_of(b->dv, k, nm, size), 0, (size_t)nm * size);
  mpt_zero_gradient(b, k);
}

void mpt_zero_outputs(mpt_batch *b, int64_t k) {
  if (!b->given) mpt_zero_pairs(b, k);
  const int64_t columns = mpt_batch_columns(b);
  memset(mpt_part_of(b->multiplet, k, columns, sizeof(int32_t)), 0,
         (size_t)columns * sizeof(int32_t));
  if (b->found) b->found[k] = 0;
  if (b->factor.reflectors) zero_factor(b, k);
  zero_made(b, k);
  b->report[k] = (mpt_report){.status = b->report[k].status, .seconds = b->report[k].seconds};
}
