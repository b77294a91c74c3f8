/* Which outputs of one problem have derivatives at this matrix, which have not, and why. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "show.h"
#include "spectral.h"

enum { NAMED = 6 }; /* multiplets that are named one by one */

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

/* "0-1, 4-6", and how many eigenvalues stand alone. */
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

static void print_pairs(const spectrum *s, double min_gap) {
  mpt_text names = {0};
  const int64_t alone = name_multiplets(s, &names);
  if (alone == s->n) {
    printf("  eigenvalues        each has a derivative: none of them is repeated\n");
    printf("  eigenvectors       each has a derivative, up to its phase");
    if (s->n > 1) printf("; noise grows like 1 / gap, up to %.2g times", 1 / min_gap);
    printf("\n");
  } else {
    printf(
        "  eigenvalues        of %s only the mean: a perturbation splits them, and which goes up "
        "or down\n                     is its choice%s\n",
        names.data ? names.data : "", alone ? "; the others have derivatives" : "");
    printf(
        "  eigenvectors       none within %s: equal eigenvalues let their vectors be turned into "
        "one another\n                     at will; their subspace has a derivative, as a "
        "projector or a frame\n",
        names.data ? names.data : "");
  }
  mpt_text_release(&names);
}

/* Why a range that is no union of multiplets has none, or how wide the gap at its ends is. */
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

static void print_function(const spectrum *s, const mpt_named_function *f) {
  if (f->function.kind == MPT_PROJECTOR)
    print_range(s, f->name, f->function.index);
  else
    printf("  %-18s has a derivative: a smooth function of the matrix (%s) does not see which "
           "eigenvalues are equal\n",
           f->name, mpt_function_name((int)f->function.kind));
}

void mpt_show_derivatives(const mpt_view *view, int64_t n, const double *w, const int32_t *id) {
  const spectrum s = {n, w, id, mpt_spectral_norm(n, w)};
  mpt_config config = {0};
  mpt_error ignored = {0};
  if (n == 0) return;
  printf("\n");
  print_pairs(&s, mpt_min_gap(n, w, id, s.norm));
  char *text = mpt_read_text_attribute(view->file, "config");
  if (text && mpt_config_from_resolved(text, &config, &ignored) == MPT_DONE) {
    for (int64_t f = 0; f < config.functions.count; f++)
      print_function(&s, &config.functions.items[f]);
    if (config.reference.file) print_range(&s, "frame", config.frame_index);
    mpt_config_release(&config);
  }
  free(text);
}
