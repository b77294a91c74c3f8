#include "engine/probe.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"
#include "engine/context.h"

#define WORKER "engine/probe_worker.h"
#include "base/for_each_type.h"

mpt_code mpt_probe_open(const mpt_batch *b, mpt_probe *p) {
  mpt_code code = MPT_DONE;
  const int64_t n = b->n, wide = n + 1;
  double *memory;
  *p = (mpt_probe){.scale = 1};
  TRY(mpt_allocate(&memory, 6 * wide + 4 * b->rows, sizeof *memory, "a probe", NULL));
  p->x = memory;
  p->y = memory + 2 * wide;
  p->z = memory + 4 * wide;
  p->mine = memory + 6 * wide;
  p->out = p->mine + 2 * b->rows;
  TRY(mpt_allocate(&p->spread, 2 * wide, mpt_type_size(b->type), "a probe", NULL));
done:
  return code;
}

void mpt_probe_close(mpt_probe *p) {
  free(p->x);
  free(p->spread);
}

bool mpt_probe_passed(const mpt_probe *p) {
  return p->worst <= MPT_PROBE_BOUND;
}

static void add_up(const mpt_team *team, int64_t count, double *x) {
  mpt_team_sum(team, count, x);
}

static void draw_signs(mpt_probe *p, int64_t n, double scale) {
  uint64_t state = 0x2545f4914f6cdd1du;
  p->scale = scale;
  for (int64_t j = 0; j < n; j++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    p->x[2 * j] = state >> 63 ? scale : -scale;
    p->x[2 * j + 1] = 0;
  }
}

/* rows_times: out = S y on this rank's rows. adjoint_times: out = S^H u over the rows of all ranks.
 */
static void rows_times(const mpt_batch *b, int64_t width, const void *slab, const double *y,
                       mpt_probe *p, double *out) {
  static void (*const table[])(int64_t, int64_t, const void *, const double *, void *, double *) =
      WORKER_TABLE(rows_times);
  table[b->type](b->rows, width, slab, y, p->spread, out);
}

static void adjoint_times(const mpt_team *team, const mpt_batch *b, int64_t width, const void *slab,
                          const double *u, mpt_probe *p, double *out) {
  static void (*const table[])(int64_t, int64_t, const void *, const double *, void *, double *) =
      WORKER_TABLE(adjoint_times);
  table[b->type](b->rows, width, slab, u, p->spread, out);
  add_up(team, 2 * width, out);
}

static double squares(mpt_type type, int64_t count, const void *array, double scale) {
  static double (*const table[])(int64_t, const void *, double) = WORKER_TABLE(squares);
  return table[type](count, array, scale);
}

/* out_j = sum_i t_ij y_i over the tiles of all ranks. */
static void tiles_times(mpt_output_context *m, bool sum, const double *y, double *out) {
  static void (*const spread[])(int64_t, const double *, void *) = WORKER_TABLE(spread);
  static void (*const table[])(int64_t, const mpt_tile *, const void *, const void *, double *) =
      WORKER_TABLE(tile_times);
  const int64_t n = m->batch->n;
  mpt_tile tile;
  memset(out, 0, sizeof *out * (size_t)(2 * n));
  spread[m->batch->type](n, y, m->probe.spread);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    table[m->batch->type](n, &tile, sum ? tile.sum : tile.t, m->probe.spread, out);
  add_up(m->team, 2 * n, out);
}

/* The largest element of all tiles; negative if one is not finite. */
static double largest_of_tiles(mpt_output_context *m, bool sum) {
  const size_t size = mpt_type_size(m->batch->type);
  double found[2] = {0, 0};
  mpt_tile tile;
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    for (int64_t j = 0; j < tile.cols; j++) {
      const char *column = (const char *)(sum ? tile.sum : tile.t) + (size_t)(j * tile.ldt) * size;
      const mpt_scan scan =
          mpt_scan_slab(m->batch->type, 0, 1, tile.rows, column, MPT_TRIANGLE_FULL);
      found[0] = fmax(found[0], scan.finite ? 0 : 1);
      found[1] = fmax(found[1], scan.largest);
    }
  mpt_team_max(m->team, 2, found);
  return found[0] > 0 ? -1 : found[1];
}

static double tiles_squares(mpt_output_context *m, double scale) {
  const size_t size = mpt_type_size(m->batch->type);
  double sum = 0;
  mpt_tile tile;
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    for (int64_t j = 0; j < tile.cols; j++)
      sum += squares(m->batch->type, tile.rows,
                     (const char *)tile.t + (size_t)(j * tile.ldt) * size, scale);
  return sum;
}

/* Puts the difference of two vectors into the probe's worst. sums: the squares of the difference,
 * of the expected vector, and of the output's elements. */
static void judge(mpt_probe *p, const mpt_batch *b, const double sums[3]) {
  const double n = (double)b->n;
  const double tiny = n * n * (mpt_real_size(b->type) == 4 ? 0x1p-149 : 0x1p-1074);
  const double size = sqrt(fmax(sums[1], sums[2]));
  const double unit = n * mpt_type_epsilon(b->type) * size + tiny * p->scale;
  const double units = sums[0] == 0 ? 0 : sqrt(sums[0]) / unit;
  if (!(units <= p->worst)) p->worst = isfinite(units) ? units : 1e300;
}

static void compare(int64_t count, const double *is, const double *should, double sums[3]) {
  for (int64_t i = 0; i < 2 * count; i++) {
    sums[0] += (is[i] - should[i]) * (is[i] - should[i]);
    sums[1] += should[i] * should[i];
  }
}

static const void *vectors_of(const mpt_batch *b, int64_t k) {
  return mpt_part_of(b->v, k, b->rows * b->n, mpt_type_size(b->type));
}

/* Compares `slab` times x, on this rank's rows, with the expected vector in p->mine. */
static void check_columns(mpt_probe *p, const mpt_team *team, const mpt_batch *b, int64_t columns,
                          const void *slab) {
  double sums[3] = {0};
  if (mpt_largest_on_team(team, b->type, b->rows * columns, slab) < 0) return; /* its own status */
  rows_times(b, columns, slab, p->x, p, p->out);
  compare(b->rows, p->out, p->mine, sums);
  sums[2] = squares(b->type, b->rows * columns, slab, p->scale);
  add_up(team, 3, sums);
  judge(p, b, sums);
}

static void check_slab(mpt_probe *p, const mpt_team *team, const mpt_batch *b, const void *slab) {
  check_columns(p, team, b, b->n, slab);
}

/* Compares T^T x with V^H (M (V x)), where T is the transpose of V^H M V or of V^H M. */
void mpt_into_basis(mpt_output_context *m, int64_t k, const void *slab, mpt_side side) {
  const mpt_batch *b = m->batch;
  mpt_probe *p = &m->probe;
  const int64_t n = b->n;
  const double *from = p->x;
  double sums[3] = {0};
  m->engine->into_basis(m->state, slab, side);
  const double largest = largest_of_tiles(m, false);
  if (largest < 0) return;
  draw_signs(p, n, mpt_extreme_scale(b->type, largest));
  if (side == MPT_BOTH) {
    memset(p->y, 0, sizeof *p->y * (size_t)(2 * n));
    rows_times(b, n, vectors_of(b, k), p->x, p, p->y + 2 * b->row0);
    add_up(m->team, 2 * n, p->y);
    from = p->y;
  }
  rows_times(b, n, slab, from, p, p->mine);
  adjoint_times(m->team, b, n, vectors_of(b, k), p->mine, p, p->z);
  tiles_times(m, false, p->x, p->y);
  compare(n, p->y, p->z, sums);
  sums[2] = tiles_squares(m, p->scale);
  add_up(m->team, 1, &sums[2]);
  judge(p, b, sums);
}

/* Compares V X V^H x with V (X (V^H x)), or V X x with V (X x). X is overwritten. */
void mpt_out_of_basis(mpt_output_context *m, int64_t k, bool sum, mpt_side side, void *slab) {
  const mpt_batch *b = m->batch;
  mpt_probe *p = &m->probe;
  const double largest = largest_of_tiles(m, sum), *from = p->x;
  if (largest >= 0) {
    draw_signs(p, b->n, mpt_extreme_scale(b->type, largest));
    if (side == MPT_BOTH)
      adjoint_times(m->team, b, b->n, vectors_of(b, k), p->x + 2 * b->row0, p, p->y);
    if (side == MPT_BOTH) from = p->y;
    tiles_times(m, sum, from, p->z);
    rows_times(b, b->n, vectors_of(b, k), p->z, p, p->mine);
  }
  m->engine->out_of_basis(m->state, sum, side, slab);
  if (largest >= 0) check_slab(p, m->team, b, slab);
}

void mpt_from_diagonal(mpt_output_context *m, int64_t k, const double *diagonal, void *slab) {
  const mpt_batch *b = m->batch;
  mpt_probe *p = &m->probe;
  double largest = 0;
  for (int64_t j = 0; j < b->n; j++) largest = fmax(largest, fabs(diagonal[j]));
  m->engine->from_diagonal(m->state, diagonal, slab);
  draw_signs(p, b->n, mpt_extreme_scale(b->type, largest));
  adjoint_times(m->team, b, b->n, vectors_of(b, k), p->x + 2 * b->row0, p, p->y);
  for (int64_t j = 0; j < 2 * b->n; j++) p->z[j] = p->y[j] * diagonal[j / 2];
  rows_times(b, b->n, vectors_of(b, k), p->z, p, p->mine);
  check_slab(p, m->team, b, slab);
}

void mpt_probe_outer(mpt_probe *p, const mpt_team *team, const mpt_batch *b, int64_t columns,
                     const void *v, const void *z, const void *g) {
  const double largest = mpt_largest_on_team(team, b->type, b->rows * b->n, g);
  const void *const sides[2][2] = {{v, z}, {z, v}};
  if (largest < 0) return;
  draw_signs(p, b->n, mpt_extreme_scale(b->type, largest));
  memset(p->mine, 0, sizeof *p->mine * (size_t)(2 * b->rows));
  for (int i = 0; i < 2; i++) {
    adjoint_times(team, b, columns, sides[i][1], p->x + 2 * b->row0, p, p->y);
    rows_times(b, columns, sides[i][0], p->y, p, p->out);
    for (int64_t j = 0; j < 2 * b->rows; j++) p->mine[j] += p->out[j];
  }
  check_slab(p, team, b, g);
}

void mpt_frame_out_of_basis(mpt_output_context *m, int64_t k, const mpt_wide *c, void *slab) {
  const mpt_batch *b = m->batch;
  const mpt_spectral_frame *f = &m->frame;
  const int64_t inside = f->stop - f->first, columns = f->columns;
  mpt_probe *p = &m->probe;
  double largest = 0;
  mpt_rows_out_of_basis(b->type, b->rows, f, vectors_of(b, k), c, slab);
  for (int64_t i = 0; i < inside * columns; i++)
    largest = fmax(largest, fmax(fabs(creal(c[i])), fabs(cimag(c[i]))));
  draw_signs(p, columns, mpt_extreme_scale(b->type, largest));
  memset(p->z, 0, sizeof *p->z * (size_t)(2 * b->n));
  for (int64_t i = 0; i < inside; i++)
    for (int64_t j = 0; j < columns; j++) {
      p->z[2 * (f->first + i)] += creal(c[i * columns + j]) * p->x[2 * j];
      p->z[2 * (f->first + i) + 1] += cimag(c[i * columns + j]) * p->x[2 * j];
    }
  rows_times(b, b->n, vectors_of(b, k), p->z, p, p->mine);
  check_columns(p, m->team, b, columns, slab);
}

static void add_rows(mpt_probe *p, const mpt_batch *b, double sign) {
  for (int64_t i = 0; i < 2 * b->rows; i++) p->mine[i] += sign * p->out[i];
}

void mpt_probe_chain(mpt_probe *p, const mpt_team *team, const mpt_batch *b, const mpt_chain *c) {
  const int64_t n = b->n, m = c->columns, elements = b->rows * m;
  const double largest = mpt_largest_on_team(team, b->type, elements, c->z);
  const int most = mpt_real_size(b->type) == 4 ? 120 : 1000;
  double sums[3] = {0};
  if (!(largest > 0)) return;
  const int e = ilogb(largest);
  /* w_j z_j and the like are formed in the working type; there is no verdict where they would leave
   * its range */
  if (c->norm > 0 && abs(e) + abs(ilogb(c->norm)) > most / 2) return;
  draw_signs(p, m, ldexp(1, e > most ? -most : e < -most ? most : -e));
  memset(p->y, 0, sizeof *p->y * (size_t)(2 * n));
  rows_times(b, m, c->z, p->x, p, p->y + 2 * b->row0);
  add_up(team, 2 * n, p->y);
  rows_times(b, n, c->a, p->y, p, p->mine);
  for (int64_t j = 0; j < 2 * m; j++) p->z[j] = p->x[j] * c->w[j / 2];
  rows_times(b, m, c->z, p->z, p, p->out);
  add_rows(p, b, -1);
  rows_times(b, m, c->gv, p->x, p, p->out);
  add_rows(p, b, 1);
  adjoint_times(team, b, m, c->v, p->out, p, p->z);
  rows_times(b, m, c->v, p->z, p, p->out);
  add_rows(p, b, -1);
  for (int64_t i = 0; i < 2 * b->rows; i++) sums[0] += p->mine[i] * p->mine[i];
  sums[1] = squares(b->type, elements, c->z, p->scale);
  sums[2] = squares(b->type, elements, c->gv, p->scale);
  add_up(team, 3, sums);
  const double gv = sqrt(sums[2]), epsilon = mpt_type_epsilon(b->type);
  const double tiny = (double)n * (mpt_real_size(b->type) == 4 ? 0x1p-149 : 0x1p-1074);
  const double unit = (double)n * (epsilon * (c->norm * sqrt(sums[1]) + gv) + tiny * p->scale);
  const double units = sqrt(sums[0]) / (unit + c->damping * gv);
  if (isfinite(units) && units > p->worst) p->worst = units;
}
