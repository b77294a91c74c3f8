/* What the readers and the writers of values share. Private to values*.c. */
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

enum { MPT_LARGEST_INTEGER = INT32_MAX }; /* what MPI, BLACS and Fortran take */

/* What a value of this key looks like: "give auto or an integer of at least 1"; the caller frees.
 */
char *mpt_key_expects(const mpt_key *key);

/* "cannot use VALUE for KEY: WHY (WHAT IT EXPECTS)". */
void mpt_refuse_value(const mpt_reading *r, const mpt_yaml *value, const char *why);

/* Which of the keys of a value that is a mapping, `of` something, this name is; -1 after a
 * diagnostic that names the nearest. */
int mpt_find_key(const mpt_reading *r, const mpt_yaml *name, const char *of,
                 const char *const *keys, int count);

/* NULL when *number was set, else the reason why not. An integer is from `least` to the largest
 * that MPI, BLACS and Fortran take; a number is finite. */
const char *mpt_parse_integer(const mpt_yaml *value, int64_t least, int64_t *number);
const char *mpt_parse_number(const mpt_yaml *value, double *number);

/* [start, stop], half-open, 0 <= start < stop. */
const char *mpt_parse_range(const mpt_yaml *value, int64_t range[2]);

/* An absolute path into *path, which is NULL when memory is out. */
const char *mpt_parse_path(const mpt_reading *r, const mpt_yaml *value, char **path);

/* The words that this version takes, "a, b, c". */
void mpt_add_words(mpt_text *out, const mpt_word *words);

/* The shortest text that reads back as the number, and text in quotes. */
void mpt_add_number(mpt_text *out, double number);
void mpt_add_quoted(mpt_text *out, const char *text);

#endif
