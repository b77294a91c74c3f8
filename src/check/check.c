#include "check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "engine/blas_library.h"
#include "check/check_panel.h"
#include "run/look.h"
#include "store/lookout.h"
#include "store/find.h"
#include "store/shape.h"
#include "spectral/spectral.h"

static const char *const flaw_texts[] = {
    "an output holds NaN or infinity",
    "eigenvalues do not ascend",
    "an eigenvector breaks the phase convention",
    "multiplets are not those of the eigenvalues",
    "an output that must be zero is not",
    "the gradient is not Hermitian",
    "its status is none of the schema's",
    "eigenvalues are not those that were selected",
};
_Static_assert(sizeof flaw_texts / sizeof *flaw_texts == MPT_FLAW_COUNT, "a flaw has no text");

const char *mpt_flaw_text(int k) {
  return flaw_texts[k];
}

bool mpt_check_is_solved(int8_t status) {
  return mpt_status_is_solved(status);
}

static mpt_code read_config(mpt_check *c, mpt_error *error) {
  mpt_error inner = {0};
  char *text;
  bool known;
  mpt_code code = mpt_find_text(c->view.file, "config", &text, error);
  if (code != MPT_DONE) return code;
  code = mpt_config_of_result(text, &c->config, &known, &inner);
  free(text);
  if (code != MPT_DONE) *error = inner;
  if (code != MPT_DONE || known) return code;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot check '%s': its attribute config cannot be used%s%.400s (check with the "
                  "version that wrote it)",
                  c->view.name, inner.text[0] ? ": " : "", inner.text);
}

/* Opens the input that the result names, if its content has not changed. */
static mpt_code open_input(mpt_check *c, mpt_error *error) {
  mpt_code code;
  char fingerprint[17] = "", **paths = NULL;
  char *input = NULL, *wanted = NULL;
  TRY(mpt_find_text(c->view.file, "input_file", &input, error));
  TRY(mpt_find_text(c->view.file, "input_fingerprint", &wanted, error));
  TRY(mpt_allocate(&paths, c->view.count, sizeof *paths, "names", error));
  for (int64_t g = 0; g < c->view.count; g++) paths[g] = c->view.groups[g].path;
  if (!input || !wanted || !c->view.count)
    TRY(mpt_fail(error, MPT_BAD_INPUT, "cannot check '%s': %s (give a whole result file)",
                 c->view.name,
                 c->view.count ? "it does not name its input" : "it holds no groups"));
  TRY(mpt_input_open(input, paths, c->view.count, &c->input, error));
  TRY(mpt_fingerprint(input, fingerprint, error));
  if (strcmp(fingerprint, wanted))
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot check '%s': its input '%s' has changed since, fingerprint %s instead of "
                 "%.32s (put the old input back, or run again)",
                 c->view.name, input, fingerprint, wanted));
done:
  free(paths);
  free(input);
  free(wanted);
  return code;
}

/* Whether the leading dimensions agree; a single matrix is a batch of one. */
static bool has_same_leading(const mpt_view_group *stored, const mpt_dataset *input) {
  if (!input->leading) return stored->leading == 1 && stored->count == input->count;
  return stored->leading == input->leading &&
         !memcmp(stored->lead, input->lead, sizeof *input->lead * (size_t)input->leading);
}

static bool matches(const mpt_view_group *stored, const mpt_dataset *input, int64_t columns) {
  if (!has_same_leading(stored, input) ||
      (stored->n >= 0 && stored->n != input->n && stored->n != stored->columns))
    return false;
  if (stored->columns >= 0 && stored->columns != columns) return false;
  if (stored->typed) return stored->type == input->type;
  return !mpt_view_has(stored, MPT_EIGENVALUES) ||
         mpt_real_size(stored->type) == mpt_real_size(input->type);
}

/* Reads the numbers of eigenpairs. An impossible number is a flaw, and all columns are checked. */
static mpt_code read_found(mpt_check *c, mpt_check_group *g, mpt_error *error) {
  mpt_code code;
  TRY(mpt_allocate(&g->found, g->stored->count, sizeof *g->found, "counts of eigenpairs", error));
  TRY(mpt_view_read(&c->view, g->stored, MPT_FOUND, 0, g->stored->count, g->found, error));
  for (int64_t b = 0; b < g->stored->count; b++) {
    if (g->found[b] >= 0 && g->found[b] <= g->columns) continue;
    g->found[b] = (int32_t)g->columns;
    g->flaws[b] |= MPT_FLAW_SELECTION;
  }
done:
  return code;
}

static mpt_code prepare_group(mpt_check *c, int64_t k, mpt_error *error) {
  mpt_code code;
  mpt_check_group *g = &c->groups[k];
  g->stored = &c->view.groups[k];
  g->input = &c->input.datasets[k];
  g->columns = mpt_selected_columns(&c->config.select, g->input->n);
  if (!matches(g->stored, g->input, g->columns))
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot check '%s': group %s does not fit the input's %lld %s matrices of n = "
                    "%lld (run again)",
                    c->view.name, g->stored->path, (long long)g->input->count,
                    mpt_type_name(g->input->type), (long long)g->input->n);
  const mpt_quantityset any =
      MPT_BIT(MPT_EIGENVALUES) | MPT_BIT(MPT_EIGENVECTORS) | MPT_BIT(MPT_GRADIENT);
  if (!(g->stored->quantities & any))
    return mpt_fail(
        error, MPT_BAD_INPUT,
        "cannot check group %s of '%s': neither eigenvalues, eigenvectors nor gradients "
        "are stored (add them to output.store and run again)",
        g->stored->path, c->view.name);
  TRY(mpt_allocate(&g->status, g->stored->count, 1, "statuses", error));
  TRY(mpt_allocate(&g->measures, g->stored->count, sizeof *g->measures, "measures", error));
  TRY(mpt_allocate(&g->flaws, g->stored->count, sizeof *g->flaws, "measures", error));
  TRY(mpt_view_read(&c->view, g->stored, MPT_STATUS, 0, g->stored->count, g->status, error));
  for (int64_t b = 0; b < g->stored->count; b++)
    for (int m = 0; m < MPT_M_COUNT; m++) g->measures[b][m] = -1;
  if (mpt_view_has(g->stored, MPT_FOUND)) TRY(read_found(c, g, error));
done:
  return code;
}

static mpt_code open_all(mpt_check *c, const char *path, mpt_error *error) {
  mpt_code code;
  if (c->rank == 0) TRY(mpt_look_at(path, "result", error));
  TRY(mpt_view_open(path, &c->view, error));
  TRY(read_config(c, error));
  if (c->rank == 0) TRY(mpt_look_at_inputs(&c->config, error));
  TRY(open_input(c, error));
  TRY(mpt_allocate(&c->groups, c->view.count, sizeof *c->groups, "groups", error));
  c->count = c->view.count;
  for (int64_t g = 0; g < c->count; g++) TRY(prepare_group(c, g, error));
done:
  return code;
}

mpt_code mpt_check_open(MPI_Comm comm, const char *path, mpt_check *c, mpt_error *error) {
  mpt_code code = MPT_DONE;
  MPI_Comm node;
  int neighbours;
  *c = (mpt_check){.comm = comm, .input = {.file = H5I_INVALID_HID}};
  MPI_Comm_rank(comm, &c->rank);
  MPI_Comm_size(comm, &c->size);
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &neighbours);
  MPI_Comm_free(&node);
  c->room = mpt_free_memory() / 2 / neighbours / 16;
  /* Rank 0 opens first, so that only one rank touches a file that cannot be used. */
  AGREE(comm, c->rank == 0 ? open_all(c, path, error) : MPT_DONE);
  AGREE(comm, c->rank == 0 ? MPT_DONE : open_all(c, path, error));
  if (c->size > 1) mpt_blas_set_threads((int)c->config.threads);
done:
  return code;
}

static void close_readers(mpt_check_group *g) {
  mpt_slab_close(&g->a);
  mpt_slab_close(&g->w);
  mpt_slab_close(&g->v);
  mpt_slab_close(&g->multiplet);
  mpt_slab_close(&g->g);
}

void mpt_check_close(mpt_check *c) {
  for (int64_t k = 0; k < c->count; k++) {
    close_readers(&c->groups[k]);
    free(c->groups[k].found);
    free(c->groups[k].status);
    free(c->groups[k].measures);
    free(c->groups[k].flaws);
  }
  free(c->groups);
  mpt_view_close(&c->view);
  mpt_input_close(&c->input);
  mpt_config_release(&c->config);
  *c = (mpt_check){.input = {.file = H5I_INVALID_HID}};
}

static mpt_code open_field(mpt_check *c, mpt_check_group *g, mpt_quantity quantity,
                           mpt_slab_reader *reader, mpt_error *error) {
  if (!mpt_view_has(g->stored, quantity)) return MPT_DONE;
  const mpt_dataset shaped = {.count = g->input->count, .n = g->input->n, .columns = g->columns};
  const mpt_slab whole = mpt_whole_quantity(quantity, &shaped);
  const int64_t shape[3] = {whole.count, whole.rows, whole.cols};
  hid_t type = mpt_element_type(mpt_quantities[quantity].element, mpt_check_type(g->input->type));
  char *path = mpt_view_path(g->stored->path, mpt_quantities[quantity].name);
  mpt_code code = mpt_slab_open(reader, c->view.file, path ? path : "", type, shape, error);
  free(path);
  return code;
}

static mpt_code open_readers(mpt_check *c, mpt_check_group *g, mpt_error *error) {
  mpt_code code;
  const int64_t shape[3] = {g->input->count, g->input->n, g->input->n};
  hid_t type = mpt_scalar_type(mpt_check_type(g->input->type));
  TRY(mpt_slab_open(&g->a, c->input.file, g->input->path, type, shape, error));
  TRY(open_field(c, g, MPT_EIGENVALUES, &g->w, error));
  TRY(open_field(c, g, MPT_EIGENVECTORS, &g->v, error));
  TRY(open_field(c, g, MPT_MULTIPLET, &g->multiplet, error));
  TRY(open_field(c, g, MPT_GRADIENT, &g->g, error));
done:
  return code;
}

/* How a group's work is divided: into runs of whole problems, or into panels of columns of one
 * problem. */
typedef struct cut {
  int64_t run, width, panels, units;
} cut;

static cut cut_group(const mpt_check *c, const mpt_check_group *g) {
  enum { NARROW = 64, LONGEST = 1 << 12 };
  const int64_t n = g->input->n, count = g->input->count, ranks = c->size;
  cut k = {.run = 1, .width = n, .panels = 1};
  if (n <= NARROW) {
    k.run = count / (4 * ranks);
    k.run = k.run > LONGEST ? LONGEST : k.run < 1 ? 1 : k.run;
  } else {
    int64_t shares = count ? (2 * ranks + count - 1) / count : 1; /* so that no rank idles */
    int64_t fair = (n + shares - 1) / shares, room = (c->room / n - 3 * MPT_CHECK_ROWS) / 3;
    if (ranks > 1 && fair < k.width) k.width = fair;
    if (room < k.width) k.width = room;
    if (k.width < NARROW) k.width = NARROW;
    k.panels = (n + k.width - 1) / k.width;
  }
  k.units = (count + k.run - 1) / k.run * k.panels;
  return k;
}

static mpt_code check_unit(mpt_check *c, mpt_check_group *g, const cut *k, int64_t unit,
                           mpt_panel_space *space, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = g->input->n, first = unit / k->panels * k->run;
  mpt_check_range panel = {.col0 = unit % k->panels * k->width};
  panel.width = n - panel.col0 < k->width ? n - panel.col0 : k->width;
  for (int64_t b = first; b < first + k->run && b < g->input->count; b++) {
    panel.problem = b;
    if (mpt_check_is_solved(g->status[b]))
      TRY(mpt_check_panel(c, g, &panel, space, error));
    else if (g->status[b] != MPT_STATUS_PENDING)
      TRY(mpt_check_failed_panel(g, &panel, space, error));
  }
done:
  return code;
}

/* Does this rank's share of a group. Not collective; units are numbered consecutively over all
 * groups. */
static mpt_code check_group(mpt_check *c, mpt_check_group *g, int64_t *before, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_panel_space space = {0};
  cut k = cut_group(c, g);
  int64_t first = (c->rank - *before % c->size + c->size) % c->size;
  *before += k.units;
  if (first >= k.units) return MPT_DONE;
  TRY(mpt_panel_space_init(&space, g->input->n, k.width, mpt_check_type(g->input->type), error));
  TRY(open_readers(c, g, error));
  for (int64_t u = first; u < k.units; u += c->size) TRY(check_unit(c, g, &k, u, &space, error));
done:
  close_readers(g);
  mpt_panel_space_release(&space);
  return code;
}

static mpt_code check_diagnostics(mpt_check *c, mpt_check_group *g, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double *values = NULL;
  TRY(mpt_allocate(&values, g->input->count, sizeof *values, "diagnostics", error));
  for (int f = 0; f < MPT_QUANTITY_COUNT; f++) {
    if (mpt_quantities[f].element != MPT_E_DOUBLE || !mpt_view_has(g->stored, (mpt_quantity)f))
      continue;
    TRY(mpt_view_read(&c->view, g->stored, (mpt_quantity)f, 0, g->input->count, values, error));
    for (int64_t b = 0; b < g->input->count; b++)
      if (!isfinite(values[b]) && g->status[b] != MPT_STATUS_PENDING)
        g->flaws[b] |= MPT_FLAW_NONFINITE;
  }
done:
  free(values);
  return code;
}

/* Computes the measures that need the whole problem, not one panel. */
static void finish_group(const mpt_check *c, mpt_check_group *g) {
  const double epsilon = mpt_type_epsilon(g->input->type);
  for (int64_t b = 0; b < g->input->count; b++) {
    const double *m = g->measures[b];
    if (!mpt_status_name(g->status[b])) g->flaws[b] |= MPT_FLAW_STATUS;
    if (m[MPT_M_DEFECT] > 100 * (double)g->input->n * epsilon * m[MPT_M_LARGEST])
      g->flaws[b] |= MPT_FLAW_NOT_HERMITIAN;
    const bool refused =
        (g->status[b] == MPT_STATUS_GAUGE_DEPENDENT && c->config.gauge_policy == MPT_GAUGE_FAIL) ||
        (g->status[b] == MPT_STATUS_SUBGRADIENT && c->config.spread_policy == MPT_SPREAD_REFUSE);
    if (refused && m[MPT_M_LARGEST] > 0) g->flaws[b] |= MPT_FLAW_NOT_ZERO;
  }
}

/* Reduces the maxima of the measures and all flaws to rank 0, in pieces that an int can count. */
static void reduce_group(const mpt_check *c, mpt_check_group *g) {
  enum { PIECE = 1 << 24 };
  const bool root = c->rank == 0;
  for (int64_t at = 0; at < g->input->count; at += PIECE) {
    int64_t rest = g->input->count - at;
    int count = rest < PIECE ? (int)rest : PIECE;
    double *m = g->measures[at];
    uint32_t *f = g->flaws + at;
    MPI_Reduce(root ? MPI_IN_PLACE : m, m, count * MPT_M_COUNT, MPI_DOUBLE, MPI_MAX, 0, c->comm);
    MPI_Reduce(root ? MPI_IN_PLACE : f, f, count, MPI_UINT32_T, MPI_BOR, 0, c->comm);
  }
}

mpt_code mpt_check_solutions(mpt_check *c, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int64_t before = 0;
  for (int64_t k = 0; k < c->count && code == MPT_DONE; k++) {
    code = check_group(c, &c->groups[k], &before, error);
    if (code == MPT_DONE && c->rank == 0) code = check_diagnostics(c, &c->groups[k], error);
  }
  AGREE(c->comm, code);
  for (int64_t k = 0; k < c->count; k++) {
    reduce_group(c, &c->groups[k]);
    if (c->rank == 0) finish_group(c, &c->groups[k]);
  }
done:
  return code;
}
