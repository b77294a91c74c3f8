/* YAML text as a tree of nodes that know their place. A subset on purpose: one document, no
 * anchors, aliases or tags, so that what a config says can be read off its lines. */
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
  bool plain; /* a scalar without quotes: may be a number, a boolean or null */
  char *text; /* a scalar's; NULL otherwise */
  mpt_location place;
  struct mpt_yaml *first, *last; /* items; a mapping's are key, value, key, value, ... */
  struct mpt_yaml *next;
} mpt_yaml;

/* Parses `length` bytes. A node's place is counted from `origin`, the place of the first character;
 * where origin.override is set the line stays the origin's. Returns the tree that the caller
 * releases, NULL for an empty text and after a diagnostic. */
mpt_yaml *mpt_yaml_parse(const char *text, size_t length, mpt_location origin,
                         mpt_diagnostics *diagnostics);

/* A mapping of one key, which takes `value` (and releases it when memory is out: NULL then). */
mpt_yaml *mpt_yaml_wrap(const char *key, size_t length, mpt_location place, mpt_yaml *value);

/* Moves the pairs of `from` whose keys `into` lacks, and `fits` (of the key and of `into`) takes,
 * to the end of `into`. */
void mpt_yaml_fill_in(mpt_yaml *into, mpt_yaml *from,
                      bool (*fits)(const char *key, const mpt_yaml *into));

bool mpt_yaml_is_null(const mpt_yaml *node);

/* Whether a plain scalar reads as null, a boolean or a number rather than as a string. */
bool mpt_yaml_is_typed(const mpt_yaml *node);

/* The node as an error names it: "'text'", "a list", ...; in `shown`, which is returned. */
const char *mpt_yaml_show(const mpt_yaml *node, char shown[96]);

void mpt_yaml_release(mpt_yaml *node);

#endif
