#include "cli/models.h"
#include "base/scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No file system can hold larger matrices. */
enum { LARGEST_N = 1 << 21 };

static int64_t or_default(int64_t value, int64_t fallback) {
  return value < 0 ? fallback : value;
}

static int64_t binomial(int64_t n, int64_t k) {
  int64_t value = 1;
  for (int64_t i = 1; i <= k; i++) value = value * (n - k + i) / i;
  return value;
}

/* The next larger number; within a sector, the next with as many bits set (Gosper 1972). */
static int64_t next_state(int64_t bits, int64_t sector) {
  if (sector < 0) return bits + 1;
  int64_t lowest = bits & -bits, carried = bits + lowest;
  return lowest ? carried | ((carried ^ bits) >> 2) / lowest : 0;
}

static mpt_code heisenberg_start(mpt_model_state *s, mpt_error *error) {
  mpt_code code;
  int64_t sites = s->options.sites, sector = s->options.sector;
  if (sector > sites)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use --sector %lld: there are only %lld spins (give 0 to %lld)",
                    (long long)sector, (long long)sites, (long long)sites);
  s->batch = or_default(s->options.batch, 11);
  s->n = sector < 0 ? INT64_C(1) << sites : binomial(sites, sector);
  if (s->n > LARGEST_N)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use --sites %lld: matrices of size %lld are too large (at most %d)",
                    (long long)sites, (long long)s->n, LARGEST_N);
  TRY(mpt_allocate(&s->basis, s->n, sizeof *s->basis, "the spin states", error));
  int64_t bits = sector < 0 ? 0 : (INT64_C(1) << sector) - 1;
  for (int64_t k = 0; k < s->n; k++, bits = next_state(bits, sector)) s->basis[k] = bits;
done:
  return code;
}

static int compare_states(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* H = sum over bonds of (S+S- + S-S+)/2 + Delta SzSz. */
static void heisenberg_row(mpt_model_state *s, int64_t b, int64_t i, double complex *row) {
  int64_t sites = s->options.sites, state = s->basis[i];
  /* In the middle of an odd batch b / (B - 1) is exactly one half: the isotropic point. */
  double delta = s->batch > 1 ? 0.5 + (double)b / (double)(s->batch - 1) : 1.0;
  for (int64_t site = 0; site < sites; site++) {
    int64_t pair = INT64_C(1) << site | INT64_C(1) << (site + 1) % sites;
    int64_t up = state & pair;
    bool parallel = up == 0 || up == pair;
    row[i] += parallel ? delta / 4 : -delta / 4;
    if (parallel) continue;
    int64_t flipped = state ^ pair;
    int64_t *found = bsearch(&flipped, s->basis, (size_t)s->n, sizeof *s->basis, compare_states);
    row[found - s->basis] += 0.5;
  }
}

/* exp(2 pi i numerator / denominator). It is exact where its parts are 0, 1/2 or 1, and exactly
 * antisymmetric, so that Dirac points are exact zeros. */
static double complex root_of_unity(int64_t numerator, int64_t denominator) {
  static const double half = 0.5, third = 0.86602540378443864676;
  const double cosine[12] = {1, third, half, 0, -half, -third, -1, -third, -half, 0, half, third};
  const double pi = 3.14159265358979323846;
  if (12 * numerator % denominator == 0) {
    int64_t twelfth = (12 * numerator / denominator % 12 + 12) % 12;
    return CMPLX(cosine[twelfth], cosine[(twelfth + 9) % 12]);
  }
  double angle = 2 * pi * (double)numerator / (double)denominator;
  return CMPLX(cos(angle), sin(angle));
}

static mpt_code graphene_start(mpt_model_state *s, mpt_error *error) {
  s->batch = s->options.grid * s->options.grid;
  s->n = 2 * s->options.cells * s->options.cells;
  (void)error;
  return MPT_DONE;
}

/* The neighbours of a cell's A atom are the B atoms of its own cell and of the previous cell in
 * each direction. A bond that leaves the supercell has a Bloch phase. */
static void graphene_row(mpt_model_state *s, int64_t b, int64_t i, double complex *row) {
  int64_t cells = s->options.cells, grid = s->options.grid;
  int64_t orbital = i % 2, x = i / 2 / cells, y = i / 2 % cells;
  int64_t step = orbital ? 1 : -1;
  int64_t wave[2] = {b / grid, b % grid};
  const int64_t shift[3][2] = {{0, 0}, {step, 0}, {0, step}};
  for (int bond = 0; bond < 3; bond++) {
    int64_t target[2] = {x + shift[bond][0], y + shift[bond][1]};
    double complex phase = 1;
    for (int axis = 0; axis < 2; axis++) {
      if (target[axis] >= 0 && target[axis] < cells) continue;
      double complex forward = root_of_unity(wave[axis], grid);
      phase = step > 0 ? forward : conj(forward);
      target[axis] -= step * cells;
    }
    row[2 * (target[0] * cells + target[1]) + 1 - orbital] += phase;
  }
}

static mpt_code hypercube_start(mpt_model_state *s, mpt_error *error) {
  s->batch = or_default(s->options.batch, 1);
  s->n = INT64_C(1) << s->options.dimension;
  (void)error;
  return MPT_DONE;
}

static void hypercube_row(mpt_model_state *s, int64_t b, int64_t i, double complex *row) {
  (void)b;
  row[i] = (double)s->options.dimension;
  for (int64_t d = 0; d < s->options.dimension; d++) row[i ^ INT64_C(1) << d] = -1;
}

static mpt_code forum_start(mpt_model_state *s, mpt_error *error) {
  s->batch = 1;
  s->n = 4;
  (void)error;
  return MPT_DONE;
}

static void forum_row(mpt_model_state *s, int64_t b, int64_t i, double complex *row) {
  static const double matrix[4][4] = {
      {1.2039, 0, .3690, 0}, {0, -1.2039, 0, .3690}, {.3690, 0, -1.2039, 0}, {0, .3690, 0, 1.2039}};
  (void)s;
  (void)b;
  for (int j = 0; j < 4; j++) row[j] = matrix[i][j];
}

const mpt_model mpt_models[] = {
    {"heisenberg", MPT_TAKES_BATCH | MPT_TAKES_SITES | MPT_TAKES_SECTOR, MPT_FLOAT64, false,
     heisenberg_start, heisenberg_row,
     "periodic XXZ chain of L spins 1/2, J = 1, one matrix for each Delta from 0.5 to 1.5 (1 when "
     "alone). At Delta = 1 levels are SU(2) multiplets of 2S+1 states; L = 4 has -2 (once), -1 "
     "(3 times), 0 (7 times) and 1 (5 times). n = 2^L, or binomial(L, M) with --sector M."},
    {"tight-binding", MPT_TAKES_GRID | MPT_TAKES_CELLS, MPT_COMPLEX128, true, graphene_start,
     graphene_row,
     "graphene, hopping 1, one matrix for each of K x K k-points, in a supercell of s x s cells. "
     "Eigenvalues are +-|1 + exp(i p) + exp(i q)| with p, q = 2 pi (k + K m) / (K s), m < s; zero "
     "twice at the Dirac points p = -q = +-2 pi / 3. n = 2 s^2."},
    {"hypercube", MPT_TAKES_BATCH | MPT_TAKES_DIMENSION, MPT_FLOAT64, false, hypercube_start,
     hypercube_row,
     "graph Laplacian of the d-dimensional cube: eigenvalue 2k with multiplicity binomial(d, k). "
     "n = 2^d."},
    {"random", MPT_TAKES_BATCH | MPT_TAKES_N | MPT_TAKES_SEED | MPT_TAKES_MULTIPLICITY, MPT_FLOAT64,
     false, mpt_random_start, mpt_random_row,
     "Q diag(w) Q^H with w = 1, 1, ..., 2, 2, ..., each M times, and Q a product of random "
     "reflectors, n - 1 of them up to n = 64 and 4 above. The same on every machine."},
    {"forum", 0, MPT_FLOAT64, false, forum_start, forum_row,
     "a 4 x 4 matrix from a PyTorch forum thread on NaN gradients: eigenvalues "
     "+-sqrt(1.2039^2 + 0.369^2), each twice."},
};
const size_t mpt_model_count = sizeof mpt_models / sizeof *mpt_models;

void mpt_model_names(mpt_text *out) {
  for (size_t k = 0; k < mpt_model_count; k++)
    mpt_text_add(out, "%s%s", k ? ", " : "", mpt_models[k].name);
}

const mpt_model *mpt_model_find(const char *name, mpt_error *error) {
  const char *names[sizeof mpt_models / sizeof *mpt_models];
  mpt_text valid = {0};
  for (size_t k = 0; k < mpt_model_count; k++) {
    names[k] = mpt_models[k].name;
    if (!strcmp(name, names[k])) return &mpt_models[k];
  }
  const char *nearest = mpt_nearest_name(name, names, mpt_model_count);
  mpt_model_names(&valid);
  mpt_fail(error, MPT_BAD_USAGE, "unknown kind '%.64s': no such sample%s%s%s (valid: %s)", name,
           nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
           mpt_text_shown(&valid, ""));
  mpt_text_release(&valid);
  return NULL;
}

void mpt_model_release(mpt_model_state *state) {
  free(state->basis);
  free(state->matrix);
  free(state->reflector);
  free(state->product);
  *state = (mpt_model_state){0};
}
