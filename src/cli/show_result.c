/* multiplet show RESULT.h5 (show.h). */
#include "cli/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "store/find.h"
#include "cli/table.h"

enum { FIRST_FEW = 8 };

/* The diagnostics in the summary; the worst is the largest, for gaps the smallest. */
static const struct {
  mpt_quantity quantity;
  const char *heading;
  enum { LARGEST, SMALLEST, TOTAL } kind;
} columns[] = {
    {MPT_RESIDUAL, "residual", LARGEST},          {MPT_ORTHOGONALITY, "orthogonality", LARGEST},
    {MPT_MIN_GAP, "min gap", SMALLEST},           {MPT_GAUGE_VIOLATION, "gauge", LARGEST},
    {MPT_GRADIENT_ERROR, "grad. error", LARGEST}, {MPT_SECONDS, "seconds", TOTAL},
};
enum { COLUMN_COUNT = sizeof columns / sizeof *columns };

mpt_code mpt_show_statuses(const mpt_view *view, const mpt_view_group *group, int8_t **statuses,
                           mpt_error *error) {
  mpt_code code;
  *statuses = NULL;
  TRY(mpt_allocate(statuses, group->count, 1, "statuses", error));
  TRY(mpt_view_read(view, group, MPT_STATUS, 0, group->count, *statuses, error));
done:
  return code;
}

const char *mpt_show_type(const mpt_view_group *group) {
  if (group->typed) return mpt_type_name(group->type);
  if (!mpt_view_has(group, MPT_EIGENVALUES)) return "";
  return mpt_real_size(group->type) == 4 ? "single" : "double";
}

bool mpt_show_line(int64_t k, int64_t count, bool all, bool *gap) {
  const int64_t half = MPT_SHOW_LINES / 2;
  *gap = !all && count > MPT_SHOW_LINES && k == half;
  return all || count <= MPT_SHOW_LINES || k < half || k >= count - half;
}

static mpt_code print_attribute(const mpt_view *view, const char *label, const char *name,
                                mpt_error *error) {
  char *text;
  const mpt_code code = mpt_find_text(view->file, name, &text, error);
  if (text && *text) printf("  %-10s %s\n", label, text);
  free(text);
  return code;
}

static mpt_code print_header(const mpt_view *view, mpt_error *error) {
  mpt_code code;
  int64_t complete = 0, ranks = 0;
  bool there;
  TRY(mpt_find_integer(view->file, "complete", &there, &complete, error));
  printf("%s: %s, %lld %s\n\n", view->name,
         complete ? "complete" : "not complete ('multiplet run' with the same config continues it)",
         (long long)view->count, view->count == 1 ? "group" : "groups");
  TRY(print_attribute(view, "created", "created", error));
  TRY(print_attribute(view, "version", "software_version", error));
  TRY(print_attribute(view, "input", "input_file", error));
  TRY(mpt_find_integer(view->file, "ranks", &there, &ranks, error));
  if (there) printf("  %-10s %lld\n", "ranks", (long long)ranks);
  TRY(print_attribute(view, "host", "hostname", error));
  TRY(print_attribute(view, "SLURM job", "slurm_job_id", error));
done:
  return code;
}

static void count_statuses(const int8_t *statuses, int64_t count, int64_t of[MPT_STATUS_COUNT]) {
  for (int s = 0; s < MPT_STATUS_COUNT; s++) of[s] = 0;
  for (int64_t b = 0; b < count; b++)
    if (mpt_status_name(statuses[b])) of[(int)statuses[b]]++;
}

static void add_counts(mpt_table *table, const int8_t *statuses, int64_t count) {
  int64_t of[MPT_STATUS_COUNT];
  mpt_text text = {0};
  count_statuses(statuses, count, of);
  for (int s = 0; s < MPT_STATUS_COUNT; s++)
    if (of[s])
      mpt_text_add(&text, "%s%lld %s", text.length ? ", " : "", (long long)of[s],
                   mpt_status_name(s));
  table->exhausted |= text.exhausted;
  mpt_table_add(table, "%s", mpt_text_shown(&text, "none"));
  mpt_text_release(&text);
}

/* Adds the worst value of one diagnostic over all problems, except failed and pending ones, which
 * hold zeros. */
static mpt_code add_worst(const mpt_view *view, const mpt_view_group *group, int column,
                          const int8_t *statuses, mpt_table *table, mpt_error *error) {
  mpt_code code;
  double *values = NULL, worst = columns[column].kind == SMALLEST ? INFINITY : 0;
  bool any = false;
  TRY(mpt_allocate(&values, group->count, sizeof *values, "diagnostics", error));
  TRY(mpt_view_read(view, group, columns[column].quantity, 0, group->count, values, error));
  for (int64_t b = 0; b < group->count; b++) {
    if (columns[column].kind == TOTAL ? statuses[b] == MPT_STATUS_PENDING
                                      : !mpt_show_solved(statuses[b]))
      continue;
    any = true;
    switch (columns[column].kind) {
    case LARGEST:
      worst = !(values[b] <= worst) ? values[b] : worst;
      break;
    case SMALLEST:
      worst = !(values[b] >= worst) ? values[b] : worst;
      break;
    case TOTAL:
      worst += values[b];
      break;
    }
  }
  if (any)
    mpt_table_add(table, "%.3g", worst);
  else
    mpt_table_add(table, "-");
done:
  free(values);
  return code;
}

static mpt_code add_group(const mpt_view *view, const mpt_view_group *group, mpt_table *table,
                          mpt_error *error) {
  mpt_code code;
  int8_t *statuses;
  TRY(mpt_show_statuses(view, group, &statuses, error));
  mpt_table_add(table, "%s", group->path);
  mpt_table_add(table, "%s", mpt_show_type(group));
  if (group->n < 0)
    mpt_table_add(table, "%s", "");
  else
    mpt_table_add(table, "%lld", (long long)group->n);
  mpt_table_add(table, "%lld", (long long)group->count);
  add_counts(table, statuses, group->count);
  for (int c = 0; c < COLUMN_COUNT; c++)
    if (mpt_view_has(group, columns[c].quantity))
      TRY(add_worst(view, group, c, statuses, table, error));
    else
      mpt_table_add(table, "%s", "");
done:
  free(statuses);
  return code;
}

static void print_indexes(const mpt_view_group *group, const int8_t *statuses, int status,
                          int64_t total) {
  int64_t shown = 0;
  char index[160];
  const bool several = group->leading > 1;
  printf("    %lld at %s[", (long long)total, group->path);
  for (int64_t b = 0; b < group->count && shown < FIRST_FEW; b++)
    if (statuses[b] == status)
      printf("%s%s%s%s", shown++ ? ", " : "", several ? "(" : "",
             mpt_view_index(group, b, index, sizeof index), several ? ")" : "");
  printf("%s]\n", total > shown ? ", ..." : "");
}

void mpt_show_troubles(const mpt_view_group *group, const int8_t *statuses) {
  int64_t of[MPT_STATUS_COUNT];
  count_statuses(statuses, group->count, of);
  for (int s = 0; s < MPT_STATUS_COUNT; s++) {
    if (!of[s] || s == MPT_STATUS_OK) continue;
    printf("\n  %s: %s\n", mpt_status_name(s), mpt_status_meaning(s));
    print_indexes(group, statuses, s, of[s]);
  }
}

static mpt_code print_troubles(const mpt_view *view, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t g = 0; g < view->count && code == MPT_DONE; g++) {
    int8_t *statuses;
    code = mpt_show_statuses(view, &view->groups[g], &statuses, error);
    if (code == MPT_DONE) mpt_show_troubles(&view->groups[g], statuses);
    free(statuses);
  }
  return code;
}

mpt_code mpt_show_result(const mpt_view *view, mpt_error *error) {
  mpt_code code = MPT_DONE;
  static const char *const fixed[] = {"group", "type", "n", "problems", "status"};
  enum { FIXED = sizeof fixed / sizeof *fixed };
  mpt_table table = {.columns = FIXED + COLUMN_COUNT};
  for (int c = 0; c < FIXED; c++) mpt_table_add(&table, "%s", fixed[c]);
  for (int c = 0; c < COLUMN_COUNT; c++) mpt_table_add(&table, "%s", columns[c].heading);
  for (int64_t g = 0; g < view->count; g++) TRY(add_group(view, &view->groups[g], &table, error));
  TRY(print_header(view, error));
  printf("\n");
  TRY(mpt_table_print(&table, error));
  TRY(print_troubles(view, error));
done:
  mpt_table_release(&table);
  return code;
}
