/* What a dataset's elements lack. */
#ifndef MPT_LACK_H
#define MPT_LACK_H

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

#endif
