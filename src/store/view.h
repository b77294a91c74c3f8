/* A result file as readers see it: its groups and what each of them holds. Nothing is collective:
 * every rank opens the file for itself. */
#ifndef MPT_VIEW_H
#define MPT_VIEW_H

#include "store/input.h"

/* The results of one dataset of the input. */
typedef struct mpt_view_group {
  char *path;                 /* of the input dataset, and of this group */
  mpt_quantityset quantities; /* MPT_BIT() of those present */
  int64_t count;              /* of problems, flat in C order over the leading dimensions */
  int64_t n;                  /* -1: no stored quantity tells it */
  int64_t columns; /* eigenvalues of each problem, n unless some were selected; -1: likewise */
  mpt_type type;
  int leading;
  hsize_t lead[MPT_MOST_LEADING];
  bool typed; /* false: only the precision of `type` is known, not whether it is complex */
} mpt_view_group;

typedef struct mpt_view {
  hid_t file;
  char *name;
  mpt_view_group *groups; /* in order of names */
  int64_t count;
  bool chains; /* schema 1.0: multiplets are chains of neighbours within 8 n eps ||A||_2 */
} mpt_view;

/* MPT_BAD_INPUT when the file is missing, not a result, of a later schema, or damaged. */
mpt_code mpt_view_open(const char *name, mpt_view *view, mpt_error *error);
void mpt_view_close(mpt_view *view);

/* The group with this path, or NULL. */
const mpt_view_group *mpt_view_find(const mpt_view *view, const char *path);
static inline bool mpt_view_has(const mpt_view_group *group, mpt_quantity quantity) {
  return group->quantities & MPT_BIT(quantity);
}

/* "3" for problem 3, or "0, 3" where there are several leading dimensions. */
const char *mpt_view_index(const mpt_view_group *group, int64_t problem, char *text, size_t length);

/* The path of a quantity's dataset. NULL when memory is out. The caller frees it. */
char *mpt_view_path(const char *group, const char *name);

/* Reads a quantity that is present, for `count` problems from `first`: one value, or n, of each.
 * Status and solver are read as int8_t, other integers as int32_t, everything else as double. */
mpt_code mpt_view_read(const mpt_view *view, const mpt_view_group *group, mpt_quantity quantity,
                       int64_t first, int64_t count, void *out, mpt_error *error);

#endif
