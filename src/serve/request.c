#include "request.h"

#include <stdlib.h>
#include <string.h>
#include "answer.h"

void mpt_request_parse(const mpt_spool *spool, mpt_request *r) {
  mpt_text complaints = {0};
  mpt_error *error = &r->job.error;
  r->job.code = mpt_config_from_text(r->text, spool->path, &r->job.config, &complaints);
  r->loaded = r->job.code == MPT_DONE;
  if (!r->loaded)
    mpt_fail(error, r->job.code, "cannot use the request: %s",
             complaints.data ? complaints.data : "out of memory");
  mpt_text_release(&complaints);
}

void mpt_request_read(const mpt_spool *spool, const char *name, mpt_request *r) {
  *r = (mpt_request){.started = mpt_now(), .name = mpt_format("%s", name)};
  r->job.code = mpt_spool_read(spool, name, &r->text, &r->job.error);
  if (r->job.code == MPT_DONE) mpt_request_parse(spool, r);
}

/* An answer can be added to block style YAML. */
static bool is_block(const char *text) {
  return text[strspn(text, " \t\r\n")] != '{';
}

static bool is_done(mpt_code code) {
  return code == MPT_DONE || code == MPT_SOME_FAILED;
}

bool mpt_request_answer(const mpt_spool *spool, const mpt_request *r) {
  mpt_text out = {0};
  const char *text = r->text ? r->text : "";
  const mpt_outcome outcome = {.code = r->job.code,
                               .seconds = mpt_now() - r->started,
                               .summary = r->job.summary,
                               .error = is_done(r->job.code) ? NULL : r->job.error.text};
  if (r->job.code == MPT_STOPPED) return false;
  mpt_answer_write(text, r->loaded && is_block(text), &outcome, &out);
  mpt_spool_answer(spool, r->name, is_done(r->job.code), out.data ? out.data : "");
  mpt_text_release(&out);
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
  t->done += is_done(r->job.code);
  t->failed += !is_done(r->job.code) && r->job.code != MPT_STOPPED;
  for (int k = 0; k < MPT_STATUS_COUNT; k++) t->problems += r->job.summary.by_status[k];
}
