/* Central differences of the loss whose gradient is checked. All matrices are column-major complex
 * double, whatever the result's type; no MPI, no HDF5. Private to check*.c. */
#ifndef MPT_CHECK_DIFFERENCE_H
#define MPT_CHECK_DIFFERENCE_H

#include "check/check_terms.h"

/* The loss near one matrix, linear in its outputs:
 *
 *   L(A') = sum_i gw_i Re (V'^H A' V')_ii + Re tr(gV^H V')
 *
 * where V' are the eigenvectors of A', rotated inside each cluster of the unperturbed spectrum to
 * be as near as possible to V: V'_c U, with U the unitary polar factor of V'_c^H V_c. This makes L
 * smooth at repeated eigenvalues, and its derivative the gradient without the gauge part. Functions
 * and frames of A' add their terms. */
typedef struct mpt_loss {
  int64_t n, first, found; /* the stored eigenpairs are first to first + found - 1 of all */
  bool pairs;              /* v and w are the stored eigenpairs, not those of another solution */
  bool complex_type;       /* false: directions are real symmetric */
  bool vectors;            /* gv is part of the loss */
  double complex *a, *v;   /* [n, n] */
  double complex *gv, *g;  /* [n, n]; g in torch convention */
  double *w, *gw;          /* [n]; gw under the spread policy */
  int32_t *multiplet;      /* [n], as in the result */
  int32_t *cluster;        /* [n] */
  double epsilon;          /* of the result's type */
  double norm, gap;        /* ||A||_2; the smallest gap between clusters, `norm` if there is none */
  double dropped;          /* size of what the gradient leaves out by the signal-to-noise rule */
  mpt_loss_terms terms;    /* of functions and frames */
  bool curved;             /* A moves along a curve on which its zero eigenvalues stay zero */
  double complex *space;   /* the work matrices of check_difference.c, contiguous */
} mpt_loss;

/* Memory of a loss in units of n x n elements: its matrices and workspace. */
int64_t mpt_loss_matrices(void);
mpt_code mpt_loss_init(mpt_loss *loss, int64_t n, mpt_error *error);
void mpt_loss_release(mpt_loss *loss);

/* Computes w and v from a; false when LAPACK does not converge. */
bool mpt_loss_solve(mpt_loss *loss);

/* Call with all members above filled in. Makes clusters of multiplets: neighbouring multiplets that
 * the loss does not distinguish become one cluster, so that their gap does not limit the step. */
void mpt_loss_prepare(mpt_loss *loss);

/* out = V diag(f) V^H. */
void mpt_loss_rebuild(const mpt_loss *loss, const double complex *v, const double *f,
                      double complex *out);

/* The eigenpairs of A + t dA (if it is curved, of that point), twice: as LAPACK gives them, and
 * with the vectors rotated inside each cluster to be as near as possible to V, with their Rayleigh
 * quotients. */
typedef struct mpt_moved {
  const double *w, *turned_w;
  const double complex *v, *turned_v;
} mpt_moved;
bool mpt_loss_move(mpt_loss *loss, double t, mpt_moved *moved);

/* Memory for a matrix, valid until something is solved or read. */
double complex *mpt_loss_workspace(const mpt_loss *loss);

/* The direction dA, [n, n]; the caller fills it in. */
double complex *mpt_loss_direction(const mpt_loss *loss);

/* The best step t for central differences of a quantity that changes over the distance `reach`. */
double mpt_loss_step(const mpt_loss *loss, double reach);

/* The next pseudo-random number in [-1, 1); updates the seed. */
double mpt_loss_draw(uint64_t *state);

typedef struct mpt_difference {
  double found;    /* finite difference */
  double expected; /* Re tr(G^H dA) */
  double error;    /* estimated error of `found` */
  double scale;    /* the gradient's size */
} mpt_difference;

/* Compares along a random Hermitian direction of Frobenius norm 1, or, where functions count
 * eigenvalues as zero, along one that leaves them zero; false when LAPACK does not converge. */
bool mpt_loss_difference(mpt_loss *loss, uint64_t seed, mpt_difference *difference);

#endif
