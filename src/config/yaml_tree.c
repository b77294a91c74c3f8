#include "config/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 16 };

typedef struct reader {
  yaml_parser_t parser;
  const char *text;
  size_t length;
  mpt_location origin;
  mpt_diagnostics *diagnostics;
  mpt_yaml *root, *open[MAX_DEPTH];
  int depth, documents;
} reader;

static mpt_location place_of(const reader *r, size_t line, size_t column) {
  mpt_location place = r->origin;
  if (!place.override) place.line += (int64_t)line;
  if (place.override || line == 0) column += (size_t)place.column - 1;
  place.column = (int64_t)column + 1;
  return place;
}

static mpt_location place_of_mark(const reader *r, yaml_mark_t mark) {
  return place_of(r, mark.line, mark.column);
}

/* The place of a byte: for text that is not UTF-8, libyaml reports only a byte offset. */
static mpt_location place_of_offset(const reader *r, size_t offset) {
  size_t line = 0, column = 0;
  for (size_t k = 0; k < offset && k < r->length; k++) {
    column = r->text[k] == '\n' ? 0 : column + 1;
    line += r->text[k] == '\n';
  }
  return place_of(r, line, column);
}

static bool complain_of_syntax(reader *r) {
  const yaml_parser_t *p = &r->parser;
  if (p->error == YAML_MEMORY_ERROR)
    r->diagnostics->exhausted = true;
  else if (p->error == YAML_READER_ERROR)
    mpt_diagnose(r->diagnostics, place_of_offset(r, p->problem_offset),
                 "cannot parse the YAML: %s (save the text as UTF-8)", p->problem);
  else
    mpt_diagnose(r->diagnostics, place_of_mark(r, p->problem_mark),
                 "cannot parse the YAML: %s%s%s (check indentation, quotes and brackets here)",
                 p->context ? p->context : "", p->context ? ", " : "", p->problem);
  return false;
}

static mpt_yaml *new_node(mpt_yaml_kind kind, const char *text, size_t length) {
  mpt_yaml *node = calloc(1, sizeof *node);
  if (!node) return NULL;
  node->kind = kind;
  if (!text) return node;
  node->text = malloc(length + 1);
  if (!node->text) {
    free(node);
    return NULL;
  }
  memcpy(node->text, text, length);
  node->text[length] = 0;
  return node;
}

static void append(mpt_yaml *parent, mpt_yaml *child) {
  if (parent->last)
    parent->last->next = child;
  else
    parent->first = child;
  parent->last = child;
}

/* Adds a node under the innermost open one; false when memory is out. */
static bool add_node(reader *r, mpt_yaml *node, yaml_mark_t mark) {
  if (!node) {
    r->diagnostics->exhausted = true;
    return false;
  }
  node->place = place_of_mark(r, mark);
  if (r->depth)
    append(r->open[r->depth - 1], node);
  else
    r->root = node;
  return true;
}

static bool refuse(reader *r, yaml_mark_t mark, const char *what, const char *mend) {
  mpt_diagnose(r->diagnostics, place_of_mark(r, mark),
               "cannot use %s: not supported in a config (%s)", what, mend);
  return false;
}

static bool check_decoration(reader *r, yaml_mark_t mark, const yaml_char_t *anchor,
                             const yaml_char_t *tag) {
  if (anchor) return refuse(r, mark, "an anchor", "write the value out where it is needed");
  if (tag) return refuse(r, mark, "a tag", "write the plain value");
  return true;
}

static bool open_node(reader *r, mpt_yaml_kind kind, yaml_mark_t mark) {
  if (r->depth == MAX_DEPTH) return refuse(r, mark, "nesting this deep", "no key needs it");
  if (!add_node(r, new_node(kind, NULL, 0), mark)) return false;
  mpt_yaml *node = r->depth ? r->open[r->depth - 1]->last : r->root;
  r->open[r->depth++] = node;
  return true;
}

static bool add_scalar(reader *r, const yaml_event_t *event) {
  const char *text = (const char *)event->data.scalar.value;
  size_t length = event->data.scalar.length;
  if (!check_decoration(r, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag))
    return false;
  if (memchr(text, 0, length)) return refuse(r, event->start_mark, "a NUL character", "remove it");
  mpt_yaml *node = new_node(MPT_YAML_SCALAR, text, length);
  if (node) node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  return add_node(r, node, event->start_mark);
}

static bool take_event(reader *r, const yaml_event_t *event) {
  yaml_mark_t mark = event->start_mark;
  switch (event->type) {
  case YAML_DOCUMENT_START_EVENT:
    if (r->documents++) return refuse(r, mark, "a second document", "keep one document in a file");
    return true;
  case YAML_ALIAS_EVENT:
    return refuse(r, mark, "an alias", "write the value out where it is needed");
  case YAML_SCALAR_EVENT:
    return add_scalar(r, event);
  case YAML_SEQUENCE_START_EVENT:
    return check_decoration(r, mark, event->data.sequence_start.anchor,
                            event->data.sequence_start.tag) &&
           open_node(r, MPT_YAML_SEQUENCE, mark);
  case YAML_MAPPING_START_EVENT:
    return check_decoration(r, mark, event->data.mapping_start.anchor,
                            event->data.mapping_start.tag) &&
           open_node(r, MPT_YAML_MAPPING, mark);
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    r->depth--;
    return true;
  case YAML_NO_EVENT:
  case YAML_STREAM_START_EVENT:
  case YAML_STREAM_END_EVENT:
  case YAML_DOCUMENT_END_EVENT:
    break;
  }
  return true;
}

static bool read_events(reader *r) {
  for (bool done = false; !done;) {
    yaml_event_t event;
    if (!yaml_parser_parse(&r->parser, &event)) return complain_of_syntax(r);
    done = event.type == YAML_STREAM_END_EVENT;
    bool good = take_event(r, &event);
    yaml_event_delete(&event);
    if (!good) return false;
  }
  return true;
}

mpt_yaml *mpt_yaml_parse(const char *text, size_t length, mpt_location origin,
                         mpt_diagnostics *diagnostics) {
  reader r = {.text = text, .length = length, .origin = origin, .diagnostics = diagnostics};
  if (!yaml_parser_initialize(&r.parser)) {
    diagnostics->exhausted = true;
    return NULL;
  }
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
  if (!read_events(&r)) {
    mpt_yaml_release(r.root);
    r.root = NULL;
  }
  yaml_parser_delete(&r.parser);
  return r.root;
}

mpt_yaml *mpt_yaml_wrap(const char *key, size_t length, mpt_location place, mpt_yaml *value) {
  mpt_yaml *mapping = new_node(MPT_YAML_MAPPING, NULL, 0);
  mpt_yaml *name = new_node(MPT_YAML_SCALAR, key, length);
  if (!mapping || !name) {
    mpt_yaml_release(mapping);
    mpt_yaml_release(name);
    mpt_yaml_release(value);
    return NULL;
  }
  mapping->place = name->place = place;
  append(mapping, name);
  append(mapping, value);
  return mapping;
}

static bool has_key(const mpt_yaml *mapping, const char *key) {
  for (const mpt_yaml *name = mapping->first; name; name = name->next->next)
    if (name->kind == MPT_YAML_SCALAR && !strcmp(name->text, key)) return true;
  return false;
}

void mpt_yaml_fill_in(mpt_yaml *into, mpt_yaml *from,
                      bool (*fits)(const char *key, const mpt_yaml *into)) {
  mpt_yaml *name = from->first, *next;
  from->first = from->last = NULL;
  for (; name; name = next) {
    mpt_yaml *value = name->next;
    const bool moves =
        name->kind == MPT_YAML_SCALAR && !has_key(into, name->text) && fits(name->text, into);
    next = value->next;
    name->next = value->next = NULL;
    append(moves ? into : from, name);
    append(moves ? into : from, value);
  }
}

static bool is_one_of(const char *text, const char *const *words) {
  for (; *words; words++)
    if (!strcmp(text, *words)) return true;
  return false;
}

bool mpt_yaml_is_null(const mpt_yaml *node) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
  return node->kind == MPT_YAML_SCALAR && node->plain && is_one_of(node->text, words);
}

bool mpt_yaml_is_typed(const mpt_yaml *node) {
  static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE", ".nan",
                                      ".NaN", ".NAN", ".inf", "+.inf", "-.inf", ".Inf",  NULL};
  if (node->kind != MPT_YAML_SCALAR || !node->plain) return false;
  if (mpt_yaml_is_null(node) || is_one_of(node->text, words)) return true;
  char *end;
  bool digits = strspn(node->text, "0123456789+-.eE") == strlen(node->text);
  strtod(node->text, &end);
  return digits && end != node->text && !*end;
}

const char *mpt_yaml_show(const mpt_yaml *node, char shown[96]) {
  static const char *const names[MPT_YAML_KINDS] = {
      [MPT_YAML_SEQUENCE] = "a list", [MPT_YAML_MAPPING] = "a mapping"};
  if (node->kind == MPT_YAML_SCALAR)
    snprintf(shown, 96, "'%.64s%s'", node->text, strlen(node->text) > 64 ? "..." : "");
  else
    snprintf(shown, 96, "%s", names[node->kind]);
  return shown;
}

void mpt_yaml_release(mpt_yaml *node) {
  if (!node) return;
  for (mpt_yaml *item = node->first, *next; item; item = next) {
    next = item->next;
    mpt_yaml_release(item);
  }
  free(node->text);
  free(node);
}
