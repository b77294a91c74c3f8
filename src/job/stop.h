/* SIGTERM and SIGUSR1: finish the problems in hand, write, exit 75. */
#ifndef MPT_STOP_H
#define MPT_STOP_H

#include <stdbool.h>

void mpt_stop_install(void);
bool mpt_stop_requested(void);

#endif
