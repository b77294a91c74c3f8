#define _GNU_SOURCE
#include "run/caller.h"

#include <string.h>

/* Saves the error stack first: every other call of HDF5 empties it. */
static void save_hdf5(mpt_caller *c) {
  c->hdf5_errors = H5Eget_current_stack();
  c->hdf5_new = 1;
#ifndef H5_NO_DEPRECATED_SYMBOLS
  H5Eauto_is_v2(H5E_DEFAULT, &c->hdf5_new);
  if (!c->hdf5_new) H5Eget_auto1(&c->hdf5_old_print, &c->hdf5_context);
#endif
  if (c->hdf5_new) H5Eget_auto2(H5E_DEFAULT, &c->hdf5_print, &c->hdf5_context);
}

static void restore_hdf5(const mpt_caller *c) {
#ifndef H5_NO_DEPRECATED_SYMBOLS
  if (!c->hdf5_new) H5Eset_auto1(c->hdf5_old_print, c->hdf5_context);
#endif
  if (c->hdf5_new) H5Eset_auto2(H5E_DEFAULT, c->hdf5_print, c->hdf5_context);
  if (c->hdf5_errors >= 0) H5Eset_current_stack(c->hdf5_errors);
}

void mpt_caller_leave(mpt_caller *c, mpt_log log) {
  *c = (mpt_caller){.log = mpt_log_set(log)};
  save_hdf5(c);
  mpt_blas_save_threads(c->blas_threads);
  fegetenv(&c->floating_point);
  fesetenv(FE_DFL_ENV);                                     /* no traps, no flushing to zero */
  c->job_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* writes 0.5, not 0,5 */
  c->locale = uselocale(c->job_locale);
  mpt_stop_begin(&c->stop);
}

int mpt_caller_return(const mpt_caller *c) {
  const int signals = mpt_stop_end(&c->stop);
  uselocale(c->locale);
  if (c->job_locale) freelocale(c->job_locale);
  fesetenv(&c->floating_point);
  mpt_blas_restore_threads(c->blas_threads);
  restore_hdf5(c);
  mpt_log_set(c->log);
  return signals;
}
