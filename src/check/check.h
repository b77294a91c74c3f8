/* `multiplet check`: compares every solution of a result with its input anew, and sampled gradients
 * with finite differences. All in double precision, whatever precision is stored. */
#ifndef MPT_CHECK_H
#define MPT_CHECK_H

#include <mpi.h>
#include "config/config.h"
#include "store/slab.h"
#include "store/view.h"

/* LAPACK's own tests accept a solution up to this many units of n eps. */
#define MPT_CHECK_BOUND 30.0

/* Flaws: what can be wrong besides a measure that exceeds its bound. */
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

/* One sentence on flaw number k, that of bit 1 << k. */
const char *mpt_flaw_text(int k);

typedef enum mpt_measure {
  MPT_M_RESIDUAL,      /* max_j |A v_j - w_j v_j| / (n eps |A|); for a selection |A|_F */
  MPT_M_ORTHOGONALITY, /* max_j |(V^H V - I)_j| / (n eps) */
  MPT_M_SPECTRUM,      /* of trace and Frobenius norm; measured without eigenvectors */
  MPT_M_DEFECT,        /* max |G - G^H| */
  MPT_M_LARGEST,       /* max |G| */
  MPT_M_COUNT
} mpt_measure;

typedef struct mpt_check_group {
  const mpt_view_group *stored;
  const mpt_dataset *input;
  int64_t columns;                       /* eigenpairs of each problem */
  int32_t *found;                        /* [count] the number of eigenpairs; NULL: all columns */
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
 * agreed. The caller closes the check, also after a failure. */
mpt_code mpt_check_open(MPI_Comm comm, const char *path, mpt_check *check, mpt_error *error);
void mpt_check_close(mpt_check *check);

/* Fills measures and flaws; rank 0 has those of all ranks. Collective and agreed. */
mpt_code mpt_check_solutions(mpt_check *check, mpt_error *error);

/* The number of eigenpairs that are stored of a problem. */
static inline int64_t mpt_check_pairs(const mpt_check_group *group, int64_t problem) {
  return group->found ? group->found[problem] : group->columns;
}

/* Whether a problem has outputs to check. */
bool mpt_check_is_solved(int8_t status);

typedef enum mpt_trial {
  MPT_TRIAL_PASSED,
  MPT_TRIAL_FAILED,
  MPT_TRIAL_UNTESTABLE,
  MPT_TRIAL_ABSENT /* there is nothing to compare */
} mpt_trial;

/* One output of a sampled problem. Differences are relative to the output's size. */
typedef struct mpt_check_sample {
  int64_t group, index, function; /* function: its number in the config, for outputs of functions */
  mpt_quantity quantity;
  double difference; /* for a gradient, the worse of two directions */
  double allowed;
  int trial;
} mpt_check_sample;

typedef struct mpt_check_samples {
  mpt_check_sample *items; /* [problems][outputs]; the first output of a problem is its gradient */
  int64_t problems, outputs, count;
  int64_t too_large; /* problems too large for one rank's memory */
} mpt_check_samples;

/* Compares the gradients of up to `wanted` problems with finite differences, and their other
 * outputs with values computed from the matrices. The problems are spread evenly over all there
 * are. MPT_BAD_INPUT when there is nothing to compare. The samples are the same on all ranks; the
 * caller frees them. Collective and agreed. */
mpt_code mpt_check_gradients(mpt_check *check, int64_t wanted, mpt_check_samples *samples,
                             mpt_error *error);

#endif
