/* The arithmetic of the check for one panel of eigenvectors. Private to check*.c. */
#ifndef MPT_CHECK_PANEL_H
#define MPT_CHECK_PANEL_H

#include "check/check.h"

/* Some rows of A and of all eigenvectors, and one panel of eigenvectors. */
typedef struct mpt_block {
  int64_t n, columns, row0, rows, width;
  const void *a;  /* [rows, n] */
  const void *vr; /* [rows, columns] */
  const void *vj; /* [n, width] */
} mpt_block;

/* The columns of one problem from col0 on. It counts the columns of n x n matrices; eigenvectors
 * can have fewer. */
typedef struct mpt_check_range {
  int64_t problem, col0, width;
} mpt_check_range;

/* The type in which values of this type are checked. */
static inline mpt_type mpt_check_type(mpt_type type) {
  return mpt_type_is_complex(type) ? MPT_COMPLEX128 : MPT_FLOAT64;
}

enum { MPT_CHECK_ROWS = 128 }; /* rows of A in memory at a time */

/* Buffers for panels of up to `width` columns. */
typedef struct mpt_panel_space {
  void *a, *turned, *vr, *work, *vj, *product;
  double *w, *sums;
  int32_t *multiplet;
} mpt_panel_space;
mpt_code mpt_panel_space_init(mpt_panel_space *space, int64_t n, int64_t width, mpt_type type,
                              mpt_error *error);
void mpt_panel_space_release(mpt_panel_space *space);

/* Measures one panel into the group's arrays. Not collective. */
mpt_code mpt_check_panel(mpt_check *check, mpt_check_group *group, const mpt_check_range *panel,
                         mpt_panel_space *space, mpt_error *error);

/* The same for a problem that failed: all its outputs must be zero. */
mpt_code mpt_check_failed_panel(mpt_check_group *group, const mpt_check_range *panel,
                                mpt_panel_space *space, mpt_error *error);

#endif
