/* The plan: which engine, how many ranks and what piece size for each dataset, and the work units
 * and the schedule that follow from these. All functions are pure, without MPI and HDF5, so that
 * they can be tested, and simulated for thousands of ranks, on one rank. */
#ifndef MPT_PLAN_H
#define MPT_PLAN_H

#include "config/config.h"
#include "engine/engine.h"
#include "store/input.h"

/* The work for every problem of a dataset. */
typedef struct mpt_task {
  const mpt_dataset *dataset;
  mpt_quantityset arrays;       /* the arrays of a batch of it */
  mpt_quantityset *of_function; /* [functions], the arrays of each function */
  int64_t functions;
  bool solve;        /* false: eigenpairs are given */
  bool selection;    /* only some of the eigenpairs */
  bool outputs;      /* functions, frames, tangents */
  bool factor;       /* Q and T are stored, or given */
  bool factor_given; /* they are in the file of the eigenpairs */
  bool memory; /* intermediate results of a selection are kept in memory, or taken from there */
} mpt_task;

static inline bool mpt_task_has(const mpt_task *task, mpt_quantity quantity) {
  return task->arrays & MPT_BIT(quantity);
}

typedef struct mpt_plan_request {
  const mpt_config *config;
  const mpt_task *tasks;
  int64_t count;
  int ranks;
  int64_t memory; /* bytes that one rank may use */
  double rate; /* of one rank on large matrices, in real double precision operations per second */
} mpt_plan_request;

/* The plan for one dataset. */
typedef struct mpt_task_plan {
  const mpt_engine *engine;
  int ranks, grid[2]; /* a matrix is spread over grid[0] * grid[1] == ranks ranks */
  int64_t chunk;      /* problems handed out together; 1 when ranks > 1 */
  int64_t bytes;      /* memory on each rank, including the engine's workspace */
  double operations;  /* real operations for one problem */
  double seconds;     /* expected for one problem on its ranks */
} mpt_task_plan;

typedef struct mpt_plan {
  mpt_task_plan *tasks; /* [count] */
  int64_t count;
  int ranks;
  double seconds; /* expected for the whole job */
} mpt_plan;

/* MPT_BAD_USAGE when a matrix does not fit in memory, with the number of ranks that would be
 * enough, or when run.grid is larger than the job. */
mpt_code mpt_plan_make(const mpt_plan_request *request, mpt_plan *plan, mpt_error *error);
void mpt_plan_release(mpt_plan *plan);

/* What an engine has to know when it is opened for a task. */
mpt_shape mpt_shape_of(const mpt_config *config, const mpt_task *task);

/* The process grid for at most `ranks` ranks: nearly square, with sides in a ratio of at most 3. */
void mpt_choose_grid(int ranks, int grid[2]);

/* Real floating-point operations for one problem. */
double mpt_operations(const mpt_task *task);

/* Bytes on a rank for `chunk` problems at a time, excluding the engine's workspace. */
int64_t mpt_slab_bytes(const mpt_task *task, int ranks, int64_t chunk);

/* A piece of a dataset that is handed out as a whole. */
typedef struct mpt_unit {
  int64_t dataset, first, count;
  int ranks, team; /* ranks > 1: the number of the team among those of that size */
  double seconds;
} mpt_unit;

typedef struct mpt_schedule {
  mpt_unit *units;           /* teams' units first, largest teams first; then longest first */
  int64_t count, team_count; /* units[team_count ...] are for one rank each */
  double seconds;
} mpt_schedule;

/* Makes the units of all PENDING problems (statuses NULL: of all problems). */
mpt_code mpt_schedule_make(const mpt_plan *plan, const mpt_task *tasks,
                           const int8_t *const *statuses, mpt_schedule *schedule, mpt_error *error);
void mpt_schedule_release(mpt_schedule *schedule);

/* Simulates the schedule on the plan's ranks: seconds until the last unit is done, and the fraction
 * of rank-seconds lost to waiting. */
typedef struct mpt_simulation {
  double makespan, lost;
} mpt_simulation;
mpt_simulation mpt_simulate(const mpt_plan *plan, const mpt_schedule *schedule);

#endif
