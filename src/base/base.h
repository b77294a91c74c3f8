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

/* Zeroed memory for count * size bytes (one byte at least), or NULL on overflow or exhaustion. */
void *mpt_alloc(int64_t count, size_t size);

/* As mpt_alloc, reporting the failure with what it was for: *out is NULL then. */
mpt_code mpt_allocate(void *out, int64_t count, size_t size, const char *what, mpt_error *error);

/* The same for `bytes` bytes that vectors of any width may be loaded from; freed by free(). */
mpt_code mpt_allocate_aligned(void *out, int64_t bytes, const char *what, mpt_error *error);

/* A formatted string that the caller frees; NULL when memory is out. */
char *mpt_format(const char *format, ...) MPT_PRINTF(1, 2);

/* Seconds on a monotonic clock. */
double mpt_now(void);

/* Peak resident memory of this process so far, in bytes; 0 where the system does not say. */
int64_t mpt_peak_memory(void);

/* Memory that this process may still take, in bytes: the system's free memory under the cgroup's
 * limit. */
int64_t mpt_free_memory(void);

/* Log lines go to standard error as "multiplet: ...", on the rank that mpt_log_speaks chose. */
void mpt_log_speaks(bool speaks);
bool mpt_log_is_heard(void);
void mpt_note(const char *format, ...) MPT_PRINTF(1, 2);
void mpt_warn(const char *format, ...) MPT_PRINTF(1, 2);

/* The one place that prints an error: "multiplet: error: ..." */
void mpt_print_error(const mpt_error *error);

/* Text that grows; start it with {0}. */
typedef struct mpt_text {
  char *data; /* NUL-terminated once anything was added */
  size_t length, capacity;
} mpt_text;
void mpt_text_add(mpt_text *text, const char *format, ...) MPT_PRINTF(2, 3);
void mpt_text_release(mpt_text *text);

/* The name of `count` names that is nearest to `name` by edit distance, or NULL when none is
 * near. */
const char *mpt_nearest_name(const char *name, const char *const *names, size_t count);

#endif
