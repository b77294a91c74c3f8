/* Values that are mappings; they are read and written as other values are. Private to values*.c. */
#ifndef MPT_VALUES_H
#define MPT_VALUES_H

#include "config/reading.h"

/* values_select.c. */
void mpt_read_select(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_select(const mpt_key *key, const void *target, mpt_text *out);

/* values_lists.c: `functions` and `frame.reference`. */
void mpt_read_functions(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_functions(const mpt_key *key, const void *target, mpt_text *out);
void mpt_read_reference(const mpt_reading *r, const mpt_yaml *value);
void mpt_write_reference(const mpt_key *key, const void *target, mpt_text *out);

#endif
