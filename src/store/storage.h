/* Whether a dataset's elements are there: written, readable with the filters at hand, and not
 * zeros that HDF5 makes up for want of a source. Looks at the file's structures, never at the
 * elements. */
#ifndef MPT_STORAGE_H
#define MPT_STORAGE_H

#include "store/lack.h"

mpt_lack mpt_dataset_lack(hid_t dataset);

#endif
