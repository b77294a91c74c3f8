/* Declarations shared by the parts of the lapack engine. */
#ifndef MPT_LAPACK_STATE_H
#define MPT_LAPACK_STATE_H

#include "engine/engine.h"

struct mpt_state {
  mpt_shape shape;
  void *z, *work, *rwork; /* [n n], [lwork], [lrwork] */
  void *sum;              /* [n n] with shape.outputs, else NULL */
  const void *vt;         /* V given to begin() */
  int *iwork;
  int lwork, lrwork, liwork;
  struct {
    int64_t columns, room; /* of the panels; columns that fit the memory */
    void *u, *b, *t, *th;  /* [n columns] twice, [columns columns] twice */
    void *tau, *reals;     /* [n], [2 n] */
  } panels;
};

extern const mpt_reduced mpt_lapack_reduced;
int64_t mpt_lapack_reduced_elements(const mpt_shape *shape);

#endif
