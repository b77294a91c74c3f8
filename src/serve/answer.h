/* The text of an answer: valid YAML whatever the request looked like. */
#ifndef MPT_ANSWER_H
#define MPT_ANSWER_H

#include "serve/request.h"

/* The request (or nothing) with its outcome added. A request that is not valid YAML becomes a
 * comment, with '?' for bytes that YAML cannot hold. The caller releases *out. */
void mpt_answer_write(const mpt_request *request, bool with_request, mpt_text *out);

/* Whether the request was done as far as it can be. */
bool mpt_answer_is_done(mpt_code code);

#endif
