#include "job.h"

#include <stdlib.h>
#include <string.h>

char *mpt_job_path(const mpt_job *job, int64_t d, const char *name) {
  return mpt_format("%s/%s", job->input.datasets[d].path, name);
}

static unsigned stored_fields(const mpt_config *c, bool vectors, bool gradient) {
  unsigned fields = MPT_BIT(MPT_STATUS) | MPT_BIT(MPT_MULTIPLET);
  if (c->store & MPT_STORE_EIGENVALUES) fields |= MPT_BIT(MPT_EIGENVALUES);
  if (c->eigenvectors && c->store & MPT_STORE_EIGENVECTORS) fields |= MPT_BIT(MPT_EIGENVECTORS);
  if (gradient && c->store & MPT_STORE_GRADIENT) fields |= MPT_BIT(MPT_GRADIENT);
  if (!(c->store & MPT_STORE_DIAGNOSTICS)) return fields;
  fields |= MPT_BIT(MPT_MIN_GAP) | MPT_BIT(MPT_SECONDS) | MPT_BIT(MPT_SOLVER) | MPT_BIT(MPT_RANKS);
  if (vectors) fields |= MPT_BIT(MPT_RESIDUAL) | MPT_BIT(MPT_ORTHOGONALITY);
  if (gradient)
    fields |=
        MPT_BIT(MPT_GAUGE_VIOLATION) | MPT_BIT(MPT_COTANGENT_SPREAD) | MPT_BIT(MPT_GRADIENT_ERROR);
  return fields;
}

static mpt_code expect(const mpt_job *job, hid_t file, const char *file_name, int64_t d,
                       mpt_field field, bool *exists, mpt_error *error) {
  char *path = mpt_job_path(job, d, mpt_fields[field].name);
  if (!path) return mpt_fail(error, MPT_NO_RESOURCE, "cannot open files: out of memory");
  mpt_code code =
      mpt_expect_dataset(file, file_name, path, &job->input.datasets[d], mpt_fields[field].extent,
                         mpt_fields[field].element == MPT_E_REAL, exists, error);
  free(path);
  return code;
}

static mpt_code refuse_unknown(const mpt_job *job, int64_t d, const char *name, mpt_error *error) {
  char *path = mpt_job_path(job, d, name);
  bool there = path && H5Lexists(job->cotangents, job->input.datasets[d].path, H5P_DEFAULT) > 0 &&
               H5Lexists(job->cotangents, path, H5P_DEFAULT) > 0;
  free(path);
  if (!there) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot use cotangents '%s': it holds '%s' of '%s', which this version does not "
                  "differentiate (leave it out)",
                  job->config.cotangents, name, job->input.datasets[d].path);
}

static mpt_code open_cotangents(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const char *name = job->config.cotangents;
  bool any = false;
  TRY(mpt_open_for_reading(name, "cotangents", &job->cotangents, error));
  for (int64_t d = 0; d < job->input.count; d++) {
    struct mpt_given *g = &job->given[d];
    TRY(expect(job, job->cotangents, name, d, MPT_EIGENVALUES, &g->values, error));
    TRY(expect(job, job->cotangents, name, d, MPT_EIGENVECTORS, &g->vectors, error));
    TRY(refuse_unknown(job, d, "functions", error));
    TRY(refuse_unknown(job, d, "frame", error));
    any |= g->values || g->vectors;
  }
  if (!any)
    code = mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use cotangents '%s': it holds none for any dataset of the input (it "
                    "mirrors the result file: %s/eigenvalues, %s/eigenvectors)",
                    name, job->input.datasets[0].path, job->input.datasets[0].path);
done:
  return code;
}

static mpt_code open_eigenpairs(mpt_job *job, mpt_error *error) {
  static const mpt_field needed[] = {MPT_EIGENVALUES, MPT_EIGENVECTORS};
  mpt_code code = MPT_DONE;
  const char *name = job->config.eigenpairs;
  TRY(mpt_open_for_reading(name, "eigenpairs", &job->eigenpairs, error));
  for (int64_t d = 0; d < job->input.count; d++)
    for (int f = 0; f < 2; f++) {
      bool exists;
      TRY(expect(job, job->eigenpairs, name, d, needed[f], &exists, error));
      if (!exists)
        TRY(mpt_fail(
            error, MPT_BAD_INPUT,
            "cannot use eigenpairs '%s': it has no %s of '%s' (make it with this input and "
            "output.store naming both)",
            name, mpt_fields[needed[f]].name, job->input.datasets[d].path));
    }
done:
  return code;
}

mpt_code mpt_job_check_eigenpairs(const mpt_job *job, const char *fingerprint, mpt_error *error) {
  if (job->eigenpairs < 0) return MPT_DONE;
  const char *name = job->config.eigenpairs;
  int64_t complete = 0;
  char *theirs = mpt_read_text_attribute(job->eigenpairs, "input_fingerprint");
  bool same = theirs && !strcmp(theirs, fingerprint);
  free(theirs);
  if (!same)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use eigenpairs '%s': they are not of this input, '%s' (run the forward "
                    "pass again)",
                    name, job->config.input_file);
  if (mpt_read_int_attribute(job->eigenpairs, "complete", &complete) && complete) return MPT_DONE;
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot use eigenpairs '%s': that result is not complete (run its config again, it "
      "will go on)",
      name);
}

static mpt_code make_tasks(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_config *c = &job->config;
  TRY(mpt_allocate(&job->tasks, job->input.count, sizeof *job->tasks, "the job", error));
  TRY(mpt_allocate(&job->given, job->input.count, sizeof *job->given, "the job", error));
  if (c->cotangents) TRY(open_cotangents(job, error));
  if (c->eigenpairs) TRY(open_eigenpairs(job, error));
  for (int64_t d = 0; d < job->input.count; d++)
    job->tasks[d] = (mpt_task){
        .dataset = &job->input.datasets[d],
        .solve = !c->eigenpairs,
        .vectors = c->eigenvectors || c->cotangents || c->eigenpairs,
        .gradient = c->cotangents != NULL,
        .vector_gradient = job->given[d].vectors,
    };
  job->fields = stored_fields(c, c->eigenvectors || c->cotangents, c->cotangents != NULL);
done:
  return code;
}

mpt_code mpt_job_open(mpt_config *config, mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *job = (mpt_job){.config = *config,
                   .input = {.file = H5I_INVALID_HID},
                   .cotangents = H5I_INVALID_HID,
                   .eigenpairs = H5I_INVALID_HID};
  *config = (mpt_config){0};
  const mpt_config *c = &job->config;
  job->options = (mpt_options){.triangle = c->triangle,
                               .tolerance = c->tolerance,
                               .gauge_policy = c->gauge_policy,
                               .spread_policy = c->spread_policy,
                               .convention = c->convention};
  TRY(mpt_input_open(c->input_file, c->datasets, c->dataset_count, &job->input, error));
  TRY(make_tasks(job, error));
done:
  if (code != MPT_DONE) mpt_job_close(job);
  return code;
}

void mpt_job_close(mpt_job *job) {
  mpt_input_close(&job->input);
  if (job->cotangents >= 0) H5Fclose(job->cotangents);
  if (job->eigenpairs >= 0) H5Fclose(job->eigenpairs);
  job->cotangents = job->eigenpairs = H5I_INVALID_HID;
  free(job->given);
  free(job->tasks);
  job->given = NULL;
  job->tasks = NULL;
  mpt_config_release(&job->config);
}
