#include "engine/batch.h"

#include <stddef.h>
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

mpt_shape mpt_batch_shape(const mpt_batch *b) {
  return (mpt_shape){.type = b->type,
                     .n = b->n,
                     .vectors = b->v != NULL,
                     .backward = b->g != NULL,
                     .outputs = mpt_has_outputs(b)};
}

/* What a problem has of an array, and what an element is. */
typedef enum extent { ONE, COLUMNS, ROWS, VECTORS, MATRIX, FRAME } extent;
typedef enum element { SCALAR, REAL, DOUBLE, INT, REPORT } element;

/* IN goes in, PAIRS are eigenpairs, which may be given, GRADIENT is by cotangents, OUT is all else
 * that comes out. */
typedef enum role { IN, PAIRS, GRADIENT, OUT } role;

/* All arrays of a batch, and of each of its functions. */
typedef struct place {
  size_t offset;
  extent extent;
  element element;
  role role;
} place;
static const place of_batch[] = {
    {offsetof(mpt_batch, a), MATRIX, SCALAR, IN},
    {offsetof(mpt_batch, w), COLUMNS, REAL, PAIRS},
    {offsetof(mpt_batch, v), VECTORS, SCALAR, PAIRS},
    {offsetof(mpt_batch, gw), COLUMNS, REAL, IN},
    {offsetof(mpt_batch, gv), VECTORS, SCALAR, IN},
    {offsetof(mpt_batch, g), MATRIX, SCALAR, GRADIENT},
    {offsetof(mpt_batch, multiplet), COLUMNS, INT, OUT},
    {offsetof(mpt_batch, found), ONE, INT, OUT},
    {offsetof(mpt_batch, report), ONE, REPORT, IN},
    {offsetof(mpt_batch, frame.reference), FRAME, SCALAR, IN},
    {offsetof(mpt_batch, frame.cotangent), FRAME, SCALAR, IN},
    {offsetof(mpt_batch, frame.value), FRAME, SCALAR, OUT},
    {offsetof(mpt_batch, frame.gradient_reference), FRAME, SCALAR, GRADIENT},
    {offsetof(mpt_batch, factor.reflectors), MATRIX, SCALAR, OUT},
    {offsetof(mpt_batch, factor.tau), ROWS, SCALAR, OUT},
    {offsetof(mpt_batch, factor.diagonal), ROWS, REAL, OUT},
    {offsetof(mpt_batch, factor.offdiagonal), ROWS, REAL, OUT},
    {offsetof(mpt_batch, factor.eigenvalues), ROWS, REAL, OUT},
    {offsetof(mpt_batch, da), MATRIX, SCALAR, IN},
    {offsetof(mpt_batch, dw), COLUMNS, REAL, OUT},
    {offsetof(mpt_batch, dv), VECTORS, SCALAR, OUT}};
static const place of_function[] = {{offsetof(mpt_function_arrays, value), MATRIX, SCALAR, OUT},
                                    {offsetof(mpt_function_arrays, cotangent), MATRIX, SCALAR, IN},
                                    {offsetof(mpt_function_arrays, tangent), MATRIX, SCALAR, OUT},
                                    {offsetof(mpt_function_arrays, mu), ONE, DOUBLE, OUT}};
enum {
  OF_BATCH = sizeof of_batch / sizeof *of_batch,
  OF_FUNCTION = sizeof of_function / sizeof *of_function
};

static int64_t elements_of(const mpt_batch *b, extent x) {
  switch (x) {
  case ONE:
    return 1;
  case COLUMNS:
    return mpt_batch_columns(b);
  case ROWS:
    return b->n;
  case VECTORS:
    return b->rows * mpt_batch_columns(b);
  case MATRIX:
    return b->rows * b->n;
  case FRAME:
    return b->rows * b->frame.columns;
  }
  return 0;
}

static size_t bytes_of(const mpt_batch *b, element x) {
  switch (x) {
  case SCALAR:
    return mpt_type_size(b->type);
  case REAL:
    return mpt_real_size(b->type);
  case DOUBLE:
    return sizeof(double);
  case INT:
    return sizeof(int32_t);
  case REPORT:
    return sizeof(mpt_report);
  }
  return 0;
}

/* Problem k's part of an array of `holder`, NULL where it has none. */
static void *part(const mpt_batch *b, const void *holder, const place *p, int64_t k) {
  void *array;
  memcpy(&array, (const char *)holder + p->offset, sizeof array);
  return mpt_part_of(array, k, elements_of(b, p->extent), bytes_of(b, p->element));
}

static void advance(const mpt_batch *b, void *holder, const place *p, int64_t first) {
  void *array = part(b, holder, p, first);
  memcpy((char *)holder + p->offset, &array, sizeof array);
}

mpt_batch mpt_batch_slice(const mpt_batch *b, int64_t first, int64_t count,
                          mpt_function_arrays *functions) {
  mpt_batch slice = *b;
  slice.count = count;
  slice.functions = functions;
  for (int p = 0; p < OF_BATCH; p++) advance(b, &slice, &of_batch[p], first);
  if (!b->frame.each) slice.frame.reference = b->frame.reference;
  for (int f = 0; f < b->function_count; f++) {
    functions[f] = b->functions[f];
    for (int p = 0; p < OF_FUNCTION; p++) advance(b, &functions[f], &of_function[p], first);
  }
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

static void zero(const mpt_batch *b, const void *holder, const place *p, int64_t k) {
  void *array = part(b, holder, p, k);
  if (array) memset(array, 0, (size_t)elements_of(b, p->extent) * bytes_of(b, p->element));
}

static void zero_all(const mpt_batch *b, int64_t k, role which) {
  for (int p = 0; p < OF_BATCH; p++)
    if (of_batch[p].role == which) zero(b, b, &of_batch[p], k);
  for (int f = 0; f < b->function_count; f++)
    for (int p = 0; p < OF_FUNCTION; p++)
      if (of_function[p].role == which) zero(b, &b->functions[f], &of_function[p], k);
}

void mpt_zero_pairs(mpt_batch *b, int64_t k) {
  zero_all(b, k, PAIRS);
}

void mpt_zero_gradient(mpt_batch *b, int64_t k) {
  zero_all(b, k, GRADIENT);
}

void mpt_zero_outputs(mpt_batch *b, int64_t k) {
  if (!b->given) mpt_zero_pairs(b, k);
  zero_all(b, k, OUT);
  mpt_zero_gradient(b, k);
  b->report[k] = (mpt_report){.status = b->report[k].status, .seconds = b->report[k].seconds};
}
