/* Included once per scalar type by turn.c. */

/* The k-th reflection acts on columns k.. only: rows -= 2 (row x) x^H / (x^H x). Here x is a
 * Gaussian vector plus the vector that maps it onto an axis. */
static void NAME(reflect)(turning *t, int64_t k, uint64_t *state) {
  Scalar *x = t->x;
  const int64_t count = t->count - k;
  double norm2 = 0;
  for (int64_t j = 0; j < count; j++) {
    double pair[2];
    draw_pair(state, pair);
#if IS_COMPLEX
    x[j] = (Real)pair[0] + (Real)pair[1] * (Scalar)I;
#else
    x[j] = (Real)pair[0];
#endif
    norm2 += ABS2(x[j]);
  }
  const double size = ABS(x[0]), length = sqrt(norm2);
  x[0] = size > 0 ? x[0] * (Real)(1 + length / size) : (Real)length;
  norm2 = 0;
  for (int64_t j = 0; j < count; j++) norm2 += ABS2(x[j]);
  for (int64_t i = 0; i < t->rows; i++) {
    Scalar *row = (Scalar *)t->v + i * t->ld + k;
    double _Complex sum = 0;
    for (int64_t j = 0; j < count; j++) sum += (double _Complex)row[j] * (double _Complex)x[j];
    const Scalar part = (Scalar)(2 * sum / norm2);
    for (int64_t j = 0; j < count; j++) row[j] -= part * CONJ(x[j]);
  }
}

/* |v|^2 of each column's largest component on this rank. */
static void NAME(find_largest)(turning *t) {
  memset(t->largest2, 0, sizeof *t->largest2 * (size_t)t->count);
  for (int64_t i = 0; i < t->rows; i++)
    for (int64_t j = 0; j < t->count; j++) {
      const Scalar v = ((const Scalar *)t->v)[i * t->ld + j];
      t->largest2[j] = fmax(t->largest2[j], ABS2(v));
    }
}

/* The first row whose component is as large, within rounding; n where this rank has none. */
static void NAME(find_pivots)(turning *t) {
  const double equal = 1 - mpt_equal_components(t->type, t->n);
  for (int64_t j = 0; j < t->count; j++) {
    int64_t i = 0;
    const Scalar *v = (const Scalar *)t->v + j;
    while (i < t->rows && ABS2(v[i * t->ld]) < t->largest2[j] * equal * equal) i++;
    t->at[j] = i < t->rows ? t->row0 + i : t->n;
    t->pivot[2 * j] = i < t->rows ? (double)RE(v[i * t->ld]) : 0;
    t->pivot[2 * j + 1] = i < t->rows ? (double)IM(v[i * t->ld]) : 0;
  }
}

static void NAME(turn_phases)(turning *t) {
  for (int64_t j = 0; j < t->count; j++) {
    const double re = t->pivot[2 * j], im = t->pivot[2 * j + 1], size = hypot(re, im);
    Scalar *v = (Scalar *)t->v + j;
    if (size == 0 || (im == 0 && re > 0)) continue;
#if IS_COMPLEX
    const Scalar turn = (Scalar)((re - im * I) / size);
#else
    const Scalar turn = (Scalar)(re / size);
#endif
    for (int64_t i = 0; i < t->rows; i++) v[i * t->ld] *= turn;
    const int64_t own = t->at[j] - t->row0;
    if (own >= 0 && own < t->rows) v[own * t->ld] = (Real)size;
  }
}
