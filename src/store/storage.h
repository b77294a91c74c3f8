/* Whether a dataset's elements are there: written, readable with the available filters, and not
 * zeros that HDF5 supplies where a source is missing. Looks at the file's structures, never at the
 * elements. */
#ifndef MPT_STORAGE_H
#define MPT_STORAGE_H

#include "store/lack.h"

mpt_lack mpt_dataset_lack(hid_t dataset);

#endif
