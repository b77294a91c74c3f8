/* A look at files before anybody opens them; see lookout.h. */
#ifndef MPT_LOOK_H
#define MPT_LOOK_H

#include "config/config.h"

/* Looks at every file that the config reads. Not collective: rank 0 does it for all. */
mpt_code mpt_look_at_inputs(const mpt_config *config, mpt_error *error);

#endif
