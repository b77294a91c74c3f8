/* The backward pass of one matrix by products of small matrices, row-major with padded rows: from a
 * dozen rows up to where LAPACK takes over this beats both interleaving and ?gemm. */

enum { NAME(TILE_ROWS) = 4, NAME(TILE_LANES) = LANE_BYTES == 64 ? 2 : 1 };

#define SWAPPED(l, h) ((l) ^ (h))

typedef struct NAME(product_memory) {
  int64_t ld; /* Reals from row to row */
  Real *v, *vh, *gv, *t, *th, *y;
} NAME(product_memory);

/* Rows and their lengths are rounded up to whole tiles; padding stays zero. */
static void NAME(lay_out_products)(NAME(arena) * arena, NAME(product_memory) * m, int n) {
  enum { R = NAME(TILE_ROWS) };
  const int64_t rows = (n + R - 1) / R * R, reals = rows * PARTS;
  m->ld = (reals + W - 1) / W * W;
  if (m->ld * (int64_t)sizeof(Real) % 1024 == 0) m->ld += W; /* rows on different cache sets */
  Real **const all[] = {&m->v, &m->vh, &m->gv, &m->t, &m->th, &m->y};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    *all[k] = NAME(take)(arena, n ? rows * m->ld + W : 0, sizeof(Real));
}

/* TILE_ROWS rows and `lanes` Lanes of c = a b: element (r, k) of a stands at r * row + k * column.
 */
static inline __attribute__((always_inline)) void
NAME(product_tile)(const int lanes, const bool conjugate, int depth, const Real *a, int64_t row,
                   int64_t column, const Real *b, Real *c, int64_t ld) {
  enum { R = NAME(TILE_ROWS) };
  Lane re[R][2], im[R][2];
  for (int r = 0; r < R; r++)
    for (int l = 0; l < lanes; l++) re[r][l] = im[r][l] = (Lane){0};
  for (int k = 0; k < depth; k++) {
    Lane y[2];
    for (int l = 0; l < lanes; l++) y[l] = *(const Lane *)(b + k * ld + l * W);
    for (int r = 0; r < R; r++) {
      const Real *x = a + r * row + k * column;
      for (int l = 0; l < lanes; l++) {
        re[r][l] = NAME(fma)(NAME(all)(x[0]), y[l], re[r][l]);
        if (IS_COMPLEX) im[r][l] = NAME(fma)(NAME(all)(x[PARTS - 1]), y[l], im[r][l]);
      }
    }
  }
  Lane sign;
  for (int l = 0; l < W; l++) sign[l] = (l % 2 == 0) == conjugate ? 1 : -1;
  for (int r = 0; r < R; r++)
    for (int l = 0; l < lanes; l++) {
      if (IS_COMPLEX)
        re[r][l] = NAME(fma)(sign, __builtin_shufflevector(im[r][l], im[r][l], INDEX(SWAPPED, 1)),
                             re[r][l]);
      *(Lane *)(c + r * ld + l * W) = re[r][l];
    }
}

/* c = a b, n x n; `half`: only what is on and below the diagonal, and some more. */
static inline __attribute__((always_inline)) void
NAME(small_product)(const bool conjugate, bool half, int n, const Real *a, int64_t row,
                    int64_t column, const Real *b, Real *c, int64_t ld) {
  enum { R = NAME(TILE_ROWS), L = NAME(TILE_LANES) };
  for (int i = 0; i < n; i += R) {
    const int end = (half && i + R < n ? i + R : n) * PARTS;
    int j = 0;
    for (; L == 2 && j + W < end; j += 2 * W)
      NAME(product_tile)(2, conjugate, n, a + i * row, row, column, b + j, c + i * ld + j, ld);
    for (; j < end; j += W)
      NAME(product_tile)(1, conjugate, n, a + i * row, row, column, b + j, c + i * ld + j, ld);
  }
}

static void NAME(copy_rows)(int n, const void *from, int64_t from_ld, Real *to, int64_t to_ld) {
  for (int i = 0; i < n; i++)
    memcpy(to + i * to_ld, (const Real *)from + i * from_ld, sizeof(Real) * (size_t)(n * PARTS));
}

/* X, row-major, from V and gV. */
static void NAME(small_step)(const NAME(product_memory) * m, int n, const void *gv,
                             const mpt_rule *rule, mpt_sums *sums) {
  const int64_t ld = m->ld, ldt = ld / PARTS;
  NAME(copy_rows)(n, gv, n * PARTS, m->gv, ld);
  NAME(small_product)(true, false, n, m->v, PARTS, ld, m->gv, m->t, ld);
  const mpt_facing facing = {n, n, m->th, ldt, m->t, ldt};
  mpt_conjugate_transpose(TYPE, &facing);
  const mpt_tile tile = {0, 0, n, n, m->t, ldt, m->th, ldt};
  mpt_backward_tile(TYPE, rule, &tile, sums);
}

static void NAME(differentiate_one)(const NAME(product_memory) * m, int n, const void *v,
                                    const void *gv, const mpt_rule *rule, void *g, mpt_sums *sums) {
  const int64_t ld = m->ld;
  NAME(copy_rows)(n, v, n * PARTS, m->v, ld);
  if (rule->gv_norm) {
    NAME(small_step)(m, n, gv, rule, sums);
    NAME(small_product)(false, false, n, m->v, ld, PARTS, m->t, m->y, ld);
  } else {
    mpt_add_diagonal(rule, sums);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n * PARTS; j++)
        m->y[i * ld + j] = m->v[i * ld + j] * (Real)rule->gw[j / PARTS];
  }
  const mpt_facing facing = {n, n, m->vh, ld / PARTS, m->v, ld / PARTS};
  mpt_conjugate_transpose(TYPE, &facing);
  NAME(small_product)(false, true, n, m->y, ld, PARTS, m->vh, m->t, ld);
  NAME(copy_rows)(n, m->t, ld, g, n * PARTS);
  mpt_mirror_block(TYPE, n, g, n, MPT_LOWER);
}
