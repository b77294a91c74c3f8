#include "store/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/element.h"
#include "store/shape.h"
#include "store/find.h"

char *mpt_view_path(const char *group, const char *name) {
  return mpt_format("%s/%s", strcmp(group, "/") ? group : "", name);
}

static mpt_code damaged(const mpt_view *view, const char *path, mpt_error *error) {
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot read '%s' of result '%s': its shape or type is not the schema's (make the "
      "file again)",
      path, view->name);
}

/* Every dataset named `status` marks a group; its path without that name is the group's path. */
static herr_t visit(hid_t object, const char *name, const H5O_info_t *info, void *context) {
  static const char last[] = "status";
  mpt_view *view = context;
  size_t length = strlen(name), tail = sizeof last - 1;
  (void)object;
  if (info->type != H5O_TYPE_DATASET || length < tail || strcmp(name + length - tail, last) ||
      (length > tail && name[length - tail - 1] != '/'))
    return 0;
  mpt_view_group *grown = realloc(view->groups, sizeof *grown * (size_t)(view->count + 1));
  if (!grown) return 1;
  view->groups = grown;
  int width = length > tail ? (int)(length - tail - 1) : 0;
  grown[view->count] =
      (mpt_view_group){.path = mpt_format("/%.*s", width, name), .n = -1, .columns = -1};
  return grown[view->count++].path ? 0 : 1;
}

static int own_rank(mpt_extent extent) {
  return extent == MPT_ONE ? 0 : extent < MPT_VECTORS ? 1 : 2;
}

/* Compares the leading dimensions with those of the status, which is visited first. */
static bool has_leading(mpt_view_group *group, mpt_quantity quantity, int leading,
                        const hsize_t *dims) {
  if (leading < 1 || leading > MPT_MOST_LEADING) return false;
  if (quantity == MPT_STATUS) {
    group->leading = leading;
    memcpy(group->lead, dims, sizeof *dims * (size_t)leading);
    group->count = mpt_count_problems(leading, dims);
  }
  return leading == group->leading && !memcmp(group->lead, dims, sizeof *dims * (size_t)leading);
}

/* Notes a dataset's own dimensions, those after the leading ones. */
static bool note_dims(mpt_view_group *group, mpt_extent extent, const hsize_t *dims) {
  bool fits = true;
  if (extent >= MPT_PER_ROW) { /* n rows */
    if (group->n < 0) group->n = (int64_t)dims[0];
    fits = (int64_t)dims[0] == group->n;
  }
  if (extent == MPT_PER_EIGENVALUE || extent == MPT_VECTORS) {
    const int64_t columns = (int64_t)dims[extent == MPT_VECTORS ? 1 : 0];
    if (group->columns < 0) group->columns = columns;
    fits = fits && columns == group->columns;
  }
  return fits && (extent != MPT_SQUARE || dims[0] == dims[1]);
}

/* Notes a dataset's shape and type in the group; false when they contradict those of others. */
static bool note_dataset(mpt_view_group *group, mpt_quantity quantity, hid_t dataset) {
  const mpt_quantity_info *info = &mpt_quantities[quantity];
  hsize_t dims[H5S_MAX_RANK] = {0};
  mpt_type type;
  hid_t space = H5Dget_space(dataset), stored = H5Dget_type(dataset);
  const int leading = H5Sget_simple_extent_dims(space, dims, NULL) - own_rank(info->extent);
  bool fits =
      has_leading(group, quantity, leading, dims) && note_dims(group, info->extent, dims + leading);
  if (info->element == MPT_E_REAL || info->element == MPT_E_SCALAR) {
    fits = fits && mpt_scalar_type_of(stored, &type);
    if (fits && !group->typed) group->type = type;
    group->typed |= info->element == MPT_E_SCALAR;
  }
  H5Sclose(space);
  H5Tclose(stored);
  return fits;
}

static mpt_code look_into(const mpt_view *view, mpt_view_group *group, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int k = -1; k < MPT_QUANTITY_COUNT && code == MPT_DONE; k++) {
    mpt_quantity quantity =
        k < 0 ? MPT_STATUS : (mpt_quantity)k; /* the status first: it gives the count */
    if (!mpt_quantities[quantity].store || mpt_is_per_function(quantity))
      continue; /* those of functions have their own names */
    char *path = mpt_view_path(group->path, mpt_quantities[quantity].name);
    if (!path) return mpt_no_memory("list a result's groups", error);
    hid_t dataset;
    code = mpt_find_dataset(view->file, path, &dataset, error);
    if (dataset >= 0) {
      group->quantities |= MPT_BIT(quantity);
      code = mpt_expect_data(dataset, view->name, path, error);
      if (code == MPT_DONE && !note_dataset(group, quantity, dataset))
        code = damaged(view, path, error);
      H5Dclose(dataset);
    }
    free(path);
  }
  if (group->n < 0) group->n = group->columns; /* eigenvalues alone: of all or a selection */
  return code;
}

static mpt_code check_schema(mpt_view *view, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *name = NULL, *version = NULL;
  TRY(mpt_find_text(view->file, "schema_name", &name, error));
  TRY(mpt_find_text(view->file, "schema_version", &version, error));
  if (!name || strcmp(name, MPT_SCHEMA_NAME))
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot read '%s': not a result file, its attribute schema_name is not "
                    "'" MPT_SCHEMA_NAME "' (give what 'multiplet run' wrote)",
                    view->name);
  else if (!version || strncmp(version, MPT_SCHEMA_VERSION, 2))
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot read result '%s': its schema_version is '%.32s', known is "
                    "'" MPT_SCHEMA_VERSION "' (use the version of multiplet that wrote it)",
                    view->name, version ? version : "");
  view->chains = code == MPT_DONE && !strcmp(version, "1.0");
done:
  free(name);
  free(version);
  return code;
}

mpt_code mpt_view_open(const char *name, mpt_view *view, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *view = (mpt_view){.file = H5I_INVALID_HID, .name = mpt_format("%s", name)};
  if (!view->name) return mpt_no_memory("list a result's groups", error);
  TRY(mpt_open_for_reading(name, "result", &view->file, error));
  TRY(check_schema(view, error));
  const herr_t visited = H5Ovisit(view->file, H5_INDEX_NAME, H5_ITER_INC, visit, view);
  if (visited > 0) TRY(mpt_no_memory("list a result's groups", error));
  if (visited < 0) TRY(damaged(view, "/", error));
  for (int64_t g = 0; g < view->count; g++) TRY(look_into(view, &view->groups[g], error));
done:
  if (code != MPT_DONE) mpt_view_close(view);
  return code;
}

void mpt_view_close(mpt_view *view) {
  for (int64_t g = 0; g < view->count; g++) free(view->groups[g].path);
  if (view->name && view->file >= 0)
    H5Fclose(view->file); /* a view that was never opened is all zero */
  free(view->groups);
  free(view->name);
  *view = (mpt_view){.file = H5I_INVALID_HID};
}

const mpt_view_group *mpt_view_find(const mpt_view *view, const char *path) {
  for (int64_t g = 0; g < view->count; g++)
    if (!strcmp(view->groups[g].path, path)) return &view->groups[g];
  return NULL;
}

const char *mpt_view_index(const mpt_view_group *group, int64_t problem, char *text,
                           size_t length) {
  int64_t stride = group->count;
  size_t at = 0;
  text[0] = 0;
  for (int k = 0; k < group->leading && at < length; k++) {
    stride /= (int64_t)group->lead[k];
    at += (size_t)snprintf(text + at, length - at, "%s%lld", k ? ", " : "",
                           (long long)(problem / stride));
    problem %= stride;
  }
  return text;
}

static hid_t memory_type(mpt_element element) {
  switch (element) {
  case MPT_E_STATUS:
  case MPT_E_SOLVER:
  case MPT_E_RULE:
  case MPT_E_INT8:
  case MPT_E_INT32:
    return mpt_element_type(element, MPT_FLOAT64);
  case MPT_E_REAL:
  case MPT_E_SCALAR:
  case MPT_E_DOUBLE:
    break;
  }
  return H5Tcopy(H5T_NATIVE_DOUBLE);
}

mpt_code mpt_view_read(const mpt_view *view, const mpt_view_group *group, mpt_quantity quantity,
                       int64_t first, int64_t count, void *out, mpt_error *error) {
  const mpt_dataset shape = {.count = group->count, .n = group->n, .columns = group->columns};
  mpt_slab part = mpt_quantity_slab(quantity, &shape, first, count, 0, 0);
  char *path = mpt_view_path(group->path, mpt_quantities[quantity].name);
  if (!path) return mpt_no_memory("list a result's groups", error);
  hid_t type = memory_type(mpt_quantities[quantity].element);
  mpt_code code = mpt_read_slab(view->file, path, &part, type, out, error);
  H5Tclose(type);
  free(path);
  return code;
}
