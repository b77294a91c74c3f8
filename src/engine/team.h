/* Ranks that work on one matrix, and their collective operations. They reach one another through a
 * table that the owner of the communicator fills (engine/scalapack/mpi_team.h); a team of one needs
 * none.
 *
 * All calls that take a team are collective over it. */
#ifndef MPT_TEAM_H
#define MPT_TEAM_H

#include "spectral/backward.h"

typedef enum mpt_reduction { MPT_REDUCE_SUM, MPT_REDUCE_MAX, MPT_REDUCE_MIN } mpt_reduction;
typedef enum mpt_number { MPT_INT32, MPT_INT64, MPT_SINGLE, MPT_DOUBLE } mpt_number;

/* A rectangle of a row-major matrix whose rows are `stride` elements apart. */
typedef struct mpt_rectangle {
  const void *first;
  int64_t rows, columns, stride;
  size_t element; /* bytes */
} mpt_rectangle;

/* How ranks reach one another; `comm` is the team's.
 *
 * reduce(): every rank's x becomes the sum, maximum or minimum, element by element.
 * broadcast(): sends the bytes of rank `root` to all.
 * gather(), scatter(): items of `bytes` bytes. Rank r's part of the whole array, which rank 0 has,
 *   is counts[r] items from starts[r] on.
 * exchange(): sends a rectangle to rank `to` while `in` receives `count` elements, contiguous, from
 *   rank `from`.
 * agree(): all ranks learn the worst code and its text. */
typedef struct mpt_collectives {
  void (*reduce)(intptr_t comm, mpt_reduction how, mpt_number type, int64_t count, void *x);
  void (*broadcast)(intptr_t comm, int root, int64_t bytes, void *x);
  void (*gather)(intptr_t comm, int64_t bytes, const int *counts, const int *starts,
                 const void *mine, void *whole);
  void (*scatter)(intptr_t comm, int64_t bytes, const int *counts, const int *starts,
                  const void *whole, void *mine);
  void (*exchange)(intptr_t comm, int to, const mpt_rectangle *out, int from, int64_t count,
                   void *in);
  mpt_code (*agree)(intptr_t comm, mpt_code code, mpt_error *error);
} mpt_collectives;

/* Rank r stands at (r / grid[1], r % grid[1]) of the process grid. It holds the rows from
 * mpt_slab_start(n, size, r) up to those of the next rank. */
typedef struct mpt_team {
  const mpt_collectives *calls; /* NULL: a team of one */
  intptr_t comm;
  int rank, size;
  int grid[2]; /* grid[0] * grid[1] == size */
} mpt_team;

mpt_team mpt_team_of_one(void);
int64_t mpt_slab_start(int64_t n, int size, int rank);

void mpt_team_reduce(const mpt_team *team, mpt_reduction how, mpt_number type, int64_t count,
                     void *x);
void mpt_team_sum(const mpt_team *team, int64_t count, double *x);
void mpt_team_max(const mpt_team *team, int64_t count, double *x);
void mpt_team_broadcast(const mpt_team *team, int root, int64_t bytes, void *x);

/* Whether the condition holds on any rank, or on all. */
bool mpt_team_any(const mpt_team *team, bool here);
bool mpt_team_all(const mpt_team *team, bool here);

/* The worst code of all ranks becomes everyone's. */
mpt_code mpt_team_agree(const mpt_team *team, mpt_code code, mpt_error *error);

/* The largest |Re| or |Im| of a slab on all ranks; negative if an element is not finite. */
double mpt_largest_on_team(const mpt_team *team, mpt_type type, int64_t count, const void *slab);

/* Computes the 2-norms of the columns of a matrix whose largest element is `largest`; returns
 * whether they are finite. */
bool mpt_team_norms(const mpt_team *team, mpt_type type, int64_t rows, int64_t columns,
                    const void *slab, double largest, double *norm);

/* Combines what mpt_rule_look() found on all ranks. */
void mpt_share_looks(const mpt_team *team, mpt_rule *rule);

/* Sums over the tiles of all ranks; the arrays of the rule are summed, too. */
mpt_sums mpt_sums_over_team(const mpt_team *team, mpt_rule *rule, mpt_sums sums);

/* mpt_cotangent_epsilon over the parts of all ranks. */
double mpt_team_precision(const mpt_team *team, mpt_type type, int64_t count, const void *slab);

#endif
