#include "api/workspace.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { MOST_KEPT = 256, MOST_BYTES = 64 << 20 };

/* A call that finds the handle busy goes on without it. Nobody waits for it: otherwise the child of
 * a fork(), made while a thread of the parent held the handle, would wait for ever. */
struct mpt_solver_handle {
  atomic_flag busy;
  mpt_workspace *kept; /* the most recently used first */
};

static bool enter(mpt_solver_handle *handle) {
  return handle && !atomic_flag_test_and_set_explicit(&handle->busy, memory_order_acquire);
}

static void leave(mpt_solver_handle *handle) {
  atomic_flag_clear_explicit(&handle->busy, memory_order_release);
}

static void close_workspace(mpt_workspace *w) {
  w->engine->close(w->state);
  free(w->a.memory);
  free(w->cotangent.memory);
  free(w);
}

static void close_list(mpt_workspace *w) {
  while (w) {
    mpt_workspace *next = w->next;
    close_workspace(w);
    w = next;
  }
}

/* Approximate: a state may grow a little while it works. */
static int64_t bytes_of(const mpt_workspace *w) {
  static const int grid[2] = {1, 1};
  int64_t bytes = 0;
  if (w->engine->workspace(&w->shape, grid, &bytes, NULL) != MPT_DONE) return INT64_MAX;
  const int64_t elements = w->a.elements + w->cotangent.elements;
  return bytes + elements * (int64_t)mpt_type_size(w->shape.type) + (int64_t)sizeof *w;
}

static bool same_shape(const mpt_shape *a, const mpt_shape *b) {
  return a->type == b->type && a->n == b->n && a->block == b->block && a->vectors == b->vectors &&
         a->backward == b->backward && a->outputs == b->outputs && a->columns == b->columns;
}

static mpt_workspace *take_kept(mpt_solver_handle *handle, const mpt_engine *engine,
                                const mpt_shape *shape) {
  if (!enter(handle)) return NULL;
  mpt_workspace **at = &handle->kept;
  while (*at && ((*at)->engine != engine || !same_shape(&(*at)->shape, shape))) at = &(*at)->next;
  mpt_workspace *found = *at;
  if (found) *at = found->next;
  leave(handle);
  if (found) found->next = NULL;
  return found;
}

static mpt_code open_workspace(const mpt_engine *engine, const mpt_shape *shape,
                               mpt_workspace **out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_team alone = mpt_team_of_one();
  mpt_workspace *w = NULL;
  TRY(mpt_allocate(&w, 1, sizeof *w, "a workspace", error));
  w->engine = engine;
  w->shape = *shape;
  TRY(engine->open(shape, &alone, &w->state, error));
  mpt_debug("opened a workspace of %s for %s, n = %lld", engine->name, mpt_type_name(shape->type),
            (long long)shape->n);
done:
  if (code != MPT_DONE) {
    free(w);
    w = NULL;
  }
  *out = w;
  return code;
}

mpt_code mpt_workspace_take(mpt_solver_handle *handle, const mpt_engine *engine,
                            const mpt_shape *shape, mpt_workspace **out, mpt_error *error) {
  *out = take_kept(handle, engine, shape);
  return *out ? MPT_DONE : open_workspace(engine, shape, out, error);
}

mpt_code mpt_workspace_widen(const mpt_workspace *w, mpt_chunk_copy *copy, int64_t elements,
                             mpt_error *error) {
  mpt_code code = MPT_DONE;
  if (copy->memory && copy->elements >= elements) return MPT_DONE;
  free(copy->memory);
  copy->elements = 0;
  TRY(mpt_allocate(&copy->memory, elements, mpt_type_size(w->shape.type), "a chunk of matrices",
                   error));
  copy->elements = elements;
done:
  return code;
}

/* Removes from the list the workspaces that exceed what a handle may keep, and returns them. */
static mpt_workspace *cut_off(mpt_solver_handle *handle) {
  mpt_workspace **at = &handle->kept;
  int64_t bytes = 0;
  for (int kept = 0; *at && kept < MOST_KEPT; kept++) {
    bytes += (*at)->bytes;
    if (bytes > MOST_BYTES) break;
    at = &(*at)->next;
  }
  mpt_workspace *rest = *at;
  *at = NULL;
  return rest;
}

void mpt_workspace_give_back(mpt_solver_handle *handle, mpt_workspace *w) {
  if (w) w->bytes = bytes_of(w);
  if (w && w->bytes <= MOST_BYTES && enter(handle)) {
    w->next = handle->kept;
    handle->kept = w;
    w = cut_off(handle);
    leave(handle);
  }
  close_list(w);
}

mpt_code mpt_solver_create(mpt_solver_handle **handle, mpt_error *error) {
  const mpt_code code = mpt_allocate(handle, 1, sizeof **handle, "a handle", error);
  if (code == MPT_DONE) atomic_flag_clear(&(*handle)->busy);
  return code;
}

void mpt_solver_destroy(mpt_solver_handle *handle) {
  if (handle) close_list(handle->kept);
  free(handle);
}
