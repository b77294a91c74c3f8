#include "run/job_outputs.h"

#include <stdlib.h>
#include <string.h>
#include "run/job_files.h"
#include "spectral/function.h"
#include "store/element.h"
#include "store/find.h"

/* Checks that an index range lies within the order of every dataset. */
static mpt_code check_range(const mpt_job *job, const int64_t range[2], const char *what,
                            mpt_error *error) {
  for (int64_t d = 0; d < job->input.count; d++)
    if (range[1] > job->input.datasets[d].n)
      return mpt_fail(
          error, MPT_BAD_USAGE,
          "cannot use index [%lld, %lld] of '%s': '%s' has n = %lld (end at n or below)",
          (long long)range[0], (long long)range[1], what, job->input.datasets[d].path,
          (long long)job->input.datasets[d].n);
  return MPT_DONE;
}

static mpt_code check_functions(const mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t f = 0; f < job->config.functions.count; f++) {
    const mpt_named_function *named = &job->config.functions.items[f];
    const int64_t *range = mpt_function_range(&named->function);
    if (range) TRY(check_range(job, range, named->name, error));
    for (int64_t d = 0; d < job->input.count; d++)
      if (named->function.electrons >= (double)job->input.datasets[d].n &&
          named->function.electrons > 0)
        TRY(mpt_fail(error, MPT_BAD_USAGE,
                     "cannot use electrons: %.15g of '%s': '%s' has n = %lld, all states would be "
                     "full (give fewer than n)",
                     named->function.electrons, named->name, job->input.datasets[d].path,
                     (long long)job->input.datasets[d].n));
  }
done:
  return code;
}

/* Finds a name in the cotangents that is no function of the config. */
static herr_t find_stranger(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  const mpt_job *job = *(const mpt_job **)context;
  (void)group;
  (void)info;
  for (int64_t f = 0; f < job->config.functions.count; f++)
    if (!strcmp(name, job->functions[f].name)) return 0;
  return 1;
}

static mpt_code refuse_stranger(const mpt_job *job, const char *path, hsize_t at, hid_t group,
                                mpt_error *error) {
  char name[256] = "";
  const char *nearest = NULL, **names = mpt_alloc(job->config.functions.count, sizeof *names);
  H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, at, name, sizeof name, H5P_DEFAULT);
  for (int64_t f = 0; names && f < job->config.functions.count; f++)
    names[f] = job->functions[f].name;
  if (names) nearest = mpt_nearest_name(name, names, (size_t)job->config.functions.count);
  mpt_fail(error, MPT_BAD_INPUT,
           "cannot use cotangents '%s': it holds '%s/%s', which is no function of the config%s%s%s "
           "(define it under 'functions', or leave it out)",
           job->config.cotangents, path, name, nearest ? ", did you mean '" : "",
           nearest ? nearest : "", nearest ? "'?" : "");
  free(names);
  return MPT_BAD_INPUT;
}

static mpt_code refuse_strangers(const mpt_job *job, int64_t d, mpt_error *error) {
  const char *path = job->input.datasets[d].path;
  char *functions = mpt_format("%s/functions", strcmp(path, "/") ? path : "");
  hsize_t at = 0;
  mpt_code code = MPT_DONE;
  if (!functions) return mpt_no_memory("open files", error);
  bool exists;
  code = mpt_find_link(job->cotangents, functions, &exists, error);
  if (code == MPT_DONE && exists) {
    hid_t group = H5Gopen(job->cotangents, functions, H5P_DEFAULT);
    const herr_t stranger = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &at, find_stranger, &job);
    if (stranger > 0) code = refuse_stranger(job, functions, at - 1, group, error);
    if (stranger < 0)
      code = mpt_fail(error, MPT_BAD_INPUT,
                      "cannot use cotangents '%s': its group '%s' cannot be read (check the file "
                      "with h5dump)",
                      job->config.cotangents, functions);
    if (group >= 0) H5Gclose(group);
  }
  free(functions);
  return code;
}

/* Refuses cotangents of a frame when the config has no frame. */
static mpt_code refuse_frame(const mpt_job *job, int64_t d, mpt_error *error) {
  char *path = mpt_job_path(job, d, MPT_COTANGENT_FRAME, 0);
  bool there = false;
  const mpt_code code = path ? mpt_find_link(job->cotangents, path, &there, error)
                             : mpt_no_memory("open files", error);
  free(path);
  if (!there) return code;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot use cotangents '%s': it holds a frame's of '%s', and the config has none "
                  "(add 'frame', or leave it out)",
                  job->config.cotangents, job->input.datasets[d].path);
}

/* Looks for one quantity, or for that of function f, and adds it to `has` when it is there. */
static mpt_code look_for(mpt_job *job, int64_t d, mpt_quantity quantity, int64_t f,
                         mpt_quantityset *has, mpt_error *error) {
  bool there = false;
  const mpt_code code =
      mpt_job_expect(job, job->cotangents, job->config.cotangents, d, quantity, f, &there, error);
  if (there) *has |= MPT_BIT(quantity);
  return code;
}

static mpt_code look_for_cotangents(mpt_job *job, int64_t d, bool *any, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_task *t = &job->tasks[d];
  const mpt_quantityset wanted = mpt_from(MPT_FROM_COTANGENTS);
  if (!job->config.reference.file) TRY(refuse_frame(job, d, error));
  TRY(refuse_strangers(job, d, error));
  for (mpt_quantity q = 0; q < MPT_STATUS; q++) {
    if (!(wanted & MPT_BIT(q))) continue;
    if (mpt_is_per_function(q))
      for (int64_t f = 0; f < t->functions; f++)
        TRY(look_for(job, d, q, f, &t->of_function[f], error));
    else if (mpt_quantities[q].extent != MPT_FRAME_COLUMNS || job->config.reference.file)
      TRY(look_for(job, d, q, 0, &t->arrays, error));
  }
  *any |= (t->arrays & wanted) != 0;
  for (int64_t f = 0; f < t->functions; f++) *any |= (t->of_function[f] & wanted) != 0;
done:
  return code;
}

static mpt_code open_cotangents(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const char *name = job->config.cotangents;
  bool any = false;
  TRY(mpt_job_open_file(job, name, "cotangents", &job->cotangents, error));
  for (int64_t d = 0; d < job->input.count; d++) TRY(look_for_cotangents(job, d, &any, error));
  if (!any)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use cotangents '%s': it holds none for any dataset of the input (it "
                    "mirrors the result file: %s/eigenvalues, %s/eigenvectors)",
                    name, job->input.datasets[0].path, job->input.datasets[0].path);
done:
  return code;
}

/* The reference R as it is in its file. */
typedef struct shape_of_reference {
  int rank;
  hsize_t dims[H5S_MAX_RANK];
  bool is_complex;
} shape_of_reference;

/* Whether R has the leading dimensions of d, and so one matrix for each of d's. */
static bool mirrors(const shape_of_reference *r, const mpt_dataset *d) {
  const hsize_t one = (hsize_t)d->count, *lead = d->leading ? d->lead : &one;
  const int leading = d->leading ? d->leading : 1;
  return r->rank - 2 == leading && !memcmp(r->dims, lead, sizeof *lead * (size_t)leading);
}

/* The reason why R does not fit dataset d; NULL: it fits. */
static const char *wrong_reference(const mpt_job *job, const mpt_dataset *d,
                                   const shape_of_reference *r) {
  const int64_t *index = job->config.frame_index;
  const hsize_t rows = r->dims[r->rank - 2], columns = r->dims[r->rank - 1];
  if ((int64_t)rows != d->n) return "its rows are not n";
  if (r->rank > 2 && !mirrors(r, d)) return "it has not one for each matrix";
  if (columns < 1 || (int64_t)columns > index[1] - index[0])
    return "it has no columns, or more than the index range has eigenvectors";
  if (r->is_complex && !mpt_type_is_complex(d->type))
    return "it is complex and the matrices are not";
  return NULL;
}

static const char *describe_reference(hid_t dataset, shape_of_reference *r) {
  mpt_type type = MPT_FLOAT64;
  hid_t space = H5Dget_space(dataset), stored = H5Dget_type(dataset);
  const bool typed = mpt_scalar_type_of(stored, &type);
  r->rank = H5Sget_simple_extent_dims(space, r->dims, NULL);
  r->is_complex = mpt_type_is_complex(type);
  H5Sclose(space);
  H5Tclose(stored);
  if (r->rank < 2) return "its rank is not 2 or more";
  return typed ? NULL : "its type is not float32, float64 or a complex compound of either";
}

static mpt_code open_reference(mpt_job *job, mpt_error *error) {
  const struct mpt_reference *r = &job->config.reference;
  mpt_code code = MPT_DONE;
  shape_of_reference shape = {0};
  TRY(check_range(job, job->config.frame_index, "frame", error));
  TRY(mpt_job_open_file(job, r->file, "reference", &job->reference, error));
  hid_t dataset = H5Dopen(job->reference, r->dataset, H5P_DEFAULT);
  if (dataset < 0) {
    TRY(mpt_refuse_dangling(job->reference, r->file, r->dataset, error));
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot find dataset '%s' in '%s': there is none (see h5ls -r)", r->dataset,
                 r->file));
  }
  const char *why = describe_reference(dataset, &shape);
  for (int64_t d = 0; d < job->input.count && !why; d++) {
    why = wrong_reference(job, &job->input.datasets[d], &shape);
    job->input.datasets[d].frame_columns = (int64_t)shape.dims[shape.rank - 1];
  }
  job->each_reference = shape.rank > 2;
  if (why)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use reference '%s' of '%s': %s (give [n, m] or [*, n, m] with m up to "
                    "the length of frame.index)",
                    r->dataset, r->file, why);
  else
    code = mpt_expect_data(dataset, r->file, r->dataset, error);
  H5Dclose(dataset);
done:
  return code;
}

static mpt_code open_direction(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const char *name = job->config.tangent;
  bool any = false;
  TRY(mpt_job_open_file(job, name, "directions", &job->direction, error));
  for (int64_t d = 0; d < job->input.count; d++) {
    bool there;
    TRY(mpt_job_expect(job, job->direction, name, d, MPT_DIRECTION, 0, &there, error));
    if (there) job->tasks[d].arrays |= MPT_BIT(MPT_DIRECTION);
    any |= there;
  }
  if (!any)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use directions '%s': it holds none for any dataset of the input (it "
                    "mirrors the input file: %s)",
                    name, job->input.datasets[0].path);
done:
  return code;
}

mpt_code mpt_job_open_outputs(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  TRY(check_functions(job, error));
  if (job->config.select.kind == MPT_SELECT_INDEX)
    TRY(check_range(job, job->config.select.index, "solve.select", error));
  if (job->config.reference.file) TRY(open_reference(job, error));
  if (job->config.cotangents) TRY(open_cotangents(job, error));
  if (job->config.tangent) TRY(open_direction(job, error));
done:
  return code;
}
