/* The elementwise step of every backward pass: from W = V^H gV and the eigenvalue cotangents gw to
 * the X of G = V X V^H, and how far X can be trusted.
 *
 * With K = skew(W), S = herm(W), d = w_j - w_i, theta = min(1, MPT_TURN eps ||A|| / |d|):
 *
 *   between multiplets   X_ij = K_ij / d, or 0 where |K_ij| is below its noise, or, where the loss
 * is seen to be one of F = V f(w) V^H, X_ij = S_ij tanh(d rho) / d, for which no gap is too small:
 * rho_i = gw_i / S_ii = f'(w_i) / (2 f(w_i)) inside a multiplet   X = rho S + a I where gw = rho
 * diag(S) + a to rounding ("certified"), else what the spread policy makes of gw, on the diagonal
 * alone
 *
 * (Magnus 1985 for simple eigenvalues. The form: C being the cotangent of F, S_ij = (f_i + f_j)
 * C_ij, K_ij = (f_j - f_i) C_ij and X_ij = f[w_i, w_j] C_ij. The signal-to-noise rule takes the
 * place of any threshold on the gap.) A choice between quotient and form goes by their estimated
 * errors; the form is taken only where it agrees with the quotient to the quotient's noise.
 *
 * Everything here is computed in units in which ||A|| and the largest cotangent are near 1, in
 * double precision, so that no square leaves the range. */
#ifndef MPT_BACKWARD_H
#define MPT_BACKWARD_H

#include <multiplet/eigh.h>
#include "base/base.h"

/* Arrays that mpt_rule_open() lays out, [m] each. */
enum { MPT_RULE_ARRAYS = 12 };

/* Rounding turns two eigenvectors into each other by this times eps ||A|| / gap. */
#define MPT_TURN 3

/* How much more than its cotangent, at most, a turn of vector j may change it: |gv_j| / |S_jj| for
 * a loss of <a, v_j>, whose second derivative is large where that nearly vanishes. Squared. */
static inline double mpt_leverage2(double norm2, double s2, double n) {
  const double share = norm2 / n, most = 1e3;
  return s2 >= share ? 1 : s2 * most <= share ? most : share / s2;
}

/* Whether two eigenvalues a gap d apart (in units of ||A||) can have these rho of one function,
 * which are known to an error each, and well enough to say so. rho may change by itself over a gap:
 * of a power of w by d / w, which is about rho d, or as fast as it is seen to `drift`. */
static inline bool mpt_alike(double rho_a, double error_a, double rho_b, double error_b, double d,
                             double drift) {
  const double mean = (rho_a + rho_b) / 2, half = mean < 0 ? -mean : mean, gap = d < 0 ? -d : d;
  const double apart = rho_a < rho_b ? rho_b - rho_a : rho_a - rho_b;
  const double noise = 2 * (error_a + error_b);
  return (noise <= 0.03 * half) & (apart <= noise + half * gap * (4 * half + drift));
}

/* One problem's backward pass. The caller sets what stands before `units`. */
typedef struct mpt_rule {
  mpt_type type;
  int64_t n, m;             /* order of the matrix; pairs looked at */
  const double *w;          /* [m] ascending */
  const int32_t *multiplet; /* [m] */
  double norm;              /* ||A||_2 */
  double *gw;               /* [m] eigenvalue cotangents */
  const double *gv_norm;    /* [m] 2-norms of the eigenvector cotangents; NULL: all zero */
  double cotangent_epsilon; /* what the cotangents were computed to, at least the type's epsilon */
  mpt_spread_policy policy;
  int gv_exponent, x_exponent; /* gv is given, and X wanted, times 2 to this power */

  /* units: mpt_rule_open() */
  double epsilon, level;     /* 2^-52 or 2^-23; noise of K_ij / ((|gv_i| + |gv_j|) / 2) */
  bool any;                  /* some cotangent is not zero */
  int norm_exponent, unit;   /* ||A|| and the cotangents in powers of two */
  double gv_in[2], gw_in[2]; /* factors that bring gv and gw into units of `unit` */
  double gauge_in[2];        /* and gv into its own, for what is a share of it */
  double x_out[2];           /* and X back */
  double *place;             /* [m] w / ||A|| */
  double *cotangent;         /* [m] gw */
  /* mpt_rule_fit() */
  double *x;                     /* [m] the diagonal of X */
  double *rho, *rho_error;       /* [m] of the form between multiplets; an infinite error: none */
  double *inside, *inside_error; /* [m] of the form inside; an infinite error: not certified */
  double *drift;      /* [m] relative change of rho over a gap of ||A||, from further neighbours */
  double *own;        /* [m] |S_jj| */
  double *leverage;   /* [m] mpt_leverage2 */
  double *turned;     /* [m] sum of theta^2 over the pairs whose quotient is kept */
  double *size;       /* [m] sum of |X_ij|^2 off the diagonal */
  double spread;      /* largest difference of gw inside a multiplet / max|gw| */
  double uncertified; /* the same of multiplets in which no form is certified */
  mpt_gradient_rule kind;
} mpt_rule;

/* What tiles add up to; the sums of several tiles combine by mpt_sums_add. In the rule's units. */
typedef struct mpt_sums {
  double gauge;    /* largest 2 |K_ij| / (|gv_i| + |gv_j|) inside a multiplet */
  double signal;   /* the same of entries above their noise */
  double violated; /* the largest |K_ij| of those */
  double noise2;   /* squares of the errors of entries */
  double turn2;    /* squares of what a turn of the eigenvectors by rounding makes of gw */
  double x2;       /* squared Frobenius norm of X */
  double formed;   /* above 0: the form carried a pair between multiplets */
} mpt_sums;
void mpt_sums_add(mpt_sums *sums, const mpt_sums *more);

/* Lays out memory [MPT_RULE_ARRAYS m] and chooses units by the sizes of the cotangents: the largest
 * |gw|, the largest |gv|, and the exponent of two of what else X has (INT_MIN: nothing). */
void mpt_rule_open(mpt_rule *rule, double values, double vectors, int others, double *memory);

/* Looks for the form inside each multiplet and applies the policy elsewhere. `s`: the real diagonal
 * of W, [m], in the units of gv (NULL: zero). */
void mpt_rule_fit(mpt_rule *rule, const double *s);

/* To be called with all tiles (below) before mpt_rule_fit(): a multiplet on whose basis the loss
 * depends has no form. Leaves that in rule->turned, of which ranks take the largest. */
struct mpt_tile;
void mpt_rule_look(const mpt_rule *rule, const struct mpt_tile *tile);

/* The rule of pairs first .. first + count - 1 alone, for tiles of which they are all. */
mpt_rule mpt_rule_of(const mpt_rule *rule, int64_t first, int64_t count);

/* A tile (rows row0.., columns col0..) of the column-major m x m matrix T = W^T = gV^T conj(V). `t`
 * holds T and receives X^T; `th` holds T^H at the same positions. */
typedef struct mpt_tile {
  int64_t row0, col0, rows, cols;
  void *t;
  int64_t ldt;
  const void *th;
  int64_t ldth;
  void *sum; /* of several terms, see tiles.h; its leading dimension is ldt. NULL: none */
} mpt_tile;
void mpt_backward_tile(mpt_type type, const mpt_rule *rule, const mpt_tile *tile, mpt_sums *sums);

/* Without eigenvector cotangents: what X = diag(x) and the turn of the vectors give. */
void mpt_add_diagonal(const mpt_rule *rule, mpt_sums *sums);

/* The turn of eigenvalue cotangents between pairs first .. first + count - 1 and all others. */
void mpt_add_outer_turns(const mpt_rule *rule, int64_t first, int64_t count, mpt_sums *sums);

/* What entries of X are multiplied by in the rule's units. */
double mpt_rule_unit(const mpt_rule *rule);

/* diag(X) in the caller's units, into gw. */
void mpt_rule_diagonal(mpt_rule *rule);

/* What a backward pass found. The loss depends on the basis inside a multiplet, or on a phase: seen
 * in the share of the cotangents, or, where parts of these that cancel dilute it, against X. Its
 * eigenvalue cotangents differ inside a multiplet where no form is certified. */
typedef struct mpt_finding {
  double gauge, spread, error;
  mpt_gradient_rule kind;
  bool dependent, differ;
  bool finite; /* the gradient; the caller's */
} mpt_finding;
mpt_finding mpt_find(const mpt_rule *rule, const mpt_sums *sums);

/* The precision that `count` cotangents were computed to: that of float32 where all of them are
 * float32 numbers and most need more than a few digits, else the type's own. */
double mpt_cotangent_epsilon(mpt_type type, int64_t count, const void *cotangents);

#endif
