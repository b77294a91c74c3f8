/* The kinds of matrix functions: one row each in the table of kinds.c, from which the config's keys
 * and messages, the check of arguments, `check`, `show` and the Python package derive.
 *
 * A kind is a scalar function of the argument x = factor (w - mu), by default of scale w. */
#ifndef MPT_KINDS_H
#define MPT_KINDS_H

#include "spectral/function.h"

enum { MPT_MOST_PARAMETERS = 4 };

typedef struct mpt_kind {
  const char *name;
  mpt_parameter parameters[MPT_MOST_PARAMETERS + 1]; /* up to the one without a name */
  const char *one_of; /* what the one of MPT_NEED_ONE_OF says, for whoever gave both or neither */
  const char
      *wants; /* what it wants of the spectrum, for whoever had MPT_STATUS_FUNCTION_UNDEFINED */

  /* Where it exists; NULL: everywhere. */
  bool (*exists)(const mpt_function *f, double x);

  /* Sets factor, mu and weight, before anything else is called; NULL: the factor is the scale. */
  mpt_status (*start)(mpt_spectral_function *f, const int32_t *multiplet);

  /* f at x + low, and in *rest what the divided difference takes besides, if anything; NULL:
   * start() set all values, and there is no argument. */
  double (*value)(const mpt_function *f, double x, double low, double *rest);

  /* f[w_i, w_j], i having the larger argument; i == j: the derivative f'(w_i). */
  double (*difference)(const mpt_spectral_function *f, int64_t i, int64_t j);

  /* The distance in the spectrum over which it changes by about itself. */
  double (*reach)(const mpt_spectral_function *f);

  /* See mpt_function_turns(); NULL: by its own differences at either side. */
  double (*turn)(const mpt_spectral_function *f, int64_t i, double shift);
} mpt_kind;

extern const mpt_kind mpt_kinds[]; /* [MPT_FUNCTION_KINDS] */

#endif
