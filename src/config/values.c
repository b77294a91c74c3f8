/* Reading a value of each kind from a YAML node, and writing it; declared in keys.h. */
#include "config/values.h"

#include <stdlib.h>
#include <string.h>

/* Words are stored through a pointer to int. */
_Static_assert(sizeof(mpt_engine_id) == sizeof(int) && sizeof(mpt_triangle) == sizeof(int) &&
                   sizeof(mpt_convention) == sizeof(int) &&
                   sizeof(mpt_gauge_policy) == sizeof(int) &&
                   sizeof(mpt_spread_policy) == sizeof(int) && sizeof(unsigned) == sizeof(int),
               "an enum of the config is not an int");

static void refuse_later(const mpt_reading *r, const mpt_yaml *value, const mpt_word *word) {
  mpt_text valid = {0};
  mpt_add_words(&valid, r->key->words);
  mpt_diagnose(r->diagnostics, value->place,
               "%s: not available in this version: '%s' is planned (use one of: %s)", r->key->path,
               word->text, mpt_text_shown(&valid, ""));
  mpt_text_release(&valid);
}

static const mpt_word *find_word(const mpt_word *words, const char *text) {
  for (; words->text; words++)
    if (!strcmp(words->text, text)) return words;
  return NULL;
}

static void refuse_word(const mpt_reading *r, const mpt_yaml *value) {
  const char *names[MPT_MOST_WORDS], *nearest;
  size_t count = 0;
  for (const mpt_word *word = r->key->words; word->text; word++)
    if (!word->later) names[count++] = word->text;
  if (value->kind != MPT_YAML_SCALAR) {
    mpt_refuse_value(r, value, "not a word");
    return;
  }
  nearest = mpt_nearest_name(value->text, names, count);
  char *why = nearest ? mpt_format("no such value, did you mean '%s'?", nearest) : NULL;
  mpt_refuse_value(r, value, why ? why : "no such value");
  free(why);
}

/* The word that the node names; NULL after a diagnostic. */
static const mpt_word *read_known_word(const mpt_reading *r, const mpt_yaml *value) {
  const mpt_word *word =
      value->kind == MPT_YAML_SCALAR ? find_word(r->key->words, value->text) : NULL;
  if (!word)
    refuse_word(r, value);
  else if (word->later)
    refuse_later(r, value, word);
  return word && !word->later ? word : NULL;
}

static void read_word(const mpt_reading *r, const mpt_yaml *value) {
  const mpt_word *word = read_known_word(r, value);
  if (word) memcpy(r->target, &word->value, sizeof word->value);
}

static void read_boolean(const mpt_reading *r, const mpt_yaml *value) {
  static const mpt_word words[] = {{"true", 1, false},
                                   {"True", 1, false},
                                   {"TRUE", 1, false},
                                   {"false", 0, false},
                                   {"False", 0, false},
                                   {"FALSE", 0, false},
                                   {0}};
  bool plain = value->kind == MPT_YAML_SCALAR && value->plain;
  const mpt_word *word = plain ? find_word(words, value->text) : NULL;
  if (word)
    *(bool *)r->target = word->value;
  else
    mpt_refuse_value(r, value, "not a boolean");
}

static bool is_auto(const mpt_reading *r, const mpt_yaml *value) {
  return r->key->automatic && value->kind == MPT_YAML_SCALAR && !strcmp(value->text, "auto");
}

static void read_integer(const mpt_reading *r, const mpt_yaml *value) {
  int64_t number = 0;
  const int64_t least = r->key->kind == MPT_KEY_SEED ? 0 : 1;
  const char *why = is_auto(r, value) ? NULL : mpt_parse_integer(value, least, &number);
  if (why)
    mpt_refuse_value(r, value, why);
  else
    *(int64_t *)r->target = number;
}

static void read_number(const mpt_reading *r, const mpt_yaml *value) {
  double number = 0;
  const bool automatic = is_auto(r, value);
  const char *why = automatic ? NULL : mpt_parse_number(value, &number);
  if (!why && !automatic && !(number > 0)) why = "out of range";
  if (why)
    mpt_refuse_value(r, value, why);
  else
    *(double *)r->target = number;
}

static void read_grid(const mpt_reading *r, const mpt_yaml *value) {
  int64_t grid[2] = {0, 0};
  if (!is_auto(r, value)) {
    const mpt_yaml *rows = value->kind == MPT_YAML_SEQUENCE ? value->first : NULL;
    const mpt_yaml *columns = rows ? rows->next : NULL;
    if (!columns || columns->next) {
      mpt_refuse_value(r, value, "not a pair");
      return;
    }
    const char *why = mpt_parse_integer(rows, 1, &grid[0]);
    if (!why) why = mpt_parse_integer(columns, 1, &grid[1]);
    if (!why && grid[0] > MPT_LARGEST_INTEGER / grid[1]) why = "out of range";
    if (why) {
      mpt_refuse_value(r, value, why);
      return;
    }
  }
  memcpy(r->target, grid, sizeof grid);
}

static void read_range(const mpt_reading *r, const mpt_yaml *value) {
  int64_t range[2];
  const char *why = mpt_parse_range(value, range);
  if (why)
    mpt_refuse_value(r, value, why);
  else
    memcpy(r->target, range, sizeof range);
}

static void read_path(const mpt_reading *r, const mpt_yaml *value) {
  const char *why = mpt_parse_path(r, value, r->target);
  if (why) mpt_refuse_value(r, value, why);
}

/* "/a/b" for "a//b/"; "" for the root group. NULL when memory is out. The caller frees it. */
static char *canonical_dataset(const char *name) {
  char *out = calloc(strlen(name) + 2, 1), *end = out;
  if (!out) return NULL;
  while (*name) {
    size_t length = strcspn(name, "/");
    if (length && !(length == 1 && *name == '.')) {
      *end++ = '/';
      memcpy(end, name, length);
      end += length;
    }
    name += length + (name[length] == '/');
  }
  return out;
}

static const char *read_dataset(const mpt_reading *r, const mpt_yaml *item) {
  if (item->kind != MPT_YAML_SCALAR || mpt_yaml_is_typed(item)) return "not a dataset name";
  char *name = canonical_dataset(item->text);
  const char *why = NULL;
  if (!name)
    r->diagnostics->exhausted = true;
  else if (!*name)
    why = "not a dataset name";
  for (int64_t k = 0; name && !why && k < r->config->dataset_count; k++)
    if (!strcmp(r->config->datasets[k], name)) why = "named twice";
  if (name && !why)
    r->config->datasets[r->config->dataset_count++] = name;
  else
    free(name);
  return why;
}

static int64_t count_items(const mpt_yaml *list) {
  int64_t count = 0;
  for (const mpt_yaml *item = list->first; item; item = item->next) count++;
  return count;
}

static void read_datasets(const mpt_reading *r, const mpt_yaml *value) {
  if (value->kind != MPT_YAML_SEQUENCE || !value->first) {
    mpt_refuse_value(r, value, value->kind == MPT_YAML_SEQUENCE ? "it is empty" : "not a list");
    return;
  }
  r->config->datasets = mpt_alloc(count_items(value), sizeof(char *));
  if (!r->config->datasets) {
    r->diagnostics->exhausted = true;
    return;
  }
  for (const mpt_yaml *item = value->first; item; item = item->next) {
    const char *why = read_dataset(r, item);
    if (why) mpt_refuse_value(r, item, why);
  }
}

static void read_store(const mpt_reading *r, const mpt_yaml *value) {
  unsigned store = 0;
  if (value->kind != MPT_YAML_SEQUENCE || !value->first) {
    mpt_refuse_value(r, value, value->kind == MPT_YAML_SEQUENCE ? "it is empty" : "not a list");
    return;
  }
  for (const mpt_yaml *item = value->first; item; item = item->next) {
    const mpt_word *word = read_known_word(r, item);
    if (word && store & (unsigned)word->value) mpt_refuse_value(r, item, "named twice");
    if (word) store |= (unsigned)word->value;
  }
  memcpy(r->target, &store, sizeof store);
}

static void write_word(const mpt_key *key, const void *target, mpt_text *out) {
  int value;
  memcpy(&value, target, sizeof value);
  for (const mpt_word *word = key->words; word->text; word++)
    if (word->value == value) mpt_text_add(out, "%s", word->text);
}

static void write_boolean(const mpt_key *key, const void *target, mpt_text *out) {
  (void)key;
  mpt_text_add(out, *(const bool *)target ? "true" : "false");
}

static void write_integer(const mpt_key *key, const void *target, mpt_text *out) {
  int64_t number = *(const int64_t *)target;
  if (key->automatic && !number)
    mpt_text_add(out, "auto");
  else
    mpt_text_add(out, "%lld", (long long)number);
}

static void write_number(const mpt_key *key, const void *target, mpt_text *out) {
  const double number = *(const double *)target;
  if (key->automatic && number == 0)
    mpt_text_add(out, "auto");
  else
    mpt_add_number(out, number);
}

static void write_grid(const mpt_key *key, const void *target, mpt_text *out) {
  const int64_t *grid = target;
  (void)key;
  if (grid[0])
    mpt_text_add(out, "[%lld, %lld]", (long long)grid[0], (long long)grid[1]);
  else
    mpt_text_add(out, "auto");
}

static void write_range(const mpt_key *key, const void *target, mpt_text *out) {
  const int64_t *range = target;
  (void)key;
  if (range[1]) mpt_text_add(out, "[%lld, %lld]", (long long)range[0], (long long)range[1]);
}

static void write_path(const mpt_key *key, const void *target, mpt_text *out) {
  const char *path = *(char *const *)target;
  (void)key;
  if (path) mpt_add_quoted(out, path);
}

static void write_datasets(const mpt_key *key, const void *target, mpt_text *out) {
  const mpt_config *config = (const void *)((const char *)target - key->offset);
  for (int64_t k = 0; k < config->dataset_count; k++) {
    mpt_text_add(out, k ? ", " : "[");
    mpt_add_quoted(out, config->datasets[k]);
  }
  if (config->dataset_count) mpt_text_add(out, "]");
}

static void write_store(const mpt_key *key, const void *target, mpt_text *out) {
  unsigned store;
  const char *between = "[";
  memcpy(&store, target, sizeof store);
  for (const mpt_word *word = key->words; word->text; word++) {
    if (!(store & (unsigned)word->value)) continue;
    mpt_text_add(out, "%s%s", between, word->text);
    between = ", ";
  }
  mpt_text_add(out, "]");
}

static const struct {
  void (*read)(const mpt_reading *r, const mpt_yaml *value);
  void (*write)(const mpt_key *key, const void *target, mpt_text *out);
} kinds[] = {
    [MPT_KEY_WORD] = {read_word, write_word},
    [MPT_KEY_SELECT] = {mpt_read_select, mpt_write_select},
    [MPT_KEY_BOOLEAN] = {read_boolean, write_boolean},
    [MPT_KEY_INTEGER] = {read_integer, write_integer},
    [MPT_KEY_SEED] = {read_integer, write_integer},
    [MPT_KEY_NUMBER] = {read_number, write_number},
    [MPT_KEY_GRID] = {read_grid, write_grid},
    [MPT_KEY_PATH] = {read_path, write_path},
    [MPT_KEY_DATASETS] = {read_datasets, write_datasets},
    [MPT_KEY_STORE] = {read_store, write_store},
    [MPT_KEY_RANGE] = {read_range, write_range},
    [MPT_KEY_FUNCTIONS] = {mpt_read_functions, mpt_write_functions},
    [MPT_KEY_REFERENCE] = {mpt_read_reference, mpt_write_reference},
};
_Static_assert(sizeof kinds / sizeof *kinds == MPT_KEY_KINDS, "a kind of key is not read");

void mpt_key_read(const mpt_key *key, const mpt_yaml *name, const mpt_yaml *value,
                  const char *directory, mpt_config *config, mpt_diagnostics *diagnostics) {
  const mpt_location place = name ? name->place : value->place;
  if (mpt_yaml_is_null(value)) {
    char *expects = mpt_key_expects(key);
    mpt_diagnose(diagnostics, place, "no value for '%s': null is not a value (%s)", key->path,
                 expects ? expects : "");
    free(expects);
    return;
  }
  mpt_reading r = {key, directory, (char *)config + key->offset, config, diagnostics};
  kinds[key->kind].read(&r, value);
}

void mpt_key_write(const mpt_key *key, const mpt_config *config, mpt_text *out) {
  if (kinds[key->kind].write) kinds[key->kind].write(key, (const char *)config + key->offset, out);
}
