#include "run/job.h"

#include <stdlib.h>
#include <string.h>
#include "run/job_files.h"
#include "run/job_outputs.h"
#include "store/find.h"

static bool any_frame_cotangent(const mpt_job *job) {
  bool any = false;
  for (int64_t d = 0; d < job->input.count; d++) any |= job->sources[d].frame;
  return any;
}

static mpt_fieldset tangent_fields(const mpt_config *c) {
  mpt_fieldset fields = MPT_BIT(MPT_TANGENT_EIGENVALUES) | MPT_BIT(MPT_TANGENT_FUNCTION);
  if (c->eigenvectors) fields |= MPT_BIT(MPT_TANGENT_EIGENVECTORS);
  return fields;
}

static mpt_fieldset diagnostics_of(const mpt_config *c, bool vectors) {
  mpt_fieldset fields = 0;
  const unsigned causes =
      MPT_FOR_ALL | (vectors ? MPT_FOR_VECTORS : 0u) | (c->cotangents ? MPT_FOR_GRADIENT : 0u) |
      (c->functions.count ? MPT_FOR_FUNCTIONS : 0u) | (c->reference.file ? MPT_FOR_FRAME : 0u) |
      (c->tangent ? MPT_FOR_TANGENT : 0u);
  for (int f = 0; f < MPT_FIELD_COUNT; f++)
    if (mpt_fields[f].wanted & causes) fields |= MPT_BIT(f);
  return fields;
}

static mpt_fieldset stored_fields(const mpt_job *job, bool vectors) {
  const mpt_config *c = &job->config;
  const bool gradient = c->cotangents != NULL, frame = c->reference.file != NULL;
  mpt_fieldset fields = MPT_BIT(MPT_STATUS) | MPT_BIT(MPT_MULTIPLET);
  if (c->select.kind == MPT_SELECT_RANGE) fields |= MPT_BIT(MPT_FOUND);
  if (c->store & MPT_STORE_EIGENVALUES) fields |= MPT_BIT(MPT_EIGENVALUES);
  if (c->eigenvectors && c->store & MPT_STORE_EIGENVECTORS) fields |= MPT_BIT(MPT_EIGENVECTORS);
  if (c->store & MPT_STORE_FUNCTIONS) fields |= MPT_BIT(MPT_FUNCTION);
  if (frame && c->store & MPT_STORE_FRAME) fields |= MPT_BIT(MPT_FRAME);
  if (gradient && c->store & MPT_STORE_GRADIENT) fields |= MPT_BIT(MPT_GRADIENT);
  if (any_frame_cotangent(job) && c->store & MPT_STORE_GRADIENT)
    fields |= MPT_BIT(MPT_GRADIENT_REFERENCE);
  if (c->tangent) fields |= tangent_fields(c);
  if (c->store & MPT_STORE_FACTOR)
    fields |= MPT_BIT(MPT_REFLECTORS) | MPT_BIT(MPT_TAU) | MPT_BIT(MPT_DIAGONAL) |
              MPT_BIT(MPT_OFFDIAGONAL) | MPT_BIT(MPT_SPECTRUM);
  if (c->store & MPT_STORE_DIAGNOSTICS) fields |= diagnostics_of(c, vectors);
  return fields;
}

static mpt_code open_eigenpairs(mpt_job *job, mpt_error *error) {
  static const mpt_field needed[] = {MPT_EIGENVALUES, MPT_EIGENVECTORS};
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
            name, mpt_fields[needed[f]].name, job->input.datasets[d].path));
    }
done:
  return code;
}

/* What an earlier pass through the same selection kept, where all of it is there. */
static mpt_code look_for_factor(mpt_job *job, int64_t d, mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool exists = true;
  for (mpt_field f = MPT_REFLECTORS; f <= MPT_SPECTRUM && exists && code == MPT_DONE; f++)
    code = mpt_job_expect(job, job->eigenpairs, job->config.eigenpairs, d, f, 0, &exists, error);
  job->sources[d].factor = exists;
  return code;
}

/* Whether some of the eigenpairs are made without the others, by Q and T. */
static bool reduces(const mpt_config *c, bool outputs) {
  const mpt_engine *asked = mpt_engine_with((int)c->solver);
  return c->select.kind != MPT_SELECT_ALL && !outputs && (!asked || asked->reduced);
}

/* Q and T are made only on the way to some of the eigenpairs. */
static mpt_code check_factor(const mpt_config *c, bool outputs, mpt_error *error) {
  if (!(c->store & MPT_STORE_FACTOR)) return MPT_DONE;
  if (reduces(c, outputs)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot store factor: it is made for solve.select by lapack and scalapack, and "
                  "not with functions, frame or tangent (take it from output.store)");
}

/* Whether the earlier result's pairs are those that this config selects. */
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

static mpt_code make_functions(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t count = job->config.functions.count;
  TRY(mpt_allocate(&job->functions, count, sizeof *job->functions, "the job", error));
  for (int64_t f = 0; f < count; f++) {
    const mpt_named_function *named = &job->config.functions.items[f];
    job->functions[f] = (mpt_stored_function){named->name, named->function.electrons > 0};
  }
done:
  return code;
}

static mpt_code make_tasks(mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_config *c = &job->config;
  const bool outputs = c->functions.count > 0 || c->reference.file || c->tangent;
  const bool vectors = c->eigenvectors || c->cotangents || c->eigenpairs || outputs;
  TRY(mpt_allocate(&job->tasks, job->input.count, sizeof *job->tasks, "the job", error));
  TRY(mpt_allocate(&job->sources, job->input.count, sizeof *job->sources, "the job", error));
  TRY(check_factor(c, outputs, error));
  TRY(make_functions(job, error));
  for (int64_t d = 0; d < job->input.count; d++)
    if (c->select.kind != MPT_SELECT_ALL)
      job->input.datasets[d].columns = mpt_selected_columns(&c->select, job->input.datasets[d].n);
  TRY(mpt_job_open_outputs(job, error));
  if (c->eigenpairs) TRY(open_eigenpairs(job, error));
  for (int64_t d = 0; d < job->input.count; d++) {
    const struct mpt_sources *g = &job->sources[d];
    if (c->eigenpairs && reduces(c, outputs)) TRY(look_for_factor(job, d, error));
    mpt_task *t = &job->tasks[d];
    *t = (mpt_task){.dataset = &job->input.datasets[d],
                    .solve = !c->eigenpairs,
                    .vectors = vectors,
                    .gradient = c->cotangents != NULL,
                    .vector_gradient = g->vectors,
                    .selection = c->select.kind != MPT_SELECT_ALL,
                    .outputs = outputs,
                    .factor = g->factor || c->store & MPT_STORE_FACTOR,
                    .frame = c->reference.file != NULL,
                    .frame_gradient = g->frame,
                    .functions = c->functions.count};
    for (int64_t f = 0; f < c->functions.count && g->functions; f++)
      t->function_gradients += g->functions[f];
    t->tangents = g->direction ? 1 + c->eigenvectors + c->functions.count : 0;
  }
  job->fields = stored_fields(job, vectors);
done:
  return code;
}

void mpt_job_use_memory(mpt_job *job) {
  for (int64_t d = 0; d < job->input.count; d++)
    job->tasks[d].memory = job->tasks[d].selection && job->tasks[d].vectors;
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
  for (int64_t d = 0; job->sources && d < job->input.count; d++) free(job->sources[d].functions);
  free(job->functions);
  job->functions = NULL;
  free(job->sources);
  free(job->tasks);
  job->sources = NULL;
  job->tasks = NULL;
  mpt_input_close(&job->input);
  mpt_config_release(&job->config);
}
