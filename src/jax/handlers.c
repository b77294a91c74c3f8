#include "jax/handlers.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include "jax/potential.h"

/* Keeps the workspaces of all calls of this process, and is never destroyed: XLA's threads may
 * outlive main. Without memory for it calls do without. */
static mpt_solver_handle *kept;

static void make_kept(void) {
  mpt_solver_create(&kept, NULL);
}

static mpt_options *options_of(mpt_jax_call *call) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_kept);
  call->options.handle = kept;
  return &call->options;
}

static void *at(void *array, int64_t matrix, size_t bytes) {
  return array ? (char *)array + (size_t)matrix * bytes : NULL;
}

/* Matrices in a row that have one seed are one call: sets it, and returns where that ends. */
static int64_t row_from(mpt_jax_call *call, int64_t from) {
  const uint32_t *seeds = mpt_jax_operand(call, 'S', 0);
  int64_t to = seeds ? from + 1 : call->count;
  while (to < call->count && seeds[to] == seeds[from]) to++;
  call->options.seed = seeds ? seeds[from] : 0;
  return to;
}

static mpt_code solve(mpt_jax_call *call) {
  const size_t n = (size_t)call->n, square = n * n * mpt_type_size(call->type);
  mpt_options *options = options_of(call);
  mpt_code code = MPT_DONE;
  for (int64_t from = 0, to; code == MPT_DONE && from < call->count; from = to) {
    to = row_from(call, from);
    code = mpt_eigh(call->type, call->n, to - from, options,
                    at(mpt_jax_operand(call, 'M', 0), from, square),
                    at(mpt_jax_result(call, 'w', 0), from, n * mpt_real_size(call->type)),
                    at(mpt_jax_result(call, 'M', 0), from, square),
                    call->multiplet + from * call->n, call->report + from, &call->error);
  }
  return code;
}

static mpt_code eigh_backward(mpt_jax_call *call) {
  return mpt_eigh_backward(
      call->type, call->n, call->count, options_of(call), NULL, mpt_jax_operand(call, 'w', 0),
      mpt_jax_operand(call, 'M', 0), mpt_jax_operand(call, 'w', 1), mpt_jax_operand(call, 'M', 1),
      mpt_jax_result(call, 'M', 0), call->multiplet, call->report, &call->error);
}

static mpt_code eigh_selected(mpt_jax_call *call) {
  const mpt_select select = mpt_jax_select(call);
  const size_t n = (size_t)call->n, m = (size_t)call->columns, size = mpt_type_size(call->type);
  const size_t real = mpt_real_size(call->type);
  mpt_options *options = options_of(call);
  mpt_code code = MPT_DONE;
  for (int64_t from = 0, to; code == MPT_DONE && from < call->count; from = to) {
    to = row_from(call, from);
    const mpt_factors f = {.size = sizeof f,
                           .reflectors = at(mpt_jax_result(call, 'M', 0), from, n * n * size),
                           .tau = at(mpt_jax_result(call, 't', 0), from, n * size),
                           .diagonal = at(mpt_jax_result(call, 'w', 0), from, n * real),
                           .offdiagonal = at(mpt_jax_result(call, 'w', 1), from, n * real),
                           .eigenvalues = at(mpt_jax_result(call, 'w', 2), from, n * real)};
    code = mpt_eigh_selected(call->type, call->n, to - from, options, &select,
                             at(mpt_jax_operand(call, 'M', 0), from, n * n * size),
                             at(mpt_jax_result(call, 'x', 0), from, m * real),
                             at(mpt_jax_result(call, 'C', 0), from, n * m * size),
                             at(mpt_jax_result(call, 'f', 0), from, sizeof(int32_t)),
                             f.reflectors ? &f : NULL, call->multiplet + from * call->columns,
                             call->report + from, &call->error);
  }
  return code;
}

static mpt_code eigh_selected_backward(mpt_jax_call *call) {
  const mpt_select select = mpt_jax_select(call);
  const mpt_factors f = {.size = sizeof f,
                         .reflectors = mpt_jax_operand(call, 'M', 0),
                         .tau = mpt_jax_operand(call, 't', 0),
                         .diagonal = mpt_jax_operand(call, 'w', 0),
                         .offdiagonal = mpt_jax_operand(call, 'w', 1),
                         .eigenvalues = mpt_jax_operand(call, 'w', 2)};
  return mpt_eigh_selected_backward(call->type, call->n, call->count, options_of(call), &select,
                                    NULL, mpt_jax_operand(call, 'x', 0),
                                    mpt_jax_operand(call, 'C', 0), mpt_jax_operand(call, 'x', 1),
                                    mpt_jax_operand(call, 'C', 1), mpt_jax_result(call, 'M', 0), &f,
                                    call->multiplet, call->report, &call->error);
}

static mpt_code function(mpt_jax_call *call) {
  const mpt_function f = mpt_jax_function(call);
  if (call->error.code) return call->error.code;
  return mpt_matrix_function(call->type, call->n, call->count, options_of(call), &f,
                             mpt_jax_operand(call, 'M', 0), mpt_jax_result(call, 'M', 0),
                             mpt_jax_result(call, 'w', 0), mpt_jax_result(call, 'M', 1),
                             call->multiplet, call->report, &call->error);
}

static mpt_code function_backward(mpt_jax_call *call) {
  const mpt_function f = mpt_jax_function(call);
  if (call->error.code) return call->error.code;
  return mpt_matrix_function_backward(call->type, call->n, call->count, options_of(call), &f, NULL,
                                      mpt_jax_operand(call, 'w', 0), mpt_jax_operand(call, 'M', 0),
                                      mpt_jax_operand(call, 'M', 1), mpt_jax_result(call, 'M', 0),
                                      call->multiplet, call->report, &call->error);
}

/* Where no second derivative exists, an error, or zeros if they were asked for. */
static mpt_code refuse_bent(mpt_jax_call *call, mpt_function_kind kind) {
  const int32_t *earlier = mpt_jax_operand(call, 's', 0);
  const bool kink =
      kind == MPT_FUNCTION_ABS || kind == MPT_FUNCTION_SIGN || kind == MPT_FUNCTION_CLAMP_MIN;
  mpt_error *error = &call->error;
  if (mpt_jax_number(call, "failed") == MPT_JAX_ZERO) return MPT_DONE;
  for (int64_t k = 0; k < call->count; k++)
    if (call->report[k].status == MPT_STATUS_FUNCTION_UNDEFINED &&
        !mpt_status_is_failure(earlier[k]))
      return mpt_fail(
          error, MPT_BAD_INPUT,
          "second derivative of matrix_function: matrix %lld of %lld has eigenvalues "
          "%s, where none exists (%s; failed='zero' gives zeros for such matrices)",
          (long long)k, (long long)call->count,
          kink ? "at the function's kink, within rounding" : "that are zero within rounding",
          kink ? "use a smooth function, as softplus or tanh" : "keep the spectrum above zero");
  return MPT_DONE;
}

static mpt_code function_second(mpt_jax_call *call) {
  const mpt_function f = mpt_jax_function(call);
  if (call->error.code) return call->error.code;
  const mpt_code code = mpt_matrix_function_second(
      call->type, call->n, call->count, options_of(call), &f, mpt_jax_operand(call, 'w', 0),
      mpt_jax_operand(call, 'M', 0), mpt_jax_operand(call, 'M', 1), mpt_jax_operand(call, 'M', 2),
      mpt_jax_result(call, 'M', 0), call->multiplet, call->report, &call->error);
  return code == MPT_DONE ? refuse_bent(call, f.kind) : code;
}

static mpt_frame_spec frame_of(mpt_jax_call *call) {
  return (mpt_frame_spec){
      .size = sizeof(mpt_frame_spec),
      .index = {(int64_t)mpt_jax_number(call, "start"), (int64_t)mpt_jax_number(call, "stop")},
      .columns = call->columns,
      .reference = mpt_jax_operand(call, 'C', 0),
      .each = 1};
}

static mpt_code frame(mpt_jax_call *call) {
  const mpt_frame_spec f = frame_of(call);
  if (call->error.code) return call->error.code;
  return mpt_frame(call->type, call->n, call->count, options_of(call), &f,
                   mpt_jax_operand(call, 'M', 0), mpt_jax_result(call, 'C', 0),
                   mpt_jax_result(call, 'w', 0), mpt_jax_result(call, 'M', 0), call->multiplet,
                   call->report, &call->error);
}

static mpt_code frame_backward(mpt_jax_call *call) {
  const mpt_frame_spec f = frame_of(call);
  if (call->error.code) return call->error.code;
  return mpt_frame_backward(
      call->type, call->n, call->count, options_of(call), &f, NULL, mpt_jax_operand(call, 'w', 0),
      mpt_jax_operand(call, 'M', 0), mpt_jax_operand(call, 'C', 1), mpt_jax_result(call, 'M', 0),
      mpt_jax_result(call, 'C', 0), call->multiplet, call->report, &call->error);
}

/* Tangents pass through, [*batch, n] and [*batch, n, n]; a direction that splits a multiplet by
 * more than sqrt(eps) is GAUGE_DEPENDENT. */
static mpt_code split(mpt_jax_call *call) {
  const size_t size = (size_t)(call->count * call->n);
  const double bound = sqrt(mpt_type_epsilon(call->type));
  const void *splitting = mpt_jax_operand(call, 'r', 0);
  for (int64_t k = 0; k < call->count; k++) {
    mpt_report *r = &call->report[k];
    r->gauge_violation = mpt_jax_real(call, splitting, k);
    r->status = r->gauge_violation > bound ? MPT_STATUS_GAUGE_DEPENDENT : MPT_STATUS_OK;
    r->refused = r->status != MPT_STATUS_OK && call->options.gauge_policy == MPT_GAUGE_FAIL;
  }
  const void *dw = mpt_jax_operand(call, 'w', 0), *dv = mpt_jax_operand(call, 'M', 0);
  void *moved = mpt_jax_result(call, 'w', 0), *turned = mpt_jax_result(call, 'M', 0);
  if (size && moved != dw) memcpy(moved, dw, size * mpt_real_size(call->type));
  if (size && turned != dv) memcpy(turned, dv, size * (size_t)call->n * mpt_type_size(call->type));
  return MPT_DONE;
}

/* A matrix passes through, [*batch, n, n], which is zero where its status is a failure. */
static mpt_code settled(mpt_jax_call *call) {
  const size_t size = (size_t)(call->count * call->n * call->n) * mpt_type_size(call->type);
  const void *found = mpt_jax_operand(call, 'M', 0);
  void *out = mpt_jax_result(call, 'M', 0);
  for (int64_t k = 0; k < call->count; k++) call->report[k].status = MPT_STATUS_OK;
  if (size && out != found) memcpy(out, found, size);
  return MPT_DONE;
}

static const mpt_jax_handler handlers[] = {
    {"eigh", "eigh", {"M", "MS"}, "wMimd", solve},
    {"eigvalsh", "eigvalsh", {"M"}, "wimd", solve},
    {"eigh_backward", "gradient of eigh", {"wMsw", "wMsM", "wMswM"}, "Mq", eigh_backward},
    {"eigh_selected", "eigh", {"M", "MS"}, "xCfjmdMtwww", eigh_selected},
    {"eigvalsh_selected", "eigvalsh", {"M"}, "xfjmd", eigh_selected},
    {"eigh_selected_backward",
     "gradient of eigh",
     {"xCsxMtwww", "xCsCMtwww", "xCsxCMtwww"},
     "Mq",
     eigh_selected_backward},
    {"function", "matrix_function", {"M", "Ms"}, "MwMimd", function},
    {"function_backward", "derivative of matrix_function", {"wMsM"}, "M", function_backward},
    {"function_reported", "derivative of matrix_function", {"wMsM"}, "Mq", function_backward},
    {"function_second", "second derivative of matrix_function", {"wMsMM"}, "M", function_second},
    {"frame", "frame", {"MC"}, "CwMimd", frame},
    {"frame_backward", "gradient of frame", {"wMsCC"}, "MCq", frame_backward},
    {"occupations", "chemical potential", {"Cwrr"}, "rCCrmd", mpt_jax_occupations},
    {"settled", "spectral_function", {"Ms"}, "Mmd", settled},
    {"split", "derivative of eigh along a direction", {"rwMs"}, "wM", split},
};

XLA_FFI_Error *mpt_jax_handler_of_all(XLA_FFI_CallFrame *frame) {
  return mpt_jax_handle(frame, handlers, sizeof handlers / sizeof *handlers);
}
