#include "config/reading.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/path.h"

void mpt_add_words(mpt_text *out, const mpt_word *words) {
  const char *between = "";
  for (; words->text; words++) {
    if (words->later) continue;
    mpt_text_add(out, "%s%s", between, words->text);
    between = ", ";
  }
}

char *mpt_key_expects(const mpt_key *key) {
  mpt_text out = {0};
  const char *automatic = key->automatic ? "auto or " : "";
  switch (key->kind) {
  case MPT_KEY_SELECT:
    mpt_text_add(&out,
                 "give all, {lowest: k}, {highest: k}, {index: [start, stop]} or {range: [lo, "
                 "hi], at_most: k}");
    break;
  case MPT_KEY_WORD:
    mpt_text_add(&out, "valid: ");
    mpt_add_words(&out, key->words);
    break;
  case MPT_KEY_BOOLEAN:
    mpt_text_add(&out, "give true or false");
    break;
  case MPT_KEY_INTEGER:
    mpt_text_add(&out, "give %san integer from 1 to %d", automatic, MPT_LARGEST_INTEGER);
    break;
  case MPT_KEY_SEED:
    mpt_text_add(&out, "give an integer from 0 to %d", MPT_LARGEST_INTEGER);
    break;
  case MPT_KEY_NUMBER:
    mpt_text_add(&out, "give %sa finite number above 0", automatic);
    break;
  case MPT_KEY_GRID:
    mpt_text_add(&out, "give %stwo integers of at least 1, [rows, columns]", automatic);
    break;
  case MPT_KEY_PATH:
    mpt_text_add(&out, "give a path; put it in quotes if it looks like a number");
    break;
  case MPT_KEY_DATASETS:
    mpt_text_add(&out, "give a list of dataset names such as [/H], or leave the key out");
    break;
  case MPT_KEY_STORE:
    mpt_text_add(&out, "give a list of ");
    mpt_add_words(&out, key->words);
    break;
  case MPT_KEY_RANGE:
    mpt_text_add(&out, "give [start, stop] with 0 <= start < stop");
    break;
  case MPT_KEY_FUNCTIONS:
    mpt_text_add(&out, "give a list such as [{name: heat, kind: exp, scale: -0.5}]");
    break;
  case MPT_KEY_REFERENCE:
    mpt_text_add(&out, "give {file: FILE.h5, dataset: /R}");
    break;
  case MPT_KEY_KINDS:
    break;
  }
  return out.data;
}

void mpt_refuse_value(const mpt_reading *r, const mpt_yaml *value, const char *why) {
  char shown[96], *expects = mpt_key_expects(r->key);
  mpt_diagnose(r->diagnostics, value->place, "cannot use %s for '%s': %s (%s)",
               mpt_yaml_show(value, shown), r->key->path, why, expects ? expects : "");
  free(expects);
}

int mpt_find_key(const mpt_reading *r, const mpt_yaml *name, const char *of,
                 const char *const *keys, int count) {
  char shown[96];
  const bool scalar = name->kind == MPT_YAML_SCALAR;
  for (int k = 0; k < count && scalar; k++)
    if (!strcmp(name->text, keys[k])) return k;
  const char *nearest = scalar ? mpt_nearest_name(name->text, keys, (size_t)count) : NULL;
  mpt_text hint = {0};
  if (nearest) mpt_text_add(&hint, "did you mean '%s'?", nearest);
  for (int k = 0; k < count && !nearest; k++)
    mpt_text_add(&hint, "%s%s", k ? ", " : "valid: ", keys[k]);
  mpt_diagnose(r->diagnostics, name->place, "unknown key %s: no such key of %s (%s)",
               mpt_yaml_show(name, shown), of, mpt_text_shown(&hint, ""));
  mpt_text_release(&hint);
  return -1;
}

const char *mpt_parse_integer(const mpt_yaml *value, int64_t least, int64_t *number) {
  if (value->kind != MPT_YAML_SCALAR || !value->plain) return "not an integer";
  const char *digits = value->text + (value->text[0] == '-' || value->text[0] == '+');
  if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return "not an integer";
  /* YAML 1.1 reads 010 as eight. */
  if (digits[0] == '0' && digits[1]) return "an integer does not start with 0";
  errno = 0;
  long long parsed = strtoll(value->text, NULL, 10);
  if (errno || parsed < least || parsed > MPT_LARGEST_INTEGER) return "out of range";
  *number = parsed;
  return NULL;
}

const char *mpt_parse_number(const mpt_yaml *value, double *number) {
  if (!mpt_yaml_is_typed(value)) return "not a number";
  char *end;
  double parsed = strtod(value->text, &end);
  if (end == value->text || *end)
    return strchr(value->text, '.') ? "not a finite number" : "not a number";
  if (!isfinite(parsed)) return "too large";
  *number = parsed;
  return NULL;
}

const char *mpt_parse_range(const mpt_yaml *value, int64_t range[2]) {
  const mpt_yaml *start = value->kind == MPT_YAML_SEQUENCE ? value->first : NULL;
  const mpt_yaml *stop = start ? start->next : NULL;
  if (!stop || stop->next) return "not a pair";
  const char *why = mpt_parse_integer(start, 0, &range[0]);
  if (!why) why = mpt_parse_integer(stop, 0, &range[1]);
  return !why && range[0] >= range[1] ? "it is empty" : why;
}

const char *mpt_parse_path(const mpt_reading *r, const mpt_yaml *value, char **path) {
  if (value->kind != MPT_YAML_SCALAR || mpt_yaml_is_typed(value)) return "not a path";
  if (!value->text[0]) return "it is empty";
  if (!r->directory && value->text[0] != '/') return "not an absolute path";
  *path =
      r->directory ? mpt_absolute_path(r->directory, value->text) : mpt_format("%s", value->text);
  if (!*path) r->diagnostics->exhausted = true;
  return NULL;
}

void mpt_add_number(mpt_text *out, double number) {
  char text[32];
  snprintf(text, sizeof text, "%.15g", number);
  mpt_text_add(out, strtod(text, NULL) == number ? "%.15g" : "%.17g", number);
}

void mpt_add_quoted(mpt_text *out, const char *text) {
  mpt_text_add(out, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7f)
      mpt_text_add(out, "\\x%02x", c);
    else
      mpt_text_add(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
  }
  mpt_text_add(out, "\"");
}
