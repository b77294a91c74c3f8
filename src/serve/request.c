#include "serve/request.h"

#include <stdlib.h>
#include <string.h>
#include "serve/answer.h"

void mpt_request_parse(const mpt_spool *spool, mpt_request *r) {
  mpt_text diagnostics = {0};
  mpt_error *error = &r->job.error;
  if (!r->text) {
    r->job.code = mpt_no_memory("read the request", error);
    return;
  }
  r->job.code = mpt_config_from_text(r->text, spool->path, &r->job.config, &diagnostics);
  r->loaded = r->job.code == MPT_DONE;
  if (r->loaded && mpt_spool_owns(spool, r->job.config.output_file)) {
    r->loaded = false;
    r->job.code = mpt_fail(error, MPT_BAD_USAGE,
                           "cannot write to '%s': it is the service's own (name another "
                           "output.file)",
                           r->job.config.output_file);
    mpt_config_release(&r->job.config);
  } else if (!r->loaded)
    mpt_fail(error, r->job.code, "cannot use the request: %s", mpt_text_shown(&diagnostics, ""));
  mpt_text_release(&diagnostics);
}

void mpt_request_read(const mpt_spool *spool, char *name, mpt_request *r) {
  *r = (mpt_request){.started = mpt_now(), .name = name};
  r->job.code = mpt_spool_read(spool, name, &r->text, &r->job.error);
  if (r->job.code == MPT_DONE) mpt_request_parse(spool, r);
}

static bool put_answer(const mpt_spool *spool, const mpt_request *r, bool with_request) {
  mpt_text out = {0};
  mpt_answer_write(r, with_request, &out);
  const bool put =
      !out.exhausted && mpt_spool_answer(spool, r->name, mpt_answer_is_done(r->job.code), out.data);
  mpt_text_release(&out);
  return put;
}

/* If the answer with the request does not fit on the disk, the outcome alone is tried. */
bool mpt_request_answer(const mpt_spool *spool, const mpt_request *r) {
  if (r->job.code == MPT_STOPPED || !r->name) return false; /* the next service answers it */
  if (!put_answer(spool, r, true) && !put_answer(spool, r, false))
    mpt_spool_set_aside(spool, r->name);
  return true;
}

void mpt_request_release(mpt_request *r) {
  mpt_config_release(&r->job.config);
  free(r->name);
  free(r->text);
  *r = (mpt_request){0};
}

void mpt_tally_add(mpt_tally *t, const mpt_request *r) {
  t->left += r->job.code == MPT_STOPPED;
  t->done += mpt_answer_is_done(r->job.code);
  t->failed += !mpt_answer_is_done(r->job.code) && r->job.code != MPT_STOPPED;
  for (int k = 0; k < MPT_STATUS_COUNT; k++) t->problems += r->job.summary.by_status[k];
}
