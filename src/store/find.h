/* Objects and attributes that may be absent. Absence is no failure, and a failed look-up is not
 * taken for absence. Nothing here is collective. */
#ifndef MPT_FIND_H
#define MPT_FIND_H

#include <hdf5.h>
#include "base/base.h"

/* Whether there is a link at `path`, looked up group by group. For no file (H5I_INVALID_HID) the
 * answer is no. */
mpt_code mpt_find_link(hid_t file, const char *path, bool *exists, mpt_error *error);

/* Opens the dataset; H5I_INVALID_HID where there is no link. The caller closes it. */
mpt_code mpt_find_dataset(hid_t file, const char *path, hid_t *dataset, mpt_error *error);

/* A string attribute of the root; NULL where there is none. The caller frees it. */
mpt_code mpt_find_text(hid_t file, const char *name, char **text, mpt_error *error);

/* An integer attribute of the root, and whether it is there; the value is 0 where it is not. */
mpt_code mpt_find_integer(hid_t file, const char *name, bool *there, int64_t *value,
                          mpt_error *error);

#endif
