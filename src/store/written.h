/* Whether the elements that a dataset holds itself, contiguous or in chunks, were written and can
 * be read with the available filters. */
#ifndef MPT_WRITTEN_H
#define MPT_WRITTEN_H

#include "store/lack.h"

void mpt_find_contiguous_lack(hid_t dataset, mpt_lack *lack);

/* `how` is the dataset's creation property list. */
void mpt_find_chunked_lack(hid_t dataset, hid_t how, mpt_lack *lack);

/* The dataset's logical size in bytes. */
double mpt_logical_bytes(hid_t dataset);

#endif
