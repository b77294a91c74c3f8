/* The job's cotangents, frame and directions: which of them there are, and whether they fit.
 * Private to job*.c. */
#ifndef MPT_JOB_OUTPUTS_H
#define MPT_JOB_OUTPUTS_H

#include "run/job.h"

/* Opens the files of cotangents, reference and directions, and notes in job->tasks which of their
 * arrays exist. */
mpt_code mpt_job_open_outputs(mpt_job *job, mpt_error *error);

#endif
