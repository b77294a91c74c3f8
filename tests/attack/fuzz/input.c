/* Any bytes as an HDF5 file: where looking at it in another process ends well, opening it and
 * reading what is found in this one does, too. What libhdf5 crashes on, the other process is for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fuzz.h"
#include "store/input.h"
#include "store/lookout.h"

enum { MOST = 1 << 16 };

static const char *name(void) {
  static char path[64];
  if (!*path) snprintf(path, sizeof path, "/dev/shm/multiplet-fuzz-%d.h5", (int)getpid());
  return path;
}

/* Whether a look survives, in some seconds. */
static bool looks_well(void) {
  int status = 0;
  const pid_t child = fork();
  expect(child >= 0);
  if (child == 0) {
    alarm(5);
    for (int k = 1; k < 32; k++)
      if (k != SIGKILL && k != SIGSTOP) signal(k, SIG_DFL);
    close(2); /* what libhdf5 does with the file is no finding */
    mpt_visit_file(name());
    _exit(0);
  }
  pid_t ended;
  do ended = waitpid(child, &status, 0); /* the fuzzer's own alarm interrupts it */
  while (ended < 0 && errno == EINTR);
  expect(ended == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void read_first(const mpt_input *input, const mpt_dataset *d) {
  static char out[MOST];
  const int64_t bytes = d->n * d->n * (int64_t)mpt_type_size(d->type);
  if (d->count < 1 || bytes > MOST || bytes < 1) return;
  const mpt_slab part = {0, 1, 0, d->n, d->n, 3};
  hid_t type = mpt_scalar_type(d->type);
  mpt_error error;
  mpt_read_slab(input->file, d->path, &part, type, out, &error);
  H5Tclose(type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mpt_input input;
  mpt_error error = {0};
  const int file = open(name(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  expect(file >= 0 && write(file, data, size) == (ssize_t)size);
  close(file);
  if (!looks_well()) return 0;
  const mpt_code code = mpt_input_open(name(), NULL, 0, &input, &error);
  expect(code == MPT_DONE || code == MPT_BAD_INPUT);
  expect(code == MPT_DONE || (error.text[0] && !strstr(error.text, "(null)")));
  for (int64_t k = 0; code == MPT_DONE && k < input.count; k++)
    read_first(&input, &input.datasets[k]);
  if (code == MPT_DONE) mpt_input_close(&input);
  return 0;
}
