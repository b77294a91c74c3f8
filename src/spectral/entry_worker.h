/* One entry of the elementwise step of every backward pass (see spectral.h), without a branch, so
 * that the same lines serve an entry of a tile and an entry of many matrices, one a vector lane.
 * Whoever includes this gives `Value` and `Flag`, and on them LARGER, LESS, CHOOSE.
 *
 * k: an entry of K; `scale`: |gv_a| + |gv_b|; `same`: both belong to one multiplet. k and scale are
 * in units in which no square leaves the range. What entries add up to is that of mpt_sums. */

/* The square of the gauge violation, before k is replaced. */
static inline void NAME(gauge_entry)(const Value k[2], Value scale, Flag same, Value *gauge2) {
  const Value zero = scale - scale, one = zero + 1, scale2 = scale * scale;
  const Value ratio2 = 4 * (k[0] * k[0] + k[1] * k[1]) / CHOOSE(LESS(zero, scale2), scale2, one);
  *gauge2 = LARGER(*gauge2, CHOOSE(same, ratio2, zero));
}

/* k becomes the entry of X; `inverse_gap`: 1 / (w_a - w_b), whatever it is where `same`; `noise`: 8
 * eps sqrt(n). Returns 1 / gap, zero where `same`. */
static inline Value NAME(step_entry)(Value k[2], Value scale, Value inverse_gap, Flag same,
                                     Value noise, Value *noise2, Value *x2) {
  const Value zero = scale - scale, level = noise / 2 * scale, level2 = level * level;
  const Value magnitude2 = k[0] * k[0] + k[1] * k[1];
  const Value outside = CHOOSE(same, zero, inverse_gap);
  const Value kept = CHOOSE(LESS(level2, magnitude2), outside, zero), kept2 = kept * kept;
  *noise2 = *noise2 + level2 * kept2;
  *x2 = *x2 + magnitude2 * kept2;
  k[0] = k[0] * kept;
  k[1] = k[1] * kept;
  return outside;
}
