/* multiplet show RESULT.h5:/GROUP and :/GROUP[INDEX] (show.h). */
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "store/shape.h"
#include "spectral/spectral.h"
#include "cli/table.h"

static void print_name(const char *const *names, int8_t value) {
  int count = 0;
  while (names[count]) count++;
  printf("%-10s", value >= 0 && value < count ? names[value] : "unknown");
}

/* Reads diagnostics of one value for each problem, as text; "" for one that was not stored. */
static mpt_code read_cells(const mpt_view *view, const mpt_view_group *group, mpt_quantity quantity,
                           double **values, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *values = NULL;
  if (!mpt_view_has(group, quantity)) return MPT_DONE;
  TRY(mpt_allocate(values, group->count, sizeof **values, "diagnostics", error));
  TRY(mpt_view_read(view, group, quantity, 0, group->count, *values, error));
done:
  return code;
}

static const mpt_quantity shown[] = {MPT_RESIDUAL,        MPT_ORTHOGONALITY,    MPT_MIN_GAP,
                                     MPT_GAUGE_VIOLATION, MPT_COTANGENT_SPREAD, MPT_GRADIENT_ERROR,
                                     MPT_SECONDS};
static const char *const headings[] = {"residual", "orthogonality", "min gap", "gauge",
                                       "spread",   "grad. error",   "seconds"};
enum { SHOWN = sizeof shown / sizeof *shown };
_Static_assert(sizeof headings / sizeof *headings == SHOWN, "a column has no heading");

static void add_problem(mpt_table *table, const mpt_view_group *group, int64_t b, int8_t status,
                        double *const values[SHOWN]) {
  char index[160];
  mpt_table_add(table, "%s", mpt_view_index(group, b, index, sizeof index));
  mpt_table_add(table, "%s", mpt_status_name(status) ? mpt_status_name(status) : "unknown");
  for (int f = 0; f < SHOWN; f++)
    if (!values[f])
      mpt_table_add(table, "%s", "");
    else if (mpt_show_solved(status))
      mpt_table_add(table, "%.3g", values[f][b]);
    else
      mpt_table_add(table, "-");
}

static void add_gap(mpt_table *table, const char *first) {
  mpt_table_add(table, "%s", first);
  while (table->count % table->columns && !table->exhausted) mpt_table_add(table, "%s", "");
}

static void print_group_line(const mpt_view_group *group) {
  const char *type = mpt_show_type(group);
  char dims[160];
  printf("%s: %lld %s", group->path, (long long)group->count,
         group->count == 1 ? "problem" : "problems");
  if (group->leading > 1)
    printf(" %s", mpt_dims_text(group->leading, group->lead, dims, sizeof dims));
  if (group->n >= 0) printf(", n = %lld", (long long)group->n);
  printf("%s%s\n", *type ? ", " : "", type);
}

mpt_code mpt_show_group(const mpt_view *view, const mpt_view_group *group, bool all,
                        mpt_error *error) {
  mpt_code code;
  int8_t *statuses = NULL;
  double *values[SHOWN] = {0};
  mpt_table table = {.columns = 2 + SHOWN};
  TRY(mpt_show_statuses(view, group, &statuses, error));
  for (int f = 0; f < SHOWN; f++) TRY(read_cells(view, group, shown[f], &values[f], error));
  mpt_table_add(&table, "problem");
  mpt_table_add(&table, "status");
  for (int f = 0; f < SHOWN; f++) mpt_table_add(&table, "%s", headings[f]);
  for (int64_t b = 0; b < group->count; b++) {
    bool gap;
    if (mpt_show_line(b, group->count, all, &gap))
      add_problem(&table, group, b, statuses[b], values);
    else if (gap)
      add_gap(&table, "...");
  }
  print_group_line(group);
  if (group->count) {
    printf("\n");
    TRY(mpt_table_print(&table, error));
  }
  mpt_show_troubles(group, statuses);
done:
  for (int f = 0; f < SHOWN; f++) free(values[f]);
  mpt_table_release(&table);
  free(statuses);
  return code;
}

/* Reads the stored multiplets; where none are stored, numbers them with the default tolerance. */
static mpt_code read_multiplets(const mpt_view *view, const mpt_view_group *group, int64_t index,
                                const double *w, int32_t *id, mpt_error *error) {
  const int64_t n = group->columns;
  double tolerance = mpt_resolution(group->type, n) * mpt_spectral_norm(n, w);
  if (mpt_view_has(group, MPT_MULTIPLET))
    return mpt_view_read(view, group, MPT_MULTIPLET, index, 1, id, error);
  mpt_number_multiplets(n, w, tolerance, id);
  return MPT_DONE;
}

static void add_multiplet(mpt_table *table, int digits, int64_t n, const double *w, int64_t start,
                          int64_t stop) {
  double sum = 0;
  for (int64_t j = start; j < stop; j++) sum += w[j] / (double)(stop - start);
  if (stop - start == 1)
    mpt_table_add(table, "%lld", (long long)start);
  else
    mpt_table_add(table, "%lld-%lld", (long long)start, (long long)stop - 1);
  mpt_table_add(table, "%.*g", digits, sum);
  mpt_table_add(table, "%lld", (long long)(stop - start));
  if (stop - start == 1)
    mpt_table_add(table, "%s", "");
  else
    mpt_table_add(table, "%.2g", w[stop - 1] - w[start]);
  if (stop < n)
    mpt_table_add(table, "%.4g", w[stop] - w[stop - 1]);
  else
    mpt_table_add(table, "%s", "");
}

static mpt_code print_multiplets(const mpt_view_group *group, int64_t n, const double *w,
                                 const int32_t *id, bool all, mpt_error *error) {
  static const char *const titles[] = {"#", "eigenvalue", "times", "spread", "gap to next"};
  const int digits = mpt_real_size(group->type) == 4 ? 8 : 16;
  int64_t count = n > 0, k = 0;
  mpt_table table = {.columns = 5};
  for (int c = 0; c < 5; c++) mpt_table_add(&table, "%s", titles[c]);
  for (int64_t j = 1; j < n; j++) count += id[j] != id[j - 1];
  for (int64_t start = 0, stop; start < n; start = stop, k++) {
    bool gap;
    for (stop = start + 1; stop < n && id[stop] == id[start];) stop++;
    if (mpt_show_line(k, count, all, &gap))
      add_multiplet(&table, digits, n, w, start, stop);
    else if (gap)
      add_gap(&table, "...");
  }
  printf("\n  %lld %s in %lld %s", (long long)n, n == 1 ? "eigenvalue" : "eigenvalues",
         (long long)count, count == 1 ? "multiplet" : "multiplets");
  printf("%s\n\n", count > MPT_SHOW_LINES && !all ? " (--all prints every one)" : "");
  const mpt_code code = n ? mpt_table_print(&table, error) : MPT_DONE;
  mpt_table_release(&table);
  return code;
}

/* Reads the number of columns that hold eigenvalues, and the smallest gap, below 0 when it is not
 * stored. */
static mpt_code read_extent(const mpt_view *view, const mpt_view_group *group, int64_t index,
                            int64_t *count, double *min_gap, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int32_t found = (int32_t)group->columns;
  *min_gap = -1;
  if (mpt_view_has(group, MPT_FOUND))
    TRY(mpt_view_read(view, group, MPT_FOUND, index, 1, &found, error));
  if (mpt_view_has(group, MPT_MIN_GAP))
    TRY(mpt_view_read(view, group, MPT_MIN_GAP, index, 1, min_gap, error));
  *count = found >= 0 && found <= group->columns ? found : group->columns;
done:
  return code;
}

static mpt_code print_spectrum(const mpt_view *view, const mpt_view_group *group, int64_t index,
                               bool all, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double *w = NULL, min_gap;
  int32_t *id = NULL;
  int64_t count;
  if (!mpt_view_has(group, MPT_EIGENVALUES)) return MPT_DONE;
  TRY(mpt_allocate(&w, group->columns, sizeof *w, "eigenvalues", error));
  TRY(mpt_allocate(&id, group->columns, sizeof *id, "multiplets", error));
  TRY(mpt_view_read(view, group, MPT_EIGENVALUES, index, 1, w, error));
  TRY(read_multiplets(view, group, index, w, id, error));
  TRY(read_extent(view, group, index, &count, &min_gap, error));
  TRY(print_multiplets(group, count, w, id, all, error));
  /* eigenvalues alone do not determine n */
  const int64_t n = mpt_view_has(group, MPT_EIGENVECTORS) ? group->n : -1;
  TRY(mpt_show_derivatives(view, n, count, w, id, min_gap, error));
done:
  free(w);
  free(id);
  return code;
}

static void print_time(double seconds) {
  const time_t whole = (time_t)seconds;
  char text[32] = "";
  struct tm parts;
  if (gmtime_r(&whole, &parts)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  printf("%-10s", text);
}

static mpt_code print_diagnostic(const mpt_view *view, const mpt_view_group *group, int64_t index,
                                 mpt_quantity quantity, mpt_error *error) {
  mpt_code code;
  const mpt_element element = mpt_quantities[quantity].element;
  int8_t small = 0;
  int32_t integer = 0;
  double value = 0;
  const bool counts = element == MPT_E_INT32, real = element == MPT_E_DOUBLE;
  void *out = counts ? (void *)&integer : real ? (void *)&value : &small;
  const char *slash = mpt_quantities[quantity].name;
  for (const char *c = slash; *c; c++)
    if (*c == '/') slash = c + 1;
  TRY(mpt_view_read(view, group, quantity, index, 1, out, error));
  printf("  %-18s", slash);
  if (element == MPT_E_SOLVER)
    print_name(mpt_solver_names, small);
  else if (element == MPT_E_RULE)
    print_name(mpt_rule_names, small);
  else if (element == MPT_E_INT8)
    printf("%-10d", (int)small);
  else if (quantity == MPT_STARTED)
    print_time(value);
  else if (counts)
    printf("%-10d", (int)integer);
  else
    printf("%-10.3g", value);
  printf("  %s\n", mpt_quantities[quantity].meaning);
done:
  return code;
}

mpt_code mpt_show_problem(const mpt_view *view, const mpt_view_group *group, int64_t index,
                          bool all, mpt_error *error) {
  mpt_code code;
  int8_t status = 0;
  bool first = true;
  const char *type = mpt_show_type(group);
  char text[160];
  TRY(mpt_view_read(view, group, MPT_STATUS, index, 1, &status, error));
  printf("%s[%s]", group->path, mpt_view_index(group, index, text, sizeof text));
  if (group->n >= 0) printf(": n = %lld", (long long)group->n);
  printf("%s%s\n", *type ? ", " : "", type);
  printf("  %s: %s\n", mpt_status_name(status) ? mpt_status_name(status) : "unknown status",
         mpt_status_meaning(status) ? mpt_status_meaning(status) : "of a later version");
  if (!mpt_show_solved(status)) return mpt_show_failure(view, status, error);
  TRY(print_spectrum(view, group, index, all, error));
  for (int f = MPT_STATUS + 1; f < MPT_QUANTITY_COUNT; f++) {
    if (!mpt_view_has(group, (mpt_quantity)f)) continue;
    if (first) printf("\n");
    first = false;
    TRY(print_diagnostic(view, group, index, (mpt_quantity)f, error));
  }
done:
  return code;
}
