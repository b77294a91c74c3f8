#include "jax/call.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(mpt_jax_listener *) told;

void mpt_jax_listen(mpt_jax_listener *listener) {
  atomic_store(&told, listener);
}

static XLA_FFI_Error *error_of(const XLA_FFI_CallFrame *frame, const mpt_error *error) {
  XLA_FFI_Error_Create_Args args = {.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE,
                                    .message = error->text,
                                    .errc = error->code == MPT_NO_RESOURCE
                                                ? XLA_FFI_Error_Code_RESOURCE_EXHAUSTED
                                                : XLA_FFI_Error_Code_INVALID_ARGUMENT};
  return frame->api->XLA_FFI_Error_Create(&args);
}

/* Of the functions that XLA may call it with; XLA refuses a version that it does not know. */
static void tell_version(XLA_FFI_Extension_Base *extension) {
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
}

static bool is(const XLA_FFI_ByteSpan *span, const char *word) {
  return span->len == strlen(word) && memcmp(span->ptr, word, span->len) == 0;
}

/* The attribute of this name and type, or NULL. */
static const void *attribute(const XLA_FFI_CallFrame *frame, const char *name,
                             XLA_FFI_AttrType type) {
  const XLA_FFI_Attrs *attrs = &frame->attrs;
  for (int64_t k = 0; k < attrs->size; k++)
    if (attrs->types[k] == type && is(attrs->names[k], name)) return attrs->attrs[k];
  return NULL;
}

static const mpt_jax_handler *handler_of(const XLA_FFI_CallFrame *frame,
                                         const mpt_jax_handler *handlers, size_t count) {
  const XLA_FFI_ByteSpan *name = attribute(frame, "handler", XLA_FFI_AttrType_STRING);
  for (size_t k = 0; name && k < count; k++)
    if (is(name, handlers[k].name)) return &handlers[k];
  return NULL;
}

double mpt_jax_number(mpt_jax_call *call, const char *name) {
  mpt_error *error = &call->error;
  const XLA_FFI_Scalar *scalar = attribute(call->frame, name, XLA_FFI_AttrType_SCALAR);
  if (scalar && scalar->dtype == XLA_FFI_DataType_F64) return *(const double *)scalar->value;
  if (scalar && scalar->dtype == XLA_FFI_DataType_S64)
    return (double)*(const int64_t *)scalar->value;
  mpt_fail(error, MPT_BAD_USAGE,
           "cannot call %s: the number '%s' is not among its attributes (install multiplet's "
           "Python package and libmultiplet-jax from one source)",
           call->handler->what, name);
  return 0;
}

mpt_select mpt_jax_select(mpt_jax_call *call) {
  return (mpt_select){
      .size = sizeof(mpt_select),
      .kind = (mpt_select_kind)mpt_jax_number(call, "selection"),
      .index = {(int64_t)mpt_jax_number(call, "start"), (int64_t)mpt_jax_number(call, "stop")},
      .range = {mpt_jax_number(call, "low"), mpt_jax_number(call, "high")},
      .at_most = (int64_t)mpt_jax_number(call, "at_most")};
}

mpt_function mpt_jax_function(mpt_jax_call *call) {
  return (mpt_function){
      .size = sizeof(mpt_function),
      .kind = (mpt_function_kind)mpt_jax_number(call, "kind"),
      .scale = mpt_jax_number(call, "scale"),
      .exponent = mpt_jax_number(call, "exponent"),
      .beta = mpt_jax_number(call, "beta"),
      .mu = mpt_jax_number(call, "mu"),
      .electrons = mpt_jax_number(call, "electrons"),
      .index = {(int64_t)mpt_jax_number(call, "start"), (int64_t)mpt_jax_number(call, "stop")},
      .sigma = mpt_jax_number(call, "sigma"),
      .order = mpt_jax_number(call, "order"),
      .minimum = mpt_jax_number(call, "minimum")};
}

static void read_options(mpt_jax_call *call) {
  call->options = (mpt_options){.size = sizeof call->options,
                                .triangle = (mpt_triangle)mpt_jax_number(call, "triangle"),
                                .tolerance = mpt_jax_number(call, "tolerance"),
                                .gauge_policy = (mpt_gauge_policy)mpt_jax_number(call, "gauge"),
                                .spread_policy = (mpt_spread_policy)mpt_jax_number(call, "spread"),
                                .convention = (mpt_convention)mpt_jax_number(call, "convention"),
                                .threads = (int)mpt_jax_number(call, "threads"),
                                .basis = (mpt_basis)mpt_jax_number(call, "basis")};
}

/* Shapes */

static bool type_of(XLA_FFI_DataType dtype, mpt_type *type) {
  static const XLA_FFI_DataType types[MPT_TYPE_COUNT] = {[MPT_FLOAT32] = XLA_FFI_DataType_F32,
                                                         [MPT_FLOAT64] = XLA_FFI_DataType_F64,
                                                         [MPT_COMPLEX64] = XLA_FFI_DataType_C64,
                                                         [MPT_COMPLEX128] = XLA_FFI_DataType_C128};
  for (int k = 0; k < MPT_TYPE_COUNT; k++)
    if (types[k] == dtype) {
      *type = (mpt_type)k;
      return true;
    }
  return false;
}

/* The dimensions after the batch's, and how many they are. */
static int shape_of(const mpt_jax_call *call, char letter, int64_t shape[2]) {
  shape[0] = letter == 'd'          ? MPT_JAX_NUMBERS
             : letter == 'q'        ? MPT_JAX_REPORTED
             : letter == 'm'        ? 2
             : strchr("xj", letter) ? call->columns
                                    : call->n;
  shape[1] = letter == 'C' ? call->columns : call->n;
  if (strchr("MC", letter)) return 2;
  return strchr("rsSf", letter) ? 0 : 1;
}

static bool type_fits(const mpt_jax_call *call, char letter, XLA_FFI_DataType dtype) {
  if (strchr("imsjf", letter)) return dtype == XLA_FFI_DataType_S32;
  if (letter == 'S') return dtype == XLA_FFI_DataType_U32;
  mpt_type found;
  const mpt_type real = mpt_real_size(call->type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  return type_of(dtype, &found) && found == (strchr("MCt", letter) ? call->type : real);
}

static bool buffer_fits(const mpt_jax_call *call, char letter, const XLA_FFI_Buffer *b,
                        const XLA_FFI_Buffer *like) {
  int64_t shape[2];
  const int rank = shape_of(call, letter, shape);
  if (b->rank != call->lead + rank || !type_fits(call, letter, b->dtype)) return false;
  for (int64_t k = 0; k < call->lead; k++)
    if (b->dims[k] != like->dims[k]) return false;
  for (int k = 0; k < rank; k++)
    if (b->dims[call->lead + k] != shape[k]) return false;
  return true;
}

static bool buffers_fit(const mpt_jax_call *call, const char *letters, int64_t size, void **buffers,
                        const XLA_FFI_Buffer *like) {
  if (size != (int64_t)strlen(letters)) return false;
  for (int64_t k = 0; k < size; k++)
    if (!buffer_fits(call, letters[k], buffers[k], like)) return false;
  return true;
}

/* Of a selection, or of the first panel among the operands. */
static int64_t columns_of(mpt_jax_call *call, const char *operands) {
  if (strchr(operands, 'x') || strchr(call->handler->results, 'x')) {
    const mpt_select select = mpt_jax_select(call);
    return mpt_select_columns(&select, call->n);
  }
  const char *panel = strchr(operands, 'C');
  if (!panel) return 0;
  const XLA_FFI_Buffer *b = call->frame->args.args[panel - operands];
  return b->rank ? b->dims[b->rank - 1] : 0;
}

/* Takes n, the type and the batch from the first matrix, or else the first panel, and sees whether
 * all the rest is so. */
static bool call_fits(mpt_jax_call *call, const char *operands) {
  const XLA_FFI_Args *args = &call->frame->args;
  if (args->size != (int64_t)strlen(operands)) return false;
  const char *first = strchr(operands, 'M');
  const XLA_FFI_Buffer *like = args->args[(first ? first : strchr(operands, 'C')) - operands];
  if (like->rank < 2 || !type_of(like->dtype, &call->type)) return false;
  call->operands = operands;
  call->lead = like->rank - 2;
  call->n = like->dims[like->rank - 2];
  call->count = 1;
  for (int64_t k = 0; k < call->lead; k++) call->count *= like->dims[k];
  call->columns = columns_of(call, operands);
  const XLA_FFI_Rets *rets = &call->frame->rets;
  return buffers_fit(call, operands, args->size, args->args, like) &&
         buffers_fit(call, call->handler->results, rets->size, rets->rets, like);
}

static void read_shapes(mpt_jax_call *call) {
  mpt_error *error = &call->error;
  const char *const *way = call->handler->operands;
  for (int k = 0; k < 3 && way[k]; k++)
    if (call_fits(call, way[k])) return;
  if (!error->code)
    mpt_fail(error, MPT_BAD_USAGE,
             "cannot call %s: its arrays have shapes or types that do not belong together (install "
             "multiplet's Python package and libmultiplet-jax from one source)",
             call->handler->what);
}

/* Buffers */

static XLA_FFI_Buffer *find(const char *letters, void *const *buffers, char letter, int nth) {
  for (const char *at = letters; *at; at++)
    if (*at == letter && nth-- == 0) return buffers[at - letters];
  return NULL;
}

void *mpt_jax_operand(const mpt_jax_call *call, char letter, int nth) {
  const XLA_FFI_Buffer *b = find(call->operands, call->frame->args.args, letter, nth);
  return b ? b->data : NULL;
}

void *mpt_jax_result(const mpt_jax_call *call, char letter, int nth) {
  const XLA_FFI_Buffer *b = find(call->handler->results, call->frame->rets.rets, letter, nth);
  return b ? b->data : NULL;
}

double mpt_jax_real(const mpt_jax_call *call, const void *array, int64_t k) {
  return mpt_real_size(call->type) == 4 ? (double)((const float *)array)[k]
                                        : ((const double *)array)[k];
}

void mpt_jax_set_real(const mpt_jax_call *call, void *array, int64_t k, double value) {
  if (mpt_real_size(call->type) == 4)
    ((float *)array)[k] = (float)value;
  else
    ((double *)array)[k] = value;
}

static mpt_code allocate(mpt_jax_call *call) {
  mpt_error *error = &call->error;
  const size_t count = (size_t)call->count, some = 1;
  call->multiplet = mpt_jax_result(call, 'i', 0);
  if (!call->multiplet) call->multiplet = mpt_jax_result(call, 'j', 0);
  const size_t own = call->multiplet ? 0 : count * (size_t)call->n * sizeof(int32_t);
  char *memory = calloc(some, count * sizeof *call->report + own + some);
  call->report = (mpt_report *)memory;
  if (!memory)
    return mpt_fail(
        error, MPT_NO_RESOURCE,
        "cannot call %s: no memory for the reports of %lld matrices (use a smaller batch)",
        call->handler->what, (long long)call->count);
  if (!call->multiplet) call->multiplet = (int32_t *)(memory + count * sizeof *call->report);
  return MPT_DONE;
}

/* Endings */

/* A backward pass knows which matrices the forward pass had given up, and has zeros for them; a
 * forward pass, whose parameters are outside their domain. */
static void take_over_failures(mpt_jax_call *call) {
  const int32_t *earlier = mpt_jax_operand(call, 's', 0);
  for (int64_t k = 0; earlier && k < call->count; k++)
    if (mpt_status_is_failure(earlier[k]))
      call->report[k] = (mpt_report){.status = (int8_t)earlier[k]};
}

/* What a forward pass has said is not said again. */
static bool is_news(const mpt_jax_call *call, int64_t k) {
  const int32_t *earlier = mpt_jax_operand(call, 's', 0);
  return !earlier || mpt_jax_result(call, 'm', 0) || !mpt_status_is_failure(earlier[k]);
}

static mpt_code raise_first(mpt_jax_call *call, mpt_jax_failed failed) {
  mpt_error *error = &call->error;
  for (int64_t k = 0; k < call->count; k++) {
    const mpt_report *r = &call->report[k];
    if (!r->refused && !(failed == MPT_JAX_RAISE && mpt_status_is_failure(r->status))) continue;
    return mpt_fail(error, MPT_BAD_INPUT, "%s: matrix %lld of %lld is %s: %s (%s)",
                    call->handler->what, (long long)k, (long long)call->count,
                    mpt_status_name(r->status), mpt_status_meaning(r->status),
                    r->refused ? "gauge='warn' and eigenvalue_cotangents='mean' go on"
                               : "failed='nan' or 'zero' goes on without such matrices");
  }
  return MPT_DONE;
}

static double value_of(const mpt_report *r) {
  return r->status == MPT_STATUS_SUBGRADIENT       ? r->cotangent_spread
         : r->status == MPT_STATUS_GAUGE_DEPENDENT ? r->gauge_violation
         : r->status == MPT_STATUS_NULL_SPACE      ? r->null_violation
                                                   : 0;
}

/* Of each status that is worth it, one notice. */
static void tell(const mpt_jax_call *call) {
  int64_t such[MPT_STATUS_COUNT] = {0}, worst[MPT_STATUS_COUNT];
  for (int64_t k = 0; k < call->count; k++) {
    const int status = (mpt_status)call->report[k].status;
    if (status == MPT_STATUS_OK || status < 0 || status >= MPT_STATUS_COUNT || !is_news(call, k))
      continue;
    if (!such[status]++ || value_of(&call->report[k]) > value_of(&call->report[worst[status]]))
      worst[status] = k;
  }
  if (call->options.spread_policy != MPT_SPREAD_MEAN) such[MPT_STATUS_SUBGRADIENT] = 0;
  mpt_jax_listener *listener = atomic_load(&told);
  for (int s = 0; listener && s < MPT_STATUS_COUNT; s++)
    if (such[s])
      listener(call->handler->what, s, worst[s], call->count, such[s],
               value_of(&call->report[worst[s]]));
}

/* The library left zeros. What comes after the marks are factors. */
static void fill_with_nan(const mpt_jax_call *call) {
  const char *letters = call->handler->results;
  for (int r = 0; letters[r] && letters[r] != 'm'; r++) {
    int64_t shape[2];
    if (!strchr("MCwx", letters[r])) continue;
    const XLA_FFI_Buffer *b = call->frame->rets.rets[r];
    const int rank = shape_of(call, letters[r], shape);
    const int64_t reals = mpt_type_is_complex(call->type) && strchr("MC", letters[r]) ? 2 : 1;
    const int64_t size = reals * shape[0] * (rank > 1 ? shape[1] : 1);
    const bool narrow = mpt_real_size(call->type) == 4;
    for (int64_t k = 0; k < call->count; k++)
      for (int64_t j = 0; mpt_status_is_failure(call->report[k].status) && j < size; j++)
        if (narrow)
          ((float *)b->data)[k * size + j] = NAN;
        else
          ((double *)b->data)[k * size + j] = NAN;
  }
}

static void write_reals(const mpt_jax_call *call, char letter, int64_t matrix, const double *values,
                        int count) {
  void *array = mpt_jax_result(call, letter, 0);
  for (int j = 0; array && j < count; j++)
    mpt_jax_set_real(call, array, matrix * count + j, values[j]);
}

/* Of forward passes m and d, of backward passes q. */
static void write_certificate(const mpt_jax_call *call) {
  int32_t *marks = mpt_jax_result(call, 'm', 0);
  for (int64_t k = 0; k < call->count; k++) {
    const mpt_report *r = &call->report[k];
    const double numbers[MPT_JAX_NUMBERS] = {
        r->residual,         r->orthogonality,  r->min_gap,        r->gauge_violation,
        r->cotangent_spread, r->gradient_error, r->frame_condition};
    const double reported[MPT_JAX_REPORTED] = {r->status,           r->rule,
                                               r->gradient_error,   r->gauge_violation,
                                               r->cotangent_spread, r->null_violation};
    if (marks) marks[2 * k] = (mpt_status)r->status;
    if (marks) marks[2 * k + 1] = (mpt_gradient_rule)r->rule;
    write_reals(call, 'd', k, numbers, MPT_JAX_NUMBERS);
    write_reals(call, 'q', k, reported, MPT_JAX_REPORTED);
  }
}

static mpt_code finish(mpt_jax_call *call) {
  const mpt_jax_failed failed = (mpt_jax_failed)mpt_jax_number(call, "failed");
  const bool notices = mpt_jax_number(call, "notices") != 0;
  take_over_failures(call);
  if (call->error.code || raise_first(call, failed)) return call->error.code;
  if (notices) tell(call);
  if (failed == MPT_JAX_NAN) fill_with_nan(call);
  write_certificate(call);
  return MPT_DONE;
}

XLA_FFI_Error *mpt_jax_handle(XLA_FFI_CallFrame *frame, const mpt_jax_handler *handlers,
                              size_t count) {
  XLA_FFI_Extension_Base *extension = frame->extension_start;
  if (extension && extension->type == XLA_FFI_Extension_Metadata) {
    tell_version(extension);
    return NULL;
  }
  if (frame->stage != XLA_FFI_ExecutionStage_EXECUTE) return NULL;
  mpt_jax_call call = {.handler = handler_of(frame, handlers, count), .frame = frame};
  mpt_error *error = &call.error;
  if (!call.handler)
    mpt_fail(
        error, MPT_BAD_USAGE,
        "cannot call multiplet: no handler is named, or one that is not here (install multiplet's "
        "Python package and libmultiplet-jax from one source)");
  if (!call.error.code) read_shapes(&call);
  if (!call.error.code) read_options(&call);
  if (!call.error.code) allocate(&call);
  if (!call.error.code && call.handler->body(&call) == MPT_DONE) finish(&call);
  free(call.report);
  return call.error.code ? error_of(frame, &call.error) : NULL;
}
