#include "run/failures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "run/job_files.h"
#include "store/shape.h"
#include "store/slab.h"
#include "spectral/spectral.h"

/* Elements read at once, and the order of the largest matrix that is read again to explain a
 * failure. */
static const int64_t room = INT64_C(1) << 21, largest_n = 20000;

/* Rows of one problem's array at a time. */
typedef struct rows {
  mpt_slab_reader reader;
  mpt_type type;
  int64_t problem, rows, cols, step;
} rows;

static mpt_code open_rows(rows *r, hid_t file, const char *path, const mpt_dataset *d,
                          mpt_quantity quantity, int64_t problem) {
  const mpt_slab whole = mpt_whole_quantity(quantity, d);
  const int64_t shape[3] = {whole.count, whole.rows, whole.cols};
  const bool real = mpt_quantities[quantity].element == MPT_E_REAL;
  *r = (rows){.type = real && mpt_real_size(d->type) == 4 ? MPT_FLOAT32
                      : real                              ? MPT_FLOAT64
                                                          : d->type,
              .problem = problem,
              .rows = whole.rows,
              .cols = whole.cols,
              .step = room / (whole.cols + 1) + 1};
  if (r->step > whole.rows) r->step = whole.rows;
  return mpt_slab_open(&r->reader, file, path, mpt_scalar_type(r->type), shape, NULL);
}

/* The largest elements of |A - A^H| and of |A|. */
static mpt_code measure_defect(rows *r, double *defect, double *largest) {
  mpt_code code;
  void *a = NULL, *facing = NULL;
  const int64_t n = r->cols;
  TRY(mpt_allocate(&a, r->step * n, mpt_type_size(r->type), "rows of a matrix", NULL));
  TRY(mpt_allocate(&facing, r->step * n, mpt_type_size(r->type), "columns of a matrix", NULL));
  *defect = *largest = 0;
  for (int64_t row = 0; row < n; row += r->step) {
    const int64_t now = n - row < r->step ? n - row : r->step;
    const mpt_window own = {r->problem, row, now, 0, n}, across = {r->problem, 0, n, row, now};
    TRY(mpt_slab_read(&r->reader, &own, a, NULL));
    TRY(mpt_slab_read(&r->reader, &across, facing, NULL));
    const mpt_facing blocks = {now, n, a, n, facing, now};
    *defect = fmax(*defect, mpt_hermitian_defect(r->type, &blocks));
    *largest = fmax(*largest, mpt_scan_slab(r->type, 0, now, n, a, MPT_TRIANGLE_FULL).largest);
  }
done:
  free(a);
  free(facing);
  return code;
}

/* Adds how far a matrix, or its direction, is from Hermitian. False when it is Hermitian, or when
 * this cannot be determined. */
static bool tell_defect(hid_t file, const mpt_dataset *d, int64_t problem, const char *what,
                        mpt_text *out) {
  rows r;
  double defect = 0, largest = 0;
  if (file <= 0 || d->n > largest_n) return false;
  mpt_code code = open_rows(&r, file, d->path, d, MPT_MATRIX, problem);
  if (code == MPT_DONE) code = measure_defect(&r, &defect, &largest);
  mpt_slab_close(&r.reader);
  if (code != MPT_DONE || defect <= 100 * (double)d->n * mpt_type_epsilon(d->type) * largest)
    return false;
  mpt_text_add(out, ", where the largest |%s - %s^H| is %.2g of the largest |%s|", what, what,
               defect / largest, what);
  return true;
}

static bool is_finite(const mpt_job *job, int64_t d, mpt_quantity quantity, int64_t function,
                      int64_t problem) {
  rows r;
  void *a = NULL;
  bool finite = true;
  char *path = mpt_job_path(job, d, quantity, function);
  mpt_code code = path ? open_rows(&r, mpt_job_file(job, d, quantity), path,
                                   &job->input.datasets[d], quantity, problem)
                       : MPT_NO_RESOURCE;
  free(path);
  if (code != MPT_DONE) return true;
  code = mpt_allocate(&a, r.step * r.cols, mpt_type_size(r.type), "rows of a cotangent", NULL);
  for (int64_t row = 0; row < r.rows && code == MPT_DONE && finite; row += r.step) {
    const mpt_window slab = {problem, row, r.rows - row < r.step ? r.rows - row : r.step, 0,
                             r.cols};
    code = mpt_slab_read(&r.reader, &slab, a, NULL);
    if (code == MPT_DONE) finite = mpt_all_finite(r.type, slab.rows * slab.cols, a);
  }
  free(a);
  mpt_slab_close(&r.reader);
  return finite;
}

/* Whether everything given along with the matrix is finite. If it is, anything that is not finite
 * was computed here. */
static bool all_given_is_finite(const mpt_job *job, int64_t d, int64_t problem) {
  const mpt_task *t = &job->tasks[d];
  const mpt_quantityset given = mpt_from(MPT_FROM_COTANGENTS) | mpt_from(MPT_FROM_DIRECTIONS);
  bool finite = true;
  for (mpt_quantity q = 0; q < MPT_FUNCTION && finite; q++)
    if (given & t->arrays & MPT_BIT(q)) finite = is_finite(job, d, q, 0, problem);
  for (int64_t f = 0; f < t->functions; f++)
    for (mpt_quantity q = MPT_FUNCTION; q < MPT_STATUS && finite; q++)
      if (given & t->of_function[f] & MPT_BIT(q)) finite = is_finite(job, d, q, f, problem);
  return finite;
}

/* Adds what the files show of the first problem with this status. */
static void add_details(const mpt_job *job, int status, int64_t d, int64_t problem, mpt_text *out) {
  const mpt_dataset *data = &job->input.datasets[d];
  if (status == MPT_STATUS_NOT_HERMITIAN) {
    if (!tell_defect(job->input.file, data, problem, "A", out) &&
        mpt_task_has(&job->tasks[d], MPT_DIRECTION))
      tell_defect(job->direction, data, problem, "dA", out);
    mpt_text_add(out, " (triangle: lower reads one triangle, triangle: average takes (A + A^H)/2)");
  } else if (status == MPT_STATUS_NONFINITE_COTANGENT && data->n <= largest_n) {
    mpt_text_add(out, all_given_is_finite(job, d, problem)
                          ? ", where cotangents are finite and what they lead to overflows (scale "
                            "the loss)"
                          : ", where a cotangent or direction is not finite (look at the loss)");
  }
}

static void tell(const mpt_job *job, int status, int64_t count, int64_t place) {
  mpt_text details = {0};
  const int64_t d = place / MPT_PLACES, problem = place % MPT_PLACES;
  if (place < INT64_MAX) {
    mpt_text_add(&details, "; first problem %lld of %s", (long long)problem,
                 job->input.datasets[d].path);
    add_details(job, status, d, problem, &details);
  }
  mpt_warn("%lld failed: %s, %s%s", (long long)count, mpt_status_name(status),
           mpt_status_meaning(status), details.data ? details.data : "");
  mpt_text_release(&details);
}

void mpt_tell_failures(MPI_Comm comm, const mpt_job *job, const mpt_worker *worker,
                       const mpt_summary *summary) {
  int64_t first[MPT_STATUS_COUNT];
  int rank;
  MPI_Comm_rank(comm, &rank);
  MPI_Allreduce(worker->first, first, MPT_STATUS_COUNT, MPI_INT64_T, MPI_MIN, comm);
  for (int s = 0; s < MPT_STATUS_COUNT && rank == 0 && mpt_log_is_heard(); s++)
    if (mpt_status_is_failure(s) && summary->by_status[s])
      tell(job, s, summary->by_status[s], first[s]);
}
