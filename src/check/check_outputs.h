/* The outputs besides gradients, held against what the matrix itself gives: values of functions and
 * frames against another solution, derivatives against central differences. Private to check*.c. */
#ifndef MPT_CHECK_OUTPUTS_H
#define MPT_CHECK_OUTPUTS_H

#include "check/check_read.h"

enum { MPT_OUTPUT_MATRICES = 4 }; /* n x n that they need */

/* Finite differences in double precision carry this far. */
#define MPT_DIFFERENCES_CARRY 1e-6

/* Notes a difference, relative to an output's size, of which `carries + slack` is rounding. One
 * part that tests nothing spoils the sample, unless another already fails. */
void mpt_sample_record(mpt_check_sample *sample, double difference, double carries, double slack);

/* How many there can be of one problem, and their names. */
int64_t mpt_check_output_count(const mpt_check *check);
void mpt_check_name_outputs(const mpt_check *check, mpt_check_sample *items);

/* Compares those that are stored. Changes the loss. */
mpt_code mpt_check_outputs(const mpt_check *check, const mpt_check_sources *sources,
                           mpt_check_sample *items, mpt_loss *loss, mpt_error *error);

#endif
