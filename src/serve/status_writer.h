/* status.json, renewed every second by a thread of its own, whatever the ranks are at. */
#ifndef MPT_PULSE_H
#define MPT_PULSE_H

#include "serve/request.h"

typedef struct mpt_pulse mpt_pulse;

/* NULL when there is no thread to be had: then there is no status. */
mpt_pulse *mpt_pulse_start(const mpt_spool *spool, int ranks);

/* What the service is at: the request in hand (NULL: none) and how many wait behind it. */
void mpt_pulse_set(mpt_pulse *pulse, const char *request, int64_t waiting);

/* So many more were answered. */
void mpt_pulse_count(mpt_pulse *pulse, const mpt_tally *tally);

/* Writes the last status, "stopped". */
void mpt_pulse_stop(mpt_pulse *pulse);

#endif
