/* Included once per scalar type by certificate.c. */
#include "blas.h"

enum { NAME(PROBES) = 2 };

static void NAME(sum)(const mpt_team *team, int64_t count, Scalar *values) {
  if (team->size > 1)
    MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_SCALAR, MPI_SUM, team->comm);
}

/* Rank by rank, rows of a vector that all ranks need whole; v[n], own part in place. */
static void NAME(share_rows)(const mpt_team *team, int64_t n, Scalar *v) {
  if (team->size == 1) return;
  for (int r = 0; r < team->size; r++) {
    int64_t first = mpt_slab_start(n, team->size, r), end = mpt_slab_start(n, team->size, r + 1);
    MPI_Bcast(v + first, (int)(end - first), MPI_SCALAR, r, team->comm);
  }
}

/* Columns 0, 1: random signs x; columns 2, 3: w o x, all times the scale s. */
static void NAME(make_probes)(int64_t n, const Real *w, double s, Scalar *x) {
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (int64_t j = 0; j < n; j++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    for (int p = 0; p < NAME(PROBES); p++) {
      double sign = (state >> (40 + p)) & 1 ? 1 : -1;
      x[p * n + j] = (Real)(sign);
      x[(p + NAME(PROBES)) * n + j] = (Real)(sign * w[j] * s);
    }
  }
}

/* y = V x and u = V (w o s x) on this rank's rows, then r = s A y - u and V^H y - x. A power of two
 * s near 1/||A|| keeps everything in range. */
static void NAME(certify)(const mpt_team *team, mpt_batch *batch, int64_t k) {
  const int64_t n = batch->n, rows = batch->rows;
  const int ni = (int)n, ri = (int)rows, ldr = ri > 0 ? ri : 1, two = NAME(PROBES), four = 2 * two;
  const Scalar *a = (const Scalar *)batch->a + k * rows * n, one = 1, zero = 0;
  const Scalar *v = (const Scalar *)batch->v + k * rows * n;
  const Real *w = (const Real *)batch->w + k * n;
  mpt_report *report = &batch->report[k];
  double norm = n ? fmax(fabs((double)w[0]), fabs((double)w[n - 1])) : 0;
  const int limit = sizeof(Real) == 4 ? 120 : 1000;
  int e = norm > 0 ? ilogb(norm) : 0;
  double s = ldexp(1, -(e > limit ? limit : e < -limit ? -limit : e));
  Scalar *x = malloc(sizeof(Scalar) * (size_t)(14 * n + 1));
  int failed = !x;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  if (failed) {
    report->status = MPT_INTERNAL;
    free(x);
    return;
  }
  Scalar *yu = x + 4 * n, *y = yu + 4 * n, *r = y + 2 * n, *o = r + 2 * n;
  NAME(make_probes)(n, w, s, x);
  if (rows > 0) BLAS(gemm)("T", "N", &ri, &four, &ni, &one, v, &ni, x, &ni, &zero, yu, &ldr, 1, 1);
  for (int p = 0; p < two; p++) {
    for (int64_t i = 0; i < rows; i++) y[p * n + batch->row0 + i] = yu[p * rows + i];
    NAME(share_rows)(team, n, y + p * n);
  }
  Scalar scale = (Real)s;
  for (int64_t i = 0; i < 2 * n; i++) o[i] = y[i] * scale;
  if (rows > 0) BLAS(gemm)("T", "N", &ri, &two, &ni, &one, a, &ni, o, &ni, &zero, r, &ldr, 1, 1);
  double sums[4] = {0};
  for (int p = 0; p < two; p++)
    for (int64_t i = 0; i < rows; i++) {
      Scalar d = r[p * rows + i] - yu[(p + two) * rows + i];
      sums[p] += ABS2(d);
    }
  for (int64_t i = 0; i < 2 * rows; i++) yu[i] = CONJ(yu[i]);
  memset(o, 0, sizeof(Scalar) * (size_t)(2 * n));
  if (rows > 0) BLAS(gemm)("N", "N", &ni, &two, &ri, &one, v, &ni, yu, &ldr, &zero, o, &ni, 1, 1);
  NAME(sum)(team, 2 * n, o);
  for (int p = 0; p < two; p++)
    for (int64_t j = 0; j < n; j++) {
      Scalar d = o[p * n + j] - x[p * n + j];
      sums[two + p] += ABS2(d);
    }
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, sums, two, MPI_DOUBLE, MPI_SUM, team->comm);
  double unit = (double)n * mpt_type_epsilon(batch->type) * sqrt((double)n);
  double tiny = (double)n * (sizeof(Real) == 4 ? 0x1p-149 : 0x1p-1074); /* gradual underflow */
  report->residual =
      n && norm > 0 ? sqrt(fmax(sums[0], sums[1])) / (unit * s * norm + tiny * s) : 0;
  report->orthogonality = n ? sqrt(fmax(sums[2], sums[3])) / unit : 0;
  free(x);
}
