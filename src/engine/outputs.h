/* Outputs made from the eigenpairs of one problem: gradients, functions, frames, derivatives along
 * a direction. The mathematics is in src/spectral; the engine does the products. */
#ifndef MPT_OUTPUTS_H
#define MPT_OUTPUTS_H

#include "engine/context.h"

/* Makes all outputs of problem k, whose eigenpairs and multiplets are in the batch, and sets its
 * status. Collective over the team. */
void mpt_make_outputs(mpt_output_context *context, int64_t k);

#endif
