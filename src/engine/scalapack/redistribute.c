/* In each round every pair of ranks exchanges data once, for a bounded panel of each slab's
 * columns. On the block-cyclic side nothing is packed: the local columns of a rank that come from
 * one slab are contiguous in its local array. On the slab side columns are cut into the blocks of
 * each process row. */
#include "engine/scalapack/redistribute.h"

#include <stdlib.h>
#include <string.h>
#include "engine/scalapack/mpi_team.h"

static const int64_t round_bytes = INT64_C(32) << 20;

int64_t mpt_cyclic_count(int64_t upto, int64_t block, int p, int count) {
  int64_t blocks = upto / block, mine = blocks / count * block;
  int64_t extra = blocks % count;
  if (p < extra) return mine + block;
  return p == extra ? mine + upto % block : mine;
}

/* Slab columns of one rank per round. */
static int64_t round_columns(int64_t rows, size_t element) {
  int64_t columns = round_bytes / ((rows ? rows : 1) * (int64_t)element);
  return columns > 0 ? columns : 1;
}

/* Bytes at the front of the buffer for four integers per rank, rounded up to a cache line. */
static int64_t numbers_bytes(int ranks) {
  return (4 * ranks * (int64_t)sizeof(int) + 63) / 64 * 64;
}

int64_t mpt_redistribute_buffer(int64_t n, int ranks, size_t element) {
  int64_t columns = round_columns(n, element) + 1, most = n / ranks + 1;
  return numbers_bytes(ranks) + (columns < most ? columns : most) * n * (int64_t)element;
}

typedef struct place {
  int row, col, rows, cols; /* of the grid, transposed if `swapped` */
} place;

static place place_of(const mpt_cyclic *c, int rank) {
  const int *g = c->team->grid;
  place p = {rank / g[1], rank % g[1], g[0], g[1]};
  if (c->swapped) p = (place){p.col, p.row, g[1], g[0]};
  return p;
}

typedef struct messages {
  int *count, *at; /* elements for or from each rank, and their offsets */
} messages;

/* The panel of rank r in this round: columns [first, end). */
static void panel_of(const mpt_cyclic *c, int rank, int64_t round, int64_t width, int64_t *first,
                     int64_t *end) {
  int64_t start = mpt_slab_start(c->cols, c->team->size, rank);
  int64_t stop = mpt_slab_start(c->cols, c->team->size, rank + 1);
  *first = start + round * width < stop ? start + round * width : stop;
  *end = *first + width < stop ? *first + width : stop;
}

/* What my slab panel exchanges with each rank's block-cyclic part, packed in the order of ranks. */
static void slab_messages(const mpt_cyclic *c, int64_t first, int64_t end, messages *m) {
  int at = 0;
  for (int r = 0; r < c->team->size; r++) {
    place p = place_of(c, r);
    int64_t columns = mpt_cyclic_count(end, c->block, p.col, p.cols) -
                      mpt_cyclic_count(first, c->block, p.col, p.cols);
    m->count[r] = (int)(columns * mpt_cyclic_count(c->rows, c->block, p.row, p.rows));
    m->at[r] = at;
    at += m->count[r];
  }
}

/* Which columns of my local array each rank's slab panel covers; `at` counts columns here. */
static void local_messages(const mpt_cyclic *c, int64_t round, int64_t width, messages *m) {
  place me = place_of(c, c->team->rank);
  for (int r = 0; r < c->team->size; r++) {
    int64_t first, end;
    panel_of(c, r, round, width, &first, &end);
    int64_t before = mpt_cyclic_count(first, c->block, me.col, me.cols);
    m->at[r] = (int)before;
    m->count[r] = (int)(mpt_cyclic_count(end, c->block, me.col, me.cols) - before);
  }
}

/* The two ends of a move: from slab_in to local_out, or from local_in to slab_out. A slab may have
 * no columns, and then no array. */
typedef struct ends {
  bool to_slab;
  const char *slab_in, *local_in;
  char *slab_out, *local_out;
  char *packed; /* the parts of the slab that go to or come from other ranks */
} ends;

/* Copies between slab columns [first, end) and the packed buffer. For this rank itself, copies
 * directly between slab and local array, from byte `own` on. */
static void pack(const mpt_cyclic *c, size_t element, int64_t first, int64_t end, const messages *m,
                 const ends *e, size_t own) {
  const int64_t start = mpt_slab_start(c->cols, c->team->size, c->team->rank);
  for (int r = 0; r < c->team->size; r++) {
    const bool mine = r == c->team->rank;
    const char *from = mine ? e->local_in : e->packed;
    char *to = mine ? e->local_out : e->packed;
    size_t at = mine ? own : (size_t)m->at[r] * element;
    place p = place_of(c, r);
    for (int64_t j = first; j < end; j++) {
      if (j / c->block % p.cols != p.col) continue;
      for (int64_t i = p.row * c->block; i < c->rows; i += p.rows * c->block) {
        size_t bytes = (size_t)(c->rows - i < c->block ? c->rows - i : c->block) * element;
        size_t column = (size_t)((j - start) * c->rows + i) * element;
        if (e->to_slab)
          memcpy(e->slab_out + column, from + at, bytes);
        else
          memcpy(to + at, e->slab_in + column, bytes);
        at += bytes;
      }
    }
  }
}

/* The exchange itself, in pairs, so that local columns can have a datatype of their own. */
static void exchange(const mpt_cyclic *c, size_t element, const messages *slab_side,
                     const messages *local_side, const ends *e) {
  const int size = c->team->size, rank = c->team->rank;
  place me = place_of(c, rank);
  int64_t lld = mpt_cyclic_count(c->rows, c->block, me.row, me.rows);
  MPI_Datatype item;
  MPI_Type_contiguous((int)element, MPI_BYTE, &item);
  MPI_Type_commit(&item);
  for (int step = 1; step < size; step++) {
    int to = (rank + step) % size, from = (rank + size - step) % size;
    const size_t local_to = (size_t)local_side->at[to] * (size_t)lld * element;
    const size_t local_from = (size_t)local_side->at[from] * (size_t)lld * element;
    int columns_to = (int)(local_side->count[to] * lld);
    int columns_from = (int)(local_side->count[from] * lld);
    char *slab_to = e->packed + (size_t)slab_side->at[to] * element;
    char *slab_from = e->packed + (size_t)slab_side->at[from] * element;
    if (e->to_slab)
      MPI_Sendrecv(e->local_in + local_to, columns_to, item, to, 0, slab_from,
                   slab_side->count[from], item, from, 0, mpt_team_comm(c->team),
                   MPI_STATUS_IGNORE);
    else
      MPI_Sendrecv(slab_to, slab_side->count[to], item, to, 0, e->local_out + local_from,
                   columns_from, item, from, 0, mpt_team_comm(c->team), MPI_STATUS_IGNORE);
  }
  MPI_Type_free(&item);
}

static void redistribute(const mpt_cyclic *c, size_t element, ends e, void *buffer) {
  const int size = c->team->size;
  const int64_t width = round_columns(c->rows, element), most = c->cols / size + 1;
  const place me = place_of(c, c->team->rank);
  const int64_t lld = mpt_cyclic_count(c->rows, c->block, me.row, me.rows);
  int *numbers = buffer;
  messages slab_side = {numbers, numbers + size};
  messages local_side = {numbers + 2 * size, numbers + 3 * size};
  e.packed = (char *)buffer + numbers_bytes(size);
  for (int64_t round = 0; round * width < most; round++) {
    int64_t first, end;
    panel_of(c, c->team->rank, round, width, &first, &end);
    slab_messages(c, first, end, &slab_side);
    local_messages(c, round, width, &local_side);
    const size_t own = (size_t)local_side.at[c->team->rank] * (size_t)lld * element;
    if (!e.to_slab) pack(c, element, first, end, &slab_side, &e, own);
    exchange(c, element, &slab_side, &local_side, &e);
    if (e.to_slab) pack(c, element, first, end, &slab_side, &e, own);
  }
}

void mpt_slab_to_cyclic(const mpt_cyclic *c, size_t element, const void *slab, void *local,
                        void *buffer) {
  redistribute(c, element, (ends){.slab_in = slab, .local_out = local}, buffer);
}

void mpt_cyclic_to_slab(const mpt_cyclic *c, size_t element, const void *local, void *slab,
                        void *buffer) {
  redistribute(c, element, (ends){.to_slab = true, .local_in = local, .slab_out = slab}, buffer);
}
