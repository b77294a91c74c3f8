#include "cli/check_report.h"

#include <math.h>
#include <stdio.h>
#include "cli/table.h"

enum { MOST_LINES = 100 };

static bool is_sound(const mpt_check_group *g, int64_t b) {
  const double *m = g->measures[b];
  return !g->flaws[b] && m[MPT_M_RESIDUAL] <= MPT_CHECK_BOUND &&
         m[MPT_M_ORTHOGONALITY] <= MPT_CHECK_BOUND && m[MPT_M_SPECTRUM] <= MPT_CHECK_BOUND;
}

static void add_measure(mpt_table *table, const mpt_check_group *g, mpt_measure measure) {
  double worst = -1;
  for (int64_t b = 0; b < g->input->count; b++)
    if (!(g->measures[b][measure] <= worst)) worst = g->measures[b][measure];
  if (worst < 0)
    mpt_table_add(table, "%s", "");
  else
    mpt_table_add(table, "%.3g", worst);
}

static bool is_gradient(const mpt_check_sample *s) {
  return s->quantity == MPT_GRADIENT;
}

static bool was_tested(const mpt_check_sample *s) {
  return s->trial == MPT_TRIAL_PASSED || s->trial == MPT_TRIAL_FAILED;
}

/* Adds the number of gradients, or of other outputs, that were compared, and the worst
 * difference. */
static void add_samples(mpt_table *table, const mpt_check_samples *samples, int64_t group,
                        bool gradients) {
  int64_t tested = 0;
  double worst = 0;
  for (int64_t k = 0; samples && k < samples->count; k++) {
    const mpt_check_sample *s = &samples->items[k];
    if (s->group != group || is_gradient(s) != gradients || !was_tested(s)) continue;
    tested++;
    if (!(s->difference <= worst)) worst = s->difference;
  }
  if (tested) {
    mpt_table_add(table, "%lld", (long long)tested);
    mpt_table_add(table, "%.3g", worst);
  } else {
    mpt_table_add(table, "%s", "");
    mpt_table_add(table, "%s", "");
  }
}

static mpt_code print_groups(const mpt_check *c, const mpt_check_samples *samples,
                             mpt_error *error) {
  static const char *const headings[] = {
      "group",    "n",         "problems",   "checked",       "residual",  "orthogonality",
      "spectrum", "gradients", "difference", "other outputs", "difference"};
  enum { COLUMNS = sizeof headings / sizeof *headings };
  mpt_table table = {.columns = COLUMNS};
  for (int k = 0; k < COLUMNS; k++) mpt_table_add(&table, "%s", headings[k]);
  for (int64_t k = 0; k < c->count; k++) {
    const mpt_check_group *g = &c->groups[k];
    int64_t checked = 0;
    for (int64_t b = 0; b < g->input->count; b++) checked += mpt_check_is_solved(g->status[b]);
    mpt_table_add(&table, "%s", g->stored->path);
    mpt_table_add(&table, "%lld", (long long)g->input->n);
    mpt_table_add(&table, "%lld", (long long)g->input->count);
    mpt_table_add(&table, "%lld", (long long)checked);
    add_measure(&table, g, MPT_M_RESIDUAL);
    add_measure(&table, g, MPT_M_ORTHOGONALITY);
    add_measure(&table, g, MPT_M_SPECTRUM);
    add_samples(&table, samples, k, true);
    add_samples(&table, samples, k, false);
  }
  const mpt_code code = mpt_table_print(&table, error);
  mpt_table_release(&table);
  return code;
}

/* Reports what was not checked because the group does not store it. */
static void print_limits(const mpt_check *c) {
  for (int64_t k = 0; k < c->count; k++) {
    const mpt_view_group *g = c->groups[k].stored;
    bool values = mpt_view_has(g, MPT_EIGENVALUES), vectors = mpt_view_has(g, MPT_EIGENVECTORS);
    if (values && !vectors && c->groups[k].columns < c->groups[k].input->n)
      printf(
          "\n%s: eigenvectors are not stored; of selected eigenvalues, order and multiplets were "
          "checked\n",
          g->path);
    else if (values && !vectors)
      printf("\n%s: eigenvectors are not stored; eigenvalues were held against trace and Frobenius "
             "norm\n",
             g->path);
    else if (!values && vectors)
      printf(
          "\n%s: eigenvalues are not stored; eigenvectors were checked for orthogonality alone\n",
          g->path);
    else if (!values)
      printf("\n%s: eigenpairs are not stored; of gradients, that they are Hermitian was checked\n",
             g->path);
  }
}

static void print_measure(const mpt_check_group *g, int64_t b, mpt_measure m, const char *what) {
  if (g->measures[b][m] <= MPT_CHECK_BOUND) return;
  char index[160];
  printf("  %s[%s]: %s %.3g, may be %g\n", g->stored->path,
         mpt_view_index(g->stored, b, index, sizeof index), what, g->measures[b][m],
         MPT_CHECK_BOUND);
}

static void print_problem(const mpt_check_group *g, int64_t b) {
  print_measure(g, b, MPT_M_RESIDUAL, "residual");
  print_measure(g, b, MPT_M_ORTHOGONALITY, "orthogonality");
  print_measure(g, b, MPT_M_SPECTRUM, "trace or Frobenius norm differs from the eigenvalues' by");
  char index[160];
  mpt_view_index(g->stored, b, index, sizeof index);
  for (int k = 0; k < MPT_FLAW_COUNT; k++)
    if (g->flaws[b] & (1u << k)) printf("  %s[%s]: %s\n", g->stored->path, index, mpt_flaw_text(k));
}

static int64_t print_problems(const mpt_check *c) {
  int64_t bad = 0;
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; b < c->groups[k].input->count; b++) {
      if (is_sound(&c->groups[k], b)) continue;
      if (bad == 0) printf("\n");
      if (bad++ < MOST_LINES) print_problem(&c->groups[k], b);
    }
  if (bad > MOST_LINES) printf("  ... and %lld more\n", (long long)(bad - MOST_LINES));
  return bad;
}

static void print_sample(const mpt_check *c, const mpt_check_sample *s) {
  const char *name = mpt_quantities[s->quantity].name;
  const mpt_view_group *group = c->groups[s->group].stored;
  char index[160];
  const bool named = mpt_is_per_function(s->quantity);
  const bool derivative =
      mpt_quantities[s->quantity].role == MPT_DERIVED ||
      mpt_quantities[s->quantity].wanted & (MPT_FOR_TANGENT | MPT_FOR_TANGENT_VECTORS);
  printf("  %s[%s]: %s%s%s differs from %s by %.3g of its size, may be %.2g\n", group->path,
         mpt_view_index(group, s->index, index, sizeof index), is_gradient(s) ? "the " : "", name,
         named ? c->config.functions.items[s->function].name : "",
         derivative ? "finite differences" : "what the matrix gives", s->difference, s->allowed);
}

static void count_samples(const mpt_check_samples *samples, bool gradients) {
  int64_t tested = 0, untestable = 0;
  for (int64_t k = 0; k < samples->count; k++) {
    const mpt_check_sample *s = &samples->items[k];
    if (is_gradient(s) != gradients) continue;
    tested += was_tested(s);
    untestable += s->trial == MPT_TRIAL_UNTESTABLE;
  }
  printf(gradients ? "\n%lld gradients compared with finite differences"
                   : "\n%lld other outputs compared with what their matrices give",
         (long long)tested);
  if (untestable)
    printf(", %lld not testable (gaps too small, or no eigenpairs)", (long long)untestable);
}

/* Prints the samples; counts the gradients and the other outputs that are wrong. */
static void print_samples(const mpt_check *c, const mpt_check_samples *samples, int64_t bad[2]) {
  for (int64_t k = 0; k < samples->count; k++) {
    const mpt_check_sample *s = &samples->items[k];
    if (s->trial != MPT_TRIAL_FAILED) continue;
    if (bad[0] + bad[1] == 0) printf("\n");
    if (bad[0] + bad[1] < MOST_LINES) print_sample(c, s);
    bad[!is_gradient(s)]++;
  }
  if (bad[0] + bad[1] > MOST_LINES)
    printf("  ... and %lld more\n", (long long)(bad[0] + bad[1] - MOST_LINES));
  count_samples(samples, true);
  if (samples->too_large) printf(", %lld too large for one rank", (long long)samples->too_large);
  count_samples(samples, false);
  printf("\n");
}

/* Counts the samples that could not be compared. */
static int64_t count_untested(const mpt_check_samples *samples) {
  int64_t untested = samples->too_large;
  for (int64_t k = 0; k < samples->count; k++)
    untested += samples->items[k].trial == MPT_TRIAL_UNTESTABLE;
  return untested;
}

static void count_problems(const mpt_check *c, int64_t *solved, int64_t *pending, int64_t *failed) {
  *solved = *pending = *failed = 0;
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; b < c->groups[k].input->count; b++) {
      int8_t status = c->groups[k].status[b];
      *(mpt_check_is_solved(status)    ? solved
        : status == MPT_STATUS_PENDING ? pending
                                       : failed) += 1;
    }
}

mpt_code mpt_report_check(const mpt_check *c, const mpt_check_samples *samples, mpt_error *error) {
  mpt_code code;
  int64_t solved, pending, failed;
  count_problems(c, &solved, &pending, &failed);
  TRY(print_groups(c, samples, error));
  print_limits(c);
  int64_t bad = print_problems(c), wrong[2] = {0};
  if (samples) print_samples(c, samples, wrong);
  const bool sound = !bad && !wrong[0] && !wrong[1];
  const int64_t untested = samples ? count_untested(samples) : 0;
  printf("\n");
  if (!sound) {
    printf("NOT within bounds: %lld problems, %lld gradients", (long long)bad, (long long)wrong[0]);
    if (wrong[1]) printf(", %lld other outputs", (long long)wrong[1]);
  }
  if (sound)
    printf(untested ? "within bounds as far as could be tested: %lld problems"
                    : "all within bounds: %lld problems",
           (long long)solved);
  if (untested) printf("; %lld gradients and other outputs not tested", (long long)untested);
  if (failed) printf("; %lld had failed and hold zeros", (long long)failed);
  if (pending) printf("; %lld pending, not checked", (long long)pending);
  printf("\n");
  if (!sound) code = MPT_SOME_FAILED;
done:
  return code;
}
