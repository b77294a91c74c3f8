#define _GNU_SOURCE
#include "store/lookout.h"

#include <errno.h>
#include <fcntl.h>
#include <multiplet/job.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include "store/input.h"

enum { LONGEST_NAME = 1 << 16, MOST_LOOKS = 1000, REMEMBERED = 64, FILES_INHERITED = 256 };
static const double default_seconds = 60;

/* The outcome of a look at a file. */
typedef struct outcome {
  enum { SEEN, CRASHED, TIMED_OUT } kind;
  int signal; /* after a crash, or 0 */
} outcome;

/* The lookout as this process sees it: its socket and its process. In the lookout itself, `child`
 * is its own child. */
static struct lookout {
  int socket;
  pid_t process;
  int looks; /* that the child has done */
} lookout = {-1, 0, 0}, child = {-1, 0, 0};

/* Files that were fine and had not changed for a while. */
static mpt_identity remembered[REMEMBERED];
static int next_place;

static bool send_all(int socket, const void *data, size_t bytes) {
  for (const char *at = data; bytes;) {
    const ssize_t sent = send(socket, at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    bytes -= (size_t)sent;
  }
  return true;
}

static bool receive_all(int socket, void *data, size_t bytes) {
  for (char *at = data; bytes;) {
    const ssize_t got = recv(socket, at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= (size_t)got;
  }
  return true;
}

static bool send_name(int socket, const char *name) {
  const uint32_t length = (uint32_t)strlen(name) + 1;
  return length <= LONGEST_NAME && send_all(socket, &length, sizeof length) &&
         send_all(socket, name, length);
}

static bool receive_name(int socket, char *name) {
  uint32_t length;
  return receive_all(socket, &length, sizeof length) && length > 0 && length <= LONGEST_NAME &&
         receive_all(socket, name, length) && name[length - 1] == 0;
}

/* Detaches a forked process from its parent: it keeps only its end of the socket, because a pipe
 * that it held open would keep a launcher waiting. It ends with its parent, and not by a signal
 * sent to the job. */
static void stand_alone(int socket) {
  static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
  for (size_t k = 0; k < sizeof ignored / sizeof *ignored; k++) signal(ignored[k], SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "multiplet-look");
#endif
  const int nothing = open("/dev/null", O_RDWR);
  for (int k = 0; k < 3; k++) dup2(nothing, k);
  for (int k = 3; k < FILES_INHERITED; k++)
    if (k != socket) close(k);
}

/* Forks; the child's end of the socket is `theirs`. False when it fails. */
static bool fork_with_socket(struct lookout *out, int *theirs) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) return false;
  const pid_t process = fork();
  if (process != 0) close(ends[1]);
  if (process <= 0) close(ends[0]);
  if (process < 0) return false;
  *theirs = ends[1];
  *out = (struct lookout){ends[0], process, 0};
  return true;
}

/* The child's loop; does not return. */
static void look_for_ever(int socket) {
  const char seen = 1;
  char *name = malloc(LONGEST_NAME);
  const struct rlimit no_core = {0, 0};
  stand_alone(socket);
  setrlimit(RLIMIT_CORE, &no_core);
  while (name && receive_name(socket, name)) {
    mpt_visit_file(name);
    if (!send_all(socket, &seen, sizeof seen)) break;
  }
  _exit(0);
}

static int end_child(void) {
  int how = 0;
  kill(child.process, SIGKILL);
  while (waitpid(child.process, &how, 0) < 0 && errno == EINTR) continue;
  close(child.socket);
  child.socket = -1;
  return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

/* Whether the child answers in time. */
static bool answers(double seconds) {
  struct pollfd wait = {.fd = child.socket, .events = POLLIN};
  const double until = mpt_now() + seconds;
  for (double left = seconds; left > 0; left = until - mpt_now()) {
    const int found = poll(&wait, 1, left < 1e6 ? (int)(left * 1e3) + 1 : 1000000000);
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return true;
  }
  return false;
}

static double seconds_allowed(void) {
  const char *text = getenv("MULTIPLET_LOOK_SECONDS");
  const double seconds = text ? strtod(text, NULL) : 0;
  return seconds > 0 ? seconds : default_seconds;
}

/* Lets the child look at a file. If a child that has looked at other files before crashes, a new
 * child looks again. */
static outcome let_look(const char *name) {
  char seen;
  int theirs = -1;
  for (;;) {
    if (child.socket >= 0 && child.looks >= MOST_LOOKS) end_child();
    if (child.socket < 0 && !fork_with_socket(&child, &theirs)) return (outcome){SEEN, 0};
    if (child.process == 0) look_for_ever(theirs);
    const bool fresh = child.looks++ == 0;
    if (send_name(child.socket, name) && !answers(seconds_allowed())) {
      end_child();
      return (outcome){TIMED_OUT, 0};
    }
    if (receive_all(child.socket, &seen, sizeof seen)) return (outcome){SEEN, 0};
    int how = 0;
    while (waitpid(child.process, &how, 0) < 0 && errno == EINTR) continue;
    close(child.socket);
    child.socket = -1;
    if (fresh) return (outcome){CRASHED, WIFSIGNALED(how) ? WTERMSIG(how) : 0};
  }
}

/* The lookout's loop. Does not return: it ends when the other end of the socket is closed. */
static void look_out(int socket) {
  char *name = malloc(LONGEST_NAME);
  stand_alone(socket);
  while (name && receive_name(socket, name)) {
    const outcome o = let_look(name);
    if (!send_all(socket, &o, sizeof o)) break;
  }
  if (child.socket >= 0) end_child();
  _exit(0);
}

void mpt_lookout_start(void) {
  int initialized = 0, theirs = -1;
  MPI_Initialized(&initialized);
  if (initialized || lookout.socket >= 0) return;
  if (fork_with_socket(&lookout, &theirs) && lookout.process == 0) look_out(theirs);
}

static bool is_remembered(const mpt_identity *file) {
  for (int k = 0; k < REMEMBERED; k++)
    if (mpt_same_identity(&remembered[k], file)) return true;
  return false;
}

static mpt_code report(const char *name, const char *what, const outcome *o, mpt_error *error) {
  if (o->kind == TIMED_OUT)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use %s '%s': looking at it took longer than %g s, the HDF5 file is "
                    "damaged (make it again, or allow more in MULTIPLET_LOOK_SECONDS)",
                    what, name, seconds_allowed());
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot use %s '%s': libhdf5 crashed looking at it (%s), the HDF5 file is damaged "
      "(make it again)",
      what, name, o->signal ? strsignal(o->signal) : "it ended");
}

mpt_code mpt_look_at(const char *name, const char *what, mpt_error *error) {
  mpt_identity file;
  outcome o = {SEEN, 0};
  mpt_error ignored;
  if (!name || !mpt_identify(name, &file) || is_remembered(&file)) return MPT_DONE;
  if (mpt_expect_file(name, what, &ignored) != MPT_DONE) return MPT_DONE;
  mpt_lookout_start();
  if (lookout.socket < 0) return MPT_DONE;
  if (!send_name(lookout.socket, name) || !receive_all(lookout.socket, &o, sizeof o)) {
    close(lookout.socket); /* the lookout has died: go on without it */
    lookout.socket = -1;
    return MPT_DONE;
  }
  if (o.kind != SEEN) return report(name, what, &o, error);
  if (mpt_is_settled(&file)) remembered[next_place++ % REMEMBERED] = file;
  return MPT_DONE;
}
