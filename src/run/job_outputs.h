/* What the job's cotangents, frame and direction are, and whether they fit. Private to job*.c. */
#ifndef MPT_JOB_OUTPUTS_H
#define MPT_JOB_OUTPUTS_H

#include "run/job.h"

/* Whether the file has the field of dataset d, and as the result has it. */
mpt_code mpt_job_expect(const mpt_job *job, hid_t file, const char *file_name, int64_t d,
                        mpt_field field, int64_t function, bool *exists, mpt_error *error);

/* Opens the files of cotangents, reference and directions, and fills job->sources. */
mpt_code mpt_job_open_outputs(mpt_job *job, mpt_error *error);

#endif
