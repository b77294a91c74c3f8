/* Included once per scalar type by engines that can solve in part (mpt_reduced): the products that
 * read the same on one rank and on many. The including file defines how routines and matrices are
 * written:
 *
 *   GEMM(...), HER2K(...), UNMTR(...)   calls
 *   PANEL(x), SQUARE(x), WHOLE(x)       n x columns, columns x columns and n x n matrices as
 * arguments REFLECTORS, TAU                     what the reduction left */

/* T = B^H U. */
static void NAME(inner)(mpt_state *s, const Scalar *left, const Scalar *right, Scalar *out) {
  const Scalar one = 1, zero = 0;
  const int n = (int)s->shape.n, m = (int)s->panels.columns;
  GEMM("C", "N", &m, &m, &n, &one, PANEL(left), PANEL(right), &zero, SQUARE(out));
}

static void NAME(project)(mpt_state *s) {
  const Scalar one = 1, minus = -1;
  const int n = (int)s->shape.n, m = (int)s->panels.columns;
  Scalar *u = s->panels.u, *b = s->panels.b, *th = s->panels.th;
  NAME(inner)(s, u, b, th);
  GEMM("N", "N", &n, &m, &m, &minus, PANEL(u), SQUARE(th), &one, PANEL(b));
}

static int NAME(turn_panel)(mpt_state *s, Scalar *panel, bool back) {
  const int n = (int)s->shape.n, m = (int)s->panels.columns;
  int info = 0;
  if (n > 1)
    UNMTR("L", "L",
          back         ? "N"
          : IS_COMPLEX ? "C"
                       : "T",
          &n, &m, WHOLE(REFLECTORS), TAU, PANEL(panel), s->work, &s->lwork, &info);
  return info;
}

static void NAME(turn)(mpt_state *s, bool back) {
  NAME(turn_panel)(s, s->panels.b, back);
}

static void NAME(combine_square)(mpt_state *s) {
  const Scalar half = (Scalar)0.5;
  const int n = (int)s->shape.n, m = (int)s->panels.columns;
  const Scalar *u = s->panels.u, *t = s->panels.t;
  Scalar *b = s->panels.b;
  GEMM("N", "N", &n, &m, &m, &half, PANEL(u), SQUARE(t), &half, PANEL(b));
}

/* The lower triangle of U B^H + B U^H. */
static void NAME(assemble_lower)(mpt_state *s, Scalar *out) {
  const Scalar one = 1;
  const Real none = 0;
  const int n = (int)s->shape.n, m = (int)s->panels.columns;
  const Scalar *u = s->panels.u, *b = s->panels.b;
  HER2K("L", "N", &n, &m, &one, PANEL(u), PANEL(b), &none, WHOLE(out));
}
