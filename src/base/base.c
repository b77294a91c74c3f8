#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>

static const struct {
  const char *name, *meaning;
  bool failure;
} statuses[] = {
    [MPT_STATUS_PENDING] = {"PENDING", "not solved yet", false},
    [MPT_STATUS_OK] = {"OK", "solved, and differentiated where that was asked for", false},
    [MPT_STATUS_GAUGE_DEPENDENT] =
        {"GAUGE_DEPENDENT",
         "the loss depends on the arbitrary basis inside a multiplet; that part "
         "has no gradient and was dropped",
         false},
    [MPT_STATUS_NONFINITE_INPUT] = {"NONFINITE_INPUT", "the matrix holds NaN or infinity", true},
    [MPT_STATUS_NOT_HERMITIAN] = {"NOT_HERMITIAN",
                                  "the matrix differs from its conjugate transpose", true},
    [MPT_STATUS_NO_CONVERGENCE] = {"NO_CONVERGENCE", "the eigensolver did not converge", true},
    [MPT_STATUS_FUNCTION_UNDEFINED] =
        {"FUNCTION_UNDEFINED",
         "a function does not exist for this spectrum or these parameters, or a frame's reference "
         "misses its subspace",
         true},
    [MPT_STATUS_SPLIT_MULTIPLET] =
        {"SPLIT_MULTIPLET", "an index range cuts through a multiplet: its subspace is arbitrary",
         true},
    [MPT_STATUS_NONFINITE_COTANGENT] =
        {"NONFINITE_COTANGENT", "a cotangent holds NaN or infinity, or what it leads to overflows",
         true},
    [MPT_STATUS_INTERNAL] = {"INTERNAL", "the solution failed its own check", true},
    [MPT_STATUS_TOO_MANY_IN_RANGE] = {"TOO_MANY_IN_RANGE", "more eigenvalues in range than at_most",
                                      true},
    [MPT_STATUS_SUBGRADIENT] =
        {"SUBGRADIENT",
         "the loss tells equal eigenvalues apart and is no certified function of the "
         "matrix; the gradient is a mean of its one-sided ones",
         false},
    [MPT_STATUS_NULL_SPACE] =
        {"NULL_SPACE",
         "the loss, or the direction, moves eigenvalues that are zero, where a function has no "
         "derivative; that part was dropped",
         false},
};
_Static_assert(sizeof statuses / sizeof *statuses == MPT_STATUS_COUNT, "a status has no name");
_Static_assert(MPT_STATUS_COUNT <= INT8_MAX, "a status does not fit the int8 of reports and files");

const char *mpt_status_name(int status) {
  return status >= 0 && status < MPT_STATUS_COUNT ? statuses[status].name : NULL;
}

const char *mpt_status_meaning(int status) {
  return status >= 0 && status < MPT_STATUS_COUNT ? statuses[status].meaning : NULL;
}

int mpt_status_is_failure(int status) {
  return !mpt_status_name(status) || statuses[status].failure;
}

int mpt_status_is_solved(int status) {
  return status != MPT_STATUS_PENDING && !mpt_status_is_failure(status);
}

static _Thread_local const char *fail_file; /* where mpt_fail was last called by this project */
static _Thread_local int fail_line;

void mpt_fail_from(const char *file, int line) {
  fail_file = file;
  fail_line = line;
}

mpt_code(mpt_fail)(mpt_error *error, mpt_code code, const char *format, ...) {
  mpt_error unwanted;
  if (!error) error = &unwanted;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  for (char *c = error->text; *c; c++)
    if (*c == '\n') *c = ' ';
  const char *source = fail_file ? strstr(fail_file, "src/") : NULL;
  if (source) mpt_debug("%s:%d: %s", source, fail_line, error->text);
  fail_file = NULL;
  return code;
}

int mpt_exit_code(mpt_code code) {
  return code == MPT_NO_RESOURCE ? MPT_BAD_USAGE : (int)code;
}

const char *mpt_version(void) {
  return MPT_VERSION;
}

static const struct {
  const char *name;
  size_t size, real_size;
  double epsilon;
  bool is_complex;
} types[] = {
    [MPT_FLOAT32] = {"float32", 4, 4, 0x1p-23, false},
    [MPT_FLOAT64] = {"float64", 8, 8, 0x1p-52, false},
    [MPT_COMPLEX64] = {"complex64", 8, 4, 0x1p-23, true},
    [MPT_COMPLEX128] = {"complex128", 16, 8, 0x1p-52, true},
};
_Static_assert(sizeof types / sizeof *types == MPT_TYPE_COUNT, "a type has no row");

static bool is_known(mpt_type type) {
  return (int)type >= 0 && type < MPT_TYPE_COUNT;
}

const char *mpt_type_name(mpt_type type) {
  return is_known(type) ? types[type].name : NULL;
}
size_t mpt_type_size(mpt_type type) {
  return is_known(type) ? types[type].size : 0;
}
size_t mpt_real_size(mpt_type type) {
  return is_known(type) ? types[type].real_size : 0;
}
double mpt_type_epsilon(mpt_type type) {
  return is_known(type) ? types[type].epsilon : 0;
}
int mpt_type_is_complex(mpt_type type) {
  return is_known(type) && types[type].is_complex;
}

int mpt_type_from_name(const char *name, mpt_type *type) {
  for (int t = 0; t < MPT_TYPE_COUNT; t++)
    if (!strcmp(name, types[t].name)) {
      *type = (mpt_type)t;
      return 1;
    }
  return 0;
}

void *mpt_alloc(int64_t count, size_t size) {
  if (count < 0 || (size && (uint64_t)count > SIZE_MAX / size)) return NULL;
  size_t bytes = (size_t)count * size;
  return calloc(bytes ? bytes : 1, 1);
}

mpt_code mpt_no_memory(const char *what, mpt_error *error) {
  return mpt_fail(error, MPT_NO_RESOURCE, "cannot %s: out of memory (free some)", what);
}

static mpt_code out_of_memory(double bytes, const char *what, mpt_error *error) {
  return mpt_fail(error, MPT_NO_RESOURCE,
                  "cannot allocate %.3g GiB for %s: out of memory (use more ranks or nodes)",
                  bytes / 0x1p30, what);
}

mpt_code mpt_allocate(void *out, int64_t count, size_t size, const char *what, mpt_error *error) {
  void *memory = mpt_alloc(count, size);
  memcpy(out, &memory, sizeof memory);
  return memory ? MPT_DONE : out_of_memory((double)count * (double)size, what, error);
}

mpt_code mpt_allocate_aligned(void *out, int64_t bytes, const char *what, mpt_error *error) {
  enum { ALIGNMENT = 128 };
  const int64_t whole = (bytes / ALIGNMENT + 1) * ALIGNMENT;
  void *memory = aligned_alloc(ALIGNMENT, (size_t)whole);
  memcpy(out, &memory, sizeof memory);
  if (!memory) return out_of_memory((double)bytes, what, error);
  memset(memory, 0, (size_t)whole);
  return MPT_DONE;
}

bool mpt_receive(const void *his, void *mine, size_t known) {
  enum { MOST = 4096 };
  size_t size;
  if (!his) return false;
  memcpy(&size, his, sizeof size);
  if (size < sizeof size || size > MOST) return false;
  for (size_t at = known; at < size; at++)
    if (((const char *)his)[at]) return false;
  memcpy(mine, his, size < known ? size : known);
  return true;
}

char *mpt_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = malloc((size_t)length + 1);
  if (!text) return NULL;
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

double mpt_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t number_in_file(const char *path, const char *key) {
  char line[256];
  long long value = -1;
  FILE *file = fopen(path, "r");
  if (!file) return -1;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%lld", &value) == 1) break;
  fclose(file);
  return value;
}

/* Not ru_maxrss first: exec does not reset it, so it includes the peak of the process that started
 * this one. */
int64_t mpt_peak_memory(void) {
  struct rusage usage;
  int64_t kib = number_in_file("/proc/self/status", "VmHWM:");
  if (kib < 0 && !getrusage(RUSAGE_SELF, &usage)) kib = usage.ru_maxrss;
  return kib > 0 ? kib * 1024 : 0;
}

int64_t mpt_free_memory(void) {
  int64_t kib = number_in_file("/proc/meminfo", "MemAvailable:");
  int64_t free_bytes = kib < 0 ? INT64_C(1) << 32 : kib * 1024;
  int64_t limit = number_in_file("/sys/fs/cgroup/memory.max", "");
  int64_t used = number_in_file("/sys/fs/cgroup/memory.current", "");
  if (limit > 0 && used >= 0 && limit - used < free_bytes) free_bytes = limit - used;
  return free_bytes > 0 ? free_bytes : 0;
}

static mpt_log now_log = {.speaks = true};

mpt_log mpt_log_set(mpt_log log) {
  const mpt_log before = now_log;
  now_log = log;
  return before;
}

void mpt_log_speaks(bool value) {
  now_log.speaks = value;
}

bool mpt_log_is_heard(void) {
  return now_log.speaks;
}

bool mpt_log_has_listener(void) {
  return now_log.listener != NULL;
}

void mpt_log_rank(int rank) {
  now_log.rank = rank;
}

enum { LONGEST_LINE = 1200, LONGEST_PLACE = 4200 };

/* Names of files and datasets may contain newlines. */
static void tell_listener(mpt_level level, const char *place, const char *line) {
  char whole[LONGEST_PLACE + LONGEST_LINE];
  snprintf(whole, sizeof whole, "%s%s", place, line);
  for (char *c = whole; *c; c++)
    if (*c == '\n') *c = ' ';
  now_log.listener(now_log.context, level, whole);
}

/* The only function that writes lines to the outside. */
static void emit(mpt_level level, const char *place, const char *line) {
  static const char *const names[] = {[MPT_LEVEL_DEBUG] = "debug: ",
                                      [MPT_LEVEL_NOTE] = "",
                                      [MPT_LEVEL_WARNING] = "warning: ",
                                      [MPT_LEVEL_ERROR] = "error: "};
  if (now_log.listener)
    tell_listener(level, place, line);
  else
    fprintf(stderr, "%smultiplet: %s%s\n", place, names[level], line);
}

static void emit_formatted(mpt_level level, const char *format, va_list arguments) {
  char line[LONGEST_LINE];
  vsnprintf(line, sizeof line, format, arguments);
  emit(level, "", line);
}

static bool debugs(void) {
  const char *level = getenv("MULTIPLET_LOG");
  return level && !strcmp(level, "debug");
}

void mpt_debug(const char *format, ...) {
  char line[LONGEST_LINE];
  if (!debugs()) return;
  const int length = snprintf(line, sizeof line, "rank %d: ", now_log.rank);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
  va_end(arguments);
  emit(MPT_LEVEL_DEBUG, "", line);
}

void mpt_note(const char *format, ...) {
  if (!now_log.speaks) return;
  va_list arguments;
  va_start(arguments, format);
  emit_formatted(MPT_LEVEL_NOTE, format, arguments);
  va_end(arguments);
}

void mpt_warn(const char *format, ...) {
  if (!now_log.speaks) return;
  va_list arguments;
  va_start(arguments, format);
  emit_formatted(MPT_LEVEL_WARNING, format, arguments);
  va_end(arguments);
}

static struct { char place[129], text[1000]; } held; /* the first error while it did not speak */

void mpt_print_error_at(const char *place, const mpt_error *error) {
  if (now_log.speaks) {
    emit(MPT_LEVEL_ERROR, place, error->text);
  } else if (!held.text[0]) {
    snprintf(held.place, sizeof held.place, "%s", place);
    snprintf(held.text, sizeof held.text, "%s", error->text);
  }
}

void mpt_print_error(const mpt_error *error) {
  mpt_print_error_at("", error);
}

void mpt_print_held_error(void) {
  if (held.text[0]) emit(MPT_LEVEL_ERROR, held.place, held.text);
}

void mpt_take_held_error(mpt_error *error) {
  if (held.text[0]) snprintf(error->text, sizeof error->text, "%s%.870s", held.place, held.text);
  held.text[0] = 0;
}

static void lose(mpt_text *text) {
  free(text->data);
  *text = (mpt_text){.exhausted = true};
}

void mpt_text_add(mpt_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = text->exhausted ? -1 : vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) {
    lose(text);
    return;
  }
  size_t need = text->length + (size_t)length + 1;
  if (need > text->capacity) {
    char *grown = realloc(text->data, 2 * need);
    if (!grown) {
      lose(text);
      return;
    }
    text->data = grown;
    text->capacity = 2 * need;
  }
  va_start(arguments, format);
  vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
  va_end(arguments);
  text->length += (size_t)length;
}

void mpt_text_join(mpt_text *text, const mpt_text *other) {
  if (other->exhausted)
    lose(text);
  else if (other->length)
    mpt_text_add(text, "%s", other->data);
}

const char *mpt_text_shown(const mpt_text *text, const char *empty) {
  return text->exhausted ? "(out of memory)" : text->length ? text->data : empty;
}

void mpt_text_release(mpt_text *text) {
  free(text->data);
  *text = (mpt_text){0};
}

static size_t edit_distance(const char *a, const char *b) {
  size_t row[65], width = strlen(b);
  if (width > 64 || strlen(a) > 64) return SIZE_MAX;
  for (size_t j = 0; j <= width; j++) row[j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= width; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[width];
}

const char *mpt_nearest_name(const char *name, const char *const *names, size_t count) {
  const char *nearest = NULL;
  size_t best = strlen(name) / 2 + 2;
  for (size_t k = 0; k < count; k++) {
    size_t distance = edit_distance(name, names[k]);
    if (distance < best) {
      best = distance;
      nearest = names[k];
    }
  }
  return nearest;
}
