#include "engine/team.h"

#include <math.h>
#include <string.h>
#include "spectral/spectral.h"

mpt_team mpt_team_of_one(void) {
  return (mpt_team){.size = 1, .grid = {1, 1}};
}

int64_t mpt_slab_start(int64_t n, int size, int rank) {
  return n / size * rank + n % size * rank / size;
}

void mpt_team_reduce(const mpt_team *team, mpt_reduction how, mpt_number type, int64_t count,
                     void *x) {
  if (team->size > 1) team->calls->reduce(team->comm, how, type, count, x);
}

void mpt_team_sum(const mpt_team *team, int64_t count, double *x) {
  mpt_team_reduce(team, MPT_REDUCE_SUM, MPT_DOUBLE, count, x);
}

void mpt_team_max(const mpt_team *team, int64_t count, double *x) {
  mpt_team_reduce(team, MPT_REDUCE_MAX, MPT_DOUBLE, count, x);
}

void mpt_team_broadcast(const mpt_team *team, int root, int64_t bytes, void *x) {
  if (team->size > 1) team->calls->broadcast(team->comm, root, bytes, x);
}

bool mpt_team_any(const mpt_team *team, bool here) {
  int32_t any = here;
  mpt_team_reduce(team, MPT_REDUCE_MAX, MPT_INT32, 1, &any);
  return any;
}

bool mpt_team_all(const mpt_team *team, bool here) {
  return !mpt_team_any(team, !here);
}

mpt_code mpt_team_agree(const mpt_team *team, mpt_code code, mpt_error *error) {
  return team->size == 1 ? code : team->calls->agree(team->comm, code, error);
}

double mpt_largest_on_team(const mpt_team *team, mpt_type type, int64_t count, const void *slab) {
  const mpt_scan scan = mpt_scan_slab(type, 0, 1, count, slab, MPT_TRIANGLE_FULL);
  double all[2] = {scan.finite ? 0 : 1, scan.largest};
  mpt_team_max(team, 2, all);
  return all[0] > 0 ? -1 : all[1];
}

bool mpt_team_norms(const mpt_team *team, mpt_type type, int64_t rows, int64_t columns,
                    const void *slab, double largest, double *norm) {
  const int exponent = largest > 0 ? ilogb(largest) : 0; /* so that no square leaves the range */
  bool finite = true;
  memset(norm, 0, sizeof *norm * (size_t)columns);
  mpt_add_column_norms(type, rows, columns, slab, exponent, norm);
  mpt_team_sum(team, columns, norm);
  for (int64_t j = 0; j < columns; j++) {
    norm[j] = ldexp(sqrt(norm[j]), exponent);
    finite &= isfinite(norm[j]) != 0;
  }
  return finite;
}

void mpt_share_looks(const mpt_team *team, mpt_rule *rule) {
  mpt_team_max(team, rule->m, rule->turned);
}

mpt_sums mpt_sums_over_team(const mpt_team *team, mpt_rule *rule, mpt_sums sums) {
  if (team->size == 1) return sums;
  double add[4] = {sums.noise2, sums.turn2, sums.x2, sums.formed};
  double most[3] = {sums.gauge, sums.signal, sums.violated};
  mpt_team_sum(team, 4, add);
  mpt_team_max(team, 3, most);
  mpt_team_sum(team, rule->m, rule->turned);
  mpt_team_sum(team, rule->m, rule->size);
  return (mpt_sums){most[0], most[1], most[2], add[0], add[1], add[2], add[3]};
}

double mpt_team_precision(const mpt_team *team, mpt_type type, int64_t count, const void *slab) {
  const double single = mpt_type_epsilon(MPT_FLOAT32);
  const double own = mpt_type_epsilon(type), found = mpt_cotangent_epsilon(type, count, slab);
  const mpt_scan scan = mpt_scan_slab(type, 0, 1, count, slab, MPT_TRIANGLE_FULL);
  /* a part that is all zeros has no vote */
  double votes[2] = {scan.largest > 0 && found<single, scan.largest> 0 && found >= single};
  mpt_team_sum(team, 2, votes);
  return votes[0] == 0 && votes[1] > 0 ? single : own;
}
