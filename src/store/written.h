/* Whether the elements that a dataset holds itself, in one piece or in chunks, were written and can
 * be read with the filters at hand. */
#ifndef MPT_WRITTEN_H
#define MPT_WRITTEN_H

#include "store/lack.h"

void mpt_find_contiguous_lack(hid_t dataset, mpt_lack *lack);

/* `how` is the dataset's list of creation properties. */
void mpt_find_chunked_lack(hid_t dataset, hid_t how, mpt_lack *lack);

/* Its logical size in bytes. */
double mpt_logical_bytes(hid_t dataset);

#endif
