/* SIGTERM and SIGUSR1: finish the problems in hand, write, exit 75. */
#ifndef MPT_STOP_H
#define MPT_STOP_H

#include <signal.h>
#include <stdbool.h>

enum { MPT_STOP_SIGNALS = 2 };

/* Catches them to the end of the process. */
void mpt_stop_install(void);

/* Catches them for a while, in which those that came before do not count. */
typedef struct mpt_stop_before {
  struct sigaction actions[MPT_STOP_SIGNALS];
} mpt_stop_before;
void mpt_stop_begin(mpt_stop_before *before);

/* Gives back what was before; returns how many came. */
int mpt_stop_end(const mpt_stop_before *before);

bool mpt_stop_requested(void);

/* How many signals it takes; at first one. A service lets the first end it after the work in hand.
 */
void mpt_stop_needs(int signals);

#endif
