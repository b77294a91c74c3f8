#include "engine/batch.h"

#include <stddef.h>
#include <string.h>

void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size) {
  return array ? (char *)mpt_unconst(array) + (size_t)(k * each) * size : NULL;
}

bool mpt_has_outputs(const mpt_batch *b) {
  return b->function_count > 0 || b->frame.columns > 0 || b->da;
}

int64_t mpt_batch_columns(const mpt_batch *batch) {
  return mpt_selected_columns(&batch->select, batch->n);
}

mpt_shape mpt_batch_shape(const mpt_batch *b) {
  const bool some = b->select.kind != MPT_SELECT_ALL && !mpt_has_outputs(b);
  return (mpt_shape){.type = b->type,
                     .n = b->n,
                     .vectors = b->v != NULL,
                     .backward = b->g != NULL,
                     .outputs = mpt_has_outputs(b),
                     .columns = some ? mpt_batch_columns(b) : 0};
}

#define AT(type, member, first, quantity)                                                          \
  _Static_assert(offsetof(type, member) ==                                                         \
                     offsetof(type, array) + ((quantity) - (first)) * sizeof(void *),              \
                 "an array is not where its quantity says")
AT(mpt_batch, a, 0, MPT_MATRIX);
AT(mpt_batch, w, 0, MPT_EIGENVALUES);
AT(mpt_batch, v, 0, MPT_EIGENVECTORS);
AT(mpt_batch, gw, 0, MPT_COTANGENT_EIGENVALUES);
AT(mpt_batch, gv, 0, MPT_COTANGENT_EIGENVECTORS);
AT(mpt_batch, g, 0, MPT_GRADIENT);
AT(mpt_batch, multiplet, 0, MPT_MULTIPLET);
AT(mpt_batch, found, 0, MPT_FOUND);
AT(mpt_batch, reference, 0, MPT_REFERENCE);
AT(mpt_batch, frame_value, 0, MPT_FRAME);
AT(mpt_batch, gframe, 0, MPT_COTANGENT_FRAME);
AT(mpt_batch, greference, 0, MPT_GRADIENT_REFERENCE);
AT(mpt_batch, factor.reflectors, 0, MPT_REFLECTORS);
AT(mpt_batch, factor.tau, 0, MPT_TAU);
AT(mpt_batch, factor.diagonal, 0, MPT_DIAGONAL);
AT(mpt_batch, factor.offdiagonal, 0, MPT_OFFDIAGONAL);
AT(mpt_batch, factor.eigenvalues, 0, MPT_SPECTRUM);
AT(mpt_batch, da, 0, MPT_DIRECTION);
AT(mpt_batch, dw, 0, MPT_TANGENT_EIGENVALUES);
AT(mpt_batch, dv, 0, MPT_TANGENT_EIGENVECTORS);
AT(mpt_function_arrays, value, MPT_FUNCTION, MPT_FUNCTION);
AT(mpt_function_arrays, cotangent, MPT_FUNCTION, MPT_COTANGENT_FUNCTION);
AT(mpt_function_arrays, tangent, MPT_FUNCTION, MPT_TANGENT_FUNCTION);
AT(mpt_function_arrays, mu, MPT_FUNCTION, MPT_CHEMICAL_POTENTIAL);

size_t mpt_batch_bytes(const mpt_batch *b, mpt_quantity q) {
  const mpt_sizes sizes = {b->n, mpt_batch_columns(b), b->frame.columns};
  const int64_t rows = mpt_has_rows(q) ? b->rows : 1;
  return (size_t)(rows * mpt_quantity_columns(q, &sizes)) *
         mpt_element_size(mpt_quantities[q].element, b->type);
}

void **mpt_batch_array(mpt_batch *b, mpt_quantity q, int f) {
  return mpt_is_per_function(q) ? &b->functions[f].array[q - MPT_FUNCTION] : &b->array[q];
}

int mpt_batch_holders(const mpt_batch *b, mpt_quantity q) {
  return mpt_is_per_function(q) ? b->function_count : 1;
}

static void advance(const mpt_batch *b, void **array, mpt_quantity q, int64_t first) {
  if (*array) *array = (char *)*array + (size_t)first * mpt_batch_bytes(b, q);
}

mpt_batch mpt_batch_slice(const mpt_batch *b, int64_t first, int64_t count,
                          mpt_function_arrays *functions) {
  mpt_batch slice = *b;
  slice.count = count;
  slice.functions = functions;
  slice.report = mpt_part_of(b->report, first, 1, sizeof *b->report);
  for (int f = 0; f < b->function_count; f++) functions[f] = b->functions[f];
  for (mpt_quantity q = 0; q < MPT_STATUS; q++)
    for (int f = 0; f < mpt_batch_holders(b, q); f++)
      advance(b, mpt_batch_array(&slice, q, f), q, first);
  if (!b->frame.each) slice.reference = b->reference;
  return slice;
}

mpt_batch mpt_batch_pairs(const mpt_batch *b) {
  mpt_batch pairs = *b;
  pairs.g = NULL;
  pairs.da = NULL;
  pairs.function_count = 0;
  pairs.frame.columns = 0;
  return pairs;
}

static void zero(const mpt_batch *b, void *array, mpt_quantity q, int64_t k) {
  const size_t bytes = mpt_batch_bytes(b, q);
  if (array) memset((char *)array + (size_t)k * bytes, 0, bytes);
}

static void zero_all(mpt_batch *b, int64_t k, mpt_role role) {
  for (mpt_quantity q = 0; q < MPT_STATUS; q++)
    for (int f = 0; f < mpt_batch_holders(b, q) && mpt_quantities[q].role == role; f++)
      zero(b, *mpt_batch_array(b, q, f), q, k);
}

void mpt_zero_pairs(mpt_batch *b, int64_t k) {
  zero_all(b, k, MPT_PAIRS);
}

void mpt_zero_gradient(mpt_batch *b, int64_t k) {
  zero_all(b, k, MPT_DERIVED);
}

void mpt_zero_outputs(mpt_batch *b, int64_t k) {
  mpt_batch made = *b;
  if (b->factor_given) made.factor = (mpt_factor_arrays){0};
  if (!b->given) mpt_zero_pairs(b, k);
  zero_all(&made, k, MPT_MADE);
  mpt_zero_gradient(b, k);
  b->report[k] = (mpt_report){.status = b->report[k].status, .seconds = b->report[k].seconds};
}
