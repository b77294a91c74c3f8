/* The public calls on arrays in memory. The problems are divided into chunks, which as many threads
 * as were asked for take in turn. */
#include <multiplet/function.h>
#include <multiplet/gradient.h>
#include <multiplet/selected.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "api/arguments.h"
#include "api/threads.h"
#include "api/workspace.h"
#include "engine/self_test.h"
#include "engine/process.h"
#include "spectral/function.h"

typedef struct call {
  const mpt_engine *engine;
  const mpt_options *options;
  const mpt_batch *all; /* all of the caller's arrays; const ones are only read */
  int64_t chunk;
  int threads;
  _Atomic int64_t next;       /* the first problem that no thread has taken */
  mpt_workspace **workspaces; /* [threads] */
} call;

/* A structure must end with its last member: a member added later in its padding would not change
 * its size, and programs built with an older version would not set it. */
#define ENDS_WITH(type, member) (offsetof(type, member) + sizeof((type *)0)->member == sizeof(type))
_Static_assert(ENDS_WITH(mpt_options, handle) && ENDS_WITH(mpt_function, minimum) &&
                   ENDS_WITH(mpt_frame_spec, reserved) && ENDS_WITH(mpt_select, at_most) &&
                   ENDS_WITH(mpt_factors, eigenvalues),
               "a structure of the interface ends with padding");
_Static_assert(sizeof(mpt_report) == 160, "the stride of reports is part of the interface");

int64_t mpt_select_columns(const mpt_select *select, int64_t n) {
  mpt_select mine = {0};
  return mpt_receive(select, &mine, sizeof mine) ? mpt_selected_columns(&mine, n) : -1;
}

typedef struct trial {
  const mpt_engine *engine;
  mpt_type type;
  mpt_error *error;
  mpt_code code;
} trial;

static void try_engine(void *context, int thread) {
  const mpt_team alone = mpt_team_of_one();
  trial *t = context;
  (void)thread;
  t->code = mpt_self_test(t->engine, t->type, &alone, t->error);
}

/* With a BLAS of one thread, as the calls. */
static mpt_code test_alone(const mpt_engine *engine, mpt_type type, mpt_error *error) {
  trial t = {.engine = engine, .type = type, .error = error};
  mpt_run_threads(1, try_engine, &t);
  return t.code;
}

/* Tests the engine; one that fails its test is replaced by lapack, unless the caller asked for
 * it. */
static mpt_code test_engine(call *c, mpt_type type, mpt_error *error) {
  mpt_error text = {0};
  const mpt_code code = test_alone(c->engine, type, &text);
  if (code != MPT_DONE && c->options->solver == MPT_SOLVER_AUTO && c->engine != &mpt_lapack) {
    mpt_warn("%s: lapack is used instead", text.text);
    c->engine = &mpt_lapack;
    return test_alone(c->engine, type, error);
  }
  if (code != MPT_DONE && error) *error = text;
  return code;
}

/* Who made the factors. Those of a failed problem are all zero. */
static const mpt_engine *engine_of_factors(const mpt_batch *b) {
  double last[2];
  for (int64_t k = 1; b->n && k <= b->count; k++) {
    mpt_get_element(b->type, b->factor.tau, k * b->n - 1, last);
    if (last[0] != 0) return &mpt_lanes;
  }
  return &mpt_lapack;
}

static mpt_code choose_engine(call *c, const mpt_shape *shape, mpt_error *error) {
  static const mpt_engine *const engines[] = {
      [MPT_SOLVER_LANES] = &mpt_lanes, [MPT_SOLVER_LAPACK] = &mpt_lapack};
  const mpt_engine *asked = engines[c->options->solver];
  c->engine = asked ? asked : mpt_engine_for(shape);
  if (c->all->factor_given) c->engine = engine_of_factors(c->all);
  return test_engine(c, shape->type, error);
}

/* Problems that an engine gets at a time: enough to fill its vector lanes, few enough to stay in a
 * near cache between its passes and to give every thread several chunks. `whole`: the engine would
 * otherwise work with empty lanes. */
static int64_t chunk_size(const mpt_batch *all, int threads, bool whole) {
  const int64_t bytes = all->n * all->n * (int64_t)mpt_type_size(all->type);
  const int64_t fit = (INT64_C(1) << 20) / (bytes > 0 ? bytes : 1);
  const int64_t share = threads > 1 ? all->count / (4 * (int64_t)threads) : fit;
  const int64_t most = fit < share ? fit : share;
  int64_t unit = 64;
  if (whole && most < unit) return unit;
  while (unit > 1 && unit > most) unit /= 2;
  return most > 0 ? most / unit * unit : 1;
}

/* Whether problems are solved one after the other, each on all threads. It depends on one problem
 * alone, so that a result does not depend on the rest of the batch. */
static bool is_large(const call *c) {
  enum { LARGE = 512 };
  return !c->engine->process && c->all->n >= LARGE;
}

/* The caller's matrices or directions, if the triangle that is not read would be filled in; a call
 * has one of the two. */
static void **copied_input(const call *c, mpt_batch *b) {
  if (b->da) return &b->da;
  return c->engine->writes_input && b->a ? &b->a : NULL;
}

/* Whether cotangents are conjugated: in JAX's convention they are the complex conjugates of those
 * that the engines take. */
static bool conjugates(const call *c) {
  return c->all->g && c->options->convention == MPT_CONVENTION_JAX &&
         mpt_type_is_complex(c->all->type);
}

/* The caller's array, or a conjugated copy of it. A call has one array of complex cotangents, so
 * one copy is enough. */
static const void *torch_cotangent(const call *c, const mpt_workspace *mine, int64_t count,
                                   const void *array) {
  if (!array || !conjugates(c)) return array;
  memcpy(mine->cotangent.memory, array, (size_t)count * mpt_type_size(c->all->type));
  mpt_conjugate(c->all->type, count, mine->cotangent.memory);
  return mine->cotangent.memory;
}

static mpt_code take_workspaces(call *c, const mpt_shape *shape, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch all = *c->all;
  const int64_t threads = c->options->threads > 1 && !is_large(c) ? c->options->threads : 1;
  c->chunk = chunk_size(c->all, (int)threads, c->engine->process != NULL);
  const int64_t chunks = (c->all->count + c->chunk - 1) / c->chunk;
  const int64_t elements = c->chunk * shape->n * shape->n;
  c->threads = (int)(threads < chunks ? threads : chunks > 0 ? chunks : 1);
  TRY(mpt_allocate(&c->workspaces, c->threads, sizeof(mpt_workspace *), "threads", error));
  for (int t = 0; t < c->threads; t++) {
    mpt_workspace **mine = &c->workspaces[t];
    TRY(mpt_workspace_take(c->options->handle, c->engine, shape, mine, error));
    if (copied_input(c, &all)) TRY(mpt_workspace_widen(*mine, &(*mine)->a, elements, error));
    if (conjugates(c)) TRY(mpt_workspace_widen(*mine, &(*mine)->cotangent, elements, error));
  }
done:
  return code;
}

static void give_back_workspaces(const call *c) {
  for (int t = 0; c->workspaces && t < c->threads; t++)
    mpt_workspace_give_back(c->options->handle, c->workspaces[t]);
  free(c->workspaces);
}

static void do_chunk(const call *c, const mpt_workspace *mine, int64_t first) {
  const mpt_team alone = mpt_team_of_one();
  const int64_t left = c->all->count - first, count = left < c->chunk ? left : c->chunk;
  const int64_t n = c->all->n, n2 = n * n, columns = mpt_batch_columns(c->all);
  mpt_function_arrays one; /* calls on memory have one function */
  mpt_batch b = mpt_batch_slice(c->all, first, count, &one);
  b.gv = torch_cotangent(c, mine, count * n * columns, b.gv);
  if (b.function_count) one.cotangent = torch_cotangent(c, mine, count * n2, one.cotangent);
  b.gframe = torch_cotangent(c, mine, count * n * b.frame.columns, b.gframe);
  memset(b.report, 0, (size_t)count * sizeof *b.report);
  void **input = copied_input(c, &b);
  if (input && n)
    *input = memcpy(mine->a.memory, *input, (size_t)(count * n2) * mpt_type_size(b.type));
  mpt_process_batch(c->engine, mine->state, &alone, c->options, &b);
}

/* Does chunks until none are left. A failure here is reported problem by problem and does not end
 * the call, so that no thread leaves work undone. */
static void do_chunks(void *context, int thread) {
  call *c = context;
  int64_t first;
  while ((first = atomic_fetch_add(&c->next, c->chunk)) < c->all->count)
    do_chunk(c, c->workspaces[thread], first);
}

static mpt_code do_all(const mpt_batch *all, const mpt_options *options, bool backward,
                       mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_options mine = {0};
  call c = {.options = &mine, .all = all};
  const mpt_shape shape = mpt_batch_shape(all);
  if (options && !mpt_receive(options, &mine, sizeof mine))
    return mpt_refuse("options.size", error);
  const char *wrong = mpt_wrong_argument(all, c.options, backward);
  if (wrong) return mpt_refuse(wrong, error);
  TRY(choose_engine(&c, &shape, error));
  TRY(take_workspaces(&c, &shape, error));
  if (is_large(&c))
    mpt_run_with_blas(mine.threads, do_chunks, &c);
  else
    mpt_run_threads(c.threads, do_chunks, &c);
done:
  give_back_workspaces(&c);
  return code;
}

mpt_code mpt_eigh(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                  const void *a, void *w, void *v, int32_t *multiplet, mpt_report *report,
                  mpt_error *error) {
  const mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  return do_all(&all, options, false, error);
}

mpt_code mpt_eigh_backward(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                           const void *a, const void *w, const void *v, const void *gw,
                           const void *gv, void *g, int32_t *multiplet, mpt_report *report,
                           mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  all.given = true;
  all.gw = gw;
  all.gv = gv;
  all.g = g;
  return do_all(&all, options, true, error);
}

mpt_code mpt_eigh_with_gradient(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                                const void *a, const void *gw, const void *gv, void *w, void *v,
                                void *g, int32_t *multiplet, mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  all.gw = gw;
  all.gv = gv;
  all.g = g;
  return do_all(&all, options, true, error);
}

mpt_code mpt_eigh_tangent(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                          const void *w, const void *v, const void *da, void *dw, void *dv,
                          int32_t *multiplet, mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, NULL, w, v, multiplet, report);
  if (!da && n && count > 0) return mpt_refuse("a null array", error);
  all.given = true;
  all.da = mpt_unconst(da);
  all.dw = dw;
  all.dv = dv;
  return do_all(&all, options, false, error);
}

/* Takes the selection and the factors over; NULL, or the name of what is invalid. */
static const char *take_selection(const mpt_select *select, const mpt_factors *factors,
                                  mpt_batch *b) {
  mpt_factors f = {0};
  if (!mpt_receive(select, &b->select, sizeof b->select)) return "select.size";
  if (b->select.kind == MPT_SELECT_ALL) return "select: all are mpt_eigh's";
  if (!factors) return NULL;
  if (!mpt_receive(factors, &f, sizeof f)) return "factors.size";
  b->factor = (mpt_factor_arrays){f.reflectors, f.tau, f.diagonal, f.offdiagonal, f.eigenvalues};
  const bool all = f.reflectors && f.tau && f.diagonal && f.offdiagonal && f.eigenvalues;
  return all || !b->n || !b->count ? NULL : "a null array in factors";
}

mpt_code mpt_eigh_selected(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                           const mpt_select *select, const void *a, void *w, void *v,
                           int32_t *found, const mpt_factors *factors, int32_t *multiplet,
                           mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  const char *wrong = take_selection(select, factors, &all);
  if (wrong) return mpt_refuse(wrong, error);
  all.found = found;
  return do_all(&all, options, false, error);
}

mpt_code mpt_eigh_selected_backward(mpt_type type, int64_t n, int64_t count,
                                    const mpt_options *options, const mpt_select *select,
                                    const void *a, const void *w, const void *v, const void *gw,
                                    const void *gv, void *g, const mpt_factors *factors,
                                    int32_t *multiplet, mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  const char *wrong = take_selection(select, factors, &all);
  if (wrong) return mpt_refuse(wrong, error);
  all.given = true;
  all.factor_given = factors != NULL;
  all.gw = gw;
  all.gv = gv;
  all.g = g;
  return do_all(&all, options, true, error);
}

mpt_code mpt_matrix_function(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                             const mpt_function *function, const void *a, void *f, void *w, void *v,
                             int32_t *multiplet, mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  mpt_function_arrays one = {.value = f};
  if (!mpt_receive(function, &one.function, sizeof one.function))
    return mpt_refuse("function.size", error);
  all.functions = &one;
  all.function_count = 1;
  return do_all(&all, options, false, error);
}

mpt_code mpt_matrix_function_backward(mpt_type type, int64_t n, int64_t count,
                                      const mpt_options *options, const mpt_function *function,
                                      const void *a, const void *w, const void *v, const void *gf,
                                      void *g, int32_t *multiplet, mpt_report *report,
                                      mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  mpt_function_arrays one = {.cotangent = gf};
  if (!mpt_receive(function, &one.function, sizeof one.function))
    return mpt_refuse("function.size", error);
  all.functions = &one;
  all.function_count = 1;
  all.given = true;
  all.g = g;
  return do_all(&all, options, true, error);
}

/* Takes the frame over; false for an invalid size or reserved member. */
static bool take_frame(const mpt_frame_spec *his, mpt_batch *b) {
  mpt_frame_spec spec = {0};
  if (!mpt_receive(his, &spec, sizeof spec) || spec.reserved) return false;
  b->frame = (mpt_frame_shape){
      .index = {spec.index[0], spec.index[1]}, .columns = spec.columns, .each = spec.each};
  b->reference = spec.reference;
  return true;
}

mpt_code mpt_frame(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                   const mpt_frame_spec *frame, const void *a, void *f, void *w, void *v,
                   int32_t *multiplet, mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  if (!take_frame(frame, &all)) return mpt_refuse("frame.size", error);
  all.frame_value = f;
  return do_all(&all, options, false, error);
}

mpt_code mpt_frame_backward(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                            const mpt_frame_spec *frame, const void *a, const void *w,
                            const void *v, const void *gf, void *g, void *gr, int32_t *multiplet,
                            mpt_report *report, mpt_error *error) {
  mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  if (!take_frame(frame, &all)) return mpt_refuse("frame.size", error);
  all.gframe = gf;
  all.greference = gr;
  all.given = true;
  all.g = g;
  return do_all(&all, options, true, error);
}
