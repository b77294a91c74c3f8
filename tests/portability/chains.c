/* The generic kernels alone, for a processor that this machine may only emulate: chains of n sites,
 * whose eigenvalues are 2 - 2 cos(pi k / (n + 1)), and the gradient of their lowest one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "engine/lanes/lanes.h"
#include "engine/policy.h"
#include "engine/turn.h"

/* The kernels' only ways up. */
void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report) {
  (void)options;
  report->status = found->finite ? MPT_STATUS_OK : MPT_STATUS_NONFINITE_COTANGENT;
}

mpt_team mpt_team_of_one(void) {
  return (mpt_team){.size = 1, .grid = {1, 1}};
}

mpt_status mpt_turn_multiplets(const mpt_team *team, const mpt_options *options, const mpt_batch *b,
                               int64_t first, int64_t columns, const double *w, double norm,
                               const int32_t *multiplet, void *v) {
  (void)team, (void)options, (void)b, (void)first, (void)columns, (void)w, (void)norm;
  (void)multiplet, (void)v; /* chains have no multiplets */
  return MPT_STATUS_OK;
}

enum { COUNT = 7 };
static const double pi = 3.14159265358979323846;
static int failures;

static void put(mpt_type type, void *array, int64_t i, double re, double im) {
  const int64_t at = mpt_type_is_complex(type) ? 2 * i : i;
  for (int part = 0; part < 1 + mpt_type_is_complex(type); part++)
    if (mpt_real_size(type) == 4)
      ((float *)array)[at + part] = (float)(part ? im : re);
    else
      ((double *)array)[at + part] = part ? im : re;
}

static double get(mpt_type type, const void *array, int64_t i) {
  return mpt_real_size(type) == 4 ? ((const float *)array)[i] : ((const double *)array)[i];
}

static void expect(bool right, mpt_type type, int64_t n, const char *what, double value) {
  if (!right) failures++;
  if (!right) printf("%s, n = %d: %s is %.17g\n", mpt_type_name(type), (int)n, what, value);
}

/* Hopping -1, or -i for complex types: the same spectrum. */
static mpt_batch make(mpt_type type, int64_t n) {
  const size_t all = COUNT * (size_t)(n * n) * mpt_type_size(type);
  const mpt_type real = mpt_real_size(type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  mpt_batch b = {.type = type, .count = COUNT, .n = n, .rows = n};
  void *gw = calloc(COUNT * (size_t)n, sizeof(double));
  b.a = calloc(all, 1), b.v = calloc(all, 1), b.g = calloc(all, 1);
  b.w = calloc(COUNT * (size_t)n, sizeof(double));
  b.multiplet = calloc(COUNT * (size_t)n, sizeof *b.multiplet);
  b.report = calloc(COUNT, sizeof *b.report);
  for (int64_t k = 0; k < COUNT; k++) {
    put(real, gw, k * n, 1, 0);
    for (int64_t i = 0; i < n; i++) {
      const int64_t at = (k * n + i) * n + i;
      const bool turned = mpt_type_is_complex(type);
      put(type, b.a, at, 2, 0);
      if (i + 1 < n) put(type, b.a, at + 1, turned ? 0 : -1, -1);
      if (i + 1 < n) put(type, b.a, at + n, turned ? 0 : -1, 1);
    }
  }
  b.gw = gw;
  return b;
}

/* dL/dA of L = w_0 is v_0 v_0^H. */
static void check(const mpt_batch *b, const bool *lost) {
  const int64_t n = b->n, parts = mpt_type_is_complex(b->type) ? 2 : 1;
  const double bound = 4 * (double)(n + 4) * mpt_type_epsilon(b->type);
  for (int64_t i = 0; i < COUNT * n; i++) {
    const double w = get(b->type, b->w, i), angle = pi * (double)(i % n + 1) / (double)(n + 1);
    const double g = get(b->type, b->g, (i * n + i % n) * parts), edge = pi / (double)(n + 1);
    const double right = 2 / (double)(n + 1) * pow(sin(edge * (double)(i % n + 1)), 2);
    expect(fabs(w - (2 - 2 * cos(angle))) <= 4 * bound, b->type, n, "an eigenvalue", w);
    expect(fabs(g - right) <= (double)(n * n) * bound, b->type, n, "a gradient's element", g);
    expect(b->multiplet[i] == i % n, b->type, n, "a multiplet", b->multiplet[i]);
  }
  for (int64_t k = 0; k < COUNT; k++) {
    const mpt_report *r = &b->report[k];
    expect(r->status == MPT_STATUS_OK && !lost[k], b->type, n, "a status", r->status);
    expect(r->residual <= 4 && (n < 3 || r->residual > 0), b->type, n, "a residual", r->residual);
    expect(r->orthogonality <= 4, b->type, n, "an orthogonality", r->orthogonality);
  }
}

static void solve(mpt_type type, int64_t n) {
  const mpt_options options = {.threads = 1};
  const mpt_lanes_kernels *kernels = &mpt_lanes_generic.kernels[type];
  mpt_batch b = make(type, n);
  bool lost[64] = {false};
  const size_t bytes = (size_t)kernels->bytes((int)n, true, true) / 64 * 64 + 64;
  mpt_lanes_call call = {.options = &options,
                         .batch = &b,
                         .most_sweeps = 30 * (int)n,
                         .memory = aligned_alloc(64, bytes),
                         .lost = lost};
  kernels->prepare(call.memory, (int)n, true, true);
  for (; call.first < COUNT; call.first += kernels->chunk, call.lost += kernels->chunk) {
    const int64_t left = COUNT - call.first;
    call.count = left < kernels->chunk ? left : kernels->chunk;
    kernels->process(&call);
  }
  check(&b, lost);
}

int main(void) {
  static const int64_t sizes[] = {2, 3, 8, 33};
  for (int type = 0; type < MPT_TYPE_COUNT; type++)
    for (int k = 0; k < 4; k++) solve((mpt_type)type, sizes[k]);
  printf("%d failures\n", failures);
  return failures > 0;
}
