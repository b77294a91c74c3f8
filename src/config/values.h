/* What the readers of values share. Private to values*.c. */
#ifndef MPT_VALUES_H
#define MPT_VALUES_H

#include "config/keys.h"

typedef struct mpt_reading {
  const mpt_key *key;
  const char *directory;
  void *target;
  mpt_config *config;
  mpt_diagnostics *diagnostics;
} mpt_reading;

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

/* The shortest text that reads back as the number, and text in quotes. */
void mpt_add_number(mpt_text *out, double number);
void mpt_add_quoted(mpt_text *out, const char *text);

/* values_select.c. */
void mpt_read_select(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_select(const mpt_key *key, const void *target, mpt_text *out);

/* values_lists.c: `functions` and `frame.reference`. */
void mpt_read_functions(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_functions(const mpt_key *key, const void *target, mpt_text *out);
void mpt_read_reference(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_reference(const mpt_key *key, const void *target, mpt_text *out);

#endif
