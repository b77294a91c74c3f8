/* The memory that a thread of a call on arrays in memory works with, and the handle that keeps it
 * between calls. */
#ifndef MPT_WORKSPACE_H
#define MPT_WORKSPACE_H

#include <multiplet/solver.h>
#include "engine/engine.h"

/* Memory for matrices of a chunk where the caller's must not be written. */
typedef struct mpt_chunk_copy {
  void *memory;
  int64_t elements;
} mpt_chunk_copy;

typedef struct mpt_workspace {
  const mpt_engine *engine;
  mpt_shape shape;
  mpt_state *state; /* of a team of one */
  mpt_chunk_copy a, cotangent;
  int64_t bytes;              /* in a handle: bytes of all of this */
  struct mpt_workspace *next; /* in a handle: the workspace used before this one */
} mpt_workspace;

/* Takes a workspace that the handle keeps or, if it has none that fits or is NULL, a new one. The
 * contents of its copies are undefined. On failure MPT_NO_RESOURCE, and *out is NULL. Several
 * threads may call at once. */
mpt_code mpt_workspace_take(mpt_solver_handle *handle, const mpt_engine *engine,
                            const mpt_shape *shape, mpt_workspace **out, mpt_error *error);

/* Enlarges a copy to at least `elements` elements of the workspace's type; its contents are
 * undefined. */
mpt_code mpt_workspace_widen(const mpt_workspace *workspace, mpt_chunk_copy *copy, int64_t elements,
                             mpt_error *error);

/* Gives the workspace back to the handle, or closes it where the handle cannot keep it. NULL: does
 * nothing. */
void mpt_workspace_give_back(mpt_solver_handle *handle, mpt_workspace *workspace);

#endif
