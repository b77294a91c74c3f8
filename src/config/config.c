#include "config/config.h"
#include "config/keys.h"
#include "config/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20 };

typedef struct given {
  const mpt_yaml *name; /* NULL: the key was not given */
  mpt_yaml *value;
} given;

typedef struct loader {
  mpt_diagnostics diagnostics;
  const char *path;      /* NULL: the text came from no file */
  mpt_location start;    /* the place where a missing key is reported */
  const char *directory; /* NULL: paths are absolute already */
  mpt_yaml **trees;      /* of the file and of each override; owned */
  size_t tree_count;
  given *given;   /* by key; the last tree that has the key wins */
  int64_t behind; /* column of an override's value; 0 in the file */
  const mpt_yaml **sections;
  mpt_config *config;
} loader;

static mpt_code loader_init(loader *l, size_t tree_count, mpt_config *config, mpt_error *error) {
  mpt_code code;
  *l = (loader){.config = config};
  TRY(mpt_allocate(&l->trees, (int64_t)tree_count, sizeof *l->trees, "the config", error));
  TRY(mpt_allocate(&l->given, (int64_t)mpt_key_count, sizeof *l->given, "the config", error));
  TRY(mpt_allocate(&l->sections, (int64_t)mpt_section_count, sizeof *l->sections, "the config",
                   error));
done:
  return code;
}

static void loader_release(loader *l) {
  for (size_t k = 0; k < l->tree_count; k++) mpt_yaml_release(l->trees[k]);
  free(l->trees);
  free(l->given);
  free(l->sections);
  mpt_diagnostics_release(&l->diagnostics);
}

static bool same_section(const char *path, const char *other) {
  const size_t length = strcspn(path, ".");
  return length == strcspn(other, ".") && !strncmp(path, other, length);
}

/* Lists the valid keys, where a message about an unknown key has no better advice. In a section
 * these are its keys; at the top, the sections and the keys outside of sections. Keys of a section
 * are adjacent in the table. */
static char *list_of_keys(const char *section) {
  mpt_text out = {0};
  for (size_t k = 0; k < mpt_key_count; k++) {
    const char *path = mpt_keys[k].path, *separator = out.length ? ", " : "";
    if (*section && same_section(path, section))
      mpt_text_add(&out, "%s%s", separator, path);
    else if (!*section && !(k && same_section(path, mpt_keys[k - 1].path)))
      mpt_text_add(&out, "%s%.*s", separator, (int)strcspn(path, "."), path);
  }
  return out.data;
}

static void complain_of_unknown(loader *l, const char *section, const mpt_yaml *name) {
  char shown[96], *valid = list_of_keys(section);
  bool scalar = name->kind == MPT_YAML_SCALAR;
  const char *nearest = scalar ? mpt_key_nearest(section, name->text) : NULL;
  mpt_yaml_show(name, shown);
  if (scalar && strchr(name->text, '.') && mpt_key_find(name->text) < mpt_key_count)
    mpt_diagnose(
        &l->diagnostics, name->place,
        "unknown key %s: the file nests its keys (write '%.*s:' and indent '%s:' under it)", shown,
        (int)strcspn(name->text, "."), name->text, strchr(name->text, '.') + 1);
  else if (nearest)
    mpt_diagnose(&l->diagnostics, name->place,
                 "unknown key %s: no such key in %s%s (did you mean '%s'?)", shown,
                 *section ? "section " : "the config", section, nearest);
  else
    mpt_diagnose(&l->diagnostics, name->place, "unknown key %s: no such key in %s%s (valid: %s)",
                 shown, *section ? "section " : "the config", section, valid ? valid : "");
  free(valid);
}

static bool complain_of_duplicate(loader *l, const mpt_yaml *mapping, const mpt_yaml *name,
                                  const char *path) {
  for (const mpt_yaml *first = mapping->first; first != name; first = first->next->next) {
    if (first->kind != MPT_YAML_SCALAR || strcmp(first->text, name->text)) continue;
    mpt_diagnose(&l->diagnostics, name->place,
                 "duplicate key '%s': first given on line %lld (keep one of them)", path,
                 (long long)first->place.line);
    return true;
  }
  return false;
}

static void take_section(loader *l, const mpt_yaml *name, const mpt_yaml *value);

static bool any(const char *key, const mpt_yaml *into) {
  (void)key;
  (void)into;
  return true;
}

/* In a selection only `range` and `at_most` can be given together. */
static bool goes_with_range(const char *key, const mpt_yaml *into) {
  const char *other = into->first->text;
  return (!strcmp(key, "range") && !strcmp(other, "at_most")) ||
         (!strcmp(key, "at_most") && !strcmp(other, "range"));
}

/* An override of a part of a value, as in solve.select.at_most=4, keeps the value's other parts. */
static void give(loader *l, size_t key, const mpt_yaml *name) {
  mpt_yaml *value = name->next, *before = l->given[key].value;
  const bool goes_on = l->behind > 0 && value->place.column < l->behind;
  if (goes_on && before && before->kind == MPT_YAML_MAPPING)
    mpt_yaml_fill_in(value, before, mpt_keys[key].kind == MPT_KEY_SELECT ? goes_with_range : any);
  l->given[key] = (given){name, value};
}

static void take_entry(loader *l, const char *section, const mpt_yaml *mapping,
                       const mpt_yaml *name) {
  bool scalar = name->kind == MPT_YAML_SCALAR;
  char *path = scalar ? mpt_format("%s%s%s", section, *section ? "." : "", name->text) : NULL;
  if (scalar && !path) l->diagnostics.exhausted = true;
  /* A dot within a name would let "solve.solver" at the top pass for a nested key. */
  size_t key = path && !strchr(name->text, '.') ? mpt_key_find(path) : mpt_key_count;
  bool is_section = path && !*section && mpt_is_section(path);
  if (key == mpt_key_count && !is_section)
    complain_of_unknown(l, section, name);
  else if (complain_of_duplicate(l, mapping, name, path))
    ;
  else if (is_section)
    take_section(l, name, name->next);
  else
    give(l, key, name);
  free(path);
}

static void take_mapping(loader *l, const char *section, const mpt_yaml *mapping) {
  for (const mpt_yaml *name = mapping->first; name; name = name->next->next)
    take_entry(l, section, mapping, name);
}

static void take_section(loader *l, const mpt_yaml *name, const mpt_yaml *value) {
  char shown[96];
  for (size_t s = 0; s < mpt_section_count; s++)
    if (!l->sections[s] && !strcmp(name->text, mpt_sections[s])) l->sections[s] = name;
  if (value->kind == MPT_YAML_MAPPING)
    take_mapping(l, name->text, value);
  else if (mpt_yaml_is_null(value))
    mpt_diagnose(&l->diagnostics, name->place,
                 "section '%s' is empty: null is not a value (give it keys, or leave it out)",
                 name->text);
  else
    mpt_diagnose(&l->diagnostics, value->place,
                 "cannot use %s for section '%s': not a mapping (indent its keys under it)",
                 mpt_yaml_show(value, shown), name->text);
}

/* False when there is no tree in which keys could be missing. */
static bool add_tree(loader *l, mpt_yaml *tree) {
  char shown[96];
  if (!tree) return !l->diagnostics.count && !l->diagnostics.exhausted;
  l->trees[l->tree_count++] = tree;
  if (tree->kind == MPT_YAML_MAPPING)
    take_mapping(l, "", tree);
  else
    mpt_diagnose(&l->diagnostics, tree->place,
                 "cannot use %s as a config: not a mapping (begin with 'input:')",
                 mpt_yaml_show(tree, shown));
  return tree->kind == MPT_YAML_MAPPING;
}

/* Adds `solve.solver=lapack` as the tree of {solve: {solver: lapack}}. */
static void add_override(loader *l, const char *text, mpt_location place) {
  const char *equals = strchr(text, '=');
  mpt_location behind = place;
  if (!equals || equals == text) {
    mpt_diagnose(&l->diagnostics, place,
                 "cannot read the override '%.64s': not of the form key=value "
                 "(write for example --set run.threads=2)",
                 text);
    return;
  }
  behind.column += equals - text + 1;
  l->behind = behind.column;
  size_t before = l->diagnostics.count;
  mpt_yaml *tree = mpt_yaml_parse(equals + 1, strlen(equals + 1), behind, &l->diagnostics);
  if (l->diagnostics.count > before || l->diagnostics.exhausted) return;
  if (!tree) tree = mpt_yaml_parse("~", 1, behind, &l->diagnostics);
  for (const char *end = equals; tree && end > text;) {
    const char *start = end;
    while (start > text && start[-1] != '.') start--;
    mpt_location here = place;
    here.column += start - text;
    tree = mpt_yaml_wrap(start, (size_t)(end - start), here, tree);
    end = start > text ? start - 1 : text;
  }
  if (!tree) l->diagnostics.exhausted = true;
  add_tree(l, tree);
}

static mpt_location place_of_section(const loader *l, const char *path) {
  for (size_t s = 0; s < mpt_section_count; s++) {
    size_t length = strlen(mpt_sections[s]);
    if (!strncmp(path, mpt_sections[s], length) && path[length] == '.' && l->sections[s])
      return l->sections[s]->place;
  }
  return l->start;
}

static void read_default(loader *l, const mpt_key *key) {
  mpt_yaml *value = mpt_yaml_parse(key->fallback, strlen(key->fallback), l->start, &l->diagnostics);
  if (value) mpt_key_read(key, NULL, value, l->directory, l->config, &l->diagnostics);
  mpt_yaml_release(value);
}

static void read_keys(loader *l) {
  for (size_t k = 0; k < mpt_key_count; k++) {
    const mpt_key *key = &mpt_keys[k];
    if (l->given[k].value)
      mpt_key_read(key, l->given[k].name, l->given[k].value, l->directory, l->config,
                   &l->diagnostics);
    else if (key->fallback)
      read_default(l, key);
    else if (key->required)
      mpt_diagnose(&l->diagnostics, place_of_section(l, key->path),
                   "missing key '%s': every job needs it: %s (add it)", key->path, key->doc);
  }
}

static mpt_location place_of_value(const loader *l, const char *path) {
  const mpt_yaml *value = l->given[mpt_key_find(path)].value;
  return value ? value->place : l->start;
}

static void check_output_is_new(loader *l, const char *path, const char *other) {
  if (!other || !l->config->output_file || !mpt_same_file(l->config->output_file, other)) return;
  mpt_diagnose(&l->diagnostics, place_of_value(l, "output.file"),
               "cannot write to '%s': it is the file of '%s' (choose another output.file)",
               l->config->output_file, path);
}

static void check_together(loader *l) {
  const mpt_config *config = l->config;
  if (config->eigenpairs && !l->given[mpt_key_find("gradient.cotangents")].value)
    mpt_diagnose(&l->diagnostics, place_of_value(l, "gradient.eigenpairs"),
                 "cannot use 'gradient.eigenpairs' alone: there is nothing to differentiate "
                 "(add 'gradient.cotangents')");
  const bool index = config->frame_index[1] > 0;
  if (index != (config->reference.file != NULL) && !l->diagnostics.count)
    mpt_diagnose(&l->diagnostics, place_of_section(l, "frame.index"),
                 "missing key '%s': a frame needs both its subspace and its reference (add it)",
                 index ? "frame.reference" : "frame.index");
  check_output_is_new(l, "this config", l->path);
  check_output_is_new(l, "tangent", config->tangent);
  check_output_is_new(l, "frame.reference", config->reference.file);
  check_output_is_new(l, "input.file", config->input_file);
  check_output_is_new(l, "gradient.cotangents", config->cotangents);
  check_output_is_new(l, "gradient.eigenpairs", config->eigenpairs);
}

/* The section's name when the key is the first of its section, otherwise NULL. */
static const char *begins_section(const mpt_text *value, const char *path, const char **open) {
  for (size_t s = 0; value->length && s < mpt_section_count; s++) {
    size_t length = strlen(mpt_sections[s]);
    if (strncmp(path, mpt_sections[s], length) || path[length] != '.') continue;
    if (*open == mpt_sections[s]) return NULL;
    return *open = mpt_sections[s];
  }
  return NULL;
}

static char *resolve(const mpt_config *config) {
  mpt_text out = {0};
  const char *open = NULL;
  for (size_t k = 0; k < mpt_key_count; k++) {
    mpt_text value = {0};
    mpt_key_write(&mpt_keys[k], config, &value);
    const char *section = begins_section(&value, mpt_keys[k].path, &open);
    if (section) mpt_text_add(&out, "%s:\n", section);
    const char *leaf = mpt_key_leaf(&mpt_keys[k]);
    const char *indent = leaf == mpt_keys[k].path ? "" : "  ";
    if (value.length) mpt_text_add(&out, "%s%s: ", indent, leaf);
    mpt_text_join(&out, &value);
    if (value.length) mpt_text_add(&out, "\n");
    mpt_text_release(&value);
  }
  return out.data;
}

/* Everything after the trees are parsed. MPT_BAD_USAGE when there are diagnostics; MPT_NO_RESOURCE
 * when some are missing because memory is out. */
static mpt_code finish(loader *l, bool readable) {
  if (readable) {
    read_keys(l);
    check_together(l);
  }
  if (!l->diagnostics.count && !l->diagnostics.exhausted) {
    l->config->resolved = resolve(l->config);
    if (!l->config->resolved) l->diagnostics.exhausted = true;
  }
  mpt_diagnostics_sort(&l->diagnostics);
  if (l->diagnostics.exhausted) return MPT_NO_RESOURCE;
  return l->diagnostics.count ? MPT_BAD_USAGE : MPT_DONE;
}

static mpt_code cannot_open(const char *path, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot open config '%s': %s (check the path and its permissions)", path,
                  strerror(errno));
}

static mpt_code read_file(const char *path, char **text, size_t *length, mpt_error *error) {
  mpt_code code;
  FILE *file = fopen(path, "rb");
  if (!file) return cannot_open(path, error);
  TRY(mpt_allocate(text, MAX_BYTES + 1, 1, "the config", error));
  *length = fread(*text, 1, MAX_BYTES + 1, file);
  if (ferror(file))
    code = cannot_open(path, error);
  else if (*length > MAX_BYTES)
    code = mpt_fail(error, MPT_BAD_USAGE,
                    "cannot read config '%s': it is larger than 1 MiB (is it a YAML file?)", path);
done:
  fclose(file);
  return code;
}

static void add_overrides(loader *l, const char *const *overrides, size_t count) {
  for (size_t k = 0; k < count; k++)
    add_override(l, overrides[k], (mpt_location){"--set", true, (int64_t)k + 1, 1});
}

mpt_code mpt_config_load(const char *path, const char *const *overrides, size_t override_count,
                         mpt_config *config) {
  mpt_code code;
  mpt_error failure = {0}, *error = &failure;
  char *text = NULL, *directory = NULL;
  size_t length = 0;
  loader l = {0};
  *config = (mpt_config){0};
  TRY(read_file(path, &text, &length, error));
  directory = mpt_directory_of(path);
  if (!directory) TRY(cannot_open(path, error));
  TRY(loader_init(&l, override_count + 1, config, error));
  l.start = (mpt_location){path, false, 1, 1};
  l.path = path;
  l.directory = directory;
  bool readable = add_tree(&l, mpt_yaml_parse(text, length, l.start, &l.diagnostics));
  add_overrides(&l, overrides, override_count);
  code = finish(&l, readable);
  mpt_diagnostics_print(&l.diagnostics);
done:
  if (failure.text[0]) mpt_print_error(error);
  loader_release(&l);
  free(directory);
  free(text);
  if (code != MPT_DONE) mpt_config_release(config);
  return code;
}

mpt_code mpt_config_from_text(const char *text, const char *directory, mpt_config *config,
                              mpt_text *errors) {
  mpt_code code;
  mpt_error failure = {0}, *error = &failure;
  loader l = {0};
  *config = (mpt_config){0};
  TRY(loader_init(&l, 1, config, error));
  l.start = (mpt_location){"request", false, 1, 1};
  l.directory = directory;
  bool readable = add_tree(&l, mpt_yaml_parse(text, strlen(text), l.start, &l.diagnostics));
  code = finish(&l, readable);
  mpt_diagnostics_write(&l.diagnostics, errors);
done:
  if (failure.text[0]) mpt_text_add(errors, "%s", failure.text);
  loader_release(&l);
  if (code != MPT_DONE) mpt_config_release(config);
  return code;
}

static mpt_code read_resolved(const char *resolved, mpt_config *config, bool *exhausted,
                              mpt_error *error) {
  mpt_code code;
  loader l = {0};
  *config = (mpt_config){0};
  *exhausted = true;
  TRY(loader_init(&l, 1, config, error));
  l.start = (mpt_location){"config", false, 1, 1};
  mpt_yaml *tree = mpt_yaml_parse(resolved, strlen(resolved), l.start, &l.diagnostics);
  bool readable = add_tree(&l, tree);
  code = finish(&l, readable);
  *exhausted = l.diagnostics.exhausted;
  if (*exhausted)
    code = mpt_no_memory("read the resolved config", error);
  else if (code != MPT_DONE)
    code = mpt_fail(error, code, "cannot read the resolved config, line %lld: %s",
                    (long long)l.diagnostics.items[0].place.line, l.diagnostics.items[0].text);
done:
  loader_release(&l);
  if (code != MPT_DONE) mpt_config_release(config);
  return code;
}

mpt_code mpt_config_from_resolved(const char *resolved, mpt_config *config, mpt_error *error) {
  bool exhausted;
  return read_resolved(resolved, config, &exhausted, error);
}

mpt_code mpt_config_of_result(const char *text, mpt_config *config, bool *known, mpt_error *error) {
  bool exhausted = false;
  *known = text && read_resolved(text, config, &exhausted, error) == MPT_DONE;
  return exhausted ? MPT_NO_RESOURCE : MPT_DONE;
}

void mpt_config_release(mpt_config *config) {
  for (int64_t k = 0; k < config->dataset_count; k++) free(config->datasets[k]);
  free(config->datasets);
  free(config->input_file);
  for (int64_t k = 0; k < config->functions.count; k++) free(config->functions.items[k].name);
  free(config->functions.items);
  free(config->reference.file);
  free(config->reference.dataset);
  free(config->tangent);
  free(config->cotangents);
  free(config->eigenpairs);
  free(config->output_file);
  free(config->resolved);
  *config = (mpt_config){0};
}
