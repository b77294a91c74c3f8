/* Reading the data of one problem for the gradient check. Private to check*.c. */
#ifndef MPT_CHECK_READ_H
#define MPT_CHECK_READ_H

#include "check/check_difference.h"

/* The files that a loss is read from. */
typedef struct mpt_check_sources {
  mpt_view pairs; /* the forward result of a two-pass job; its name is NULL where there is none */
  hid_t cotangents, direction;
} mpt_check_sources;
mpt_code mpt_check_sources_open(const mpt_check *check, mpt_check_sources *sources,
                                mpt_error *error);
void mpt_check_sources_close(mpt_check_sources *sources);

/* Reads a matrix [n, columns] of either scalar type as a column-major complex one. */
mpt_code mpt_loss_read(const mpt_loss *loss, hid_t file, const char *path, int64_t problem,
                       int64_t columns, double complex *out, mpt_error *error);

/* The same for a Hermitian matrix, of which `triangle` is used. */
mpt_code mpt_loss_read_hermitian(const mpt_loss *loss, hid_t file, const char *path,
                                 int64_t problem, mpt_triangle triangle, double complex *out,
                                 mpt_error *error);

/* Reads a row of real numbers. */
mpt_code mpt_loss_read_row(hid_t file, const char *path, int64_t problem, int64_t n, double *out,
                           mpt_error *error);

/* Reads everything of one problem but its gradient; *usable is false when the matrix has no
 * eigenpairs. */
mpt_code mpt_loss_load(const mpt_check *check, const mpt_check_sources *sources,
                       const mpt_check_group *group, int64_t problem, mpt_loss *loss, bool *usable,
                       mpt_error *error);

/* Whether pair j of all eigenpairs belongs to a multiplet of which only some pairs are stored. */
bool mpt_loss_is_cut(const mpt_loss *loss, int64_t j);

/* Moves columns 0 to found - 1, of `width` values each, to their places among all eigenpairs; sets
 * the other columns to zero. */
void mpt_loss_point(const mpt_loss *loss, int64_t width, void *columns, size_t size);

#endif
