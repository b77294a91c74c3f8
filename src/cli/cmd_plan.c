/* multiplet plan */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include "engine/blas_library.h"
#include "run/job_files.h"
#include "cli/launch.h"
#include "run/look.h"
#include "run/progress.h"
#include "run/run.h"
#include "run/summary.h"

static const mpt_option options[] = {
    {"--set", "key=value", "override one key of the config"},
    {"--ranks", "N", "plan for N ranks on this machine (default 1)"},
};
static const mpt_usage usage = {
    "plan",
    "CONFIG.yaml",
    "Prints what run would do, without running it.",
    options,
    sizeof options / sizeof *options,
    NULL,
};

typedef struct arguments {
  mpt_config_arguments config;
  int ranks;
} arguments;

static mpt_code handle(void *context, int index, const char *value, mpt_error *error) {
  arguments *a = context;
  char *end;
  if (index < 0) return mpt_take_config_path(&a->config, value, error);
  if (index == 0) return mpt_take_override(&a->config, value, error);
  long ranks = strtol(value, &end, 10);
  if (*end || end == value || ranks < 1 || ranks > 10000000)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use --ranks '%s': not a count of ranks (give 1 or more)", value);
  a->ranks = (int)ranks;
  return MPT_DONE;
}

static void print_size(const char *label, double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  enum { UNITS = sizeof units / sizeof *units };
  int unit = 0;
  for (; bytes >= 1024 && unit < UNITS - 1; unit++) bytes /= 1024;
  printf("%s%.3g %s\n", label, bytes, units[unit]);
}

static void print_line(const char *line) {
  printf("%s\n", line);
}

static void print_plan(const mpt_job *job, const mpt_plan *plan) {
  double operations = 0;
  int64_t memory = 0;
  char time[64];
  const mpt_result_spec spec = mpt_job_spec(job);
  printf("%-20s %9s %7s %-10s %-10s %9s %11s %12s\n", "dataset", "matrices", "n", "type", "solver",
         "grid", "at a time", "MiB a rank");
  for (int64_t d = 0; d < plan->count; d++) {
    const mpt_task_plan *w = &plan->tasks[d];
    const mpt_dataset *data = &job->input.datasets[d];
    char grid[32];
    snprintf(grid, sizeof grid, "%d x %d", w->grid[0], w->grid[1]);
    printf("%-20s %9lld %7lld %-10s %-10s %9s %11lld %12.1f\n", data->path, (long long)data->count,
           (long long)data->n, mpt_type_name(data->type),
           job->config.eigenpairs ? "given" : w->engine->name, grid, (long long)w->chunk,
           (double)w->bytes / 0x1p20);
    operations += w->operations * (double)data->count;
    if (w->bytes > memory) memory = w->bytes;
  }
  mpt_format_seconds(plan->seconds, time, sizeof time);
  printf("\nranks                      %d\n", plan->ranks);
  print_size("memory a rank, at most     ", (double)memory);
  print_size("result file                ", (double)mpt_result_bytes(&spec));
  printf("floating-point operations  %.3g\n", operations);
  printf("expected time              %s (%.3g s)\n", time, plan->seconds);
  if (job->input.not_used) printf("\n");
  mpt_tell_unused(&job->input, print_line);
}

static mpt_code plan_job(mpt_config *config, int ranks, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_job job = {0};
  mpt_plan plan = {0};
  TRY(mpt_look_at_inputs(config, error));
  TRY(mpt_job_open(config, &job, error));
  mpt_blas_set_threads((int)job.config.threads);
  const mpt_plan_request request = {.config = &job.config,
                                    .tasks = job.tasks,
                                    .count = job.input.count,
                                    .ranks = ranks,
                                    .memory = mpt_memory_share(1),
                                    .rate = mpt_measure_rate()};
  code = mpt_plan_make(&request, &plan, error);
  if (code == MPT_DONE) print_plan(&job, &plan);
  mpt_plan_release(&plan);
  mpt_job_close(&job);
done:
  return code;
}

int mpt_cmd_plan(int argc, char **argv) {
  arguments a = {.ranks = 1};
  mpt_error error = {0};
  mpt_config config = {0};
  bool helped = false;
  mpt_code code = mpt_parse_options(&usage, argc, argv, handle, &a, &helped, &error);
  if (code == MPT_DONE && !helped) code = mpt_load_config(&a.config, &config, &error);
  if (code == MPT_DONE && !helped) code = plan_job(&config, a.ranks, &error);
  mpt_config_release(&config);
  free(a.config.overrides);
  if (code != MPT_DONE && error.text[0]) mpt_print_error(&error);
  return code;
}
