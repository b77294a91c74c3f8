#include "plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t chunk_bytes = INT64_C(4) << 20; /* stays in a cache from read to write */
static const double chunk_seconds = 0.25;            /* a signal is answered within this time */
static const double least_seconds = 5e-4;            /* many times a piece's file accesses */
static const double nominal_rate = 1e10;             /* real operations per second of one rank */
static const double pair_efficiency = 0.84; /* factor for each doubling of the ranks, n = 1000 */
enum { SMALLEST_SPREAD = 256, ELEMENTS_A_RANK = 50, PIECES_A_RANK = 32, MOST_SIZES = 12 };

void mpt_choose_grid(int ranks, int grid[2]) {
  for (int total = ranks; total > 0; total--)
    for (int rows = (int)sqrt((double)total); rows > 0 && total / rows <= 3 * rows; rows--)
      if (total % rows == 0) {
        grid[0] = rows;
        grid[1] = total / rows;
        return;
      }
  grid[0] = grid[1] = 1;
}

/* The number of eigenpairs that are computed without the others; 0: the whole spectrum is
 * needed. */
static int64_t reduced_columns(const mpt_task *t) {
  return t->selection && !t->outputs ? t->dataset->columns : 0;
}

/* Operations for a selection computed without the other eigenpairs: reduction unless Q and T are
 * given, divide and conquer of a real T, and products with the columns. */
static double reduced_operations(const mpt_task *t, bool complex) {
  const double k = (double)t->dataset->columns / (double)t->dataset->n;
  double count = t->solve || !(t->factor || t->memory) ? 4.0 / 3 : 0;
  if (t->solve && mpt_task_has(t, MPT_EIGENVECTORS)) count += (complex ? 1.0 / 3 : 4.0 / 3) + 2 * k;
  if (mpt_task_has(t, MPT_GRADIENT))
    count += mpt_task_has(t, MPT_COTANGENT_EIGENVECTORS) ? 6 * k + 6 * k * k : 2 * k;
  return count;
}

/* Operations for functions, their gradients and their derivatives along a direction. */
static double function_operations(const mpt_task *t) {
  double count = 0;
  for (int64_t f = 0; f < t->functions; f++) {
    count += 1.1;
    if (t->of_function[f] & MPT_BIT(MPT_COTANGENT_FUNCTION)) count += 4;
    if (t->of_function[f] & MPT_BIT(MPT_TANGENT_FUNCTION)) count += 3.1;
  }
  return count;
}

double mpt_operations(const mpt_task *t) {
  /* given some eigenpairs only, the others are computed */
  const bool solve = t->solve || (t->selection && !t->memory);
  const bool vectors = mpt_task_has(t, MPT_EIGENVECTORS);
  const double n = (double)t->dataset->n, complex = mpt_type_is_complex(t->dataset->type) ? 4 : 1;
  if (t->dataset->n == 0) return 0;
  if (reduced_columns(t)) return reduced_operations(t, complex == 4) * complex * n * n * n;
  const double frame = mpt_task_has(t, MPT_FRAME) ? (double)t->dataset->frame_columns / n : 0;
  double count = function_operations(t) + 4 * frame; /* to the basis and back */
  if (solve) count += vectors ? 14.0 / 3 : 4.0 / 3;  /* reduction, divide and conquer, back */
  if (complex == 4 && solve && vectors) count -= 1;  /* T is real */
  if (mpt_task_has(t, MPT_GRADIENT))                 /* products, of which the last costs half */
    count += mpt_task_has(t, MPT_COTANGENT_EIGENVECTORS) ? 5.1 : 1.1;
  if (mpt_task_has(t, MPT_DIRECTION))
    count += 7.1 + (mpt_task_has(t, MPT_TANGENT_EIGENVECTORS) ? 3.1 : 0);
  if (mpt_task_has(t, MPT_GRADIENT_REFERENCE))
    count += 6 * frame + 2; /* to the basis, two products, and one n x n product */
  return count * complex * n * n * n;
}

/* Seconds for one problem on a grid of `ranks`; only scalapack has more than one rank. */
static double expected_seconds(const mpt_task *t, const mpt_engine *engine, int ranks,
                               double rate) {
  const double n = (double)t->dataset->n, saturation = n / (n + engine->cost.half);
  const double speed =
      rate * (mpt_real_size(t->dataset->type) == 4 ? 2 : 1) * saturation * engine->cost.gain;
  double efficiency = pow(pair_efficiency, log2((double)ranks));
  return engine->cost.overhead +
         mpt_operations(t) / (speed > 0 ? speed : rate) / ranks / efficiency;
}

/* Bytes of a quantity's array. What a selection takes from the whole spectrum is an array besides
 * that of the whole spectrum. */
static int64_t array_bytes(const mpt_task *t, mpt_quantity q, int64_t rows) {
  const mpt_dataset *d = t->dataset;
  const mpt_sizes whole = {d->n, d->n, d->frame_columns},
                  selected = {0, t->selection ? d->columns : 0, 0};
  const bool of_pairs =
      mpt_quantities[q].extent == MPT_PER_EIGENVALUE || mpt_quantities[q].extent == MPT_VECTORS;
  const int64_t columns =
      mpt_quantity_columns(q, &whole) + (of_pairs ? mpt_quantity_columns(q, &selected) : 0);
  return columns * (mpt_has_rows(q) ? rows : 1) *
         (int64_t)mpt_element_size(mpt_quantities[q].element, d->type);
}

int64_t mpt_slab_bytes(const mpt_task *t, int ranks, int64_t chunk) {
  const int64_t n = t->dataset->n, rows = n / ranks + (n % ranks != 0);
  int64_t bytes = sizeof(mpt_report);
  for (mpt_quantity q = 0; q < MPT_FUNCTION; q++)
    if (mpt_task_has(t, q)) bytes += array_bytes(t, q, rows);
  for (int64_t f = 0; f < t->functions; f++)
    for (mpt_quantity q = MPT_FUNCTION; q < MPT_STATUS; q++)
      if (t->of_function[f] & MPT_BIT(q)) bytes += array_bytes(t, q, rows);
  return chunk * bytes;
}

mpt_shape mpt_shape_of(const mpt_config *config, const mpt_task *t) {
  return (mpt_shape){.type = t->dataset->type,
                     .n = t->dataset->n,
                     .block = config->block,
                     .vectors = mpt_task_has(t, MPT_EIGENVECTORS),
                     .backward = mpt_task_has(t, MPT_GRADIENT),
                     .outputs = t->outputs,
                     .columns = reduced_columns(t)};
}

/* Bytes on each rank, including the engine's workspace; -1 when the engine cannot solve the
 * task. */
static int64_t bytes_on(const mpt_plan_request *r, const mpt_task *t, const mpt_engine *engine,
                        const int grid[2], mpt_error *error) {
  mpt_shape shape = mpt_shape_of(r->config, t);
  int64_t workspace;
  if (engine->workspace(&shape, grid, &workspace, error) != MPT_DONE) return -1;
  return workspace + mpt_slab_bytes(t, grid[0] * grid[1], 1);
}

static bool fits(const mpt_plan_request *r, int64_t bytes) {
  return bytes >= 0 && bytes <= r->memory;
}

/* The engine that the config asks for; NULL: one is to be chosen. */
static const mpt_engine *asked(const mpt_plan_request *r) {
  return mpt_engine_with(r->config->solver);
}

static bool asks_for_team(const mpt_plan_request *r) {
  return asked(r) && asked(r)->takes_team;
}

/* The smallest number of ranks, at least `ranks`, with which the matrix fits; 0: there is none. */
static int64_t ranks_that_fit(const mpt_plan_request *r, const mpt_task *t, int64_t ranks,
                              int64_t most) {
  mpt_error ignored;
  for (; ranks <= most; ranks += 1 + ranks / 8) {
    int grid[2];
    mpt_choose_grid((int)ranks, grid);
    if (fits(r, bytes_on(r, t, mpt_engine_for_team(), grid, &ignored))) return ranks;
  }
  return 0;
}

static mpt_code nothing_fits(const mpt_plan_request *r, const mpt_task *t, int64_t bytes,
                             const mpt_error *engine_error, mpt_error *error) {
  const long long n = t->dataset->n;
  if (bytes < 0) return *error = *engine_error, error->code;
  int64_t ranks = ranks_that_fit(r, t, r->ranks, INT64_C(1) << 24);
  char mend[96] = "give every rank more memory";
  if (ranks > 0)
    snprintf(mend, sizeof mend, "run on %lld ranks or more with as much memory each%s",
             (long long)ranks, asked(r) && !asks_for_team(r) ? ", solver: auto" : "");
  return mpt_fail(error, MPT_NO_RESOURCE,
                  "cannot solve '%s' with n = %lld on %d ranks: it needs %.3g GiB a rank and %.3g "
                  "are free (%s)",
                  t->dataset->path, n, r->ranks, (double)bytes / 0x1p30, (double)r->memory / 0x1p30,
                  mend);
}

/* Refuses sizes for which the bytes of a dataset or a workspace would overflow 64-bit integers. */
static mpt_code check_size(const mpt_dataset *d, mpt_error *error) {
  const double n = (double)d->n;
  if (n < 0x1p26 && (double)d->count * (n * n + n + 1) < 0x1p54) return MPT_DONE;
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot solve '%s': %lld matrices of n = %lld are more than can be counted (split "
      "it over several datasets)",
      d->path, (long long)d->count, (long long)d->n);
}

/* Ranks for one matrix of a dataset whose matrices are spread: the job's ranks divided among the
 * problems, but no more than a matrix can use. */
static int ranks_for(const mpt_plan_request *r, const mpt_task *t) {
  const int64_t problems = t->dataset->count > 0 ? t->dataset->count : 1;
  int64_t useful = t->dataset->n / ELEMENTS_A_RANK, least = 1;
  if (!asks_for_team(r) || r->config->distribute_from > 0) least = 2;
  if (useful < least) useful = least;
  int64_t ranks = r->ranks / problems;
  if (ranks < least) ranks = least;
  if (ranks > useful) ranks = useful;
  return (int)(ranks < r->ranks ? ranks : r->ranks);
}

static mpt_code spread(const mpt_plan_request *r, const mpt_task *t, mpt_task_plan *w,
                       mpt_error *error) {
  mpt_error why = {0};
  w->engine = mpt_engine_for_team();
  if (r->config->grid[0] > 0) {
    w->grid[0] = (int)r->config->grid[0];
    w->grid[1] = (int)r->config->grid[1];
  } else {
    int ranks = ranks_for(r, t);
    int64_t more = ranks_that_fit(r, t, ranks, r->ranks);
    mpt_choose_grid(more ? (int)more : r->ranks, w->grid);
  }
  w->ranks = w->grid[0] * w->grid[1];
  w->chunk = 1;
  w->bytes = bytes_on(r, t, w->engine, w->grid, &why);
  w->seconds = expected_seconds(t, w->engine, w->ranks, r->rate);
  return fits(r, w->bytes) ? MPT_DONE : nothing_fits(r, t, w->bytes, &why, error);
}

/* The engine for a whole matrix on one rank. */
static const mpt_engine *local_engine(const mpt_plan_request *r, const mpt_task *t) {
  const mpt_shape shape = mpt_shape_of(r->config, t);
  if (asked(r) && !asks_for_team(r)) return asked(r);
  if (!asked(r) && !t->factor) return mpt_engine_for(&shape);
  return &mpt_lapack;
}

/* A chunk that leaves no lanes empty: a multiple of the lanes of all groups, or of fewer groups
 * where that multiple would give ranks unequal shares. */
static int64_t whole_groups(const mpt_plan_request *r, const mpt_task *t, int64_t chunk,
                            int64_t side_by_side) {
  const int64_t least = side_by_side / (int64_t)mpt_real_size(t->dataset->type);
  int64_t unit = side_by_side;
  while (unit > least && t->dataset->count < PIECES_A_RANK / 2 * unit * r->ranks) unit /= 2;
  return (chunk + unit - 1) / unit * unit;
}

static mpt_code keep_whole(const mpt_plan_request *r, const mpt_task *t, double total_seconds,
                           mpt_task_plan *w, mpt_error *error) {
  mpt_error why = {0};
  w->engine = local_engine(r, t);
  w->ranks = w->grid[0] = w->grid[1] = 1;
  w->seconds = expected_seconds(t, w->engine, 1, r->rate);
  int64_t workspace = bytes_on(r, t, w->engine, w->grid, &why), one = mpt_slab_bytes(t, 1, 1);
  if (!fits(r, workspace)) return nothing_fits(r, t, workspace, &why, error);
  const double share = total_seconds / (double)r->ranks;
  const double pieces = fmax(1, fmin(floor(share / least_seconds), PIECES_A_RANK));
  double piece = fmin(share / pieces, chunk_seconds) / w->seconds;
  int64_t by_time = piece < 1 ? 1 : (int64_t)ceil(piece),
          by_size = chunk_bytes / (one > 0 ? one : 1);
  w->chunk = by_time < by_size ? by_time : by_size;
  if (w->chunk < 1) w->chunk = 1;
  if (w->chunk > 1 << 16) w->chunk = 1 << 16;
  if (w->engine->side_by_side) w->chunk = whole_groups(r, t, w->chunk, w->engine->side_by_side);
  w->bytes = workspace + one * (w->chunk - 1);
  return fits(r, w->bytes) ? MPT_DONE : (w->chunk = 1, w->bytes = workspace, MPT_DONE);
}

/* Makes the plan in which matrices of order n >= `from` are spread. */
static mpt_code plan_from(const mpt_plan_request *r, int64_t from, mpt_plan *plan,
                          mpt_error *error) {
  mpt_code code = MPT_DONE;
  double total = 0;
  mpt_error ignored;
  for (int64_t k = 0; k < r->count; k++)
    total += (double)r->tasks[k].dataset->count *
             expected_seconds(&r->tasks[k], local_engine(r, &r->tasks[k]), 1, r->rate);
  for (int64_t k = 0; k < r->count && code == MPT_DONE; k++) {
    const mpt_task *t = &r->tasks[k];
    mpt_task_plan *w = &plan->tasks[k];
    static const int one[2] = {1, 1};
    w->operations = mpt_operations(t);
    bool too_large =
        r->ranks > 1 && !asked(r) && !fits(r, bytes_on(r, t, &mpt_lapack, one, &ignored));
    bool spreads = t->dataset->n > 0 && (t->dataset->n >= from || too_large);
    code = spreads ? spread(r, t, w, error) : keep_whole(r, t, total, w, error);
  }
  return code;
}

static mpt_code expect(mpt_plan *plan, const mpt_task *tasks, mpt_error *error) {
  mpt_schedule schedule;
  mpt_code code = mpt_schedule_make(plan, tasks, NULL, &schedule, error);
  plan->seconds = code == MPT_DONE ? mpt_simulate(plan, &schedule).makespan : 0;
  mpt_schedule_release(&schedule);
  return code;
}

static int descending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y);
}

/* The values of `from` that are worth a try, in descending order; INT64_MAX first. */
static int candidates(const mpt_plan_request *r, int64_t sizes[MOST_SIZES + 1]) {
  const mpt_config *c = r->config;
  int count = 0;
  sizes[0] = INT64_MAX;
  if (asked(r) && !asks_for_team(r)) return 1;
  if (asks_for_team(r) && c->distribute_from == 0) return sizes[0] = 0, 1;
  if (c->distribute_from > 0 && (r->ranks > 1 || asks_for_team(r)))
    return sizes[0] = c->distribute_from, 1;
  if (r->ranks == 1) return 1;
  int64_t *all = malloc(sizeof *all * (size_t)(r->count + 1));
  for (int64_t k = 0; all && k < r->count; k++) all[k] = r->tasks[k].dataset->n;
  if (all) qsort(all, (size_t)r->count, sizeof *all, descending);
  for (int64_t k = 0; all && k < r->count && count < MOST_SIZES; k++)
    if (all[k] >= SMALLEST_SPREAD && (k == 0 || all[k] != all[k - 1])) sizes[++count] = all[k];
  free(all);
  return count + 1;
}

mpt_code mpt_plan_make(const mpt_plan_request *r, mpt_plan *plan, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t *grid = r->config->grid;
  *plan = (mpt_plan){.count = r->count, .ranks = r->ranks};
  if (grid[0] * grid[1] > r->ranks)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use run.grid [%lld, %lld]: it needs %lld ranks and there are %d (start "
                    "more ranks, or leave it at auto)",
                    (long long)grid[0], (long long)grid[1], (long long)(grid[0] * grid[1]),
                    r->ranks);
  for (int64_t k = 0; k < r->count; k++) TRY(check_size(r->tasks[k].dataset, error));
  int64_t sizes[MOST_SIZES + 1], best = 0;
  double best_seconds = INFINITY;
  int count = candidates(r, sizes);
  TRY(mpt_allocate(&plan->tasks, r->count, sizeof *plan->tasks, "the plan", error));
  /* Choices are made at a fixed rate, so that they, and with them the last bits of results, do not
   * depend on a timing. */
  mpt_plan_request nominal = *r;
  nominal.rate = nominal_rate;
  for (int k = 0; k < count; k++) {
    TRY(plan_from(&nominal, sizes[k], plan, error));
    TRY(expect(plan, r->tasks, error));
    if (plan->seconds >= best_seconds) continue;
    best_seconds = plan->seconds;
    best = sizes[k];
  }
  TRY(plan_from(r, best, plan, error));
  TRY(expect(plan, r->tasks, error));
done:
  if (code != MPT_DONE) mpt_plan_release(plan);
  return code;
}

void mpt_plan_release(mpt_plan *plan) {
  free(plan->tasks);
  *plan = (mpt_plan){0};
}
