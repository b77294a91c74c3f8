/* The C interface on arrays in memory: libmultiplet. Jobs are in multiplet/job.h and
 * libmultiplet-jobs. */
#ifndef MULTIPLET_H
#define MULTIPLET_H

#include "status.h"
#include "types.h"
#include "solver.h"
#include "eigh.h"
#include "gradient.h"
#include "selected.h"
#include "function.h"

#endif
