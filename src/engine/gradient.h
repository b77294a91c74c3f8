/* The gradient of one problem. */
#ifndef MPT_MAKE_GRADIENT_H
#define MPT_MAKE_GRADIENT_H

#include "engine/context.h"

/* Makes the gradient of problem k, whose functions and frame have been started, and sets its
 * status. Collective over the team. */
void mpt_make_gradient(mpt_output_context *context, int64_t k);

#endif
