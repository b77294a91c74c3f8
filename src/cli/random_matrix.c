/* Matrices with a given spectrum. They are computed with integer arithmetic, + - * / and square
 * roots only, so that the same seed gives the same file on every machine. */
#include "cli/models.h"
#include "base/scalar.h"

#include <math.h>
#include <string.h>

enum { FULL_HAAR_N = 64, REFLECTORS_ABOVE = 4, UNIFORMS = 12 };

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Approximately normal, a sum of uniform numbers: logarithms and cosines differ between
 * libraries. */
static double next_normal(uint64_t *state) {
  double sum = -UNIFORMS / 2;
  for (int k = 0; k < UNIFORMS; k++) sum += (double)(next_random(state) >> 11) * 0x1p-53;
  return sum;
}

/* Draws a unit vector whose elements before `from` are zero. */
static void draw_reflector(mpt_model_state *s, int64_t from, uint64_t *random) {
  bool is_complex = mpt_type_is_complex(s->type);
  double square = 0;
  memset(s->reflector, 0, (size_t)s->n * sizeof *s->reflector);
  for (int64_t i = from; i < s->n; i++) {
    double re = next_normal(random), im = is_complex ? next_normal(random) : 0;
    s->reflector[i] = CMPLX(re, im);
    square += re * re + im * im;
  }
  double scale = 1 / sqrt(square);
  for (int64_t i = from; i < s->n; i++) s->reflector[i] *= scale;
}

static double complex times(double complex a, double complex b) {
  return CMPLX(creal(a) * creal(b) - cimag(a) * cimag(b),
               creal(a) * cimag(b) + cimag(a) * creal(b));
}

/* A <- (I - 2vv^H) A (I - 2vv^H) = A - vp^H - pv^H, p = 2(Av - (v^H A v) v). Mirrored elements are
 * written from one value, so that A stays exactly Hermitian. */
static void reflect(mpt_model_state *s, int64_t from) {
  int64_t n = s->n;
  double complex *a = s->matrix, *v = s->reflector, *p = s->product;
  double quotient = 0;
  for (int64_t i = 0; i < n; i++) {
    p[i] = 0;
    for (int64_t j = from; j < n; j++) p[i] += times(a[i * n + j], v[j]);
    quotient += creal(times(conj(v[i]), p[i]));
  }
  for (int64_t i = 0; i < n; i++) p[i] = 2 * (p[i] - quotient * v[i]);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < i; j++) {
      a[i * n + j] -= times(v[i], conj(p[j])) + times(p[i], conj(v[j]));
      a[j * n + i] = conj(a[i * n + j]);
    }
    a[i * n + i] -= 2 * creal(times(v[i], conj(p[i])));
  }
}

static void draw_matrix(mpt_model_state *s, int64_t b) {
  int64_t n = s->n;
  uint64_t random = (uint64_t)s->options.seed;
  /* The streams of adjacent seeds and problems must not overlap. */
  random = next_random(&random) + (uint64_t)b * UINT64_C(0xd1342543de82ef95);
  random = next_random(&random);
  memset(s->matrix, 0, (size_t)(n * n) * sizeof *s->matrix);
  for (int64_t i = 0; i < n; i++) s->matrix[i * n + i] = (double)(1 + i / s->options.multiplicity);
  bool haar = n <= FULL_HAAR_N;
  for (int64_t k = haar ? n - 2 : REFLECTORS_ABOVE - 1; k >= 0; k--) {
    int64_t from = haar ? k : 0;
    draw_reflector(s, from, &random);
    reflect(s, from);
  }
  s->held = b;
}

mpt_code mpt_random_start(mpt_model_state *s, mpt_error *error) {
  mpt_code code;
  s->n = s->options.n;
  s->batch = s->options.batch < 0 ? 1 : s->options.batch;
  s->held = -1;
  TRY(mpt_allocate(&s->matrix, s->n * s->n, sizeof *s->matrix, "a random matrix", error));
  TRY(mpt_allocate(&s->reflector, s->n, sizeof *s->reflector, "a reflector", error));
  TRY(mpt_allocate(&s->product, s->n, sizeof *s->product, "a product", error));
done:
  return code;
}

void mpt_random_row(mpt_model_state *s, int64_t b, int64_t i, double complex *row) {
  if (s->held != b) draw_matrix(s, b);
  memcpy(row, s->matrix + i * s->n, (size_t)s->n * sizeof *row);
}
