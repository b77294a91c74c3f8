/* The backward pass of single matrices by products of small matrices, row-major with padded rows.
 * From a few dozen rows up to where LAPACK takes over, this is faster than both interleaving and
 * ?gemm. */

enum {
  NAME(TILE_ROWS) = LANE_BYTES == 64 && !IS_COMPLEX ? 8 : 4,
  NAME(TILE_LANES) = LANE_BYTES == 64 || !IS_COMPLEX ? 2 : 1
};

#define SWAPPED(l, h) ((l) ^ (h))
#define EVEN(l, h) (2 * (l) + (h))

/* One matrix; its vectors are rows of ldn Reals. */
typedef struct NAME(single) {
  int n;
  const void *v, *gv; /* gv NULL: only eigenvalue cotangents */
  void *g;
  const Real *w, *gw;
  NAME(gradient) * group;
  int lane;
  const NAME(aside) * aside;
  Real scale, on, factor[2];
  bool conjugate;
  const Real *signs;
  NAME(sums) sums; /* out; each lane has a part of the sum */
  Real output;     /* out: what the probes found */
  bool finite;
} NAME(single);

typedef struct NAME(product_memory) {
  int64_t ld, ldn; /* Reals from one row of a matrix to the next, and from one vector to the next */
  Real *v, *vh, *gv, *t, *th, *y, *norm;
  Real *leverage, *own; /* [ldn] mpt_leverage2, |S_aa| */
  Real *turned, *size;  /* [ldn] sums of theta^2 and |X|^2 over a row's other entries */
  Real *w, *gw;         /* [W][ldn] */
  Real *probe;          /* [12 n] */
} NAME(product_memory);

/* Rows and their lengths are rounded up to whole tiles; padding stays zero. */
static void NAME(lay_out_products)(NAME(arena) * arena, NAME(product_memory) * m, int n) {
  enum { R = W > NAME(TILE_ROWS) ? W : NAME(TILE_ROWS), UNIT = W * PARTS };
  const int64_t rows = (n + R - 1) / R * R;
  m->ld = (rows * PARTS + UNIT - 1) / UNIT * UNIT;
  if (m->ld * (int64_t)sizeof(Real) % 1024 == 0) m->ld += UNIT; /* rows on different cache sets */
  m->ldn = (n + W - 1) / W * W;
  Real **const all[] = {&m->v, &m->vh, &m->gv, &m->t, &m->th, &m->y};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    *all[k] = NAME(take)(arena, n ? rows * m->ld : 0, sizeof(Real));
  m->norm = NAME(take)(arena, m->ldn, sizeof(Real));
  m->probe = NAME(take)(arena, 12 * (int64_t)n, sizeof(Real));
  m->leverage = NAME(take)(arena, m->ldn, sizeof(Real));
  m->own = NAME(take)(arena, m->ldn, sizeof(Real));
  m->turned = NAME(take)(arena, m->ldn, sizeof(Real));
  m->size = NAME(take)(arena, m->ldn, sizeof(Real));
  Real **const vectors[] = {&m->w, &m->gw};
  for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
    *vectors[k] = NAME(take)(arena, m->ldn * W, sizeof(Real));
}

/* Computes TILE_ROWS rows and `lanes` Lanes of c = a b; element (r, k) of a is at r * row + k *
 * column. */
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

/* c = a b, n x n; `half`: only the part on and below the diagonal (and some entries above). */
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

/* Copies the rows of `from`, n x n and contiguous, times x, into padded rows. */
static void NAME(copy_rows)(int n, const void *from, Real x, Real *to, int64_t ld) {
  const Real *a = from;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n * PARTS; j++) to[i * ld + j] = a[i * n * PARTS + j] * x;
}

/* The largest part of count Reals, and a number that is zero when all are finite. */
static void NAME(survey)(int64_t count, const Real *x, Real *largest, Real *bad) {
  Lane top = {0}, sum = {0};
  int64_t i = 0;
  for (; i + W <= count; i += W) {
    const Lane v = *(const Loose *)(x + i);
    top = NAME(max)(NAME(abs)(v), top);
    sum += v - v;
  }
  Real most = NAME(top)(top), rest = 0;
  for (; i < count; i++) {
    const Real size = x[i] < 0 ? -x[i] : x[i];
    most = size > most ? size : most;
    rest += x[i] - x[i];
  }
  for (int l = 0; l < W; l++) rest += sum[l];
  *largest = most;
  *bad = rest;
}

/* 2-norms of the columns of the scaled gv. */
static void NAME(column_norms)(const NAME(product_memory) * m, int n) {
  Lane *norm = (Lane *)m->norm;
  for (int b = 0; b * W < n; b++) {
    Lane sum = {0};
    for (int i = 0; i < n; i++) {
      const Lane *x = (const Lane *)(m->gv + i * m->ld + b * W * PARTS);
      if (IS_COMPLEX)
        sum += __builtin_shufflevector(x[0] * x[0], x[PARTS - 1] * x[PARTS - 1], INDEX(EVEN, 0)) +
               __builtin_shufflevector(x[0] * x[0], x[PARTS - 1] * x[PARTS - 1], INDEX(EVEN, 1));
      else
        sum += x[0] * x[0];
    }
    norm[b] = NAME(root)(sum);
  }
}

/* A square tile of W / PARTS rows, one Lane each, conjugated and transposed in place. */
#define TILE (W / PARTS)

static inline __attribute__((always_inline)) void NAME(adjoin)(Lane t[W]) {
#if LANE_BYTES / REAL_BYTES / (1 + IS_COMPLEX) >= 16
  BUTTERFLY(TILE, 8, PARTS)
#endif
#if LANE_BYTES / REAL_BYTES / (1 + IS_COMPLEX) >= 8
  BUTTERFLY(TILE, 4, PARTS)
#endif
#if LANE_BYTES / REAL_BYTES / (1 + IS_COMPLEX) >= 4
  BUTTERFLY(TILE, 2, PARTS)
#endif
#if LANE_BYTES / REAL_BYTES / (1 + IS_COMPLEX) >= 2
  BUTTERFLY(TILE, 1, PARTS)
#endif
  if (IS_COMPLEX) {
    Lane sign;
    for (int l = 0; l < W; l++) sign[l] = l % 2 ? -1 : 1;
    for (int r = 0; r < TILE; r++) t[r] *= sign;
  }
}

/* A tile of a^H: the tile at (i, j) of `a` goes to (j, i) of `out`. */
static inline __attribute__((always_inline)) void
NAME(adjoin_tile)(int i, int j, const Real *a, int64_t lda, Real *out, int64_t ld) {
  Lane t[W];
  _Pragma("GCC unroll 16") for (int r = 0; r < TILE; r++) t[r] =
      *(const Loose *)(a + (i + r) * lda + j * PARTS);
  NAME(adjoin)(t);
  _Pragma("GCC unroll 16") for (int r = 0; r < TILE; r++) *
      (Lane *)(out + (j + r) * ld + i * PARTS) = t[r];
}

/* out = a^H, both n x n; `half`: only the tiles of `out` on and below the diagonal. */
static void NAME(adjoint)(bool half, int n, const Real *a, int64_t lda, Real *out, int64_t ld) {
  for (int i = 0; i < n; i += TILE)
    for (int j = half ? i : 0; j < n; j += TILE) NAME(adjoin_tile)(i, j, a, lda, out, ld);
}

/* Makes a Hermitian from its half below the diagonal. */
static void NAME(complete)(int n, Real *a, int64_t ld) {
  for (int i = 0; i < n; i += TILE) {
    for (int j = 0; j < i; j += TILE) NAME(adjoin_tile)(i, j, a, ld, a, ld);
    mpt_mirror_block(TYPE, n - i < TILE ? n - i : TILE, a + i * ld + i * PARTS, ld / PARTS,
                     MPT_TRIANGLE_LOWER);
  }
}

/* Computes one Lane of row a of X, as far as it is left of the diagonal, from T and T^H. */
static inline void NAME(step_lane)(const NAME(product_memory) * m, NAME(single) * s, int a, int b,
                                   Lane count, Lane row[2]) {
  const NAME(gradient) *q = s->group;
  Lane *t = (Lane *)(m->t + a * m->ld + b * PARTS), *turned = (Lane *)(m->turned + b);
  Lane *size = (Lane *)(m->size + b);
  const Lane *th = (const Lane *)(m->th + a * m->ld + b * PARTS), zero = {0};
  const Lane w = *(const Lane *)(s->w + b), gw = *(const Lane *)(s->gw + b);
  const Lane norm = *(const Lane *)(m->norm + b);
  Lane k[2] = {(t[0] - th[0]) / 2, {0}};
  if (IS_COMPLEX) {
    const Lane first = k[0], second = (t[PARTS - 1] - th[PARTS - 1]) / 2;
    k[0] = __builtin_shufflevector(first, second, INDEX(EVEN, 0));
    k[1] = __builtin_shufflevector(first, second, INDEX(EVEN, 1));
  }
  /* right of the diagonal T^H has not been computed */
  const Mask left = NAME(less)(count, NAME(all)((Real)a));
  const Mask diagonal = NAME(equal)(count, NAME(all)((Real)a));
  if (IS_COMPLEX && NAME(any)(diagonal))
    NAME(phase_entry)(q, NAME(select)(diagonal, k[1], zero), norm, &s->sums);
  k[0] = NAME(select)(left, k[0], zero);
  k[1] = NAME(select)(left, k[1], zero);
  const Lane off = NAME(all)(q->off[s->lane]);
  const Lane inverse = NAME(select)(left, off / (w - NAME(all)(s->w[a])), zero);
  const Lane own = NAME(max)(*(const Lane *)(m->own + b), NAME(all)(m->own[a]));
  const Lane values =
      (NAME(abs)(gw) + NAME(all)(s->gw[a] < 0 ? -s->gw[a] : s->gw[a])) * NAME(all)(s->on * 100);
  const Lane theta2 =
      NAME(step_entry)(q, off, k, norm + NAME(all)(m->norm[a]), inverse, own, values, &s->sums);
  const Lane turn = inverse * NAME(all)(q->angle[s->lane]) * (gw - NAME(all)(s->gw[a]));
  const Lane x2 = k[0] * k[0] + k[1] * k[1];
  s->sums.turn2 += turn * turn;
  *turned += theta2;
  *size += x2;
  row[0] += theta2;
  row[1] += x2;
  if (IS_COMPLEX) {
    t[0] = __builtin_shufflevector(k[0], k[1], INDEX(ZIPPED, 0));
    t[PARTS - 1] = __builtin_shufflevector(k[0], k[1], INDEX(ZIPPED, W / 2));
  } else {
    t[0] = k[0];
  }
}

static Real NAME(sum_of)(Lane x) {
  Real sum = 0;
  for (int l = 0; l < W; l++) sum += x[l];
  return sum;
}

/* Turns T into X. Sums count each pair of entries once, and diagonal entries half. */
static void NAME(make_single_x)(const NAME(product_memory) * m, NAME(single) * s) {
  Lane count;
  NAME(adjoint)(true, s->n, m->t, m->ld, m->th, m->ld);
  for (int l = 0; l < W; l++) count[l] = (Real)l;
  memset(m->turned, 0, sizeof(Real) * (size_t)m->ldn);
  memset(m->size, 0, sizeof(Real) * (size_t)m->ldn);
  for (int a = 0; a < s->n; a++) {
    const Real t = m->t[a * m->ld + a * PARTS];
    m->own[a] = t < 0 ? -t : t;
  }
  for (int a = 0; a < s->n; a++) {
    Lane row[2] = {{0}, {0}};
    for (int b = 0; b <= a; b += W) NAME(step_lane)(m, s, a, b, count + NAME(all)((Real)b), row);
    m->turned[a] += NAME(sum_of)(row[0]);
    m->size[a] += NAME(sum_of)(row[1]);
    const Real g = m->norm[a], t = m->t[a * m->ld + a * PARTS];
    m->leverage[a] = (Real)mpt_leverage2((double)g * g, (double)t * t, s->n);
    const Real x = s->gw[a] * s->on;
    m->t[a * m->ld + a * PARTS] = x;
    s->sums.x2[0] += x * x / 2;
  }
  for (int a = 0; a < s->n; a++) s->sums.turn2[0] += m->turned[a] * m->size[a] * m->leverage[a];
  NAME(complete)(s->n, m->t, m->ld);
}

/* The same for a problem in a lane apart. */
static void NAME(make_single_apart)(const NAME(product_memory) * m, NAME(single) * s) {
  double *norm = s->aside->numbers + (MPT_RULE_ARRAYS + 2) * s->n;
  NAME(adjoint)(false, s->n, m->t, m->ld, m->th, m->ld);
  for (int j = 0; j < s->n; j++) norm[j] = (double)m->norm[j];
  NAME(step_apart)(s->group, s->aside, s->lane, m->t, m->th, m->ld);
}

static void NAME(make_any_x)(const NAME(product_memory) * m, NAME(single) * s) {
  if (s->group->apart[s->lane])
    NAME(make_single_apart)(m, s);
  else
    NAME(make_single_x)(m, s);
}

/* Without eigenvector cotangents X is diagonal, and Y = V X follows directly. */
static void NAME(scale_columns)(const NAME(product_memory) * m, NAME(single) * s, const Real *v,
                                int64_t ldv) {
  const int n = s->n;
  memset(m->t, 0, sizeof(Real) * (size_t)(n * m->ld));
  memset(m->norm, 0, sizeof(Real) * (size_t)m->ldn);
  NAME(make_any_x)(m, s);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n * PARTS; j++)
      m->y[i * m->ld + j] = v[i * ldv + j] * m->t[j / PARTS * m->ld + j / PARTS * PARTS];
}

/* Completes G from the lower half of the product, checks it against its factors and scales it. */
static void NAME(write_gradient)(const NAME(product_memory) * m, NAME(single) * s) {
  const int n = s->n;
  const int64_t ld = m->ld;
  const Lane x = NAME(all)(s->factor[0]), y = NAME(all)(s->factor[1]);
  Lane bad = {0};
  NAME(complete)(n, m->t, ld);
  const Real found = NAME(single_gradient)(n, m->t, ld, s->signs, m->probe);
  if (!(found <= s->output)) s->output = found;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n * PARTS; j += W) {
      Lane *at = (Lane *)(m->t + i * ld + j);
      *at = *at * x * y + (Lane){0};
      bad += *at - *at;
    }
    memcpy((Real *)s->g + i * n * PARTS, m->t + i * ld, sizeof(Real) * (size_t)(n * PARTS));
  }
  if (s->conjugate) mpt_conjugate(TYPE, (int64_t)n * n, s->g);
  s->finite = !NAME(any)(~NAME(equal)(bad, (Lane){0}));
}

/* V itself if its rows are whole tiles, else a padded copy. */
static const Real *NAME(vectors_of)(const NAME(product_memory) * m, const NAME(single) * s,
                                    int64_t *ld) {
  enum { WHOLE = W > NAME(TILE_ROWS) ? W : NAME(TILE_ROWS) };
  *ld = s->n % WHOLE ? m->ld : s->n * PARTS;
  if (s->n % WHOLE == 0) return s->v;
  NAME(copy_rows)(s->n, s->v, 1, m->v, m->ld);
  return m->v;
}

static void NAME(differentiate_single)(const NAME(product_memory) * m, NAME(single) * s) {
  const int n = s->n;
  const int64_t ld = m->ld;
  int64_t ldv;
  const Real *v = NAME(vectors_of)(m, s, &ldv);
  if (s->gv) {
    NAME(copy_rows)(n, s->gv, s->scale, m->gv, ld);
    NAME(column_norms)(m, n);
    NAME(small_product)(true, false, n, v, PARTS, ldv, m->gv, m->t, ld);
    if (s->group->spoil == 1) NAME(spoil_row)(n, m->t + (n - 1) * ld);
    s->output = NAME(single_overlap)(n, v, ldv, m->gv, m->t, ld, m->norm, s->signs, m->probe);
    NAME(make_any_x)(m, s);
    NAME(small_product)(false, false, n, v, ldv, PARTS, m->t, m->y, ld);
  } else {
    NAME(scale_columns)(m, s, v, ldv);
  }
  NAME(adjoint)(false, n, v, ldv, m->vh, ld);
  NAME(single_expect)(n, v, ldv, m->t, ld, s->signs, m->probe);
  if (s->group->spoil == 2) NAME(spoil_row)(n, m->y + (n - 1) * ld);
  NAME(small_product)(false, true, n, m->y, ld, PARTS, m->vh, m->t, ld);
  if (s->group->spoil == 3) NAME(spoil_row)(n, m->t + (n - 1) * ld);
  NAME(write_gradient)(m, s);
}
