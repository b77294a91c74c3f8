/* The lanes engine on mixed batches: residuals and orthogonality in plain loops; eigenvalues,
 * multiplets, diagnostics and gradients compared with the lapack engine.
 *
 * MULTIPLET_LONG=1: every n from 1 to 64, every type and kind, 10^5 matrices in all. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lanes_batches.h"
#include "base/scalar.h"

enum { LARGEST = 64 };
static const double bound = 4, value_bound = 10, error_factor = 4;

/* The unit of errors: n eps ||A||, with an absolute part for tiny n. */
static double unit_of(const arrays *x) {
  return (double)(x->n + 4) * mpt_type_epsilon(x->type);
}

#define EXPECT(condition, ...)                                                                     \
  do {                                                                                             \
    if (!(condition)) complain(x, k, __VA_ARGS__);                                                 \
  } while (0)

static const char *what; /* is being tested */

static void complain(const arrays *x, int64_t k, const char *format, ...) MPT_PRINTF(3, 4);
static void complain(const arrays *x, int64_t k, const char *format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fail_msg("%s, %s, %s, n = %lld, problem %lld: %s", mpt_lanes_isa(), what, mpt_type_name(x->type),
           (long long)x->n, (long long)k, text);
}

/* Problem k in double precision. A and w are multiplied by the power of two that brings the norm
 * near 1. */
typedef struct problem {
  int64_t n;
  double norm, w[LARGEST];
  double residual; /* as the forward pass reported it */
  number a[LARGEST * LARGEST], v[LARGEST * LARGEST], g[LARGEST * LARGEST];
} problem;

static double value(const arrays *x, int64_t i) {
  return (double)creall(get(real_of(x->type), x->w, i));
}

static int exponent_of(const arrays *x, int64_t k) {
  const double norm = fmax(fabs(value(x, k * x->n)), fabs(value(x, k * x->n + x->n - 1)));
  return norm > 0 ? ilogb(norm) : 0;
}

static void take(const arrays *x, int64_t k, problem *p) {
  const int64_t n = p->n = x->n;
  const int e = -exponent_of(x, k);
  for (int64_t j = 0; j < n; j++) p->w[j] = ldexp(value(x, k * n + j), e);
  p->norm = fmax(fabs(p->w[0]), fabs(p->w[n - 1]));
  for (int64_t i = 0; i < n * n; i++) {
    const wide a = get(x->type, x->a, k * n * n + i);
    p->a[i] = CMPLX(ldexp((double)creall(a), e), ldexp((double)cimagl(a), e));
    p->v[i] = (number)get(x->type, x->v, k * n * n + i);
    p->g[i] = (number)get(x->type, x->g, k * n * n + i);
  }
}

/* The largest 2-norm of a column of A V - V w. */
static double residual(const problem *p) {
  const int64_t n = p->n;
  double norm2[LARGEST] = {0}, worst = 0;
  for (int64_t i = 0; i < n; i++) {
    number row[LARGEST];
    for (int64_t j = 0; j < n; j++) row[j] = -p->v[i * n + j] * p->w[j];
    for (int64_t l = 0; l < n; l++)
      for (int64_t j = 0; j < n; j++) row[j] += p->a[i * n + l] * p->v[l * n + j];
    for (int64_t j = 0; j < n; j++) norm2[j] += creal(row[j] * conj(row[j]));
  }
  for (int64_t j = 0; j < n; j++)
    if (!(norm2[j] <= worst)) worst = norm2[j];
  return sqrt(worst);
}

/* The largest element of V^H V - 1. */
static double orthogonality(const problem *p) {
  const int64_t n = p->n;
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    number row[LARGEST] = {0};
    for (int64_t l = 0; l < n; l++)
      for (int64_t j = 0; j <= i; j++) row[j] += conj(p->v[l * n + i]) * p->v[l * n + j];
    row[i] -= 1;
    for (int64_t j = 0; j <= i; j++)
      if (!(cabs(row[j]) <= worst)) worst = cabs(row[j]);
  }
  return worst;
}

/* The first component that is as large as the largest is real and positive. If several are within
 * the tolerance, any of them may be. */
static bool phase_is_right(const problem *p, int64_t j, double tolerance) {
  const int64_t n = p->n;
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, cabs(p->v[i * n + j]));
  for (int64_t i = 0; i < n; i++) {
    const number u = p->v[i * n + j];
    if (cabs(u) < largest * (1 - 1.01 * tolerance)) continue;
    if (cimag(u) == 0 && creal(u) > 0) return true;
    if (cabs(u) >= largest * (1 - 0.99 * tolerance)) return false;
  }
  return false;
}

static void check_pairs(const arrays *x, int64_t k, const problem *p) {
  const double unit = unit_of(x), r = residual(p) / unit, o = orthogonality(p) / unit;
  const double tolerance = (8 * (double)x->n + 1000) * mpt_type_epsilon(x->type);
  EXPECT(x->report[k].status == MPT_STATUS_OK, "status %s", mpt_status_name(x->report[k].status));
  EXPECT(r <= bound * p->norm, "residual %g", r / p->norm);
  EXPECT(o <= bound, "orthogonality %g", o);
  EXPECT(x->report[k].residual <= bound && x->report[k].orthogonality <= bound,
         "residual %g and orthogonality %g reported", x->report[k].residual,
         x->report[k].orthogonality);
  for (int64_t j = 0; j < x->n; j++) {
    EXPECT(!j || p->w[j - 1] <= p->w[j], "eigenvalue %lld does not ascend", (long long)j);
    EXPECT(phase_is_right(p, j, tolerance), "phase of vector %lld", (long long)j);
  }
}

/* Whether rounding may change the multiplets. */
static bool ambiguous(const problem *q, double epsilon) {
  const double tolerance = 5 * sqrt((double)q->n) * epsilon * q->norm;
  const double rounding = value_bound * (double)q->n * epsilon * q->norm;
  for (int64_t j = 1; j < q->n; j++)
    for (int64_t i = 0; i < j; i++) {
      const double width = q->w[j] - q->w[i];
      if (width > tolerance / 2 - rounding && width < 2 * tolerance + rounding) return true;
    }
  return false;
}

/* Compares problem p of x with problem q of y, which lapack solved. */
static void compare_values(const arrays *x, const arrays *y, int64_t k, const problem *p,
                           const problem *q) {
  const int64_t n = x->n;
  const double most = value_bound * unit_of(x);
  for (int64_t j = 0; j < n; j++)
    EXPECT(fabs(ldexp(p->w[j], exponent_of(x, k) - exponent_of(y, k)) - q->w[j]) <= most * q->norm,
           "eigenvalue %lld is %g, %g with lapack", (long long)j, p->w[j], q->w[j]);
  EXPECT(fabs(x->report[k].largest - y->report[k].largest) == 0, "largest element");
  if (ambiguous(q, mpt_type_epsilon(x->type))) return;
  EXPECT(!memcmp(x->multiplet + k * n, y->multiplet + k * n, sizeof(int32_t) * (size_t)n),
         "multiplets");
  EXPECT(fabs(x->report[k].min_gap - y->report[k].min_gap) <= 2 * most, "smallest gap %g, not %g",
         x->report[k].min_gap, y->report[k].min_gap);
}

/* Where to cut the spectrum for a loss of the projector on its lower part; 0 when there is no wide
 * gap. */
static int64_t widest_gap(const problem *p) {
  int64_t at = 0;
  for (int64_t j = 1; j < p->n; j++)
    if (!at || p->w[j] - p->w[j - 1] > p->w[at] - p->w[at - 1]) at = j;
  return at && p->w[at] - p->w[at - 1] > 1e-2 * p->norm ? at : 0;
}

/* Sets the cotangents of L = tr(C P) + sum of ||A|| sin(w / ||A||), P the projector below the cut:
 * gV = 2 C V there, and gw. `c` is C. */
static void set_cotangents(arrays *x, int64_t k, const problem *p, int64_t cut, const number *c) {
  const int64_t n = x->n;
  for (int64_t j = 0; j < n; j++)
    put(real_of(x->type), x->gw, k * n + j, cos(p->norm > 0 ? p->w[j] / p->norm : 0));
  for (int64_t i = 0; i < n; i++) {
    number row[LARGEST] = {0};
    for (int64_t l = 0; l < n; l++)
      for (int64_t j = 0; j < cut; j++) row[j] += 2 * c[i * n + l] * p->v[l * n + j];
    for (int64_t j = 0; j < n; j++) put(x->type, x->gv, (k * n + i) * n + j, row[j]);
  }
}

/* ||p - q||_F / ||q||_F for the gradients. */
static double gradient_difference(const problem *p, const problem *q) {
  long double difference = 0, all = 0; /* its range is wide enough for every square */
  for (int64_t i = 0; i < p->n * p->n; i++) {
    difference += powl(cabsl((wide)p->g[i] - q->g[i]), 2);
    all += powl(cabsl((wide)q->g[i]), 2);
  }
  return (double)sqrtl(all > 0 ? difference / all : difference);
}

/* The estimates are root mean squares and include the noise of kept elements. For tiny n the
 * difference due to the eigenpairs adds to this: they are those of a neighbouring matrix, up to 4 n
 * eps ||A|| away. Hence the factor 4. */
static void compare_gradients(const arrays *x, const arrays *y, int64_t k, const problem *p,
                              const problem *q) {
  const mpt_report *r = &x->report[k], *s = &y->report[k];
  const double d = gradient_difference(p, q), stated = r->gradient_error + s->gradient_error;
  const double rounding = 64 * unit_of(x);
  EXPECT(r->status == s->status, "status %s, %s with lapack", mpt_status_name(r->status),
         mpt_status_name(s->status));
  EXPECT(d <= error_factor * stated, "gradients differ by %g, stated is %g", d, stated);
  EXPECT(fabs(r->gauge_violation - s->gauge_violation) <= rounding, "gauge violation %g, not %g",
         r->gauge_violation, s->gauge_violation);
  EXPECT(fabs(r->cotangent_spread - s->cotangent_spread) <= rounding, "spread %g, not %g",
         r->cotangent_spread, s->cotangent_spread);
}

/* Fills the outputs, so that outputs that are not written are noticed. */
static void spoil(arrays *x) {
  memset(x->w, 0x5a, values(x));
  memset(x->v, 0x5a, matrices(x));
  memset(x->g, 0x5a, matrices(x));
}

/* A forward and a backward pass of one engine; problems go into p. `reference`: those of lapack,
 * which determine where spectra are cut. */
static void both_passes(arrays *x, const arrays *c, const problem *reference, problem *p) {
  number *row = calloc((size_t)(x->n * x->n), sizeof *row);
  spoil(x);
  succeed(x, FORWARD);
  for (int64_t k = 0; k < x->count; k++) {
    take(x, k, &p[k]);
    check_pairs(x, k, &p[k]);
    p[k].residual = x->report[k].residual;
    for (int64_t i = 0; i < x->n * x->n; i++)
      row[i] = (number)get(x->type, c->a, k * x->n * x->n + i);
    set_cotangents(x, k, &p[k], widest_gap(reference ? &reference[k] : &p[k]), row);
  }
  free(row);
  succeed(x, BACKWARD);
  for (int64_t k = 0; k < x->count; k++) take(x, k, &p[k]);
}

/* A batch in which every fourth problem is of another kind; all scales occur. */
static arrays mixed(mpt_type type, int64_t n, int64_t count, kind main_kind) {
  arrays x = make(type, n, count);
  for (int64_t k = 0; k < count; k++) {
    const kind other = (kind)((main_kind + 1 + k / 4) % KINDS);
    set_matrix(&x, k, k % 4 == 3 ? other : main_kind, scale(type, k * 7 / 3));
  }
  return x;
}

/* Whether two solutions are equal to the last bit, as where lanes have passed a problem on to
 * lapack. */
static bool same_solution(const problem *p, const problem *q) {
  const size_t n = (size_t)p->n;
  return p->residual == q->residual && !memcmp(p->w, q->w, n * sizeof *p->w) &&
         !memcmp(p->v, q->v, n * n * sizeof *p->v);
}

static void mixed_batch(mpt_type type, int64_t n, int64_t count, kind main_kind) {
  arrays x = mixed(type, n, count, main_kind), y = anew(&x), c = make(type, n, count);
  problem *p = calloc((size_t)count, sizeof *p), *q = calloc((size_t)count, sizeof *q);
  x.options.solver = MPT_SOLVER_LANES;
  y.options.solver = MPT_SOLVER_LAPACK;
  what = kind_names[main_kind];
  both_passes(&y, &c, NULL, q);
  for (int set = 0; use_set(set); set++) {
    both_passes(&x, &c, q, p);
    for (int64_t k = 0; k < count; k++) {
      compare_values(&x, &y, k, &p[k], &q[k]);
      compare_gradients(&x, &y, k, &p[k], &q[k]);
      if (n > 4 && q[k].residual > 0 && same_solution(&p[k], &q[k]))
        complain(&x, k, "solved by lapack");
    }
  }
  free(p);
  free(q);
  release(&x);
  release(&y);
  release(&c);
}

static void mixed_batches(void **state) {
  int64_t all = 0;
  (void)state;
  for (int64_t n = 1; n <= LARGEST; n++)
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int which = 0; which < KINDS; which++) {
        const int64_t count = long_tier() ? 36 : 20;
        if (!long_tier() && (3 * n + 5 * type) % KINDS != which) continue;
        mixed_batch((mpt_type)type, n, count, (kind)which);
        all += count;
      }
  assert_true(!long_tier() || all >= 100000);
}

/* Random cotangents, of gw and with `vectors` also of gv. A gradient exists where eigenvalues are
 * separate (for complex vectors except for the phases). A and gv have all scales, so that either
 * part of the gradient may be negligible, or overflow or underflow. */
static void random_batch(mpt_type type, int64_t n, int64_t count, bool vectors) {
  arrays x = make(type, n, count);
  problem *p = calloc(1, sizeof *p), *q = calloc(1, sizeof *q);
  for (int64_t k = 0; k < count; k++) {
    set_matrix(&x, k, SEPARATED, scale(type, k));
    for (int64_t i = k * n * n; i < (k + 1) * n * n; i++)
      put(type, x.gv, i, get(type, x.gv, i) * scale(type, k / 3));
  }
  arrays y = anew(&x), z = x, reference = y;
  if (!vectors) z.gv = reference.gv = NULL;
  z.options.solver = MPT_SOLVER_LANES;
  reference.options.solver = MPT_SOLVER_LAPACK;
  what = vectors ? "random cotangents" : "eigenvalue cotangents";
  succeed(&reference, BOTH);
  for (int set = 0; use_set(set); set++) {
    spoil(&x);
    succeed(&z, BOTH);
    for (int64_t k = 0; k < count; k++) {
      take(&x, k, p);
      take(&y, k, q);
      compare_values(&x, &y, k, p, q);
      compare_gradients(&x, &y, k, p, q);
      const mpt_report *r = &x.report[k];
      if (r->status == MPT_STATUS_OK && !(r->gradient_error >= mpt_type_epsilon(type)))
        complain(&x, k, "a gradient without an error");
    }
  }
  free(p);
  free(q);
  release(&x);
  release(&y);
}

static void random_cotangents(void **state) {
  (void)state;
  for (int64_t n = 1; n <= LARGEST; n++)
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      if (long_tier() || n <= 3 || (n + type) % 4 == 0) {
        random_batch((mpt_type)type, n, 9, true);
        random_batch((mpt_type)type, n, 9, false);
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mixed_batches),
      cmocka_unit_test(random_cotangents),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
