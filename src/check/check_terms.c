#include "check/check_terms.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "check/check_panel.h"
#include "store/shape.h"
#include "store/find.h"

mpt_code mpt_read_wide(hid_t file, const char *path, int64_t problem, int64_t rows, int64_t columns,
                       mpt_type type, mpt_wide *out, bool *there, mpt_error *error) {
  mpt_code code = mpt_find_link(file, path, there, error);
  if (!*there) return code;
  const mpt_slab part = {problem, 1, 0, rows, columns, 3};
  hid_t memory = mpt_scalar_type(type);
  code = mpt_read_slab(file, path, &part, memory, out, error);
  H5Tclose(memory);
  if (code != MPT_DONE || mpt_type_is_complex(type)) return code;
  const double *real = (const double *)out;
  for (int64_t i = rows * columns - 1; i >= 0; i--) out[i] = real[i];
  return code;
}

void mpt_turn_wide(int64_t n, mpt_wide *a) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) {
      const mpt_wide x = a[i * n + j];
      a[i * n + j] = a[j * n + i];
      a[j * n + i] = x;
    }
}

static mpt_code read_function(const mpt_check *c, const mpt_check_group *g, hid_t cotangents,
                              int64_t problem, int64_t f, mpt_loss_terms *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = t->n;
  const mpt_named_function *named = &c->config.functions.items[f];
  mpt_wide *out = t->cotangents + t->count * n * n;
  bool there = false;
  char *name = mpt_format("functions/%s", named->name);
  char *path = name ? mpt_view_path(g->stored->path, name) : NULL;
  if (!path) TRY(mpt_no_memory("make a name", error));
  TRY(mpt_read_wide(cotangents, path, problem, n, n, mpt_check_type(g->input->type), out, &there,
                    error));
  if (c->config.convention == MPT_CONVENTION_JAX) mpt_conjugate(MPT_COMPLEX128, n * n, out);
  mpt_turn_wide(n, out);
  if (there) t->functions[t->count++] = &named->function;
done:
  free(name);
  free(path);
  return code;
}

static mpt_code read_frame(const mpt_check *c, const mpt_check_group *g, hid_t cotangents,
                           int64_t problem, mpt_loss_terms *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_type type = mpt_check_type(g->input->type);
  const int64_t *index = c->config.frame_index;
  hid_t file = H5I_INVALID_HID;
  bool there = false;
  char *path = mpt_view_path(g->stored->path, mpt_quantities[MPT_COTANGENT_FRAME].name);
  if (!path) TRY(mpt_no_memory("make a name", error));
  TRY(mpt_open_for_reading(c->config.reference.file, "reference", &file, error));
  hsize_t dims[H5S_MAX_RANK];
  const int rank = mpt_dims_of(file, c->config.reference.dataset, dims);
  const int64_t columns = rank >= 2 ? (int64_t)dims[rank - 1] : 0;
  if (columns < 1)
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot read reference '%s' of '%s': it is not there, or no matrix (put back what "
                 "the run used)",
                 c->config.reference.dataset, c->config.reference.file));
  TRY(mpt_allocate(&t->reference, t->n * columns, sizeof *t->reference, "a frame", error));
  TRY(mpt_allocate(&t->frame_cotangent, t->n * columns, sizeof *t->reference, "a frame", error));
  TRY(mpt_allocate(&t->frame_memory, mpt_frame_memory(t->n, index[0], index[1], columns),
                   sizeof *t->frame_memory, "a frame", error));
  TRY(mpt_read_wide(cotangents, path, problem, t->n, columns, type, t->frame_cotangent,
                    &t->frame_counts, error));
  if (c->config.convention == MPT_CONVENTION_JAX)
    mpt_conjugate(MPT_COMPLEX128, t->n * columns, t->frame_cotangent);
  TRY(mpt_read_wide(file, c->config.reference.dataset, rank > 2 ? problem : 0, t->n, columns, type,
                    t->reference, &there, error));
  if (there) mpt_frame_lay_out(t->n, index[0], index[1], columns, t->frame_memory, &t->frame);
done:
  if (file >= 0) H5Fclose(file);
  free(path);
  return code;
}

mpt_code mpt_loss_terms_read(const mpt_check *c, const mpt_check_group *g, hid_t cotangents,
                             int64_t problem, mpt_loss_terms *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = g->input->n, functions = c->config.functions.count;
  *t = (mpt_loss_terms){.n = n, .resolution = mpt_resolution(g->input->type, n)};
  if (!functions && !c->config.reference.file) return MPT_DONE;
  const char *what = "a gradient check";
  TRY(mpt_allocate(&t->functions, functions, sizeof *t->functions, what, error));
  TRY(mpt_allocate(&t->cotangents, functions * n * n, sizeof *t->cotangents, what, error));
  TRY(mpt_allocate(&t->product, n * n, sizeof *t->product, what, error));
  TRY(mpt_allocate(&t->memory, MPT_FUNCTION_MEMORY * n, sizeof *t->memory, what, error));
  TRY(mpt_allocate(&t->apart, n, sizeof *t->apart, what, error));
  for (int64_t i = 0; i < n; i++) t->apart[i] = (int32_t)i;
  for (int64_t f = 0; f < functions; f++)
    TRY(read_function(c, g, cotangents, problem, f, t, error));
  if (c->config.reference.file) TRY(read_frame(c, g, cotangents, problem, t, error));
done:
  return code;
}

void mpt_loss_terms_release(mpt_loss_terms *t) {
  free(t->functions);
  free(t->cotangents);
  free(t->product);
  free(t->memory);
  free(t->apart);
  free(t->frame_memory);
  free(t->reference);
  free(t->frame_cotangent);
  *t = (mpt_loss_terms){0};
}

double mpt_wide_norm(int64_t count, const mpt_wide *x) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum = hypot(sum, cabs(x[i]));
  return sum;
}

/* False also where another solver's eigenvalues may count as zero when these do not, or the other
 * way about. */
static bool start(mpt_loss_terms *t, const mpt_function *function, const double *w,
                  mpt_spectral_function *f) {
  enum { EITHER_WAY = 4 };
  const double rounding = t->resolution * mpt_spectral_norm(t->n, w);
  const double widths[] = {rounding * EITHER_WAY, rounding / EITHER_WAY};
  mpt_spectral_function wide;
  mpt_function_start(function, t->n, w, t->apart, widths[0], t->memory, &wide);
  return mpt_function_start(function, t->n, w, t->apart, widths[1], t->memory, f) ==
             MPT_STATUS_OK &&
         f->null[0] == wide.null[0] && f->null[1] == wide.null[1];
}

bool mpt_loss_terms_function(mpt_loss_terms *t, const mpt_function *function, const double *w,
                             mpt_spectral_function *f, mpt_function_size *size) {
  if (!start(t, function, w, f)) return false;
  *size = (mpt_function_size){.reach = mpt_function_reach(f)};
  for (int64_t i = 0; i < t->n; i++) {
    size->largest = fmax(size->largest, fabs(f->value[i]));
    for (int64_t j = 0; j <= i; j++)
      size->steepest = fmax(size->steepest, fabs(mpt_divided_difference(f, i, j)));
  }
  return true;
}

double mpt_loss_terms_frame_gap(const mpt_loss_terms *t, const double *w) {
  return mpt_edge_gap(t->n, w, (const int64_t[2]){t->frame.first, t->frame.stop});
}

bool mpt_loss_terms_prepare(mpt_loss_terms *t, const double *w, const mpt_wide *v) {
  const double norm = mpt_spectral_norm(t->n, w);
  double ignored;
  t->reach = INFINITY;
  t->level = 0;
  t->null = false;
  for (int64_t k = 0; k < t->count; k++) {
    mpt_spectral_function f;
    mpt_function_size size;
    if (!mpt_loss_terms_function(t, t->functions[k], w, &f, &size)) return false;
    t->reach = fmin(t->reach, size.reach);
    t->null |= f.null[0] < f.null[1];
    t->level += mpt_wide_norm(t->n * t->n, t->cotangents + k * t->n * t->n) * sqrt((double)t->n) *
                (size.largest + norm * size.steepest);
  }
  if (!mpt_loss_terms_value(t, w, v, &ignored)) return false;
  if (t->frame_counts) {
    const double gap = mpt_loss_terms_frame_gap(t, w);
    t->reach = fmin(t->reach, gap / t->frame.condition);
    t->level += mpt_wide_norm(t->n * t->frame.columns, t->frame_cotangent) * t->frame.condition *
                (1 + norm / gap);
  }
  return true;
}

/* Returns sum_k f_k Re(v_k^H gF v_k). */
static double function_value(mpt_loss_terms *t, const mpt_wide *cotangent, const double *f,
                             const mpt_wide *v) {
  const int64_t n = t->n;
  double sum = 0;
  for (int64_t k = 0; k < n; k++) {
    mpt_wide *x = t->product;
    memset(x, 0, sizeof *x * (size_t)n);
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < n; i++) x[i] += cotangent[i + j * n] * v[j + k * n];
    for (int64_t i = 0; i < n; i++) sum += f[k] * creal(conj(v[i + k * n]) * x[i]);
  }
  return sum;
}

bool mpt_loss_terms_frame(mpt_loss_terms *t, const mpt_wide *v, mpt_wide *out) {
  mpt_spectral_frame *f = &t->frame;
  const int64_t n = t->n, m = f->columns;
  for (int64_t k = 0; k < n; k++)
    for (int64_t l = 0; l < m; l++) {
      f->r[k * m + l] = 0;
      for (int64_t i = 0; i < n; i++)
        f->r[k * m + l] += conj(v[i + k * n]) * t->reference[i * m + l];
    }
  if (mpt_frame_start(t->apart, DBL_EPSILON, f) != MPT_STATUS_OK) return false;
  for (int64_t i = 0; i < n; i++)
    for (int64_t l = 0; l < m; l++) {
      out[i * m + l] = 0;
      for (int64_t k = f->first; k < f->stop; k++)
        out[i * m + l] += v[i + k * n] * f->polar[(k - f->first) * m + l];
    }
  return true;
}

bool mpt_loss_terms_frame_part(mpt_loss_terms *t, const mpt_wide *v, double *value) {
  *value = 0;
  mpt_wide *x = t->product;
  if (!mpt_loss_terms_frame(t, v, x)) return false;
  for (int64_t i = 0; i < t->n * t->frame.columns; i++)
    *value += creal(conj(t->frame_cotangent[i]) * x[i]);
  return true;
}

bool mpt_loss_terms_value(mpt_loss_terms *t, const double *w, const mpt_wide *v, double *value) {
  double frame = 0;
  *value = 0;
  for (int64_t k = 0; k < t->count; k++) {
    mpt_spectral_function f;
    if (!start(t, t->functions[k], w, &f)) return false;
    *value += function_value(t, t->cotangents + k * t->n * t->n, f.value, v);
  }
  if (t->frame_counts && !mpt_loss_terms_frame_part(t, v, &frame)) return false;
  *value += frame;
  return true;
}
