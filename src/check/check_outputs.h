/* The outputs other than gradients. Values of functions and frames are compared with those of
 * another solution, derivatives with central differences. Private to check*.c. */
#ifndef MPT_CHECK_OUTPUTS_H
#define MPT_CHECK_OUTPUTS_H

#include "check/check_read.h"

enum { MPT_OUTPUT_MATRICES = 4 }; /* n x n matrices that they need */

/* The accuracy of finite differences in double precision. */
#define MPT_DIFFERENCES_CARRY 1e-6

/* Records a difference, relative to an output's size, of which `carries + slack` may be due to
 * rounding. If one part cannot be tested, the sample is untestable, unless another part fails. */
void mpt_sample_record(mpt_check_sample *sample, double difference, double carries, double slack);

/* The number of outputs that one problem can have, and their names. */
int64_t mpt_check_output_count(const mpt_check *check);
void mpt_check_name_outputs(const mpt_check *check, mpt_check_sample *items);

/* Compares the stored outputs. Changes the loss. */
mpt_code mpt_check_outputs(const mpt_check *check, const mpt_check_sources *sources,
                           mpt_check_sample *items, mpt_loss *loss, mpt_error *error);

#endif
