/* What `multiplet check` computes: every solution of a result is held against its input afresh, and
 * sampled gradients against finite differences. All in double precision, whatever is stored. */
#ifndef MPT_CHECK_H
#define MPT_CHECK_H

#include <mpi.h>
#include "config/config.h"
#include "store/slab.h"
#include "store/view.h"

/* LAPACK's own tests take a solution for right up to this many units of n eps. */
#define MPT_CHECK_BOUND 30.0

/* What can be wrong besides a measure out of bounds. */
enum {
  MPT_FLAW_NONFINITE = 1,
  MPT_FLAW_ORDER = 2,
  MPT_FLAW_PHASE = 4,
  MPT_FLAW_MULTIPLET = 8,
  MPT_FLAW_NOT_ZERO = 16,
  MPT_FLAW_NOT_HERMITIAN = 32,
  MPT_FLAW_STATUS = 64,
  MPT_FLAW_SELECTION = 128,
  MPT_FLAW_COUNT = 8
};
_Static_assert(MPT_FLAW_SELECTION == 1 << (MPT_FLAW_COUNT - 1) && MPT_FLAW_COUNT <= 32,
               "the flaws are not the bits of their integer");

/* One sentence on the flaw of bit 1 << k. */
const char *mpt_flaw_text(int k);

typedef enum mpt_measure {
  MPT_M_RESIDUAL,      /* max_j |A v_j - w_j v_j| / (n eps |A|); of a selection |A|_F */
  MPT_M_ORTHOGONALITY, /* max_j |(V^H V - I)_j| / (n eps) */
  MPT_M_SPECTRUM,      /* of trace and Frobenius norm, where there are no eigenvectors */
  MPT_M_DEFECT,        /* max |G - G^H| */
  MPT_M_LARGEST,       /* max |G| */
  MPT_M_COUNT
} mpt_measure;

typedef struct mpt_check_group {
  const mpt_view_group *stored;
  const mpt_dataset *input;
  int64_t columns;                       /* eigenpairs a problem */
  int32_t *found;                        /* [count] how many there are; NULL: all columns */
  int8_t *status;                        /* [count] */
  double (*measures)[MPT_M_COUNT];       /* [count], -1 where not measured */
  uint32_t *flaws;                       /* [count] */
  mpt_slab_reader a, w, v, multiplet, g; /* open while the group is worked on */
} mpt_check_group;

typedef struct mpt_check {
  MPI_Comm comm;
  int rank, size;
  int64_t room; /* elements of 16 bytes that this rank may hold */
  mpt_view view;
  mpt_input input;
  mpt_config config;
  mpt_check_group *groups;
  int64_t count;
} mpt_check;

/* Opens the result and its input; MPT_BAD_INPUT when they do not belong together. Collective and
 * agreed. The caller closes, also on failure. */
mpt_code mpt_check_open(MPI_Comm comm, const char *path, mpt_check *check, mpt_error *error);
void mpt_check_close(mpt_check *check);

/* Fills measures and flaws, on rank 0 with those of all ranks. Collective and agreed. */
mpt_code mpt_check_solutions(mpt_check *check, mpt_error *error);

/* How many eigenpairs of a problem are stored. */
static inline int64_t mpt_check_pairs(const mpt_check_group *group, int64_t problem) {
  return group->found ? group->found[problem] : group->columns;
}

/* Whether a problem has outputs that can be wrong. */
bool mpt_check_is_solved(int8_t status);

typedef enum mpt_trial {
  MPT_TRIAL_PASSED,
  MPT_TRIAL_FAILED,
  MPT_TRIAL_UNTESTABLE,
  MPT_TRIAL_ABSENT /* there is nothing to compare */
} mpt_trial;

/* One output of a sampled problem; differences are relative to its size. */
typedef struct mpt_check_sample {
  int64_t group, index, function; /* function: of the config, where there is an output for each */
  mpt_quantity quantity;
  double difference; /* of a gradient, along the worse of two directions */
  double allowed;
  int trial;
} mpt_check_sample;

typedef struct mpt_check_samples {
  mpt_check_sample *items; /* [problems][outputs]; a problem's first is its gradient */
  int64_t problems, outputs, count;
  int64_t too_large; /* problems that one rank cannot hold */
} mpt_check_samples;

/* Compares the gradients of up to `wanted` problems, spread evenly over all there are, with finite
 * differences, and their other outputs with what the matrices give. MPT_BAD_INPUT when there is
 * nothing to compare. The samples are the caller's to free, the same on all ranks. Collective and
 * agreed. */
mpt_code mpt_check_gradients(mpt_check *check, int64_t wanted, mpt_check_samples *samples,
                             mpt_error *error);

#endif
