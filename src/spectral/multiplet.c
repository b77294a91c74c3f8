/* Which eigenvalues count as equal: the numbering of multiplets, and the gaps between them
 * (spectral.h). */
#include "spectral/spectral.h"

#include <math.h>

int64_t mpt_number_multiplets(int64_t m, const double *w, double tolerance, int32_t *id) {
  int32_t current = 0;
  int64_t first = 0;
  for (int64_t j = 0; j < m; j++) {
    if (w[j] - w[first] > tolerance) {
      current++;
      first = j;
    }
    id[j] = current;
  }
  return m ? current + 1 : 0;
}

double mpt_resolution(mpt_type type, int64_t n) {
  return 5 * sqrt((double)n) * mpt_type_epsilon(type);
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
    if (policy == MPT_SPREAD_RAW || policy == MPT_SPREAD_REFUSE) continue;
    for (int64_t j = start; j < stop; j++) gw[j] = sum * ((double)m / (double)(stop - start));
  }
  return spread;
}

bool mpt_whole_multiplets(int64_t m, const int32_t *multiplet, int64_t first, int64_t stop) {
  if (first >= stop) return true;
  if (first > 0 && multiplet[first - 1] == multiplet[first]) return false;
  return stop >= m || multiplet[stop - 1] != multiplet[stop];
}

double mpt_edge_gap(int64_t m, const double *w, const int64_t index[2]) {
  double gap = INFINITY;
  if (index[0] > 0 && index[0] < m) gap = w[index[0]] - w[index[0] - 1];
  if (index[1] > 0 && index[1] < m) gap = fmin(gap, w[index[1]] - w[index[1] - 1]);
  return gap;
}
