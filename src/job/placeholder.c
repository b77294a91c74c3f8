typedef int mpt_job_placeholder;
