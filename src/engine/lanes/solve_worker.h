/* Solves GROUPS groups of W matrices, from interleaved input to interleaved eigenpairs. */

/* The memory of one call, for one n, taken from one allocation. */
typedef struct NAME(space) {
  Lane *a[GROUPS];                      /* [n n] Numbers: the input matrices */
  Lane *triangle[GROUPS], *tau[GROUPS]; /* packed; [n] Numbers */
  Lane *z[GROUPS];                      /* [n][ld], column by column */
  Lane *v;                              /* [n n] Numbers: a group's eigenvectors */
  Lane *w;                              /* [n][GROUPS]; d at first */
  Lane *e;                              /* [n][GROUPS] */
  Lane *strip, *work;                   /* [COLUMNS n], [2 n] Numbers */
  Lane scale[GROUPS][2], unscale[GROUPS][2], largest[GROUPS];
  Mask dead[GROUPS], lost[GROUPS]; /* not finite; not converged */
  NAME(ql) ql;
} NAME(space);

static inline int NAME(leading)(int n) {
  return n | 1; /* so that columns of Z use different cache sets */
}

/* Lanes from one row of V to the next; rows that are long enough are padded to use different cache
 * sets. */
static inline int NAME(row_length)(int n) {
  return n <= 16 ? n * PARTS : (n * PARTS) | 1;
}

/* Powers of two that bring the largest entry to about 2^SCALE_EXPONENT, as two factors because a
 * single one can overflow or underflow. */
static void NAME(choose_scale)(Lane largest, Lane scale[2], Lane unscale[2]) {
  const Bits bias = (REAL_BYTES == 4 ? 127 : 1023) + (Bits){0};
  const int digits = REAL_BYTES == 4 ? 23 : 52;
  const Bits biased =
      (Bits)largest >> digits; /* 0 for zero and subnormal numbers: not scaled up further */
  const Bits exponent = bias + NAME(SCALE_EXPONENT) - biased;
  const Bits half = exponent >> 1, rest = exponent - half;
  scale[0] = (Lane)((bias + half) << digits);
  scale[1] = (Lane)((bias + rest) << digits);
  unscale[0] = (Lane)((bias - half) << digits);
  unscale[1] = (Lane)((bias - rest) << digits);
}

/* Packs the scaled lower triangle; lanes that are not finite become zero. */
static void NAME(pack)(int n, const Lane *a, const Lane scale[2], Mask dead, Lane *triangle) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i * PARTS + PARTS - 1; j++) {
      const Lane x = NAME(select)(dead, (Lane){0}, a[i * n * PARTS + j]);
      triangle[NAME(row)(i) + j] = x * scale[0] * scale[1];
    }
}

/* Sets the tolerance for deflation. */
static void NAME(measure)(int n, NAME(space) * s, int g) {
  Lane largest = {0};
  for (int j = 0; j < n; j++) {
    largest = NAME(max)(largest, NAME(abs)(s->w[j * GROUPS + g]));
    largest = NAME(max)(largest, NAME(abs)(s->e[j * GROUPS + g]));
  }
  s->ql.tolerance[g] = largest * (REAL_BYTES == 4 ? (Real)0x1p-23 : (Real)0x1p-52);
}

/* Reduces the first `groups` groups to tridiagonal form. They are interleaved while they fit a
 * cache, so that square roots and divisions of one overlap with products of another. */
static void NAME(reduce)(int n, NAME(space) * s, int groups) {
  const bool together = n <= 16;
  NAME(reduction) q[GROUPS];
  for (int g = 0; g < groups; g++) {
    NAME(pack)(n, s->a[g], s->scale[g], s->dead[g], s->triangle[g]);
    q[g] = NAME(start_reduction)(n, s->triangle[g], s->w + g, s->e + g, GROUPS, s->tau[g],
                                 s->work + g * 2 * n * PARTS);
    for (int k = n - 1; k >= 0 && !together; k--) NAME(reduce_step)(k, &q[g]);
  }
  for (int k = n - 1; k >= 0 && together; k--)
    for (int g = 0; g < groups; g++) NAME(reduce_step)(k, &q[g]);
  for (int g = 0; g < groups; g++) NAME(measure)(n, s, g);
}

/* Marks a group without problems as converged. */
static void NAME(leave_empty)(int n, NAME(space) * s, int g) {
  for (int j = 0; j < n; j++) s->w[j * GROUPS + g] = s->e[j * GROUPS + g] = (Lane){0};
  s->ql.tolerance[g] = (Lane){0};
}

static void NAME(finish_values)(int n, NAME(space) * s, int g) {
  s->lost[g] = NAME(unfinished)(&s->ql, g);
  for (int j = 0; j < n; j++)
    s->w[j * GROUPS + g] = s->w[j * GROUPS + g] * s->unscale[g][0] * s->unscale[g][1] + (Lane){0};
}

/* Diagonalizes the tridiagonal matrices of all groups and leaves the rotations of the last round.
 * Earlier rounds have been applied to the z of each group. Returns whether there were any. */
static bool NAME(diagonalize)(int n, NAME(space) * s, bool vectors) {
  bool several = false;
  NAME(start_ql)(&s->ql);
  while (!NAME(iterate)(&s->ql)) {
    for (int g = 0; g < GROUPS && vectors; g++) {
      if (!several) NAME(start_identity)(n, s->z[g], NAME(leading)(n));
      NAME(rotate_all)(&s->ql, g, s->z[g], NAME(leading)(n));
    }
    several = true;
  }
  return several;
}

/* Sorts the eigenvalues of group g, and puts the eigenvectors into s->v. One Z serves all groups if
 * there was only one round. */
static void NAME(find_pairs)(int n, NAME(space) * s, int g, bool several, bool vectors) {
  const int ld = NAME(leading)(n);
  Lane *z = !vectors ? NULL : several ? s->z[g] : s->z[0];
  if (vectors && !several) NAME(start_identity)(n, z, ld);
  if (vectors) NAME(rotate_all)(&s->ql, g, z, ld);
  NAME(sort)(n, s->w + g, GROUPS, z, ld);
  NAME(finish_values)(n, s, g);
  if (vectors) NAME(back_transform)
  (n, s->triangle[g], s->tau[g], z, ld, s->work, s->strip, s->v, NAME(row_length)(n));
}
