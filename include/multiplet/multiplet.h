/* All of multiplet's C interface. */
#ifndef MULTIPLET_H
#define MULTIPLET_H

#include "status.h"
#include "types.h"
#include "eigh.h"
#include "gradient.h"
#include "function.h"
#include "job.h"

#endif
