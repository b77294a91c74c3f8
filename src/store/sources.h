/* The files in which elements lie that are not in the dataset's own: those of external raw data,
 * and of the sources of virtual datasets. Found in the way in which HDF5 finds them, which says
 * nothing when it does not. */
#ifndef MPT_SOURCES_H
#define MPT_SOURCES_H

#include "store/lack.h"

enum { MPT_SOURCE_NAME = 4096 };

/* The directory of the file that holds the dataset, with its last slash; "" for the current one. */
void mpt_source_directory(hid_t dataset, char out[MPT_SOURCE_NAME]);

/* The first of the places where HDF5 looks: those of an environment variable, the file's own
 * directory where `beside`, the current one. */
bool mpt_find_source(const char *name, const char *prefixes, const char *directory, bool beside,
                     char out[MPT_SOURCE_NAME], double *bytes);

/* `how` is the dataset's list of creation properties. */
void mpt_find_external_lack(hid_t dataset, hid_t how, mpt_lack *lack);

#endif
