/* The status of a problem and the return code of a call.
 *
 * A problem (one matrix) that fails is data: it gets a status, its outputs are zero and the batch
 * goes on. A call that fails returns an mpt_code and leaves one line of text in an
 * mpt_error. Nothing here is collective. */
#ifndef MULTIPLET_STATUS_H
#define MULTIPLET_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MPT_API __attribute__((visibility("default")))
#define MPT_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define MPT_API
#define MPT_PRINTF(a, b)
#endif

/* The numbers are part of the result file's format. */
typedef enum mpt_status {
  MPT_STATUS_PENDING = 0,
  MPT_STATUS_OK = 1,
  MPT_STATUS_GAUGE_DEPENDENT = 2, /* a warning: gradient written, the gauge part dropped */
  MPT_STATUS_NONFINITE_INPUT = 3,
  MPT_STATUS_NOT_HERMITIAN = 4,
  MPT_STATUS_NO_CONVERGENCE = 5,
  MPT_STATUS_FUNCTION_UNDEFINED = 6,
  MPT_STATUS_SPLIT_MULTIPLET = 7,
  MPT_STATUS_NONFINITE_COTANGENT = 8,
  MPT_STATUS_INTERNAL = 9,
  MPT_STATUS_TOO_MANY_IN_RANGE = 10,
  MPT_STATUS_SUBGRADIENT = 11, /* a warning: eigenvalue cotangents that differ among equal
                           eigenvalues were replaced by their mean */
  /* 12 is kept for matrices of generalized problems that are not positive definite */
  MPT_STATUS_NULL_SPACE = 13, /* a warning: the loss, or a direction, moves eigenvalues that are
                           zero, where a function has no derivative: that part was dropped. Of
                           several warnings, the status is the first of GAUGE_DEPENDENT, NULL_SPACE,
                           SUBGRADIENT */
  MPT_STATUS_COUNT
} mpt_status;

/* The return value of a call. The program exits with the same number, except that MPT_NO_RESOURCE
 * becomes 2. */
typedef enum mpt_code {
  MPT_DONE = 0,
  MPT_BAD_USAGE = 2,   /* command line, config, an argument out of range */
  MPT_BAD_INPUT = 3,   /* a file that is missing or has the wrong rank, shape or type */
  MPT_SOME_FAILED = 4, /* finished, and some problems failed */
  MPT_BAD_OUTPUT = 5,  /* the result could not be written */
  MPT_NO_RESOURCE = 6, /* more asked for than there is: memory, ranks */
  MPT_STOPPED = 75     /* stopped early, can be continued */
} mpt_code;

/* One line: "<what failed>: <why> (<how to mend it>)". */
typedef struct mpt_error {
  mpt_code code;
  char text[1000];
} mpt_error;

/* What a line of a job's log is. */
typedef enum mpt_level {
  MPT_LEVEL_DEBUG = 0, /* with MULTIPLET_LOG=debug in the environment only */
  MPT_LEVEL_NOTE = 1,  /* what is done, how far it is, how it ended */
  MPT_LEVEL_WARNING = 2,
  MPT_LEVEL_ERROR = 3 /* "<where>: <what failed>: <why> (<how to mend it>)" */
} mpt_level;

/* Takes one line, which has no newline in it and is gone after the call. */
typedef void mpt_listener(void *context, mpt_level level, const char *line);

/* "OK", "GAUGE_DEPENDENT", ...; NULL if there is no such status, as for numbers below
 * MPT_STATUS_COUNT that are not in use. Static storage. */
MPT_API const char *mpt_status_name(int status);

/* The meaning of a status in one sentence; NULL when there is no such status. Static storage.
 */
MPT_API const char *mpt_status_meaning(int status);

/* True for failures: outputs are zero. */
MPT_API int mpt_status_is_failure(int status);

/* True for OK and for the warnings: outputs are valid. */
MPT_API int mpt_status_is_solved(int status);

/* Writes the text, sets and returns the code; `error` may be NULL. */
MPT_API mpt_code mpt_fail(mpt_error *error, mpt_code code, const char *format, ...)
    MPT_PRINTF(3, 4);

MPT_API const char *mpt_version(void);

#ifdef __cplusplus
}
#endif
#endif
