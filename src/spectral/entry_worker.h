/* One entry of the elementwise step of every backward pass (see spectral.h), without a branch, so
 * that the same lines serve an entry of a tile and an entry of many matrices, one a vector lane.
 * Whoever includes this gives `Value` and `Flag`, and on them ROOT, LARGER, LESS, CHOOSE. */

/* k: the entry of K, replaced by that of X; `scale`: |gv_a| + |gv_b|; `gap`: w_a - w_b; `same`:
 * both belong to one multiplet; `noise`: 8 eps sqrt(n). k and scale are in units in which no square
 * leaves the range. What entries add up to is that of mpt_sums. */
static inline void NAME(step_entry)(Value k[2], Value scale, Value gap, Flag same, Value noise,
                                    Value *gauge, Value *noise2, Value *x2) {
  const Value zero = scale - scale, one = zero + 1;
  const Value magnitude = ROOT(k[0] * k[0] + k[1] * k[1]);
  const Value level = noise * scale / 2;
  const Value ratio = 2 * magnitude / CHOOSE(LESS(zero, scale), scale, one);
  const Value inverse = one / CHOOSE(same, one, gap);
  const Value kept = CHOOSE(same, zero, CHOOSE(LESS(level, magnitude), inverse, zero));
  const Value uncertain = level * kept;
  *gauge = LARGER(*gauge, CHOOSE(same, ratio, zero));
  *noise2 = *noise2 + uncertain * uncertain;
  k[0] = k[0] * kept;
  k[1] = k[1] * kept;
  *x2 = *x2 + (k[0] * k[0] + k[1] * k[1]);
}
