/* Objects and attributes that may or may not be there: absence is no failure, and a failure to look
 * is no absence. Nothing here is collective. */
#ifndef MPT_FIND_H
#define MPT_FIND_H

#include <hdf5.h>
#include "base/base.h"

/* Whether something is linked at `path`, looked for group by group; in no file (H5I_INVALID_HID)
 * nothing is. */
mpt_code mpt_find_link(hid_t file, const char *path, bool *exists, mpt_error *error);

/* Opens the dataset, H5I_INVALID_HID where nothing is linked. The caller closes it. */
mpt_code mpt_find_dataset(hid_t file, const char *path, hid_t *dataset, mpt_error *error);

/* A string among the root's attributes; NULL where there is none. The caller frees it. */
mpt_code mpt_find_text(hid_t file, const char *name, char **text, mpt_error *error);

/* An integer among them, and whether it is there; 0 where it is not. */
mpt_code mpt_find_integer(hid_t file, const char *name, bool *there, int64_t *value,
                          mpt_error *error);

#endif
