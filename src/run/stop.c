#include "run/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t requested;
static int needed = 1;

static void note(int signal_number) {
  (void)signal_number;
  requested = requested + 1;
}

void mpt_stop_install(void) {
  struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
}

bool mpt_stop_requested(void) {
  return requested >= needed;
}

void mpt_stop_needs(int signals) {
  needed = signals;
}
