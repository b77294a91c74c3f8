/* Values that are mappings: matrix functions, and the reference of a frame. */
#include "config/values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Keys of a function, and the kinds that take them. */
enum { NAME, KIND, SCALE, EXPONENT, BETA, MU, ELECTRONS, INDEX, FUNCTION_KEYS };
static const char *const function_keys[] = {"name", "kind", "scale",     "exponent",
                                            "beta", "mu",   "electrons", "index"};
_Static_assert(sizeof function_keys / sizeof *function_keys == FUNCTION_KEYS, "a key has no name");

static bool takes(int kind, int key) {
  const bool fermi = kind == MPT_FUNCTION_FERMI, projector = kind == MPT_FUNCTION_PROJECTOR;
  switch (key) {
  case SCALE:
    return !fermi && !projector;
  case EXPONENT:
    return kind == MPT_FUNCTION_POWER;
  case INDEX:
    return projector;
  case BETA:
  case MU:
  case ELECTRONS:
    return fermi;
  }
  return true;
}

/* One function on its way into the config. */
typedef struct taking {
  const mpt_reading *r;
  const mpt_yaml *item, *given[FUNCTION_KEYS];
  mpt_named_function *out;
} taking;

static void complain(const taking *t, const mpt_yaml *at, const char *what, const char *why,
                     const char *mend) {
  char shown[96];
  mpt_diagnose(t->r->diagnostics, at->place, "cannot use %s for '%s' of a function: %s (%s)",
               mpt_yaml_show(at, shown), what, why, mend);
}

static void take_key(taking *t, const mpt_yaml *name) {
  const int key = mpt_find_key(t->r, name, "a function", function_keys, FUNCTION_KEYS);
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

/* The kind, or -1 after a diagnostic. */
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
  complain(t, value, "kind", why ? why : "no such kind",
           "valid: exp, log, sqrt, inv_sqrt, inverse, power, tanh, sin, cos, fermi, projector");
  free(why);
  return -1;
}

/* A finite number, positive where `positive`, not zero where `nonzero`. */
static void take_number(const taking *t, int key, double *out, bool positive, bool nonzero) {
  const mpt_yaml *value = t->given[key];
  if (!value) return;
  const char *why = mpt_parse_number(value, out);
  if (!why && ((positive && !(*out > 0)) || (nonzero && *out == 0))) why = "out of range";
  if (why)
    complain(t, value, function_keys[key], why,
             positive  ? "give a finite number above 0"
             : nonzero ? "give a finite number that is not 0"
                       : "give a finite number");
}

static void require(const taking *t, int key) {
  if (!t->given[key])
    mpt_diagnose(t->r->diagnostics, t->item->place,
                 "missing key '%s': a function of this kind needs it (add it)", function_keys[key]);
}

static void take_parameters(const taking *t, mpt_function *f) {
  for (int key = SCALE; key < FUNCTION_KEYS; key++)
    if (t->given[key] && !takes((int)f->kind, key))
      mpt_diagnose(t->r->diagnostics, t->given[key]->place,
                   "cannot use '%s': it means nothing to kind '%s' (remove it)", function_keys[key],
                   mpt_function_name((int)f->kind));
  f->scale = 1;
  take_number(t, SCALE, &f->scale, false, true);
  take_number(t, EXPONENT, &f->exponent, false, false);
  take_number(t, BETA, &f->beta, true, false);
  take_number(t, MU, &f->mu, false, false);
  take_number(t, ELECTRONS, &f->electrons, true, false);
  if (f->kind == MPT_FUNCTION_POWER) require(t, EXPONENT);
  if (f->kind == MPT_FUNCTION_PROJECTOR) require(t, INDEX);
  if (f->kind == MPT_FUNCTION_FERMI) require(t, BETA);
  if (f->kind == MPT_FUNCTION_FERMI && !t->given[MU] == !t->given[ELECTRONS])
    mpt_diagnose(
        t->r->diagnostics, t->item->place,
        "cannot use a fermi function with %s mu %s electrons: one of them says how full it "
        "is (give one)",
        t->given[MU] ? "both" : "neither", t->given[MU] ? "and" : "nor");
  const char *why = t->given[INDEX] ? mpt_parse_range(t->given[INDEX], f->index) : NULL;
  if (why) complain(t, t->given[INDEX], "index", why, "give [start, stop] with 0 <= start < stop");
}

static void read_function(const mpt_reading *r, const mpt_yaml *item, mpt_named_function *out) {
  taking t = {.r = r, .item = item, .out = out};
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

static void write_parameter(mpt_text *out, int key, double value) {
  mpt_text_add(out, ", %s: ", function_keys[key]);
  mpt_add_number(out, value);
}

void mpt_write_functions(const mpt_key *key, const void *target, mpt_text *out) {
  const struct mpt_functions_list *list = target;
  (void)key;
  for (int64_t k = 0; k < list->count; k++) {
    const mpt_function *f = &list->items[k].function;
    mpt_text_add(out, "%s{name: ", k ? ", " : "[");
    mpt_add_quoted(out, list->items[k].name);
    mpt_text_add(out, ", kind: %s", mpt_function_name((int)f->kind));
    if (takes((int)f->kind, SCALE)) write_parameter(out, SCALE, f->scale);
    if (f->kind == MPT_FUNCTION_POWER) write_parameter(out, EXPONENT, f->exponent);
    if (f->kind == MPT_FUNCTION_FERMI) {
      write_parameter(out, BETA, f->beta);
      write_parameter(out, f->electrons > 0 ? ELECTRONS : MU,
                      f->electrons > 0 ? f->electrons : f->mu);
    }
    if (f->kind == MPT_FUNCTION_PROJECTOR)
      mpt_text_add(out, ", index: [%lld, %lld]", (long long)f->index[0], (long long)f->index[1]);
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
