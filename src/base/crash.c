#include "base/crash.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum { SECONDS = 5, FAULTS = 5 };
static const int faults[FAULTS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction before[FAULTS];
static void (*first)(void);

static void crash(int signal_number) {
  sigset_t alarm_alone;
  signal(SIGALRM, SIG_DFL);
  sigemptyset(&alarm_alone);
  sigaddset(&alarm_alone, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm_alone, NULL);
  alarm(SECONDS);
  if (first) first();
  for (int k = 0; k < FAULTS; k++)
    if (faults[k] == signal_number) sigaction(signal_number, &before[k], NULL);
  raise(signal_number);
}

void mpt_on_crash(void (*note)(void)) {
  struct sigaction action = {.sa_handler = crash, .sa_flags = SA_NODEFER};
  first = note;
  for (int k = 0; k < FAULTS; k++) {
    struct sigaction now;
    sigaction(faults[k], NULL, &now);
    if (now.sa_handler == crash) continue;
    before[k] = now;
    sigaction(faults[k], &action, NULL);
  }
}
