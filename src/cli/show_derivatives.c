/* Which outputs of one problem have derivatives at this matrix, which do not, and why. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"
#include "store/find.h"
#include "cli/show.h"
#include "spectral/kinds.h"

enum { NAMED = 6 }; /* multiplets that are listed one by one */

typedef struct spectrum {
  int64_t n;
  const double *w;
  const int32_t *id;
  double norm;
} spectrum;

static int64_t end_of(const spectrum *s, int64_t start) {
  int64_t stop = start + 1;
  while (stop < s->n && s->id[stop] == s->id[start]) stop++;
  return stop;
}

/* Lists multiplets as "0-1, 4-6"; returns the number of simple eigenvalues. */
static int64_t name_multiplets(const spectrum *s, mpt_text *names) {
  int64_t alone = 0, named = 0;
  for (int64_t start = 0, stop; start < s->n; start = stop) {
    stop = end_of(s, start);
    alone += stop - start == 1;
    if (stop - start == 1 || named++ > NAMED) continue;
    if (named > NAMED)
      mpt_text_add(names, ", ...");
    else
      mpt_text_add(names, "%s%lld-%lld", names->length ? ", " : "", (long long)start,
                   (long long)stop - 1);
  }
  return alone;
}

static mpt_code print_pairs(const spectrum *s, double min_gap, mpt_error *error) {
  mpt_text names = {0};
  const int64_t alone = name_multiplets(s, &names);
  if (names.exhausted) return mpt_no_memory("name multiplets", error);
  if (alone == s->n) {
    printf("  eigenvalues        each has a derivative: none of them is repeated\n");
    printf("  eigenvectors       each has a derivative, up to its phase");
    if (s->n > 1) printf("; noise grows like 1 / gap, up to %.2g times", 1 / min_gap);
    printf("\n");
  } else {
    printf(
        "  eigenvalues        of %s only the mean: a perturbation splits them, and which goes up "
        "or down\n                     is its choice%s\n",
        names.data, alone ? "; the others have derivatives" : "");
    printf(
        "  eigenvectors       none within %s: equal eigenvalues let their vectors be turned into "
        "one another\n                     at will; their subspace has a derivative, as a "
        "projector or a frame\n",
        names.data);
  }
  mpt_text_release(&names);
  return MPT_DONE;
}

/* Prints why a range has no derivative if it is no union of multiplets, otherwise the gap at its
 * ends. */
static void print_range(const spectrum *s, const char *what, const int64_t index[2]) {
  double gap = INFINITY;
  for (int end = 0; end < 2; end++) {
    const int64_t at = index[end];
    if (at <= 0 || at >= s->n) continue;
    if (s->id[at] == s->id[at - 1]) {
      printf("  %-18s no derivative: the range [%lld, %lld) parts eigenvalues %lld and %lld, which "
             "are equal\n",
             what, (long long)index[0], (long long)index[1], (long long)at - 1, (long long)at);
      return;
    }
    gap = fmin(gap, s->w[at] - s->w[at - 1]);
  }
  if (isfinite(gap))
    printf("  %-18s has a derivative: the range [%lld, %lld) ends in a gap of %.3g\n", what,
           (long long)index[0], (long long)index[1], gap);
  else
    printf("  %-18s has the derivative zero: the range is the whole spectrum\n", what);
}

/* Prints a range whose ends cannot be examined; they are gaps, because the problem was solved. */
static void print_stored_range(const char *what, const int64_t index[2]) {
  printf(
      "  %-18s has a derivative: the range [%lld, %lld) cuts no multiplet, else the problem would "
      "have failed\n",
      what, (long long)index[0], (long long)index[1]);
}

static void print_function(const spectrum *s, const mpt_named_function *f) {
  const int64_t *range = mpt_function_range(&f->function);
  if (range)
    print_range(s, f->name, range);
  else
    printf("  %-18s has a derivative: a smooth function of the matrix (%s) does not see which "
           "eigenvalues are equal\n",
           f->name, mpt_function_name((int)f->function.kind));
}

/* Prints what is known about the ends of a selection. The eigenvalues next to the selection are not
 * stored, but the stored min_gap includes the gaps at the ends; where a multiplet is cut there is
 * no gap. */
static void print_ends(const spectrum *s, double min_gap) {
  const double norm = min_gap < 0 ? 0 : s->norm;
  double inside = INFINITY;
  for (int64_t j = 1; j < s->n; j++)
    if (s->id[j] != s->id[j - 1]) inside = fmin(inside, s->w[j] - s->w[j - 1]);
  printf("  at the ends        a selection that parts equal eigenvalues has no derivatives of the "
         "vectors of those,\n                     and of their eigenvalues that of the mean; the "
         "neighbours outside are not stored");
  if (min_gap >= 0 && norm > 0 && isfinite(inside) && min_gap * norm < 0.999 * inside)
    printf(",\n                     but the smallest gap, %.2g |A|, is narrower than those inside: "
           "it is at an end,\n                     which parts no multiplet there",
           min_gap);
  else if (min_gap >= 0)
    printf(",\n                     and no gap at an end is narrower than %.2g |A|, unless equal "
           "eigenvalues are parted",
           min_gap);
  printf("\n");
}

static void print_named(const spectrum *s, const mpt_config *c, bool whole) {
  for (int64_t f = 0; f < c->functions.count; f++) {
    const int64_t *range = mpt_function_range(&c->functions.items[f].function);
    if (whole || !range)
      print_function(s, &c->functions.items[f]);
    else
      print_stored_range(c->functions.items[f].name, range);
  }
  if (c->reference.file && whole) print_range(s, "frame", c->frame_index);
  if (c->reference.file && !whole) print_stored_range("frame", c->frame_index);
}

/* Reads the config; one written by another version may not be readable by this one. */
static mpt_code read_config(const mpt_view *view, mpt_config *config, bool *read,
                            mpt_error *error) {
  char *text;
  mpt_code code = mpt_find_text(view->file, "config", &text, error);
  if (code == MPT_DONE) code = mpt_config_of_result(text, config, read, error);
  free(text);
  return code;
}

mpt_code mpt_show_derivatives(const mpt_view *view, int64_t n, int64_t count, const double *w,
                              const int32_t *id, double min_gap, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const spectrum s = {count, w, id, mpt_spectral_norm(count, w)};
  mpt_config config = {0};
  bool read;
  if (count == 0) return MPT_DONE;
  TRY(read_config(view, &config, &read, error));
  const bool whole = count == n || (read && config.select.kind == MPT_SELECT_ALL);
  printf("\n");
  TRY(print_pairs(&s, whole || min_gap < 0 ? mpt_min_gap(count, w, id, s.norm) : min_gap, error));
  if (!whole) print_ends(&s, min_gap);
  if (read) print_named(&s, &config, whole);
done:
  mpt_config_release(&config);
  return code;
}

static void name_ranges(const mpt_config *c, mpt_text *names) {
  for (int64_t f = 0; f < c->functions.count; f++) {
    const mpt_named_function *named = &c->functions.items[f];
    const int64_t *range = mpt_function_range(&named->function);
    if (range)
      mpt_text_add(names, "%s%s [%lld, %lld)", names->length ? ", " : "", named->name,
                   (long long)range[0], (long long)range[1]);
  }
  if (c->reference.file)
    mpt_text_add(names, "%sframe [%lld, %lld)", names->length ? ", " : "",
                 (long long)c->frame_index[0], (long long)c->frame_index[1]);
}

static void name_functions(const mpt_config *c, mpt_text *names) {
  for (int64_t f = 0; f < c->functions.count; f++)
    if (!mpt_function_range(&c->functions.items[f].function))
      mpt_text_add(names, "%s%s (%s)", names->length ? ", " : "", c->functions.items[f].name,
                   mpt_function_name((int)c->functions.items[f].function.kind));
  if (c->reference.file) mpt_text_add(names, "%sframe", names->length ? ", " : "");
}

static void print_undefined(const mpt_config *c, const char *names) {
  bool told[MPT_FUNCTION_KINDS] = {false};
  printf("\n  Nothing is stored: one of %s does not exist at this matrix:\n", names);
  for (int64_t f = 0; f < c->functions.count; f++) {
    const mpt_kind *kind = &mpt_kinds[c->functions.items[f].function.kind];
    bool *once = &told[c->functions.items[f].function.kind];
    if (kind->wants && !*once) printf("    %s wants %s\n", kind->name, kind->wants);
    *once = true;
  }
  if (c->reference.file) printf("    a frame wants a reference that does not miss its subspace\n");
  printf("  A run without it stores the spectrum; shift the matrix, or change 'scale' or the "
         "reference.\n");
}

mpt_code mpt_show_failure(const mpt_view *view, int8_t status, mpt_error *error) {
  mpt_code code;
  mpt_config config = {0};
  mpt_text names = {0};
  bool read;
  TRY(read_config(view, &config, &read, error));
  if (read) (status == MPT_STATUS_SPLIT_MULTIPLET ? name_ranges : name_functions)(&config, &names);
  if (names.exhausted) TRY(mpt_no_memory("name functions", error));
  if (status == MPT_STATUS_SPLIT_MULTIPLET && names.length)
    printf(
        "\n  Nothing is stored: of the ranges %s one ends between equal eigenvalues, where\n"
        "  neither its output nor a derivative is unique%s. Let it begin and end with\n"
        "  whole multiplets: a run without it stores the spectrum, and this command shows them.\n",
        names.data, config.select.kind == MPT_SELECT_ALL ? "" : ", or solve.select does");
  else if (status == MPT_STATUS_SPLIT_MULTIPLET && read)
    printf(
        "\n  Nothing is stored: solve.select ends between equal eigenvalues, and the loss sees a\n"
        "  single vector of them, which has no derivative. Select one more or fewer, so that\n"
        "  the multiplet is whole, or let the loss see its eigenvalues alone.\n");
  else if (status == MPT_STATUS_FUNCTION_UNDEFINED && names.length)
    print_undefined(&config, names.data);
done:
  mpt_text_release(&names);
  mpt_config_release(&config);
  return code;
}
