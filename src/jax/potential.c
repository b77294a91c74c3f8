#include "jax/potential.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* In double precision: of one set, `m` levels each. */
typedef struct levels {
  int64_t m;
  double *w, *occupations, *slopes, *response, *weights;
} levels;

static levels levels_in(double *memory, int64_t m) {
  return (levels){.m = m,
                  .w = memory,
                  .occupations = memory + m,
                  .slopes = memory + 2 * m,
                  .response = memory + 3 * m,
                  .weights = memory + 4 * m};
}

static bool read_levels(const mpt_jax_call *call, int64_t set, const levels *x) {
  const void *w = mpt_jax_operand(call, 'C', 0), *weights = mpt_jax_operand(call, 'w', 0);
  bool finite = true;
  for (int64_t i = 0; i < x->m; i++) {
    x->w[i] = mpt_jax_real(call, w, set * x->m + i);
    finite &= isfinite(x->w[i]) != 0;
  }
  for (int64_t k = 0; k < call->n; k++)
    x->weights[k] = mpt_jax_real(call, weights, set * call->n + k);
  return finite;
}

static void write_levels(const mpt_jax_call *call, int64_t set, const levels *x, double mu) {
  double total = 0;
  void *occupations = mpt_jax_result(call, 'C', 0), *response = mpt_jax_result(call, 'C', 1);
  for (int64_t i = 0; i < x->m; i++) {
    mpt_jax_set_real(call, occupations, set * x->m + i, x->occupations[i]);
    mpt_jax_set_real(call, response, set * x->m + i, x->response[i]);
    total += x->weights[i / call->columns] * x->slopes[i];
  }
  mpt_jax_set_real(call, mpt_jax_result(call, 'r', 0), set, mu);
  mpt_jax_set_real(call, mpt_jax_result(call, 'r', 1), set, total);
}

static void write_zeros(const mpt_jax_call *call, int64_t set, const levels *x) {
  for (int64_t i = 0; i < x->m; i++) x->occupations[i] = x->response[i] = x->slopes[i] = 0;
  write_levels(call, set, x, 0);
}

static mpt_code solve_set(mpt_jax_call *call, mpt_function f, int64_t set, const levels *x) {
  mpt_report *report = &call->report[set];
  const double width = mpt_jax_real(call, mpt_jax_operand(call, 'r', 0), set);
  f.electrons = mpt_jax_real(call, mpt_jax_operand(call, 'r', 1), set);
  *(f.kind == MPT_FUNCTION_FERMI ? &f.beta : &f.sigma) = width;
  double mu = 0;
  report->status = MPT_STATUS_OK;
  if (!read_levels(call, set, x)) {
    report->status = MPT_STATUS_NONFINITE_INPUT;
  } else if (!(f.electrons > 0 && width > 0)) {
    report->status = MPT_STATUS_FUNCTION_UNDEFINED;
  } else {
    mpt_error error = {0};
    const mpt_code code = mpt_occupations(call->columns, call->n, &f, x->weights, x->w,
                                          x->occupations, x->slopes, x->response, &mu, &error);
    if (code == MPT_BAD_USAGE) report->status = MPT_STATUS_FUNCTION_UNDEFINED;
    if (code && code != MPT_BAD_USAGE) {
      call->error = error;
      return code;
    }
  }
  if (report->status == MPT_STATUS_OK)
    write_levels(call, set, x, mu);
  else
    write_zeros(call, set, x);
  return MPT_DONE;
}

mpt_code mpt_jax_occupations(mpt_jax_call *call) {
  const mpt_function f = mpt_jax_function(call);
  if (call->error.code) return call->error.code;
  const int64_t m = call->n * call->columns;
  mpt_error *error = &call->error;
  double *memory = calloc((size_t)(4 * m + call->n + 1), sizeof *memory);
  if (!memory)
    return mpt_fail(error, MPT_NO_RESOURCE, "cannot call %s: no memory for %lld levels (use fewer)",
                    call->handler->what, (long long)m);
  const levels x = levels_in(memory, m);
  mpt_code code = MPT_DONE;
  for (int64_t set = 0; code == MPT_DONE && set < call->count; set++)
    code = solve_set(call, f, set, &x);
  free(memory);
  return code;
}
