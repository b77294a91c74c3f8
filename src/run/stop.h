/* SIGTERM and SIGUSR1: finish the problems in hand, write, exit 75. */
#ifndef MPT_STOP_H
#define MPT_STOP_H

#include <stdbool.h>

void mpt_stop_install(void);
bool mpt_stop_requested(void);

/* How many signals it takes; at first one. A service lets the first end it after the work in hand.
 */
void mpt_stop_needs(int signals);

#endif
