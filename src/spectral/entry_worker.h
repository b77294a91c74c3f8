/* One entry of the elementwise step of every backward pass (see spectral.h), without a branch, so that
 * the same lines serve an entry of a tile and an entry of many matrices, one a vector lane. Whoever
 * includes this gives `Value` and `Flag`, and on them LARGER, LESS, CHOOSE. */

/* k: the entry of K, replaced by that of X; `scale`: |gv_a| + |gv_b|; `inverse_gap`: 1 / (w_a - w_b),
 * whatever it is where `same`: both belong to one multiplet; `noise`: 8 eps sqrt(n). k and scale are in units
 * in which no square leaves the range. What entries add up to is that of mpt_sums, gauge2 being the
 * square of the gauge violation. Returns 1 / gap, zero where `same`. */
static inline Value NAME(step_entry)(Value k[2], Value scale, Value inverse_gap, Flag same,
                                     Value noise, Value *gauge2, Value *noise2, Value *x2) {
  const Value zero = scale - scale, one = zero + 1, scale2 = scale * scale;
  const Value magnitude2 = k[0] * k[0] + k[1] * k[1];
  const Value level2 = noise * noise * scale2 / 4;
  const Value ratio2 = 4 * magnitude2 / CHOOSE(LESS(zero, scale2), scale2, one);
  const Value outside = CHOOSE(same, zero, inverse_gap);
  const Value kept = CHOOSE(LESS(level2, magnitude2), outside, zero);
  *gauge2 = LARGER(*gauge2, CHOOSE(same, ratio2, zero));
  *noise2 = *noise2 + level2 * (kept * kept);
  k[0] = k[0] * kept;
  k[1] = k[1] * kept;
  *x2 = *x2 + (k[0] * k[0] + k[1] * k[1]);
  return outside;
}
