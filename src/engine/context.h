/* What making outputs of one problem after the other needs: gradients, functions, frames and
 * derivatives along a direction. */
#ifndef MPT_CONTEXT_H
#define MPT_CONTEXT_H

#include "engine/engine.h"
#include "engine/probe.h"
#include "spectral/tiles.h"

/* A problem at a time, and the memory that serves all of a batch. */
typedef struct mpt_output_context {
  const mpt_engine *engine;
  mpt_state *state;
  const mpt_team *team;
  const mpt_options *options;
  mpt_batch *batch;
  mpt_rule rule;                    /* of the current problem */
  double *w, *gw, *norm, *diagonal; /* [n], [n], [n + 1], [n] */
  double *rule_memory;              /* [MPT_RULE_ARRAYS n], where there is a gradient */
  double *turns, *shift, *spread;   /* [n], [n], [2 n], where there are outputs */
  double *function_memory;
  mpt_spectral_function *functions; /* [function_count] */
  mpt_spectral_frame frame;
  mpt_wide *frame_memory;
  mpt_probe probe; /* where there is anything to be made */
} mpt_output_context;

/* Not collective; MPT_NO_RESOURCE without memory. */
mpt_code mpt_output_context_open(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                 const mpt_options *options, mpt_batch *batch,
                                 mpt_output_context *context);
void mpt_output_context_close(mpt_output_context *context);

/* The diagonal of T on all ranks, into context->diagonal. Collective. */
void mpt_team_diagonal(mpt_output_context *context);

/* V^H R of a frame's reference or cotangent, which has a part for problem k if `each`. Collective.
 */
void mpt_frame_rows(mpt_output_context *context, int64_t k, const void *array, bool each,
                    mpt_wide *out);

#endif
