/* The elements of files: which of the four scalar types they are, and what else they may be. */
#ifndef MPT_ELEMENT_H
#define MPT_ELEMENT_H

#include "store/schema.h"

/* The matching scalar type of a file's datatype, any byte order; false when there is none. Complex
 * numbers are compounds {r, i}, {real, imag} or {re, im} of two floats. */
bool mpt_scalar_type_of(hid_t file_type, mpt_type *type);

/* Whether it is numbers that somebody could mean as elements of matrices, though they are none of
 * the four. */
bool mpt_is_numeric(hid_t file_type);

/* "int64", "float16", "bool", "a compound {x, y}": for messages. */
const char *mpt_element_text(hid_t file_type, char *text, size_t length);

/* `type`, as the dataset's elements are read into memory: a complex one has its members' names.
 * The caller closes it. */
hid_t mpt_reading_type(hid_t dataset, hid_t type);

#endif
