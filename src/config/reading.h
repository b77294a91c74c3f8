/* Shared by the readers and the writers of values. Private to values*.c. */
#ifndef MPT_READING_H
#define MPT_READING_H

#include "config/keys.h"

typedef struct mpt_reading {
  const mpt_key *key;
  const char *directory;
  void *target;
  mpt_config *config;
  mpt_diagnostics *diagnostics;
} mpt_reading;

enum { MPT_LARGEST_INTEGER = INT32_MAX }; /* the largest that MPI, BLACS and Fortran take */

/* What a value of this key should be: "give auto or an integer of at least 1". The caller frees
 * it. */
char *mpt_key_expects(const mpt_key *key);

/* Adds the diagnostic "cannot use VALUE for KEY: WHY (WHAT IT EXPECTS)". */
void mpt_refuse_value(const mpt_reading *r, const mpt_yaml *value, const char *why);

/* The index in `keys` of a name in a mapping; `of` says in messages what the mapping describes. -1
 * after a diagnostic that names the nearest key. */
int mpt_find_key(const mpt_reading *r, const mpt_yaml *name, const char *of,
                 const char *const *keys, int count);

/* NULL when *number was set, otherwise the reason why not. An integer must be at least `least` and
 * at most the largest that MPI, BLACS and Fortran take; a number must be finite. */
const char *mpt_parse_integer(const mpt_yaml *value, int64_t least, int64_t *number);
const char *mpt_parse_number(const mpt_yaml *value, double *number);

/* Reads [start, stop], half-open, with 0 <= start < stop. */
const char *mpt_parse_range(const mpt_yaml *value, int64_t range[2]);

/* Reads a path and makes it absolute; *path is NULL when memory is out. */
const char *mpt_parse_path(const mpt_reading *r, const mpt_yaml *value, char **path);

/* Adds the words that this version supports, "a, b, c". */
void mpt_add_words(mpt_text *out, const mpt_word *words);

/* Adds the shortest text that reads back as the same number; adds a text in quotes. */
void mpt_add_number(mpt_text *out, double number);
void mpt_add_quoted(mpt_text *out, const char *text);

#endif
