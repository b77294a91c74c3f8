/* Batches that want some of the eigenpairs, by an engine that computes all: the whole spectrum is
 * solved, the wanted columns are taken out, and cotangents of the others are zero. These are the
 * steps before and after process.c solves. */
#ifndef MPT_WHOLE_H
#define MPT_WHOLE_H

#include "engine/selected.h"

/* Whole arrays, and what is wanted of each problem. */
typedef struct mpt_whole {
  mpt_batch *batch, whole;
  const mpt_team *team;
  void *gw, *gv;       /* cotangents of the whole spectrum; inputs of the backward pass */
  double *w;           /* [n], of one problem */
  mpt_report *first;   /* [count]: what the certificate said about the whole spectrum */
  mpt_selected *place; /* [count] */
  int64_t m;
} mpt_whole;

/* Allocates all memory. Call mpt_whole_close also after a failure. Collective, and agreed. */
mpt_code mpt_whole_open(mpt_whole *whole, const mpt_team *team, mpt_batch *batch);
void mpt_whole_close(mpt_whole *whole);

/* The batch to be solved, with eigenpairs only. */
mpt_batch mpt_whole_pairs(const mpt_whole *whole);

/* The step after that: finds what is wanted and whether it can be differentiated, and puts
 * cotangents and given vectors into their places. Collective. */
void mpt_whole_select(mpt_whole *whole, const mpt_options *options);

/* The batch of pairs that have been computed, from which the remaining outputs are made.
 * mpt_whole_recall then puts the certificate's values back into the reports. */
mpt_batch mpt_whole_outputs(mpt_whole *whole);
void mpt_whole_recall(mpt_whole *whole);

/* Copies what is wanted into the batch. The caller zeroes failed problems. */
void mpt_whole_take_out(mpt_whole *whole);

#endif
