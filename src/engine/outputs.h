/* What is made of the eigenpairs of one problem: gradients, functions, frames, derivatives along a
 * direction. The mathematics is that of src/spectral, the products are the engine's. */
#ifndef MPT_OUTPUTS_H
#define MPT_OUTPUTS_H

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

/* Whether a batch has functions, a frame or a direction. */
bool mpt_has_outputs(const mpt_batch *batch);

/* Not collective; MPT_NO_RESOURCE without memory. */
mpt_code mpt_output_context_open(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                 const mpt_options *options, mpt_batch *batch,
                                 mpt_output_context *context);
void mpt_output_context_close(mpt_output_context *context);

/* All outputs of problem k, whose eigenpairs and multiplets stand in the batch; sets its status.
 * Collective over the team. */
void mpt_make_outputs(mpt_output_context *context, int64_t k);

/* The gradient's part of it (gradient.c); functions and frame have been started. */
void mpt_make_gradient(mpt_output_context *context, int64_t k);

/* For both: the diagonal of T on all ranks, into context->diagonal; V^H R of a frame's reference or
 * cotangent, which has a part for problem k if `each`; 2-norms of the columns of a matrix whose
 * largest element is `largest`, and whether they are finite. Collective. */
void mpt_team_diagonal(mpt_output_context *context);
void mpt_frame_rows(mpt_output_context *context, int64_t k, const void *array, bool each,
                    mpt_wide *out);
bool mpt_team_norms(const mpt_team *team, mpt_type type, int64_t rows, int64_t columns,
                    const void *slab, double largest, double *norm);

/* Zeroes what a failed problem k has of functions, frames and derivatives; gradient.c's of the
 * gradients alone. */
void mpt_zero_made(mpt_batch *batch, int64_t k);
void mpt_zero_gradient(mpt_batch *batch, int64_t k);

/* Where problem k's part of an array with `each` elements of `size` bytes a problem begins. */
void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size);

/* What mpt_rule_look() found on all ranks. Collective. */
void mpt_share_looks(const mpt_team *team, mpt_rule *rule);

/* What the tiles of all ranks add up to; the rule's arrays likewise. Collective. */
mpt_sums mpt_sums_over_team(const mpt_team *team, mpt_rule *rule, mpt_sums sums);

/* mpt_cotangent_epsilon of all ranks' parts. Collective. */
double mpt_team_precision(const mpt_team *team, mpt_type type, int64_t count, const void *slab);

/* A power of two that takes a number near 1; the second is 1 for numbers that are not near the ends
 * of the exponent range. */
double mpt_scale_of(double largest);
double mpt_extreme_scale(mpt_type type, double largest);

/* Collective: the largest |Re|, |Im| of a slab on all ranks; negative when one is not finite. */
double mpt_largest_on_team(const mpt_team *team, mpt_type type, int64_t count, const void *slab);

#endif
