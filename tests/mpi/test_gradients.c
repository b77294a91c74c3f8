/* The backward pass of the engines compared with closed forms in long double: A = Q diag(w) Q^H
 * with Q and w known, so that the expected gradient does not depend on any eigensolver. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"

static const struct {
  mpt_type type;
  int64_t n;
} shapes[] = {{MPT_FLOAT64, 9},   {MPT_COMPLEX128, 9},  {MPT_FLOAT64, 70},   {MPT_COMPLEX128, 70},
              {MPT_FLOAT32, 33},  {MPT_COMPLEX64, 33},  {MPT_COMPLEX128, 5}, {MPT_FLOAT64, 6},
              {MPT_COMPLEX64, 7}, {MPT_COMPLEX128, 32}, {MPT_FLOAT64, 129}};

/* The bound on errors: 1e-11 in double precision, 3e-4 in single precision. */
static long double bound(mpt_type type) {
  return mpt_real_size(type) == 8 ? 1e-11L : 3e-4L;
}

static wide *square(int64_t n) {
  return calloc((size_t)(n * n + 1), sizeof(wide));
}

/* A problem with known eigenvectors, and a Hermitian C from which losses are made. */
typedef struct known {
  mpt_type type;
  int64_t n;
  long double *w;
  matrix m;
  wide *q, *c, *qcq, *expected, *gv, *scratch;
  double *gw; /* [2 n], for a batch of two */
} known;

static void known_make(known *p, mpt_type type, int64_t n, const long double *w) {
  const bool c = mpt_type_is_complex(type);
  *p = (known){.type = type, .n = n, .m = matrix_with_spectrum(type, n, w, 21)};
  p->w = p->m.w;
  wide **const all[] = {&p->q, &p->c, &p->qcq, &p->expected, &p->gv, &p->scratch};
  for (int64_t i = 0; i < COUNT(all); i++) *all[i] = square(n);
  p->gw = calloc((size_t)(2 * n + 1), sizeof *p->gw);
  for (int64_t i = 0; i < n; i++) p->q[i * n + i] = 1;
  rotate_left(n, c, 21, p->q);
  fill_hermitian(n, c, 22, p->c);
  multiply(n, p->c, p->q, p->scratch);
  multiply_adjoint(n, p->q, p->scratch, p->qcq);
}

static void known_free(known *p) {
  wide *const all[] = {p->q, p->c, p->qcq, p->expected, p->gv, p->scratch};
  for (int64_t i = 0; i < COUNT(all); i++) free(all[i]);
  free(p->gw);
  matrix_free(&p->m);
}

/* out = u x u^H; overwrites x. */
static void conjugated(int64_t n, const wide *u, wide *x, wide *out) {
  wide *t = square(n);
  multiply(n, u, x, t);
  memset(out, 0, sizeof *out * (size_t)(n * n));
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++)
      for (int64_t k = 0; k < n; k++) out[i * n + j] += t[i * n + k] * conjl(u[j * n + k]);
  free(t);
}

/* The expected gradient of L = sum_i weight_i v_i^H C v_i + spectral part: the divided differences
 * slope_ij of the weights times Q^H C Q, plus gw on the diagonal. */
static void expect_weighted(known *p, const long double *weight,
                            long double (*slope)(long double, long double)) {
  const int64_t n = p->n;
  wide *x = square(n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      long double d = i == j || weight[i] == weight[j] ? 0
                      : slope                          ? slope(p->w[i], p->w[j])
                              : (weight[i] - weight[j]) / (p->w[i] - p->w[j]);
      x[i * n + j] = i == j ? p->gw[i] : d * p->qcq[i * n + j];
    }
  conjugated(n, p->q, x, p->expected);
  free(x);
}

static run forward(bench *b, known *p, int64_t count) {
  run r = {.type = p->type, .count = count, .n = p->n, .backward = true, .gw = p->gw};
  const size_t bytes = sizeof *r.a * (size_t)(p->n * p->n);
  r.a = malloc(bytes * (size_t)count);
  for (int64_t k = 0; k < count; k++) memcpy(r.a + k * p->n * p->n, p->m.a, bytes);
  r.options.tolerance = 0;
  run_batch(b, &r);
  check_solution(b, &r, 0, &p->m, "forward");
  return r;
}

/* gv = 2 C V diag(weight), with the vectors that the engine returned. */
static void cotangents(known *p, const run *r, const long double *weight) {
  const int64_t n = p->n;
  multiply(n, p->c, r->v, p->gv);
  for (int64_t i = 0; i < n * n; i++) p->gv[i] *= 2 * weight[i % n];
}

static void check_gradient(const bench *b, const known *p, const run *r, int64_t k,
                           long double most, mpt_status status, const char *what) {
  long double off = difference(p->n * p->n, r->g + k * p->n * p->n, p->expected);
  CHECK((mpt_status)r->report[k].status == status, "%s: %s %s n=%lld: status %s", bench_name(b),
        what, mpt_type_name(p->type), (long long)p->n, mpt_status_name(r->report[k].status));
  CHECK(off <= most, "%s: %s %s n=%lld: gradient off by %Lg", bench_name(b), what,
        mpt_type_name(p->type), (long long)p->n, off);
}

/* Differentiates what `r` has solved, with the eigenpairs given. With `anew`, also solves again
 * with the same cotangents, which takes the eigenvectors from the engine's workspace. This is only
 * for wide gaps: ScaLAPACK's rounding errors differ from call to call, and rotate the vectors of a
 * cluster. */
static void differentiate(bench *b, known *p, run *r, bool anew, long double most,
                          const char *what) {
  r->gv = p->gv;
  for (int given = 1; given >= !anew; given--) {
    r->given = given;
    run_batch(b, r);
    check_gradient(b, p, r, 0, most, MPT_STATUS_OK, what);
  }
}

static void end(known *p, run *r) {
  free(r->a);
  run_free(r);
  known_free(p);
}

/* L = Re tr(C P) of four eigenvalues with gaps `gap`; the other gaps are 1. */
static void projector(bench *b, mpt_type type, int64_t n, long double gap) {
  long double *w = calloc((size_t)n, sizeof *w), *weight = calloc((size_t)n, sizeof *weight);
  for (int64_t i = 0; i < n; i++) {
    w[i] = i < 4 ? i * gap : i - 3 + 3 * gap;
    weight[i] = i < 4;
  }
  known p;
  known_make(&p, type, n, w);
  run r = forward(b, &p, 1);
  cotangents(&p, &r, weight);
  expect_weighted(&p, weight, NULL);
  differentiate(b, &p, &r, gap >= 1, bound(type), "projector");
  CHECK(r.report[0].gradient_error < 1000 * (double)bound(type), "%s: projector: error estimate %g",
        bench_name(b), r.report[0].gradient_error);
  CHECK(r.report[0].gauge_violation < sqrt(mpt_type_epsilon(type)), "%s: projector: gauge %g",
        bench_name(b), r.report[0].gauge_violation);
  end(&p, &r);
  free(w);
  free(weight);
}

static void projectors_at_every_gap(void **state) {
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int64_t s = 0; s < COUNT(shapes); s++) {
      projector(&b, shapes[s].type, shapes[s].n, 0);
      projector(&b, shapes[s].type, shapes[s].n, 1);
      for (int e = 3; e <= 14; e++)
        if (shapes[s].n < 40 || e % 5 == 0)
          projector(&b, shapes[s].type, shapes[s].n, powl(10, -e));
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* L = sum gw_j w_j: G = Q diag(gw) Q^H, with the mean of gw inside a multiplet. */
static void eigenvalue_losses(void **state) {
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int64_t s = 0; s < COUNT(shapes); s++) {
      const int64_t n = shapes[s].n;
      uint64_t seed = 5;
      long double *w = calloc((size_t)n, sizeof *w);
      for (int64_t i = 0; i < n; i++) w[i] = i / 3 - 2;
      known p;
      known_make(&p, shapes[s].type, n, w);
      for (int64_t i = 0; i < n; i++) p.gw[i] = p.gw[n + i] = (float)random_number(&seed);
      run r = forward(&b, &p, 2);
      CHECK(n < 4 || r.report[0].cotangent_spread > 0.01, "%s: no spread", bench_name(&b));
      for (int64_t i = 0; i < n; i += 3) {
        const int64_t size = n - i < 3 ? n - i : 3;
        double sum = 0;
        for (int64_t j = i; j < i + size; j++) sum += p.gw[j];
        for (int64_t j = i; j < i + size; j++) p.gw[j] = sum / (double)size;
      }
      long double none[256] = {0};
      expect_weighted(&p, none, NULL);
      for (int64_t k = 0; k < 2; k++)
        check_gradient(&b, &p, &r, k, bound(p.type), n < 2 ? MPT_STATUS_OK : MPT_STATUS_SUBGRADIENT,
                       "eigenvalue loss");
      end(&p, &r);
      free(w);
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static long double exp_slope(long double x, long double y) {
  return -expl(x) * expm1l(y - x) / (x - y);
}

/* L = tr(C exp(A)) in terms of eigenpairs with gaps of 1e-4: K ~ gap is a signal here and must not
 * be masked. The bound is that of a plain division: noise / gap. */
static void near_degenerate_spectral_loss(void **state) {
  const long double gap = 1e-4L;
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int64_t s = 0; s < 4; s++) {
      const int64_t n = shapes[s].n;
      long double *w = calloc((size_t)n, sizeof *w), *weight = calloc((size_t)n, sizeof *weight);
      for (int64_t i = 0; i < n; i++) {
        w[i] = i / 2 / (long double)n + i % 2 * gap;
        weight[i] = expl(w[i]);
      }
      known p;
      known_make(&p, shapes[s].type, n, w);
      run r = forward(&b, &p, 1);
      cotangents(&p, &r, weight);
      for (int64_t i = 0; i < n; i++) p.gw[i] = (double)(weight[i] * creall(p.qcq[i * n + i]));
      expect_weighted(&p, weight, exp_slope);
      differentiate(&b, &p, &r, true, 3e-8L, "tr(C exp A)");
      end(&p, &r);
      free(w);
      free(weight);
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* V <- V U and gV <- gV U, with a random unitary U on each threefold multiplet: the gradient of a
 * loss that does not depend on the basis must not change. */
static void gauge_scramble(void **state) {
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int64_t s = 0; s < 4; s++) {
      const int64_t n = shapes[s].n;
      const bool c = mpt_type_is_complex(shapes[s].type);
      long double *w = calloc((size_t)n, sizeof *w), *weight = calloc((size_t)n, sizeof *weight);
      for (int64_t i = 0; i < n; i++) w[i] = i / 3, weight[i] = 1 / (1 + w[i]);
      known p;
      known_make(&p, shapes[s].type, n, w);
      run r = forward(&b, &p, 1);
      cotangents(&p, &r, weight);
      expect_weighted(&p, weight, NULL);
      for (int64_t from = 0; from < n; from += 3) {
        wide u[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
        const int64_t size = n - from < 3 ? n - from : 3;
        if (size == 3) rotate_left(3, c, (uint64_t)from + 40, u);
        for (int64_t i = 0; size == 3 && i < n; i++)
          for (int which = 0; which < 2; which++) {
            wide *row = (which ? p.gv : r.v) + i * n + from, old[3] = {row[0], row[1], row[2]};
            for (int j = 0; j < 3; j++)
              row[j] = old[0] * u[j] + old[1] * u[3 + j] + old[2] * u[6 + j];
          }
      }
      r.gv = p.gv;
      r.given = true;
      run_batch(&b, &r);
      check_gradient(&b, &p, &r, 0, bound(p.type), MPT_STATUS_OK, "scrambled");
      end(&p, &r);
      free(w);
      free(weight);
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* diag(4, 1, 1) and L = Re c^H v for the eigenvector of 4: dv = sum_j dA_j0 / 3 e_j, so G_j0 = c_j
 * / 6. */
static void isolated_vector_beside_a_pair(void **state) {
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++) {
      const wide i = mpt_type_is_complex((mpt_type)type) ? I : 0;
      const wide c[] = {0.5L, 0.75L - 2 * i, -1.5L + i};
      wide a[] = {4, 0, 0, 0, 1, 0, 0, 0, 1};
      wide gv[9] = {0, 0, c[0], 0, 0, c[1], 0, 0, c[2]};
      const wide g[] = {0, conjl(c[1]) / 6, conjl(c[2]) / 6, c[1] / 6, 0, 0, c[2] / 6, 0, 0};
      run r = {.type = (mpt_type)type, .count = 1, .n = 3, .backward = true, .a = a, .gv = gv};
      for (int jax = 0; jax < 2; jax++) {
        wide expected[9];
        for (int k = 0; k < 9; k++) expected[k] = jax ? conjl(g[k]) : g[k];
        r.options.convention = jax ? MPT_CONVENTION_JAX : MPT_CONVENTION_TORCH;
        run_batch(&b, &r);
        CHECK(r.report[0].status == MPT_STATUS_OK, "%s: diag(4,1,1): status", bench_name(&b));
        CHECK(difference(9, r.g, expected) <= 4 * mpt_type_epsilon((mpt_type)type),
              "%s: diag(4,1,1) %s: gradient", bench_name(&b), mpt_type_name((mpt_type)type));
      }
      run_free(&r);
    }
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test(isolated_vector_beside_a_pair),
      cmocka_unit_test(projectors_at_every_gap),
      cmocka_unit_test(eigenvalue_losses),
      cmocka_unit_test(near_degenerate_spectral_loss),
      cmocka_unit_test(gauge_scramble),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
