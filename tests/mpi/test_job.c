/* mpt_run_job in the test's own process: its results after a signal, its messages and who gets
 * them, and that the process's state is restored. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <fenv.h>
#include <hdf5.h>
#include <locale.h>
#include <math.h>
#include <multiplet/job.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "run/stop.h"

enum { SETS = 6, EACH = 5, LOG_BYTES = 1 << 16 };

static int rank, size;
static char directory[64];

/* The caller's own state. */
static volatile sig_atomic_t own_signals;
static int own_printed, copied, deleted, key;

static void own_handler(int signal_number) {
  (void)signal_number;
  own_signals++;
}

static herr_t own_printer(hid_t stack, void *context) {
  (void)stack;
  (void)context;
  own_printed++;
  return 0;
}

/* Counts duplicates of the caller's communicator, through an attribute. */
static int copy(MPI_Comm comm, int keyval, void *extra, void *in, void *out, int *flag) {
  (void)comm;
  (void)keyval;
  (void)extra;
  memcpy(out, &in, sizeof in);
  *flag = 1;
  copied++;
  return MPI_SUCCESS;
}

static int forget(MPI_Comm comm, int keyval, void *value, void *extra) {
  (void)comm;
  (void)keyval;
  (void)value;
  (void)extra;
  deleted++;
  return MPI_SUCCESS;
}

/* A rank asks whether to stop before each of its units; the signal comes while it asks. */
static int calls_until_signal;
bool __real_mpt_stop_requested(void);
bool __wrap_mpt_stop_requested(void);
bool __wrap_mpt_stop_requested(void) {
  if (calls_until_signal > 0 && --calls_until_signal == 0) raise(SIGTERM);
  return __real_mpt_stop_requested();
}

/* The lines that the listener got. */
typedef struct log {
  char text[LOG_BYTES];
  int lines[MPT_LEVEL_ERROR + 1], newlines;
} log_text;
static log_text told;

static void listen(void *context, mpt_level level, const char *line) {
  log_text *log = context;
  const size_t used = strlen(log->text);
  log->lines[level]++;
  log->newlines += strchr(line, '\n') != NULL;
  snprintf(log->text + used, sizeof log->text - used, "%s\n", line);
}

static bool was_told(const char *part) {
  return strstr(told.text, part) != NULL;
}

static const char *in_directory(const char *name) {
  static char paths[4][128];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof *paths, "%s/%s", directory, name);
  return path;
}

static int64_t n_of(int set, int64_t first_n) {
  return first_n + 2 * set;
}

/* Writes tridiagonal matrices with known spectrum: k + 2 cos(pi j / (n + 1)). */
static void write_set(hid_t file, int set, int64_t n) {
  char name[16];
  double *a = calloc((size_t)(EACH * n * n), sizeof *a);
  const hsize_t shape[3] = {EACH, (hsize_t)n, (hsize_t)n};
  snprintf(name, sizeof name, "/H%d", set);
  for (int64_t k = 0; k < EACH; k++)
    for (int64_t i = 0; i < n; i++) {
      a[(k * n + i) * n + i] = (double)k;
      if (i) a[(k * n + i) * n + i - 1] = a[(k * n + i - 1) * n + i] = 1;
    }
  hid_t space = H5Screate_simple(3, shape, NULL);
  hid_t data =
      H5Dcreate2(file, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, a);
  H5Dclose(data);
  H5Sclose(space);
  free(a);
}

/* Writes `name`.yaml, and `name`-in.h5 with sets of n = first_n, first_n + 2, ...; the result will
 * be `name`-out.h5. Rank 0 writes. */
static void write_job(const char *name, int sets, int64_t first_n, const char *more) {
  char file_name[64];
  if (rank == 0) {
    snprintf(file_name, sizeof file_name, "%s-in.h5", name);
    hid_t file = H5Fcreate(in_directory(file_name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int s = 0; s < sets; s++) write_set(file, s, n_of(s, first_n));
    H5Fclose(file);
    snprintf(file_name, sizeof file_name, "%s.yaml", name);
    FILE *config = fopen(in_directory(file_name), "w");
    fprintf(config, "input: {file: %s-in.h5}\noutput: {file: %s-out.h5}\n%s", name, name, more);
    fclose(config);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

static void check_set(hid_t file, int set, int64_t n, int8_t *statuses) {
  char name[32];
  double *w = malloc(sizeof *w * (size_t)(EACH * n));
  snprintf(name, sizeof name, "/H%d/eigenvalues", set);
  hid_t data = H5Dopen2(file, name, H5P_DEFAULT);
  H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, w);
  H5Dclose(data);
  snprintf(name, sizeof name, "/H%d/status", set);
  data = H5Dopen2(file, name, H5P_DEFAULT);
  H5Dread(data, H5T_NATIVE_INT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, statuses);
  H5Dclose(data);
  for (int64_t k = 0; k < EACH; k++)
    for (int64_t j = 0; j < n && statuses[k] == MPT_STATUS_OK; j++) {
      const double exact = (double)k - 2 * cos(acos(-1) * (double)(j + 1) / (double)(n + 1));
      CHECK(fabs(w[k * n + j] - exact) < 1e-12, "set %d, problem %d: %g is not %g", set, (int)k,
            w[k * n + j], exact);
    }
  free(w);
}

/* Returns the number of solved problems, the same on every rank; checks their eigenvalues. */
static int check_result(const char *name, int sets, int64_t first_n) {
  char file_name[64];
  int solved = 0;
  snprintf(file_name, sizeof file_name, "%s-out.h5", name);
  if (rank == 0) {
    hid_t file = H5Fopen(in_directory(file_name), H5F_ACC_RDONLY, H5P_DEFAULT);
    for (int s = 0; s < sets; s++) {
      int8_t statuses[EACH] = {0};
      check_set(file, s, n_of(s, first_n), statuses);
      for (int k = 0; k < EACH; k++) solved += statuses[k] == MPT_STATUS_OK;
    }
    H5Fclose(file);
  }
  MPI_Bcast(&solved, 1, MPI_INT, 0, MPI_COMM_WORLD);
  return solved;
}

static int blas_threads(void) {
  int (*call)(void) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, "openblas_get_num_threads");
  memcpy(&call, &symbol, sizeof call);
  return call ? call() : 0;
}

static void set_blas_threads(int threads) {
  void (*call)(int) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  memcpy(&call, &symbol, sizeof call);
  if (call) call(threads);
}

/* Everything that a job could leave changed. Handles and pointers are this process's. */
typedef struct process {
  void (*term)(int), (*usr1)(int);
  int blas, openmp, rounding, traps, printed;
  locale_t locale;
  H5E_auto2_t printer;
  void *printer_context;
  ssize_t errors, open;
  int new_comm; /* the handle that the next communicator will get */
  MPI_Errhandler on_error;
} process;

static process look(MPI_Comm comm) {
  process p = {.blas = blas_threads(),
               .openmp = omp_get_max_threads(),
               .rounding = fegetround(),
               .traps = fegetexcept(),
               .printed = own_printed,
               .locale = uselocale((locale_t)0),
               .errors = H5Eget_num(H5E_DEFAULT)}; /* first, because other calls empty the stack */
  struct sigaction action;
  MPI_Comm probe;
  sigaction(SIGTERM, NULL, &action);
  p.term = action.sa_handler;
  sigaction(SIGUSR1, NULL, &action);
  p.usr1 = action.sa_handler;
  H5Eget_auto2(H5E_DEFAULT, &p.printer, &p.printer_context);
  p.open = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
  MPI_Comm_dup(comm, &probe);
  p.new_comm = (int)MPI_Comm_c2f(probe);
  MPI_Comm_free(&probe);
  MPI_Comm_get_errhandler(comm, &p.on_error);
  MPI_Errhandler mine = p.on_error;
  MPI_Errhandler_free(&mine); /* one of two references; the handler still exists */
  return p;
}

/* Leaves an error of the caller's on the stack; look() empties it. */
static void leave_an_error(void) {
  H5Fopen("/nowhere/at/all.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
}

static void compare(const process *a, const process *b) {
  CHECK(a->term == b->term && a->usr1 == b->usr1, "signal handlers differ");
  CHECK(a->blas == b->blas, "BLAS had %d threads and has %d", a->blas, b->blas);
  CHECK(a->openmp == b->openmp, "OpenMP had %d threads and has %d", a->openmp, b->openmp);
  CHECK(a->rounding == b->rounding, "rounding was %d and is %d", a->rounding, b->rounding);
  CHECK(a->traps == b->traps, "traps were %d and are %d", a->traps, b->traps);
  CHECK(a->locale == b->locale, "another locale");
  CHECK(a->printer == b->printer && a->printer_context == b->printer_context, "HDF5's printer");
  CHECK(a->printed == b->printed, "HDF5 printed %d errors", b->printed - a->printed);
  CHECK(a->errors == b->errors, "%d errors on HDF5's stack, now %d", (int)a->errors,
        (int)b->errors);
  CHECK(a->open == b->open, "%d HDF5 objects were open, now %d", (int)a->open, (int)b->open);
  CHECK(a->new_comm == b->new_comm, "a communicator is left: %d, %d", a->new_comm, b->new_comm);
  CHECK(a->on_error == b->on_error, "another error handler on the communicator");
}

/* Redirects standard output and standard error to a file; and back, noting how much was written. */
static int kept[2], capture;
static off_t printed; /* bytes written by the last job */

static void begin_capture(void) {
  char name[] = "/tmp/multiplet-job-XXXXXX";
  capture = mkstemp(name);
  unlink(name);
  fflush(NULL);
  for (int k = 0; k < 2; k++) {
    kept[k] = dup(k + 1);
    dup2(capture, k + 1);
  }
}

static off_t end_capture(void) {
  fflush(NULL);
  for (int k = 0; k < 2; k++) {
    dup2(kept[k], k + 1);
    close(kept[k]);
  }
  const off_t bytes = lseek(capture, 0, SEEK_END);
  close(capture);
  return bytes;
}

static const mpt_job_options quiet = {.size = sizeof quiet, .listener = listen, .context = &told};

/* Calls mpt_run_job in a process with state of its own, which must be the same afterwards. */
static mpt_code run_job(MPI_Comm comm, const char *path, const mpt_job_options *options,
                        mpt_error *error) {
  memset(&told, 0, sizeof told);
  leave_an_error();
  const process before = look(comm);
  leave_an_error();
  own_printed = before.printed;
  copied = deleted = 0;
  begin_capture();
  const mpt_code code = mpt_run_job(comm, path, options, error);
  printed = end_capture();
  CHECK(copied == 1 && deleted == 1, "%d duplicates of the communicator, %d freed", copied,
        deleted);
  const process after = look(comm);
  compare(&before, &after);
  CHECK(before.errors > 0, "no error was on HDF5's stack to be kept");
  const bool listens = options && options->size == sizeof *options && options->listener;
  CHECK(printed == 0 || !listens, "%d bytes printed", (int)printed);
  CHECK(!mpt_log_has_listener(), "lines still go to the listener");
  CHECK(told.newlines == 0, "a line with a newline");
  CHECK(rank == 0 || !told.text[0], "rank %d was told: %s", rank, told.text);
  return code;
}

static mpt_code run_named(const char *name, const mpt_job_options *options, mpt_error *error) {
  char file_name[64];
  snprintf(file_name, sizeof file_name, "%s.yaml", name);
  return run_job(MPI_COMM_WORLD, in_directory(file_name), options, error);
}

/* A job stopped by a signal before the last unit of the last rank is continued to its end; then
 * another job runs. */
static void twice_after_a_signal(void **state) {
  (void)state;
  mpt_error error;
  int signals = -1;
  mpt_job_options options = quiet;
  options.signals = &signals;
  write_job("stopped", SETS, 8, "");
  calls_until_signal = rank == size - 1 ? SETS / size : 0;
  mpt_code code = run_named("stopped", &options, &error);
  CHECK(code == MPT_STOPPED, "code %d: %s", (int)code, error.text);
  CHECK(signals == (rank == size - 1), "%d signals", signals);
  CHECK(rank || (was_told("stopped, to be continued") && was_told("/H0: 5 matrices of n = 8")),
        "told: %s", told.text);
  const int solved = check_result("stopped", SETS, 8);
  CHECK(solved > 0 && solved < SETS * EACH, "%d solved", solved);

  code = run_named("stopped", &options, &error);
  CHECK(code == MPT_DONE && signals == 0, "code %d: %s", (int)code, error.text);
  CHECK(rank || was_told("continuing: "), "told: %s", told.text);
  CHECK(check_result("stopped", SETS, 8) == SETS * EACH, "not all are solved");

  static const char *const overrides[] = {"run.threads=2"};
  options.overrides = overrides;
  options.override_count = 1;
  write_job("other", 2, 5, "solve: {eigenvectors: false}\n");
  code = run_named("other", &options, &error);
  CHECK(code == MPT_DONE, "code %d: %s", (int)code, error.text);
  CHECK(check_result("other", 2, 5) == 2 * EACH, "not all are solved");
  CHECK(own_signals == 0, "the caller's handler was called");
  raise(SIGTERM);
  CHECK(own_signals == 1, "the caller's handler was not called");
  own_signals = 0;
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* A message sent before the job is received after it, and a receive for any message does not get
 * one of the job's. For one set solved by all ranks (several ranks exchange parts), and for many
 * small ones. */
static void messages_do_not_mix(void **state) {
  (void)state;
  mpt_error error;
  MPI_Comm comm;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  write_job("messages", SETS, 40, size > 1 ? "run: {distribute_from: 44}\n" : "");
  const int to = (rank + 1) % size, from = (rank + size - 1) % size;
  int sent[2] = {100 + rank, 200 + rank}, got[2] = {0, 0}, arrived = 1;
  MPI_Request sends[2], wait;
  MPI_Status status;
  MPI_Irecv(&got[0], 1, MPI_INT, MPI_ANY_SOURCE, 7, comm, &wait);
  MPI_Isend(&sent[0], 1, MPI_INT, to, 77, comm, &sends[0]);
  mpt_code code = run_job(comm, in_directory("messages.yaml"), &quiet, &error);
  CHECK(code == MPT_DONE, "code %d: %s", (int)code, error.text);
  MPI_Test(&wait, &arrived, MPI_STATUS_IGNORE);
  CHECK(!arrived, "a message of the job was received: %d", got[0]);
  MPI_Barrier(comm);
  MPI_Isend(&sent[1], 1, MPI_INT, to, 7, comm, &sends[1]);
  MPI_Wait(&wait, &status);
  CHECK(got[0] == 200 + from && status.MPI_SOURCE == from, "received %d", got[0]);
  MPI_Recv(&got[1], 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status);
  CHECK(got[1] == 100 + from && status.MPI_TAG == 77, "received %d", got[1]);
  MPI_Waitall(2, sends, MPI_STATUSES_IGNORE);
  CHECK(check_result("messages", SETS, 40) == SETS * EACH, "not all are solved");
  MPI_Comm_free(&comm);
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* After every way in which a job can end, the process's state is restored. */
static void failures(void **state) {
  (void)state;
  mpt_error error;
  write_job("wrong", 1, 4, "nonsense: 3\n");
  CHECK(run_named("wrong", &quiet, &error) == MPT_BAD_USAGE, "%s", error.text);
  CHECK(!error.text[0], "%s", error.text);
  CHECK(rank || (told.lines[MPT_LEVEL_ERROR] == 1 && was_told("wrong.yaml:3:1: ") &&
                 !was_told("multiplet: error")),
        "told: %s", told.text);
  CHECK(run_named("absent", &quiet, &error) == MPT_BAD_USAGE, "%s", error.text);
  CHECK(rank || was_told("cannot open config"), "told: %s", told.text);

  write_job("no-input", 1, 4, "");
  if (rank == 0) unlink(in_directory("no-input-in.h5"));
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK(run_named("no-input", &quiet, &error) == MPT_BAD_INPUT, "%s", error.text);
  CHECK(strstr(error.text, "no-input-in.h5") && !told.lines[MPT_LEVEL_ERROR], "%s, %s", error.text,
        told.text);
  CHECK(run_named("no-input", &quiet, NULL) == MPT_BAD_INPUT, "without an error to fill");

  /* An error on a later rank, where the config is missing, is reported on all ranks. */
  write_job("half", 1, 4, "");
  const char *path = in_directory(rank ? "nothing.yaml" : "half.yaml");
  const mpt_code code = run_job(MPI_COMM_WORLD, path, &quiet, &error);
  CHECK(code == (size > 1 ? MPT_BAD_USAGE : MPT_DONE), "code %d", (int)code);
  CHECK(size == 1 || strstr(error.text, "cannot open config"), "%s", error.text);
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void bad_arguments(void **state) {
  (void)state;
  mpt_error error;
  mpt_job_options options = quiet;
  write_job("arguments", 1, 4, "");
  CHECK(mpt_run_job(MPI_COMM_NULL, in_directory("arguments.yaml"), &quiet, &error) == MPT_BAD_USAGE,
        "no communicator");
  CHECK(run_job(MPI_COMM_WORLD, NULL, &quiet, &error) == MPT_BAD_USAGE, "no config");
  options.size = rank == size - 1 ? 3 : sizeof options; /* one rank's error is every rank's */
  CHECK(run_named("arguments", &options, &error) == MPT_BAD_USAGE, "a size of 3");
  CHECK(strstr(error.text, "options.size"), "%s", error.text);
  options = quiet;
  options.override_count = 1;
  CHECK(run_named("arguments", &options, &error) == MPT_BAD_USAGE, "no overrides");
  /* An older program's options have no listener: lines are printed. */
  options = (mpt_job_options){.size = offsetof(mpt_job_options, listener), .listener = listen};
  CHECK(run_named("arguments", &options, &error) == MPT_DONE && !told.text[0], "%s", error.text);
  CHECK((printed > 0) == (rank == 0), "%d bytes printed", (int)printed);
  CHECK(run_named("arguments", NULL, &error) == MPT_DONE && !told.text[0], "%s", error.text);
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Many jobs leave no communicator, file or line behind, and a job does not depend on the one
 * before. */
static void a_hundred_jobs(void **state) {
  (void)state;
  mpt_error error;
  mpt_job_options options = quiet;
  options.fresh = 1;
  write_job("tiny", 1, 4, "run: {sync: off}\n");
  for (int k = 0; k < 100; k++) {
    const mpt_code code = run_named("tiny", &options, &error);
    CHECK(code == MPT_DONE, "job %d: code %d: %s", k, (int)code, error.text);
    CHECK(rank || was_told("done in "), "job %d: told %s", k, told.text);
  }
  CHECK(check_result("tiny", 1, 4) == EACH, "not all are solved");
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void on_error(MPI_Comm *comm, int *code, ...) {
  (void)comm;
  (void)code;
}

/* A caller that has set everything to values of its own. */
static void set_caller(MPI_Errhandler *handler) {
  MPI_Comm_create_keyval(copy, forget, &key, NULL);
  MPI_Comm_set_attr(MPI_COMM_WORLD, key, directory);
  MPI_Comm_create_errhandler(on_error, handler);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, *handler);
  signal(SIGTERM, own_handler);
  signal(SIGUSR1, own_handler);
  H5Eset_auto2(H5E_DEFAULT, own_printer, directory);
  set_blas_threads(3);
  omp_set_num_threads(2);
  fesetround(FE_UPWARD);
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
  uselocale(newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0));
}

static int tests(void) {
  MPI_Errhandler handler;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  snprintf(directory, sizeof directory, "/tmp/multiplet-jobs-XXXXXX");
  if (rank == 0 && !mkdtemp(directory)) return 1;
  MPI_Bcast(directory, sizeof directory, MPI_CHAR, 0, MPI_COMM_WORLD);
  set_caller(&handler);
  const struct CMUnitTest list[] = {
      cmocka_unit_test(twice_after_a_signal),
      cmocka_unit_test(messages_do_not_mix),
      cmocka_unit_test(failures),
      cmocka_unit_test(bad_arguments),
      cmocka_unit_test(a_hundred_jobs),
  };
  const int failed = cmocka_run_group_tests(list, NULL, NULL);
  char remove[96];
  snprintf(remove, sizeof remove, "rm -rf '%s'", directory);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0 && system(remove)) return 1;
  MPI_Errhandler_free(&handler);
  MPI_Comm_free_keyval(&key);
  return failed;
}

int main(int argc, char **argv) {
  mpt_error error;
  if (mpt_run_job(MPI_COMM_WORLD, "before-mpi.yaml", NULL, &error) != MPT_BAD_USAGE ||
      !strstr(error.text, "MPI is not initialized"))
    return 1;
  return run_mpi_tests(&argc, &argv, tests);
}
