/* A handle that keeps workspaces from one call to the next, for programs that make many calls on
 * few or small matrices.
 *
 *   mpt_options options = {.size = sizeof options};
 *   mpt_solver_create(&options.handle, NULL);
 *   ... any calls with these options ...
 *   mpt_solver_destroy(options.handle);
 *
 * A call with a handle finds the workspace of an earlier one of the same type, n, solver and pass,
 * in place of allocating it; nothing else differs, and results are the same to the last bit.
 *
 * Threads: any number of calls may use a handle at the same time, each in workspaces of its own. A
 * call that finds another one just looking for its own does not wait for it; it goes on as without
 * a handle. After fork() parent and child may both go on, each with its own copy.
 *
 * Memory: workspaces are kept in the order of their last use, at most 256 of them and 64 MiB in all
 * (a workspace is one thread's). What is beyond is freed when its call ends, and so is a larger one
 * always: there the solution takes far longer than the allocation. */
#ifndef MULTIPLET_SOLVER_H
#define MULTIPLET_SOLVER_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mpt_solver_handle mpt_solver_handle;

/* An empty handle, which the caller owns; or MPT_NO_RESOURCE, *error (which may be NULL) and a NULL
 * handle, with which calls do without. */
MPT_API mpt_code mpt_solver_create(mpt_solver_handle **handle, mpt_error *error);

/* Frees it with all that it keeps. No call may be using it, or use it afterwards. NULL: nothing. */
MPT_API void mpt_solver_destroy(mpt_solver_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
