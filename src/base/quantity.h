/* The quantities of each problem: matrices, eigenpairs, cotangents, gradients, other outputs and
 * diagnostics, in one table (quantity_rows.h). Batches, workers, memory estimates, the cache, the
 * result file, output.store and Python's reports are derived from it. */
#ifndef MPT_QUANTITY_H
#define MPT_QUANTITY_H

#include <multiplet/eigh.h>
#include "base/base.h"

typedef enum mpt_quantity {
#define QUANTITY(name, ...) name,
#include "base/quantity_rows.h"
  MPT_QUANTITY_COUNT,
  MPT_BATCH_QUANTITIES = MPT_FUNCTION,
  MPT_FUNCTION_QUANTITIES = MPT_STATUS - MPT_FUNCTION
} mpt_quantity;

/* The shape of one problem's part of a quantity, after the batch dimension. m is the number of
 * selected eigenvalues. */
typedef enum mpt_extent {
  MPT_ONE,
  MPT_PER_EIGENVALUE, /* [m] */
  MPT_PER_ROW,        /* [n] */
  MPT_VECTORS,        /* [n, m] */
  MPT_SQUARE,         /* [n, n] */
  MPT_FRAME_COLUMNS   /* [n, columns of the frame's reference] */
} mpt_extent;

/* The type of an element. */
typedef enum mpt_element {
  MPT_E_REAL,   /* the input's real type */
  MPT_E_SCALAR, /* the input's type */
  MPT_E_DOUBLE,
  MPT_E_INT32,
  MPT_E_INT8,
  MPT_E_STATUS, /* int8, an enum in files; so are the next ones */
  MPT_E_SOLVER,
  MPT_E_RULE
} mpt_element;

/* Who makes the quantity. For a failed problem, what was made is zeroed. */
typedef enum mpt_role {
  MPT_GIVEN,    /* the caller; only read */
  MPT_PAIRS,    /* the engine, unless eigenpairs are given */
  MPT_MADE,     /* the engine or the steps around it, from the eigenpairs */
  MPT_DERIVED,  /* the backward pass, from cotangents; a policy may refuse it */
  MPT_REPORTED, /* a member of mpt_report */
  MPT_KNOWN     /* the worker */
} mpt_role;

/* The file from which a job reads the quantity. */
typedef enum mpt_source {
  MPT_FROM_NONE,
  MPT_FROM_INPUT,
  MPT_FROM_EIGENPAIRS, /* results of an earlier pass, which may have cached them, too */
  MPT_FROM_COTANGENTS,
  MPT_FROM_REFERENCE,
  MPT_FROM_DIRECTIONS,
  MPT_SOURCES
} mpt_source;

/* Tasks of a job that make a quantity wanted. */
typedef enum mpt_cause {
  MPT_FOR_ALL = 1,
  MPT_FOR_VECTORS = 2,
  MPT_FOR_GRADIENT = 4,
  MPT_FOR_FUNCTIONS = 8,
  MPT_FOR_POTENTIAL = 16, /* for a function at fixed electron number */
  MPT_FOR_FRAME = 32,
  MPT_FOR_FRAME_GRADIENT = 64,
  MPT_FOR_TANGENT = 128,
  MPT_FOR_TANGENT_VECTORS = 256,
  MPT_FOR_RANGE = 512,  /* for a selection by values */
  MPT_FOR_FACTOR = 1024 /* factors of a selection are kept, or given */
} mpt_cause;

/* Bits of output.store, and of what is stored without being named there. */
enum {
#define STORE_WORD(name, word) name##_NUMBER,
#include "base/quantity_rows.h"
  MPT_STORE_WORDS
};
enum {
#define STORE_WORD(name, word) name = 1 << name##_NUMBER,
#include "base/quantity_rows.h"
  MPT_STORE_ALWAYS = 1 << MPT_STORE_WORDS
};

typedef struct mpt_quantity_info {
  const char *name; /* of its dataset, in the problem's group. A name that ends with '/' means one
                       dataset for each function, with the function's name appended. NULL: the path
                       of the group itself, or the config names the dataset */
  const char *meaning;
  mpt_extent extent;
  mpt_element element;
  mpt_role role;
  mpt_source source;
  unsigned wanted; /* any of these mpt_cause makes it wanted; 0: wanted if its source has it */
  unsigned store;  /* MPT_STORE_*: the words under which the result file has it; 0: it does not */
  const char *member; /* of MPT_REPORTED: its name in mpt_report */
  size_t report;      /* and its offset there */
} mpt_quantity_info;

extern const mpt_quantity_info mpt_quantities[MPT_QUANTITY_COUNT];

/* A set of quantities. */
typedef uint64_t mpt_quantityset;
#define MPT_BIT(quantity) ((mpt_quantityset)1 << (quantity))
_Static_assert(MPT_QUANTITY_COUNT <= 64, "mpt_quantityset has a bit for each quantity");

/* The quantities that these causes (MPT_FOR_*, combined) make wanted. */
mpt_quantityset mpt_wanted(unsigned causes);

/* The quantities that a result file has under this output.store. */
mpt_quantityset mpt_stored(unsigned store);

/* The quantities that are read from this source. */
mpt_quantityset mpt_from(mpt_source source);

/* Whether each function has one. */
static inline bool mpt_is_per_function(mpt_quantity quantity) {
  return quantity >= MPT_FUNCTION && quantity < MPT_STATUS;
}

/* Whether the quantity has a row for each row of the matrix, so that the ranks of a team hold slabs
 * of it. */
static inline bool mpt_has_rows(mpt_quantity quantity) {
  return mpt_quantities[quantity].extent >= MPT_VECTORS;
}

/* The numbers from which shapes are computed. */
typedef struct mpt_sizes {
  int64_t n, columns, frame_columns; /* of the matrix; of selected eigenpairs; of the frame */
} mpt_sizes;

/* Elements for one problem or, with mpt_has_rows, for one of its rows. */
int64_t mpt_quantity_columns(mpt_quantity quantity, const mpt_sizes *sizes);

/* Bytes of an element in memory. */
size_t mpt_element_size(mpt_element element, mpt_type type);

#endif
