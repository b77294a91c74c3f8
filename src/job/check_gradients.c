#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"
#include "check.h"
#include "check_difference.h"
#include "check_panel.h"

enum { DIRECTIONS = 2 };
/* Finite differences in double precision carry this far. */
static const double carries = 1e-6;
/* A check that would let this pass tests nothing. */
static const double too_coarse = 1e-2;

/* Where the parts of a loss come from. */
typedef struct sources {
  mpt_view pairs; /* the forward result of a two-pass job; name NULL: none */
  hid_t cotangents;
} sources;

static mpt_code open_sources(const mpt_check *c, sources *s, mpt_error *error) {
  mpt_code code;
  *s = (sources){.cotangents = H5I_INVALID_HID};
  if (!c->config.cotangents)
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot check gradients of '%s': its config names no cotangents (check without "
                 "--gradients)",
                 c->view.name));
  TRY(mpt_open_for_reading(c->config.cotangents, "cotangents", &s->cotangents, error));
  if (c->config.eigenpairs) TRY(mpt_view_open(c->config.eigenpairs, &s->pairs, error));
done:
  return code;
}

static void close_sources(sources *s) {
  if (s->cotangents >= 0) H5Fclose(s->cotangents);
  mpt_view_close(&s->pairs);
}

/* A row-major matrix of either type as a column-major complex one. */
static mpt_code read_matrix(hid_t file, const char *path, int64_t problem, const mpt_dataset *like,
                            mpt_triangle triangle, mpt_loss *l, double complex *out,
                            mpt_error *error) {
  mpt_code code;
  const int64_t n = like->n;
  const mpt_type type = mpt_check_type(like->type);
  mpt_part part = {problem, 1, 0, n, n, 3};
  hid_t memory = mpt_scalar_type(type);
  TRY(mpt_read_part(file, path, &part, memory, l->space, error));
  if (triangle != MPT_FULL) mpt_mirror_block(type, n, l->space, n, triangle);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++)
      out[i + j * n] =
          mpt_type_is_complex(type) ? l->space[i * n + j] : ((const double *)l->space)[i * n + j];
done:
  H5Tclose(memory);
  return code;
}

static mpt_code read_vector(hid_t file, const char *path, int64_t problem, int64_t n, double *out,
                            mpt_error *error) {
  mpt_part part = {problem, 1, 0, 1, n, 2};
  return mpt_read_part(file, path, &part, H5T_NATIVE_DOUBLE, out, error);
}

/* Reads a cotangent where there is one. */
static mpt_code read_cotangent(const mpt_check *c, const sources *s, const mpt_check_group *g,
                               mpt_field field, int64_t problem, mpt_loss *l, bool *there,
                               mpt_error *error) {
  mpt_code code;
  const bool real = field == MPT_EIGENVALUES;
  char *path = mpt_view_path(g->stored->path, mpt_fields[field].name);
  TRY(path ? MPT_DONE : mpt_fail(error, MPT_NO_RESOURCE, "cannot make a name: out of memory"));
  TRY(mpt_expect_dataset(s->cotangents, c->config.cotangents, path, g->input, field, there, error));
  if (!*there) goto done;
  if (real)
    TRY(read_vector(s->cotangents, path, problem, g->input->n, l->gw, error));
  else
    TRY(read_matrix(s->cotangents, path, problem, g->input, MPT_FULL, l, l->gv, error));
done:
  free(path);
  return code;
}

/* Eigenpairs that the cotangents belong to: the result's own, else those of the forward result.
 * *there is false when neither stores them. */
static mpt_code read_pairs(const mpt_check *c, const sources *s, const mpt_check_group *g,
                           int64_t problem, mpt_loss *l, bool *there, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const unsigned both = MPT_BIT(MPT_EIGENVALUES) | MPT_BIT(MPT_EIGENVECTORS);
  const mpt_view *view = &c->view;
  const mpt_view_group *group = g->stored;
  char *values = mpt_view_path(group->path, mpt_fields[MPT_EIGENVALUES].name);
  char *vectors = mpt_view_path(group->path, mpt_fields[MPT_EIGENVECTORS].name);
  if ((group->fields & both) != both && s->pairs.name) {
    view = &s->pairs;
    group = mpt_view_find(view, g->stored->path);
  }
  *there = group && (group->fields & both) == both && group->count == g->input->count &&
           group->n == g->input->n && values && vectors;
  if (*there) {
    TRY(read_vector(view->file, values, problem, l->n, l->w, error));
    TRY(read_matrix(view->file, vectors, problem, g->input, MPT_FULL, l, l->v, error));
  }
done:
  free(values);
  free(vectors);
  return code;
}

/* Everything of one problem; *usable is false when its loss cannot be formed. */
static mpt_code load_loss(const mpt_check *c, const sources *s, const mpt_check_group *g,
                          int64_t problem, mpt_loss *l, bool *usable, mpt_error *error) {
  mpt_code code;
  bool values, pairs;
  char *path = mpt_view_path(g->stored->path, mpt_fields[MPT_GRADIENT].name);
  TRY(path ? MPT_DONE : mpt_fail(error, MPT_NO_RESOURCE, "cannot make a name: out of memory"));
  l->complex_type = mpt_type_is_complex(g->input->type);
  l->epsilon = mpt_type_epsilon(g->input->type);
  memset(l->gw, 0, (size_t)l->n * sizeof *l->gw);
  TRY(read_matrix(c->input.file, g->input->path, problem, g->input, c->config.triangle, l, l->a,
                  error));
  TRY(read_matrix(c->view.file, path, problem, g->input, MPT_FULL, l, l->g, error));
  if (c->config.convention == MPT_JAX) mpt_conjugate(MPT_COMPLEX128, l->n * l->n, l->g);
  TRY(read_cotangent(c, s, g, MPT_EIGENVALUES, problem, l, &values, error));
  TRY(read_cotangent(c, s, g, MPT_EIGENVECTORS, problem, l, &l->vectors, error));
  TRY(mpt_loss_terms_read(c, g, s->cotangents, problem, &l->terms, error));
  TRY(read_pairs(c, s, g, problem, l, &pairs, error));
  /* Cotangents of eigenvalues alone do not care which basis a multiplet has, under `mean`. NaN can
   * hang an eigensolver. */
  *usable = mpt_all_finite(MPT_COMPLEX128, l->n * l->n, l->a) &&
            (pairs || (!l->vectors && c->config.spread_policy == MPT_MEAN && mpt_loss_solve(l)));
done:
  free(path);
  return code;
}

/* The spread policy and the clusters, as the run had them. */
static mpt_code prepare_loss(const mpt_check *c, const mpt_check_group *g, mpt_loss *l,
                             mpt_error *error) {
  mpt_code code;
  int32_t *multiplet = NULL;
  double tolerance = c->config.tolerance;
  if (!(tolerance > 0)) tolerance = 8 * (double)l->n * mpt_type_epsilon(g->input->type);
  TRY(mpt_allocate(&multiplet, l->n, sizeof *multiplet, "multiplets", error));
  mpt_number_multiplets(l->n, l->w, tolerance * mpt_spectral_norm(l->n, l->w), multiplet);
  mpt_apply_spread_policy(l->n, multiplet, c->config.spread_policy, l->gw);
  mpt_loss_prepare(l, multiplet);
done:
  free(multiplet);
  return code;
}

static mpt_code stored_error(const mpt_check *c, const mpt_check_group *g, int64_t problem,
                             double *value, mpt_error *error) {
  *value = 0;
  if (!mpt_view_has(g->stored, MPT_GRADIENT_ERROR)) return MPT_DONE;
  return mpt_view_read(&c->view, g->stored, MPT_GRADIENT_ERROR, problem, 1, value, error);
}

/* What rounding in the result's type may have done to the gradient, relative to its size: by its
 * own account, by the turn of eigenvectors, and by leaving out what is under the noise. */
static double rounding(const mpt_loss *l, double stored, double scale) {
  double turn = (double)l->n * l->epsilon * fmax(l->norm / l->gap, 1);
  return stored + turn + (scale > 0 ? l->dropped / scale : 0);
}

static void judge(const mpt_loss *l, const mpt_difference *d, double stored,
                  mpt_check_sample *sample) {
  double scale = d->scale > 0 ? d->scale : 1;
  double difference = fabs(d->found - d->expected) / scale;
  double slack = 20 * d->error / scale + rounding(l, stored, scale);
  mpt_trial trial = !(slack <= too_coarse)             ? MPT_TRIAL_UNTESTABLE
                    : !(difference <= carries + slack) ? MPT_TRIAL_FAILED
                                                       : MPT_TRIAL_PASSED;
  /* One direction that tests nothing spoils the sample, unless the other already fails. */
  if (sample->trial != MPT_TRIAL_FAILED && trial != MPT_TRIAL_PASSED) sample->trial = (int)trial;
  if (difference > sample->difference || !isfinite(difference)) {
    sample->difference = difference;
    sample->allowed = carries + slack;
  }
}

/* Under the `fail` policies a gauge-dependent problem has no gradient. */
static bool is_refused(const mpt_check *c, const mpt_check_group *g, const mpt_check_sample *s,
                       const mpt_loss *l) {
  bool refusing = c->config.gauge_policy == MPT_GAUGE_FAIL || c->config.spread_policy == MPT_REFUSE;
  if (g->status[s->index] != MPT_GAUGE_DEPENDENT || !refusing) return false;
  for (int64_t i = 0; i < l->n * l->n; i++)
    if (l->g[i] != 0) return c->config.gauge_policy == MPT_GAUGE_FAIL;
  return true;
}

static mpt_code try_loss(const mpt_check *c, mpt_check_group *g, mpt_check_sample *sample,
                         mpt_loss *l, mpt_error *error) {
  mpt_code code;
  double stored;
  mpt_difference d;
  TRY(prepare_loss(c, g, l, error));
  if (!mpt_loss_terms_prepare(&l->terms, l->w, l->v)) {
    sample->trial = MPT_TRIAL_UNTESTABLE;
    return MPT_DONE;
  }
  TRY(stored_error(c, g, sample->index, &stored, error));
  for (uint64_t k = 0; k < DIRECTIONS; k++) {
    uint64_t seed = ((uint64_t)sample->group << 48) + (uint64_t)sample->index * DIRECTIONS + k;
    if (!mpt_loss_difference(l, seed, &d))
      sample->trial = MPT_TRIAL_UNTESTABLE;
    else
      judge(l, &d, stored, sample);
  }
done:
  return code;
}

static mpt_code try_sample(const mpt_check *c, const sources *s, mpt_check_sample *sample,
                           mpt_error *error) {
  mpt_code code;
  mpt_check_group *g = &c->groups[sample->group];
  mpt_loss loss = {0};
  bool usable = false;
  TRY(mpt_loss_init(&loss, g->input->n, error));
  TRY(load_loss(c, s, g, sample->index, &loss, &usable, error));
  if (!mpt_all_finite(MPT_COMPLEX128, loss.n * loss.n, loss.g)) {
    sample->trial = MPT_TRIAL_FAILED;
    sample->difference = INFINITY;
  } else if (is_refused(c, g, sample, &loss)) {
    double size = mpt_scan_slab(MPT_COMPLEX128, 0, loss.n, loss.n, loss.g, MPT_FULL).largest;
    sample->trial = size > 0 ? MPT_TRIAL_FAILED : MPT_TRIAL_PASSED;
    sample->difference = size > 0;
  } else if (!usable) {
    sample->trial = MPT_TRIAL_UNTESTABLE;
  } else {
    TRY(try_loss(c, g, sample, &loss, error));
  }
done:
  mpt_loss_release(&loss);
  return code;
}

static bool has_gradient(const mpt_check_group *g, int64_t b) {
  return mpt_view_has(g->stored, MPT_GRADIENT) && mpt_check_is_solved(g->status[b]);
}

static bool fits(const mpt_check *c, const mpt_check_group *g) {
  const int64_t n = g->input->n;
  const int64_t matrices = mpt_loss_matrices() + c->config.functions.count + 1;
  return n <= 30000 && matrices * n * (n + 64) <= c->room;
}

/* The k-th sample is problem number k * total / wanted of those that fit. */
static mpt_code choose(mpt_check *c, int64_t wanted, mpt_check_samples *samples, mpt_error *error) {
  mpt_code code;
  int64_t total = 0, number = 0;
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; b < c->groups[k].input->count; b++)
      if (has_gradient(&c->groups[k], b))
        *(fits(c, &c->groups[k]) ? &total : &samples->too_large) += 1;
  if (total + samples->too_large == 0)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot check gradients of '%s': no problem has one (check without "
                    "--gradients)",
                    c->view.name);
  if (wanted > total) wanted = total;
  TRY(mpt_allocate(&samples->items, wanted, sizeof *samples->items, "samples", error));
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; fits(c, &c->groups[k]) && b < c->groups[k].input->count; b++) {
      if (!has_gradient(&c->groups[k], b)) continue;
      double next = (double)samples->count * (double)total / (double)wanted;
      if (samples->count < wanted && (double)number >= floor(next))
        samples->items[samples->count++] = (mpt_check_sample){.group = k, .index = b};
      number++;
    }
done:
  return code;
}

/* Each sample was tried on one rank; on the others it is zero. */
static void share_samples(const mpt_check *c, mpt_check_samples *samples) {
  for (int64_t k = 0; k < samples->count; k++) {
    mpt_check_sample *s = &samples->items[k];
    int owner = (int)(k % c->size);
    MPI_Bcast(s, (int)sizeof *s, MPI_BYTE, owner, c->comm);
  }
}

mpt_code mpt_check_gradients(mpt_check *c, int64_t wanted, mpt_check_samples *samples,
                             mpt_error *error) {
  mpt_code code = MPT_DONE;
  sources s = {.cotangents = H5I_INVALID_HID};
  /* Ranks with less memory must not choose other samples. */
  MPI_Allreduce(MPI_IN_PLACE, &c->room, 1, MPI_INT64_T, MPI_MIN, c->comm);
  AGREE(c->comm, choose(c, wanted, samples, error));
  AGREE(c->comm, open_sources(c, &s, error));
  for (int64_t k = c->rank; k < samples->count && code == MPT_DONE; k += c->size)
    code = try_sample(c, &s, &samples->items[k], error);
  AGREE(c->comm, code);
  share_samples(c, samples);
done:
  close_sources(&s);
  return code;
}
