/* Whether a dataset's elements are there: written, readable with the filters at hand, and not
 * zeros that HDF5 makes up for want of a source. Looks at the file's structures, never at the
 * elements. */
#ifndef MPT_STORAGE_H
#define MPT_STORAGE_H

#include <hdf5.h>
#include "base/base.h"

typedef enum mpt_lack_kind {
  MPT_LACKS_NOTHING,
  MPT_LACKS_PARTS,  /* some chunks were never written, and read as the fill value */
  MPT_LACKS_FILTER, /* cannot be read by this HDF5 */
  MPT_LACKS_SOURCE  /* never written, or its elements are in files or datasets that are missing */
} mpt_lack_kind;

typedef struct mpt_lack {
  mpt_lack_kind kind;
  char text[480]; /* "its data were never written": why, and how to mend it */
} mpt_lack;

mpt_lack mpt_dataset_lack(hid_t dataset);

/* That of a virtual dataset's sources, or of external raw files. */
void mpt_find_virtual_lack(hid_t dataset, hid_t how, int depth, mpt_lack *lack);
void mpt_find_external_lack(hid_t dataset, hid_t how, mpt_lack *lack);

/* The same of a dataset that is the source of `depth` others on top of each other. */
void mpt_find_lack(hid_t dataset, int depth, mpt_lack *lack);

/* Its logical size in bytes. */
double mpt_logical_bytes(hid_t dataset);

#endif
