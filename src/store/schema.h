/* The result file's datasets: one table, from which creating, writing, reading and showing come.
 * The prose is in SCHEMA.md beside this file; a change here changes that, schema_version, the
 * reader and the golden file together. */
#ifndef MPT_SCHEMA_H
#define MPT_SCHEMA_H

#include <hdf5.h>
#include "base/base.h"

#define MPT_SCHEMA_NAME "multiplet-result"
#define MPT_SCHEMA_VERSION "1.1" /* files of 1.0 are read too */

typedef enum mpt_field {
  MPT_EIGENVALUES,
  MPT_EIGENVECTORS,
  MPT_MULTIPLET,
  MPT_FOUND,
  MPT_FUNCTION, /* one for each function */
  MPT_FRAME,
  MPT_GRADIENT,
  MPT_GRADIENT_REFERENCE,
  MPT_REFLECTORS,
  MPT_TAU,
  MPT_DIAGONAL,
  MPT_OFFDIAGONAL,
  MPT_SPECTRUM,
  MPT_TANGENT_EIGENVALUES,
  MPT_TANGENT_EIGENVECTORS,
  MPT_TANGENT_FUNCTION, /* one for each function */
  MPT_STATUS,
  MPT_RESIDUAL,
  MPT_ORTHOGONALITY,
  MPT_MIN_GAP,
  MPT_GAUGE_VIOLATION,
  MPT_COTANGENT_SPREAD,
  MPT_GRADIENT_ERROR,
  MPT_FRAME_CONDITION,
  MPT_TANGENT_SPLITTING,
  MPT_TANGENT_ERROR,
  MPT_OUTPUT_RESIDUAL,
  MPT_GRADIENT_RULE,
  MPT_RETRIED,
  MPT_CHEMICAL_POTENTIAL, /* one for each fermi function at fixed electron number */
  MPT_SECONDS,
  MPT_STARTED,
  MPT_SOLVER,
  MPT_RANKS,
  MPT_RANK,
  MPT_FIELD_COUNT
} mpt_field;

/* What one problem contributes to a dataset: its shape behind the batch dimension. */
typedef enum mpt_extent {
  MPT_ONE,
  MPT_PER_EIGENVALUE,
  MPT_PER_ROW,
  MPT_VECTORS, /* n rows, a column for each eigenvalue */
  MPT_MATRIX,
  MPT_FRAME_COLUMNS
} mpt_extent;

/* What an element is. */
typedef enum mpt_element {
  MPT_E_REAL,   /* the input's real type */
  MPT_E_SCALAR, /* the input's type */
  MPT_E_DOUBLE,
  MPT_E_INT32,
  MPT_E_INT8,
  MPT_E_STATUS, /* enum int8 */
  MPT_E_SOLVER, /* enum int8 */
  MPT_E_RULE    /* enum int8 */
} mpt_element;

/* What a job makes, so that diagnostics of it are wanted. */
typedef enum mpt_cause {
  MPT_FOR_ALL = 1,
  MPT_FOR_VECTORS = 2,
  MPT_FOR_GRADIENT = 4,
  MPT_FOR_FUNCTIONS = 8,
  MPT_FOR_FRAME = 16,
  MPT_FOR_TANGENT = 32
} mpt_cause;

typedef struct mpt_field_info {
  const char *name; /* relative to the problem's group; with a '/' at its end, of functions, their
                       names follow */
  mpt_extent extent;
  mpt_element element;
  const char *meaning;
  unsigned wanted; /* of a diagnostic: what makes it wanted, by mpt_cause */
  size_t report;   /* where mpt_report has it; 0: it comes from elsewhere */
} mpt_field_info;

extern const mpt_field_info mpt_fields[MPT_FIELD_COUNT];

static inline bool mpt_is_per_function(mpt_field field) {
  return field == MPT_FUNCTION || field == MPT_TANGENT_FUNCTION || field == MPT_CHEMICAL_POTENTIAL;
}

/* A set of fields. */
typedef uint64_t mpt_fieldset;
#define MPT_BIT(field) ((mpt_fieldset)1 << (field))
_Static_assert(MPT_FIELD_COUNT <= 64, "mpt_fieldset has a bit for each field");

/* Bytes of an element in memory. */
size_t mpt_element_size(mpt_element element, mpt_type type);

/* Its HDF5 type, which the caller closes; H5I_INVALID_HID when HDF5 could not make it. */
hid_t mpt_element_type(mpt_element element, mpt_type type);
hid_t mpt_scalar_type(mpt_type type); /* the h5py compound {r, i} for complex */

enum { MPT_SOLVER_NAMES = 4, MPT_RULE_NAMES = 5 };

/* Names of the solver enum; NULL behind the last. */
extern const char *const mpt_solver_names[MPT_SOLVER_NAMES + 1];

/* Names of the enum of diagnostics/gradient_rule; NULL behind the last. */
extern const char *const mpt_rule_names[MPT_RULE_NAMES + 1];

#endif
