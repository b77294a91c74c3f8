/* Eigenvalues of the tridiagonal T, and the rotations that lead to them: the implicit QL algorithm
 * (Bowdler, Martin, Reinsch, Wilkinson 1968) in all lanes of GROUPS groups at once, so that one
 * group's square roots and divisions overlap with another's. Every lane has an active block [lo,
 * hi] of its own. A sweep runs over the union of all blocks, and a lane outside its block does
 * nothing. The results in a lane do not depend on the others. */

enum { NAME(GROUPS) = 4, NAME(CALENDAR) = 8 };
#define GROUPS ((int)NAME(GROUPS))
#define EACH_GROUP _Pragma("GCC unroll 4") for (int g = 0; g < GROUPS; g++)

/* A lane's active block and what its next shift needs: d and e at lo, d at lo + 1 and hi. */
typedef struct NAME(block) {
  Lane lo, hi, d0, d1, e0, dh;
} NAME(block);

/* Rotations are kept as (sine, tangent of half the angle) of column pairs (j, j + 1). Those of
 * sweep k of this round begin at offset[k], for j = from[k] downwards; those of group g that are
 * not the identity are between top[g][k] and bottom[g][k]. */
typedef struct NAME(ql) {
  int n, capacity; /* Lanes of rotations that fit one round */
  int most, done;  /* sweeps of all rounds: limit, and so far */
  int sweeps;      /* in this round */
  Lane *d, *e;     /* [n][GROUPS] */
  Lane tolerance[GROUPS];
  NAME(block) block[GROUPS];
  Mask stale[GROUPS]; /* lanes that need a search for their block */
  Lane *rotations[GROUPS];
  int offset[ROUND_SWEEPS], from[ROUND_SWEEPS];
  int top[GROUPS][ROUND_SWEEPS], bottom[GROUPS][ROUND_SWEEPS];
} NAME(ql);

static void NAME(start_ql)(NAME(ql) * q) {
  q->done = 0;
  for (int g = 0; g < GROUPS; g++) memset(&q->block[g], 0, sizeof q->block[g]);
}

static inline Mask NAME(unfinished)(const NAME(ql) * q, int g) {
  return NAME(less)(q->block[g].lo, NAME(all)((Real)(q->n - 1)));
}

/* Finds the first block at or after lo that is not a single eigenvalue, in the stale lanes of a
 * group. */
static inline void NAME(find_block)(NAME(ql) * q, int g) {
  const int n = q->n;
  const Mask stale = q->stale[g];
  NAME(block) b = q->block[g];
  b.hi = NAME(select)(stale, NAME(all)((Real)(n - 1)), b.hi);
  b.dh = NAME(select)(stale, q->d[(n - 1) * GROUPS + g], b.dh);
  const int first = (int)NAME(bottom)(NAME(select)(stale, b.lo, NAME(all)((Real)n)));
  for (int j = first; j < n - 1; j++) {
    const Lane dj = q->d[j * GROUPS + g], ej = q->e[j * GROUPS + g], here = NAME(all)((Real)j);
    const Mask small = NAME(and_at_most)(stale, NAME(abs)(ej), q->tolerance[g]);
    b.lo = NAME(select)(NAME(and_equal)(small, b.lo, here), NAME(all)((Real)(j + 1)), b.lo);
    const Mask end = NAME(and_less)(NAME(and_at_most)(small, b.lo, here), here, b.hi);
    b.hi = NAME(select)(end, here, b.hi);
    b.dh = NAME(select)(end, dj, b.dh);
    const Mask start = NAME(and_equal)(stale, b.lo, here);
    b.d0 = NAME(select)(start, dj, b.d0);
    b.d1 = NAME(select)(start, q->d[(j + 1) * GROUPS + g], b.d1);
    b.e0 = NAME(select)(start, ej, b.e0);
  }
  q->block[g] = b;
}

/* A sweep on its way up: the bulge, and values of the block after it. */
typedef struct NAME(bulge) {
  Lane s, c, p, g;
  Lane below; /* d of the column before last */
  Lane e1, d2;
} NAME(bulge);

/* Lanes that have converged, whose e0 may be zero, must not get a NaN here. It would enter the
 * tangents of their rotations, which are zero otherwise. */
static inline NAME(bulge) NAME(start_bulge)(const NAME(block) * b, Mask alive) {
  const Lane one = NAME(all)(1), e0 = NAME(select)(alive, b->e0, one), e2 = e0 * e0;
  const Lane half = (b->d1 - b->d0) * NAME(all)((Real)0.5);
  const Lane root = NAME(root)(NAME(fma)(half, half, e2));
  const Lane shift = e2 / (half + NAME(with_sign)(root, half)); /* Wilkinson's, relative to d0 */
  return (NAME(bulge)){one, one, {0}, b->dh - b->d0 + shift, {0}, {0}, {0}};
}

/* One rotation in columns j, j + 1. `high`: the block of some lane ends here or above; `low`: that
 * of some lane begins here or below. Otherwise both columns are inside the block of every lane in
 * `alive`. */
static inline __attribute__((always_inline)) void
NAME(move_bulge)(const bool high, const bool low, NAME(bulge) * b, NAME(block) * block, Mask alive,
                 Lane here, Lane *d, Lane *e, Lane *rotation) {
  const Lane one = NAME(all)(1), zero = {0};
  const Lane dj = d[0], ej = e[0];
  const Lane f = b->s * ej, h = b->c * ej;
  const Lane r2 = NAME(fma)(b->g, b->g, f * f);
  const Mask nothing = NAME(less)(r2, NAME(all)(TINY)); /* no rotation */
  const Lane r = NAME(root)(NAME(max)(r2, NAME(all)(TINY))), inverse = one / r;
  const Lane off = NAME(with_sign)(r, b->g);
  const Lane size = NAME(select)(nothing, NAME(all)(ROOT_OF_TINY), NAME(abs)(b->g));
  const Lane across = NAME(select)(nothing, zero, NAME(flip_sign)(f, b->g));
  const Lane rest = d[GROUPS] - b->p;
  /* 1 / r is ready last, and the next rotation waits for it: so the sums are formed before they are
   * multiplied by it */
  const Lane turned = NAME(fma)(dj - rest, across, (size + size) * h) * inverse;
  const Lane c = size * inverse, s = across * inverse, tangent = across / (r + size);
  const Lane p = s * turned, g = NAME(fma)(c, turned, -h), moved = rest + p;
  Mask live = alive, inner = alive;
  if (low) live = inner = NAME(and_at_most)(live, block->lo, here);
  if (high) {
    live = NAME(and_less)(live, here, block->hi);
    inner = NAME(and_less)(live, here + one, block->hi);
    block->dh = NAME(select)(live & ~inner, moved, block->dh);
  }
  rotation[0] = NAME(select)(live, s, zero);
  rotation[1] = NAME(select)(live, tangent, zero);
  e[GROUPS] = NAME(select)(inner, off, e[GROUPS]);
  d[GROUPS] = NAME(select)(live, moved, d[GROUPS]);
  if (low) {
    const Mask last = NAME(and_equal)(live, here, block->lo);
    block->d0 = NAME(select)(last, dj - p, block->d0);
    block->e0 = NAME(select)(last, g, block->e0);
    block->d1 = NAME(select)(last, moved, block->d1);
    d[0] = NAME(select)(last, block->d0, dj);
    e[0] = NAME(select)(last, g, ej);
    b->e1 = NAME(select)(last, off, b->e1);
    b->d2 = NAME(select)(last, b->below, b->d2);
  }
  b->below = moved;
  b->s = high ? NAME(select)(live, s, b->s) : s; /* lanes that have not begun do nothing */
  b->c = high ? NAME(select)(live, c, b->c) : c;
  b->p = high ? NAME(select)(live, p, b->p) : p;
  b->g = high ? NAME(select)(live, g, b->g) : g;
}

/* After a sweep, a lane whose first off-diagonal element has vanished moves on by one. Its block is
 * stale when that was the last element of the block, when the next one has vanished as well, or
 * (`all`) every CALENDAR sweeps. */
static inline void NAME(advance)(NAME(ql) * q, int g, const NAME(bulge) * b, bool all) {
  NAME(block) *k = &q->block[g];
  const Mask active = NAME(unfinished)(q, g);
  const Mask gone = NAME(and_at_most)(active, NAME(abs)(k->e0), q->tolerance[g]);
  k->lo = NAME(select)(gone, k->lo + NAME(all)(1), k->lo);
  k->d0 = NAME(select)(gone, k->d1, k->d0);
  k->d1 = NAME(select)(gone, b->d2, k->d1);
  k->e0 = NAME(select)(gone, b->e1, k->e0);
  const Mask over = NAME(and_equal)(gone, k->lo, k->hi);
  const Mask again = NAME(and_at_most)(gone, NAME(abs)(k->e0), q->tolerance[g]);
  const Mask still = NAME(unfinished)(q, g);
  q->stale[g] = (over | again) & still;
  if (all) q->stale[g] = still;
}

/* Where the blocks of all unfinished lanes begin and end; these bounds may be too wide. */
typedef struct NAME(bounds) {
  int top[GROUPS], bottom[GROUPS]; /* of each group: the last column pair and the first */
  int first_end, last_start;       /* over all groups: the smallest hi and the largest lo */
} NAME(bounds);

/* Bounds the ends of blocks, which change when blocks have been searched for. */
static inline void NAME(bound_ends)(NAME(ql) * q, NAME(bounds) * bounds) {
  const Lane beyond = NAME(all)((Real)q->n);
  Lane ends = beyond;
  EACH_GROUP {
    const Mask active = NAME(unfinished)(q, g);
    ends = NAME(min)(ends, NAME(select)(active, q->block[g].hi, beyond));
    bounds->top[g] = (int)NAME(top)(NAME(select)(active, q->block[g].hi, (Lane){0})) - 1;
  }
  bounds->first_end = (int)NAME(bottom)(ends);
}

/* Bounds the beginnings, which only increase; false when every lane has converged. */
static inline bool NAME(bound_starts)(NAME(ql) * q, NAME(bounds) * bounds) {
  const Lane none = NAME(all)(-1);
  const int k = q->sweeps;
  Lane starts = none;
  bool any = false;
  EACH_GROUP {
    const Mask active = NAME(unfinished)(q, g);
    int *bottom = &bounds->bottom[g];
    starts = NAME(max)(starts, NAME(select)(active, q->block[g].lo, none));
    if (!NAME(any)(active)) bounds->top[g] = -1;
    any |= NAME(any)(active);
    while (bounds->top[g] >= *bottom &&
           !NAME(any)(NAME(and_at_most)(active, q->block[g].lo, NAME(all)((Real)*bottom))))
      ++*bottom;
    q->top[g][k] = bounds->top[g];
    q->bottom[g][k] = *bottom;
  }
  bounds->last_start = (int)NAME(top)(starts);
  return any;
}

static inline int NAME(sweep)(NAME(ql) * q, const NAME(bounds) * bounds, int at) {
  NAME(bulge) b[GROUPS];
  Mask alive[GROUPS];
  int top = -1, bottom = q->n;
  EACH_GROUP {
    alive[g] = NAME(unfinished)(q, g);
    b[g] = NAME(start_bulge)(&q->block[g], alive[g]);
    top = bounds->top[g] > top ? bounds->top[g] : top;
    if (bounds->top[g] >= 0 && bounds->bottom[g] < bottom) bottom = bounds->bottom[g];
  }
  q->offset[q->sweeps] = at;
  q->from[q->sweeps] = top;
#define MOVE(high, low)                                                                            \
  EACH_GROUP NAME(move_bulge)(high, low, &b[g], &q->block[g], alive[g], NAME(all)((Real)j),        \
                              q->d + j * GROUPS + g, q->e + j * GROUPS + g, q->rotations[g] + at)
  for (int j = top; j >= bottom; j--, at += 2) {
    const bool high = j + 1 >= bounds->first_end, low = j <= bounds->last_start;
    if (high && low)
      MOVE(true, true);
    else if (high)
      MOVE(true, false);
    else if (low)
      MOVE(false, true);
    else
      MOVE(false, false);
  }
#undef MOVE
  EACH_GROUP NAME(advance)(q, g, &b[g], (q->done + 1) % NAME(CALENDAR) == 0);
  return at;
}

/* Sweeps until all lanes have converged or have used up their sweeps (true), or until the room for
 * rotations is used up (false). */
static bool NAME(iterate)(NAME(ql) * q) {
  NAME(bounds) bounds = {.bottom = {0}};
  int at = 0;
  for (int g = 0; g < GROUPS && q->done == 0; g++) q->stale[g] = NAME(unfinished)(q, g);
  for (q->sweeps = 0; q->sweeps < ROUND_SWEEPS && at + 2 * q->n <= q->capacity; q->sweeps++) {
    bool looked = q->sweeps == 0;
    for (int g = 0; g < GROUPS; g++)
      if (NAME(any)(q->stale[g])) {
        NAME(find_block)(q, g);
        looked = true;
      }
    if (looked) NAME(bound_ends)(q, &bounds);
    if (!NAME(bound_starts)(q, &bounds) || q->done == q->most) return true;
    at = NAME(sweep)(q, &bounds, at);
    q->done++;
  }
  return false;
}
