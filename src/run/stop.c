#include "run/stop.h"

#include <stddef.h>

static const int caught[MPT_STOP_SIGNALS] = {SIGTERM, SIGUSR1};
static volatile sig_atomic_t requested;
static int needed = 1;

static void note(int signal_number) {
  (void)signal_number;
  requested = requested + 1;
}

static void install(struct sigaction *before) {
  struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  for (int k = 0; k < MPT_STOP_SIGNALS; k++)
    sigaction(caught[k], &action, before ? &before[k] : NULL);
}

void mpt_stop_install(void) {
  install(NULL);
}

void mpt_stop_begin(mpt_stop_before *before) {
  requested = 0;
  install(before->actions);
}

int mpt_stop_end(const mpt_stop_before *before) {
  for (int k = 0; k < MPT_STOP_SIGNALS; k++) sigaction(caught[k], &before->actions[k], NULL);
  const int came = requested;
  requested = 0;
  return came;
}

bool mpt_stop_requested(void) {
  return requested >= needed;
}

void mpt_stop_needs(int signals) {
  needed = signals;
}
