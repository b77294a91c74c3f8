/* The state of the process that a job changes. The program has a process of its own and does not
 * need this; mpt_run_job gives back the state that its caller had. */
#ifndef MPT_CALLER_H
#define MPT_CALLER_H

#include <fenv.h>
#include <hdf5.h>
#include <locale.h>
#include "base/base.h"
#include "engine/blas_library.h"
#include "run/stop.h"

typedef struct mpt_caller {
  mpt_log log;
  mpt_stop_before stop;
  int blas_threads[MPT_BLAS_LIBRARIES];
  fenv_t floating_point;
  locale_t locale, job_locale;
  unsigned hdf5_new; /* which of HDF5's two kinds of error printer the caller has */
  H5E_auto2_t hdf5_print;
#ifndef H5_NO_DEPRECATED_SYMBOLS
  H5E_auto1_t hdf5_old_print;
#endif
  void *hdf5_context;
  hid_t hdf5_errors;
} mpt_caller;

/* Saves the caller's state and sets what jobs run with: signals are caught, lines go to `log`. Not
 * collective. */
void mpt_caller_leave(mpt_caller *caller, mpt_log log);

/* Restores the caller's state; returns how many signals came. */
int mpt_caller_return(const mpt_caller *caller);

#endif
