#include "check/check_panel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/scalar.h"
#include "spectral/spectral.h"

#define WORKER "check/check_worker.h"
#include "base/for_each_type.h"

static void scale_rows(mpt_type type, int64_t row0, int64_t rows, int64_t n, double s, void *a,
                       double *trace, double *square) {
  static void (*const table[])(int64_t, int64_t, int64_t, double, void *, double *, double *) =
      WORKER_TABLE(scale_rows);
  table[type](row0, rows, n, s, a, trace, square);
}

static void add_residual(mpt_type type, const mpt_block *block, const double *w, void *work,
                         double *sums) {
  static void (*const table[])(const mpt_block *, const double *, void *, double *) =
      WORKER_TABLE(add_residual);
  table[type](block, w, work, sums);
}

static void add_product(mpt_type type, const mpt_block *block, void *product) {
  static void (*const table[])(const mpt_block *, void *) = WORKER_TABLE(add_product);
  table[type](block, product);
}

static void add_distance(mpt_type type, const mpt_block *block, int64_t col0, void *product,
                         double *sums) {
  static void (*const table[])(const mpt_block *, int64_t, void *, double *) =
      WORKER_TABLE(add_distance);
  table[type](block, col0, product, sums);
}

mpt_code mpt_panel_space_init(mpt_panel_space *s, int64_t n, int64_t width, mpt_type type,
                              mpt_error *error) {
  mpt_code code;
  const size_t size = mpt_type_size(type);
  const int64_t rows = n < MPT_CHECK_ROWS ? n : MPT_CHECK_ROWS;
  *s = (mpt_panel_space){0};
  TRY(mpt_allocate(&s->a, rows * n, size, "rows of a matrix", error));
  TRY(mpt_allocate(&s->turned, rows * n, size, "rows of a matrix", error));
  TRY(mpt_allocate(&s->vr, rows * n, size, "rows of eigenvectors", error));
  TRY(mpt_allocate(&s->work, rows * width, size, "a product", error));
  TRY(mpt_allocate(&s->vj, width * n, size, "eigenvectors", error));
  TRY(mpt_allocate(&s->product, width * n, size, "a product", error));
  TRY(mpt_allocate(&s->w, n, sizeof(double), "eigenvalues", error));
  TRY(mpt_allocate(&s->sums, 2 * width, sizeof(double), "column norms", error));
  TRY(mpt_allocate(&s->multiplet, n, sizeof(int32_t), "multiplets", error));
done:
  return code;
}

void mpt_panel_space_release(mpt_panel_space *s) {
  void *all[] = {s->a, s->turned, s->vr, s->work, s->vj, s->product, s->w, s->sums, s->multiplet};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *s = (mpt_panel_space){0};
}

/* Reads rows of A and completes them to those of a Hermitian matrix. Elements in the triangle that
 * is not used are replaced by the conjugates of the elements opposite; where both triangles are
 * used, by the mean of the two. `turned` has room for [n, rows] elements. */
static mpt_code read_rows(mpt_check_group *g, mpt_triangle triangle, const mpt_window *slab,
                          void *turned, void *out, mpt_error *error) {
  mpt_code code;
  const mpt_type type = mpt_check_type(g->input->type);
  const size_t size = mpt_type_size(type);
  const int64_t n = g->input->n, end = slab->row0 + slab->rows;
  TRY(mpt_slab_read(&g->a, slab, out, error));
  if (triangle == MPT_TRIANGLE_FULL) goto done;
  const bool average = triangle == MPT_TRIANGLE_AVERAGE;
  const int64_t first = triangle == MPT_TRIANGLE_LOWER ? end : 0;
  const int64_t count = average ? n : triangle == MPT_TRIANGLE_LOWER ? n - end : slab->row0;
  mpt_window facing = {slab->problem, first, count, slab->row0, slab->rows};
  TRY(mpt_slab_read(&g->a, &facing, turned, error));
  mpt_facing blocks = {slab->rows, count,  (char *)out + (size_t)first * size,
                       n,          turned, slab->rows};
  if (count > 0) (average ? mpt_average : mpt_conjugate_transpose)(type, &blocks);
  if (!average)
    mpt_mirror_block(type, slab->rows, (char *)out + (size_t)slab->row0 * size, n, triangle);
done:
  return code;
}

static void raise(double *measure, double value) {
  if (!(value <= *measure)) *measure = value == value ? value : INFINITY;
}

/* A power of two near 1 / norm, so that no square overflows or underflows. */
static double safe_scale(double norm) {
  int e = norm > 0 && isfinite(norm) ? ilogb(norm) : 0;
  return ldexp(1, -(e > 1000 ? 1000 : e < -1000 ? -1000 : e));
}

typedef struct pass {
  mpt_check *check;
  mpt_check_group *group;
  const mpt_check_range *panel;
  mpt_panel_space *space;
  bool values, vectors;
  int64_t pairs, width; /* the number of eigenpairs, and of eigenvectors in the panel */
  double scale, trace, square;
} pass;

/* Whether the stored eigenvalues are the whole spectrum. */
static bool is_whole(const pass *p) {
  return p->pairs == p->group->input->n;
}

static mpt_code add_rows(pass *p, int64_t row0, int64_t rows, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_check_group *g = p->group;
  mpt_panel_space *s = p->space;
  const int64_t n = g->input->n;
  const mpt_type type = mpt_check_type(g->input->type);
  mpt_window slab = {p->panel->problem, row0, rows, 0, n};
  mpt_block block = {n, p->pairs, row0, rows, p->width, s->a, s->vr, s->vj};
  if (p->values) {
    TRY(read_rows(g, p->check->config.triangle, &slab, s->turned, s->a, error));
    scale_rows(type, row0, rows, n, p->scale, s->a, &p->trace, &p->square);
  }
  if (p->vectors) {
    slab.cols = p->pairs;
    TRY(mpt_slab_read(&g->v, &slab, s->vr, error));
    if (p->values) add_residual(type, &block, s->w + p->panel->col0, s->work, s->sums);
    add_product(type, &block, s->product);
  }
done:
  return code;
}

/* ||A||_2 from the eigenvalues, unless they exceed what ||A||_F allows; ||A||_F when only some
 * eigenvalues are known. */
static double matrix_norm(const pass *p, int64_t n) {
  if (!is_whole(p)) return sqrt(p->square);
  double from_values = mpt_spectral_norm(n, p->space->w), frobenius = sqrt(p->square);
  return from_values > 0 && (from_values < frobenius || frobenius == 0) ? from_values : frobenius;
}

static void judge_columns(pass *p, double *measures) {
  const int64_t n = p->group->input->n, width = p->width;
  const mpt_type stored = p->group->input->type, type = mpt_check_type(stored);
  const double unit = (double)n * mpt_type_epsilon(stored), norm = matrix_norm(p, n);
  const double tiny = (double)n * (mpt_real_size(stored) == 4 ? 0x1p-149 : 0x1p-1074) * p->scale;
  mpt_panel_space *s = p->space;
  mpt_block block = {n, p->pairs, 0, n, width, NULL, NULL, s->vj};
  add_distance(type, &block, p->panel->col0, s->product, s->sums + width);
  for (int64_t j = 0; j < width; j++) {
    double residual = sqrt(s->sums[j]);
    if (p->values)
      raise(&measures[MPT_M_RESIDUAL], residual == 0 ? 0 : residual / (unit * norm + tiny));
    raise(&measures[MPT_M_ORTHOGONALITY], sqrt(s->sums[width + j]) / unit);
  }
}

/* The check without eigenvectors: sum of w = tr A and sum of w^2 = ||A||_F^2. The rounding errors
 * of n eigenvalues, each within n eps ||A||, add up like a random walk. */
static void judge_spectrum(pass *p, double *measures) {
  const int64_t n = p->group->input->n;
  const double norm = matrix_norm(p, n), root = sqrt((double)n);
  const double unit = (double)n * mpt_type_epsilon(p->group->input->type) * root;
  double trace = -p->trace, square = -p->square;
  for (int64_t j = 0; j < n; j++) {
    trace += p->space->w[j];
    square += p->space->w[j] * p->space->w[j];
  }
  raise(&measures[MPT_M_SPECTRUM], 0);
  if (trace != 0) raise(&measures[MPT_M_SPECTRUM], fabs(trace) / (unit * norm));
  if (square != 0) raise(&measures[MPT_M_SPECTRUM], fabs(square) / (2 * unit * norm * norm));
}

/* Whether the component that the convention selects is real and positive. Rounding may change
 * whether a component counts as "equal to the largest"; either choice is accepted. */
static bool phase_is_right(mpt_type stored, int64_t n, const void *column) {
  const mpt_type type = mpt_check_type(stored);
  const double largest2 = mpt_largest_component2(type, n, column);
  const double edge = 16 * mpt_type_epsilon(stored);
  for (int side = -1; side <= 1; side++) {
    double part = 1 - mpt_equal_components(stored, n) + side * edge, u[2];
    int64_t at = mpt_first_component(type, n, column, largest2 * part * part);
    if (at < 0) return false;
    mpt_get_element(type, column, at, u);
    if (u[0] > 0 && fabs(u[1]) <= edge * u[0]) return true;
  }
  return false;
}

static void judge_phases(pass *p, uint32_t *flaws) {
  const int64_t n = p->group->input->n, width = p->width;
  const mpt_type stored = p->group->input->type, type = mpt_check_type(stored);
  char *rows = p->space->product; /* row j is the conjugate of vector j */
  mpt_facing f = {width, n, rows, n, p->space->vj, width};
  mpt_conjugate_transpose(type, &f);
  for (int64_t j = 0; j < width; j++)
    if (!phase_is_right(stored, n, rows + (size_t)(j * n) * mpt_type_size(type)))
      *flaws |= MPT_FLAW_PHASE;
}

/* Compares G(:, J) with G(J, :)^H. */
static mpt_code judge_gradient(pass *p, mpt_error *error) {
  mpt_code code;
  mpt_check_group *g = p->group;
  const mpt_check_range *panel = p->panel;
  const mpt_type type = mpt_check_type(g->input->type);
  const int64_t n = g->input->n, problem = panel->problem;
  double *measures = g->measures[problem];
  mpt_window columns = {problem, 0, n, panel->col0, panel->width};
  mpt_window rows = {problem, panel->col0, panel->width, 0, n};
  mpt_facing f = {n, panel->width, p->space->product, panel->width, p->space->vj, n};
  TRY(mpt_slab_read(&g->g, &columns, p->space->product, error));
  TRY(mpt_slab_read(&g->g, &rows, p->space->vj, error));
  mpt_scan scan = mpt_scan_slab(type, 0, n, panel->width, p->space->product, MPT_TRIANGLE_FULL);
  if (!scan.finite) g->flaws[problem] |= MPT_FLAW_NONFINITE;
  raise(&measures[MPT_M_LARGEST], scan.largest);
  raise(&measures[MPT_M_DEFECT], mpt_hermitian_defect(type, &f));
done:
  return code;
}

static mpt_code expect_zeros(mpt_slab_reader *reader, const mpt_window *slab, mpt_type type,
                             void *space, uint32_t *flaws, mpt_error *error) {
  mpt_code code = MPT_DONE;
  if (!reader->element) return MPT_DONE; /* not stored */
  TRY(mpt_slab_read(reader, slab, space, error));
  mpt_scan scan = mpt_scan_slab(type, 0, slab->rows, slab->cols, space, MPT_TRIANGLE_FULL);
  if (!scan.finite || scan.largest != 0) *flaws |= MPT_FLAW_NOT_ZERO;
done:
  return code;
}

static mpt_code expect_no_multiplets(mpt_check_group *g, const mpt_window *row, mpt_panel_space *s,
                                     uint32_t *flaws, mpt_error *error) {
  mpt_code code = MPT_DONE;
  if (!g->multiplet.element) return MPT_DONE;
  TRY(mpt_slab_read(&g->multiplet, row, s->multiplet, error));
  for (int64_t j = 0; j < row->cols; j++)
    if (s->multiplet[j] != 0) *flaws |= MPT_FLAW_NOT_ZERO;
done:
  return code;
}

/* The number of columns of the panel that are among the first `columns` ones. */
static int64_t within(const mpt_check_range *panel, int64_t columns) {
  const int64_t rest = columns - panel->col0;
  return rest < 0 ? 0 : rest < panel->width ? rest : panel->width;
}

/* The width of the widest multiplet allowed, relative to ||A||_2: its lower and upper bound, with
 * the rounding error of the comparison. */
static void width_of(const pass *p, double *least, double *most) {
  const mpt_type type = p->group->input->type;
  const int64_t n = p->group->input->n;
  const double epsilon = mpt_type_epsilon(type), chain = 8 * (double)n * epsilon;
  double width = p->check->config.tolerance;
  if (!(width > 0)) width = p->check->view.chains ? chain : mpt_resolution(type, n);
  *least = width * (1 - epsilon), *most = width * (1 + epsilon);
}

/* Whether the numbers of multiplets follow from the distances to a multiplet's first member (in a
 * file of schema 1.0: to the previous member), relative to ||A||_2, which is between `norm` and
 * `largest`. The first multiplet of a selection may have members below the selection, so its upper
 * end is not known. */
static bool are_multiplets(const pass *p, double norm, double largest) {
  const mpt_panel_space *s = p->space;
  double least, most;
  width_of(p, &least, &most);
  if (p->pairs && s->multiplet[0] != 0) return false;
  for (int64_t j = 1, first = 0; j < p->pairs; j++) {
    const bool chains = p->check->view.chains, cut = first == 0 && !is_whole(p) && !chains;
    const double width = s->w[j] - s->w[chains ? j - 1 : first];
    const int32_t step = s->multiplet[j] - s->multiplet[j - 1];
    if (step != 0 && step != 1) return false;
    if (step == 0 ? width > most * largest : !cut && !(width > least * norm)) return false;
    if (step == 1) first = j;
  }
  return true;
}

/* An upper bound of ||A||_2 from the elements. */
static mpt_code bound_norm(pass *p, double *most, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_check_group *g = p->group;
  const int64_t n = g->input->n;
  double largest = 0;
  for (int64_t row0 = 0; row0 < n; row0 += MPT_CHECK_ROWS) {
    const int64_t rows = n - row0 < MPT_CHECK_ROWS ? n - row0 : MPT_CHECK_ROWS;
    mpt_window slab = {p->panel->problem, row0, rows, 0, n};
    TRY(read_rows(g, p->check->config.triangle, &slab, p->space->turned, p->space->a, error));
    largest = fmax(largest, mpt_scan_slab(mpt_check_type(g->input->type), 0, rows, n, p->space->a,
                                          MPT_TRIANGLE_FULL)
                                .largest);
  }
  *most = fmin(sqrt(2) * (double)n * largest, DBL_MAX);
done:
  return code;
}

static mpt_code judge_values(pass *p, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_check_group *g = p->group;
  mpt_panel_space *s = p->space;
  const int64_t problem = p->panel->problem, pairs = p->pairs;
  mpt_window slab = {problem, 0, 1, 0, pairs}, rest = {problem, 0, 1, pairs, g->columns - pairs};
  const mpt_select *select = &p->check->config.select;
  uint32_t *flaws = &g->flaws[problem];
  TRY(expect_zeros(&g->w, &rest, MPT_FLOAT64, s->w, flaws, error));
  TRY(mpt_slab_read(&g->w, &slab, s->w, error));
  if (!mpt_all_finite(MPT_FLOAT64, pairs, s->w)) *flaws |= MPT_FLAW_NONFINITE;
  for (int64_t j = 1; j < pairs; j++)
    if (!(s->w[j - 1] <= s->w[j])) *flaws |= MPT_FLAW_ORDER;
  for (int64_t j = 0; j < pairs && select->kind == MPT_SELECT_RANGE; j++)
    if (!(s->w[j] >= select->range[0] && s->w[j] < select->range[1])) *flaws |= MPT_FLAW_SELECTION;
  double norm = mpt_spectral_norm(pairs, s->w), most = norm;
  if (!is_whole(p)) TRY(bound_norm(p, &most, error));
  if (mpt_view_has(g->stored, MPT_MULTIPLET)) {
    TRY(expect_no_multiplets(g, &rest, s, flaws, error));
    TRY(mpt_slab_read(&g->multiplet, &slab, s->multiplet, error));
    if (!are_multiplets(p, norm, most)) *flaws |= MPT_FLAW_MULTIPLET;
  }
  p->scale = safe_scale(most);
  for (int64_t j = 0; j < pairs; j++) s->w[j] *= p->scale;
done:
  return code;
}

static mpt_code judge_vectors(pass *p, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_check_group *g = p->group;
  mpt_panel_space *s = p->space;
  const mpt_check_range *panel = p->panel;
  const int64_t n = g->input->n, problem = panel->problem;
  const mpt_type type = mpt_check_type(g->input->type);
  const int64_t stop = panel->col0 + panel->width, end = stop < g->columns ? stop : g->columns;
  const int64_t first = panel->col0 + p->width; /* the first column without an eigenpair */
  mpt_window columns = {problem, 0, n, panel->col0, p->width};
  mpt_window rest = {problem, 0, n, first, end > first ? end - first : 0};
  memset(s->sums, 0, (size_t)(2 * panel->width) * sizeof(double));
  memset(s->product, 0, (size_t)(n * panel->width) * mpt_type_size(type));
  if (p->vectors) {
    TRY(expect_zeros(&g->v, &rest, type, s->vj, &g->flaws[problem], error));
    TRY(mpt_slab_read(&g->v, &columns, s->vj, error));
    if (!mpt_all_finite(type, n * p->width, s->vj)) g->flaws[problem] |= MPT_FLAW_NONFINITE;
  }
  if (g->flaws[problem] & MPT_FLAW_NONFINITE) return MPT_DONE; /* no arithmetic with NaN, inf */
  for (int64_t row0 = 0; row0 < n; row0 += MPT_CHECK_ROWS)
    TRY(add_rows(p, row0, n - row0 < MPT_CHECK_ROWS ? n - row0 : MPT_CHECK_ROWS, error));
  if (p->vectors) {
    judge_columns(p, g->measures[problem]);
    judge_phases(p, &g->flaws[problem]);
  } else if (p->values && is_whole(p)) {
    judge_spectrum(p, g->measures[problem]);
  }
done:
  return code;
}

mpt_code mpt_check_failed_panel(mpt_check_group *g, const mpt_check_range *panel,
                                mpt_panel_space *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = g->input->n, problem = panel->problem;
  const mpt_type type = mpt_check_type(g->input->type);
  mpt_window row = {problem, 0, 1, 0, g->columns};
  mpt_window columns = {problem, 0, n, panel->col0, panel->width}, vectors = columns;
  uint32_t *flaws = &g->flaws[problem];
  vectors.cols = within(panel, g->columns);
  TRY(expect_zeros(&g->w, &row, MPT_FLOAT64, s->w, flaws, error));
  TRY(expect_zeros(&g->v, &vectors, type, s->vj, flaws, error));
  TRY(expect_zeros(&g->g, &columns, type, s->vj, flaws, error));
  TRY(expect_no_multiplets(g, &row, s, flaws, error));
done:
  return code;
}

mpt_code mpt_check_panel(mpt_check *check, mpt_check_group *group, const mpt_check_range *panel,
                         mpt_panel_space *space, mpt_error *error) {
  mpt_code code = MPT_DONE;
  pass p = {.check = check,
            .group = group,
            .panel = panel,
            .space = space,
            .values = mpt_view_has(group->stored, MPT_EIGENVALUES),
            .vectors = mpt_view_has(group->stored, MPT_EIGENVECTORS),
            .pairs = mpt_check_pairs(group, panel->problem),
            .scale = 1};
  p.width = within(panel, p.pairs);
  if (p.values) TRY(judge_values(&p, error));
  if (p.values || p.vectors) TRY(judge_vectors(&p, error));
  if (mpt_view_has(group->stored, MPT_GRADIENT)) TRY(judge_gradient(&p, error));
done:
  return code;
}
