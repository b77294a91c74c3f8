#include "spectral/entropy.h"

#include <math.h>
#include "spectral/spectral.h"

/* 1 / e to twice the precision. */
static const double inverse_e = 0x1.78b56362cef38p-2, inverse_e_low = -0x1.ca8a4270fadf5p-57;

/* log(x) + 1, which loses no digits near its zero. */
static double log_plus_one(double x, double low) {
  if (x < inverse_e / 2 || x > inverse_e * 2) return log(x) + 1 + low / x;
  return log1p(((x - inverse_e) + (low - inverse_e_low)) / inverse_e);
}

/* ((1 + z) log(1 + z) - (1 - z) log(1 - z)) / (2 z) - 1 for |z| <= 1/3: -z^2/6 - z^4/20 - ... */
static double bend(double z) {
  enum { TERMS = 18 };
  double sum = 0, power = 1;
  for (int k = 1; k <= TERMS && power > 0; k++) {
    power *= z * z;
    sum += power / (2 * k * (2 * k + 1));
    if (power < sum * 0x1p-53) break;
  }
  return -sum;
}

double mpt_entropy_difference(double x, double x_low, double y, double y_low) {
  const double ratio = x / y;
  if (!(ratio <= 2)) return log(x) + (isfinite(ratio) ? log(ratio) / (ratio - 1) : 0);
  double low;
  const double middle = mpt_two_sum(y, (x - y) / 2, &low);
  const double apart = (x - y) + (x_low - y_low);
  return log_plus_one(middle, low + (x_low + y_low) / 2) + bend(apart / 2 / middle);
}
