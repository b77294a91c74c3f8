/* Why the elements of a dataset are missing or cannot be read. */
#ifndef MPT_LACK_H
#define MPT_LACK_H

#include <hdf5.h>
#include "base/base.h"

typedef enum mpt_lack_kind {
  MPT_LACKS_NOTHING,
  MPT_LACKS_PARTS,  /* some chunks were never written, and read as the fill value */
  MPT_LACKS_FILTER, /* this HDF5 lacks a filter to read them */
  MPT_LACKS_SOURCE  /* never written, or in files or datasets that are missing */
} mpt_lack_kind;

typedef struct mpt_lack {
  mpt_lack_kind kind;
  char text[480]; /* "its data were never written": the reason, and how to mend it */
} mpt_lack;

#endif
