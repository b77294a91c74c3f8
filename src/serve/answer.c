#include "serve/answer.h"

#include <stdlib.h>
#include <string.h>
#include "config/yaml_tree.h"

/* The number of bytes of the UTF-8 character that begins here, and its code point; 0: no character
 * begins here. */
static int decode(const unsigned char *s, uint32_t *number) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const int length = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
  if (!length) return 0;
  *number = length == 1 ? *s : *s & (0x7fU >> length);
  for (int k = 1; k < length; k++) {
    if (s[k] >> 6 != 2) return 0;
    *number = *number << 6 | (s[k] & 0x3f);
  }
  return *number >= least[length] ? length : 0;
}

/* Whether the character is printable in YAML and not a line break (U+0085, U+2028 and U+2029 are
 * line breaks, too). */
static bool is_plain(uint32_t c) {
  if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029 || c == 0xfeff) return c == '\t';
  return c < 0x7f || (c >= 0xa0 && c < 0xd800) || (c >= 0xe000 && c <= 0xfffd) ||
         (c >= 0x10000 && c <= 0x10ffff);
}

/* Adds a double-quoted scalar. */
static void add_quoted(const char *text, mpt_text *out) {
  mpt_text_add(out, "\"");
  for (const unsigned char *s = (const unsigned char *)text; *s;) {
    uint32_t c;
    const int length = decode(s, &c);
    if (*s == '"' || *s == '\\')
      mpt_text_add(out, "\\%c", *s);
    else if (length && is_plain(c))
      mpt_text_add(out, "%.*s", length, (const char *)s);
    else
      mpt_text_add(out, "\\x%02x", *s);
    s += length && is_plain(c) ? length : 1;
  }
  mpt_text_add(out, "\"");
}

static void add_comment(const char *text, mpt_text *out) {
  bool at_start = true;
  for (const unsigned char *s = (const unsigned char *)text; *s;) {
    uint32_t c;
    const int length = decode(s, &c);
    const bool plain = length && is_plain(c), ends = *s == '\n' || (*s == '\r' && s[1] != '\n');
    if (at_start) mpt_text_add(out, "# ");
    if (ends)
      mpt_text_add(out, "\n");
    else if (plain)
      mpt_text_add(out, "%.*s", length, (const char *)s);
    else if (*s != '\r')
      mpt_text_add(out, "?");
    at_start = ends;
    s += plain ? length : 1;
  }
  if (!at_start) mpt_text_add(out, "\n");
}

static int64_t keys_of(const char *text, const char **last) {
  int64_t keys = 0;
  mpt_diagnostics diagnostics = {0};
  const mpt_location start = {"answer", false, 1, 1};
  mpt_yaml *tree = mpt_yaml_parse(text, strlen(text), start, &diagnostics);
  *last = "";
  if (tree && tree->kind == MPT_YAML_MAPPING && !diagnostics.count)
    for (const mpt_yaml *name = tree->first; name; name = name->next->next, keys++)
      *last = name->text && !strcmp(name->text, "outcome") ? "outcome" : "";
  mpt_yaml_release(tree);
  mpt_diagnostics_release(&diagnostics);
  return keys;
}

/* Whether the answer has the request's keys and the outcome as the last one. Requests with tabs are
 * excluded: libyaml accepts tabs between tokens, other readers may not. */
static bool is_request_and_outcome(const char *answer, const char *request) {
  const char *last, *ignored;
  return answer && !strchr(request, '\t') &&
         keys_of(answer, &last) == keys_of(request, &ignored) + 1 && *last;
}

bool mpt_answer_is_done(mpt_code code) {
  return code == MPT_DONE || code == MPT_SOME_FAILED;
}

static void add_outcome(const mpt_request *r, mpt_text *out) {
  bool first = true;
  mpt_text_add(out, "outcome: {exit: %d, ", mpt_exit_code(r->job.code));
  if (!mpt_answer_is_done(r->job.code)) {
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

void mpt_answer_write(const mpt_request *r, bool with_request, mpt_text *out) {
  const char *text = r->text && with_request ? r->text : "";
  const size_t length = strlen(text);
  *out = (mpt_text){0};
  if (r->loaded && with_request) {
    mpt_text_add(out, "%s%s", text, length && text[length - 1] != '\n' ? "\n" : "");
    add_outcome(r, out);
    if (is_request_and_outcome(out->data, text)) return;
    mpt_text_release(out);
  }
  add_comment(text, out);
  add_outcome(r, out);
}
