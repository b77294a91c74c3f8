/* Values that are mappings: matrix functions, and the reference of a frame. */
#include "config/values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "spectral/kinds.h"

/* Keys of a function: its name, its kind, and the parameters of all kinds, each of which is a
 * member of mpt_function and at least as large as a double. */
enum {
  NAME,
  KIND,
  FIRST_PARAMETER,
  MOST_KEYS = FIRST_PARAMETER + sizeof(mpt_function) / sizeof(double)
};

typedef struct function_keys {
  const char *names[MOST_KEYS];
  int count;
} function_keys;

static int find_name(const function_keys *keys, const char *name) {
  for (int k = 0; k < keys->count; k++)
    if (!strcmp(keys->names[k], name)) return k;
  return -1;
}

static function_keys list_keys(void) {
  function_keys keys = {.names = {[NAME] = "name", [KIND] = "kind"}, .count = FIRST_PARAMETER};
  const mpt_parameter *p;
  for (int kind = 0; kind < MPT_FUNCTION_KINDS; kind++)
    for (int k = 0; (p = mpt_function_parameter(kind, k)); k++)
      if (find_name(&keys, p->name) < 0) keys.names[keys.count++] = p->name;
  return keys;
}

static bool takes(int kind, const char *name) {
  const mpt_parameter *p;
  for (int k = 0; (p = mpt_function_parameter(kind, k)); k++)
    if (!strcmp(p->name, name)) return true;
  return false;
}

/* One function while it is read into the config. */
typedef struct taking {
  const mpt_reading *r;
  const mpt_yaml *item, *given[MOST_KEYS];
  function_keys keys;
  mpt_named_function *out;
} taking;

static void complain(const taking *t, const mpt_yaml *at, const char *what, const char *why,
                     const char *mend) {
  char shown[96];
  mpt_diagnose(t->r->diagnostics, at->place, "cannot use %s for '%s' of a function: %s (%s)",
               mpt_yaml_show(at, shown), what, why, mend);
}

static void take_key(taking *t, const mpt_yaml *name) {
  const int key = mpt_find_key(t->r, name, "a function", t->keys.names, t->keys.count);
  if (key < 0) return;
  if (t->given[key]) {
    mpt_diagnose(t->r->diagnostics, name->place,
                 "duplicate key '%s': given twice for one function (keep one of them)", name->text);
  } else {
    t->given[key] = name->next;
  }
}

static bool is_link_name(const char *text) {
  if (!*text || !strcmp(text, ".") || !strcmp(text, "..")) return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && !strchr("_.-", *text)) return false;
  return true;
}

static void take_name(const taking *t) {
  const mpt_yaml *value = t->given[NAME];
  static const char mend[] = "give letters, digits, '_', '-' and '.', each name once";
  const struct mpt_functions_list *list = &t->r->config->functions;
  if (value->kind != MPT_YAML_SCALAR || !is_link_name(value->text)) {
    complain(t, value, "name", "not a name of a dataset", mend);
    return;
  }
  for (const mpt_named_function *f = list->items; f < t->out; f++)
    if (f->name && !strcmp(f->name, value->text)) complain(t, value, "name", "named twice", mend);
  t->out->name = mpt_format("%s", value->text);
  if (!t->out->name) t->r->diagnostics->exhausted = true;
}

/* The kind; -1 after a diagnostic. */
static int take_kind(const taking *t) {
  const char *names[MPT_FUNCTION_KINDS];
  const mpt_yaml *value = t->given[KIND];
  for (int k = 0; k < MPT_FUNCTION_KINDS; k++) {
    names[k] = mpt_function_name(k);
    if (value->kind == MPT_YAML_SCALAR && !strcmp(value->text, names[k])) return k;
  }
  const char *nearest = value->kind == MPT_YAML_SCALAR
                            ? mpt_nearest_name(value->text, names, MPT_FUNCTION_KINDS)
                            : NULL;
  char *why = nearest ? mpt_format("no such kind, did you mean '%s'?", nearest)
                      : mpt_format("no such kind");
  mpt_text valid = {0};
  for (int k = 0; k < MPT_FUNCTION_KINDS; k++)
    mpt_text_add(&valid, "%s%s", k ? ", " : "valid: ", names[k]);
  complain(t, value, "kind", why ? why : "no such kind", mpt_text_shown(&valid, ""));
  mpt_text_release(&valid);
  free(why);
  return -1;
}

static const mpt_yaml *given(const taking *t, const mpt_parameter *p) {
  return t->given[find_name(&t->keys, p->name)];
}

static void take_parameter(const taking *t, const mpt_parameter *p, mpt_function *f) {
  static const char *const mend[] = {[MPT_DOMAIN_NUMBER] = "give a finite number",
                                     [MPT_DOMAIN_NONZERO] = "give a finite number that is not 0",
                                     [MPT_DOMAIN_POSITIVE] = "give a finite number above 0",
                                     [MPT_DOMAIN_BELOW_N] = "give a finite number above 0",
                                     [MPT_DOMAIN_INDEX] =
                                         "give [start, stop] with 0 <= start < stop",
                                     [MPT_DOMAIN_ORDER] = "give a whole number from 1 to 8"};
  const mpt_yaml *value = given(t, p);
  void *member = (char *)f + p->offset;
  const char *why = NULL;
  if (p->domain == MPT_DOMAIN_INDEX) {
    if (value) why = mpt_parse_range(value, member);
  } else {
    double x = p->standard;
    if (value) why = mpt_parse_number(value, &x);
    if (value && !why && !mpt_parameter_takes(p, x)) why = "out of range";
    memcpy(member, &x, sizeof x);
  }
  if (why) complain(t, value, p->name, why, mend[p->domain]);
}

static void require(const taking *t, int key) {
  if (!t->given[key])
    mpt_diagnose(t->r->diagnostics, t->item->place,
                 "missing key '%s': a function of this kind needs it (add it)", t->keys.names[key]);
}

/* Requires exactly one of the parameters that exclude one another. */
static void require_one(const taking *t, int kind) {
  const mpt_parameter *p;
  int count = 0, found = 0;
  for (int k = 0; (p = mpt_function_parameter(kind, k)); k++) {
    count += p->need == MPT_NEED_ONE_OF;
    found += p->need == MPT_NEED_ONE_OF && given(t, p);
  }
  if (!count || found == 1) return;
  mpt_text names = {0};
  for (int k = 0; (p = mpt_function_parameter(kind, k)); k++)
    if (p->need == MPT_NEED_ONE_OF)
      mpt_text_add(&names, "%s %s", names.length ? found ? " and" : " nor" : "", p->name);
  mpt_diagnose(t->r->diagnostics, t->item->place,
               "cannot use a %s function with %s%s: one of them %s (give one)",
               mpt_kinds[kind].name, found ? "both" : "neither", mpt_text_shown(&names, ""),
               mpt_kinds[kind].one_of);
  mpt_text_release(&names);
}

static void take_parameters(const taking *t, mpt_function *f) {
  const int kind = (int)f->kind;
  const mpt_parameter *p;
  for (int key = FIRST_PARAMETER; key < t->keys.count; key++)
    if (t->given[key] && !takes(kind, t->keys.names[key]))
      mpt_diagnose(t->r->diagnostics, t->given[key]->place,
                   "cannot use '%s': it means nothing to kind '%s' (remove it)", t->keys.names[key],
                   mpt_function_name(kind));
  for (int k = 0; (p = mpt_function_parameter(kind, k)); k++) take_parameter(t, p, f);
  for (int k = 0; (p = mpt_function_parameter(kind, k)); k++)
    if (p->need == MPT_NEED_REQUIRED) require(t, find_name(&t->keys, p->name));
  require_one(t, kind);
}

static void read_function(const mpt_reading *r, const mpt_yaml *item, mpt_named_function *out) {
  taking t = {.r = r, .item = item, .keys = list_keys(), .out = out};
  if (item->kind != MPT_YAML_MAPPING) {
    mpt_refuse_value(r, item, "not a mapping");
    return;
  }
  for (const mpt_yaml *name = item->first; name; name = name->next->next) take_key(&t, name);
  require(&t, NAME);
  require(&t, KIND);
  if (t.given[NAME]) take_name(&t);
  const int kind = t.given[KIND] ? take_kind(&t) : -1;
  if (kind < 0) return;
  out->function.kind = (mpt_function_kind)kind;
  take_parameters(&t, &out->function);
}

void mpt_read_functions(const mpt_reading *r, const mpt_yaml *value) {
  struct mpt_functions_list *list = r->target;
  int64_t count = 0;
  if (value->kind != MPT_YAML_SEQUENCE || !value->first) {
    mpt_refuse_value(r, value, value->kind == MPT_YAML_SEQUENCE ? "it is empty" : "not a list");
    return;
  }
  for (const mpt_yaml *item = value->first; item; item = item->next) count++;
  list->items = mpt_alloc(count, sizeof *list->items);
  if (!list->items) {
    r->diagnostics->exhausted = true;
    return;
  }
  for (const mpt_yaml *item = value->first; item; item = item->next)
    read_function(r, item, &list->items[list->count++]);
}

/* Of the parameters that exclude one another, the one that is not 0; the first if all are 0. */
static const mpt_parameter *chosen(const mpt_function *f) {
  const mpt_parameter *p, *found = NULL;
  for (int k = 0; (p = mpt_function_parameter((int)f->kind, k)); k++)
    if (p->need == MPT_NEED_ONE_OF && (!found || mpt_parameter_number(f, p) != 0)) found = p;
  return found;
}

static void write_parameter(mpt_text *out, const mpt_function *f, const mpt_parameter *p) {
  if (p->need == MPT_NEED_ONE_OF && p != chosen(f)) return;
  mpt_text_add(out, ", %s: ", p->name);
  if (p->domain == MPT_DOMAIN_INDEX) {
    const int64_t *range = mpt_function_range(f);
    mpt_text_add(out, "[%lld, %lld]", (long long)range[0], (long long)range[1]);
  } else {
    mpt_add_number(out, mpt_parameter_number(f, p));
  }
}

void mpt_write_functions(const mpt_key *key, const void *target, mpt_text *out) {
  const struct mpt_functions_list *list = target;
  const mpt_parameter *p;
  (void)key;
  for (int64_t k = 0; k < list->count; k++) {
    const mpt_function *f = &list->items[k].function;
    mpt_text_add(out, "%s{name: ", k ? ", " : "[");
    mpt_add_quoted(out, list->items[k].name);
    mpt_text_add(out, ", kind: %s", mpt_function_name((int)f->kind));
    for (int i = 0; (p = mpt_function_parameter((int)f->kind, i)); i++) write_parameter(out, f, p);
    mpt_text_add(out, "}");
  }
  if (list->count) mpt_text_add(out, "]");
}

void mpt_read_reference(const mpt_reading *r, const mpt_yaml *value) {
  struct mpt_reference *reference = r->target;
  static const char *const keys[] = {"file", "dataset"};
  const mpt_yaml *given[2] = {NULL};
  bool others = value->kind != MPT_YAML_MAPPING;
  for (const mpt_yaml *name = others ? NULL : value->first; name; name = name->next->next) {
    const int key = mpt_find_key(r, name, "frame.reference", keys, 2);
    if (key < 0) return;
    others |= given[key] != NULL;
    given[key] = name->next;
  }
  const mpt_yaml *file = given[0], *dataset = given[1];
  const bool named = dataset && dataset->kind == MPT_YAML_SCALAR && dataset->text[0] &&
                     !mpt_yaml_is_typed(dataset);
  if (others || !file || !named) {
    mpt_refuse_value(r, value, "not a file and a dataset");
    return;
  }
  const char *why = mpt_parse_path(r, file, &reference->file);
  if (why) mpt_refuse_value(r, file, why);
  reference->dataset = mpt_format("%s", dataset->text);
  if (!reference->dataset) r->diagnostics->exhausted = true;
}

void mpt_write_reference(const mpt_key *key, const void *target, mpt_text *out) {
  const struct mpt_reference *reference = target;
  (void)key;
  if (!reference->file) return;
  mpt_text_add(out, "{file: ");
  mpt_add_quoted(out, reference->file);
  mpt_text_add(out, ", dataset: ");
  mpt_add_quoted(out, reference->dataset);
  mpt_text_add(out, "}");
}
