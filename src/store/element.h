/* The elements of datasets in files: which of the four scalar types they have, and what else they
 * may be. */
#ifndef MPT_ELEMENT_H
#define MPT_ELEMENT_H

#include "store/schema.h"

/* The scalar type that matches a file's datatype, in any byte order; false when there is none.
 * Complex numbers are compounds {r, i}, {real, imag} or {re, im} of two floats. */
bool mpt_scalar_type_of(hid_t file_type, mpt_type *type);

/* Whether the elements are numbers that could be meant as matrix elements, although their type is
 * none of the four. */
bool mpt_is_numeric(hid_t file_type);

/* "int64", "float16", "bool", "a compound {x, y}": for messages. */
const char *mpt_element_text(hid_t file_type, char *text, size_t length);

/* `type` for reading the dataset's elements into memory: a complex type has the names of the
 * dataset's members. The caller closes it. */
hid_t mpt_reading_type(hid_t dataset, hid_t type);

#endif
