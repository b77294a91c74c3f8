/* The plan: which engine, how many ranks and how large a piece for each dataset; and the work units
 * and their schedule that follow from it. Pure functions of their arguments: no MPI, no HDF5, so
 * that they are tested, and simulated to thousands of ranks, on one. */
#ifndef MPT_PLAN_H
#define MPT_PLAN_H

#include "config/config.h"
#include "engine/engine.h"
#include "store/input.h"

/* What has to be done for every problem of a dataset. */
typedef struct mpt_task {
  const mpt_dataset *dataset;
  mpt_quantityset arrays;       /* what a batch of it has */
  mpt_quantityset *of_function; /* [functions], and what each function of it has */
  int64_t functions;
  bool solve;        /* false: eigenpairs are given */
  bool selection;    /* of eigenpairs */
  bool outputs;      /* functions, frames, tangents */
  bool factor;       /* Q and T are stored, or given */
  bool factor_given; /* they are in the file of the eigenpairs */
  bool memory;       /* what made a selection stays in memory, or comes from there */
} mpt_task;

static inline bool mpt_task_has(const mpt_task *task, mpt_quantity quantity) {
  return task->arrays & MPT_BIT(quantity);
}

typedef struct mpt_plan_request {
  const mpt_config *config;
  const mpt_task *tasks;
  int64_t count;
  int ranks;
  int64_t memory; /* bytes that one rank may take */
  double rate;    /* real double precision operations per second of one rank, large matrices */
} mpt_plan_request;

/* How one dataset is worked on. */
typedef struct mpt_task_plan {
  const mpt_engine *engine;
  int ranks, grid[2]; /* a matrix is on grid[0] * grid[1] == ranks of them */
  int64_t chunk;      /* problems handed out together; 1 when ranks > 1 */
  int64_t bytes;      /* memory on each rank, with the engine's workspace */
  double operations;  /* real, of one problem */
  double seconds;     /* expected, of one problem on its ranks */
} mpt_task_plan;

typedef struct mpt_plan {
  mpt_task_plan *tasks; /* [count] */
  int64_t count;
  int ranks;
  double seconds; /* expected, of the whole job */
} mpt_plan;

/* MPT_BAD_USAGE when a matrix fits nowhere, naming how many ranks would do, or when run.grid is
 * larger than the job. */
mpt_code mpt_plan_make(const mpt_plan_request *request, mpt_plan *plan, mpt_error *error);
void mpt_plan_release(mpt_plan *plan);

/* What an engine that is opened for a task has to know. */
mpt_shape mpt_shape_of(const mpt_config *config, const mpt_task *task);

/* The process grid for at most `ranks` ranks: near-square, none wider than 1 : 3. */
void mpt_choose_grid(int ranks, int grid[2]);

/* Real floating-point operations of one problem. */
double mpt_operations(const mpt_task *task);

/* Bytes on a rank for `chunk` problems at a time, without the engine's workspace. */
int64_t mpt_slab_bytes(const mpt_task *task, int ranks, int64_t chunk);

/* A piece of a dataset that is handed out whole. */
typedef struct mpt_unit {
  int64_t dataset, first, count;
  int ranks, team; /* ranks > 1: which of the teams of that size it is for */
  double seconds;
} mpt_unit;

typedef struct mpt_schedule {
  mpt_unit *units;           /* those for teams first, largest teams first; longest first within */
  int64_t count, team_count; /* units[team_count ...] are for one rank each */
  double seconds;
} mpt_schedule;

/* Units of all PENDING problems (statuses NULL: of all). */
mpt_code mpt_schedule_make(const mpt_plan *plan, const mpt_task *tasks,
                           const int8_t *const *statuses, mpt_schedule *schedule, mpt_error *error);
void mpt_schedule_release(mpt_schedule *schedule);

/* Plays the schedule on the plan's ranks: seconds until the last is done, and the fraction of
 * rank-seconds lost to waiting. */
typedef struct mpt_simulation {
  double makespan, lost;
} mpt_simulation;
mpt_simulation mpt_simulate(const mpt_plan *plan, const mpt_schedule *schedule);

#endif
