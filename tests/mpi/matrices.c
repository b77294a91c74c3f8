#include "matrices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REFLECTORS = 6 };
static const long double pi = 3.14159265358979323846264338327950288L;

long double random_number(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (long double)(int64_t)(z >> 11) * 0x1p-52L - 1;
}

wide random_element(uint64_t *state, bool is_complex) {
  long double re = random_number(state), im = random_number(state);
  return is_complex ? re + im * I : re;
}

/* m = H m with H = 1 - 2 v v^H / v^H v, then m = m H when `both`. */
static void reflect(int64_t n, const wide *v, bool both, wide *m, wide *line) {
  long double square = 0;
  for (int64_t i = 0; i < n; i++) square += creall(conjl(v[i]) * v[i]);
  if (square == 0) return;
  memset(line, 0, sizeof *line * (size_t)n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) line[j] += conjl(v[i]) * m[i * n + j];
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) m[i * n + j] -= 2 / square * v[i] * line[j];
  for (int64_t i = 0; both && i < n; i++) {
    wide sum = 0;
    for (int64_t j = 0; j < n; j++) sum += m[i * n + j] * v[j];
    for (int64_t j = 0; j < n; j++) m[i * n + j] -= 2 / square * sum * conjl(v[j]);
  }
}

static void rotate(int64_t n, bool is_complex, uint64_t seed, bool both, wide *m) {
  wide *v = malloc(sizeof *v * (size_t)(2 * n + 1)), *line = v + n;
  for (int k = REFLECTORS; k > 0; k--) {
    uint64_t state = seed * 1000 + (uint64_t)k;
    for (int64_t i = 0; i < n; i++) v[i] = random_element(&state, is_complex);
    reflect(n, v, both, m, line);
  }
  free(v);
}

void rotate_similarly(int64_t n, bool is_complex, uint64_t seed, wide *m) {
  rotate(n, is_complex, seed, true, m);
}

void rotate_left(int64_t n, bool is_complex, uint64_t seed, wide *m) {
  rotate(n, is_complex, seed, false, m);
}

static void make_hermitian(int64_t n, wide *m) {
  for (int64_t i = 0; i < n; i++) {
    m[i * n + i] = creall(m[i * n + i]);
    for (int64_t j = 0; j < i; j++) m[i * n + j] = conjl(m[j * n + i]);
  }
}

void fill_hermitian(int64_t n, bool is_complex, uint64_t seed, wide *m) {
  for (int64_t i = 0; i < n * n; i++) m[i] = random_element(&seed, is_complex);
  make_hermitian(n, m);
}

void multiply(int64_t n, const wide *a, const wide *b, wide *out) {
  memset(out, 0, sizeof *out * (size_t)(n * n));
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < n; k++)
      for (int64_t j = 0; j < n; j++) out[i * n + j] += a[i * n + k] * b[k * n + j];
}

void multiply_adjoint(int64_t n, const wide *a, const wide *b, wide *out) {
  memset(out, 0, sizeof *out * (size_t)(n * n));
  for (int64_t k = 0; k < n; k++)
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) out[i * n + j] += conjl(a[k * n + i]) * b[k * n + j];
}

/* What a kind of matrix fills in; m->a and m->w are zero before. Kinds with `known` set w, in any
 * order. */
typedef struct recipe {
  const char *name;
  void (*fill)(matrix *m, bool is_complex, long double epsilon);
  bool known, rotated;
} recipe;

static void spectrum_on_diagonal(matrix *m) {
  for (int64_t i = 0; i < m->n; i++) m->a[i * m->n + i] = m->w[i];
}

static void zero(matrix *m, bool c, long double e) {
  (void)m, (void)c, (void)e;
}

static void identity(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = 1;
  spectrum_on_diagonal(m);
}

static void even(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = 1 - 2 * (i + 0.5L) / m->n;
  spectrum_on_diagonal(m);
}

static void geometric(matrix *m, bool c, long double e) {
  (void)c;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = m->n > 1 ? powl(e, (long double)i / (m->n - 1)) : 1;
  spectrum_on_diagonal(m);
}

static void clustered(matrix *m, bool c, long double e) {
  (void)c;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = i ? e : 1;
  spectrum_on_diagonal(m);
}

static void dense(matrix *m, bool c, long double e) {
  (void)e;
  fill_hermitian(m->n, c, 7, m->a);
}

static void scaled(matrix *m, bool c, long double by) {
  fill_hermitian(m->n, c, 8, m->a);
  for (int64_t i = 0; i < m->n * m->n; i++) m->a[i] *= by;
}

static void huge(matrix *m, bool c, long double e) {
  scaled(m, c, e < 1e-10L ? 1e300L : 1e30L);
}

static void tiny(matrix *m, bool c, long double e) {
  scaled(m, c, e < 1e-10L ? 1e-300L : 1e-30L);
}

static void laplacian(matrix *m, bool c, long double e) {
  const int64_t n = m->n;
  (void)c, (void)e;
  for (int64_t i = 0; i < n; i++) {
    m->a[i * n + i] = 2;
    if (i) m->a[i * n + i - 1] = m->a[(i - 1) * n + i] = -1;
    m->w[i] = 2 - 2 * cosl(pi * (i + 1) / (n + 1));
  }
}

static void wilkinson(matrix *m, bool c, long double e) {
  const int64_t n = m->n;
  (void)c, (void)e;
  for (int64_t i = 0; i < n; i++) {
    m->a[i * n + i] = fabsl(i - (n - 1) / 2.0L);
    if (i) m->a[i * n + i - 1] = m->a[(i - 1) * n + i] = 1;
  }
}

static void ones(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  for (int64_t i = 0; i < m->n * m->n; i++) m->a[i] = 1;
  if (m->n) m->w[0] = m->n;
}

/* The Kronecker sum of the Laplacians of complete graphs, one for each prime factor of n; for n =
 * 2^d the hypercube. An eigenvalue is the sum of the factors whose digit is not 0. */
static void hamming(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  int64_t rest = m->n, stride = 1;
  for (int64_t p = 2; rest > 1; p++)
    for (; rest % p == 0; rest /= p, stride *= p)
      for (int64_t i = 0; i < m->n; i++) {
        int64_t digit = i / stride % p;
        m->a[i * m->n + i] += p - 1;
        m->w[i] += digit ? p : 0;
        for (int64_t d = 0; d < p; d++)
          if (d != digit) m->a[i * m->n + i + (d - digit) * stride] -= 1;
      }
}

static void circulant(matrix *m, bool c, long double e) {
  static const long double coefficient[][2] = {{1, 0.5L}, {0.25L, -0.75L}};
  const int64_t n = m->n;
  (void)e;
  for (int64_t s = 1; s <= 2; s++) {
    wide z = coefficient[s - 1][0] + (c ? coefficient[s - 1][1] * I : 0);
    for (int64_t i = 0; i < n; i++) {
      int64_t to = (i + s) % n;
      m->a[i * n + to] += z;
      m->a[to * n + i] += conjl(z);
      m->w[i] += 2 * creall(z * cexpl(2 * pi * I * (long double)(s * i % n) / n));
    }
  }
}

/* J_y (for real types J_x) of spin (n - 1)/2. */
static void angular_momentum(matrix *m, bool c, long double e) {
  const int64_t n = m->n;
  const long double spin = (n - 1) / 2.0L;
  (void)e;
  for (int64_t i = 0; i < n; i++) {
    m->w[i] = i - spin;
    if (!i) continue;
    wide raise = sqrtl(spin * (spin + 1) - (i - spin) * (i - 1 - spin)) / 2;
    m->a[i * n + i - 1] = c ? -raise * I : raise;
    m->a[(i - 1) * n + i] = c ? raise * I : raise;
  }
}

/* X on even bits (Y on the lowest for complex types) and Z on odd ones, in the largest power of
 * two; 1 on the rest of the diagonal. */
static void pauli(matrix *m, bool c, long double e) {
  int64_t size = 1, flip = 0x5555;
  (void)e;
  while (2 * size <= m->n) size *= 2;
  for (int64_t i = 0; i < m->n; i++) {
    bool in = size > 1 && i < size;
    wide value = in && __builtin_popcountll((uint64_t)(i & ~flip)) % 2 ? -1 : 1;
    if (in && c) value *= i & 1 ? I : -I;
    m->a[i * m->n + (in ? i ^ (flip & (size - 1)) : i)] = value;
    m->w[i] = in && i % 2 ? -1 : 1;
  }
}

static void rank_one(matrix *m, bool c, long double e) {
  const int64_t n = m->n;
  uint64_t state = 9;
  wide *u = malloc(sizeof *u * (size_t)(n + 1));
  (void)e;
  for (int64_t i = 0; i < n; i++) {
    u[i] = random_element(&state, c);
    m->w[0] += creall(u[i] * conjl(u[i]));
  }
  for (int64_t i = 0; i < n * n; i++) m->a[i] = u[i / n] * conjl(u[i % n]);
  free(u);
}

static void graded(matrix *m, bool c, int64_t from, int64_t step) {
  fill_hermitian(m->n, c, 10, m->a);
  for (int64_t i = 0; i < m->n; i++)
    for (int64_t j = 0; j < m->n; j++)
      m->a[i * m->n + j] *= ldexpl(1, -(int)((2 * from + step * (i + j)) / 8));
}

static void graded_down(matrix *m, bool c, long double e) {
  (void)e;
  graded(m, c, 0, 1);
}

static void graded_up(matrix *m, bool c, long double e) {
  (void)e;
  graded(m, c, m->n, -1);
}

static void doubling(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = ilogb((double)(i + 1)) - 2;
  spectrum_on_diagonal(m);
}

static void threefold(matrix *m, bool c, long double e) {
  (void)c, (void)e;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = i / 3;
  spectrum_on_diagonal(m);
}

static void near_pairs(matrix *m, bool c, long double e) {
  (void)c;
  for (int64_t i = 0; i < m->n; i++) m->w[i] = i / 2 + i % 2 * (e < 1e-10L ? 1e-12L : 1e-5L);
  spectrum_on_diagonal(m);
}

static const recipe recipes[] = {
    {"zero", zero, true, false},
    {"identity", identity, true, false},
    {"diagonal, even", even, true, false},
    {"diagonal, geometric", geometric, true, false},
    {"diagonal, clustered", clustered, true, false},
    {"rotated, even", even, true, true},
    {"rotated, geometric", geometric, true, true},
    {"rotated, clustered", clustered, true, true},
    {"random", dense, false, false},
    {"random near overflow", huge, false, false},
    {"random near underflow", tiny, false, false},
    {"1-2-1", laplacian, true, false},
    {"Wilkinson W+", wilkinson, false, false},
    {"all ones", ones, true, false},
    {"hypercube", hamming, true, false},
    {"circulant", circulant, true, false},
    {"angular momentum", angular_momentum, true, false},
    {"Pauli string", pauli, true, false},
    {"rank one", rank_one, true, false},
    {"graded down", graded_down, false, false},
    {"graded up", graded_up, false, false},
    {"2^i clusters", doubling, true, true},
    {"threefold", threefold, true, true},
    {"near-degenerate pairs", near_pairs, true, true},
};

int matrix_kinds(void) {
  return (int)(sizeof recipes / sizeof *recipes);
}

const char *matrix_kind_name(int kind) {
  return recipes[kind].name;
}

int matrix_kind_named(const char *name) {
  for (int kind = 0; kind < matrix_kinds(); kind++)
    if (!strcmp(recipes[kind].name, name)) return kind;
  abort();
}

static int ascending(const void *a, const void *b) {
  long double x = *(const long double *)a, y = *(const long double *)b;
  return (x > y) - (x < y);
}

static matrix allocate(int64_t n) {
  return (matrix){n, calloc((size_t)(n * n + 1), sizeof(wide)),
                  calloc((size_t)n + 1, sizeof(long double)), true};
}

static void finish(matrix *m, bool rotated, bool is_complex, uint64_t seed) {
  if (rotated) rotate_similarly(m->n, is_complex, seed, m->a);
  make_hermitian(m->n, m->a);
  qsort(m->w, (size_t)m->n, sizeof *m->w, ascending);
}

matrix matrix_make(int kind, mpt_type type, int64_t n) {
  const recipe *r = &recipes[kind];
  matrix m = allocate(n);
  m.known = r->known;
  r->fill(&m, mpt_type_is_complex(type), mpt_type_epsilon(type));
  finish(&m, r->rotated, mpt_type_is_complex(type), 3);
  return m;
}

matrix matrix_with_spectrum(mpt_type type, int64_t n, const long double *w, uint64_t seed) {
  matrix m = allocate(n);
  memcpy(m.w, w, sizeof *w * (size_t)n);
  spectrum_on_diagonal(&m);
  finish(&m, true, mpt_type_is_complex(type), seed);
  return m;
}

void matrix_free(matrix *m) {
  free(m->a);
  free(m->w);
  *m = (matrix){0};
}

int64_t eigenvalues_below(const matrix *m, long double sigma) {
  const int64_t n = m->n;
  int64_t negative = 0;
  wide *l = malloc(sizeof *l * (size_t)(n * n + 1));
  memcpy(l, m->a, sizeof *l * (size_t)(n * n));
  for (int64_t i = 0; i < n; i++) l[i * n + i] -= sigma;
  for (int64_t k = 0; k < n; k++) {
    long double pivot = creall(l[k * n + k]);
    negative += pivot < 0;
    for (int64_t i = k + 1; i < n; i++) {
      wide factor = l[i * n + k] / pivot;
      for (int64_t j = k + 1; factor != 0 && j < n; j++) l[i * n + j] -= factor * l[k * n + j];
    }
  }
  free(l);
  return negative;
}
