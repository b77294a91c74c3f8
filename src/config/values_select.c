/* The value of solve.select. */
#include "config/values.h"

#include <string.h>

static const char *const keys[] = {"lowest", "highest", "index", "range", "at_most"};
enum { LOWEST, HIGHEST, INDEX, RANGE, AT_MOST, KEYS };
_Static_assert(sizeof keys / sizeof *keys == KEYS, "a key has no name");
_Static_assert(MPT_SELECT_HIGHEST == MPT_SELECT_LOWEST + HIGHEST &&
                   MPT_SELECT_INDEX == MPT_SELECT_LOWEST + INDEX &&
                   MPT_SELECT_RANGE == MPT_SELECT_LOWEST + RANGE,
               "keys are not in the order of kinds");

static const char *read_bounds(const mpt_yaml *value, double range[2]) {
  const mpt_yaml *low = value->kind == MPT_YAML_SEQUENCE ? value->first : NULL;
  const mpt_yaml *high = low ? low->next : NULL;
  if (!high || high->next) return "not a pair";
  const char *why = mpt_parse_number(low, &range[0]);
  if (!why) why = mpt_parse_number(high, &range[1]);
  return !why && !(range[0] < range[1]) ? "it is empty" : why;
}

/* Sorts the mapping's values by key; false after a diagnostic. */
static bool sort(const mpt_reading *r, const mpt_yaml *value, const mpt_yaml *given[KEYS]) {
  for (const mpt_yaml *name = value->first; name; name = name->next->next) {
    const int key = mpt_find_key(r, name, "solve.select", keys, KEYS);
    if (key < 0) return false;
    if (given[key]) {
      mpt_refuse_value(r, value, "a key is given twice");
      return false;
    }
    given[key] = name->next;
  }
  return true;
}

void mpt_read_select(const mpt_reading *r, const mpt_yaml *value) {
  mpt_select *s = r->target;
  const mpt_yaml *given[KEYS] = {NULL};
  int count = 0, key = 0;
  if (value->kind == MPT_YAML_SCALAR && !strcmp(value->text, "all")) return;
  if (value->kind != MPT_YAML_MAPPING) {
    mpt_refuse_value(r, value, "not a selection");
    return;
  }
  if (!sort(r, value, given)) return;
  for (int k = 0; k < AT_MOST; k++)
    if (given[k]) key = k, count++;
  const char *why = NULL;
  if (count != 1)
    why = count ? "one of them at a time" : "it is empty";
  else if ((given[AT_MOST] != NULL) != (key == RANGE))
    why = "at_most goes with range, and range with at_most";
  else if (key == LOWEST || key == HIGHEST)
    why = mpt_parse_integer(given[key], 1, &s->at_most);
  else if (key == INDEX)
    why = mpt_parse_range(given[key], s->index);
  else
    why = read_bounds(given[key], s->range);
  if (!why && key == RANGE) why = mpt_parse_integer(given[AT_MOST], 1, &s->at_most);
  if (why)
    mpt_refuse_value(r, value, why);
  else
    s->kind = (mpt_select_kind)(MPT_SELECT_LOWEST + key);
}

void mpt_write_select(const mpt_key *key, const void *target, mpt_text *out) {
  const mpt_select *s = target;
  (void)key;
  switch (s->kind) {
  case MPT_SELECT_LOWEST:
  case MPT_SELECT_HIGHEST:
    mpt_text_add(out, "{%s: %lld}", keys[s->kind - MPT_SELECT_LOWEST], (long long)s->at_most);
    break;
  case MPT_SELECT_INDEX:
    mpt_text_add(out, "{index: [%lld, %lld]}", (long long)s->index[0], (long long)s->index[1]);
    break;
  case MPT_SELECT_RANGE:
    mpt_text_add(out, "{range: [");
    mpt_add_number(out, s->range[0]);
    mpt_text_add(out, ", ");
    mpt_add_number(out, s->range[1]);
    mpt_text_add(out, "], at_most: %lld}", (long long)s->at_most);
    break;
  case MPT_SELECT_ALL:
    mpt_text_add(out, "all");
  }
}
