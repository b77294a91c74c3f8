#include "check/check_outputs.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "check/check_panel.h"
#include "spectral/spectral.h"

/* A larger allowance than this would make a check meaningless. */
static const double too_coarse = 1e-2;

void mpt_sample_record(mpt_check_sample *s, double difference, double carries, double slack) {
  const mpt_trial trial = !(slack <= too_coarse)             ? MPT_TRIAL_UNTESTABLE
                          : !(difference <= carries + slack) ? MPT_TRIAL_FAILED
                                                             : MPT_TRIAL_PASSED;
  if (s->trial != MPT_TRIAL_FAILED && trial != MPT_TRIAL_PASSED) s->trial = (int)trial;
  if (difference > s->difference || !isfinite(difference)) {
    s->difference = difference;
    s->allowed = carries + slack;
  }
}

/* Outputs that exist once for each problem; the outputs of functions follow them. */
static const mpt_quantity fixed[] = {MPT_EIGENVALUES, MPT_FRAME, MPT_GRADIENT_REFERENCE,
                                     MPT_TANGENT_EIGENVALUES, MPT_TANGENT_EIGENVECTORS};
enum { VALUES, FRAME, REFERENCE, TANGENT_VALUES, TANGENT_VECTORS, FIXED };
_Static_assert(sizeof fixed / sizeof *fixed == FIXED, "an output has no quantity");

int64_t mpt_check_output_count(const mpt_check *c) {
  return FIXED + 2 * c->config.functions.count;
}

void mpt_check_name_outputs(const mpt_check *c, mpt_check_sample *items) {
  for (int64_t k = 0; k < FIXED; k++) items[k].quantity = fixed[k];
  for (int64_t f = 0; f < 2 * c->config.functions.count; f++) {
    items[FIXED + f].quantity = f % 2 ? MPT_TANGENT_FUNCTION : MPT_FUNCTION;
    items[FIXED + f].function = f / 2;
  }
}

typedef struct outputs {
  const mpt_check *check;
  const mpt_check_sources *sources;
  const mpt_check_group *group;
  mpt_loss *loss;
  int64_t problem;
  double norm, size;            /* of A; and of the direction before it was normalized */
  const mpt_function *function; /* the function in hand */
  double complex *stored, *made, *other, *more; /* [n, n] */
} outputs;

/* The path of an item's dataset; NULL when memory is out. The caller frees it. */
static char *path_of(const outputs *o, const mpt_check_sample *item) {
  const char *name = mpt_quantities[item->quantity].name;
  if (!mpt_is_per_function(item->quantity)) return mpt_view_path(o->group->stored->path, name);
  char *full = mpt_format("%s%s", name, o->check->config.functions.items[item->function].name);
  char *path = full ? mpt_view_path(o->group->stored->path, full) : NULL;
  free(full);
  return path;
}

/* Reads the stored output, [n, columns] row-major. An item that is there has passed until it
 * fails. */
static mpt_code read_stored(const outputs *o, mpt_check_sample *item, int64_t rows, int64_t columns,
                            bool *there, mpt_error *error) {
  const bool real = mpt_quantities[item->quantity].element == MPT_E_REAL;
  const mpt_type type = real ? MPT_FLOAT64 : mpt_check_type(o->group->input->type);
  char *path = path_of(o, item);
  if (!path) return mpt_no_memory("make a name", error);
  mpt_code code = mpt_read_wide(o->check->view.file, path, o->problem, rows, columns, type,
                                o->stored, there, error);
  if (code == MPT_DONE && *there) item->trial = MPT_TRIAL_PASSED;
  free(path);
  return code;
}

/* Records |stored - made|, relative to the larger of the two sizes and `least`; the slack is
 * absolute. */
static void compare(const outputs *o, mpt_check_sample *item, int64_t count, double least,
                    double carries, double slack) {
  const double stored = mpt_wide_norm(count, o->stored), made = mpt_wide_norm(count, o->made);
  double difference = 0;
  for (int64_t i = 0; i < count; i++)
    difference = hypot(difference, cabs(o->stored[i] - o->made[i]));
  const double scale = fmax(fmax(stored, made), least > 0 ? least : DBL_MIN);
  mpt_sample_record(item, difference / (isfinite(scale) ? scale : 1), carries, slack / scale);
}

static double unit(const outputs *o) {
  return (double)o->loss->n * o->loss->epsilon;
}

/* Compares the stored eigenvalues with those at their places among all eigenvalues. */
static mpt_code try_values(const outputs *o, mpt_check_sample *item, const mpt_moved *at,
                           mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_loss *l = o->loss;
  if (!mpt_view_has(o->group->stored, MPT_EIGENVALUES)) return MPT_DONE;
  char *path = path_of(o, item);
  double *w = (double *)o->other;
  TRY(path ? MPT_DONE : mpt_no_memory("make a name", error));
  TRY(mpt_loss_read_row(o->check->view.file, path, o->problem, o->group->columns, w, error));
  item->trial = MPT_TRIAL_PASSED;
  for (int64_t j = 0; j < l->found; j++) {
    o->stored[j] = w[j];
    o->made[j] = at->w[l->first + j];
  }
  compare(o, item, l->found, o->norm, 0, MPT_CHECK_BOUND * unit(o) * o->norm);
done:
  free(path);
  return code;
}

static mpt_code try_function(const outputs *o, mpt_check_sample *item, const mpt_moved *at,
                             mpt_error *error) {
  mpt_code code;
  mpt_loss *l = o->loss;
  mpt_spectral_function f;
  mpt_function_size size;
  bool there;
  TRY(read_stored(o, item, l->n, l->n, &there, error));
  if (!there) goto done;
  mpt_turn_wide(l->n, o->stored);
  if (!mpt_loss_terms_function(&l->terms, o->function, at->w, &f, &size)) {
    item->trial = MPT_TRIAL_UNTESTABLE;
    goto done;
  }
  mpt_loss_rebuild(l, at->v, f.value, o->made);
  compare(o, item, l->n * l->n, size.largest, 0,
          MPT_CHECK_BOUND * unit(o) * (size.largest + o->norm * size.steepest));
done:
  return code;
}

static mpt_code try_frame(const outputs *o, mpt_check_sample *item, const mpt_moved *at,
                          mpt_error *error) {
  mpt_code code;
  mpt_loss_terms *t = &o->loss->terms;
  bool there;
  if (!t->frame.columns) return MPT_DONE;
  TRY(read_stored(o, item, t->n, t->frame.columns, &there, error));
  if (!there) goto done;
  if (!mpt_loss_terms_frame(t, at->v, o->made))
    item->trial = MPT_TRIAL_UNTESTABLE;
  else
    compare(o, item, t->n * t->frame.columns, 1, 0,
            MPT_CHECK_BOUND * unit(o) * t->frame.condition *
                (1 + o->norm / mpt_loss_terms_frame_gap(t, at->w)));
done:
  return code;
}

/* The slope of Re tr(g^H frame) when the reference moves by h times `more`; false where there is no
 * frame. */
static bool reference_slope(const outputs *o, const double complex *v, double h, double *slope) {
  mpt_loss_terms *t = &o->loss->terms;
  const int64_t count = t->n * t->frame.columns;
  double value[2];
  bool exists = true;
  for (int side = 0; side < 2; side++) {
    for (int64_t i = 0; i < count; i++)
      t->reference[i] = o->other[i] + (side ? -h : h) * o->more[i];
    exists &= mpt_loss_terms_frame_part(t, v, &value[side]);
  }
  memcpy(t->reference, o->other, (size_t)count * sizeof *o->other);
  *slope = (value[0] - value[1]) / (2 * h);
  return exists;
}

static mpt_code try_reference(const outputs *o, mpt_check_sample *item, const mpt_moved *at,
                              mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_loss_terms *t = &o->loss->terms;
  const int64_t count = t->n * t->frame.columns;
  uint64_t seed = (uint64_t)o->problem;
  double coarse, fine, expected = 0, largest = 0;
  bool there, exists;
  if (!t->frame_counts) return MPT_DONE;
  TRY(read_stored(o, item, t->n, t->frame.columns, &there, error));
  if (!there) goto done;
  if (o->check->config.convention == MPT_CONVENTION_JAX)
    mpt_conjugate(MPT_COMPLEX128, count, o->stored);
  memcpy(o->other, t->reference, (size_t)count * sizeof *o->other);
  for (int64_t i = 0; i < count; i++) {
    o->more[i] = mpt_loss_draw(&seed);
    if (o->loss->complex_type) o->more[i] += I * mpt_loss_draw(&seed);
  }
  const double length = mpt_wide_norm(count, o->more);
  for (int64_t i = 0; i < count; i++) o->more[i] /= length;
  exists = mpt_loss_terms_frame(t, at->v, o->made);
  for (int64_t k = 0; k < t->frame.columns; k++) largest = fmax(largest, t->frame.s[k]);
  const double condition = t->frame.condition, smallest = largest / condition;
  const double h = smallest * cbrt(DBL_EPSILON);
  exists =
      exists && reference_slope(o, at->v, h, &coarse) && reference_slope(o, at->v, h / 2, &fine);
  if (!exists) {
    item->trial = MPT_TRIAL_UNTESTABLE;
    goto done;
  }
  for (int64_t i = 0; i < count; i++) expected += creal(conj(o->stored[i]) * o->more[i]);
  const double g = mpt_wide_norm(count, t->frame_cotangent), found = fine + (fine - coarse) / 3;
  const double scale = fmax(fmax(mpt_wide_norm(count, o->stored), fabs(found)), g / largest);
  const double turn = unit(o) * condition * (1 + o->norm / mpt_loss_terms_frame_gap(t, at->w));
  const double noise = 20 * (fabs(fine - coarse) + DBL_EPSILON * g / h);
  mpt_sample_record(item, scale > 0 ? fabs(found - expected) / scale : fabs(found - expected),
                    MPT_DIFFERENCES_CARRY, (scale > 0 ? noise / scale : 0) + 4 * turn);
done:
  return code;
}

/* A quantity that is differentiated along the direction. */
typedef bool (*measured)(const outputs *o, const mpt_moved *at, double complex *out);

static bool values_at(const outputs *o, const mpt_moved *at, double complex *out) {
  mpt_loss *l = o->loss;
  memcpy(l->gw, at->turned_w, (size_t)l->n * sizeof *l->gw);
  mpt_apply_spread_policy(l->n, l->multiplet, o->check->config.spread_policy, l->gw);
  for (int64_t j = 0; j < l->n; j++) out[j] = l->gw[j];
  return true;
}

static bool vectors_at(const outputs *o, const mpt_moved *at, double complex *out) {
  memcpy(out, at->turned_v, (size_t)(o->loss->n * o->loss->n) * sizeof *out);
  return true;
}

static bool function_at(const outputs *o, const mpt_moved *at, double complex *out) {
  mpt_loss *l = o->loss;
  mpt_spectral_function f;
  mpt_function_size ignored;
  if (!mpt_loss_terms_function(&l->terms, o->function, at->w, &f, &ignored)) return false;
  mpt_loss_rebuild(l, at->v, f.value, out);
  return true;
}

static bool slope(const outputs *o, measured q, int64_t count, double h, double complex *out) {
  mpt_moved at;
  if (!mpt_loss_move(o->loss, h, &at) || !q(o, &at, out)) return false;
  if (!mpt_loss_move(o->loss, -h, &at) || !q(o, &at, o->more)) return false;
  for (int64_t i = 0; i < count; i++) out[i] = (out[i] - o->more[i]) / (2 * h);
  return true;
}

/* Computes the derivative into `made`, by central differences and Richardson extrapolation, and its
 * error; `level` is the size of the quantity. */
static bool differentiate(const outputs *o, measured q, int64_t count, double reach, double level,
                          double *noise) {
  const double h = mpt_loss_step(o->loss, reach);
  if (!slope(o, q, count, h, o->other) || !slope(o, q, count, h / 2, o->made)) return false;
  double apart = 0;
  for (int64_t i = 0; i < count; i++) {
    const double complex step = o->made[i] - o->other[i];
    apart = hypot(apart, cabs(step));
    o->made[i] += step / 3;
  }
  *noise = 20 * (apart + DBL_EPSILON * level / h);
  return true;
}

static void divide_stored(const outputs *o, int64_t count) {
  for (int64_t i = 0; i < count; i++) o->stored[i] /= o->size;
}

/* Keeps only the stored eigenpairs, and sets to zero what depends on the basis of a multiplet that
 * the selection cuts. */
static void leave_out(const outputs *o, int64_t width, bool basis) {
  const mpt_loss *l = o->loss;
  mpt_loss_point(l, width, o->stored, sizeof *o->stored);
  for (int64_t j = 0; j < l->n; j++)
    for (int64_t i = 0; i < width; i++) {
      const bool inside = j >= l->first && j < l->first + l->found;
      if (inside && !(basis && mpt_loss_is_cut(l, j))) continue;
      o->stored[i + j * width] = o->made[i + j * width] = 0;
    }
}

static mpt_code try_tangent_pairs(const outputs *o, mpt_check_sample *item, bool vectors,
                                  mpt_error *error) {
  mpt_code code;
  const mpt_loss *l = o->loss;
  const int64_t n = l->n, columns = o->group->columns, width = vectors ? n : 1;
  const double root = sqrt((double)n), turn = fmax(o->norm / l->gap, 1);
  const bool basis = vectors || o->check->config.spread_policy != MPT_SPREAD_MEAN;
  const double natural = vectors ? 1 / (o->norm > 0 ? o->norm : 1) : 1 / root;
  double noise;
  if (!mpt_view_has(o->group->stored, item->quantity)) return MPT_DONE;
  char *path = path_of(o, item);
  TRY(path ? MPT_DONE : mpt_no_memory("make a name", error));
  item->trial = MPT_TRIAL_PASSED;
  if ((basis && !l->pairs) || !differentiate(o, vectors ? vectors_at : values_at, n * width, l->gap,
                                             vectors ? root * turn : root * o->norm, &noise)) {
    item->trial = MPT_TRIAL_UNTESTABLE;
    goto done;
  }
  if (vectors) {
    TRY(mpt_loss_read(l, o->check->view.file, path, o->problem, columns, o->stored, error));
  } else {
    TRY(mpt_loss_read_row(o->check->view.file, path, o->problem, columns, (double *)o->other,
                          error));
    for (int64_t j = 0; j < columns; j++) o->stored[j] = ((double *)o->other)[j];
  }
  divide_stored(o, columns * width);
  leave_out(o, width, basis);
  compare(o, item, n * width, natural, MPT_DIFFERENCES_CARRY,
          noise + unit(o) * turn * (vectors ? 4 * turn / o->norm : MPT_CHECK_BOUND));
done:
  free(path);
  return code;
}

static mpt_code try_tangent_function(const outputs *o, mpt_check_sample *item, const double *w,
                                     mpt_error *error) {
  mpt_code code;
  mpt_loss *l = o->loss;
  const int64_t count = l->n * l->n;
  mpt_spectral_function f;
  mpt_function_size size;
  double noise;
  bool there;
  TRY(read_stored(o, item, l->n, l->n, &there, error));
  if (!there) goto done;
  mpt_turn_wide(l->n, o->stored);
  divide_stored(o, count);
  if (!mpt_loss_terms_function(&l->terms, o->function, w, &f, &size) || f.null[0] < f.null[1] ||
      !differentiate(o, function_at, count, fmin(size.reach, fmax(o->norm, DBL_MIN)),
                     sqrt((double)l->n) * (size.largest + o->norm * size.steepest), &noise)) {
    item->trial = MPT_TRIAL_UNTESTABLE;
    goto done;
  }
  compare(o, item, count, size.steepest, MPT_DIFFERENCES_CARRY,
          noise + MPT_CHECK_BOUND * unit(o) * size.steepest * fmax(o->norm / size.reach, 1));
done:
  return code;
}

/* Reads the direction from the config's file and normalizes it; *there is false where there is
 * none. */
static mpt_code read_direction(outputs *o, bool *there, mpt_error *error) {
  mpt_loss *l = o->loss;
  const char *path = o->group->input->path;
  double complex *d = mpt_loss_direction(l);
  *there = false;
  l->curved = false;
  if (o->sources->direction < 0) return MPT_DONE;
  mpt_code code = mpt_expect_dataset(o->sources->direction, o->check->config.tangent, path,
                                     o->group->input, MPT_DIRECTION, there, error);
  if (code != MPT_DONE || !*there) return code;
  code = mpt_loss_read_hermitian(l, o->sources->direction, path, o->problem,
                                 o->check->config.triangle, o->made, error);
  const double size = mpt_wide_norm(l->n * l->n, o->made);
  o->size = size > 0 ? size : 1;
  for (int64_t i = 0; i < l->n * l->n; i++) d[i] = o->made[i] / o->size;
  return code;
}

static mpt_code try_tangents(outputs *o, mpt_check_sample *items, mpt_error *error) {
  mpt_code code;
  mpt_loss *l = o->loss;
  bool there;
  TRY(read_direction(o, &there, error));
  if (!there) goto done;
  l->vectors = false; /* so that the loss distinguishes all multiplets, and none are merged */
  for (int64_t j = 0; j < l->n; j++) l->gw[j] = l->multiplet[j] + 1;
  mpt_loss_prepare(l);
  TRY(try_tangent_pairs(o, &items[TANGENT_VALUES], false, error));
  TRY(try_tangent_pairs(o, &items[TANGENT_VECTORS], true, error));
  for (int64_t f = 0; f < o->check->config.functions.count; f++) {
    o->function = &o->check->config.functions.items[f].function;
    TRY(try_tangent_function(o, &items[FIXED + 2 * f + 1], l->w, error));
  }
done:
  return code;
}

/* Compares with a solution computed here. */
static mpt_code try_all_values(outputs *o, mpt_check_sample *items, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_moved at;
  if (!mpt_loss_move(o->loss, 0, &at)) return MPT_DONE;
  TRY(try_values(o, &items[VALUES], &at, error));
  for (int64_t f = 0; f < o->check->config.functions.count; f++) {
    o->function = &o->check->config.functions.items[f].function;
    TRY(try_function(o, &items[FIXED + 2 * f], &at, error));
  }
  TRY(try_frame(o, &items[FRAME], &at, error));
  /* a gradient that was refused is stored as zero */
  const int8_t status = o->group->status[o->problem];
  if (status != MPT_STATUS_GAUGE_DEPENDENT && status != MPT_STATUS_SUBGRADIENT)
    TRY(try_reference(o, &items[REFERENCE], &at, error));
done:
  return code;
}

mpt_code mpt_check_outputs(const mpt_check *c, const mpt_check_sources *sources,
                           mpt_check_sample *items, mpt_loss *l, mpt_error *error) {
  mpt_code code;
  double complex *space = NULL;
  const int64_t n2 = l->n * l->n;
  TRY(mpt_allocate(&space, MPT_OUTPUT_MATRICES * n2, sizeof *space, "a gradient check", error));
  outputs o = {.check = c,
               .sources = sources,
               .group = &c->groups[items->group],
               .loss = l,
               .problem = items->index,
               .norm = mpt_spectral_norm(l->n, l->w),
               .stored = space,
               .made = space + n2,
               .other = space + 2 * n2,
               .more = space + 3 * n2};
  TRY(try_all_values(&o, items, error));
  TRY(try_tangents(&o, items, error));
done:
  free(space);
  return code;
}
