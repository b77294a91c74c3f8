/* The plan and the schedule: the assignment of work, and that no problem is lost, for up to
 * thousands of ranks. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/lanes/lanes.h"
#include "plan/plan.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))
#define GIB (INT64_C(1) << 30)
enum { MOST = 12 };
static const double rate = 5e9;

/* A job of datasets of complex matrices, with vectors and gradients. */
typedef struct job {
  mpt_config config;
  mpt_dataset datasets[MOST];
  mpt_task tasks[MOST];
  mpt_plan_request request;
} job;

static const mpt_quantityset vectors_and_gradient = MPT_BIT(MPT_MATRIX) | MPT_BIT(MPT_EIGENVALUES) |
                                                    MPT_BIT(MPT_EIGENVECTORS) |
                                                    MPT_BIT(MPT_GRADIENT) | MPT_BIT(MPT_MULTIPLET);

static void make(job *j, const int64_t (*sizes)[2], int64_t count, int ranks) {
  memset(j, 0, sizeof *j);
  for (int64_t k = 0; k < count; k++) {
    j->datasets[k] = (mpt_dataset){"/H", MPT_COMPLEX128, sizes[k][0], sizes[k][1], 0, 0, 0, {0}};
    j->tasks[k] = (mpt_task){.dataset = &j->datasets[k],
                             .arrays = vectors_and_gradient | MPT_BIT(MPT_COTANGENT_EIGENVECTORS),
                             .solve = true};
  }
  j->request = (mpt_plan_request){&j->config, j->tasks, count, ranks, 64 * GIB, rate};
}

static void grids(void **state) {
  static const struct {
    int ranks, grid[2];
  } cases[] = {{1, {1, 1}},  {2, {1, 2}},      {3, {1, 3}},     {4, {2, 2}}, {5, {2, 2}},
               {6, {2, 3}},  {7, {2, 3}},      {8, {2, 4}},     {9, {3, 3}}, {12, {3, 4}},
               {64, {8, 8}}, {1000, {25, 40}}, {1024, {32, 32}}};
  (void)state;
  for (int64_t k = 0; k < COUNT(cases); k++) {
    int grid[2] = {0};
    mpt_choose_grid(cases[k].ranks, grid);
    assert_memory_equal(grid, cases[k].grid, sizeof grid);
  }
  for (int ranks = 1; ranks <= 5000; ranks++) {
    int grid[2] = {0};
    mpt_choose_grid(ranks, grid);
    assert_true(grid[0] >= 1 && grid[0] <= grid[1] && grid[1] <= 3 * grid[0]);
    assert_true(grid[0] * grid[1] <= ranks);
    assert_true(grid[0] * grid[1] * 4 >= ranks * 3); /* few ranks are left idle */
  }
}

/* Each PENDING problem is in exactly one unit, units for teams come first, and the teams exist. */
static void check_schedule(const job *j, const mpt_plan *plan, const int8_t *const *statuses) {
  mpt_schedule s;
  mpt_error error;
  assert_int_equal(mpt_schedule_make(plan, j->tasks, statuses, &s, &error), MPT_DONE);
  for (int64_t d = 0; d < plan->count; d++) {
    int64_t count = j->datasets[d].count;
    int *times = calloc((size_t)count + 1, sizeof *times);
    for (int64_t k = 0; k < s.count; k++) {
      const mpt_unit *u = &s.units[k];
      assert_int_equal(u->ranks > 1, k < s.team_count);
      assert_true(u->count > 0 && u->first >= 0 && u->count <= plan->tasks[u->dataset].chunk);
      assert_true(u->team >= 0 && (u->team + 1) * u->ranks <= plan->ranks);
      if (k && k != s.team_count && u->ranks == u[-1].ranks)
        assert_true(u->seconds <= u[-1].seconds);
      if (k && u->ranks != u[-1].ranks) assert_true(u->ranks < u[-1].ranks);
      if (u->dataset != d) continue;
      assert_true(u->first + u->count <= count);
      for (int64_t i = u->first; i < u->first + u->count; i++) times[i]++;
    }
    for (int64_t i = 0; i < count; i++)
      assert_int_equal(times[i], !statuses || statuses[d][i] == MPT_STATUS_PENDING);
    free(times);
  }
  mpt_schedule_release(&s);
}

static const struct {
  const char *name;
  int ranks;
  int64_t count, sizes[MOST][2];
  double lost;   /* the largest fraction of rank-seconds lost to waiting, without lanes */
  double groups; /* the same with lanes, where the smallest piece has eight matrices */
} jobs[] = {
    {"one large on 2", 2, 1, {{1, 4000}}, 0.01, 0.01},
    {"one large on 4", 4, 1, {{1, 4000}}, 0.01, 0.01},
    {"one large on 64", 64, 1, {{1, 4000}}, 0.01, 0.01},
    {"one large on 1000", 1000, 1, {{1, 60000}}, 0.01, 0.01},
    {"200 of 128 on 1", 1, 1, {{200, 128}}, 0, 0},
    {"200 of 128 on 4", 4, 1, {{200, 128}}, 0.05, 3.0 / 28},
    {"200 of 128 on 7", 7, 1, {{200, 128}}, 0.1, 3.0 / 28},
    {"mixed on 4",
     4,
     7,
     {{500, 16}, {200, 32}, {100, 64}, {50, 128}, {20, 256}, {8, 512}, {3, 1024}},
     0.1,
     0.1},
    {"mixed on 16",
     16,
     7,
     {{500, 16}, {200, 32}, {100, 64}, {50, 128}, {20, 256}, {8, 512}, {3, 1024}},
     0.5,
     0.5},
    {"a million small on 4096", 4096, 1, {{1000000, 64}}, 0.1, 0.1},
    {"many middling on 2048", 2048, 2, {{40000, 300}, {100000, 100}}, 0.2, 0.2},
    {"nothing at all", 4, 2, {{0, 10}, {5, 0}}, 1, 1},
};

/* Lanes get matrices that they can solve, in complete groups. */
static void check_engine(const job *j, const mpt_plan *plan, int64_t d) {
  const mpt_task_plan *w = &plan->tasks[d];
  const bool small = j->datasets[d].n <= mpt_lanes_largest(j->datasets[d].type);
  if (w->ranks > 1) return;
  assert_ptr_equal(w->engine,
                   j->config.solver == MPT_ENGINE_NONE && small ? &mpt_lanes : &mpt_lapack);
  if (w->engine == &mpt_lanes) assert_int_equal(w->chunk % 8, 0);
}

static void check_work(const job *j, const mpt_plan *plan, const mpt_plan *again) {
  for (int64_t d = 0; d < plan->count; d++) {
    const mpt_task_plan *w = &plan->tasks[d];
    assert_int_equal(w->grid[0] * w->grid[1], w->ranks);
    assert_true(w->ranks >= 1 && w->ranks <= plan->ranks && w->chunk >= 1);
    assert_true(w->bytes > 0 && w->bytes <= j->request.memory);
    assert_true(w->ranks == 1 || w->engine->takes_team);
    check_engine(j, plan, d);
    assert_memory_equal(w->grid, again->tasks[d].grid, sizeof w->grid);
    assert_true(w->chunk == again->tasks[d].chunk && w->engine == again->tasks[d].engine);
  }
}

static void check_simulation(const job *j, const mpt_plan *plan, double most, const char *name) {
  mpt_schedule s;
  mpt_error error = {0};
  assert_int_equal(mpt_schedule_make(plan, j->tasks, NULL, &s, &error), MPT_DONE);
  mpt_simulation simulation = mpt_simulate(plan, &s);
  double work = 0, longest = 0;
  for (int64_t u = 0; u < s.count; u++) {
    work += s.units[u].seconds * s.units[u].ranks;
    longest = fmax(longest, s.units[u].seconds);
  }
  if (simulation.lost > most + 1e-9) print_error("%s: %g lost\n", name, simulation.lost);
  assert_true(simulation.lost <= most + 1e-9 && simulation.lost > -1e-9);
  assert_true(simulation.makespan >= longest * (1 - 1e-9));
  assert_true(simulation.makespan * plan->ranks >= work * (1 - 1e-9));
  assert_true(fabs(plan->seconds - simulation.makespan) <= 1e-9 * plan->seconds);
  mpt_schedule_release(&s);
}

static void representative_job(int64_t k, mpt_engine_id solver) {
  job j;
  mpt_plan plan, again;
  mpt_error error = {0};
  make(&j, jobs[k].sizes, jobs[k].count, jobs[k].ranks);
  j.config.solver = solver;
  assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
  assert_int_equal(mpt_plan_make(&j.request, &again, &error), MPT_DONE);
  check_work(&j, &plan, &again);
  check_schedule(&j, &plan, NULL);
  check_simulation(&j, &plan, solver == MPT_ENGINE_NONE ? jobs[k].groups : jobs[k].lost,
                   jobs[k].name);
  mpt_plan_release(&plan);
  mpt_plan_release(&again);
}

static void representative_jobs(void **state) {
  (void)state;
  for (int64_t k = 0; k < COUNT(jobs); k++) {
    representative_job(k, MPT_ENGINE_NONE);
    if (jobs[k].lost != jobs[k].groups) representative_job(k, MPT_ENGINE_LAPACK);
  }
}

/* A continued run, with any pattern of finished problems. */
static void only_pending_problems(void **state) {
  static const int64_t sizes[][2] = {{300, 64}, {40, 200}, {3, 2000}};
  int8_t status[3][300];
  const int8_t *const statuses[] = {status[0], status[1], status[2]};
  (void)state;
  for (int pattern = 0; pattern < 5; pattern++) {
    job j;
    mpt_plan plan;
    mpt_error error = {0};
    make(&j, sizes, 3, 8);
    assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
    for (int i = 0; i < 900; i++) {
      const bool done[] = {i % 3 == 0, i % 7 < 5, i % 300 < 20, true, false};
      status[i / 300][i % 300] =
          done[pattern] ? (i % 2 ? MPT_STATUS_OK : MPT_STATUS_INTERNAL) : MPT_STATUS_PENDING;
    }
    check_schedule(&j, &plan, statuses);
    mpt_plan_release(&plan);
  }
}

static void one_large_matrix_takes_all(void **state) {
  static const int64_t sizes[][2] = {{1, 60000}};
  static const int ranks[] = {2, 4, 64, 1000};
  (void)state;
  for (int64_t k = 0; k < COUNT(ranks); k++) {
    job j;
    mpt_plan plan;
    mpt_error error = {0};
    make(&j, sizes, 1, ranks[k]);
    j.request.memory = 4096 * GIB;
    j.datasets[0].n = ranks[k] < 64 ? 5000 : 60000;
    assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
    assert_ptr_equal(plan.tasks[0].engine, &mpt_scalapack);
    assert_int_equal(plan.tasks[0].ranks, ranks[k]);
    mpt_plan_release(&plan);
  }
}

static void many_small_matrices_stay_whole(void **state) {
  static const struct {
    int64_t sizes[1][2];
    const mpt_engine *engine;
    int64_t piece; /* all shares can be multiples of this */
  } cases[] = {{{{200, 40}}, &mpt_lanes, 8}, {{{200, 129}}, &mpt_lapack, 1}};
  (void)state;
  for (int64_t k = 0; k < COUNT(cases); k++)
    for (int ranks = 1; ranks <= 64; ranks *= 4) {
      const int64_t share = (200 + ranks - 1) / ranks, piece = cases[k].piece;
      job j;
      mpt_plan plan;
      mpt_error error = {0};
      make(&j, cases[k].sizes, 1, ranks);
      assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
      assert_ptr_equal(plan.tasks[0].engine, cases[k].engine);
      assert_int_equal(plan.tasks[0].ranks, 1);
      assert_true(plan.tasks[0].chunk <= (share + piece - 1) / piece * piece);
      mpt_plan_release(&plan);
    }
}

/* The plan follows the config. */
static const struct {
  mpt_engine_id solver;
  int64_t from, grid[2], n;
  int ranks;
  const mpt_engine *engine;
  int on; /* ranks; 0: any */
} forced[] = {
    {MPT_ENGINE_LAPACK, 0, {0, 0}, 3000, 8, &mpt_lapack, 1},
    {MPT_ENGINE_LAPACK, 0, {0, 0}, 10, 8, &mpt_lapack, 1},
    {MPT_ENGINE_LANES, 0, {0, 0}, 10, 8, &mpt_lanes, 1},
    {MPT_ENGINE_LANES, 50, {0, 0}, 300, 8, &mpt_lanes, 1},
    {MPT_ENGINE_SCALAPACK, 0, {0, 0}, 100, 4, &mpt_scalapack, 2},
    {MPT_ENGINE_SCALAPACK, 0, {0, 0}, 3000, 1, &mpt_scalapack, 1},
    {MPT_ENGINE_NONE, 50, {0, 0}, 100, 4, &mpt_scalapack, 2},
    {MPT_ENGINE_NONE, 41, {0, 0}, 40, 4, &mpt_lanes, 1},
    {MPT_ENGINE_NONE, 201, {0, 0}, 200, 4, &mpt_lapack, 1},
    {MPT_ENGINE_NONE, 100, {1, 3}, 100, 4, &mpt_scalapack, 3},
    {MPT_ENGINE_SCALAPACK, 0, {2, 2}, 100, 4, &mpt_scalapack, 4},
    {MPT_ENGINE_SCALAPACK, 0, {3, 1}, 10, 4, &mpt_scalapack, 3},
};

static void forced_plans(void **state) {
  (void)state;
  for (int64_t k = 0; k < COUNT(forced); k++) {
    const int64_t sizes[][2] = {{1, forced[k].n}};
    job j;
    mpt_plan plan;
    mpt_error error = {0};
    make(&j, sizes, 1, forced[k].ranks);
    j.config.solver = forced[k].solver;
    j.config.distribute_from = forced[k].from;
    memcpy(j.config.grid, forced[k].grid, sizeof j.config.grid);
    assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
    assert_ptr_equal(plan.tasks[0].engine, forced[k].engine);
    assert_int_equal(plan.tasks[0].ranks, forced[k].on);
    if (forced[k].grid[0]) assert_int_equal(plan.tasks[0].grid[0], forced[k].grid[0]);
    mpt_plan_release(&plan);
  }
}

static void grid_larger_than_the_job(void **state) {
  static const int64_t sizes[][2] = {{1, 1000}};
  job j;
  mpt_plan plan;
  mpt_error error = {0};
  (void)state;
  make(&j, sizes, 1, 5);
  j.config.grid[0] = 2;
  j.config.grid[1] = 3;
  assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_BAD_USAGE);
  assert_non_null(strstr(error.text, "[2, 3]"));
  assert_non_null(strstr(error.text, "6 ranks"));
}

/* One rank would need three matrices of 16 n^2 bytes, and more: in 10 GiB, n = 8000 fits only when
 * spread. */
static void memory_limits(void **state) {
  static const int64_t sizes[][2] = {{100, 8000}};
  job j;
  mpt_plan plan;
  mpt_error error = {0};
  (void)state;
  make(&j, sizes, 1, 16);
  j.request.memory = 4 * GIB;
  assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE);
  assert_ptr_equal(plan.tasks[0].engine, &mpt_scalapack);
  /* Slabs of a, v, gv, g and three work matrices: at least 7 * 16 n^2 bytes, divided among the
   * ranks. */
  assert_true((double)plan.tasks[0].bytes >= 7.0 * 16 * 8000 * 8000 / plan.tasks[0].ranks);
  assert_true(plan.tasks[0].bytes <= j.request.memory);
  mpt_plan_release(&plan);

  j.request.memory = GIB / 4;
  assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_NO_RESOURCE);
  const char *said = strstr(error.text, "run on ");
  assert_non_null(said);
  j.request.ranks = atoi(said + strlen("run on "));
  assert_true(j.request.ranks > 16);
  assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_DONE); /* the advice was right */
  mpt_plan_release(&plan);
}

/* Sizes that cannot be counted or scheduled are refused, at no cost of time or memory. */
static void absurd_sizes(void **state) {
  static const int64_t sizes[][1][2] = {{{INT64_C(1) << 40, 1 << 20}},
                                        {{1, INT64_C(1) << 26}},
                                        {{INT64_C(1) << 40, 4}},
                                        {{INT64_C(1) << 30, 1000}}};
  static const char *const texts[] = {"counted", "counted", "2^24", "2^24"};
  (void)state;
  for (int64_t k = 0; k < COUNT(sizes); k++) {
    job j;
    mpt_plan plan;
    mpt_error error = {0};
    make(&j, sizes[k], 1, 4);
    j.request.memory = 100000 * GIB;
    assert_int_equal(mpt_plan_make(&j.request, &plan, &error), MPT_BAD_INPUT);
    assert_non_null(strstr(error.text, texts[k]));
    assert_non_null(strstr(error.text, "split it over"));
  }
}

/* Computed by hand: two teams of 2 on 4 ranks take 3 and 2 s, then five pieces of 1 s fill the
 * gaps. */
static void simulation_by_hand(void **state) {
  mpt_task_plan work[2] = {{.ranks = 2, .chunk = 1, .seconds = 3},
                           {.ranks = 1, .chunk = 1, .seconds = 1}};
  mpt_unit units[] = {{0, 0, 1, 2, 0, 3}, {0, 1, 1, 2, 1, 2}, {1, 0, 1, 1, 0, 1},
                      {1, 1, 1, 1, 0, 1}, {1, 2, 1, 1, 0, 1}, {1, 3, 1, 1, 0, 1},
                      {1, 4, 1, 1, 0, 1}};
  const mpt_plan plan = {work, 2, 4, 0};
  const mpt_schedule s = {units, 7, 2, 0};
  (void)state;
  mpt_simulation simulation = mpt_simulate(&plan, &s);
  assert_true(simulation.makespan == 4);
  assert_true(fabs(simulation.lost - 1.0 / 16) < 1e-15);
}

/* A team of 4 uses ranks 0 to 3 for 10 s: the teams of 2 should use ranks 4 to 7 meanwhile. */
static void teams_of_two_sizes(void **state) {
  mpt_task_plan work[2] = {{.ranks = 4, .chunk = 1, .seconds = 10},
                           {.ranks = 2, .chunk = 1, .seconds = 5}};
  const mpt_plan plan = {work, 2, 8, 0};
  const mpt_dataset datasets[] = {{"/A", MPT_FLOAT64, 1, 10, 0, 0, 0, {0}},
                                  {"/B", MPT_FLOAT64, 4, 10, 0, 0, 0, {0}}};
  const mpt_task tasks[] = {{.dataset = &datasets[0]}, {.dataset = &datasets[1]}};
  mpt_schedule s;
  mpt_error error;
  (void)state;
  assert_int_equal(mpt_schedule_make(&plan, tasks, NULL, &s, &error), MPT_DONE);
  mpt_simulation simulation = mpt_simulate(&plan, &s);
  assert_true(simulation.makespan == 10);
  assert_true(fabs(simulation.lost) < 1e-15);
  mpt_schedule_release(&s);
}

/* Frames and selections cost memory and operations. */
static void frames_and_selections_count(void **state) {
  (void)state;
  const int64_t n = 100, element = 16;
  const mpt_dataset data = {
      .type = MPT_COMPLEX128, .n = n, .count = 1, .columns = 10, .frame_columns = 5};
  const mpt_task plain = {.dataset = &data, .arrays = vectors_and_gradient, .solve = true};
  mpt_task frame = plain, selection = plain, given = plain;
  frame.arrays |= MPT_BIT(MPT_FRAME) | MPT_BIT(MPT_REFERENCE);
  assert_int_equal(mpt_slab_bytes(&frame, 1, 1) - mpt_slab_bytes(&plain, 1, 1),
                   2 * n * 5 * element);
  assert_true(mpt_operations(&frame) - mpt_operations(&plain) == 4 * 4e4 * 5);
  frame.arrays |= MPT_BIT(MPT_COTANGENT_FRAME) | MPT_BIT(MPT_GRADIENT_REFERENCE);
  assert_int_equal(mpt_slab_bytes(&frame, 1, 1) - mpt_slab_bytes(&plain, 1, 1),
                   4 * n * 5 * element);
  assert_true(mpt_operations(&frame) - mpt_operations(&plain) >= 4 * 2e6);
  selection.selection = true;
  assert_int_equal(mpt_slab_bytes(&selection, 1, 1) - mpt_slab_bytes(&plain, 1, 1),
                   n * 10 * element + 10 * (8 + 4)); /* vectors, values, numbers of multiplets */
  given.solve = false;
  assert_true(mpt_operations(&given) < mpt_operations(&plain) / 2);
  given.selection = true; /* reduction and products with 10 columns, or the products alone */
  assert_true(fabs(mpt_operations(&given) - 4e6 * (4.0 / 3 + 0.2)) < 1);
  given.factor = true;
  assert_true(fabs(mpt_operations(&given) - 4e6 * 0.2) < 1);
  given.factor = false;
  given.memory = true;
  assert_true(fabs(mpt_operations(&given) - 4e6 * 0.2) < 1);
  given.outputs = true; /* of the whole spectrum, which is in memory */
  assert_true(mpt_operations(&given) < mpt_operations(&plain) / 2);
  selection.memory = true; /* Q and T, too */
  selection.arrays |= mpt_wanted(MPT_FOR_FACTOR);
  assert_int_equal(mpt_slab_bytes(&selection, 1, 1) - mpt_slab_bytes(&plain, 1, 1),
                   n * (10 + n) * element + 10 * (8 + 4) + n * (element + 3 * 8));
  assert_true(mpt_operations(&selection) < mpt_operations(&plain) / 2);
}

/* Results store each engine's own name. */
static void engines_by_number(void **state) {
  (void)state;
  for (mpt_engine_id id = MPT_ENGINE_NONE + 1; id < MPT_ENGINE_COUNT; id++) {
    assert_int_equal(mpt_engine_with(id)->id, id);
    assert_string_equal(mpt_engine_with(id)->name, mpt_solver_names[id]);
  }
  assert_null(mpt_engine_with(MPT_ENGINE_NONE));
  assert_null(mpt_engine_with(MPT_ENGINE_COUNT));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grids),
      cmocka_unit_test(engines_by_number),
      cmocka_unit_test(representative_jobs),
      cmocka_unit_test(only_pending_problems),
      cmocka_unit_test(one_large_matrix_takes_all),
      cmocka_unit_test(many_small_matrices_stay_whole),
      cmocka_unit_test(forced_plans),
      cmocka_unit_test(grid_larger_than_the_job),
      cmocka_unit_test(memory_limits),
      cmocka_unit_test(absurd_sizes),
      cmocka_unit_test(frames_and_selections_count),
      cmocka_unit_test(simulation_by_hand),
      cmocka_unit_test(teams_of_two_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
