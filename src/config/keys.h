/* The table of config keys, and reading and writing a value of each kind. Private to config.c and
 * its documentation. */
#ifndef MPT_KEYS_H
#define MPT_KEYS_H

#include "config/config.h"
#include "config/yaml_tree.h"

typedef enum mpt_key_kind {
  MPT_KEY_WORD,
  MPT_KEY_SELECT,
  MPT_KEY_BOOLEAN,
  MPT_KEY_INTEGER, /* at least 1 */
  MPT_KEY_SEED,    /* an integer of at least 0 */
  MPT_KEY_NUMBER,
  MPT_KEY_GRID,
  MPT_KEY_PATH,
  MPT_KEY_DATASETS,
  MPT_KEY_STORE,
  MPT_KEY_RANGE, /* of indices, half-open */
  MPT_KEY_FUNCTIONS,
  MPT_KEY_REFERENCE,
  MPT_KEY_KINDS
} mpt_key_kind;

enum { MPT_MOST_WORDS = 16 }; /* words of one key */

typedef struct mpt_word {
  const char *text;
  int value;
  bool later; /* a known word that this version does not support */
} mpt_word;

typedef struct mpt_key {
  const char *path; /* "solve.solver" */
  mpt_key_kind kind;
  size_t offset;         /* of the value within mpt_config */
  const mpt_word *words; /* ends with a NULL text */
  const char *fallback;  /* the default as YAML; NULL: none */
  bool required;
  bool automatic; /* the value `auto` is allowed and stored as 0 */
  const char *doc;
} mpt_key;

extern const mpt_key mpt_keys[];
extern const size_t mpt_key_count;

/* The sections: "input", "solve", ... */
extern const char *const mpt_sections[];
extern const size_t mpt_section_count;

/* The key's number, or mpt_key_count when there is no such key. */
size_t mpt_key_find(const char *path);
bool mpt_is_section(const char *name);

/* The part of the path after the dot. */
const char *mpt_key_leaf(const mpt_key *key);

/* The valid key nearest to an unknown one, as a full path, or NULL. `section` is "" at the top. */
const char *mpt_key_nearest(const char *section, const char *leaf);

/* Sets the key in *config from `value`, or adds a diagnostic. `name` is the key's own node, NULL
 * for a default. Relative paths are relative to `directory`; if that is NULL, they are refused. */
void mpt_key_read(const mpt_key *key, const mpt_yaml *name, const mpt_yaml *value,
                  const char *directory, mpt_config *config, mpt_diagnostics *diagnostics);

/* Adds the value as YAML; adds nothing for a key without a value. */
void mpt_key_write(const mpt_key *key, const mpt_config *config, mpt_text *out);

#endif
