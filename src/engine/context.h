/* The working state for making the outputs of one problem after the other: gradients, functions,
 * frames and derivatives along a direction. */
#ifndef MPT_CONTEXT_H
#define MPT_CONTEXT_H

#include "engine/engine.h"
#include "engine/probe.h"
#include "spectral/tiles.h"

/* Memory for one problem, reused for all problems of a batch. */
typedef struct mpt_output_context {
  const mpt_engine *engine;
  mpt_state *state;
  const mpt_team *team;
  const mpt_options *options;
  mpt_batch *batch;
  mpt_rule rule;                    /* of the current problem */
  double *w, *gw, *norm, *diagonal; /* [n], [n], [n + 1], [n] */
  double *rule_memory;              /* [MPT_RULE_ARRAYS n], if there is a gradient */
  double *turns, *shift, *spread;   /* [n], [n], [2 n], if there are outputs */
  double *function_memory;
  mpt_spectral_function *functions; /* [function_count] */
  mpt_spectral_frame frame;
  mpt_wide *frame_memory;
  mpt_probe probe; /* if anything is to be made */
} mpt_output_context;

/* Not collective; MPT_NO_RESOURCE if memory runs out. */
mpt_code mpt_output_context_open(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                 const mpt_options *options, mpt_batch *batch,
                                 mpt_output_context *context);
void mpt_output_context_close(mpt_output_context *context);

/* Puts the diagonal of T into context->diagonal on all ranks. Collective. */
void mpt_team_diagonal(mpt_output_context *context);

/* Keeps in the report how much of M the step has left out in the null space, less what rounding may
 * have turned there. Collective. */
void mpt_note_null(const mpt_output_context *context, int64_t k, const mpt_function_step *step);

/* V^H R, where R is a frame's reference or cotangent; with `each`, problem k has its own part.
 * Collective. */
void mpt_frame_rows(mpt_output_context *context, int64_t k, const void *array, bool each,
                    mpt_wide *out);

#endif
