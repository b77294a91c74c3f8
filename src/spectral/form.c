/* Finds the form that a loss has inside a multiplet: the fit of gw = rho diag(S) + a (backward.h).
 */
#include <float.h>
#include <math.h>
#include "spectral/backward.h"

/* The fit for one multiplet. */
typedef struct fit {
  mpt_rule *rule;
  const double *s;     /* [m] the diagonal of S, or NULL */
  int64_t first, stop; /* its pairs */
  double largest;      /* the largest |gw| of all pairs */
  double floor;        /* rounding error of gw where it vanishes beside gv: negligible for X */
  double low, high, mean, most; /* least, largest and mean gw in this multiplet; its largest |gw| */
  double bend; /* relative change of rho that the distance between the members explains */
} fit;

static double s_of(const fit *f, int64_t j) {
  return f->s ? f->s[j] * f->rule->gv_in[0] * f->rule->gv_in[1] : 0;
}

/* The noise of S_jj: a few rounding errors of the cotangent. S and gw are made from the same
 * vectors, whose own errors do not matter here. r->level, used for the noise of K, is a cautious
 * bound. */
static double noise_of(const mpt_rule *r, int64_t j) {
  const double epsilon = fmax(r->epsilon, r->cotangent_epsilon);
  return r->gv_norm ? 3 * epsilon * r->gv_norm[j] * r->gv_in[0] * r->gv_in[1] : 0;
}

/* The noise of gw: its own rounding error and the one it shares with S. */
static double noise_of_value(const mpt_rule *r, double rho, double noise, double gw) {
  return fabs(rho) * noise + 4 * fmax(r->epsilon, r->cotangent_epsilon) * fabs(gw);
}

/* Between multiplets a simple eigenvalue has a rho of its own. */
static void fit_single(const fit *f) {
  mpt_rule *r = f->rule;
  const int64_t j = f->first;
  const double s = s_of(f, j), noise = noise_of(r, j), gw = r->cotangent[j];
  r->x[j] = gw;
  r->inside[j] = 0;
  r->inside_error[j] = 0;
  r->rho[j] = 0;
  r->rho_error[j] = INFINITY;
  if (fabs(s) <= 4 * noise || s == 0) return;
  r->rho[j] = gw / s;
  r->rho_error[j] =
      (noise_of_value(r, r->rho[j], noise, gw) + fabs(r->rho[j]) * noise) / 4 / fabs(s);
}

/* Fits gw by rho s (+ a) with least squares; returns whether the residual is rounding error. */
static bool try_form(const fit *f, bool constant, double *rho, double *error) {
  const mpt_rule *r = f->rule;
  const double count = (double)(f->stop - f->first);
  double sm = 0, ss = 0, sg = 0;
  for (int64_t j = f->first; j < f->stop; j++) sm += constant ? s_of(f, j) / count : 0;
  for (int64_t j = f->first; j < f->stop; j++) {
    const double s = s_of(f, j) - sm, g = r->cotangent[j] - (constant ? f->mean : 0);
    ss += s * s;
    sg += s * g;
  }
  if (ss == 0) return false;
  *rho = sg / ss;
  *error = 0;
  bool fits = true;
  for (int64_t j = f->first; j < f->stop; j++) {
    const double s = s_of(f, j) - sm, g = r->cotangent[j] - (constant ? f->mean : 0);
    const double noise = noise_of(r, j), own = noise_of_value(r, *rho, noise, f->most);
    const double allowed = 2.5 * own + fabs(*rho * s_of(f, j)) * f->bend;
    fits &= fabs(g - *rho * s) <= allowed;
    fits &= own <= 4 * sqrt(r->epsilon) * (f->high - f->low); /* otherwise the fit says nothing */
    *error = fmax(*error, (own + fabs(*rho) * noise) / 4 / sqrt(ss / count));
  }
  return fits;
}

static void certify(const fit *f, double rho, double error, bool pairs) {
  mpt_rule *r = f->rule;
  for (int64_t j = f->first; j < f->stop; j++) {
    r->x[j] = r->cotangent[j];
    r->inside[j] = rho;
    r->inside_error[j] = error;
    r->rho[j] = pairs ? rho : 0;
    r->rho_error[j] = pairs ? error : INFINITY;
  }
  if (r->kind < MPT_RULE_FORM) r->kind = MPT_RULE_FORM;
}

/* The weights come from the second moment of a Haar-random basis: the mean over bases is exact. */
static double unbiased(const fit *f, int64_t j) {
  const mpt_rule *r = f->rule;
  const double m = (double)(f->stop - f->first), gw = r->cotangent[j], trace = m * f->mean;
  return mpt_type_is_complex(r->type) ? (m + 1) * gw - trace : ((m + 2) * gw - trace) / 2;
}

static void apply_policy(const fit *f, bool differ) {
  static const mpt_gradient_rule kinds[] = {[MPT_SPREAD_MEAN] = MPT_RULE_MEAN,
                                            [MPT_SPREAD_RAW] = MPT_RULE_RAW,
                                            [MPT_SPREAD_REFUSE] = MPT_RULE_RAW,
                                            [MPT_SPREAD_UNBIASED] = MPT_RULE_UNBIASED};
  _Static_assert(sizeof kinds / sizeof *kinds == MPT_SPREAD_UNBIASED + 1, "a policy has no rule");
  mpt_rule *r = f->rule;
  const mpt_spread_policy policy = r->policy;
  const bool keep = policy == MPT_SPREAD_RAW || policy == MPT_SPREAD_REFUSE;
  for (int64_t j = f->first; j < f->stop; j++) {
    r->x[j] = keep                                      ? r->cotangent[j]
              : policy == MPT_SPREAD_UNBIASED && differ ? unbiased(f, j)
                                                        : f->mean;
    r->inside[j] = r->rho[j] = 0;
    r->inside_error[j] = differ ? INFINITY : 0;
    r->rho_error[j] = INFINITY;
  }
  if (differ && r->kind < kinds[policy]) r->kind = kinds[policy];
}

static bool depends_on_basis(const fit *f) {
  bool any = false;
  for (int64_t j = f->first; j < f->stop; j++) any |= f->rule->turned[j] > 0;
  return any;
}

static void survey(fit *f) {
  const mpt_rule *r = f->rule;
  const double count = (double)(f->stop - f->first);
  f->low = f->high = r->cotangent[f->first];
  f->mean = f->most = 0;
  for (int64_t j = f->first; j < f->stop; j++) {
    const double gw = r->cotangent[j];
    f->low = fmin(f->low, gw);
    f->high = fmax(f->high, gw);
    f->most = fmax(f->most, fabs(gw));
    f->mean += gw / count;
  }
  const double w = fabs(r->place[f->first] + r->place[f->stop - 1]) / 2;
  const double width = r->place[f->stop - 1] - r->place[f->first];
  f->bend = fmin(width * (w > 0 ? 4 / w : 0) + 100 * width, 1e4 * r->epsilon);
}

static void fit_multiplet(fit *f) {
  mpt_rule *r = f->rule;
  double rho, error;
  survey(f);
  const bool basis = depends_on_basis(f);
  const double spread = f->largest > 0 ? (f->high - f->low) / f->largest : 0;
  r->spread = fmax(r->spread, spread);
  if (f->high - f->low <= 2 * r->epsilon * sqrt((double)r->n) * f->most + f->floor)
    apply_policy(f, false);
  else if (!basis && try_form(f, false, &rho, &error))
    certify(f, rho, error, true);
  else if (!basis && f->stop - f->first > 2 && try_form(f, true, &rho, &error))
    certify(f, rho, error, false);
  else {
    r->uncertified = fmax(r->uncertified, spread);
    apply_policy(f, true);
  }
}

/* The distance from eigenvalue j within which the quotient K / d says nothing about the form,
 * because K = S rho d is noise there. */
static double blind_zone(const mpt_rule *r, int64_t j) {
  const double gw = fabs(r->cotangent[j]);
  const double noise = r->level * r->gv_norm[j] * r->gv_in[0] * r->gv_in[1];
  return gw > 0 ? 4 * noise / gw : 0;
}

enum { NEIGHBOURS = 4 }; /* the number consulted on either side */

/* How fast rho changes, as far as the nearest eigenvalues beyond the blind zone show it. */
static double drift_of(const mpt_rule *r, int64_t j, double zone) {
  const double least = 10, most = mpt_real_size(r->type) == 4 ? 200 : 2000;
  double drift = most;
  for (int side = -1; side <= 1; side += 2)
    for (int64_t i = j + side, k = 0; i >= 0 && i < r->m && k < 2 * NEIGHBOURS; i += side, k++) {
      const double d = fabs(r->place[i] - r->place[j]);
      if (d <= zone || isinf(r->rho_error[i])) continue;
      drift = fmin(drift, 2 * fabs(r->rho[i] - r->rho[j]) / (fabs(r->rho[j]) * d));
      break;
    }
  return drift > least ? drift : least;
}

/* Two of many close eigenvalues may agree in rho by chance; with one function all of them agree. A
 * rho that a neighbour in the blind zone contradicts is therefore given up. */
static void ask_neighbours(const fit *f) {
  mpt_rule *r = f->rule;
  for (int64_t j = 0; j < r->m; j++)
    if (!isinf(r->rho_error[j]) && r->rho[j] != 0) r->drift[j] = drift_of(r, j, blind_zone(r, j));
  for (int64_t j = 0; j < r->m; j++) {
    const double zone = blind_zone(r, j);
    bool contradicted = false;
    for (int64_t i = j > NEIGHBOURS ? j - NEIGHBOURS : 0; i < r->m && i <= j + NEIGHBOURS; i++) {
      const double d = r->place[i] - r->place[j], drift = fmax(r->drift[i], r->drift[j]);
      if (fabs(d) > zone || isinf(r->rho_error[i]) || isinf(r->rho_error[j])) continue;
      contradicted |= !mpt_alike(r->rho[i], r->rho_error[i], r->rho[j], r->rho_error[j], d, drift);
    }
    r->size[j] = contradicted;
  }
  for (int64_t j = 0; j < r->m; j++) {
    if (r->size[j] > 0) r->rho_error[j] = INFINITY;
    r->size[j] = 0;
  }
}

static void look_at_vectors(fit *f) {
  const mpt_rule *r = f->rule;
  for (int64_t j = 0; j < r->m; j++) {
    const double norm = r->gv_norm[j] * r->gv_in[0] * r->gv_in[1], s = s_of(f, j);
    f->floor = fmax(f->floor, 16 * fmax(r->epsilon, r->cotangent_epsilon) * norm);
    r->leverage[j] = mpt_leverage2(norm * norm, s * s, (double)r->n);
    r->own[j] = fabs(s);
  }
}

void mpt_rule_fit(mpt_rule *r, const double *s) {
  fit f = {.rule = r, .s = s};
  if (s && r->gv_norm) look_at_vectors(&f);
  r->spread = r->uncertified = 0;
  r->kind = MPT_RULE_PLAIN;
  for (int64_t j = 0; j < r->m; j++) f.largest = fmax(f.largest, fabs(r->cotangent[j]));
  for (f.first = 0; f.first < r->m; f.first = f.stop) {
    f.stop = f.first + 1;
    while (f.stop < r->m && r->multiplet[f.stop] == r->multiplet[f.first]) f.stop++;
    if (f.stop - f.first == 1)
      fit_single(&f);
    else
      fit_multiplet(&f);
  }
  if (s && r->gv_norm) ask_neighbours(&f);
  for (int64_t j = 0; j < r->m; j++) r->turned[j] = 0;
  if (r->uncertified <= sqrt(r->epsilon) && r->kind > MPT_RULE_FORM) r->kind = MPT_RULE_PLAIN;
}
