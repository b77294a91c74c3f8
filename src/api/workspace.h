/* What a thread of a call on arrays in memory works with, and where a handle keeps it afterwards.
 */
#ifndef MPT_WORKSPACE_H
#define MPT_WORKSPACE_H

#include <multiplet/solver.h>
#include "engine/engine.h"

/* Matrices of a chunk, where the caller's may not be written. */
typedef struct mpt_chunk_copy {
  void *memory;
  int64_t elements;
} mpt_chunk_copy;

typedef struct mpt_workspace {
  const mpt_engine *engine;
  mpt_shape shape;
  mpt_state *state; /* of a team of one */
  mpt_chunk_copy a, cotangent;
  int64_t bytes;              /* of all of this, in a handle */
  struct mpt_workspace *next; /* in a handle: the one that was used before it */
} mpt_workspace;

/* One that the handle keeps, or, without such a one or without a handle, a new one; its copies are
 * as they were left. MPT_NO_RESOURCE, *out being NULL. Several threads may call at once. */
mpt_code mpt_workspace_take(mpt_solver_handle *handle, const mpt_engine *engine,
                            const mpt_shape *shape, mpt_workspace **out, mpt_error *error);

/* Room in a copy for `elements` elements of the workspace's type, whatever they hold. */
mpt_code mpt_workspace_widen(const mpt_workspace *workspace, mpt_chunk_copy *copy, int64_t elements,
                             mpt_error *error);

/* The handle's again, or closed. NULL: nothing. */
void mpt_workspace_give_back(mpt_solver_handle *handle, mpt_workspace *workspace);

#endif
