/* The result file's schema: its version, and the HDF5 types of its elements. The table of
 * quantities (base/quantity_rows.h) lists the datasets; SCHEMA.md beside this file describes them.
 * A change of either changes SCHEMA.md, schema_version, the reader and the golden file together. */
#ifndef MPT_SCHEMA_H
#define MPT_SCHEMA_H

#include <hdf5.h>
#include "base/engine_id.h"
#include "base/quantity.h"

#define MPT_SCHEMA_NAME "multiplet-result"
#define MPT_SCHEMA_VERSION "1.1" /* files of 1.0 are read too */

/* An element's HDF5 type, which the caller closes; H5I_INVALID_HID when HDF5 could not create
 * it. */
hid_t mpt_element_type(mpt_element element, mpt_type type);
hid_t mpt_scalar_type(mpt_type type); /* the h5py compound {r, i} for complex */

enum { MPT_SOLVER_NAMES = MPT_ENGINE_COUNT, MPT_RULE_NAMES = 5 };

/* Names of the solver enum; NULL after the last. */
extern const char *const mpt_solver_names[MPT_SOLVER_NAMES + 1];

/* Names of the enum of diagnostics/gradient_rule; NULL after the last. */
extern const char *const mpt_rule_names[MPT_RULE_NAMES + 1];

#endif
