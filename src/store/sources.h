/* The files that hold elements outside the dataset's own file: external raw data, and sources of
 * virtual datasets. They are searched for as HDF5 does, which reports nothing when it does not find
 * them. */
#ifndef MPT_SOURCES_H
#define MPT_SOURCES_H

#include "store/lack.h"

enum { MPT_SOURCE_NAME = 4096 };

/* The directory of the file that holds the dataset, with a trailing slash; "" for the current
 * directory. */
void mpt_source_directory(hid_t dataset, char out[MPT_SOURCE_NAME]);

/* Looks for the file in the places where HDF5 looks, in this order: those of an environment
 * variable, the file's own directory if `beside`, the current directory. */
bool mpt_find_source(const char *name, const char *prefixes, const char *directory, bool beside,
                     char out[MPT_SOURCE_NAME], double *bytes);

/* `how` is the dataset's creation property list. */
void mpt_find_external_lack(hid_t dataset, hid_t how, mpt_lack *lack);

#endif
