#include "run/worker_arrays.h"

#include <stdlib.h>
#include <string.h>
#include "engine/reduced.h"
#include "run/job_files.h"
#include "store/shape.h"

static mpt_slab part_of(const mpt_worker *w, mpt_field field, int64_t first, int64_t count) {
  return mpt_field_slab(field, &w->job->input.datasets[w->dataset], first, count, w->batch.row0,
                        w->batch.rows);
}

/* A new entry, zeroed; NULL without memory. */
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

/* An array of this field's shape; read from `file` where that is one, from its own path or by
 * default the field's. */
static mpt_code add(mpt_worker *w, mpt_field field, int64_t function, hid_t file, const char *path,
                    bool write, void **out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_array *array = append(w);
  const mpt_slab part = part_of(w, field, 0, w->plan->tasks[w->dataset].chunk);
  *out = NULL;
  const size_t element = mpt_element_size(mpt_fields[field].element, w->batch.type);
  if (!array) return mpt_no_memory("lay out a batch", error);
  *array = (mpt_array){.field = field, .function = function, .file = file, .write = write};
  TRY(mpt_allocate(&array->data, part.count * part.rows * part.cols, element,
                   "a piece of the batch", error));
  if (file >= 0)
    array->path = path ? mpt_format("%s", path) : mpt_job_path(w->job, w->dataset, field, function);
  if (file >= 0 && !array->path) TRY(mpt_no_memory("read", error));
  *out = array->data;
done:
  return code;
}

static mpt_code add_function(mpt_worker *w, int64_t f, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_job *job = w->job;
  mpt_function_arrays *out = &w->batch.functions[f];
  const struct mpt_sources *given = &job->sources[w->dataset];
  void *data;
  out->function = job->config.functions.items[f].function;
  TRY(add(w, MPT_FUNCTION, f, H5I_INVALID_HID, NULL, true, &out->value, error));
  if (given->functions && given->functions[f]) {
    TRY(add(w, MPT_FUNCTION, f, job->cotangents, NULL, false, &data, error));
    out->cotangent = data;
  }
  if (given->direction)
    TRY(add(w, MPT_TANGENT_FUNCTION, f, H5I_INVALID_HID, NULL, true, &out->tangent, error));
  if (job->functions[f].chemical_potential) {
    TRY(add(w, MPT_CHEMICAL_POTENTIAL, f, H5I_INVALID_HID, NULL, true, &data, error));
    out->mu = data;
  }
done:
  return code;
}

/* One reference for all problems is read here, once. */
static mpt_code add_frame(mpt_worker *w, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_job *job = w->job;
  mpt_frame_arrays *frame = &w->batch.frame;
  const char *path = job->config.reference.dataset;
  void *data;
  memcpy(frame->index, job->config.frame_index, sizeof frame->index);
  frame->columns = job->input.datasets[w->dataset].frame_columns;
  frame->each = job->each_reference;
  TRY(add(w, MPT_FRAME, 0, H5I_INVALID_HID, NULL, true, &frame->value, error));
  TRY(add(w, MPT_FRAME, 0, frame->each ? job->reference : H5I_INVALID_HID, path, false, &data,
          error));
  frame->reference = data;
  if (!frame->each) {
    const mpt_slab part = {0, 1, w->batch.row0, w->batch.rows, frame->columns, 3};
    hid_t type = mpt_scalar_type(w->batch.type);
    code = mpt_read_slab(job->reference, path, &part, type, data, error);
    H5Tclose(type);
  }
  if (code != MPT_DONE || !job->sources[w->dataset].frame) goto done;
  TRY(add(w, MPT_FRAME, 0, job->cotangents, NULL, false, &data, error));
  frame->cotangent = data;
  TRY(add(w, MPT_GRADIENT_REFERENCE, 0, H5I_INVALID_HID, NULL, true, &frame->gradient_reference,
          error));
done:
  return code;
}

static mpt_code add_tangents(mpt_worker *w, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch *b = &w->batch;
  const char *path = w->job->input.datasets[w->dataset].path;
  TRY(add(w, MPT_GRADIENT, 0, w->job->direction, path, false, &b->da, error));
  TRY(add(w, MPT_TANGENT_EIGENVALUES, 0, H5I_INVALID_HID, NULL, true, &b->dw, error));
  if (w->job->config.eigenvectors)
    TRY(add(w, MPT_TANGENT_EIGENVECTORS, 0, H5I_INVALID_HID, NULL, true, &b->dv, error));
done:
  return code;
}

/* Where the whole spectrum is solved, its vectors are in the reflectors' place. */
static mpt_code add_factor(mpt_worker *w, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_factor_arrays *factor = &w->batch.factor;
  const hid_t file = w->job->sources[w->dataset].factor ? w->job->eigenpairs : H5I_INVALID_HID;
  TRY(add(w, MPT_REFLECTORS, 0, file, NULL, true, &factor->reflectors, error));
  TRY(add(w, MPT_SPECTRUM, 0, file, NULL, true, &factor->eigenvalues, error));
  if (!mpt_is_reduced(w->plan->tasks[w->dataset].engine, &w->batch)) return MPT_DONE;
  TRY(add(w, MPT_TAU, 0, file, NULL, true, &factor->tau, error));
  TRY(add(w, MPT_DIAGONAL, 0, file, NULL, true, &factor->diagonal, error));
  TRY(add(w, MPT_OFFDIAGONAL, 0, file, NULL, true, &factor->offdiagonal, error));
done:
  return code;
}

static mpt_code add_cotangents(mpt_worker *w, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const struct mpt_sources *given = &w->job->sources[w->dataset];
  void *data;
  TRY(add(w, MPT_GRADIENT, 0, H5I_INVALID_HID, NULL, true, &w->batch.g, error));
  if (given->values) {
    TRY(add(w, MPT_EIGENVALUES, 0, w->job->cotangents, NULL, false, &data, error));
    w->batch.gw = data;
  }
  if (given->vectors) {
    TRY(add(w, MPT_EIGENVECTORS, 0, w->job->cotangents, NULL, false, &data, error));
    w->batch.gv = data;
  }
done:
  return code;
}

mpt_code mpt_arrays_allocate(mpt_worker *w, int64_t d, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_job *job = w->job;
  const mpt_task *task = &job->tasks[d];
  const int64_t functions = job->config.functions.count, chunk = w->plan->tasks[d].chunk;
  mpt_batch *b = &w->batch;
  const char *what = "a piece of the batch";
  void *data;
  TRY(mpt_allocate(&b->functions, functions, sizeof *b->functions, what, error));
  TRY(mpt_allocate(&b->report, chunk, sizeof *b->report, what, error));
  TRY(mpt_allocate(&w->column, chunk, sizeof *w->column, what, error));
  /* the matrices come first */
  TRY(add(w, MPT_GRADIENT, 0, job->input.file, job->input.datasets[d].path, false, &b->a, error));
  TRY(add(w, MPT_EIGENVALUES, 0, job->eigenpairs, NULL, true, &b->w, error));
  if (task->vectors) TRY(add(w, MPT_EIGENVECTORS, 0, job->eigenpairs, NULL, true, &b->v, error));
  TRY(add(w, MPT_MULTIPLET, 0, H5I_INVALID_HID, NULL, true, &data, error));
  b->multiplet = data;
  b->select = job->config.select;
  if (b->select.kind == MPT_SELECT_RANGE) {
    TRY(add(w, MPT_FOUND, 0, H5I_INVALID_HID, NULL, true, &data, error));
    b->found = data;
  }
  if (task->gradient) TRY(add_cotangents(w, error));
  for (int64_t f = 0; f < functions; f++) TRY(add_function(w, f, error));
  b->function_count = (int)functions;
  if (job->config.reference.file) TRY(add_frame(w, error));
  if (job->sources[d].direction) TRY(add_tangents(w, error));
  if (task->factor || task->memory) TRY(add_factor(w, error));
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
  const mpt_slab part = part_of(w, array->field, 0, count);
  return (size_t)(part.count * part.rows * part.cols) *
         mpt_element_size(mpt_fields[array->field].element, w->batch.type);
}

/* Cotangents come in the convention of the config, engines take PyTorch's. */
static mpt_code read_array(mpt_worker *w, const mpt_array *array, const mpt_slab *part,
                           mpt_error *error) {
  hid_t type = mpt_element_type(mpt_fields[array->field].element, w->batch.type);
  const mpt_code code = mpt_read_slab(array->file, array->path, part, type, array->data, error);
  H5Tclose(type);
  const bool conjugate = w->job->options.convention == MPT_CONVENTION_JAX &&
                         array->file == w->job->cotangents && array->field != MPT_EIGENVALUES;
  if (code == MPT_DONE && conjugate)
    mpt_conjugate(w->batch.type, part->count * part->rows * part->cols, array->data);
  return code;
}

static bool is_of_factor(mpt_field field) {
  return field >= MPT_REFLECTORS && field <= MPT_SPECTRUM;
}

/* Whether the piece has all that is made of the matrices: of a selection, what its other pairs take
 * in the same way, from Q and T or from all vectors. */
static bool has_solution(const mpt_worker *w, const mpt_cache_entry *entry) {
  const mpt_factor_arrays *factor = &w->batch.factor;
  if (w->batch.select.kind == MPT_SELECT_ALL) return true;
  return factor->reflectors && entry->data[MPT_REFLECTORS] && !factor->tau == !entry->data[MPT_TAU];
}

/* The input's matrices are needed for what was not solved yet, and to certify what is made of Q
 * and T. */
mpt_code mpt_arrays_read(mpt_worker *w, const mpt_unit *u, const mpt_cache_entry *entry,
                         mpt_error *error) {
  mpt_code code = MPT_DONE;
  const bool solved = entry && has_solution(w, entry);
  w->batch.a = solved && !w->batch.factor.tau ? NULL : w->arrays[0].data;
  w->batch.factor.given =
      w->batch.factor.reflectors && (solved || w->job->sources[u->dataset].factor);
  for (int64_t k = 0; k < w->array_count && code == MPT_DONE; k++) {
    const mpt_array *array = &w->arrays[k];
    const bool of_factor = is_of_factor(array->field), of_file = array->file >= 0;
    if (k == 0 && !w->batch.a) continue;
    const mpt_slab part = part_of(w, array->field, u->first, u->count);
    const bool of_pairs = of_file && array->file == w->job->eigenpairs;
    const bool known = entry && (of_factor ? solved : k == 0 || of_pairs);
    const void *cached = known ? entry->data[array->field] : NULL;
    if (cached)
      memcpy(array->data, cached, mpt_array_bytes(w, array, u->count));
    else if (of_file)
      code = read_array(w, array, &part, error);
  }
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
    const mpt_field field = array->field;
    const bool pairs = array->write && (field == MPT_EIGENVALUES || field == MPT_EIGENVECTORS);
    if (pairs || is_of_factor(field) || (k == 0 && w->batch.factor.tau))
      mpt_cache_copy(w->cache, w->caching, array->field, array->data,
                     mpt_array_bytes(w, array, u->count));
  }
}

/* Matrices by every rank of the team, what is one number or vector a problem by its first. */
mpt_code mpt_arrays_write(mpt_worker *w, const mpt_unit *u, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t k = 0; k < w->array_count && code == MPT_DONE; k++) {
    const mpt_array *array = &w->arrays[k];
    const mpt_slab part = part_of(w, array->field, u->first, u->count);
    if (array->write && (part.rank == 3 || w->team.rank == 0))
      code = mpt_result_write(w->result, u->dataset, array->field, array->function, &part,
                              array->data, error);
  }
  return code;
}
