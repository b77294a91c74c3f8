/* The elementwise step of every backward pass. It makes the X of G = V X V^H from W = V^H gV and
 * the eigenvalue cotangents gw, and estimates how far X can be trusted.
 *
 * With K = skew(W), S = herm(W), d = w_j - w_i, theta = min(1, MPT_TURN eps ||A|| / |d|):
 *
 *   between multiplets   X_ij = K_ij / d, the quotient; 0 where |K_ij| is below its noise; or
 *                        X_ij = S_ij tanh(d rho) / d, the form, where the loss is found to be one
 *                        of F = V f(w) V^H. No gap is too small for the form. In it
 *                        rho_i = gw_i / S_ii = f'(w_i) / (2 f(w_i)).
 *   inside a multiplet   X = rho S + a I where gw = rho diag(S) + a to rounding ("certified");
 *                        else what the spread policy makes of gw, on the diagonal only.
 *
 * (Magnus 1985 for simple eigenvalues. The form: with C the cotangent of F, S_ij = (f_i + f_j)
 * C_ij, K_ij = (f_j - f_i) C_ij and X_ij = f[w_i, w_j] C_ij. The signal-to-noise rule replaces any
 * threshold on the gap.) The estimated errors decide between quotient and form. The form is taken
 * only where it agrees with the quotient to the quotient's noise.
 *
 * Everything here is computed in double precision, in units in which ||A|| and the largest
 * cotangent are near 1, so that no square overflows or underflows. */
#ifndef MPT_BACKWARD_H
#define MPT_BACKWARD_H

#include <multiplet/eigh.h>
#include "base/base.h"

/* Arrays that mpt_rule_open() lays out, [m] each. */
enum { MPT_RULE_ARRAYS = 12 };

/* Rounding rotates two eigenvectors into each other by this many times eps ||A|| / gap. */
#define MPT_TURN 3

/* The square of a bound on how much more than its cotangent a rotation of vector j may change:
 * |gv_j| / |S_jj|, for a loss of <a, v_j>, whose second derivative is large where <a, v_j> nearly
 * vanishes. */
static inline double mpt_leverage2(double norm2, double s2, double n) {
  const double share = norm2 / n, most = 1e3;
  return s2 >= share ? 1 : s2 * most <= share ? most : share / s2;
}

/* Whether two eigenvalues at a gap d (in units of ||A||) can have these values of rho, each known
 * to an error, from one function; false where the errors are too large to say so. rho itself may
 * change over a gap: for a power of w by d / w, which is about rho d, or as fast as the measured
 * `drift`. */
static inline bool mpt_alike(double rho_a, double error_a, double rho_b, double error_b, double d,
                             double drift) {
  const double mean = (rho_a + rho_b) / 2, half = mean < 0 ? -mean : mean, gap = d < 0 ? -d : d;
  const double apart = rho_a < rho_b ? rho_b - rho_a : rho_a - rho_b;
  const double noise = 2 * (error_a + error_b);
  return (noise <= 0.03 * half) & (apart <= noise + half * gap * (4 * half + drift));
}

/* One problem's backward pass. The caller sets the members before `units`. */
typedef struct mpt_rule {
  mpt_type type;
  int64_t n, m;             /* order of the matrix; number of eigenpairs */
  const double *w;          /* [m] ascending */
  const int32_t *multiplet; /* [m] */
  double norm;              /* ||A||_2 */
  double *gw;               /* [m] eigenvalue cotangents */
  const double *gv_norm;    /* [m] 2-norms of the eigenvector cotangents; NULL: all zero */
  double cotangent_epsilon; /* precision of the cotangents, at least the type's epsilon */
  mpt_spread_policy policy;
  int gv_exponent, x_exponent; /* gv is given, and X wanted, times 2 to this power */

  /* units: mpt_rule_open() */
  double epsilon, level;     /* 2^-52 or 2^-23; noise of K_ij / ((|gv_i| + |gv_j|) / 2) */
  bool any;                  /* some cotangent is not zero */
  int norm_exponent, unit;   /* ||A|| and the cotangents as powers of two */
  double gv_in[2], gw_in[2]; /* factors that bring gv and gw into units of `unit` */
  double gauge_in[2];        /* factors that bring gv into its own units, for shares of gv */
  double x_out[2];           /* factors that bring X back to the caller's units */
  double *place;             /* [m] w / ||A|| */
  double *cotangent;         /* [m] gw */
  /* mpt_rule_fit() */
  double *x;                     /* [m] the diagonal of X */
  double *rho, *rho_error;       /* [m] of the form between multiplets; infinite error: no form */
  double *inside, *inside_error; /* [m] of the form inside; infinite error: not certified */
  double *drift; /* [m] relative change of rho over a gap of ||A||, from more distant neighbours */
  double *own;   /* [m] |S_jj| */
  double *leverage;   /* [m] mpt_leverage2 */
  double *turned;     /* [m] sum of theta^2 over the pairs whose quotient is kept */
  double *size;       /* [m] sum of |X_ij|^2 off the diagonal */
  double spread;      /* largest difference of gw inside a multiplet / max|gw| */
  double uncertified; /* the same, for multiplets in which no form is certified */
  mpt_gradient_rule kind;
} mpt_rule;

/* Sums over tiles, in the rule's units. mpt_sums_add combines the sums of several tiles. */
typedef struct mpt_sums {
  double gauge;    /* largest 2 |K_ij| / (|gv_i| + |gv_j|) inside a multiplet */
  double signal;   /* the same, of entries above their noise */
  double violated; /* the largest |K_ij| of these entries */
  double noise2;   /* squared errors of entries */
  double turn2;    /* squared change of gw when rounding rotates the eigenvectors */
  double x2;       /* squared Frobenius norm of X */
  double formed;   /* above 0: the form was used between multiplets */
} mpt_sums;
void mpt_sums_add(mpt_sums *sums, const mpt_sums *more);

/* Lays out memory [MPT_RULE_ARRAYS m] and chooses units from the sizes of the cotangents: the
 * largest |gw|, the largest |gv|, and the binary exponent of what else adds to X (INT_MIN:
 * nothing). */
void mpt_rule_open(mpt_rule *rule, double values, double vectors, int others, double *memory);

/* Looks for the form inside each multiplet and applies the policy where there is none. `s`: the
 * real diagonal of W, [m], in the units of gv (NULL: zero). */
void mpt_rule_fit(mpt_rule *rule, const double *s);

/* Call this with all tiles (below) before mpt_rule_fit(). A multiplet on whose basis the loss
 * depends has no form; this is recorded in rule->turned, and the ranks take the maximum of it. */
struct mpt_tile;
void mpt_rule_look(const mpt_rule *rule, const struct mpt_tile *tile);

/* The rule restricted to pairs first .. first + count - 1, for tiles that cover exactly these. */
mpt_rule mpt_rule_of(const mpt_rule *rule, int64_t first, int64_t count);

/* A tile (rows row0.., columns col0..) of the column-major m x m matrix T = W^T = gV^T conj(V). `t`
 * holds T and receives X^T; `th` holds T^H at the same positions. */
typedef struct mpt_tile {
  int64_t row0, col0, rows, cols;
  void *t;
  int64_t ldt;
  const void *th;
  int64_t ldth;
  void *sum; /* sum of several terms, see tiles.h; its leading dimension is ldt. NULL: none */
} mpt_tile;
void mpt_backward_tile(mpt_type type, const mpt_rule *rule, const mpt_tile *tile, mpt_sums *sums);

/* Without eigenvector cotangents: the contributions of X = diag(x) and of the vectors' rotation. */
void mpt_add_diagonal(const mpt_rule *rule, mpt_sums *sums);

/* The change of gw when pairs first .. first + count - 1 are rotated into all others by rounding.
 */
void mpt_add_outer_turns(const mpt_rule *rule, int64_t first, int64_t count, mpt_sums *sums);

/* The factor that brings entries of X into the rule's units. */
double mpt_rule_unit(const mpt_rule *rule);

/* Puts diag(X), in the caller's units, into gw. */
void mpt_rule_diagonal(mpt_rule *rule);

/* What a backward pass found. `dependent`: the loss depends on the basis inside a multiplet, or on
 * a phase. This shows in the share of the cotangents or, where parts that cancel dilute that share,
 * relative to X. `differ`: eigenvalue cotangents differ inside a multiplet for which no form is
 * certified. */
typedef struct mpt_finding {
  double gauge, spread, error;
  mpt_gradient_rule kind;
  bool dependent, differ;
  bool finite; /* whether the gradient is finite; set by the caller */
} mpt_finding;
mpt_finding mpt_find(const mpt_rule *rule, const mpt_sums *sums);

/* The precision to which `count` cotangents were computed: that of float32 if all of them are
 * float32 numbers and most have more than a few digits, else the type's own. */
double mpt_cotangent_epsilon(mpt_type type, int64_t count, const void *cotangents);

#endif
