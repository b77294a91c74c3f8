/* Included once per scalar type by tiles.c. A tile is part of the transpose of a matrix: its entry
 * (i, j) is entry (b, a) of that matrix, where a and b are the global row and column in the tile.
 */

static inline Scalar *NAME(sum_at)(const mpt_tile *tile, int64_t i, int64_t j) {
  return (Scalar *)tile->sum + i + j * tile->ldt;
}

static inline void NAME(put)(Scalar *sum, bool first, double re, double im) {
#if IS_COMPLEX
  const Scalar x = (Real)re + (Real)im * (Scalar)I;
#else
  const Scalar x = (Real)re;
  (void)im;
#endif
  *sum = first ? x : *sum + x;
}

static void NAME(function_tile)(mpt_function_step *step, const mpt_tile *tile) {
  const mpt_spectral_function *f = step->function;
  double sum = 0, null = 0, all = 0, turned = 0;
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++) {
      const int64_t a = tile->row0 + i, b = tile->col0 + j;
      const Scalar t = ((const Scalar *)tile->t)[i + j * tile->ldt];
      const Scalar th = ((const Scalar *)tile->th)[i + j * tile->ldth];
      const double d = mpt_divided_difference(f, a, b);
      const double re = ((double)RE(t) + (double)RE(th)) / 2;
      const double im = ((double)IM(t) + (double)IM(th)) / 2;
      const double shift = a == b && step->shift ? step->shift[a] : 0;
      NAME(put)(NAME(sum_at)(tile, i, j), step->first, d * re + shift, d * im);
      if (f->steep) {
        const double x = re / step->largest, y = im / step->largest, square = x * x + y * y;
        const bool zero[2] = {mpt_is_null(f, a), mpt_is_null(f, b)}, left_out = zero[0] && zero[1];
        const double theta = step->rounding / f->w[zero[0] ? b : a];
        all += square;
        null += left_out ? square : 0;
        turned += zero[0] != zero[1] ? theta * theta * square : 0;
        if (left_out) continue;
      }
      const double size = hypot(re * step->unit, im * step->unit);
      const double turn = fmax(step->turns[a], step->turns[b]) * size;
      const double level = step->level * step->unit * d;
      sum += turn * turn + level * level;
    }
  step->noise2 += sum;
  step->null2 += null;
  step->all2 += all;
  step->turned2 += turned;
}

static void NAME(frame_tile)(const mpt_frame_step *step, const mpt_tile *tile, double *noise2) {
  const double edge = step->edge, unit = step->unit;
  const mpt_spectral_frame *f = step->frame;
  const int64_t m = f->columns;
  double sum = 0;
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++) {
      const int64_t a = tile->row0 + i, b = tile->col0 + j;
      const bool a_in = a >= f->first && a < f->stop, b_in = b >= f->first && b < f->stop;
      mpt_wide x = 0; /* entry (b, a) of y r^H + r y^H */
      double size = 0;
      for (int64_t l = 0; l < m && a_in != b_in; l++) {
        const mpt_wide ya = f->y[a * m + l], yb = f->y[b * m + l];
        const mpt_wide ra = f->r[a * m + l], rb = f->r[b * m + l];
        x += yb * conj(ra) + rb * conj(ya);
        size += cabs(yb) * cabs(ra) + cabs(rb) * cabs(ya);
      }
      const double d = a_in != b_in ? (a_in ? 1 : -1) / (step->w[a] - step->w[b]) / 2 : 0;
      NAME(put)(NAME(sum_at)(tile, i, j), false, d * creal(x), d * cimag(x));
      const double entry = cabs(x) * unit * d, turn = entry * edge;
      const double level = step->epsilon * f->condition * (size * unit) * d;
      sum += turn * turn + level * level;
    }
  *noise2 += sum;
}

static void NAME(tangent_tile)(mpt_tangent_step *step, const mpt_tile *tile) {
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++) {
      const int64_t a = tile->row0 + i, b = tile->col0 + j;
      const Scalar t = ((const Scalar *)tile->t)[i + j * tile->ldt];
      const bool same = step->multiplet[a] == step->multiplet[b];
      const double size = hypot((double)RE(t), (double)IM(t));
      const bool kept = !same && size > 8 * step->level;
      const double gap = kept ? step->w[a] - step->w[b] : INFINITY;
      NAME(put)(NAME(sum_at)(tile, i, j), true, (double)RE(t) / gap, (double)IM(t) / gap);
      if (same && a != b) step->split = fmax(step->split, size);
      if (!kept) continue;
      const double d = fabs(gap) / step->norm, entry = size * step->unit / d;
      const double noise = 3 * step->level * step->unit / d;
      const double theta = fmin(1, MPT_TURN * step->epsilon / d);
      /* what the rotation of the two vectors by rounding adds to M_ij from the diagonal */
      const double brought = theta * fabs(step->diagonal[a] - step->diagonal[b]) * step->unit / d;
      step->noise2 += noise * noise + brought * brought;
      step->x2 += entry * entry;
      step->turned[b] += theta * theta;
      step->size[b] += entry * entry;
    }
}

static void NAME(start_sum)(const mpt_tile *tile) {
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++)
      *NAME(sum_at)(tile, i, j) = ((const Scalar *)tile->t)[i + j * tile->ldt];
}

static void NAME(start_diagonal)(const mpt_tile *tile, const double *d) {
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++) {
      const bool diagonal = tile->row0 + i == tile->col0 + j;
      *NAME(sum_at)(tile, i, j) = (Real)(diagonal ? d[tile->row0 + i] : 0);
    }
}

static void NAME(rows_into_basis)(int64_t rows, const mpt_spectral_frame *f, const void *vectors,
                                  const void *reference, mpt_wide *r) {
  const int64_t n = f->n, m = f->columns;
  const Scalar *v = vectors, *x = reference;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < n; j++)
      for (int64_t l = 0; l < m; l++) r[j * m + l] += conj((mpt_wide)v[i * n + j]) * x[i * m + l];
}

static void NAME(rows_out_of_basis)(int64_t rows, const mpt_spectral_frame *f, const void *vectors,
                                    const mpt_wide *c, void *out) {
  const int64_t n = f->n, m = f->columns;
  const Scalar *v = vectors;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t l = 0; l < m; l++) {
      mpt_wide sum = 0;
      for (int64_t k = f->first; k < f->stop; k++) sum += v[i * n + k] * c[(k - f->first) * m + l];
      NAME(put)((Scalar *)out + i * m + l, true, creal(sum), cimag(sum));
    }
}

static void NAME(doubles_to_real)(int64_t count, const double *in, void *reals) {
  for (int64_t i = 0; i < count; i++) ((Real *)reals)[i] = (Real)in[i];
}

static void NAME(tile_norm)(const mpt_tile *tile, double unit, double *norm2) {
  double sum = 0;
  for (int64_t j = 0; j < tile->cols; j++)
    for (int64_t i = 0; i < tile->rows; i++) {
      const Scalar x = *NAME(sum_at)(tile, i, j);
      const double re = (double)RE(x) * unit, im = (double)IM(x) * unit;
      sum += re * re + im * im;
    }
  *norm2 += sum;
}

static void NAME(tile_diagonal)(const mpt_tile *tile, double *diagonal) {
  for (int64_t j = 0; j < tile->cols; j++) {
    const int64_t a = tile->col0 + j, i = a - tile->row0;
    if (i >= 0 && i < tile->rows) diagonal[a] = RE(((const Scalar *)tile->t)[i + j * tile->ldt]);
  }
}
