#include "run/job_files.h"

#include <stdlib.h>

mpt_result_spec mpt_job_spec(const mpt_job *job) {
  return (mpt_result_spec){.path = job->config.output_file,
                           .config = job->config.resolved,
                           .input_file = job->config.input_file,
                           .not_used = job->input.not_used,
                           .datasets = job->input.datasets,
                           .count = job->input.count,
                           .quantities = job->quantities,
                           .functions = job->functions,
                           .function_count = job->config.functions.count,
                           .sync = job->config.sync};
}

char *mpt_job_path(const mpt_job *job, int64_t d, mpt_quantity quantity, int64_t function) {
  const mpt_result_spec spec = mpt_job_spec(job);
  return mpt_quantity_path(&spec, d, quantity, function);
}

mpt_code mpt_job_expect(const mpt_job *job, hid_t file, const char *file_name, int64_t d,
                        mpt_quantity quantity, int64_t function, bool *exists, mpt_error *error) {
  char *path = mpt_job_path(job, d, quantity, function);
  if (!path) return mpt_no_memory("open files", error);
  mpt_code code =
      mpt_expect_dataset(file, file_name, path, &job->input.datasets[d], quantity, exists, error);
  free(path);
  return code;
}

void mpt_job_watch(mpt_job *job, hid_t file, const char *what, const char *name) {
  mpt_watch_begin(&job->watched[job->watched_count++], file, what, name);
}

mpt_code mpt_job_open_file(mpt_job *job, const char *name, const char *what, hid_t *file,
                           mpt_error *error) {
  const mpt_code code = mpt_open_for_reading(name, what, file, error);
  if (code == MPT_DONE) mpt_job_watch(job, *file, what, name);
  return code;
}

void mpt_job_hash(mpt_job *job, bool eigenpairs_in_memory) {
  for (int k = 0; k < job->watched_count; k++) {
    mpt_watch *w = &job->watched[k];
    if (eigenpairs_in_memory && w->name == job->config.eigenpairs) w->settled = true;
    mpt_watch_hash(w);
  }
}

mpt_code mpt_job_look(const mpt_job *job, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int k = 0; k < job->watched_count; k++) TRY(mpt_watch_look(&job->watched[k], error));
done:
  return code;
}

mpt_code mpt_job_look_again(const mpt_job *job, bool *doubt, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int k = 0; k < job->watched_count; k++) TRY(mpt_watch_end(&job->watched[k], doubt, error));
done:
  return code;
}
