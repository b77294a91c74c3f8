#include "spectral/fermi.h"

#include <float.h>
#include <math.h>

double mpt_log_fermi(double x) {
  return x > 0 ? -x - log1p(exp(-x)) : -log1p(exp(x));
}

/* log(sum_i exp(l_i)), accumulated term by term, and the mean of a quantity weighted by the terms.
 */
typedef struct log_sum {
  double largest, sum, moment;
} log_sum;

static void add_term(log_sum *s, double l, double slope) {
  if (l > s->largest) {
    const double shrink = exp(s->largest - l);
    s->sum *= shrink;
    s->moment *= shrink;
    s->largest = l;
  }
  const double term = l > -INFINITY ? exp(l - s->largest) : 0;
  s->sum += term;
  s->moment += term * slope;
}

/* `whole` is the integer nearest to the number of electrons, and `rest` the difference, of either
 * sign. With the lowest `whole` states filled, returns log(electrons above, plus what is missing to
 * whole) - log(holes below, plus what is beyond whole). This rises with mu. It is right to all
 * digits even where both are tiny: in a gap, and very near to all states empty or full. *slope is
 * its derivative with respect to beta mu. */
static double excess(int64_t m, const double *w, double beta, double electrons, double mu,
                     double *slope) {
  const int64_t whole = (int64_t)round(electrons);
  const double rest = electrons - (double)whole; /* exact */
  log_sum up = {-INFINITY, 0, 0}, down = {-INFINITY, 0, 0};
  if (rest > 0) add_term(&down, log(rest), 0);
  if (rest < 0) add_term(&up, log(-rest), 0);
  for (int64_t i = 0; i < m; i++) {
    const double x = beta * (w[i] - mu), f = exp(mpt_log_fermi(x));
    if (i >= whole)
      add_term(&up, mpt_log_fermi(x), 1 - f);
    else
      add_term(&down, mpt_log_fermi(-x), -f);
  }
  *slope = up.moment / up.sum - down.moment / down.sum;
  return up.largest + log(up.sum) - down.largest - log(down.sum);
}

double mpt_chemical_potential(int64_t m, const double *w, double beta, double electrons) {
  enum { MOST = 300 };
  const double reach =
      (log((double)m) + fabs(log(electrons)) + fabs(log((double)m - electrons)) + 40) / beta;
  double low = w[0] - reach, high = w[m - 1] + reach;
  const int64_t whole = (int64_t)round(electrons);
  double mu = whole > 0 && whole < m ? w[whole - 1] / 2 + w[whole] / 2 : low / 2 + high / 2;
  for (int k = 0; k < MOST; k++) {
    double slope;
    const double e = excess(m, w, beta, electrons, mu, &slope);
    if (e == 0) break;
    if (e > 0)
      high = mu;
    else
      low = mu;
    double next = slope > 0 ? mu - e / slope / beta : low;
    if (!(next > low && next < high)) next = low / 2 + high / 2;
    if (fabs(next - mu) <= DBL_EPSILON / 4 * fmax(fabs(mu), 1 / beta)) break;
    mu = next;
  }
  return mu;
}

void mpt_fermi_weights(int64_t m, const double *x, double *weight) {
  double largest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < m; i++) {
    weight[i] = mpt_log_fermi(x[i]) + mpt_log_fermi(-x[i]);
    largest = fmax(largest, weight[i]);
  }
  for (int64_t i = 0; i < m; i++) sum += weight[i] = exp(weight[i] - largest);
  for (int64_t i = 0; i < m; i++) weight[i] /= sum;
}
