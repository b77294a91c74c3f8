#include "engine/second.h"

#include <complex.h>
#include <math.h>
#include <string.h>
#include "spectral/second.h"

void dgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
            const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
            const double *beta, double *c, const int *ldc, size_t, size_t);
void zgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
            const double _Complex *alpha, const double _Complex *a, const int *lda,
            const double _Complex *b, const int *ldb, const double _Complex *beta,
            double _Complex *c, const int *ldc, size_t, size_t);

/* A problem at work. Matrices are row-major, of doubles or pairs of them. */
typedef struct work {
  const mpt_second_problem *p;
  int64_t n, parts; /* parts: 1, or 2 of complex numbers */
  bool conjugate;
  double *w, *function_memory, *second_memory; /* [n], ... */
  double *v, *x, *t;                           /* [n, n] */
  mpt_planes e, c, s;
  mpt_spectral_function f;
  mpt_second second;
  int exponent; /* the result is times 2^exponent */
} work;

int64_t mpt_second_workspace(mpt_type type, int64_t n) {
  const int64_t parts = mpt_type_is_complex(type) ? 2 : 1;
  return 6 * parts * n * n + mpt_second_memory(n) + (1 + MPT_FUNCTION_MEMORY) * n;
}

static mpt_planes planes_at(const work *k, double *at) {
  return (mpt_planes){at, k->parts > 1 ? at + k->n * k->n : NULL};
}

static work work_of(const mpt_second_problem *p, mpt_convention convention, double *memory) {
  work k = {.p = p, .n = p->n, .parts = mpt_type_is_complex(p->type) ? 2 : 1};
  const int64_t matrix = k.parts * k.n * k.n;
  k.conjugate = convention == MPT_CONVENTION_JAX;
  k.v = memory;
  k.x = memory + matrix;
  k.t = memory + 2 * matrix;
  k.e = planes_at(&k, memory + 3 * matrix);
  k.c = planes_at(&k, memory + 4 * matrix);
  k.s = planes_at(&k, memory + 5 * matrix);
  k.w = memory + 6 * matrix;
  k.function_memory = k.w + k.n;
  k.second_memory = k.function_memory + MPT_FUNCTION_MEMORY * k.n;
  return k;
}

/* The number at index i of an array of reals. */
static double number(const work *k, const void *array, int64_t i) {
  return mpt_real_size(k->p->type) == 4 ? (double)((const float *)array)[i]
                                        : ((const double *)array)[i];
}

/* x = the Hermitian part of an array, times 2^-exponent. */
static void load_hermitian(const work *k, const void *array, int exponent) {
  const int64_t n = k->n, parts = k->parts;
  const double first = ldexp(0.5, -exponent / 2), rest = ldexp(1, -exponent - -exponent / 2);
  const double sign = k->conjugate ? -1 : 1;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i; j < n; j++) {
      const int64_t up = (i * n + j) * parts, down = (j * n + i) * parts;
      const double x = number(k, array, up) * first, y = number(k, array, down) * first;
      k->x[up] = k->x[down] = (x + y) * rest;
      if (parts == 1) continue;
      const double im = number(k, array, up + 1) * first - number(k, array, down + 1) * first;
      k->x[up + 1] = sign * im * rest;
      k->x[down + 1] = -k->x[up + 1];
    }
}

/* C = A B of row-major matrices, which the library sees transposed. `a`, `b`: 'N', or 'C' for the
 * adjoint. */
static void multiply(const work *k, const double *a, char op_a, const double *b, char op_b,
                     double *c) {
  const int n = (int)k->n;
  const double one = 1, zero = 0;
  const double _Complex z_one = 1, z_zero = 0;
  const char *left = op_b == 'C' ? "C" : "N", *right = op_a == 'C' ? "C" : "N";
  if (k->parts == 1)
    dgemm_(left, right, &n, &n, &n, &one, b, &n, a, &n, &zero, c, &n, 1, 1);
  else
    zgemm_(left, right, &n, &n, &n, &z_one, (const double _Complex *)b, &n,
           (const double _Complex *)a, &n, &z_zero, (double _Complex *)c, &n, 1, 1);
}

/* Loads a direction and takes it into the basis. */
static void load_direction(work *k, const void *array, double largest, const mpt_planes *out) {
  const int exponent = ilogb(largest);
  const int64_t elements = k->n * k->n;
  load_hermitian(k, array, exponent);
  k->exponent += exponent;
  multiply(k, k->x, 'N', k->v, 'N', k->t);
  multiply(k, k->v, 'C', k->t, 'N', k->x);
  for (int64_t i = 0; i < elements; i++) {
    out->re[i] = k->x[i * k->parts];
    if (out->im) out->im[i] = k->x[i * k->parts + 1];
  }
}

static void add_to_diagonal(const work *k, const mpt_planes *x, const double *share, double less) {
  for (int64_t i = 0; i < k->n; i++) x->re[i * k->n + i] -= share ? share[i] * less : less;
}

static double mean(const work *k, const mpt_planes *x, const double *share) {
  double sum = 0;
  for (int64_t i = 0; i < k->n; i++) sum += (share ? share[i] : 1) * x->re[i * k->n + i];
  return sum;
}

/* At a fixed number of electrons, with r the response of mu, it is the one at fixed mu along E -
 * tr(r E) and C - tr(r C), less r times its trace. */
static void contract(const work *k) {
  const double *response = k->f.weight;
  memset(k->s.re, 0, sizeof(double) * (size_t)(k->parts * k->n * k->n));
  if (response) {
    add_to_diagonal(k, &k->e, NULL, mean(k, &k->e, response));
    add_to_diagonal(k, &k->c, NULL, mean(k, &k->c, response));
  }
  mpt_second_contract(&k->second, &k->e, &k->c, &k->s);
  if (response) add_to_diagonal(k, &k->s, response, mean(k, &k->s, NULL));
}

/* x = S, whose planes hold one half. */
static void fill_in(const work *k) {
  const int64_t n = k->n, parts = k->parts;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i; j < n; j++) {
      const int64_t up = (i * n + j) * parts, down = (j * n + i) * parts;
      k->x[up] = k->x[down] = k->s.re[i * n + j];
      if (parts == 1) continue;
      k->x[up + 1] = i == j ? 0 : k->s.im[i * n + j];
      k->x[down + 1] = -k->x[up + 1];
    }
}

/* Puts a number times 2^exponent at index i; returns whether the type holds it. */
static bool put(const work *k, int64_t i, double x) {
  const double found = ldexp(x, k->exponent);
  if (mpt_real_size(k->p->type) == 4) return isfinite(((float *)k->p->s)[i] = (float)found) != 0;
  return isfinite(((double *)k->p->s)[i] = found) != 0;
}

/* The caller's array from the product in x, whose Hermitian part it is; returns whether all is
 * finite. */
static bool store(const work *k) {
  const int64_t n = k->n, parts = k->parts;
  const double sign = k->conjugate ? -1 : 1;
  bool finite = true;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i; j < n; j++) {
      const int64_t up = (i * n + j) * parts, down = (j * n + i) * parts;
      const double re = (k->x[up] + k->x[down]) / 2;
      finite &= put(k, up, re);
      finite &= put(k, down, re);
      if (parts == 1) continue;
      const double im = i == j ? 0 : sign * (k->x[up + 1] - k->x[down + 1]) / 2;
      finite &= put(k, down + 1, -im);
      finite &= put(k, up + 1, im); /* on the diagonal +0 remains */
    }
  return finite;
}

/* Eigenvalues, their multiplets and the function. */
static mpt_status start(work *k, double width) {
  const mpt_second_problem *p = k->p;
  const int64_t n = k->n;
  bool sound = true;
  mpt_reals_to_double(p->type, n, p->w, k->w);
  for (int64_t j = 0; j < n; j++) sound &= isfinite(k->w[j]) && (!j || k->w[j - 1] <= k->w[j]);
  const double norm = mpt_spectral_norm(n, k->w), rounding = mpt_resolution(p->type, n) * norm;
  mpt_number_multiplets(n, k->w, width * norm, p->multiplet);
  if (!sound) return MPT_STATUS_INTERNAL;
  p->report->min_gap = mpt_min_gap(n, k->w, p->multiplet, norm);
  const mpt_status status =
      mpt_function_start(p->function, n, k->w, p->multiplet, rounding, k->function_memory, &k->f);
  return status == MPT_STATUS_OK ? mpt_second_start(&k->f, rounding, k->second_memory, &k->second)
                                 : status;
}

static mpt_status make(work *k, double width) {
  const mpt_second_problem *p = k->p;
  const int64_t n = k->n, numbers = n * n * k->parts;
  const mpt_status status = start(k, width);
  if (status != MPT_STATUS_OK) return status;
  const mpt_scan e = mpt_scan_slab(p->type, 0, n, n, p->e, MPT_TRIANGLE_FULL);
  const mpt_scan c = mpt_scan_slab(p->type, 0, n, n, p->c, MPT_TRIANGLE_FULL);
  if (!e.finite || !c.finite) return MPT_STATUS_NONFINITE_COTANGENT;
  memset(p->s, 0, (size_t)(n * n) * mpt_type_size(p->type));
  if (e.largest == 0 || c.largest == 0) return MPT_STATUS_OK;
  for (int64_t i = 0; i < numbers; i++) k->v[i] = number(k, p->v, i);
  k->exponent = k->second.exponent;
  load_direction(k, p->e, e.largest, &k->e);
  load_direction(k, p->c, c.largest, &k->c);
  contract(k);
  fill_in(k);
  multiply(k, k->v, 'N', k->x, 'N', k->t);
  multiply(k, k->t, 'N', k->v, 'C', k->x);
  return store(k) ? MPT_STATUS_OK : MPT_STATUS_NONFINITE_COTANGENT;
}

void mpt_make_second(const mpt_second_problem *p, double width, mpt_convention convention,
                     double *memory) {
  const double begun = mpt_now();
  work k = work_of(p, convention, memory);
  *p->report = (mpt_report){.status = MPT_STATUS_OK};
  if (p->n) p->report->status = (int8_t)make(&k, width);
  if (p->report->status != MPT_STATUS_OK) {
    memset(p->s, 0, (size_t)(p->n * p->n) * mpt_type_size(p->type));
    p->report->min_gap = 0;
  }
  p->report->seconds = mpt_now() - begun;
}
