/* Batches of which some eigenpairs are wanted: the whole spectrum is solved, the wanted columns are
 * taken out, and cotangents are zero for the others. The parts of that, between which process.c
 * solves. */
#ifndef MPT_WHOLE_H
#define MPT_WHOLE_H

#include "engine/selected.h"

/* Whole arrays, and what is wanted of each problem. */
typedef struct mpt_whole {
  mpt_batch *batch, whole;
  const mpt_team *team;
  void *gw, *gv;       /* cotangents of the whole, which are input to who gets it */
  double *w;           /* [n], of one problem */
  mpt_report *first;   /* [count]: what the certificate said of the whole */
  mpt_selected *place; /* [count] */
  int64_t m;
} mpt_whole;

/* Memory for all of it; close it also where there was none. Collective, and agreed. */
mpt_code mpt_whole_open(mpt_whole *whole, const mpt_team *team, mpt_batch *batch);
void mpt_whole_close(mpt_whole *whole);

/* The batch to be solved, without anything to be made of its pairs. */
mpt_batch mpt_whole_pairs(const mpt_whole *whole);

/* After that: what is wanted, and whether it can be differentiated; cotangents, and given vectors,
 * go to their places. Collective. */
void mpt_whole_select(mpt_whole *whole, const mpt_options *options);

/* The batch of pairs that are there by now and from which the rest is to be made; after that, what
 * the certificate had said of them goes back into the reports. */
mpt_batch mpt_whole_outputs(mpt_whole *whole);
void mpt_whole_recall(mpt_whole *whole);

/* What is wanted, into the batch; failed problems are left for the caller to zero. */
void mpt_whole_take_out(mpt_whole *whole);

#endif
