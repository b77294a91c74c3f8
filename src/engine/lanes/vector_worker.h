/* Vectors of Reals, one matrix in each lane: `Lane` and its `Mask`, in the compiler's vector
 * extensions. Included once per scalar type and instruction set; the including file defines
 * LANE_BYTES. */

#define Lane NAME(lane)
#define Mask NAME(mask)
#define Number NAME(number)

enum { NAME(W) = LANE_BYTES / sizeof(Real), NAME(PARTS) = 1 + IS_COMPLEX };
#define W ((int)NAME(W))
#define PARTS ((int)NAME(PARTS))

typedef Real Lane __attribute__((vector_size(LANE_BYTES), may_alias));
typedef Integer NAME(bits) __attribute__((vector_size(LANE_BYTES), may_alias));
#define Bits NAME(bits)
typedef Real NAME(loose) __attribute__((vector_size(LANE_BYTES), aligned(sizeof(Real)), may_alias));
#define Loose NAME(loose)

/* A real or complex number in every lane. */
typedef struct Number {
  Lane re;
#if IS_COMPLEX
  Lane im;
#endif
} Number;

static inline Lane NAME(all)(Real x) {
  return x - (Lane){0};
}

#if MASK_REGISTERS
/* One bit for each lane. */
#if REAL_BYTES == 4
typedef __mmask16 Mask;
#define COMPARE_(m, a, b, how) _mm512_mask_cmp_ps_mask(m, (__m512)(a), (__m512)(b), how)
#define BLEND_(m, a, b) (Lane) _mm512_mask_blend_ps(m, (__m512)(b), (__m512)(a))
#else
typedef __mmask8 Mask;
#define COMPARE_(m, a, b, how) _mm512_mask_cmp_pd_mask(m, (__m512d)(a), (__m512d)(b), how)
#define BLEND_(m, a, b) (Lane) _mm512_mask_blend_pd(m, (__m512d)(b), (__m512d)(a))
#endif
static inline Mask NAME(everywhere)(void) {
  return (Mask)-1;
}

static inline Lane NAME(select)(Mask m, Lane a, Lane b) {
  return BLEND_(m, a, b);
}

static inline bool NAME(any)(Mask m) {
  return m != 0;
}

/* The lanes of m in which the comparison holds. */
static inline Mask NAME(and_less)(Mask m, Lane a, Lane b) {
  return COMPARE_(m, a, b, _CMP_LT_OQ);
}

static inline Mask NAME(and_at_most)(Mask m, Lane a, Lane b) {
  return COMPARE_(m, a, b, _CMP_LE_OQ);
}

static inline Mask NAME(and_equal)(Mask m, Lane a, Lane b) {
  return COMPARE_(m, a, b, _CMP_EQ_OQ);
}

static inline bool NAME(in_lane)(Mask m, int l) {
  return m >> l & 1;
}
#undef COMPARE_
#undef BLEND_
#else
typedef Bits Mask; /* all bits of a lane, or none */

static inline Mask NAME(everywhere)(void) {
  return ~(Mask){0};
}

static inline Lane NAME(select)(Mask m, Lane a, Lane b) {
#if defined(__AVX2__) && REAL_BYTES == 4
  return (Lane)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
#elif defined(__AVX2__)
  return (Lane)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m);
#else
  return (Lane)(((Mask)a & m) | ((Mask)b & ~m));
#endif
}

static inline bool NAME(any)(Mask m) {
#if defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#else
  Integer bits = 0;
  for (int l = 0; l < W; l++) bits |= m[l];
  return bits != 0;
#endif
}

static inline Mask NAME(and_less)(Mask m, Lane a, Lane b) {
  return m & (a < b);
}

static inline Mask NAME(and_at_most)(Mask m, Lane a, Lane b) {
  return m & (a <= b);
}

static inline Mask NAME(and_equal)(Mask m, Lane a, Lane b) {
  return m & (a == b);
}

static inline bool NAME(in_lane)(Mask m, int l) {
  return m[l] != 0;
}
#endif

static inline Mask NAME(less)(Lane a, Lane b) {
  return NAME(and_less)(NAME(everywhere)(), a, b);
}

static inline Mask NAME(at_most)(Lane a, Lane b) {
  return NAME(and_at_most)(NAME(everywhere)(), a, b);
}

static inline Mask NAME(equal)(Lane a, Lane b) {
  return NAME(and_equal)(NAME(everywhere)(), a, b);
}

static inline Lane NAME(abs)(Lane x) {
  const Bits sign = (Bits)NAME(all)((Real)-0.0);
  return (Lane)((Bits)x & ~sign);
}

/* a b + c and c - a b, fused where the instruction set can. They are written out because code that
 * is compiled twice must round the same way (the lanes' files are built without contraction). */
static inline Lane NAME(fma)(Lane a, Lane b, Lane c) {
#if LANE_BYTES == 64
  return REAL_BYTES == 4 ? (Lane)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c)
                         : (Lane)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LANE_BYTES == 32
  return REAL_BYTES == 4 ? (Lane)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c)
                         : (Lane)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return REAL_BYTES == 4 ? (Lane)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b)
                         : (Lane)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  return a * b + c;
#endif
}

static inline Lane NAME(fnma)(Lane a, Lane b, Lane c) {
#if LANE_BYTES == 64
  return REAL_BYTES == 4 ? (Lane)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c)
                         : (Lane)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LANE_BYTES == 32
  return REAL_BYTES == 4 ? (Lane)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c)
                         : (Lane)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return REAL_BYTES == 4 ? (Lane)vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b)
                         : (Lane)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  return c - a * b;
#endif
}

/* x with its sign changed where y is negative. */
static inline Lane NAME(flip_sign)(Lane x, Lane y) {
  const Bits sign = (Bits)NAME(all)((Real)-0.0);
  return (Lane)((Bits)x ^ ((Bits)y & sign));
}

/* |x| with the sign bit of y. */
static inline Lane NAME(with_sign)(Lane x, Lane y) {
  const Bits sign = (Bits)NAME(all)((Real)-0.0);
  return (Lane)(((Bits)x & ~sign) | ((Bits)y & sign));
}

static inline Lane NAME(max)(Lane a, Lane b) {
#if LANE_BYTES == 64
  return REAL_BYTES == 4 ? (Lane)_mm512_max_ps((__m512)a, (__m512)b)
                         : (Lane)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif LANE_BYTES == 32
  return REAL_BYTES == 4 ? (Lane)_mm256_max_ps((__m256)a, (__m256)b)
                         : (Lane)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
  return NAME(select)(NAME(less)(b, a), a, b);
#endif
}

static inline Lane NAME(min)(Lane a, Lane b) {
  return -NAME(max)(-a, -b);
}

static inline Lane NAME(root)(Lane x) {
#if LANE_BYTES == 64
  return REAL_BYTES == 4 ? (Lane)_mm512_sqrt_ps((__m512)x) : (Lane)_mm512_sqrt_pd((__m512d)x);
#elif LANE_BYTES == 32
  return REAL_BYTES == 4 ? (Lane)_mm256_sqrt_ps((__m256)x) : (Lane)_mm256_sqrt_pd((__m256d)x);
#else
  Lane r;
  for (int l = 0; l < W; l++) r[l] = REAL_BYTES == 4 ? sqrtf((float)x[l]) : (Real)sqrt(x[l]);
  return r;
#endif
}

/* The largest and the smallest element over all lanes. */
static inline Real NAME(top)(Lane x) {
#if LANE_BYTES == 64
  return REAL_BYTES == 4 ? (Real)_mm512_reduce_max_ps((__m512)x)
                         : (Real)_mm512_reduce_max_pd((__m512d)x);
#else
  Real r = x[0];
  for (int l = 1; l < W; l++) r = x[l] > r ? x[l] : r;
  return r;
#endif
}

static inline Real NAME(bottom)(Lane x) {
  return -NAME(top)(-x);
}

/* Arithmetic on Numbers; a `c` in a name marks a conjugated factor. */
static inline Number NAME(zero)(void) {
  return (Number){.re = {0}};
}

static inline Number NAME(load)(const Lane *x) {
#if IS_COMPLEX
  return (Number){x[0], x[1]};
#else
  return (Number){x[0]};
#endif
}

static inline void NAME(store)(Lane *x, Number a) {
  x[0] = a.re;
#if IS_COMPLEX
  x[1] = a.im;
#endif
}

/* s + a b */
static inline Number NAME(add_product)(Number s, Number a, Number b) {
#if IS_COMPLEX
  s.re = NAME(fma)(a.re, b.re, s.re);
  s.im = NAME(fma)(a.re, b.im, s.im);
  s.re = NAME(fnma)(a.im, b.im, s.re);
  s.im = NAME(fma)(a.im, b.re, s.im);
#else
  s.re = NAME(fma)(a.re, b.re, s.re);
#endif
  return s;
}

/* s + conj(a) b */
static inline Number NAME(add_cproduct)(Number s, Number a, Number b) {
#if IS_COMPLEX
  s.re = NAME(fma)(a.re, b.re, s.re);
  s.im = NAME(fma)(a.re, b.im, s.im);
  s.re = NAME(fma)(a.im, b.im, s.re);
  s.im = NAME(fnma)(a.im, b.re, s.im);
#else
  s.re = NAME(fma)(a.re, b.re, s.re);
#endif
  return s;
}

static inline Number NAME(add)(Number a, Number b) {
  a.re += b.re;
#if IS_COMPLEX
  a.im += b.im;
#endif
  return a;
}

static inline Number NAME(times_real)(Number a, Lane x) {
  a.re *= x;
#if IS_COMPLEX
  a.im *= x;
#endif
  return a;
}

static inline Number NAME(conjugate)(Number a) {
#if IS_COMPLEX
  a.im = -a.im;
#endif
  return a;
}

static inline Number NAME(negate)(Number a) {
  a.re = -a.re;
#if IS_COMPLEX
  a.im = -a.im;
#endif
  return a;
}

static inline Number NAME(product)(Number a, Number b) {
  return NAME(add_product)(NAME(zero)(), a, b);
}

static inline Lane NAME(norm2)(Number a) {
#if IS_COMPLEX
  return NAME(fma)(a.re, a.re, a.im * a.im);
#else
  return a.re * a.re;
#endif
}

/* 1 / a, correctly rounded for real numbers, so that exact results stay exact: the eigenvectors of
 * a matrix of uncoupled blocks are those of its blocks. */
static inline Number NAME(inverse)(Number a) {
  const Lane one = NAME(all)(1), plain = one / a.re;
#if IS_COMPLEX
  const Mask real = NAME(equal)(a.im, (Lane){0});
  a = NAME(times_real)(NAME(conjugate)(a), one / NAME(norm2)(a));
  a.re = NAME(select)(real, plain, a.re);
#else
  a.re = plain;
#endif
  return a;
}

static inline Number NAME(choose)(Mask m, Number a, Number b) {
  a.re = NAME(select)(m, a.re, b.re);
#if IS_COMPLEX
  a.im = NAME(select)(m, a.im, b.im);
#endif
  return a;
}
