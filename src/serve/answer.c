#include "answer.h"

#include <string.h>

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

void mpt_answer_write(const char *request, bool readable, const mpt_outcome *o, mpt_text *out) {
  add_request(request, readable, out);
  mpt_text_add(out, "outcome: {exit: %d, ", (int)o->code);
  if (o->error) {
    mpt_text_add(out, "error: ");
    add_quoted(o->error, out);
    mpt_text_add(out, "}\n");
    return;
  }
  mpt_text_add(out, "seconds: %.6f, problems: {", o->seconds);
  bool first = true;
  for (int s = 0; s < MPT_STATUS_COUNT; s++) {
    if (!o->summary.by_status[s]) continue;
    mpt_text_add(out, "%s%s: %lld", first ? "" : ", ", mpt_status_name(s),
                 (long long)o->summary.by_status[s]);
    first = false;
  }
  mpt_text_add(out, "}}\n");
}
