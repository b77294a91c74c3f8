/* YAML text as a tree of nodes with their places. Deliberately a subset: one document, no anchors,
 * aliases or tags, so that a config can be read line by line. */
#ifndef MPT_YAML_TREE_H
#define MPT_YAML_TREE_H

#include "base/base.h"
#include "config/diagnostics.h"

typedef enum mpt_yaml_kind {
  MPT_YAML_SCALAR,
  MPT_YAML_SEQUENCE,
  MPT_YAML_MAPPING,
  MPT_YAML_KINDS
} mpt_yaml_kind;

typedef struct mpt_yaml {
  mpt_yaml_kind kind;
  bool plain; /* a scalar without quotes, which may be a number, a boolean or null */
  char *text; /* of a scalar; NULL otherwise */
  mpt_location place;
  struct mpt_yaml *first, *last; /* items; in a mapping they are key, value, key, value, ... */
  struct mpt_yaml *next;
} mpt_yaml;

/* Parses `length` bytes. A node's place is relative to `origin`, the place of the first character;
 * if origin.override is set, the line stays the origin's. Returns the tree, which the caller
 * releases; NULL for an empty text and after a diagnostic. */
mpt_yaml *mpt_yaml_parse(const char *text, size_t length, mpt_location origin,
                         mpt_diagnostics *diagnostics);

/* A mapping of one key to `value`, which it takes over. When memory is out, it releases the value
 * and returns NULL. */
mpt_yaml *mpt_yaml_wrap(const char *key, size_t length, mpt_location place, mpt_yaml *value);

/* Moves pairs from `from` to the end of `into`: those whose keys are not in `into` and for which
 * `fits` (of the key and `into`) is true. */
void mpt_yaml_fill_in(mpt_yaml *into, mpt_yaml *from,
                      bool (*fits)(const char *key, const mpt_yaml *into));

bool mpt_yaml_is_null(const mpt_yaml *node);

/* Whether a plain scalar reads as null, a boolean or a number rather than as a string. */
bool mpt_yaml_is_typed(const mpt_yaml *node);

/* The node as an error names it: "'text'", "a list", .... Writes into `shown` and returns it. */
const char *mpt_yaml_show(const mpt_yaml *node, char shown[96]);

void mpt_yaml_release(mpt_yaml *node);

#endif
