/* The second derivative of a matrix function along two directions, of one problem: V S V^H with S
 * of spectral/second.h. Everything is computed in double precision for every type. */
#ifndef MPT_ENGINE_SECOND_H
#define MPT_ENGINE_SECOND_H

#include "engine/batch.h"

/* One problem's arrays, as of mpt_matrix_function_second(). */
typedef struct mpt_second_problem {
  mpt_type type;
  int64_t n;
  const mpt_function *function;
  const void *w, *v, *e, *c;
  void *s;
  int32_t *multiplet;
  mpt_report *report;
} mpt_second_problem;

/* The doubles that a problem needs besides. */
int64_t mpt_second_workspace(mpt_type type, int64_t n);

/* Fills in s, multiplet and report; s is zero where the status is a failure. `width` of multiplets:
 * relative to ||A||_2. Not collective. */
void mpt_make_second(const mpt_second_problem *problem, double width, mpt_convention convention,
                     double *memory);

#endif
