/* Outputs made of the eigenpairs of one problem: gradients, functions, frames, derivatives along a
 * direction. The mathematics is that of src/spectral, the products are the engine's. */
#ifndef MPT_OUTPUTS_H
#define MPT_OUTPUTS_H

#include "engine/context.h"

/* All outputs of problem k, whose eigenpairs and multiplets stand in the batch; sets its status.
 * Collective over the team. */
void mpt_make_outputs(mpt_output_context *context, int64_t k);

#endif
