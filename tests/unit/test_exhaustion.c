/* Memory runs out at any allocation: a call fails with a message, or a problem is INTERNAL and all
 * of its outputs are zero, or every output is the same as without the failure. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "engine/engine.h"
#include "failing_allocations.h"
#include "memory_arrays.h"
#include "engine/process.h"

enum { COUNT_OF = 3, OUTPUTS = 9 };

/* A batch with all kinds of outputs; out[] are the outputs, with `each` bytes for each problem. */
typedef struct everything {
  arrays x;
  mpt_batch batch;
  mpt_function_arrays functions[2];
  mpt_report report[COUNT_OF];
  void *out[OUTPUTS];
  size_t each[OUTPUTS];
  int outputs;
} everything;

static void *output(everything *e, size_t each) {
  e->each[e->outputs] = each;
  return e->out[e->outputs++] = malloc(each * COUNT_OF);
}

static void fill(everything *e) {
  for (int i = 0; i < e->outputs; i++) memset(e->out[i], 0x5a, e->each[i] * COUNT_OF);
  memset(e->report, 0, sizeof e->report);
}

typedef enum wanted { PAIRS, GRADIENT, EVERYTHING } wanted;

static everything *prepare(mpt_type type, int64_t n, wanted what, mpt_select select) {
  everything *e = calloc(1, sizeof *e);
  e->x = make(type, n, COUNT_OF);
  mpt_batch *b = &e->batch;
  *b = (mpt_batch){.type = type, .count = COUNT_OF, .n = n, .rows = n, .a = e->x.a};
  b->select = select;
  const size_t m = (size_t)mpt_batch_columns(b), rows = (size_t)n;
  const size_t size = mpt_type_size(type), real = mpt_real_size(type);
  b->report = e->report;
  b->w = output(e, m * real);
  b->v = output(e, rows * m * size);
  b->multiplet = output(e, m * sizeof(int32_t));
  if (what == PAIRS) return e;
  b->gw = e->x.gw;
  b->g = output(e, rows * rows * size);
  if (what == GRADIENT) return e;
  b->functions = e->functions;
  b->function_count = 2;
  for (int f = 0; f < 2; f++)
    e->functions[f] = (mpt_function_arrays){
        .function = {.kind = f ? MPT_FUNCTION_SIN : MPT_FUNCTION_TANH, .scale = 1},
        .value = output(e, rows * rows * size)};
  b->da = e->x.a;
  b->dv = output(e, rows * m * size);
  b->frame = (mpt_frame_shape){.index = {0, 2}, .columns = 1};
  b->reference = e->x.gv;
  b->frame_value = output(e, rows * size);
  return e;
}

static void drop(everything *e) {
  for (int i = 0; i < e->outputs; i++) free(e->out[i]);
  release(&e->x);
  free(e);
}

static bool is_zero(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (bytes[i]) return false;
  return true;
}

/* For each problem, all outputs are zero or equal to those of `whole`. */
static void judge(const everything *e, const everything *whole, int64_t turn) {
  for (int k = 0; k < COUNT_OF; k++) {
    const bool lost = mpt_status_is_failure(e->report[k].status);
    assert_int_not_equal(e->report[k].status, MPT_STATUS_PENDING);
    if (!lost) assert_true(e->report[k].residual == whole->report[k].residual);
    for (int i = 0; i < e->outputs; i++) {
      const char *mine = (const char *)e->out[i] + (size_t)k * e->each[i];
      const char *other = (const char *)whole->out[i] + (size_t)k * e->each[i];
      if (lost ? is_zero(mine, e->each[i]) : !memcmp(mine, other, e->each[i])) continue;
      fail_msg("allocation %lld: problem %d is %s, output %d is not", (long long)turn, k,
               mpt_status_name(e->report[k].status), i);
    }
  }
}

/* Each allocation in turn fails, while the engine is opened or afterwards. */
static void exhaust(const mpt_engine *engine, mpt_type type, wanted what, mpt_select select) {
  static const mpt_options options;
  const mpt_team alone = mpt_team_of_one();
  everything *e = prepare(type, 5, what, select);
  everything whole = {0};
  const mpt_shape shape = {.type = type,
                           .n = 5,
                           .vectors = true,
                           .backward = what != PAIRS,
                           .outputs = what == EVERYTHING};
  for (int64_t turn = -1; turn < 1 || failed; turn++) {
    mpt_state *state;
    fill(e);
    failed = false;
    left = turn;
    const mpt_code code = engine->open(&shape, &alone, &state, NULL);
    if (code == MPT_DONE) mpt_process_batch(engine, state, &alone, &options, &e->batch);
    left = -1;
    if (code == MPT_DONE && turn >= 0) judge(e, &whole, turn);
    if (code == MPT_DONE) engine->close(state);
    if (turn >= 0) continue;
    for (int k = 0; k < COUNT_OF; k++) assert_false(mpt_status_is_failure(e->report[k].status));
    whole = *e;
    for (int i = 0; i < e->outputs; i++) {
      whole.out[i] = malloc(e->each[i] * COUNT_OF);
      memcpy(whole.out[i], e->out[i], e->each[i] * COUNT_OF);
    }
  }
  for (int i = 0; i < e->outputs; i++) free(whole.out[i]);
  drop(e);
}

static void on_type(mpt_type type) {
  const mpt_engine *const engines[] = {&mpt_lapack, &mpt_lanes};
  const mpt_select all = {.kind = MPT_SELECT_ALL},
                   lowest = {.kind = MPT_SELECT_LOWEST, .at_most = 3};
  for (size_t i = 0; i < COUNT(engines); i++)
    for (int what = PAIRS; what <= EVERYTHING; what++) {
      exhaust(engines[i], type, (wanted)what, all);
      exhaust(engines[i], type, (wanted)what, lowest);
    }
}

static void nothing_is_ok_that_was_not_made(void **state) {
  (void)state;
  on_types(on_type);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_ok_that_was_not_made)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
