/* Slabs to a block-cyclic distribution and back, checked element by element. */
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "engine/scalapack/redistribute.h"

static const struct {
  int64_t rows, cols, block;
} shapes[] = {{0, 0, 1},    {1, 1, 1},      {2, 2, 5},    {5, 5, 2},     {7, 3, 3},
              {12, 12, 4},  {13, 13, 1},    {31, 31, 32}, {4, 50, 16},   {100, 9, 17},
              {1, 129, 32}, {600, 600, 64}, {50, 0, 8},   {100, 100, 17}};

/* ScaLAPACK's definition: global index i is on process i / nb mod p. */
static bool owns(int64_t i, int64_t block, int p, int count) {
  return i / block % count == p;
}

static void counts(void **state) {
  (void)state;
  for (int64_t block = 1; block < 6; block++)
    for (int processes = 1; processes < 6; processes++)
      for (int p = 0; p < processes; p++) {
        int64_t expected = 0;
        for (int64_t upto = 0; upto < 70; upto++) {
          CHECK(mpt_cyclic_count(upto, block, p, processes) == expected, "count of %lld",
                (long long)upto);
          expected += owns(upto, block, p, processes);
        }
      }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* The elements encode their position: byte k of element (i, j) is a hash of i, j and k. */
static unsigned char mark(int64_t i, int64_t j, size_t k) {
  return (unsigned char)(i * 131 + j * 71 + (i * j) / 3 + (int64_t)k * 29 + 1);
}

static void fill_slab(const mpt_cyclic *c, size_t element, unsigned char *slab) {
  int64_t from = mpt_slab_start(c->cols, c->team->size, c->team->rank);
  int64_t to = mpt_slab_start(c->cols, c->team->size, c->team->rank + 1);
  for (int64_t j = from; j < to; j++)
    for (int64_t i = 0; i < c->rows; i++)
      for (size_t k = 0; k < element; k++) *slab++ = mark(i, j, k);
}

/* Counts the bytes of this rank's local part that differ from the definition. */
static int64_t wrong_places(const mpt_cyclic *c, size_t element, const unsigned char *local) {
  const int *g = c->team->grid;
  int row = c->team->rank / g[1], col = c->team->rank % g[1], rows = g[0], cols = g[1];
  if (c->swapped) row = c->team->rank % g[1], col = c->team->rank / g[1], rows = g[1], cols = g[0];
  int64_t wrong = 0;
  for (int64_t j = 0; j < c->cols; j++)
    for (int64_t i = 0; i < c->rows; i++) {
      if (!owns(i, c->block, row, rows) || !owns(j, c->block, col, cols)) continue;
      for (size_t k = 0; k < element; k++) wrong += *local++ != mark(i, j, k);
    }
  return wrong;
}

static int64_t local_elements(const mpt_cyclic *c) {
  const int *g = c->team->grid;
  int64_t most[2];
  const int64_t larger = c->rows > c->cols ? c->rows : c->cols;
  for (int k = 0; k < 2; k++) most[k] = (larger / c->block / g[k] + 1) * c->block;
  return most[0] * most[1];
}

static void round_trip(const mpt_cyclic *c, size_t element, const char *name) {
  const int64_t cols = c->cols / c->team->size + 1, most = local_elements(c);
  const size_t bytes = (size_t)(cols * c->rows > most ? cols * c->rows : most) * element + 1;
  unsigned char *slab = malloc(bytes), *local = malloc(bytes), *back = malloc(bytes);
  void *buffer = malloc((size_t)mpt_redistribute_buffer(c->rows > c->cols ? c->rows : c->cols,
                                                        c->team->size, element));
  memset(local, 0, bytes);
  memset(back, 0, bytes);
  fill_slab(c, element, slab);
  mpt_slab_to_cyclic(c, element, slab, local, buffer);
  int64_t wrong = wrong_places(c, element, local);
  CHECK(wrong == 0, "%s %lldx%lld block=%lld element=%zu swapped=%d: %lld bytes are elsewhere",
        name, (long long)c->rows, (long long)c->cols, (long long)c->block, element, c->swapped,
        (long long)wrong);
  mpt_cyclic_to_slab(c, element, local, back, buffer);
  int64_t from = mpt_slab_start(c->cols, c->team->size, c->team->rank);
  int64_t to = mpt_slab_start(c->cols, c->team->size, c->team->rank + 1);
  CHECK(!memcmp(slab, back, (size_t)((to - from) * c->rows) * element),
        "%s %lldx%lld block=%lld swapped=%d: not what it was", name, (long long)c->rows,
        (long long)c->cols, (long long)c->block, c->swapped);
  free(slab);
  free(local);
  free(back);
  free(buffer);
}

static void every_element(void **state) {
  static const size_t elements[] = {4, 8, 16};
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++)
    for (int64_t s = 0; s < COUNT(shapes); s++)
      for (int64_t e = 0; e < COUNT(elements); e++)
        for (int swapped = 0; swapped < 2; swapped++) {
          mpt_cyclic c = {&b.team, shapes[s].rows, shapes[s].cols, shapes[s].block, swapped};
          round_trip(&c, elements[e], bench_name(&b));
        }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* More than one round: a round moves 32 MiB of columns. */
static void several_rounds(void **state) {
  bench b;
  (void)state;
  for (int index = 0; index < 2 && bench_open(index, &b); index++) {
    int64_t n = 1650;
    while (n * n * 16 < (INT64_C(40) << 20) * b.team.size) n += 150;
    mpt_cyclic c = {&b.team, n, n, 60, index == 1};
    if (b.team.size <= 4) round_trip(&c, 16, bench_name(&b));
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void slabs_share_all_rows(void **state) {
  (void)state;
  for (int size = 1; size < 9; size++)
    for (int64_t n = 0; n < 40; n++) {
      CHECK(mpt_slab_start(n, size, 0) == 0 && mpt_slab_start(n, size, size) == n, "ends");
      for (int r = 0; r < size; r++) {
        int64_t rows = mpt_slab_start(n, size, r + 1) - mpt_slab_start(n, size, r);
        CHECK(rows == n / size || rows == (n + size - 1) / size, "rank %d of %d: %lld rows", r,
              size, (long long)rows);
      }
    }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test(slabs_share_all_rows),
      cmocka_unit_test(counts),
      cmocka_unit_test(every_element),
      cmocka_unit_test(several_rounds),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
