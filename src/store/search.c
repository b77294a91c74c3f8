#include "store/search.h"

#include <stdlib.h>
#include <string.h>
#include "store/element.h"
#include "store/shape.h"
#include "store/storage.h"

/* Shape and type of an open dataset; `why` is the reason why it cannot be used. */
typedef struct description {
  mpt_dataset data;
  bool square, numeric; /* it could be meant */
  mpt_lack_kind lack;
  char why[512]; /* "": nothing */
} description;

static bool describe_shape(hid_t dataset, description *d) {
  hsize_t dims[H5S_MAX_RANK] = {0};
  hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  H5Sclose(space);
  if (rank < 0) return false;
  d->square = rank >= 2 && dims[rank - 1] == dims[rank - 2];
  if (rank < 2) {
    strcpy(d->why, "its rank is not 2 or more (give square matrices [n, n] or [*, n, n])");
  } else if (!d->square) {
    strcpy(d->why, "its matrices are not square (give [n, n] or [*, n, n])");
  } else {
    d->data.leading = rank - 2;
    memcpy(d->data.lead, dims, sizeof *dims * (size_t)(rank - 2));
    d->data.n = dims[rank - 1] > INT64_MAX ? INT64_MAX : (int64_t)dims[rank - 1];
    d->data.count = mpt_count_problems(rank - 2, dims);
  }
  return true;
}

static void describe(hid_t dataset, description *d) {
  char text[200], dims[200];
  hid_t type = H5Dget_type(dataset);
  *d = (description){.lack = MPT_LACKS_NOTHING};
  if (!describe_shape(dataset, d) || type < 0) { /* the type is not known */
    d->lack = MPT_LACKS_SOURCE;
    strcpy(d->why, "its shape and type cannot be read, the file is damaged (check it with h5dump)");
    if (type >= 0) H5Tclose(type);
    return;
  }
  d->numeric = mpt_is_numeric(type);
  if (d->square && !mpt_scalar_type_of(type, &d->data.type))
    snprintf(d->why, sizeof d->why,
             "its type is not float32, float64 or a complex compound {r, i} of either, but %s "
             "(convert it)",
             mpt_element_text(type, text, sizeof text));
  H5Tclose(type);
  if (d->why[0]) return;
  const mpt_lack lack = mpt_dataset_lack(dataset);
  d->lack = lack.kind;
  if (lack.kind != MPT_LACKS_NOTHING) snprintf(d->why, sizeof d->why, "%s", lack.text);
  if (lack.kind > MPT_LACKS_PARTS || d->data.count <= MPT_MOST_PROBLEMS) return;
  d->lack = MPT_LACKS_SOURCE;
  snprintf(d->why, sizeof d->why,
           "its dimensions %s are more than 2^31 problems (shrink or split it)",
           mpt_dims_text(d->data.leading, d->data.lead, dims, sizeof dims));
}

static mpt_code append(mpt_input *input, const char *path, const description *d, mpt_error *error) {
  mpt_dataset *grown = realloc(input->datasets, sizeof *grown * (size_t)(input->count + 1));
  if (!grown) return mpt_no_memory("list datasets", error);
  input->datasets = grown;
  grown[input->count] = d->data;
  grown[input->count].path = mpt_format("%s%s", path[0] == '/' ? "" : "/", path);
  return grown[input->count++].path ? MPT_DONE : mpt_no_memory("list datasets", error);
}

/* The error for a dataset; `why` says how to mend it. */
static mpt_code refuse(const mpt_input *input, const char *path, const char *why,
                       mpt_error *error) {
  return mpt_fail(error, MPT_BAD_INPUT, "cannot use dataset '%s' of '%s': %s", path, input->name,
                  why);
}

static void warn_of_parts(const mpt_input *input, const char *path, const description *d) {
  if (d->lack == MPT_LACKS_PARTS) mpt_warn("'%s' of '%s': %s", path, input->name, d->why);
}

/* State of a search: each dataset is used, noted with the reason why not, or an error. */
typedef struct search {
  mpt_input *input;
  mpt_text not_used;
  mpt_error *error;
  mpt_code code;
} search;

static void note(search *s, const char *path, const char *why) {
  mpt_text_add(&s->not_used, "%s%s: %s", s->not_used.length ? "\n" : "", path, why);
}

static void consider(search *s, hid_t dataset, const char *path) {
  description d;
  describe(dataset, &d);
  if (d.lack == MPT_LACKS_SOURCE) {
    s->code = refuse(s->input, path, d.why, s->error);
  } else if (!d.why[0] || d.lack == MPT_LACKS_PARTS) {
    warn_of_parts(s->input, path, &d);
    s->code = append(s->input, path, &d, s->error);
  } else if (d.square) {
    note(s, path, d.why);
  }
}

static herr_t visit_object(hid_t file, const char *name, const H5O_info_t *info, void *context) {
  search *s = context;
  if (info->type != H5O_TYPE_DATASET) return 0;
  char *path = mpt_format("/%s", name);
  hid_t dataset = path ? H5Dopen(file, path, H5P_DEFAULT) : H5I_INVALID_HID;
  if (!path)
    s->code = mpt_no_memory("list datasets", s->error);
  else if (dataset < 0)
    s->code = refuse(s->input, path,
                     "it does not open: damaged, or of a later HDF5 (check it with h5dump, or name "
                     "others in input.datasets)",
                     s->error);
  else
    consider(s, dataset, path);
  if (dataset >= 0) H5Dclose(dataset);
  free(path);
  return s->code != MPT_DONE;
}

/* The target of a symbolic link, for messages. */
static void target_of(hid_t file, const char *name, const H5L_info_t *info, char *out,
                      size_t length) {
  char value[1024] = "";
  const char *other = NULL, *path = NULL;
  unsigned flags;
  H5Lget_val(file, name, value, sizeof value - 1, H5P_DEFAULT);
  if (info->type == H5L_TYPE_SOFT)
    snprintf(out, length, "'%.200s'", value);
  else if (H5Lunpack_elink_val(value, sizeof value, &flags, &other, &path) >= 0)
    snprintf(out, length, "'%.160s:%.100s'", other, path);
  else
    snprintf(out, length, "what this program does not know");
}

static bool leads_somewhere(hid_t file, const char *name) {
  hid_t object = H5Oopen(file, name, H5P_DEFAULT);
  if (object >= 0) H5Oclose(object);
  return object >= 0;
}

static void consider_link(search *s, hid_t file, const char *path, const H5L_info_t *info) {
  char target[300], why[400];
  target_of(file, path, info, target, sizeof target);
  if (!leads_somewhere(file, path)) {
    snprintf(why, sizeof why,
             "it is a link to %s, which is not there (mend or delete the link, or name others in "
             "input.datasets)",
             target);
    s->code = refuse(s->input, path, why, s->error);
  } else if (info->type == H5L_TYPE_EXTERNAL) {
    snprintf(why, sizeof why,
             "it is a link to another file, %s (name it in input.datasets to use it)", target);
    note(s, path, why);
  }
}

/* Symbolic links, which H5Ovisit skips. A link within the same file is a further name of a dataset
 * that is used under its own name. */
static herr_t visit_link(hid_t file, const char *name, const H5L_info_t *info, void *context) {
  search *s = context;
  if (info->type == H5L_TYPE_HARD) return 0;
  char *path = mpt_format("/%s", name);
  if (path)
    consider_link(s, file, path, info);
  else
    s->code = mpt_no_memory("list datasets", s->error);
  free(path);
  return s->code != MPT_DONE;
}

mpt_code mpt_search_datasets(mpt_input *input, mpt_error *error) {
  search s = {.input = input, .error = error, .code = MPT_DONE};
  if (H5Ovisit(input->file, H5_INDEX_NAME, H5_ITER_INC, visit_object, &s) < 0 && s.code == MPT_DONE)
    s.code = refuse(input, "/",
                    "its groups cannot all be listed: damaged (check the file with h5dump, or name "
                    "datasets in input.datasets)",
                    error);
  if (s.code == MPT_DONE) H5Lvisit(input->file, H5_INDEX_NAME, H5_ITER_INC, visit_link, &s);
  input->not_used = s.not_used.data;
  if (s.code == MPT_DONE && s.not_used.exhausted) return mpt_no_memory("list datasets", error);
  return s.code;
}

mpt_code mpt_refuse_dangling(hid_t file, const char *file_name, const char *path,
                             mpt_error *error) {
  H5L_info_t info;
  char target[300];
  if (H5Lget_info(file, path, &info, H5P_DEFAULT) < 0 || info.type == H5L_TYPE_HARD ||
      leads_somewhere(file, path))
    return MPT_DONE;
  target_of(file, path, &info, target, sizeof target);
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot use '%s' of '%s': it is a link to %s, which is not there (mend the link)",
                  path, file_name, target);
}

mpt_code mpt_add_dataset(mpt_input *input, const char *path, mpt_error *error) {
  mpt_code code = MPT_DONE;
  description d;
  hid_t dataset = H5Dopen(input->file, path, H5P_DEFAULT);
  if (dataset < 0) {
    TRY(mpt_refuse_dangling(input->file, input->name, path, error));
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot find dataset '%s' in '%s': there is none (see h5ls -r)", path,
                    input->name);
  }
  describe(dataset, &d);
  H5Dclose(dataset);
  warn_of_parts(input, path, &d);
  if (!d.why[0] || d.lack == MPT_LACKS_PARTS) return append(input, path, &d, error);
  code = refuse(input, path, d.why, error);
done:
  return code;
}
