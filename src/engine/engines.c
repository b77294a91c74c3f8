/* All engines, and what they have in common. */
#include "engine/engine.h"

#include <stdio.h>
#include "engine/blas_library.h"

static const mpt_engine *const engines[] = {
    &mpt_lapack,
#ifdef MPT_WITH_SCALAPACK
    &mpt_scalapack,
#endif
    &mpt_lanes,
    NULL,
};

const mpt_engine *mpt_engine_for(const mpt_shape *shape) {
  for (const mpt_engine *const *e = engines; *e; e++)
    if ((*e)->suits && (*e)->suits(shape)) return *e;
  return &mpt_lapack;
}

const mpt_engine *mpt_engine_for_team(void) {
  for (const mpt_engine *const *e = engines; *e; e++)
    if ((*e)->takes_team) return *e;
  return NULL;
}

const mpt_engine *mpt_engine_with(mpt_engine_id id) {
  for (const mpt_engine *const *e = engines; *e; e++)
    if ((*e)->id == id) return *e;
  return NULL;
}

const char *mpt_kernels(void) {
  static char text[64];
  const char *blas = mpt_blas_kernels();
  size_t at = (size_t)snprintf(text, sizeof text, "%s", blas);
  for (const mpt_engine *const *e = engines; *e && at < sizeof text; e++)
    if ((*e)->kernels)
      at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", at ? ", " : "", (*e)->name,
                             (*e)->kernels());
  return text;
}

const char *mpt_blas_description(void) {
  static char text[256];
  snprintf(text, sizeof text, "%s; kernels: %s", mpt_blas_config(), mpt_kernels());
  return text;
}
