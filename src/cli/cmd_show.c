/* multiplet show: the argument selects the view */
#include "cli/cli.h"
#include "store/lookout.h"
#include "cli/show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct request {
  const char *target; /* as given */
  bool all;
  char *file, *group; /* group is NULL: the whole file */
  const char *index;  /* in `group`, after its '['; NULL: the whole group */
} request;

static const mpt_option options[] = {
    {"--all", NULL, "print every line; without it long lists are cut in the middle"},
};

static const mpt_usage usage = {
    "show",
    "RESULT.h5[:/GROUP[INDEX]]",
    "Print a result file: a summary of its groups, one group, or one problem's spectrum.",
    options,
    1,
    "RESULT.h5         the outcome of each dataset of the input\n"
    "RESULT.h5:/H      the outcome of each problem of dataset /H\n"
    "RESULT.h5:/H[3]   the spectrum of problem 3, grouped by multiplets; of [*, n, n], also "
    "/H[0, 3]\n"};

static mpt_code take_argument(void *context, int index, const char *value, mpt_error *error) {
  request *r = context;
  if (index == 0) {
    r->all = true;
    return MPT_DONE;
  }
  if (r->target)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%.64s': the result is '%.64s' already (show one at a time)", value,
                    r->target);
  r->target = value;
  return MPT_DONE;
}

static mpt_code split_target(request *r, mpt_error *error) {
  if (!r->target)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "no result file: nothing to show (multiplet show RESULT.h5)");
  const char *colon = NULL;
  for (const char *c = r->target; access(r->target, F_OK) && (c = strstr(c, ":/")); c++) colon = c;
  r->file =
      colon ? mpt_format("%.*s", (int)(colon - r->target), r->target) : mpt_format("%s", r->target);
  if (colon) r->group = mpt_format("%s", colon + 1);
  if (!r->file || (colon && !r->group))
    return mpt_fail(error, MPT_NO_RESOURCE, "cannot copy a name: out of memory (free some)");
  return MPT_DONE;
}

/* Cuts "[INDEX]" off the group's name, unless there is a group with that full name. */
static void split_index(request *r, const mpt_view *view) {
  size_t length = strlen(r->group);
  char *bracket = strrchr(r->group, '[');
  if (mpt_view_find(view, r->group) || !bracket || r->group[length - 1] != ']') return;
  r->group[length - 1] = *bracket = '\0';
  r->index = bracket + 1;
}

static mpt_code find_group(const request *r, const mpt_view *view, const mpt_view_group **group,
                           mpt_error *error) {
  *group = mpt_view_find(view, r->group);
  if (*group) return MPT_DONE;
  mpt_text names = {0};
  for (int64_t g = 0; g < view->count; g++)
    mpt_text_add(&names, "%s%s", g ? ", " : "", view->groups[g].path);
  mpt_fail(error, MPT_BAD_INPUT, "cannot show '%s' of '%s': there is no such group (there is: %s)",
           r->group, r->file, mpt_text_shown(&names, "none"));
  mpt_text_release(&names);
  return MPT_BAD_INPUT;
}

static mpt_code no_index(const request *r, const mpt_view_group *group, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot use '[%.64s]': not an index (give %s, as in %s[0%s])", r->index,
                  group->leading > 1 ? "an integer, or one for each dimension" : "an integer",
                  group->path, group->leading > 1 ? ", 1" : "");
}

/* The error for an index out of range; it names the largest index. */
static mpt_code out_of_range(const request *r, const mpt_view_group *group, mpt_error *error) {
  char last[160];
  if (group->count == 0)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot show %s[%s]: the group holds no problems (show the whole file)",
                    group->path, r->index);
  if (group->leading < 2)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot show %s[%s]: the index is out of range (give 0 to %lld)", group->path,
                    r->index, (long long)group->count - 1);
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot show %s[%s]: the index is out of range (give 0 to %lld, or up to [%s])",
                  group->path, r->index, (long long)group->count - 1,
                  mpt_view_index(group, group->count - 1, last, sizeof last));
}

/* Reads one integer, which counts problems flat in C order, or one index for each leading
 * dimension. */
static mpt_code read_index(const request *r, const mpt_view_group *group, int64_t *index,
                           mpt_error *error) {
  long long values[MPT_MOST_LEADING];
  int count = 0;
  const char *at = r->index;
  char *end = NULL;
  bool within = true;
  if (strspn(at, "-0123456789, ") != strlen(at)) return no_index(r, group, error);
  for (;; at = end + 1) {
    errno = 0;
    values[count++] = strtoll(at, &end, 10);
    within &= !errno;
    if (end == at) return no_index(r, group, error);
    while (*end == ' ') end++;
    if (*end != ',' || count == MPT_MOST_LEADING) break;
  }
  if (*end || (count > 1 && count != group->leading)) return no_index(r, group, error);
  *index = 0;
  for (int k = 0; k < count && within; k++) {
    const int64_t extent = count == 1 ? group->count : (int64_t)group->lead[k];
    within = values[k] >= 0 && values[k] < extent;
    *index = *index * extent + values[k];
  }
  return within ? MPT_DONE : out_of_range(r, group, error);
}

static mpt_code show(request *r, const mpt_view *view, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_view_group *group;
  int64_t index = 0;
  if (!r->group || !strcmp(r->group, "/")) return mpt_show_result(view, error);
  split_index(r, view);
  TRY(find_group(r, view, &group, error));
  if (!r->index) return mpt_show_group(view, group, r->all, error);
  TRY(read_index(r, group, &index, error));
  return mpt_show_problem(view, group, index, r->all, error);
done:
  return code;
}

int mpt_cmd_show(int argc, char **argv) {
  mpt_code code;
  bool helped = false;
  mpt_error problem = {0}, *error = &problem;
  request r = {0};
  mpt_view view = {0};
  TRY(mpt_parse_options(&usage, argc, argv, take_argument, &r, &helped, error));
  if (helped) goto done;
  TRY(split_target(&r, error));
  TRY(mpt_look_at(r.file, "result", error));
  TRY(mpt_view_open(r.file, &view, error));
  TRY(show(&r, &view, error));
done:
  if (code != MPT_DONE) mpt_print_error(error);
  mpt_view_close(&view);
  free(r.file);
  free(r.group);
  return code;
}
