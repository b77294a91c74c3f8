#include "engine/policy.h"

#include <math.h>

void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report) {
  report->gauge_violation = found->gauge;
  report->cotangent_spread = found->spread;
  report->gradient_error = found->error;
  report->rule = (int8_t)found->kind;
  /* the status names the refused policy; as with warnings, the gauge comes first */
  const bool gauge = found->dependent && options->gauge_policy == MPT_GAUGE_FAIL;
  const bool spread = found->differ && options->spread_policy == MPT_SPREAD_REFUSE;
  report->refused = gauge || spread;
  if (!found->finite)
    report->status = MPT_STATUS_NONFINITE_COTANGENT;
  else if (found->dependent && (gauge || !spread))
    report->status = MPT_STATUS_GAUGE_DEPENDENT;
  else
    report->status = found->differ ? MPT_STATUS_SUBGRADIENT : MPT_STATUS_OK;
}

void mpt_settle_null_space(mpt_type type, mpt_report *report) {
  const bool milder = report->status == MPT_STATUS_OK ||
                      (report->status == MPT_STATUS_SUBGRADIENT && !report->refused);
  if (milder && report->null_violation > sqrt(mpt_type_epsilon(type)))
    report->status = MPT_STATUS_NULL_SPACE;
}

double mpt_tolerance(const mpt_options *options, const mpt_batch *b) {
  return options->tolerance > 0 ? options->tolerance : mpt_resolution(b->type, b->n);
}

bool mpt_needs_basis(const mpt_options *options) {
  return options->spread_policy == MPT_SPREAD_RAW || options->spread_policy == MPT_SPREAD_UNBIASED;
}
