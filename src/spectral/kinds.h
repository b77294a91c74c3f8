/* The kinds of matrix functions: one row for each in the table of kinds.c. The config's keys and
 * messages, the check of arguments, `check`, `show` and the Python package derive from it.
 *
 * A kind is a scalar function of the argument x = factor (w - mu), by default of scale w. */
#ifndef MPT_KINDS_H
#define MPT_KINDS_H

#include "spectral/function.h"

enum { MPT_MOST_PARAMETERS = 4, MPT_MOST_ORDER = 8 };

/* What f does at zero, the end of its domain, if eigenvalues within rounding of zero count as zero
 * there: f(0) = 0, and f'(0) is 0 or infinite. */
typedef enum mpt_at_zero { MPT_ZERO_PLAIN = 0, MPT_ZERO_FLAT, MPT_ZERO_STEEP } mpt_at_zero;

typedef struct mpt_kind {
  const char *name;
  mpt_parameter parameters[MPT_MOST_PARAMETERS + 1]; /* ends at the first without a name */
  const char *one_of; /* text for who gave both or neither of MPT_NEED_ONE_OF */
  const char *wants;  /* what f requires of the spectrum, for MPT_STATUS_FUNCTION_UNDEFINED */

  /* Where it exists, apart from eigenvalues that count as zero; NULL: everywhere. */
  bool (*exists)(const mpt_function *f, double x);

  /* NULL: MPT_ZERO_PLAIN, an argument like others. */
  mpt_at_zero (*at_zero)(const mpt_function *f);

  /* Sets factor, mu and weight, before anything else is called; NULL: the factor is the scale. */
  mpt_status (*start)(mpt_spectral_function *f, const int32_t *multiplet);

  /* f at x + low; *rest receives what the divided difference needs besides, if anything. NULL:
   * start() set all values, and there is no argument. */
  double (*value)(const mpt_function *f, double x, double low, double *rest);

  /* f[w_i, w_j], where i has the larger argument; for i == j the derivative f'(w_i). Neither counts
   * as zero. */
  double (*difference)(const mpt_spectral_function *f, int64_t i, int64_t j);

  /* The distance in the spectrum over which it changes by about itself. */
  double (*reach)(const mpt_spectral_function *f);

  /* See mpt_function_turns(). NULL: from the kind's own differences on either side. */
  double (*turn)(const mpt_spectral_function *f, int64_t i, double shift);
} mpt_kind;

extern const mpt_kind mpt_kinds[]; /* [MPT_FUNCTION_KINDS] */

#endif
