/* n = 2 in closed form: A = D M D^H with D = diag(1, exp(i phi)) and a real symmetric M. One Jacobi
 * rotation (c, s), |s| <= c, diagonalizes M. */

/* t = tan of the angle for [[x, size], [size, y]]. */
static inline Lane NAME(jacobi_tangent)(Lane x, Lane y, Lane size) {
  const Lane ratio = (y - x) / (size + size);
  const Lane root = NAME(root)(NAME(fma)(ratio, ratio, NAME(all)(1)));
  return NAME(with_sign)(NAME(all)(1) / (NAME(abs)(ratio) + root), ratio);
}

/* Computes eigenvalues of group g, and eigenvectors with their phases fixed, for take_two. The
 * largest or equally large component of v1 = (c, -s exp(i phi)) is the first, that of v2 = (s, c
 * exp(i phi)) the second, unless both are equal within rounding. */
static void NAME(solve_two)(NAME(space) * q, int g) {
  const Lane one = NAME(all)(1), zero = {0};
  Lane *v = q->ql.rotations[g]; /* not used otherwise for n = 2 */
  const Real equal = 1 - 1016 * (REAL_BYTES == 4 ? (Real)0x1p-23 : (Real)0x1p-52);
  Lane a[3 * 2];
  NAME(pack)(2, q->a[g], q->scale[g], q->dead[g], a);
  const Lane x = a[0], y = a[2 * PARTS];
  Number b = NAME(load)(a + PARTS);
  const Lane b2 = NAME(norm2)(b);
  const Mask nothing = NAME(less)(b2, NAME(all)(TINY));
  const Lane size = NAME(root)(NAME(max)(b2, NAME(all)(TINY)));
  const Lane t = NAME(select)(nothing, zero, NAME(jacobi_tangent)(x, y, size));
  const Lane c = one / NAME(root)(NAME(fma)(t, t, one)), s = t * c;
  Number unit = NAME(zero)();
  unit.re = one;
  b = NAME(choose)(nothing, unit, NAME(times_real)(b, one / size)); /* exp(i phi) */
  const Mask near = NAME(at_most)(c * c * NAME(all)(equal * equal), s * s);
  const Lane low = NAME(fnma)(t, size, x), high = NAME(fma)(t, size, y);
  const Mask turned = NAME(less)(high, low);
  Number v1[2] = {unit, NAME(times_real)(b, -s)}, v2[2] = {unit, unit};
  v1[0].re = c;
  v2[1].re = c;
  v2[0] = NAME(times_real)(NAME(conjugate)(b), s);
  Number first = NAME(zero)();
  first.re = NAME(abs)(s);
  v2[0] = NAME(choose)(near, first, v2[0]);
  v2[1] = NAME(choose)(near, NAME(times_real)(b, NAME(with_sign)(c, s)), v2[1]);
  for (int i = 0; i < 2; i++) {
    NAME(store)(v + 2 * i * PARTS, NAME(choose)(turned, v2[i], v1[i]));
    NAME(store)(v + (2 * i + 1) * PARTS, NAME(choose)(turned, v1[i], v2[i]));
  }
  for (int k = 0; k < 4 * PARTS; k++) v[k] += zero; /* no negative zeros */
  q->w[g] = NAME(select)(turned, high, low);
  q->w[GROUPS + g] = NAME(select)(turned, low, high);
  q->ql.block[g].lo = one; /* converged */
}

/* Makes what solve_two left the results of group g. */
static inline void NAME(take_two)(NAME(space) * q, int g) {
  NAME(finish_values)(2, q, g);
  for (int k = 0; k < 4 * PARTS; k++) q->v[k] = q->ql.rotations[g][k];
}
