#include "run/worker_arrays.h"

#include <stdlib.h>
#include <string.h>
#include "engine/process.h"
#include "run/job_files.h"
#include "store/shape.h"

static mpt_slab part_of(const mpt_worker *w, mpt_quantity quantity, int64_t first, int64_t count) {
  return mpt_quantity_slab(quantity, &w->job->input.datasets[w->dataset], first, count,
                           w->batch.row0, w->batch.rows);
}

/* Appends an entry, zeroed; NULL when memory is out. */
static mpt_array *append(mpt_worker *w) {
  if (w->array_count == w->array_capacity) {
    const int64_t capacity = 2 * w->array_capacity + 16;
    mpt_array *grown = realloc(w->arrays, sizeof *grown * (size_t)capacity);
    if (!grown) return NULL;
    w->arrays = grown;
    w->array_capacity = capacity;
  }
  mpt_array *array = &w->arrays[w->array_count++];
  *array = (mpt_array){.file = H5I_INVALID_HID};
  return array;
}

/* A reference that all problems share is read once, not with units. */
static bool is_read_with_units(const mpt_worker *w, mpt_quantity quantity) {
  return quantity != MPT_REFERENCE || w->job->each_reference;
}

static char *path_of(const mpt_worker *w, mpt_quantity quantity, int64_t function) {
  if (mpt_quantities[quantity].source == MPT_FROM_REFERENCE)
    return mpt_format("%s", w->job->config.reference.dataset);
  return mpt_job_path(w->job, w->dataset, quantity, function);
}

/* Allocates the array of a quantity (of function f where each has one) and makes it a member of the
 * batch. */
static mpt_code add(mpt_worker *w, mpt_quantity quantity, int f, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_array *array = append(w);
  const mpt_slab part = part_of(w, quantity, 0, w->plan->tasks[w->dataset].chunk);
  const size_t element = mpt_element_size(mpt_quantities[quantity].element, w->batch.type);
  if (!array) return mpt_no_memory("lay out a batch", error);
  array->quantity = quantity;
  array->function = f;
  if (is_read_with_units(w, quantity)) array->file = mpt_job_file(w->job, w->dataset, quantity);
  TRY(mpt_allocate(&array->data, part.count * part.rows * part.cols, element,
                   "a piece of the batch", error));
  if (array->file >= 0) array->path = path_of(w, quantity, f);
  if (array->file >= 0 && !array->path) TRY(mpt_no_memory("read", error));
  *mpt_batch_array(&w->batch, quantity, f) = array->data;
done:
  return code;
}

static mpt_code read_reference(mpt_worker *w, mpt_error *error) {
  mpt_batch *b = &w->batch;
  const mpt_slab part = {0, 1, b->row0, b->rows, b->frame.columns, 3};
  hid_t type = mpt_scalar_type(b->type);
  const mpt_code code = mpt_read_slab(w->job->reference, w->job->config.reference.dataset, &part,
                                      type, b->array[MPT_REFERENCE], error);
  H5Tclose(type);
  return code;
}

/* Where the whole spectrum is solved, all eigenvectors take the reflectors' place, and the other
 * arrays of a reduction do not exist. */
static bool is_made(const mpt_worker *w, mpt_quantity quantity) {
  if (mpt_quantities[quantity].wanted != MPT_FOR_FACTOR || quantity == MPT_REFLECTORS ||
      quantity == MPT_SPECTRUM)
    return true;
  return mpt_is_reduced(w->plan->tasks[w->dataset].engine, &w->batch);
}

/* Sets all members of the batch except its arrays. */
static void describe(mpt_worker *w, const mpt_task *task) {
  const mpt_config *c = &w->job->config;
  mpt_batch *b = &w->batch;
  b->select = c->select;
  b->function_count = (int)task->functions;
  for (int f = 0; f < b->function_count; f++)
    b->functions[f].function = c->functions.items[f].function;
  if (!c->reference.file) return;
  memcpy(b->frame.index, c->frame_index, sizeof b->frame.index);
  b->frame.columns = task->dataset->frame_columns;
  b->frame.each = w->job->each_reference;
}

mpt_code mpt_arrays_allocate(mpt_worker *w, int64_t d, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_task *task = &w->job->tasks[d];
  const int64_t chunk = w->plan->tasks[d].chunk;
  mpt_batch *b = &w->batch;
  const char *what = "a piece of the batch";
  TRY(mpt_allocate(&b->functions, task->functions, sizeof *b->functions, what, error));
  TRY(mpt_allocate(&b->report, chunk, sizeof *b->report, what, error));
  TRY(mpt_allocate(&w->column, chunk, sizeof *w->column, what, error));
  describe(w, task);
  for (mpt_quantity q = 0; q < MPT_FUNCTION; q++)
    if (mpt_task_has(task, q) && is_made(w, q)) TRY(add(w, q, 0, error));
  for (int f = 0; f < b->function_count; f++)
    for (mpt_quantity q = MPT_FUNCTION; q < MPT_STATUS; q++)
      if (task->of_function[f] & MPT_BIT(q)) TRY(add(w, q, f, error));
  if (b->reference && !b->frame.each) TRY(read_reference(w, error));
done:
  return code;
}

void mpt_arrays_release(mpt_worker *w) {
  for (int64_t k = 0; k < w->array_count; k++) {
    free(w->arrays[k].data);
    free(w->arrays[k].path);
  }
  free(w->arrays);
  free(w->batch.functions);
  free(w->batch.report);
  free(w->column);
  w->arrays = NULL;
  w->array_count = w->array_capacity = 0;
  w->column = NULL;
  w->batch = (mpt_batch){0};
}

size_t mpt_array_bytes(const mpt_worker *w, const mpt_array *array, int64_t count) {
  const mpt_slab part = part_of(w, array->quantity, 0, count);
  return (size_t)(part.count * part.rows * part.cols) *
         mpt_element_size(mpt_quantities[array->quantity].element, w->batch.type);
}

/* Reads an array. Cotangents are in the convention of the config; engines take PyTorch's. */
static mpt_code read_array(mpt_worker *w, const mpt_array *array, const mpt_slab *part,
                           mpt_error *error) {
  const mpt_quantity_info *info = &mpt_quantities[array->quantity];
  hid_t type = mpt_element_type(info->element, w->batch.type);
  const mpt_code code = mpt_read_slab(array->file, array->path, part, type, array->data, error);
  H5Tclose(type);
  const bool conjugate = w->job->options.convention == MPT_CONVENTION_JAX &&
                         info->source == MPT_FROM_COTANGENTS && info->element == MPT_E_SCALAR;
  if (code == MPT_DONE && conjugate)
    mpt_conjugate(w->batch.type, part->count * part->rows * part->cols, array->data);
  return code;
}

/* Whether the entry has everything that is computed from the matrices. Under a selection this
 * includes what the other eigenpairs need: Q and T, or all vectors, as in this job. */
static bool has_solution(const mpt_worker *w, const mpt_cache_entry *entry) {
  const mpt_factor_arrays *factor = &w->batch.factor;
  if (w->batch.select.kind == MPT_SELECT_ALL) return true;
  return factor->reflectors && entry->data[MPT_REFLECTORS] && !factor->tau == !entry->data[MPT_TAU];
}

/* Whether a later pass through the eigenpairs reads this quantity, and so may find it in the
 * cache. */
static bool is_cached(const mpt_worker *w, mpt_quantity quantity) {
  if (quantity == MPT_MATRIX) return w->batch.factor.tau; /* to certify what Q and T give */
  return mpt_quantities[quantity].source == MPT_FROM_EIGENPAIRS;
}

/* The input's matrices are needed for problems that were not solved yet, and to certify what is
 * computed from Q and T. */
mpt_code mpt_arrays_read(mpt_worker *w, const mpt_unit *u, const mpt_cache_entry *entry,
                         mpt_error *error) {
  mpt_code code = MPT_DONE;
  const bool solved = entry && has_solution(w, entry), certified = w->batch.factor.tau;
  for (int64_t k = 0; k < w->array_count && code == MPT_DONE; k++) {
    const mpt_array *array = &w->arrays[k];
    const mpt_quantity quantity = array->quantity;
    if (quantity == MPT_MATRIX) w->batch.a = solved && !certified ? NULL : array->data;
    if (quantity == MPT_MATRIX && !w->batch.a) continue;
    const mpt_slab part = part_of(w, quantity, u->first, u->count);
    const bool of_pairs = mpt_quantities[quantity].role == MPT_PAIRS && array->file >= 0;
    const bool of_matrix = quantity == MPT_MATRIX;
    const bool known = entry && is_cached(w, quantity) && (of_pairs || of_matrix || solved);
    const void *cached = known ? entry->data[quantity] : NULL;
    if (cached)
      memcpy(array->data, cached, mpt_array_bytes(w, array, u->count));
    else if (array->file >= 0)
      code = read_array(w, array, &part, error);
  }
  w->batch.factor_given =
      w->batch.factor.reflectors && (solved || w->job->tasks[u->dataset].factor_given);
  return code;
}

mpt_cache_entry mpt_unit_entry(const mpt_worker *w, const mpt_unit *u) {
  return (mpt_cache_entry){.dataset = u->dataset,
                           .first = u->first,
                           .count = u->count,
                           .row0 = w->batch.row0,
                           .rows = w->batch.rows,
                           .ranks = w->team.size};
}

void mpt_arrays_cache(mpt_worker *w, const mpt_unit *u) {
  const mpt_cache_entry place = mpt_unit_entry(w, u);
  mpt_cache_entry *entry = mpt_cache_add(w->cache, w->caching, &place);
  if (!entry) return;
  memcpy(entry->report, w->batch.report, sizeof *entry->report * (size_t)u->count);
  for (int64_t k = 0; k < w->array_count; k++) {
    const mpt_array *array = &w->arrays[k];
    if (is_cached(w, array->quantity))
      mpt_cache_copy(w->cache, w->caching, array->quantity, array->data,
                     mpt_array_bytes(w, array, u->count));
  }
}

/* Every rank of the team writes its part of matrices. The first rank alone writes arrays with one
 * number or one vector for each problem. */
mpt_code mpt_arrays_write(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t k = 0; k < w->array_count && code == MPT_DONE; k++) {
    const mpt_array *array = &w->arrays[k];
    const mpt_slab part = part_of(w, array->quantity, u->first, u->count);
    const bool made = mpt_quantities[array->quantity].role != MPT_GIVEN;
    if (made && (part.rank == 3 || w->team.rank == 0))
      code = mpt_result_write(w->result, u->dataset, array->quantity, array->function, &part,
                              array->data, error);
  }
  return code;
}
