/* If one element of one product with eigenvectors is spoilt, the problem is never called OK. All
 * products that gradients, functions and tangents consist of are tested; where there is a reference
 * engine, it computes the outputs again. Linked with --wrap for the products of BLAS and PBLAS;
 * lanes have a hook of their own.
 *
 * MULTIPLET_FAULTS: this many rounds instead of one, and a table. MULTIPLET_COUNT: only the table,
 * without failing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "engine/lanes/lanes.h"
#include "spectral/tiles.h"
#include "spectral/tridiagonal.h"
#include "engine/scalapack/mpi_team.h"
#include "engine/process.h"

static int64_t turns = -1; /* products until one is spoilt; negative: none is spoilt */
static bool hit;
static uint64_t dice = 1;

static int64_t draw(int64_t count) {
  return (int64_t)(fabsl(random_number(&dice)) * 0.999999L * (long double)count);
}

/* Changes one of rows x columns elements by a small part of the largest. The element is on or below
 * the diagonal, because no others are used of Hermitian products. */
static void spoil(mpt_type type, int64_t rows, int64_t columns, void *c, int64_t ld) {
  const int64_t parts = mpt_type_is_complex(type) ? 2 : 1;
  const bool single = mpt_real_size(type) == 4;
  float *narrow = c;
  double *wide_c = c, largest = 0;
  if (turns < 0 || turns-- > 0 || rows * columns == 0) return;
  for (int64_t j = 0; j < columns; j++)
    for (int64_t at = j * ld * parts; at < (j * ld + rows) * parts; at++)
      largest = fmax(largest, fabs(single ? (double)narrow[at] : wide_c[at]));
  const int64_t i = draw(rows), j = draw(columns < i + 1 ? columns : i + 1);
  const int64_t at = (j * ld + i) * parts;
  if (single)
    narrow[at] += (float)(0.1 * largest);
  else
    wide_c[at] += 1e-8 * largest;
  hit = largest > 0;
}

#define WORKER "products_worker.h"
#include "base/for_each_type.h"

/* Whole arrays of one problem, the same on every rank. */
typedef struct everything {
  mpt_batch batch;
  mpt_function_arrays functions[2];
  mpt_report report;
  char *arrays[16];
  int count;
} everything;

static uint64_t seed = 5;

/* This rank's rows of n x n random numbers, or of a Hermitian matrix of them. */
static void *random_slab(everything *e, bool hermitian) {
  const mpt_batch *b = &e->batch;
  const int64_t n = b->n, parts = mpt_type_is_complex(b->type) ? 2 : 1;
  const size_t size = mpt_type_size(b->type);
  char *memory = calloc((size_t)(n * n) + 1, size);
  wide *m = malloc(sizeof *m * (size_t)(n * n));
  fill_hermitian(n, parts == 2, seed++, m);
  for (int64_t i = 0; i < n * n; i++) {
    const wide x = hermitian ? m[i] : m[i] + (long double)(i % 7) / 7;
    const double part[2] = {(double)creall(x), (double)cimagl(x)};
    for (int64_t p = 0; p < parts; p++)
      if (mpt_real_size(b->type) == 4)
        ((float *)memory)[i * parts + p] = (float)part[p];
      else
        ((double *)memory)[i * parts + p] = part[p];
  }
  free(m);
  e->arrays[e->count++] = memory;
  return memory + (size_t)(b->row0 * n) * size;
}

static everything *prepare(const bench *b, mpt_type type, int64_t n) {
  everything *e = calloc(1, sizeof *e);
  mpt_batch *q = &e->batch;
  q->type = type;
  q->n = n;
  q->count = 1;
  q->row0 = mpt_slab_start(n, b->team.size, b->team.rank);
  q->rows = mpt_slab_start(n, b->team.size, b->team.rank + 1) - q->row0;
  q->a = random_slab(e, true);
  q->v = random_slab(e, false);
  q->g = random_slab(e, false);
  q->gv = random_slab(e, false);
  q->da = random_slab(e, true);
  q->dv = random_slab(e, false);
  q->w = calloc((size_t)n, sizeof(double));
  q->multiplet = calloc((size_t)n, sizeof *q->multiplet);
  q->report = &e->report;
  q->functions = e->functions;
  q->function_count = 1;
  e->functions[0].function = (mpt_function){.kind = MPT_FUNCTION_TANH, .scale = 1};
  e->functions[0].value = random_slab(e, false);
  e->functions[0].cotangent = random_slab(e, true);
  e->functions[0].tangent = random_slab(e, false);
  return e;
}

static void release(everything *e) {
  free(e->batch.w);
  free(e->batch.multiplet);
  for (int i = 0; i < e->count; i++) free(e->arrays[i]);
  free(e);
}

static int64_t injected, missed, alarms;

/* Spoils product number `turn`; false when there is no such product. */
static bool spoil_product(const bench *b, mpt_state *state, everything *e, int64_t turn) {
  static const mpt_options options;
  int found = 0;
  e->report = (mpt_report){0};
  hit = false;
  turns = turn;
  mpt_process_batch(b->engine, state, &b->team, &options, &e->batch);
  const bool more = turns < 0;
  turns = -1;
  found = hit;
  MPI_Allreduce(MPI_IN_PLACE, &found, 1, MPI_INT, MPI_MAX, mpt_team_comm(&b->team));
  const bool noticed = e->report.status == MPT_STATUS_INTERNAL || e->report.retried;
  injected += found;
  missed += found && !noticed;
  alarms += !found && (noticed || mpt_status_is_failure(e->report.status));
  if (!getenv("MULTIPLET_COUNT"))
    CHECK(found == noticed, "%s %s n=%lld: product %lld %s: status %s, %g units", bench_name(b),
          mpt_type_name(e->batch.type), (long long)e->batch.n, (long long)turn,
          found ? "spoilt" : "sound", mpt_status_name(e->report.status), e->report.output_residual);
  return more;
}

static void on_size(const bench *b, mpt_type type, int64_t n) {
  const mpt_shape shape = {
      .type = type, .n = n, .vectors = true, .backward = true, .outputs = true};
  mpt_state *state;
  everything *e = prepare(b, type, n);
  mpt_error error = {0};
  CHECK(b->engine->open(&shape, &b->team, &state, &error) == MPT_DONE, "%s", error.text);
  spoil_product(b, state, e, 1 << 20);
  for (int64_t turn = 0; spoil_product(b, state, e, turn);) turn++;
  b->engine->close(state);
  release(e);
}

static void spoilt_products_are_found(void **state) {
  static const int64_t sizes[] = {4, 9, 30, 70};
  const char *text = getenv("MULTIPLET_FAULTS");
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++) {
      injected = missed = alarms = 0;
      for (int64_t round = 0; round < (text ? atoll(text) : 1); round++)
        for (int64_t s = 0; s < COUNT(sizes); s++) on_size(&b, (mpt_type)type, sizes[s]);
      if (text && b.team.rank == 0)
        printf("%-14s %-10s spoilt products found %lld of %lld, false alarms %lld\n",
               bench_name(&b), mpt_type_name(type), (long long)(injected - missed),
               (long long)injected, (long long)alarms);
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Steps that are no product of BLAS: the transformation of a frame out of the basis, and of a
 * selection to the outside. */
static int64_t steps = -1; /* like `turns`, on the first rank */

void __real_mpt_rows_out_of_basis(mpt_type, int64_t, const mpt_spectral_frame *, const void *,
                                  const mpt_wide *, void *);
void __wrap_mpt_rows_out_of_basis(mpt_type, int64_t, const mpt_spectral_frame *, const void *,
                                  const mpt_wide *, void *);
void __real_mpt_solve_tridiagonal(int64_t, const double *, const double *, double, double, int,
                                  double *, double *);
void __wrap_mpt_solve_tridiagonal(int64_t, const double *, const double *, double, double, int,
                                  double *, double *);

static bool is_turn(void) {
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank == 0 && steps >= 0 && steps-- == 0;
}

void __wrap_mpt_rows_out_of_basis(mpt_type type, int64_t rows, const mpt_spectral_frame *frame,
                                  const void *v, const mpt_wide *c, void *out) {
  __real_mpt_rows_out_of_basis(type, rows, frame, v, c, out);
  if (!is_turn()) return;
  turns = 0;
  spoil(type, rows * frame->columns, 1, out, rows * frame->columns);
  turns = -1;
}

static double share; /* the part of a column's size by which an element is spoilt */

void __wrap_mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift,
                                  double blur, int parts, double *y, double *memory) {
  double largest = 0;
  __real_mpt_solve_tridiagonal(n, d, e, shift, blur, parts, y, memory);
  if (!is_turn()) return;
  for (int64_t i = 0; i < n * parts; i++) largest = fmax(largest, fabs(y[i]));
  y[draw(n * parts)] += share * largest;
  hit = largest > 0;
}

static void spoil_step(const bench *b, mpt_type type, int64_t n, bool selection, int64_t step) {
  mpt_shape shape = {
      .type = type, .n = n, .vectors = true, .backward = true, .outputs = !selection};
  everything *e = prepare(b, type, n);
  mpt_batch *q = &e->batch;
  mpt_state *state;
  mpt_error error = {0};
  q->function_count = 0;
  q->da = q->dv = NULL;
  if (selection) {
    q->select = (mpt_select){.kind = MPT_SELECT_INDEX, .index = {1, n / 2 + 1}};
    shape.columns = n / 2;
  } else {
    q->frame = (mpt_frame_shape){.index = {1, 3}, .columns = 2};
    q->reference = random_slab(e, false);
    q->gframe = random_slab(e, false);
    q->frame_value = random_slab(e, false);
    q->greference = random_slab(e, false);
  }
  share = mpt_real_size(type) == 4 ? 0.1 : 1e-8;
  CHECK(b->engine->open(&shape, &b->team, &state, &error) == MPT_DONE, "%s", error.text);
  steps = step;
  spoil_product(b, state, e, 1 << 20);
  steps = -1;
  b->engine->close(state);
  release(e);
}

static void spoilt_steps_are_found(void **state) {
  static const int64_t sizes[] = {5, 9, 30, 70};
  bench b;
  (void)state;
  for (int selection = 0; selection < 2; selection++) {
    injected = 0;
    for (int index = 0; bench_open(index, &b); index++) {
      for (int type = 0; type < MPT_TYPE_COUNT; type++)
        for (int64_t s = 0; s < COUNT(sizes); s++)
          for (int64_t step = -1; step < 2; step++)
            spoil_step(&b, (mpt_type)type, sizes[s], selection, step);
      bench_close(&b);
    }
    CHECK(injected > 0, "no step of a %s was spoilt", selection ? "selection" : "frame");
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Lanes compute gradients by themselves: if one is spoilt, lapack computes it again, and nothing is
 * lost. */
static void spoil_lanes(bench *b, mpt_type type, int64_t n) {
  enum { BATCH = 20 };
  const double bound = 1e3 * (double)n * mpt_type_epsilon(type);
  const size_t elements = (size_t)(BATCH * n * n);
  wide *a = calloc(elements, sizeof *a), *gv = calloc(elements, sizeof *gv);
  double *gw = calloc((size_t)(BATCH * n), sizeof *gw);
  for (int64_t k = 0; k < BATCH; k++) {
    fill_hermitian(n, mpt_type_is_complex(type), seed++, a + k * n * n);
    fill_hermitian(n, mpt_type_is_complex(type), seed++, gv + k * n * n);
  }
  for (int64_t j = 0; j < BATCH * n; j++) gw[j] = (double)(j % n) - 1;
  run sound = {.type = type, .count = BATCH, .n = n, .backward = true, .a = a, .gv = gv, .gw = gw};
  run spoilt = sound;
  run_batch(b, &sound);
  for (int product = 1; product <= 3; product++) {
    mpt_lanes_spoil(product);
    run_batch(b, &spoilt);
    mpt_lanes_spoil(0);
    for (int64_t k = 0; k < BATCH; k++) {
      const mpt_report *r = &spoilt.report[k];
      CHECK(r->retried == 1 && !sound.report[k].retried, "%s %s n=%lld: product %d passed",
            bench_name(b), mpt_type_name(type), (long long)n, product);
      CHECK(r->output_residual < 3 && sound.report[k].output_residual < 3, "%g and %g units",
            r->output_residual, sound.report[k].output_residual);
      CHECK(difference(n * n, spoilt.g + k * n * n, sound.g + k * n * n) <=
                bound + 10 * r->gradient_error,
            "%s %s n=%lld: another gradient", bench_name(b), mpt_type_name(type), (long long)n);
    }
  }
  run_free(&sound);
  run_free(&spoilt);
  free(a);
  free(gv);
  free(gw);
}

static void lanes_see_their_own(void **state) {
  static const int64_t sizes[] = {2, 3, 5, 16, 17, 24, 25, 33, 64};
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT && b.engine == &mpt_lanes; type++)
      for (int64_t s = 0; s < COUNT(sizes); s++) spoil_lanes(&b, (mpt_type)type, sizes[s]);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test_teardown(spoilt_products_are_found, agree_on_failures),
      cmocka_unit_test_teardown(spoilt_steps_are_found, agree_on_failures),
      cmocka_unit_test_teardown(lanes_see_their_own, agree_on_failures)};
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
