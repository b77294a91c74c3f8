/* One call of a handler by XLA: its buffers and attributes in the library's terms, and how it ends.
 *
 * A buffer is [*batch, ...], and all buffers of a call have the batch in common. A letter says what
 * it holds of each matrix:
 *
 *   M  [n, n], of the call's type       w  [n], real            i  [n] int32, multiplets
 *   C  [n, columns], of that type       r  one real number      s  one int32, a status
 *   d  [MPT_JAX_NUMBERS] real           m  [2] int32: status and rule        S  one uint32, a seed
 *   x  [columns] real                   j  [columns] int32, multiplets       f  one int32, found
 *   t  [n], of that type              q  [MPT_JAX_REPORTED] real, of a backward pass
 *
 * Calls with an x are of selected eigenpairs, whose columns the attributes tell; else C does.
 *
 * XLA owns all buffers. Nothing here is collective, and calls run on any thread. */
#ifndef MPT_JAX_CALL_H
#define MPT_JAX_CALL_H

#include <multiplet/function.h>
#include <multiplet/gradient.h>
#include <multiplet/selected.h>
#include <xla/ffi/api/c_api.h>

/* Of a matrix: of the certificate, and of the report of a backward pass. */
enum { MPT_JAX_NUMBERS = 7, MPT_JAX_REPORTED = 6 };

/* What becomes of the outputs of a matrix that failed. RAISE: the whole call is an error. */
typedef enum mpt_jax_failed { MPT_JAX_ZERO = 0, MPT_JAX_NAN = 1, MPT_JAX_RAISE = 2 } mpt_jax_failed;

typedef struct mpt_jax_call mpt_jax_call;

/* What a handler takes and gives, and what it does between. */
typedef struct mpt_jax_handler {
  const char *name;        /* the attribute "handler" */
  const char *what;        /* for messages: "gradient of eigh" */
  const char *operands[3]; /* the letters of each way to call it */
  const char *results;
  mpt_code (*body)(mpt_jax_call *call);
} mpt_jax_handler;

struct mpt_jax_call {
  const mpt_jax_handler *handler;
  const XLA_FFI_CallFrame *frame;
  const char *operands; /* the letters of this call */
  mpt_type type;
  int64_t lead, n, columns, count; /* lead: dimensions of the batch; count: its matrices */
  mpt_options options;
  mpt_report *report; /* [count], the call's own */
  int32_t
      *multiplet; /* [count, n], of a selection [count, columns]; likewise, if no result has it */
  mpt_error error;
};

/* A whole call of one of these handlers: checks, its body, failed matrices, notices. Answers XLA's
 * questions about the version of its interface, too. NULL, or an error that XLA owns. */
XLA_FFI_Error *mpt_jax_handle(XLA_FFI_CallFrame *frame, const mpt_jax_handler *handlers,
                              size_t count);

/* The data of an operand or a result by its letter, of several the `nth` from 0; NULL without one.
 */
void *mpt_jax_operand(const mpt_jax_call *call, char letter, int nth);
void *mpt_jax_result(const mpt_jax_call *call, char letter, int nth);

/* A number among the attributes; if it is absent 0, and the call fails. */
double mpt_jax_number(mpt_jax_call *call, const char *name);

/* The selection and the function among the attributes. */
mpt_select mpt_jax_select(mpt_jax_call *call);
mpt_function mpt_jax_function(mpt_jax_call *call);

/* Element k of an array of the call's real type, as a double. */
double mpt_jax_real(const mpt_jax_call *call, const void *array, int64_t k);
void mpt_jax_set_real(const mpt_jax_call *call, void *array, int64_t k, double value);

/* Told of matrices that failed and of warnings, at most once a call and status; on the call's
 * thread. matrix: the first of `such` among `count`, or of warnings the worst; value: its number.
 */
typedef void mpt_jax_listener(const char *what, int32_t status, int64_t matrix, int64_t count,
                              int64_t such, double value);

/* Who is told from now on; NULL: nobody. */
MPT_API void mpt_jax_listen(mpt_jax_listener *listener);

#endif
