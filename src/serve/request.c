#include "request.h"

#include <stdlib.h>
#include <string.h>

void mpt_request_parse(const mpt_spool *spool, mpt_request *r) {
  mpt_text complaints = {0};
  mpt_error *error = &r->job.error;
  if (!r->text) {
    r->job.code = mpt_no_memory("read the request", error);
    return;
  }
  r->job.code = mpt_config_from_text(r->text, spool->path, &r->job.config, &complaints);
  r->loaded = r->job.code == MPT_DONE;
  if (!r->loaded)
    mpt_fail(error, r->job.code, "cannot use the request: %s", mpt_text_shown(&complaints, ""));
  mpt_text_release(&complaints);
}

void mpt_request_read(const mpt_spool *spool, char *name, mpt_request *r) {
  *r = (mpt_request){.started = mpt_now(), .name = name};
  r->job.code = mpt_spool_read(spool, name, &r->text, &r->job.error);
  if (r->job.code == MPT_DONE) mpt_request_parse(spool, r);
}

/* A double-quoted YAML scalar. */
static void add_quoted(const char *text, mpt_text *out) {
  mpt_text_add(out, "\"");
  for (; *text; text++)
    if (*text == '"' || *text == '\\')
      mpt_text_add(out, "\\%c", *text);
    else if ((unsigned char)*text < 0x20 || *text == 0x7f)
      mpt_text_add(out, "\\x%02x", (unsigned char)*text);
    else
      mpt_text_add(out, "%c", *text);
  mpt_text_add(out, "\"");
}

static void add_request(const char *text, bool readable, mpt_text *out) {
  for (const char *end; *text; text = *end ? end + 1 : end) {
    end = text + strcspn(text, "\n");
    mpt_text_add(out, "%s%.*s\n", readable ? "" : "# ", (int)(end - text), text);
  }
}

/* An answer can be added to block style YAML. */
static bool is_block(const char *text) {
  return text[strspn(text, " \t\r\n")] != '{';
}

static bool is_done(mpt_code code) {
  return code == MPT_DONE || code == MPT_SOME_FAILED;
}

static void write_outcome(const mpt_request *r, mpt_text *out) {
  bool first = true;
  mpt_text_add(out, "outcome: {exit: %d, ", (int)r->job.code);
  if (!is_done(r->job.code)) {
    mpt_text_add(out, "error: ");
    add_quoted(r->job.error.text, out);
    mpt_text_add(out, "}\n");
    return;
  }
  mpt_text_add(out, "seconds: %.6f, problems: {", mpt_now() - r->started);
  for (int s = 0; s < MPT_STATUS_COUNT; s++) {
    const int64_t count = r->job.summary.by_status[s];
    if (count)
      mpt_text_add(out, "%s%s: %lld", first ? "" : ", ", mpt_status_name(s), (long long)count);
    first &= !count;
  }
  mpt_text_add(out, "}}\n");
}

/* Where an answer cannot be added to the request, that becomes a comment. */
static bool put_answer(const mpt_spool *spool, const mpt_request *r, bool with_request) {
  mpt_text out = {0};
  const char *text = r->text ? r->text : "";
  if (with_request) add_request(text, r->loaded && is_block(text), &out);
  write_outcome(r, &out);
  const bool put =
      !out.exhausted && mpt_spool_answer(spool, r->name, is_done(r->job.code), out.data);
  mpt_text_release(&out);
  return put;
}

/* The outcome alone takes less room than with the request before it. */
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
  t->done += is_done(r->job.code);
  t->failed += !is_done(r->job.code) && r->job.code != MPT_STOPPED;
  for (int k = 0; k < MPT_STATUS_COUNT; k++) t->problems += r->job.summary.by_status[k];
}
