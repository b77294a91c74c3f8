#include "spectral/occupation.h"

#include <math.h>

static const double root_pi = 1.7724538509055160273;
static const double shift_of_cold = 0x1.6a09e667f3bcdp-1; /* 1/sqrt(2), and what is missing */
static const double shift_low = -0x1.bdd3413b26456p-55;

bool mpt_is_occupation(int kind) {
  return kind == MPT_FUNCTION_FERMI || kind == MPT_FUNCTION_GAUSSIAN ||
         kind == MPT_FUNCTION_METHFESSEL_PAXTON || kind == MPT_FUNCTION_COLD;
}

double mpt_occupation_factor(const mpt_function *f, double *low) {
  *low = 0;
  if (f->kind == MPT_FUNCTION_FERMI) return f->beta;
  const double factor = 1 / f->sigma;
  if (isfinite(factor)) *low = fma(-f->sigma, factor, 1) / f->sigma;
  return factor;
}

/* u = x + shift. */
static double shifted(const mpt_function *f, double x, double low, double *u_low) {
  double rest;
  *u_low = low;
  if (f->kind != MPT_FUNCTION_COLD) return x;
  const double u = mpt_two_sum(x, shift_of_cold, &rest);
  *u_low = low + (isfinite(u) ? rest : 0) + shift_low;
  return u;
}

static double square(double u, double low, double *rest) {
  const double square = u * u;
  *rest = isfinite(square) ? fma(u, u, -square) + 2 * u * low : 0;
  return square;
}

static int order_of(const mpt_function *f) {
  if (f->kind != MPT_FUNCTION_METHFESSEL_PAXTON) return 0;
  return f->order > 0 ? (int)f->order : 1;
}

/* p(u); *q receives q(u). */
static double polynomials(const mpt_function *f, double u, double low, double *q) {
  const double most = 1e18; /* beyond it exp(-u^2) leaves nothing, and powers would overflow */
  *q = 0;
  u = fmax(fmin(u, most), -most);
  if (f->kind == MPT_FUNCTION_COLD) {
    *q = 1 / (sqrt(2) * root_pi);
    return sqrt(2) / root_pi * ((u + shift_of_cold) + (low + shift_low));
  }
  double a = 1 / root_pi, p = a, even = 1, odd = 2 * u; /* H_0, H_1 */
  for (int n = 1; n <= order_of(f); n++) {
    a /= -4 * n;
    *q += a * odd;
    even = 2 * u * odd - 2 * (2 * n - 1) * even;
    p += a * even;
    odd = 2 * u * even - 4 * n * odd;
  }
  return p;
}

/* erfc(u) exp(u^2) for u >= 0; the series is right to all digits from 6 on. */
static double scaled_erfc(double u) {
  double low, sum = 1, term = 1;
  const double u2 = square(u, 0, &low);
  if (u < 6) return erfc(u) * exp(u2) * (1 + low);
  for (int k = 1; k < 40 && fabs(term) > 1e-18; k++) sum += term *= -(2 * k - 1) / (2 * u2);
  return sum / (u * root_pi);
}

/* A number mantissa exp(high + low), and -df/dx in the same unit. */
typedef struct scaled {
  double mantissa, slope, high, low;
} scaled;

static double plain(double mantissa, double high, double low) {
  return mantissa * exp(high) * (1 + low);
}

/* What is 1 - tail. */
static scaled other(const scaled *tail) {
  return (scaled){1 - plain(tail->mantissa, tail->high, tail->low),
                  plain(tail->slope, tail->high, tail->low), 0, 0};
}

/* Sets f, and 1 - f, at x + low. */
static void occupy(const mpt_function *f, double x, double low, scaled *occupied, scaled *hole) {
  double q, rest, u_low;
  const double u = shifted(f, x, low, &u_low), side = u < 0 ? -1 : 1;
  scaled tail; /* the smaller one, as a rule */
  if (f->kind == MPT_FUNCTION_FERMI) {
    const double most = 1 / (1 + exp(-fabs(x)));
    tail = (scaled){most, most * most, -fabs(x), -side * low};
  } else {
    const double p = polynomials(f, u, u_low, &q), u2 = square(u, u_low, &rest);
    tail = (scaled){scaled_erfc(fabs(u)) / 2 + side * q, p, -u2, -rest};
  }
  *(u < 0 ? hole : occupied) = tail;
  *(u < 0 ? occupied : hole) = other(&tail);
}

double mpt_occupied(const mpt_function *f, double x, double low, double *hole) {
  scaled of[2];
  occupy(f, x, low, &of[0], &of[1]);
  *hole = plain(of[1].mantissa, of[1].high, of[1].low);
  return plain(of[0].mantissa, of[0].high, of[0].low);
}

enum { NODES = 4 }; /* on either side */
static const double node[NODES] = {0.18343464249564980494, 0.52553240991632898582,
                                   0.79666647741362673959, 0.96028985649753623168};
static const double share[NODES] = {0.36268378337836198297, 0.31370664587788728734,
                                    0.22238103445337447054, 0.10122853629037625915};

/* The mean of df/dx over m - h to m + h, where h is small: by Gauss and Legendre, with exp(-m^2)
 * taken out. */
static double mean_slope(const mpt_function *f, double m, double low, double h) {
  double rest, q, sum = 0;
  const double m2 = square(m, low, &rest);
  if (h == 0) return -plain(polynomials(f, m, low, &q), -m2, -rest);
  for (int k = 0; k < 2 * NODES; k++) {
    const double s = h * (k < NODES ? node[k] : -node[k - NODES]);
    sum += share[k % NODES] / 2 * polynomials(f, m + s, low, &q) * exp(-s * (2 * m + s));
  }
  return -plain(sum, -m2, -rest);
}

/* Beyond the mean's reach f differs at the two ends by about as much as it is, and the quotient
 * loses no digits. */
double mpt_smearing_difference(const mpt_function *f, const mpt_occupation_pair *c) {
  double low, m_low;
  const double sum = mpt_two_sum(c->x, c->y, &low), h = c->d / 2;
  const double m = shifted(f, sum / 2, (low + c->x_low + c->y_low) / 2, &m_low);
  if (h * (1 + order_of(f)) <= 0.5 && fabs(m) * h <= 0.5) return mean_slope(f, m, m_low, h);
  if (m - h >= 0) return (c->occupied[0] - c->occupied[1]) / c->d;
  if (m + h <= 0) return (c->hole[1] - c->hole[0]) / c->d;
  return ((c->occupied[0] + c->hole[1]) - 1) / c->d;
}

/* df/dx = -sum_n share_n H_n(u) exp(-u^2); returns how many there are. */
enum { HERMITES = 2 * 8 + 2 };
static int hermite_shares(const mpt_function *f, double *share_of) {
  double a = 1 / root_pi;
  for (int n = 0; n < HERMITES; n++) share_of[n] = 0;
  share_of[0] = a;
  if (f->kind == MPT_FUNCTION_COLD) share_of[1] = shift_of_cold / root_pi;
  for (int n = 1; n <= order_of(f); n++) share_of[2 * n] = a /= -4 * n;
  return f->kind == MPT_FUNCTION_COLD ? 2 : 2 * order_of(f) + 1;
}

/* The derivative of H_n exp(-u^2) is -H_{n+1} exp(-u^2). */
void mpt_smearing_series(const mpt_function *f, double x, double low, double length, int count,
                         double *term) {
  enum { MOST = HERMITES + 17 };
  double share_of[HERMITES], hermite[MOST], rest, u_low;
  const double u = shifted(f, x, low, &u_low), u2 = square(u, u_low, &rest);
  const double all = plain(1, -u2, -rest);
  const int shares = hermite_shares(f, share_of);
  hermite[0] = 1;
  hermite[1] = 2 * (u + u_low);
  for (int n = 1; n + 1 < MOST; n++)
    hermite[n + 1] = hermite[1] * hermite[n] - 2 * n * hermite[n - 1];
  double unit = 0.5; /* length^k (-1)^k / (k + 2)! */
  for (int k = 0; k < count; k++, unit *= -length / (k + 2)) {
    double sum = 0;
    for (int n = 0; n < shares; n++) sum += share_of[n] * hermite[n + k + 1];
    term[k] = all > 0 ? unit * all * sum : 0;
  }
}

/* A sum of scaled numbers, in the unit of the largest. */
typedef struct scaled_sum {
  scaled of;
  bool any;
} scaled_sum;

/* exp(a's exponent - b's) */
static double ratio(const scaled *a, const scaled *b) {
  return a->high > -INFINITY ? exp((a->high - b->high) + (a->low - b->low)) : 0;
}

static void add_term(scaled_sum *s, const scaled *term, double weight, double slope) {
  if (weight == 0) return;
  if (!s->any || term->high > s->of.high) {
    const double shrink = s->any ? ratio(&s->of, term) : 0;
    s->of = (scaled){s->of.mantissa * shrink, s->of.slope * shrink, term->high, term->low};
    s->any = true;
  }
  const double in = weight * ratio(term, &s->of);
  s->of.mantissa += in * term->mantissa;
  s->of.slope += in * slope * term->slope;
}

/* The levels with the lowest `filled` of them full: then `rest` electrons, of either sign, are
 * still to be placed. */
typedef struct filling {
  const mpt_function *f;
  mpt_levels levels;
  int64_t filled;
  double rest, most, holes; /* and the sum of the weights; what that exceeds f->electrons by */
  double factor, factor_low;
} filling;

static double weight_of(const mpt_levels *l, int64_t i) {
  return l->weight ? l->weight[i] : 1;
}

static double argument(const filling *t, int64_t i, double mu, double mu_low, double *low) {
  double rest;
  const double apart = mpt_two_sum(t->levels.w[i], -mu, &rest), x = t->factor * apart;
  *low = isfinite(x)
             ? fma(t->factor, apart, -x) + t->factor * (rest - mu_low) + t->factor_low * apart
             : 0;
  return x;
}

static void fill_levels(filling *t) {
  const mpt_levels *l = &t->levels;
  const double electrons = t->f->electrons;
  double sum = 0, low = 0, part;
  bool whole = true;
  t->filled = 0;
  t->rest = electrons;
  for (int64_t i = 0; i < l->m; i++) {
    whole &= weight_of(l, i) == floor(weight_of(l, i));
    sum = mpt_two_sum(sum, weight_of(l, i), &part);
    low += part;
    const double rest = (electrons - sum) - low;
    if (t->filled < i || fabs(rest) > fabs(t->rest)) continue;
    t->filled = i + 1;
    t->rest = rest;
  }
  t->most = sum + low;
  t->holes = (sum - electrons) + low;
  if (!whole && t->holes <= 8 * 0x1p-52 * electrons) t->holes = 0;
  if (!whole && fabs(t->rest) <= 8 * 0x1p-52 * electrons) t->rest = 0;
}

/* The electrons above the filled levels with what is missing to them, and the holes below with what
 * is beyond them. Both are right to all digits even where they are tiny: in a gap, and very near to
 * all states empty or full. At the chemical potential they are equal. */
typedef struct balance {
  scaled up, down;      /* slopes: by mu / width */
  double excess, slope; /* up - down and its slope, in the unit of the larger one */
} balance;

static balance balance_at(const filling *t, double mu, double mu_low) {
  const scaled one = {1, 0, 0, 0};
  scaled_sum up = {0}, down = {0};
  if (t->rest > 0) add_term(&down, &one, t->rest, 0);
  if (t->rest < 0) add_term(&up, &one, -t->rest, 0);
  for (int64_t i = 0; i < t->levels.m; i++) {
    double low;
    scaled occupied, hole;
    const double x = argument(t, i, mu, mu_low, &low);
    occupy(t->f, x, low, &occupied, &hole);
    if (i >= t->filled)
      add_term(&up, &occupied, weight_of(&t->levels, i), 1);
    else
      add_term(&down, &hole, weight_of(&t->levels, i), -1);
  }
  balance b = {.up = up.of, .down = down.of};
  const bool above = !down.any || (up.any && up.of.high >= down.of.high);
  const double in_up = above ? 1 : up.any ? ratio(&up.of, &down.of) : 0;
  const double in_down = !above ? 1 : down.any ? ratio(&down.of, &up.of) : 0;
  b.excess = up.of.mantissa * in_up - down.of.mantissa * in_down;
  b.slope = up.of.slope * in_up - down.of.slope * in_down;
  return b;
}

/* Newton's step: of the logarithm of up / down, which is nearly straight in a gap, where there is
 * one. */
static double step_of(const balance *b) {
  const double quotient = b->up.mantissa / b->down.mantissa;
  if (!(quotient > 0 && isfinite(quotient))) return -b->excess / b->slope;
  const double l = log(quotient) + (b->up.high - b->down.high) + (b->up.low - b->down.low);
  return -l / (b->up.slope / b->up.mantissa - b->down.slope / b->down.mantissa);
}

/* A change of sign between `low` and `high`, at both of which it is known to differ; `rises`: from
 * too few electrons to too many. */
static double root_between(const filling *t, double low, double high, double mu, bool rises) {
  enum { MOST = 300 };
  double before = INFINITY;
  for (int k = 0; k < MOST; k++) {
    const balance b = balance_at(t, mu, 0);
    if (b.excess == 0) break;
    if ((b.excess > 0) == rises)
      high = mu;
    else
      low = mu;
    const double step = step_of(&b) / t->factor;
    double next = mu + step;
    if (fabs(step) <= 0x1p-54 * fmax(fabs(mu), 1 / t->factor)) break;
    if (!(next > low && next < high) || (k % 4 == 3 && fabs(step) > before / 2))
      next = low / 2 + high / 2;
    if (next == mu || !(next > low && next < high)) break;
    if (k % 4 == 3) before = fabs(step);
    mu = next;
  }
  return mu;
}

static void ends(const filling *t, double *low, double *high) {
  const double reach = log((double)t->levels.m) + fabs(log(t->f->electrons / t->most)) + 40 +
                       fabs(log(t->holes / t->most));
  *low = t->levels.w[0] - reach / t->factor;
  *high = t->levels.w[t->levels.m - 1] + reach / t->factor;
}

/* Where it rises everywhere. */
static double only_root(const filling *t) {
  double low, high;
  const double *w = t->levels.w;
  ends(t, &low, &high);
  const bool inside = t->filled > 0 && t->filled < t->levels.m;
  return root_between(t, low, high,
                      inside ? w[t->filled - 1] / 2 + w[t->filled] / 2 : low / 2 + high / 2, true);
}

/* A search from one side of gaussian's chemical potential. */
typedef struct walk {
  double at, excess, end;
  int direction;
} walk;

static int64_t first_above(const mpt_levels *l, double x) {
  int64_t low = 0, high = l->m;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (l->w[middle] > x)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

/* The next place to look at: a step further, but across places far from every level, where no more
 * than one root is, in one step. */
static double next_place(const filling *t, const walk *k) {
  const double step = fmax(1 / (16 * t->factor), fabs(k->at) * 0x1p-50), far = 10 / t->factor;
  const mpt_levels *l = &t->levels;
  const double next = k->at + k->direction * step;
  const int64_t above = first_above(l, next);
  const bool near =
      (above < l->m && l->w[above] - next <= far) || (above > 0 && next - l->w[above - 1] <= far);
  double place = next;
  if (!near && k->direction > 0) place = above < l->m ? l->w[above] - far : k->end;
  if (!near && k->direction < 0) place = above > 0 ? l->w[above - 1] + far : k->end;
  return k->direction > 0 ? fmin(fmax(place, next), k->end) : fmax(fmin(place, next), k->end);
}

/* Goes on to the next place; returns whether a root, *root, lies before it. */
static bool go_on(const filling *t, walk *k, double *root) {
  const walk before = *k;
  k->at = next_place(t, k);
  k->excess = balance_at(t, k->at, 0).excess;
  if ((k->excess > 0) == (before.excess > 0) && k->excess != 0) return false;
  const double low = fmin(k->at, before.at), high = fmax(k->at, before.at);
  *root = k->excess == 0 ? k->at
                         : root_between(t, low, high, low / 2 + high / 2,
                                        (k->excess > 0) == (k->direction > 0));
  return true;
}

static double nearest_root(const filling *t, double from) {
  double low, high, best = from, distance = INFINITY;
  ends(t, &low, &high);
  const double excess = balance_at(t, from, 0).excess;
  if (excess == 0) return from;
  walk down = {from, excess, low, -1}, up = {from, excess, high, 1};
  for (;;) {
    const double below = down.at > low ? from - down.at : INFINITY;
    const double above = up.at < high ? up.at - from : INFINITY;
    walk *k = below <= above ? &down : &up;
    double root;
    if (!(fmin(below, above) < distance)) return best;
    if (!go_on(t, k, &root)) continue;
    if (fabs(root - from) < distance || (fabs(root - from) == distance && root < best)) best = root;
    distance = fabs(best - from);
    k->end = k->at; /* this side is done */
    *(k == &down ? &low : &high) = k->at;
  }
}

double mpt_chemical_potential(const mpt_function *f, const mpt_levels *levels, double *low) {
  filling t = {.f = f, .levels = *levels};
  fill_levels(&t);
  t.factor = mpt_occupation_factor(f, &t.factor_low);
  double mu;
  if (f->kind == MPT_FUNCTION_METHFESSEL_PAXTON || f->kind == MPT_FUNCTION_COLD) {
    mpt_function gaussian = *f;
    filling plain_one = t;
    gaussian.kind = MPT_FUNCTION_GAUSSIAN;
    plain_one.f = &gaussian;
    mu = nearest_root(&t, only_root(&plain_one));
  } else {
    mu = only_root(&t);
  }
  const balance b = balance_at(&t, mu, 0);
  const double step = step_of(&b) / t.factor;
  const bool sane = fabs(step) <= 0x1p-40 * fmax(fabs(mu), 1 / t.factor);
  return mpt_two_sum(mu, sane ? step : 0, low);
}

void mpt_occupation_response(const mpt_function *f, const mpt_levels *levels, double mu,
                             double mu_low, double *response) {
  filling t = {.f = f, .levels = *levels};
  scaled_sum sum = {0};
  t.factor = mpt_occupation_factor(f, &t.factor_low);
  for (int turn = 0; turn < 2; turn++)
    for (int64_t i = 0; i < levels->m; i++) {
      double low;
      scaled of[2];
      const double x = argument(&t, i, mu, mu_low, &low), weight = weight_of(levels, i);
      occupy(f, x, low, &of[0], &of[1]);
      const scaled *tail = of[0].high < of[1].high ? &of[0] : &of[1];
      if (!turn)
        add_term(&sum, tail, weight, 1);
      else
        response[i] = weight > 0 && sum.of.slope != 0 && sum.of.high > -INFINITY
                          ? weight * tail->slope * ratio(tail, &sum.of) / sum.of.slope
                          : 0;
    }
}

bool mpt_electrons_fit(const mpt_function *f, const mpt_levels *levels, double *hold) {
  filling t = {.f = f, .levels = *levels};
  fill_levels(&t);
  *hold = t.most;
  return t.holes > 0;
}

void mpt_occupy_levels(const mpt_function *f, const mpt_levels *levels, double mu, double mu_low,
                       double *occupied, double *slope) {
  filling t = {.f = f, .levels = *levels};
  t.factor = mpt_occupation_factor(f, &t.factor_low);
  for (int64_t i = 0; i < levels->m; i++) {
    double low;
    scaled of[2];
    const double x = argument(&t, i, mu, mu_low, &low);
    occupy(f, x, low, &of[0], &of[1]);
    if (occupied) occupied[i] = plain(of[0].mantissa, of[0].high, of[0].low);
    if (slope) slope[i] = -t.factor * plain(of[0].slope, of[0].high, of[0].low);
  }
}
