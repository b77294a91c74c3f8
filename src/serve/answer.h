/* What stands in an answer: the request, and its outcome. */
#ifndef MPT_ANSWER_H
#define MPT_ANSWER_H

#include "summary.h"

typedef struct mpt_outcome {
  mpt_code code;
  double seconds;
  mpt_summary summary; /* of a request that was done */
  const char *error;   /* of one that was not */
} mpt_outcome;

/* `readable`: the request is YAML that an outcome can be added to; else it becomes a comment. */
void mpt_answer_write(const char *request, bool readable, const mpt_outcome *outcome,
                      mpt_text *out);

#endif
