/* Errors, memory, log and clock: what every layer uses, independent of matrices. */
#ifndef MPT_BASE_H
#define MPT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <multiplet/status.h>
#include <multiplet/types.h>

/* Goes to `done:` when a local call failed; the callee has filled in the error. */
#define TRY(call)                                                                                  \
  do {                                                                                             \
    if ((code = (call)) != MPT_DONE) goto done;                                                    \
  } while (0)

/* The same for a collective call that has already agreed on its code among the ranks: all ranks
 * leave here, or none. */
#define TRY_COLL(call) TRY(call)

/* The program's exit code, also used in the service's answers: the code itself, but 2 for
 * MPT_NO_RESOURCE, because the user asked for more than there is. */
int mpt_exit_code(mpt_code code);

/* Zeroed memory for count * size bytes (at least one byte), or NULL on overflow or exhaustion. */
void *mpt_alloc(int64_t count, size_t size);

/* MPT_NO_RESOURCE: "cannot <what>: out of memory (...)". */
mpt_code mpt_no_memory(const char *what, mpt_error *error);

/* As mpt_alloc, with an error that says what the memory was for; *out is NULL after a failure. */
mpt_code mpt_allocate(void *out, int64_t count, size_t size, const char *what, mpt_error *error);

/* The same for `bytes` bytes, aligned for vector loads of any width. Free with free(). */
mpt_code mpt_allocate_aligned(void *out, int64_t bytes, const char *what, mpt_error *error);

/* A formatted string that the caller frees; NULL if memory runs out. */
char *mpt_format(const char *format, ...) MPT_PRINTF(1, 2);

/* For a table of arrays in which the same array is input in some calls and output in others.
 * Whoever stores an input there promises that nothing writes to it. No other code casts const away;
 * -Wcast-qual checks this. */
static inline void *mpt_unconst(const void *input) {
  return (void *)(uintptr_t)input;
}

/* Seconds on a monotonic clock. */
double mpt_now(void);

/* Peak resident memory of this process so far, in bytes; 0 if the system does not report it. */
int64_t mpt_peak_memory(void);

/* Memory that this process may still allocate, in bytes: the system's free memory, limited by the
 * cgroup. */
int64_t mpt_free_memory(void);

/* Copies a caller's structure, which begins with its size, into this library's version of it;
 * members that the caller's header did not have are zero. False for NULL, for an impossible size,
 * or if members that this library does not know are set. `mine` must be zero before. */
bool mpt_receive(const void *his, void *mine, size_t known);

/* Where log lines go, on a rank that speaks: to standard error as "multiplet: ...", or to a
 * listener. */
typedef struct mpt_log {
  bool speaks;
  int rank; /* for debug lines, which come from every rank */
  mpt_listener *listener;
  void *context;
} mpt_log;

/* Returns the previous setting; it is {.speaks = true} at first. */
mpt_log mpt_log_set(mpt_log log);
void mpt_log_speaks(bool speaks);
bool mpt_log_is_heard(void);
bool mpt_log_has_listener(void);
void mpt_note(const char *format, ...) MPT_PRINTF(1, 2);
void mpt_warn(const char *format, ...) MPT_PRINTF(1, 2);

/* With MULTIPLET_LOG=debug in the environment, every rank logs what it does, and where in the
 * source a call failed: "multiplet: debug: rank 1: src/store/open.c:42: cannot ...". */
void mpt_log_rank(int rank);
void mpt_debug(const char *format, ...) MPT_PRINTF(1, 2);
void mpt_fail_from(const char *file, int line);
#define mpt_fail(...) (mpt_fail_from(__FILE__, __LINE__), (mpt_fail)(__VA_ARGS__))

/* The only function that prints an error: "multiplet: error: ...", preceded by its place in a file.
 */
void mpt_print_error(const mpt_error *error);
void mpt_print_error_at(const char *place, const mpt_error *error);

/* Prints the first error that was reported while this process did not speak. The second function
 * moves it into *error instead, and leaves *error unchanged if there was none. */
void mpt_print_held_error(void);
void mpt_take_held_error(mpt_error *error);

/* Text that grows; start with {0}. If memory runs out, the text is not cut off but dropped: nothing
 * can be added any more, and `exhausted` is set, so that one check at the end is enough. */
typedef struct mpt_text {
  char *data; /* NUL-terminated once anything was added; NULL before, and after exhaustion */
  size_t length, capacity;
  bool exhausted;
} mpt_text;
void mpt_text_add(mpt_text *text, const char *format, ...) MPT_PRINTF(2, 3);

/* Appends all of another text, or its exhaustion. */
void mpt_text_join(mpt_text *text, const mpt_text *other);
void mpt_text_release(mpt_text *text);

/* For printing only: the text, or `empty`, or a note that memory ran out. */
const char *mpt_text_shown(const mpt_text *text, const char *empty);

/* The nearest of `count` names to `name` by edit distance, or NULL when none is near. */
const char *mpt_nearest_name(const char *name, const char *const *names, size_t count);

#endif
