/* The text of an answer. It is valid YAML whatever the request looked like. */
#ifndef MPT_ANSWER_H
#define MPT_ANSWER_H

#include "serve/request.h"

/* Writes the outcome, after the request with `with_request`. A request that is not valid YAML
 * becomes a comment, with '?' for bytes that YAML cannot hold. The caller releases *out. */
void mpt_answer_write(const mpt_request *request, bool with_request, mpt_text *out);

/* Whether the request was carried out as far as possible. */
bool mpt_answer_is_done(mpt_code code);

#endif
