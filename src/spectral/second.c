#include "spectral/second.h"

#include <math.h>
#include "base/scalar.h"
#include "spectral/occupation.h"

/* Of a length: quotients lose as many units in the last place as this has in it, and what the
 * series leaves out is its power MPT_SECOND_TERMS. */
static const double near = 0.05;

/* How a kind's series is made. f is a function of x here, without the factor. */
typedef struct second_kind {
  /* NULL: straight, but for a kink or a step, across which the quotients are exact. */
  double (*length)(const mpt_spectral_function *f, int64_t i);
  /* f^(k + 2)(x_i) / (k + 2)! length^k. */
  void (*series)(const mpt_spectral_function *f, int64_t i, double length, double *term);
  /* The eigenvalue at which f has a kink; NULL: none. */
  double (*kink)(const mpt_spectral_function *f);
} second_kind;

static double one(const mpt_spectral_function *f, int64_t i) {
  (void)f;
  (void)i;
  return 1;
}

static double to_zero(const mpt_spectral_function *f, int64_t i) {
  return fabs(f->x[i]);
}

static double of_exponent(const mpt_spectral_function *f, int64_t i) {
  return fabs(f->x[i]) / (1 + fabs(f->function->exponent));
}

/* In the tails f changes faster. */
static double of_smearing(const mpt_spectral_function *f, int64_t i) {
  return 1 / (1 + fabs(f->x[i]) + f->function->order);
}

static double at_zero(const mpt_spectral_function *f) {
  (void)f;
  return 0;
}

static double at_minimum(const mpt_spectral_function *f) {
  return f->function->minimum / f->factor;
}

static void exp_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  double t = f->value[i] / 2;
  (void)length;
  for (int k = 0; k < MPT_SECOND_TERMS; k++, t /= k + 2) term[k] = t;
}

/* sin or cos, given both at x_i: f and its derivative. */
static void wave_series(double value, double slope, double *term) {
  double factorial = 2;
  for (int k = 0; k < MPT_SECOND_TERMS; k++, factorial *= k + 2)
    term[k] = (k % 2 ? slope : value) * ((k / 2) % 2 ? 1 : -1) / factorial;
}

static void sin_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  (void)length;
  wave_series(f->value[i], cos(f->x[i]) - sin(f->x[i]) * f->low[i], term);
}

static void cos_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  (void)length;
  wave_series(f->value[i], -sin(f->x[i]) - cos(f->x[i]) * f->low[i], term);
}

/* Of a multiple of x^p, or of what has the derivatives of one from the second on (log: p = 0, x log
 * x: p = 1), from half of its second derivative. */
static void homogeneous(double half, double p, double x, double length, double *term) {
  const double ratio = x != 0 ? length / x : 0;
  for (int k = 0; k < MPT_SECOND_TERMS; k++) {
    term[k] = half;
    half *= (p - (k + 2)) / (k + 3) * ratio;
  }
}

static void of_power(double p, double x, double length, double *term) {
  const double half = p * (p - 1) / 2;
  homogeneous(half != 0 ? half * pow(x, p - 2) : 0, p, x, length, term);
}

static void power_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  of_power(f->function->exponent, f->x[i], length, term);
}

static void sqrt_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  of_power(0.5, f->x[i], length, term);
}

static void inv_sqrt_series(const mpt_spectral_function *f, int64_t i, double length,
                            double *term) {
  of_power(-0.5, f->x[i], length, term);
}

static void inverse_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  of_power(-1, f->x[i], length, term);
}

static void log_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  homogeneous(-0.5 / f->x[i] / f->x[i], 0, f->x[i], length, term);
}

static void xlogx_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  homogeneous(0.5 / f->x[i], 1, f->x[i], length, term);
}

/* Terms 1 to `count` of the series of y around a point, where y' = slope there and y' - b y^2 is
 * linear in y: (m + 1) y_{m+1} = a y_m + b sum y_k y_{m-k} over 0 < k < m, in which nothing cancels
 * in the tails. */
static void recur(double slope, double a, double b, int count, double *y) {
  y[1] = slope;
  for (int m = 1; m < count; m++) {
    double sum = a * y[m];
    for (int k = 1; k < m; k++) sum += b * y[k] * y[m - k];
    y[m + 1] = sum / (m + 1);
  }
}

/* t' = 1 - t^2. rest: exp(-2 |x|). */
static void tanh_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  double y[MPT_SECOND_TERMS + 2];
  const double rest = f->rest[i], slope = 4 * rest / ((1 + rest) * (1 + rest));
  (void)length;
  recur(slope, -2 * f->value[i], -1, MPT_SECOND_TERMS + 1, y);
  for (int k = 0; k < MPT_SECOND_TERMS; k++) term[k] = y[k + 2];
}

/* f' = -f (1 - f). rest: 1 - f. */
static void fermi_series(const mpt_spectral_function *f, int64_t i, double length, double *term) {
  double y[MPT_SECOND_TERMS + 2];
  (void)length;
  recur(-f->value[i] * f->rest[i], f->value[i] - f->rest[i], 1, MPT_SECOND_TERMS + 1, y);
  for (int k = 0; k < MPT_SECOND_TERMS; k++) term[k] = y[k + 2];
}

/* f' = s, s' = s (1 - s). rest: s. */
static void softplus_series(const mpt_spectral_function *f, int64_t i, double length,
                            double *term) {
  double y[MPT_SECOND_TERMS + 1];
  const double e = exp(-fabs(f->x[i])), other = (f->x[i] > 0 ? e : 1) / (1 + e);
  (void)length;
  recur(f->rest[i] * other, other - f->rest[i], -1, MPT_SECOND_TERMS, y);
  for (int k = 0; k < MPT_SECOND_TERMS; k++) term[k] = y[k + 1] / (k + 2);
}

static void smearing_series(const mpt_spectral_function *f, int64_t i, double length,
                            double *term) {
  mpt_smearing_series(f->function, f->x[i], f->low[i], length, MPT_SECOND_TERMS, term);
}

static const second_kind kinds[] = {
    [MPT_FUNCTION_EXP] = {one, exp_series, NULL},
    [MPT_FUNCTION_LOG] = {to_zero, log_series, NULL},
    [MPT_FUNCTION_SQRT] = {to_zero, sqrt_series, NULL},
    [MPT_FUNCTION_INV_SQRT] = {to_zero, inv_sqrt_series, NULL},
    [MPT_FUNCTION_INVERSE] = {to_zero, inverse_series, NULL},
    [MPT_FUNCTION_POWER] = {of_exponent, power_series, NULL},
    [MPT_FUNCTION_TANH] = {one, tanh_series, NULL},
    [MPT_FUNCTION_SIN] = {one, sin_series, NULL},
    [MPT_FUNCTION_COS] = {one, cos_series, NULL},
    [MPT_FUNCTION_FERMI] = {one, fermi_series, NULL},
    [MPT_FUNCTION_PROJECTOR] = {NULL, NULL, NULL},
    [MPT_FUNCTION_SOFTPLUS] = {one, softplus_series, NULL},
    [MPT_FUNCTION_ABS] = {NULL, NULL, at_zero},
    [MPT_FUNCTION_SIGN] = {NULL, NULL, at_zero},
    [MPT_FUNCTION_CLAMP_MIN] = {NULL, NULL, at_minimum},
    [MPT_FUNCTION_GAUSSIAN] = {of_smearing, smearing_series, NULL},
    [MPT_FUNCTION_METHFESSEL_PAXTON] = {of_smearing, smearing_series, NULL},
    [MPT_FUNCTION_COLD] = {of_smearing, smearing_series, NULL},
    [MPT_FUNCTION_XLOGX] = {to_zero, xlogx_series, NULL},
};
_Static_assert(sizeof kinds / sizeof *kinds == MPT_FUNCTION_KINDS, "a kind has no row");

int64_t mpt_second_memory(int64_t m) {
  return m * m + m * (4 + MPT_SECOND_TERMS);
}

static bool exists(const mpt_spectral_function *f, double rounding) {
  const second_kind *kind = &kinds[f->function->kind];
  if (f->null[0] < f->null[1]) return false;
  for (int64_t i = 0; kind->kink && i < f->m; i++)
    if (fabs(f->w[i] - kind->kink(f)) <= rounding) return false;
  return true;
}

static void start_first(mpt_second *s) {
  const int64_t m = s->of->m;
  double largest = 0;
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = i; j < m; j++) {
      const double found = mpt_divided_difference(s->of, i, j);
      s->first[i * m + j] = s->first[j * m + i] = found;
      largest = fmax(largest, fabs(found));
    }
  s->exponent = largest > 0 && isfinite(largest) ? ilogb(largest) : 0;
  for (int64_t i = 0; i < m * m; i++) s->first[i] = ldexp(s->first[i], -s->exponent);
}

mpt_status mpt_second_start(const mpt_spectral_function *of, double rounding, double *memory,
                            mpt_second *out) {
  const int64_t m = of->m;
  const second_kind *kind = &kinds[of->function->kind];
  mpt_second s = {.of = of, .first = memory, .length = memory + m * m};
  s.row = s.length + m;
  s.term = s.row + 3 * m;
  if (!exists(of, rounding)) return MPT_STATUS_FUNCTION_UNDEFINED;
  start_first(&s);
  for (int64_t i = 0; i < m; i++) {
    double *term = s.term + i * MPT_SECOND_TERMS;
    s.length[i] = kind->length ? kind->length(of, i) : 0;
    for (int k = 0; k < MPT_SECOND_TERMS; k++) term[k] = 0;
    if (kind->series) kind->series(of, i, s.length[i], term);
    for (int k = 0; k < MPT_SECOND_TERMS; k++)
      term[k] = ldexp(term[k], -s.exponent) * of->factor * of->factor;
  }
  *out = s;
  return MPT_STATUS_OK;
}

/* The first c from `b` on that is not near `a`. */
static int64_t end_of_near(const mpt_second *s, int64_t a, int64_t b) {
  const double *w = s->of->w, factor = fabs(s->of->factor);
  int64_t c = b;
  while (c < s->of->m &&
         (w[c] == w[a] || factor * (w[c] - w[a]) < near * fmin(s->length[a], s->length[c])))
    c++;
  return c;
}

/* sum_k term_k h_k(u, v), with the complete homogeneous polynomials h_{k+1} = u h_k + v^(k+1). */
static inline double sum_series(const double *term, double u, double v) {
  double sum = term[0], h = 1, power = 1;
  for (int k = 1; k < MPT_SECOND_TERMS; k++) {
    power *= v;
    h = u * h + power;
    sum += term[k] * h;
  }
  return sum;
}

VECTOR_CLONES
static void fill_row(const mpt_second *s, int64_t a, int64_t b, double *out) {
  const int64_t m = s->of->m, far = end_of_near(s, a, b);
  const double *w = s->of->w, *term = s->term + b * MPT_SECOND_TERMS, *first = s->first + b * m;
  const double unit = s->length[b] > 0 ? s->of->factor / s->length[b] : 0;
  const double u = unit * (w[a] - w[b]), wa = w[a], wb = w[b], ab = first[a];
  for (int64_t c = b; c < far; c++) out[c] = sum_series(term, u, unit * (w[c] - wb));
  for (int64_t c = far; c < m; c++) out[c] = (first[c] - ab) / (w[c] - wa);
}

void mpt_second_row(const mpt_second *s, int64_t a, int64_t b, double *out) {
  fill_row(s, a, b, out);
}

/* Rows a and b of a matrix's real and imaginary parts. */
typedef struct two_rows {
  const double *a[2], *b[2];
} two_rows;

static two_rows rows_of(const mpt_planes *x, int64_t a, int64_t b) {
  return (two_rows){{x->re + a, x->im ? x->im + a : NULL}, {x->re + b, x->im ? x->im + b : NULL}};
}

/* Of a triple's three entries of S, i <= k <= j: what k adds between i and j, and what E_ik and
 * C_ik add to rows i and k. */
typedef struct triples {
  two_rows e, c;
  double *a[2], *b[2]; /* rows of S */
  double ab[4];        /* E_ab and C_ab */
} triples;

/* Sums are kept side by side, so that the loop vectorizes. */
enum { RUN = 8 };

static inline __attribute__((always_inline)) void sweep_run(const bool is_complex, int count,
                                                            const double *restrict f, int64_t at,
                                                            const triples *t, double *side0,
                                                            double *side1) {
  const double *ear = t->e.a[0] + at, *ebr = t->e.b[0] + at;
  const double *car = t->c.a[0] + at, *cbr = t->c.b[0] + at;
  const double *eai = is_complex ? t->e.a[1] + at : ear, *ebi = is_complex ? t->e.b[1] + at : ebr;
  const double *cai = is_complex ? t->c.a[1] + at : car, *cbi = is_complex ? t->c.b[1] + at : cbr;
  const double e0 = t->ab[0], e1 = t->ab[1], c0 = t->ab[2], c1 = t->ab[3];
  double *restrict ar = t->a[0] + at, *restrict br = t->b[0] + at;
  double *restrict ai = is_complex ? t->a[1] + at : ar, *restrict bi =
                                                            is_complex ? t->b[1] + at : br;
  f += at;
  for (int l = 0; l < count; l++) {
    const double of_sum = is_complex ? eai[l] * cbi[l] + cai[l] * ebi[l] : 0;
    const double of_a = is_complex ? e1 * cbi[l] + c1 * ebi[l] : 0;
    const double of_b = is_complex ? e1 * cai[l] + c1 * eai[l] : 0;
    side0[l] += f[l] * (ear[l] * cbr[l] + car[l] * ebr[l] + of_sum);
    ar[l] += f[l] * (e0 * cbr[l] + c0 * ebr[l] - of_a);
    br[l] += f[l] * (e0 * car[l] + c0 * ear[l] + of_b);
    if (!is_complex) continue;
    side1[l] += f[l] * ((eai[l] * cbr[l] - ear[l] * cbi[l]) + (cai[l] * ebr[l] - car[l] * ebi[l]));
    ai[l] += f[l] * ((e0 * cbi[l] + e1 * cbr[l]) + (c0 * ebi[l] + c1 * ebr[l]));
    bi[l] += f[l] * ((e0 * cai[l] - e1 * car[l]) + (c0 * eai[l] - c1 * ear[l]));
  }
}

/* All c from `first` on. sum: what they add to S_ab. */
static inline __attribute__((always_inline)) void sweep(const bool is_complex, int64_t first,
                                                        int64_t m, const double *f,
                                                        const triples *t, double sum[2]) {
  double side[2][RUN] = {{0}, {0}};
  int64_t c = first;
  for (; c + RUN <= m; c += RUN) sweep_run(is_complex, RUN, f, c, t, side[0], side[1]);
  sweep_run(is_complex, (int)(m - c), f, c, t, side[0], side[1]);
  for (int l = 0; l < RUN; l++) {
    sum[0] += side[0][l];
    sum[1] += side[1][l];
  }
}

VECTOR_CLONES
static void sweep_row(bool is_complex, int64_t first, int64_t m, const double *f, const triples *t,
                      double sum[2]) {
  if (is_complex)
    sweep(true, first, m, f, t, sum);
  else
    sweep(false, first, m, f, t, sum);
}

/* The triples a <= b <= c of one a and b. Where two are equal, entries that coincide count once:
 * `spare` takes what would be added again. */
static void add_triples(int64_t m, int64_t a, int64_t b, const double *f, triples *t,
                        double *spare[2]) {
  const bool is_complex = t->a[1] != NULL, twin = a == b;
  const double *const *e = t->e.a, *const *c = t->c.a;
  const double ebb = t->e.b[0][b], cbb = t->c.b[0][b];
  double sum[2] = {0, 0};
  double *row_b = t->b[0];
  for (int p = 0; p < 2; p++) {
    t->ab[p] = p && (!is_complex || twin) ? 0 : e[p][b];
    t->ab[p + 2] = p && (!is_complex || twin) ? 0 : c[p][b];
    if (twin) t->b[p] = spare[p];
  }
  sweep_row(is_complex, b + 1, m, f, t, sum);
  if (!twin) {
    sum[1] += f[b] * (t->ab[1] * cbb + t->ab[3] * ebb);
    row_b[b] += 2 * f[b] * (t->ab[0] * t->ab[2] + t->ab[1] * t->ab[3]);
  }
  sum[0] += f[b] * (t->ab[0] * cbb + t->ab[2] * ebb);
  t->a[0][b] += sum[0];
  if (is_complex && !twin) t->a[1][b] += sum[1];
}

void mpt_second_contract(const mpt_second *s, const mpt_planes *e, const mpt_planes *c,
                         const mpt_planes *out) {
  const int64_t m = s->of->m;
  double *spare[2] = {s->row + m, out->im ? s->row + 2 * m : NULL};
  for (int64_t a = 0; a < m; a++)
    for (int64_t b = a; b < m; b++) {
      triples t = {.e = rows_of(e, a * m, b * m), .c = rows_of(c, a * m, b * m)};
      for (int p = 0; p < 2; p++) {
        double *plane = p ? out->im : out->re;
        t.a[p] = plane ? plane + a * m : NULL;
        t.b[p] = plane ? plane + b * m : NULL;
      }
      mpt_second_row(s, a, b, s->row);
      add_triples(m, a, b, s->row, &t, spare);
    }
}
