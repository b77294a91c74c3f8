/* What of the library XLA may call. One function answers under all names: the attribute "handler"
 * says which of them is meant. */
#ifndef MPT_JAX_HANDLERS_H
#define MPT_JAX_HANDLERS_H

#include "jax/call.h"

MPT_API XLA_FFI_Error *mpt_jax_handler_of_all(XLA_FFI_CallFrame *frame);

#endif
