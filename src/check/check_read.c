#include "check/check_read.h"

#include <stdlib.h>
#include <string.h>
#include "check/check_panel.h"
#include "spectral/spectral.h"

mpt_code mpt_check_sources_open(const mpt_check *c, mpt_check_sources *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_config *config = &c->config;
  *s = (mpt_check_sources){.cotangents = H5I_INVALID_HID, .direction = H5I_INVALID_HID};
  if (config->cotangents)
    TRY(mpt_open_for_reading(config->cotangents, "cotangents", &s->cotangents, error));
  if (config->tangent)
    TRY(mpt_open_for_reading(config->tangent, "directions", &s->direction, error));
  if (config->eigenpairs) TRY(mpt_view_open(config->eigenpairs, &s->pairs, error));
done:
  return code;
}

void mpt_check_sources_close(mpt_check_sources *s) {
  if (s->cotangents >= 0) H5Fclose(s->cotangents);
  if (s->direction >= 0) H5Fclose(s->direction);
  mpt_view_close(&s->pairs);
}

mpt_code mpt_loss_read(const mpt_loss *l, hid_t file, const char *path, int64_t problem,
                       int64_t columns, double complex *out, mpt_error *error) {
  mpt_code code;
  const mpt_type type = l->complex_type ? MPT_COMPLEX128 : MPT_FLOAT64;
  mpt_slab part = {problem, 1, 0, l->n, columns, 3};
  hid_t memory = mpt_scalar_type(type);
  double complex *space = mpt_loss_workspace(l);
  TRY(mpt_read_slab(file, path, &part, memory, space, error));
  for (int64_t i = 0; i < l->n; i++)
    for (int64_t j = 0; j < columns; j++) {
      const int64_t at = i * columns + j;
      out[i + j * l->n] = l->complex_type ? space[at] : ((const double *)space)[at];
    }
done:
  H5Tclose(memory);
  return code;
}

mpt_code mpt_loss_read_hermitian(const mpt_loss *l, hid_t file, const char *path, int64_t problem,
                                 mpt_triangle triangle, double complex *out, mpt_error *error) {
  mpt_code code = mpt_loss_read(l, file, path, problem, l->n, out, error);
  const mpt_triangle there = triangle == MPT_TRIANGLE_LOWER   ? MPT_TRIANGLE_UPPER /* by columns */
                             : triangle == MPT_TRIANGLE_UPPER ? MPT_TRIANGLE_LOWER
                                                              : triangle;
  if (code == MPT_DONE && there != MPT_TRIANGLE_FULL)
    mpt_mirror_block(MPT_COMPLEX128, l->n, out, l->n, there);
  return code;
}

mpt_code mpt_loss_read_row(hid_t file, const char *path, int64_t problem, int64_t n, double *out,
                           mpt_error *error) {
  mpt_slab part = {problem, 1, 0, 1, n, 2};
  return mpt_read_slab(file, path, &part, H5T_NATIVE_DOUBLE, out, error);
}

void mpt_loss_point(const mpt_loss *l, int64_t width, void *columns, size_t size) {
  const size_t column = (size_t)width * size, before = (size_t)l->first * column;
  const size_t kept = (size_t)l->found * column, all = (size_t)l->n * column;
  char *x = columns;
  memmove(x + before, x, kept);
  memset(x, 0, before);
  memset(x + before + kept, 0, all - before - kept);
}

/* Reads a cotangent, if it is there. */
static mpt_code read_cotangent(const mpt_check *c, const mpt_check_sources *s,
                               const mpt_check_group *g, mpt_quantity quantity, int64_t problem,
                               mpt_loss *l, bool *there, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const bool values = quantity == MPT_COTANGENT_EIGENVALUES;
  char *path = mpt_view_path(g->stored->path, mpt_quantities[quantity].name);
  mpt_dataset like = *g->input;
  like.columns = g->columns;
  *there = false;
  TRY(path ? MPT_DONE : mpt_no_memory("make a name", error));
  if (s->cotangents >= 0)
    TRY(mpt_expect_dataset(s->cotangents, c->config.cotangents, path, &like, quantity, there,
                           error));
  if (!*there) goto done;
  if (values)
    TRY(mpt_loss_read_row(s->cotangents, path, problem, g->columns, l->gw, error));
  else
    TRY(mpt_loss_read(l, s->cotangents, path, problem, g->columns, l->gv, error));
  if (!values && c->config.convention == MPT_CONVENTION_JAX)
    mpt_conjugate(MPT_COMPLEX128, l->n * g->columns, l->gv);
  mpt_loss_point(l, values ? 1 : l->n, values ? (void *)l->gw : l->gv,
                 values ? sizeof *l->gw : sizeof *l->gv);
done:
  free(path);
  return code;
}

/* The index of the first selected eigenvalue among all eigenvalues, w. */
static int64_t first_selected(const mpt_select *select, const mpt_loss *l) {
  int64_t first = 0;
  if (select->kind == MPT_SELECT_HIGHEST) return l->n - l->found;
  if (select->kind == MPT_SELECT_INDEX) first = select->index[0];
  while (select->kind == MPT_SELECT_RANGE && first < l->n && l->w[first] < select->range[0])
    first++;
  return first < l->n - l->found ? first : l->n - l->found;
}

bool mpt_loss_is_cut(const mpt_loss *l, int64_t j) {
  const int64_t stop = l->first + l->found;
  return (l->first > 0 && l->multiplet[l->first - 1] == l->multiplet[j]) ||
         (stop < l->n && l->multiplet[stop] == l->multiplet[j]);
}

static void number_multiplets(const mpt_check *c, const mpt_check_group *g, mpt_loss *l) {
  double tolerance = c->config.tolerance;
  if (!(tolerance > 0)) tolerance = mpt_resolution(g->input->type, l->n);
  mpt_number_multiplets(l->n, l->w, tolerance * mpt_spectral_norm(l->n, l->w), l->multiplet);
}

/* Reads the eigenpairs that the cotangents belong to: the result's own, otherwise those of the
 * forward result. Those of a selection replace their counterparts in the solution of the whole
 * problem, except in multiplets that the selection cuts. */
static mpt_code read_pairs(const mpt_check *c, const mpt_check_sources *s, const mpt_check_group *g,
                           int64_t problem, mpt_loss *l, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_quantityset both = MPT_BIT(MPT_EIGENVALUES) | MPT_BIT(MPT_EIGENVECTORS);
  const mpt_view *view = &c->view;
  const mpt_view_group *group = g->stored;
  char *values = mpt_view_path(group->path, mpt_quantities[MPT_EIGENVALUES].name);
  char *vectors = mpt_view_path(group->path, mpt_quantities[MPT_EIGENVECTORS].name);
  if ((group->quantities & both) != both && s->pairs.name) {
    view = &s->pairs;
    group = mpt_view_find(view, g->stored->path);
  }
  l->pairs = group && (group->quantities & both) == both && group->count == g->input->count &&
             group->n == g->input->n && group->columns == g->columns && values && vectors;
  if (l->pairs && l->found == l->n) {
    TRY(mpt_loss_read_row(view->file, values, problem, l->n, l->w, error));
    TRY(mpt_loss_read(l, view->file, vectors, problem, l->n, l->v, error));
  } else if (l->pairs) {
    TRY(mpt_loss_read(l, view->file, vectors, problem, g->columns, l->gv, error));
    for (int64_t j = 0; j < l->found; j++)
      if (!mpt_loss_is_cut(l, l->first + j))
        memcpy(l->v + (l->first + j) * l->n, l->gv + j * l->n, (size_t)l->n * sizeof *l->v);
  }
done:
  free(values);
  free(vectors);
  return code;
}

mpt_code mpt_loss_load(const mpt_check *c, const mpt_check_sources *s, const mpt_check_group *g,
                       int64_t problem, mpt_loss *l, bool *usable, mpt_error *error) {
  mpt_code code;
  bool values;
  l->complex_type = mpt_type_is_complex(g->input->type);
  l->epsilon = mpt_type_epsilon(g->input->type);
  l->found = mpt_check_pairs(g, problem);
  TRY(mpt_loss_read_hermitian(l, c->input.file, g->input->path, problem, c->config.triangle, l->a,
                              error));
  /* NaN can make an eigensolver loop for ever. */
  *usable = mpt_all_finite(MPT_COMPLEX128, l->n * l->n, l->a) && mpt_loss_solve(l);
  if (!*usable) return MPT_DONE;
  l->first = first_selected(&c->config.select, l);
  number_multiplets(c, g, l);
  TRY(read_pairs(c, s, g, problem, l, error));
  number_multiplets(c, g, l);
  memset(l->gw, 0, (size_t)l->n * sizeof *l->gw);
  TRY(read_cotangent(c, s, g, MPT_COTANGENT_EIGENVALUES, problem, l, &values, error));
  TRY(read_cotangent(c, s, g, MPT_COTANGENT_EIGENVECTORS, problem, l, &l->vectors, error));
  TRY(mpt_loss_terms_read(c, g, s->cotangents, problem, &l->terms, error));
done:
  return code;
}
