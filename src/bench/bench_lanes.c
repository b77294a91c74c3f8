/* Many small matrices on one rank: engine lanes compared with plain loops and engine lapack, on the
 * same batch. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/lanes/lanes.h"
#include "base/scalar.h"
#include "engine/process.h"

static const int64_t batch_bytes = INT64_C(4) << 20;
static const double least_seconds = 0.02; /* of a repetition, which repeats passes until then */

/* A batch, and the additional arrays of the plain loops. */
typedef struct sample {
  mpt_batch batch;
  void *gw, *gv;   /* the batch's cotangents */
  void *a, *w, *g; /* overwritten; the batch's a is kept */
  void *x, *y, *inverse;
  void *work, *rwork;
  int *iwork;
  int lwork, lrwork, liwork;
} sample;

#define WORKER "bench/bench_lanes_worker.h"
#include "base/for_each_type.h"

/* The sides that are compared. In the forward pass, the last side leaves out all checks, as a loop
 * of ?heevd does. In the backward pass, a plain loop of products has no use for A, so the engines
 * do not get it either; the last side gets A and certifies the given eigenpairs. */
enum { PLAIN, LANES, LAPACK, OTHER, SIDES };
typedef struct side {
  const mpt_engine *engine; /* NULL: the plain loops */
  mpt_state *state;
  bool other; /* see above */
} side;

/* Microseconds for each matrix. */
typedef struct times {
  double forward[SIDES], backward[SIDES];
} times;

/* One of a sample's arrays: the place of its pointer, and its size. */
typedef struct array {
  void *pointer;
  int64_t count;
  size_t size;
} array;
enum { ARRAYS = 14 };

static void list_arrays(sample *s, array out[ARRAYS]) {
  mpt_batch *b = &s->batch;
  const size_t element = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const int64_t n2 = b->n * b->n, all = b->count * n2, vectors = b->count * b->n;
  const array list[] = {{&b->a, all, element},
                        {&b->v, all, element},
                        {&b->g, all, element},
                        {&s->gv, all, element},
                        {&s->a, all, element},
                        {&s->g, all, element},
                        {&b->w, vectors, real},
                        {&s->gw, vectors, real},
                        {&s->w, vectors, real},
                        {&b->multiplet, vectors, sizeof *b->multiplet},
                        {&b->report, b->count, sizeof *b->report},
                        {&s->x, n2, element},
                        {&s->y, n2, element},
                        {&s->inverse, b->n, real}};
  _Static_assert(sizeof list / sizeof *list == ARRAYS, "an array has no place");
  memcpy(out, list, sizeof list);
}

static void sample_release(sample *s) {
  array arrays[ARRAYS];
  list_arrays(s, arrays);
  for (int k = 0; k < ARRAYS; k++) {
    void *memory;
    memcpy(&memory, arrays[k].pointer, sizeof memory);
    free(memory);
  }
  free(s->work);
  free(s->rwork);
  free(s->iwork);
}

/* Fills a sample with random matrices and cotangents; the batch is about as large as a cache. */
static mpt_code sample_init(sample *s, mpt_type type, int64_t n, mpt_error *error) {
  static bool (*const open_plain[])(sample *) = WORKER_TABLE(plain_open);
  const int64_t matrix = n * n * (int64_t)mpt_type_size(type);
  const int64_t each = matrix + n * 12 + (int64_t)sizeof(mpt_report);
  mpt_code code = MPT_DONE;
  array arrays[ARRAYS];
  *s = (sample){.batch = {.type = type, .n = n, .rows = n, .count = 1 + batch_bytes / each}};
  list_arrays(s, arrays);
  for (int k = 0; k < ARRAYS; k++)
    TRY(mpt_allocate(arrays[k].pointer, arrays[k].count, arrays[k].size, "the benchmark", error));
  if (!open_plain[type](s))
    TRY(mpt_fail(error, MPT_NO_RESOURCE, "cannot bench n = %lld: out of memory (free some)",
                 (long long)n));
  for (int64_t k = 0; k < s->batch.count; k++) {
    const size_t at = (size_t)(k * matrix);
    mpt_bench_fill(type, n, n, k * n, k * n, (char *)s->batch.a + at);
    mpt_bench_fill(type, n, n, k * n, k * n + 7, (char *)s->gv + at);
  }
  memcpy(s->gw, s->gv, (size_t)(s->batch.count * n) * mpt_real_size(type));
  s->batch.gw = s->gw;
  s->batch.gv = s->gv;
done:
  return code;
}

/* Seconds of one pass over the batch; < 0 when a problem failed. */
static double time_pass(sample *s, const side *who, bool backward) {
  static bool (*const forward_loop[])(sample *) = WORKER_TABLE(plain_forward);
  static bool (*const backward_loop[])(sample *) = WORKER_TABLE(plain_backward);
  static const mpt_options options = {0};
  const mpt_team team = mpt_team_of_one();
  mpt_batch b = s->batch;
  bool done = true;
  b.given = backward;
  const bool bare = who->other && !backward;
  mpt_lanes_bare(bare);
  if (!backward)
    b.g = NULL;
  else if (!who->other)
    b.a = NULL;
  memset(b.report, 0, sizeof *b.report * (size_t)b.count);
  memcpy(s->a, s->batch.a, (size_t)(b.count * b.n * b.n) * mpt_type_size(b.type));
  const double start = mpt_now();
  if (bare)
    who->engine->process(who->state, &options, &b);
  else if (who->engine)
    mpt_process_batch(who->engine, who->state, &team, &options, &b);
  else
    done = (backward ? backward_loop : forward_loop)[b.type](s);
  const double seconds = mpt_now() - start;
  mpt_lanes_bare(false);
  for (int64_t k = 0; k < b.count; k++) done &= !mpt_status_is_failure(b.report[k].status);
  return done ? seconds : -1;
}

static double microseconds(sample *s, const side *who, bool backward) {
  double total = 0, last = 0;
  int64_t passes = 0;
  for (; last >= 0 && total < least_seconds; passes++) total += last = time_pass(s, who, backward);
  return last < 0 ? -1 : 1e6 * total / (double)(passes * s->batch.count);
}

/* Medians of repetitions; in each, the sides take turns. */
static times measure(sample *s, const side sides[SIDES], int repeat) {
  double all[2][SIDES][MPT_MOST_REPEATS];
  times t;
  for (int k = 0; k < repeat; k++)
    for (int d = 0; d < 2; d++)
      for (int w = 0; w < SIDES; w++) all[d][w][k] = microseconds(s, &sides[w], d == 1);
  for (int w = 0; w < SIDES; w++) {
    t.forward[w] = mpt_median(repeat, all[0][w]);
    t.backward[w] = mpt_median(repeat, all[1][w]);
  }
  return t;
}

static mpt_code bench_size(mpt_type type, int64_t n, const mpt_engine *lanes, int repeat,
                           times *out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_shape shape = {.type = type, .n = n, .vectors = true, .backward = true};
  const mpt_team team = mpt_team_of_one();
  side sides[SIDES] = {[LANES] = {.engine = lanes}, [LAPACK] = {.engine = &mpt_lapack}};
  sample s = {0};
  TRY(lanes->open(&shape, &team, &sides[LANES].state, error));
  TRY(mpt_lapack.open(&shape, &team, &sides[LAPACK].state, error));
  TRY(sample_init(&s, type, n, error));
  sides[OTHER] = (side){lanes, sides[LANES].state, true};
  *out = measure(&s, sides, repeat);
  printf("%7lld %-10s %9.4g %9.4g %7.2f %7.2f %7.2f  %9.4g %9.4g %7.2f %7.2f %9.2f\n", (long long)n,
         mpt_type_name(type), out->forward[PLAIN], out->forward[LANES],
         out->forward[PLAIN] / out->forward[LANES], out->forward[LAPACK] / out->forward[LANES],
         out->forward[PLAIN] / out->forward[OTHER], out->backward[PLAIN], out->backward[LANES],
         out->backward[PLAIN] / out->backward[LANES], out->backward[LAPACK] / out->backward[LANES],
         out->backward[PLAIN] / out->backward[OTHER]);
  fflush(stdout);
done:
  sample_release(&s);
  for (int w = 0; w < SIDES; w++)
    if (sides[w].state && w != OTHER) sides[w].engine->close(sides[w].state);
  return code;
}

/* The smallest of the sizes from which on engine lapack is faster, forward and backward; 0 when it
 * is not faster at the largest. */
static int64_t crossover(int count, const int64_t *sizes, const times *t) {
  int64_t from = 0;
  for (int k = count; k-- > 0;) {
    if (t[k].forward[LAPACK] + t[k].backward[LAPACK] >= t[k].forward[LANES] + t[k].backward[LANES])
      break;
    from = sizes[k];
  }
  return from;
}

/* Prints the rows of one type. */
static mpt_code bench_type(const mpt_lanes_bench *what, mpt_type type, const mpt_engine *lanes,
                           int64_t *from, mpt_error *error) {
  mpt_code code = MPT_DONE;
  times t[MPT_MOST_SIZES];
  int count = 0;
  for (; count < what->size_count; count++) {
    TRY(bench_size(type, what->sizes[count], lanes, what->repeat, &t[count], error));
  }
  *from = crossover(count, what->sizes, t);
done:
  return code;
}

mpt_code mpt_bench_lanes(const mpt_lanes_bench *what, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_engine *lanes = &mpt_lanes;
  int64_t from[MPT_TYPE_COUNT];
  printf("\nmany matrices on one rank, medians of %d, microseconds a matrix; engine %s, %s\n"
         "%18s %-19s %7s %7s %7s  %-19s %7s %7s %9s\n"
         "%7s %-10s %9s %9s %7s %7s %7s  %9s %9s %7s %7s %9s\n",
         what->repeat, lanes->name, mpt_lanes_isa(), "", "forward", "plain/", "lapack/", "plain/",
         "backward", "plain/", "lapack/", "plain/", "n", "type", "plain", "engine", "engine",
         "engine", "bare", "plain", "engine", "engine", "engine", "certified");
  for (mpt_type type = what->first; type <= what->last; type++)
    TRY(bench_type(what, type, lanes, &from[type], error));
  printf("\nthe lapack engine is faster forward and backward from\n");
  for (mpt_type type = what->first; type <= what->last; type++) {
    printf("        %-10s ", mpt_type_name(type));
    if (from[type])
      printf("n = %lld\n", (long long)from[type]);
    else
      printf("no n of these\n");
  }
done:
  return code;
}

bool mpt_bench_use_isa(const char *name) {
  return mpt_lanes_use(name);
}
