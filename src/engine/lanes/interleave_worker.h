/* Transposition between W ordinary arrays of `length` Reals and one array of `length` Lanes. */

#define ZIPPED(l, h) ((l) % 2 * W + (l) / 2 + (h)) /* zips a, b: a0 b0 a1 b1 ... from h on */

/* Index vectors of the butterfly of half-width h: where lane l of the first and of the second
 * result comes from, in (a, b) side by side. */
#define FIRST(l, h) (((l) & (h)) ? W + ((l) ^ (h)) : (l))
#define SECOND(l, h) (((l) & (h)) ? W + (l) : ((l) ^ (h)))
#define INDEX2(f, h) f(0, h), f(1, h)
#define INDEX4(f, h) INDEX2(f, h), f(2, h), f(3, h)
#define INDEX8(f, h) INDEX4(f, h), f(4, h), f(5, h), f(6, h), f(7, h)
#define INDEX16(f, h)                                                                              \
  INDEX8(f, h), f(8, h), f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)
#if LANE_BYTES / REAL_BYTES == 2
#define INDEX(f, h) INDEX2(f, h)
#elif LANE_BYTES / REAL_BYTES == 4
#define INDEX(f, h) INDEX4(f, h)
#elif LANE_BYTES / REAL_BYTES == 8
#define INDEX(f, h) INDEX8(f, h)
#else
#define INDEX(f, h) INDEX16(f, h)
#endif
/* One stage on t[rows], whose elements are `width` Reals wide. */
#define BUTTERFLY(rows, h, width)                                                                  \
  _Pragma("GCC unroll 16") for (int r = 0; r < (rows); r++) if (!(r & (h))) {                      \
    const Lane a = t[r], b = t[r | (h)];                                                           \
    t[r] = __builtin_shufflevector(a, b, INDEX(FIRST, (width) * (h)));                             \
    t[r | (h)] = __builtin_shufflevector(a, b, INDEX(SECOND, (width) * (h)));                      \
  }

static inline void NAME(transpose)(Lane t[W]) {
#if LANE_BYTES / REAL_BYTES >= 16
  BUTTERFLY(W, 8, 1)
#endif
#if LANE_BYTES / REAL_BYTES >= 8
  BUTTERFLY(W, 4, 1)
#endif
#if LANE_BYTES / REAL_BYTES >= 4
  BUTTERFLY(W, 2, 1)
#endif
  BUTTERFLY(W, 1, 1)
}

/* How far ahead the cache lines of the W arrays are prefetched: the arrays are too far apart for
 * the processor's own prefetching. */
enum { NAME(AHEAD) = 512 / sizeof(Real) };

/* One block of W elements; blocks may overlap. */
static inline void NAME(interleave_block)(const Real *const source[W], int64_t i, Lane *out) {
  Lane t[W];
  _Pragma("GCC unroll 16") for (int l = 0; l < W; l++) {
    __builtin_prefetch(source[l] + i + NAME(AHEAD), 0);
    t[l] = *(const Loose *)(source[l] + i);
  }
  NAME(transpose)(t);
  _Pragma("GCC unroll 16") for (int l = 0; l < W; l++) out[l] = t[l];
}

static inline void NAME(deinterleave_block)(const Lane *in, Real *const target[W], int64_t i) {
  Lane t[W];
  _Pragma("GCC unroll 16") for (int l = 0; l < W; l++) {
    __builtin_prefetch(target[l] + i + NAME(AHEAD), 1);
    t[l] = in[l];
  }
  NAME(transpose)(t);
  _Pragma("GCC unroll 16") for (int l = 0; l < W; l++) * (Loose *)(target[l] + i) = t[l];
}

/* Arrays of W / 2 elements; two of them fill a vector. */
#define SAME_PLACE(l, h) ((l) + (h))
#if LANE_BYTES / REAL_BYTES == 4
#define INDEX_OF_HALF(f, h) INDEX2(f, h)
#elif LANE_BYTES / REAL_BYTES == 8
#define INDEX_OF_HALF(f, h) INDEX4(f, h)
#elif LANE_BYTES / REAL_BYTES == 16
#define INDEX_OF_HALF(f, h) INDEX8(f, h)
#endif
#if LANE_BYTES / REAL_BYTES >= 4
typedef Real NAME(half)
    __attribute__((vector_size(LANE_BYTES / 2), aligned(sizeof(Real)), may_alias));
#define Half NAME(half)

static inline Lane NAME(join)(Half a, Half b) {
  return __builtin_shufflevector(a, b, INDEX(SAME_PLACE, 0));
}

static inline void NAME(split)(Lane x, Real *low, Real *high) {
  *(Half *)low = __builtin_shufflevector(x, x, INDEX_OF_HALF(SAME_PLACE, 0));
  *(Half *)high = __builtin_shufflevector(x, x, INDEX_OF_HALF(SAME_PLACE, W / 2));
}

/* The butterflies within halves, on W / 2 vectors. */
static inline void NAME(transpose_halves)(Lane t[W / 2]) {
#if LANE_BYTES / REAL_BYTES >= 16
  BUTTERFLY(W / 2, 4, 1)
#endif
#if LANE_BYTES / REAL_BYTES >= 8
  BUTTERFLY(W / 2, 2, 1)
#endif
  BUTTERFLY(W / 2, 1, 1)
}

static inline void NAME(interleave_halves)(const Real *const source[W], Lane *out) {
  Lane t[W / 2];
  _Pragma("GCC unroll 8") for (int r = 0; r < W / 2; r++) t[r] =
      NAME(join)(*(const Half *)source[r], *(const Half *)source[W / 2 + r]);
  NAME(transpose_halves)(t);
  _Pragma("GCC unroll 8") for (int r = 0; r < W / 2; r++) out[r] = t[r];
}

static inline void NAME(deinterleave_halves)(const Lane *in, Real *const target[W],
                                             int64_t offset) {
  Lane t[W / 2];
  _Pragma("GCC unroll 8") for (int r = 0; r < W / 2; r++) t[r] = in[r];
  NAME(transpose_halves)(t);
  _Pragma("GCC unroll 8") for (int r = 0; r < W / 2; r++)
      NAME(split)(t[r], target[r] + offset, target[W / 2 + r] + offset);
}
#endif

static void NAME(interleave)(int64_t length, const Real *const source[W], Lane *out) {
  int64_t i = 0;
  for (; i + W <= length; i += W) NAME(interleave_block)(source, i, out + i);
  if (i < length && length >= W) NAME(interleave_block)(source, length - W, out + length - W);
#if LANE_BYTES / REAL_BYTES >= 4
  else if (2 * length == W)
    NAME(interleave_halves)(source, out);
#endif
  else
    for (; i < length; i++)
      for (int l = 0; l < W; l++) out[i][l] = source[l][i];
}

/* `offset`: where the array begins in each target. */
static void NAME(deinterleave)(int64_t length, const Lane *in, Real *const target[W],
                               int64_t offset) {
  int64_t i = 0;
  for (; i + W <= length; i += W) NAME(deinterleave_block)(in + i, target, offset + i);
  if (i < length && length >= W)
    NAME(deinterleave_block)(in + length - W, target, offset + length - W);
#if LANE_BYTES / REAL_BYTES >= 4
  else if (2 * length == W)
    NAME(deinterleave_halves)(in, target, offset);
#endif
  else if (length == 2 && target[W - 1] == target[0] + 2 * (W - 1)) /* side by side */
    for (int h = 0; h < 2; h++)
      *(Loose *)(target[0] + offset + h * W) =
          h ? __builtin_shufflevector(in[0], in[1], INDEX(ZIPPED, W / 2))
            : __builtin_shufflevector(in[0], in[1], INDEX(ZIPPED, 0));
  else
    for (; i < length; i++)
      for (int l = 0; l < W; l++) target[l][offset + i] = in[i][l];
}

/* A matrix of n rows of `length` elements; rows of `in` are ld apart. */
static void NAME(deinterleave_rows)(int n, int length, int ld, const Lane *in,
                                    Real *const target[W]) {
  if (ld == length)
    NAME(deinterleave)((int64_t)n * length, in, target, 0);
  else
    for (int i = 0; i < n; i++)
      NAME(deinterleave)(length, in + (int64_t)i * ld, target, (int64_t)i * length);
}
