#include "run/job.h"

#include <stdlib.h>
#include <string.h>
#include "run/job_files.h"
#include "run/job_outputs.h"
#include "store/find.h"

/* The causes (MPT_FOR_...) for which a dataset needs arrays, from the config and the quantities
 * that are given. */
static unsigned causes_of(const mpt_config *c, const mpt_task *t, bool vectors) {
  unsigned causes = MPT_FOR_ALL;
  if (vectors) causes |= MPT_FOR_VECTORS;
  if (c->cotangents) causes |= MPT_FOR_GRADIENT;
  if (c->functions.count) causes |= MPT_FOR_FUNCTIONS;
  if (c->reference.file) causes |= MPT_FOR_FRAME;
  if (mpt_task_has(t, MPT_COTANGENT_FRAME)) causes |= MPT_FOR_FRAME_GRADIENT;
  if (mpt_task_has(t, MPT_DIRECTION)) causes |= MPT_FOR_TANGENT;
  if (mpt_task_has(t, MPT_DIRECTION) && c->eigenvectors) causes |= MPT_FOR_TANGENT_VECTORS;
  if (c->select.kind == MPT_SELECT_RANGE) causes |= MPT_FOR_RANGE;
  if (t->factor) causes |= MPT_FOR_FACTOR;
  return causes;
}

/* Sets the arrays of all datasets, and with them what the result stores. */
static void want_arrays(mpt_job *job, bool vectors) {
  const mpt_config *c = &job->config;
  const unsigned no_vectors = c->eigenvectors ? 0 : MPT_STORE_EIGENVECTORS;
  for (int64_t d = 0; d < job->input.count; d++) {
    mpt_task *t = &job->tasks[d];
    const unsigned causes = causes_of(c, t, vectors);
    t->arrays |= mpt_wanted(causes);
    job->quantities |= t->arrays;
    for (int64_t f = 0; f < t->functions; f++) {
      const bool potential = c->functions.items[f].function.electrons > 0;
      t->of_function[f] |= mpt_wanted(causes | (potential ? MPT_FOR_POTENTIAL : 0u));
      job->functions[f].arrays |= t->of_function[f];
      job->quantities |= t->of_function[f];
    }
  }
  job->quantities &= mpt_stored(c->store & ~no_vectors);
}

hid_t mpt_job_file(const mpt_job *job, int64_t d, mpt_quantity quantity) {
  const mpt_role role = mpt_quantities[quantity].role;
  switch (mpt_quantities[quantity].source) {
  case MPT_FROM_INPUT:
    return job->input.file;
  case MPT_FROM_EIGENPAIRS:
    return role == MPT_PAIRS || job->tasks[d].factor_given ? job->eigenpairs : H5I_INVALID_HID;
  case MPT_FROM_COTANGENTS:
    return job->cotangents;
  case MPT_FROM_REFERENCE:
    return job->reference;
  case MPT_FROM_DIRECTIONS:
    return job->direction;
  case MPT_FROM_NONE:
  case MPT_SOURCES:
    break;
  }
  return H5I_INVALID_HID;
}

static mpt_code open_eigenpairs(mpt_job *job, mpt_error *error) {
  static const mpt_quantity needed[] = {MPT_EIGENVALUES, MPT_EIGENVECTORS};
  mpt_code code = MPT_DONE;
  const char *name = job->config.eigenpairs;
  TRY(mpt_job_open_file(job, name, "eigenpairs", &job->eigenpairs, error));
  for (int64_t d = 0; d < job->input.count; d++)
    for (int f = 0; f < 2; f++) {
      bool exists;
      TRY(mpt_job_expect(job, job->eigenpairs, name, d, needed[f], 0, &exists, error));
      if (!exists)
        TRY(mpt_fail(
            error, MPT_BAD_INPUT,
            "cannot use eigenpairs '%s': it has no %s of '%s' (make it with this input and "
            "output.store naming both)",
            name, mpt_quantities[needed[f]].name, job->input.datasets[d].path));
    }
done:
  return code;
}

/* Looks for the factorization that an earlier pass through the same selection stored; all of it
 * must be there. */
static mpt_code look_for_factor(mpt_job *job, int64_t d, mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool exists = true;
  for (mpt_quantity q = 0; q < MPT_STATUS && exists && code == MPT_DONE; q++)
    if (mpt_quantities[q].wanted == MPT_FOR_FACTOR)
      code = mpt_job_expect(job, job->eigenpairs, job->config.eigenpairs, d, q, 0, &exists, error);
  job->tasks[d].factor_given = exists;
  return code;
}

/* Whether some eigenpairs are computed without the others, through Q and T. */
static bool reduces(const mpt_config *c, bool outputs) {
  const mpt_engine *asked = mpt_engine_with(c->solver);
  return c->select.kind != MPT_SELECT_ALL && !outputs && (!asked || asked->reduced);
}

/* Q and T exist only where some of the eigenpairs are computed without the others. */
static mpt_code check_factor(const mpt_config *c, bool outputs, mpt_error *error) {
  if (!(c->store & MPT_STORE_FACTOR)) return MPT_DONE;
  if (reduces(c, outputs)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot store factor: it is made for solve.select by lapack and scalapack, and "
                  "not with functions, frame or tangent (take it from output.store)");
}

/* Whether the earlier result's eigenpairs are those that this config selects. */
static mpt_code same_selection(const mpt_job *job, bool *same, mpt_error *error) {
  mpt_config theirs = {0};
  char *text;
  bool known;
  mpt_code code = mpt_find_text(job->eigenpairs, "config", &text, error);
  if (code == MPT_DONE) code = mpt_config_of_result(text, &theirs, &known, error);
  *same = code == MPT_DONE && known && mpt_same_select(&theirs.select, &job->config.select);
  mpt_config_release(&theirs);
  free(text);
  return code;
}

mpt_code mpt_job_check_eigenpairs(const mpt_job *job, const char *fingerprint, mpt_error *error) {
  if (job->eigenpairs < 0) return MPT_DONE;
  const char *name = job->config.eigenpairs;
  mpt_code code;
  int64_t complete;
  bool there;
  char *theirs;
  TRY(mpt_find_text(job->eigenpairs, "input_fingerprint", &theirs, error));
  bool same = theirs && !strcmp(theirs, fingerprint);
  free(theirs);
  if (!same)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use eigenpairs '%s': they are not of this input, '%s' (run the forward "
                    "pass again)",
                    name, job->config.input_file);
  TRY(same_selection(job, &same, error));
  if (!same)
    return mpt_fail(
        error, MPT_BAD_INPUT,
        "cannot use eigenpairs '%s': they were selected in another way (give both passes "
        "the same solve.select)",
        name);
  TRY(mpt_find_integer(job->eigenpairs, "complete", &there, &complete, error));
  if (complete) return MPT_DONE;
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot use eigenpairs '%s': that result is not complete (run its config again, it "
      "will go on)",
      name);
done:
  return code;
}

/* Sets up the tasks without their arrays, which depend on the files. */
static mpt_code begin_tasks(mpt_job *job, bool outputs, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_config *c = &job->config;
  const int64_t functions = c->functions.count;
  const bool selection = c->select.kind != MPT_SELECT_ALL;
  TRY(mpt_allocate(&job->tasks, job->input.count, sizeof *job->tasks, "the job", error));
  TRY(mpt_allocate(&job->functions, functions, sizeof *job->functions, "the job", error));
  for (int64_t f = 0; f < functions; f++) job->functions[f].name = c->functions.items[f].name;
  for (int64_t d = 0; d < job->input.count; d++) {
    mpt_dataset *data = &job->input.datasets[d];
    mpt_task *t = &job->tasks[d];
    if (selection) data->columns = mpt_selected_columns(&c->select, data->n);
    *t = (mpt_task){.dataset = data,
                    .functions = functions,
                    .solve = !c->eigenpairs,
                    .selection = selection,
                    .outputs = outputs};
    TRY(mpt_allocate(&t->of_function, functions, sizeof *t->of_function, "the job", error));
  }
done:
  return code;
}

static mpt_code make_tasks(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_config *c = &job->config;
  const bool outputs = c->functions.count > 0 || c->reference.file || c->tangent;
  const bool vectors = c->eigenvectors || c->cotangents || c->eigenpairs || outputs;
  TRY(check_factor(c, outputs, error));
  TRY(begin_tasks(job, outputs, error));
  TRY(mpt_job_open_outputs(job, error));
  if (c->eigenpairs) TRY(open_eigenpairs(job, error));
  for (int64_t d = 0; d < job->input.count; d++) {
    if (c->eigenpairs && reduces(c, outputs)) TRY(look_for_factor(job, d, error));
    job->tasks[d].factor = job->tasks[d].factor_given || c->store & MPT_STORE_FACTOR;
  }
  want_arrays(job, vectors);
done:
  return code;
}

void mpt_job_use_memory(mpt_job *job) {
  for (int64_t d = 0; d < job->input.count; d++) {
    mpt_task *t = &job->tasks[d];
    t->memory = t->selection && mpt_task_has(t, MPT_EIGENVECTORS);
    if (t->memory) t->arrays |= mpt_wanted(MPT_FOR_FACTOR);
  }
}

mpt_code mpt_job_open(mpt_config *config, mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *job = (mpt_job){.config = *config,
                   .input = {.file = H5I_INVALID_HID},
                   .cotangents = H5I_INVALID_HID,
                   .eigenpairs = H5I_INVALID_HID,
                   .reference = H5I_INVALID_HID,
                   .direction = H5I_INVALID_HID};
  *config = (mpt_config){0};
  const mpt_config *c = &job->config;
  job->options = (mpt_options){.triangle = c->triangle,
                               .tolerance = c->tolerance,
                               .gauge_policy = c->gauge_policy,
                               .spread_policy = c->spread_policy,
                               .convention = c->convention,
                               .basis = c->basis,
                               .seed = (uint64_t)c->seed};
  TRY(mpt_input_open(c->input_file, c->datasets, c->dataset_count, &job->input, error));
  mpt_job_watch(job, job->input.file, "input", c->input_file);
  job->watched[0].first = job->input.opened;
  TRY(make_tasks(job, error));
done:
  if (code != MPT_DONE) mpt_job_close(job);
  return code;
}

void mpt_job_close(mpt_job *job) {
  hid_t *const files[] = {&job->cotangents, &job->eigenpairs, &job->reference, &job->direction};
  enum { FILES = sizeof files / sizeof *files };
  _Static_assert(FILES + 1 == MPT_MOST_WATCHED, "a file is not watched");
  for (int k = 0; k < FILES; k++) {
    if (*files[k] > 0) H5Fclose(*files[k]);
    *files[k] = H5I_INVALID_HID;
  }
  for (int64_t d = 0; job->tasks && d < job->input.count; d++) free(job->tasks[d].of_function);
  free(job->functions);
  job->functions = NULL;
  free(job->tasks);
  job->tasks = NULL;
  mpt_input_close(&job->input);
  mpt_config_release(&job->config);
}
