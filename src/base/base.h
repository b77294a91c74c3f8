/* Errors, memory, log and clock: what every layer uses and nothing that knows of matrices. */
#ifndef MPT_BASE_H
#define MPT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <multiplet/status.h>
#include <multiplet/types.h>

/* Leaves for `done:` when a local call failed; the callee has filled the error. */
#define TRY(call)                                                                                  \
  do {                                                                                             \
    if ((code = (call)) != MPT_DONE) goto done;                                                    \
  } while (0)

/* The same for a collective call that has already agreed on its code among the ranks: every rank
 * leaves here, or none. */
#define TRY_COLL(call) TRY(call)

/* The number that the program ends with and that the service answers: the code itself, but 2 for
 * MPT_NO_RESOURCE, because more was asked for than there is. */
int mpt_exit_code(mpt_code code);

/* Zeroed memory for count * size bytes (one byte at least), or NULL on overflow or exhaustion. */
void *mpt_alloc(int64_t count, size_t size);

/* MPT_NO_RESOURCE: "cannot <what>: out of memory (...)". */
mpt_code mpt_no_memory(const char *what, mpt_error *error);

/* As mpt_alloc, reporting the failure with what it was for: *out is NULL then. */
mpt_code mpt_allocate(void *out, int64_t count, size_t size, const char *what, mpt_error *error);

/* The same for `bytes` bytes that vectors of any width may be loaded from; freed by free(). */
mpt_code mpt_allocate_aligned(void *out, int64_t bytes, const char *what, mpt_error *error);

/* A formatted string that the caller frees; NULL when memory is out. */
char *mpt_format(const char *format, ...) MPT_PRINTF(1, 2);

/* For a table of arrays of which the same one is input in some calls and output in others: who
 * fills it in with input promises that nothing writes there. No other code takes const away, and
 * -Wcast-qual sees to that. */
static inline void *mpt_unconst(const void *input) {
  return (void *)(uintptr_t)input;
}

/* Seconds on a monotonic clock. */
double mpt_now(void);

/* Peak resident memory of this process so far, in bytes; 0 where the system does not say. */
int64_t mpt_peak_memory(void);

/* Memory that this process may still take, in bytes: the system's free memory under the cgroup's
 * limit. */
int64_t mpt_free_memory(void);

/* A caller's structure, which begins with its size, as this library knows it: zeros for what his
 * header had not. False for NULL, for a size that cannot be, or for members that this library does
 * not know. `mine` is zero before. */
bool mpt_receive(const void *his, void *mine, size_t known);

/* Where log lines go: to standard error as "multiplet: ...", or to a listener; on the rank that
 * speaks. */
typedef struct mpt_log {
  bool speaks;
  int rank; /* for debug lines, which come from every rank */
  mpt_listener *listener;
  void *context;
} mpt_log;

/* Returns what was set before; it is {.speaks = true} at first. */
mpt_log mpt_log_set(mpt_log log);
void mpt_log_speaks(bool speaks);
bool mpt_log_is_heard(void);
bool mpt_log_has_listener(void);
void mpt_note(const char *format, ...) MPT_PRINTF(1, 2);
void mpt_warn(const char *format, ...) MPT_PRINTF(1, 2);

/* With MULTIPLET_LOG=debug in the environment, every rank tells what it does, and where in the
 * source a call failed: "multiplet: debug: rank 1: src/store/open.c:42: cannot ...". */
void mpt_log_rank(int rank);
void mpt_debug(const char *format, ...) MPT_PRINTF(1, 2);
void mpt_fail_from(const char *file, int line);
#define mpt_fail(...) (mpt_fail_from(__FILE__, __LINE__), (mpt_fail)(__VA_ARGS__))

/* The one place that prints an error: "multiplet: error: ...", behind where in a file it is. */
void mpt_print_error(const mpt_error *error);
void mpt_print_error_at(const char *place, const mpt_error *error);

/* The first that was printed while this process did not speak; the other forgets it, and leaves
 * *error alone where there was none. */
void mpt_print_held_error(void);
void mpt_take_held_error(mpt_error *error);

/* Text that grows; start it with {0}. Where memory runs out on the way it is never cut: it is gone,
 * nothing can be added any more, and `exhausted` says so to who looks at the end. */
typedef struct mpt_text {
  char *data; /* NUL-terminated once anything was added; NULL before, and when memory was out */
  size_t length, capacity;
  bool exhausted;
} mpt_text;
void mpt_text_add(mpt_text *text, const char *format, ...) MPT_PRINTF(2, 3);

/* All of another text, or its exhaustion. */
void mpt_text_join(mpt_text *text, const mpt_text *other);
void mpt_text_release(mpt_text *text);

/* For what is only printed: the text, or `empty`, or that memory was out. */
const char *mpt_text_shown(const mpt_text *text, const char *empty);

/* The name of `count` names that is nearest to `name` by edit distance, or NULL when none is
 * near. */
const char *mpt_nearest_name(const char *name, const char *const *names, size_t count);

#endif
