#include "spectral.h"

#include <math.h>
#include "scalar.h"

int64_t mpt_number_multiplets(int64_t m, const double *w, double tolerance, int32_t *id) {
  int32_t current = 0;
  for (int64_t j = 0; j < m; j++) {
    if (j > 0 && w[j] - w[j - 1] > tolerance) current++;
    id[j] = current;
  }
  return m ? current + 1 : 0;
}

double mpt_spectral_norm(int64_t m, const double *w) {
  return m ? fmax(fabs(w[0]), fabs(w[m - 1])) : 0;
}

double mpt_min_gap(int64_t m, const double *w, const int32_t *multiplet, double norm) {
  double gap = 2;
  if (norm == 0) return gap;
  for (int64_t j = 1; j < m; j++)
    if (multiplet[j] != multiplet[j - 1]) gap = fmin(gap, w[j] / norm - w[j - 1] / norm);
  return gap;
}

double mpt_apply_spread_policy(int64_t m, const int32_t *multiplet, mpt_spread_policy policy,
                               double *gw) {
  double largest = 0, spread = 0;
  for (int64_t j = 0; j < m; j++) largest = fmax(largest, fabs(gw[j]));
  if (largest == 0) return 0;
  for (int64_t start = 0, stop; start < m; start = stop) {
    double low = gw[start], high = gw[start], sum = 0;
    for (stop = start; stop < m && multiplet[stop] == multiplet[start]; stop++) {
      low = fmin(low, gw[stop]);
      high = fmax(high, gw[stop]);
      sum += gw[stop] / (double)m; /* divided first: cotangents near overflow stay finite */
    }
    if (high == low) continue;
    spread = fmax(spread, high / largest - low / largest);
    if (policy != MPT_MEAN) continue;
    for (int64_t j = start; j < stop; j++) gw[j] = sum * ((double)m / (double)(stop - start));
  }
  return spread;
}

void mpt_sums_add(mpt_sums *sums, const mpt_sums *more) {
  sums->gauge = fmax(sums->gauge, more->gauge);
  sums->noise2 += more->noise2;
  sums->x2 += more->x2;
}

void mpt_add_diagonal(const mpt_rule *rule, mpt_sums *sums) {
  for (int64_t j = 0; j < rule->m; j++) {
    const double x = rule->gw[j] * rule->cotangent_scale * rule->gap_scale;
    sums->x2 += x * x;
  }
}

/* Squares of eps ||A|| difference / gap between eigenvalue i and those below it; the sums stand
 * side by side, so that the loop vectorizes. */
VECTOR_CLONES
static double turns_of(const mpt_rule *rule, int64_t i) {
  enum { RUN = 8 };
  double side[RUN] = {0}, sum = 0;
  const double wi = rule->w[i], gi = rule->gw[i], unit = rule->cotangent_scale;
  const double angle = rule->epsilon * rule->norm * rule->gap_scale;
  for (int64_t j0 = 0; j0 < i; j0 += RUN) {
    const int count = i - j0 < RUN ? (int)(i - j0) : RUN;
    for (int l = 0; l < count; l++) {
      const bool same = rule->multiplet[j0 + l] == rule->multiplet[i];
      const double gap = same ? 1 : wi - rule->w[j0 + l];
      const double turn = same ? 0 : (gi - rule->gw[j0 + l]) * unit * (angle / gap);
      side[l] += turn * turn;
    }
  }
  for (int l = 0; l < RUN; l++) sum += side[l];
  return sum;
}

double mpt_gradient_error(const mpt_rule *rule, const mpt_sums *sums) {
  if (sums->x2 == 0) return 0;
  double turn2 = 0;
  for (int64_t i = 1; i < rule->m; i++) turn2 += 2 * turns_of(rule, i);
  double error = sqrt((sums->noise2 + turn2) / sums->x2);
  error += rule->epsilon * sqrt((double)rule->m);
  return isfinite(error) ? fmin(error, 1e300) : 1e300;
}
