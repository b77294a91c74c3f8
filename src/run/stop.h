/* SIGTERM and SIGUSR1: finish the problems in hand, write, exit 75. */
#ifndef MPT_STOP_H
#define MPT_STOP_H

#include <signal.h>
#include <stdbool.h>

enum { MPT_STOP_SIGNALS = 2 };

/* Catches them until the end of the process. */
void mpt_stop_install(void);

/* Catches them until mpt_stop_end(). Signals that came before do not count. */
typedef struct mpt_stop_before {
  struct sigaction actions[MPT_STOP_SIGNALS];
} mpt_stop_before;
void mpt_stop_begin(mpt_stop_before *before);

/* Restores the earlier actions; returns how many signals came. */
int mpt_stop_end(const mpt_stop_before *before);

bool mpt_stop_requested(void);

/* Sets how many signals are needed to stop; initially one. In a service the first signal lets the
 * work in hand finish and then ends the service. */
void mpt_stop_needs(int signals);

#endif
