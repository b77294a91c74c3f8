/* Divided differences of x log x, with which entropies are differentiated. */
#ifndef MPT_ENTROPY_H
#define MPT_ENTROPY_H

/* (x log x - y log y) / (x - y), or log x + 1, for x >= y > 0, each known to twice the precision as
 * x + x_low. Its error is a few units in the last place of the larger of |log x| and 1; for y >=
 * x/2 of itself. */
double mpt_entropy_difference(double x, double x_low, double y, double y_low);

#endif
