#include "config/keys.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(mpt_config, field)

static const mpt_word triangles[] = {{"full", MPT_TRIANGLE_FULL, false},
                                     {"lower", MPT_TRIANGLE_LOWER, false},
                                     {"upper", MPT_TRIANGLE_UPPER, false},
                                     {"average", MPT_TRIANGLE_AVERAGE, false},
                                     {0}};
#define ENGINE_WORD(id, name) {name, id, false},
static const mpt_word solvers[] = {{"auto", MPT_ENGINE_NONE, false},
                                   MPT_ENGINES(ENGINE_WORD){"elpa", MPT_ENGINE_COUNT, true},
                                   {0}};
static const mpt_word conventions[] = {
    {"torch", MPT_CONVENTION_TORCH, false}, {"jax", MPT_CONVENTION_JAX, false}, {0}};
static const mpt_word gauge_policies[] = {
    {"warn", MPT_GAUGE_WARN, false}, {"fail", MPT_GAUGE_FAIL, false}, {0}};
static const mpt_word spread_policies[] = {{"mean", MPT_SPREAD_MEAN, false},
                                           {"raw", MPT_SPREAD_RAW, false},
                                           {"fail", MPT_SPREAD_REFUSE, false},
                                           {"unbiased", MPT_SPREAD_UNBIASED, false},
                                           {0}};
static const mpt_word bases[] = {
    {"turned", MPT_BASIS_TURNED, false}, {"solver", MPT_BASIS_SOLVER, false}, {0}};
static const mpt_word syncs[] = {{"on", true, false}, {"off", false, false}, {0}};
static const mpt_word outputs[] = {
#define STORE_WORD(name, word) {word, name, false},
#include "base/quantity_rows.h"
    {0}};

/* The number of words in a table, not counting its end mark. */
#define WORDS(table) (sizeof table / sizeof *table - 1)
_Static_assert(WORDS(triangles) == MPT_TRIANGLE_AVERAGE + 1 &&
                   WORDS(solvers) == MPT_ENGINE_COUNT + 1 &&
                   WORDS(conventions) == MPT_CONVENTION_JAX + 1 &&
                   WORDS(gauge_policies) == MPT_GAUGE_FAIL + 1 &&
                   WORDS(spread_policies) == MPT_SPREAD_UNBIASED + 1 &&
                   WORDS(bases) == MPT_BASIS_SOLVER + 1,
               "a value of the config has no word");
_Static_assert(WORDS(outputs) <= MPT_MOST_WORDS && WORDS(solvers) <= MPT_MOST_WORDS,
               "a key has too many words");
_Static_assert(MPT_STORE_ALWAYS <= INT_MAX / 2, "output.store does not fit its integer");

const mpt_key mpt_keys[] = {
    {"input.file", MPT_KEY_PATH, AT(input_file), NULL, NULL, true, false,
     "HDF5 file of the matrices"},
    {"input.datasets", MPT_KEY_DATASETS, AT(datasets), NULL, NULL, false, false,
     "datasets to solve; without it every square one, [n, n] or [*, n, n], in the file"},
    {"input.triangle", MPT_KEY_WORD, AT(triangle), triangles, "full", false, false,
     "part of each matrix that is read; full is checked to be Hermitian, average is (A + A^H)/2"},
    {"solve.eigenvectors", MPT_KEY_BOOLEAN, AT(eigenvectors), NULL, "true", false, false,
     "compute eigenvectors, not eigenvalues alone"},
    {"solve.select", MPT_KEY_SELECT, AT(select), NULL, "all", false, false, "which eigenpairs"},
    {"solve.solver", MPT_KEY_WORD, AT(solver), solvers, "auto", false, false,
     "the engine; auto chooses by matrix size"},
    {"functions", MPT_KEY_FUNCTIONS, AT(functions), NULL, NULL, false, false,
     "matrix functions of each matrix, outputs with exact gradients"},
    {"frame.index", MPT_KEY_RANGE, AT(frame_index), NULL, NULL, false, false,
     "eigenvectors whose span the frame is of, [start, stop]"},
    {"frame.reference", MPT_KEY_REFERENCE, AT(reference), NULL, NULL, false, false,
     "what the frame is nearest to, [n, m] or [B, n, m]"},
    {"tangent", MPT_KEY_PATH, AT(tangent), NULL, NULL, false, false,
     "HDF5 file of directions, which mirrors the input; derivatives along them are written"},
    {"gradient.cotangents", MPT_KEY_PATH, AT(cotangents), NULL, NULL, false, false,
     "HDF5 file of the cotangents; without it no gradient"},
    {"gradient.eigenpairs", MPT_KEY_PATH, AT(eigenpairs), NULL, NULL, false, false,
     "earlier result whose eigenpairs are differentiated, nothing is solved again"},
    {"gradient.convention", MPT_KEY_WORD, AT(convention), conventions, "torch", false, false,
     "of the gradient of a complex matrix"},
    {"degeneracy.tolerance", MPT_KEY_NUMBER, AT(tolerance), NULL, "auto", false, true,
     "width of a multiplet, relative to the 2-norm; auto is 5 sqrt(n) eps, what rounding does"},
    {"degeneracy.gauge_dependent_loss", MPT_KEY_WORD, AT(gauge_policy), gauge_policies, "warn",
     false, false, "for a loss that depends on the basis inside a multiplet"},
    {"degeneracy.eigenvalue_cotangents", MPT_KEY_WORD, AT(spread_policy), spread_policies, "mean",
     false, false,
     "where eigenvalue cotangents differ inside a multiplet and no form is certified"},
    {"degeneracy.basis", MPT_KEY_WORD, AT(basis), bases, "turned", false, false,
     "vectors inside a multiplet: turned by a random unitary, or the solver's own"},
    {"degeneracy.seed", MPT_KEY_SEED, AT(seed), NULL, "0", false, false,
     "of the random unitaries; `unbiased` wants another one for each step"},
    {"output.file", MPT_KEY_PATH, AT(output_file), NULL, NULL, true, false,
     "HDF5 file of the result"},
    {"output.store", MPT_KEY_STORE, AT(store), outputs,
     "[eigenvalues, eigenvectors, functions, frame, gradient, diagnostics]", false, false,
     "what the result file holds"},
    {"run.distribute_from", MPT_KEY_INTEGER, AT(distribute_from), NULL, "auto", false, true,
     "matrix size from which one matrix is spread over several ranks"},
    {"run.grid", MPT_KEY_GRID, AT(grid), NULL, "auto", false, true,
     "process grid of a distributed matrix, [rows, columns]"},
    {"run.block", MPT_KEY_INTEGER, AT(block), NULL, "auto", false, true, "ScaLAPACK block size"},
    {"run.threads", MPT_KEY_INTEGER, AT(threads), NULL, "1", false, false, "BLAS threads per rank"},
    {"run.checkpoint_seconds", MPT_KEY_NUMBER, AT(checkpoint_seconds), NULL, "30", false, false,
     "seconds between two flushes of the result file"},
    {"run.sync", MPT_KEY_WORD, AT(sync), syncs, "on", false, false,
     "on: what a status vouches for is on the disk before it is said; off: for scratch disks"},
};
enum { KEY_COUNT = sizeof mpt_keys / sizeof *mpt_keys };
const size_t mpt_key_count = KEY_COUNT;

const char *const mpt_sections[] = {"input",      "solve",  "frame", "gradient",
                                    "degeneracy", "output", "run"};
enum { SECTION_COUNT = sizeof mpt_sections / sizeof *mpt_sections };
const size_t mpt_section_count = SECTION_COUNT;

size_t mpt_key_find(const char *path) {
  size_t k = 0;
  while (k < KEY_COUNT && strcmp(path, mpt_keys[k].path)) k++;
  return k;
}

bool mpt_is_section(const char *name) {
  for (size_t s = 0; s < SECTION_COUNT; s++)
    if (!strcmp(name, mpt_sections[s])) return true;
  return false;
}

const char *mpt_key_leaf(const mpt_key *key) {
  const char *dot = strchr(key->path, '.');
  return dot ? dot + 1 : key->path;
}

static bool in_section(const char *path, const char *section) {
  size_t length = strlen(section);
  return length ? !strncmp(path, section, length) && path[length] == '.' : !strchr(path, '.');
}

typedef struct candidates {
  const char *paths[KEY_COUNT + SECTION_COUNT], *leaves[KEY_COUNT + SECTION_COUNT];
  size_t count;
} candidates;

static void add_candidate(candidates *c, const char *path) {
  const char *dot = strchr(path, '.');
  c->paths[c->count] = path;
  c->leaves[c->count++] = dot ? dot + 1 : path;
}

static const char *nearest_of(const candidates *c, const char *leaf) {
  const char *nearest = mpt_nearest_name(leaf, c->leaves, c->count);
  for (size_t k = 0; nearest && k < c->count; k++)
    if (c->leaves[k] == nearest) return c->paths[k];
  return NULL;
}

const char *mpt_key_nearest(const char *section, const char *leaf) {
  candidates exact = {.count = 0}, here = {.count = 0}, all = {.count = 0};
  for (size_t k = 0; k < KEY_COUNT + SECTION_COUNT; k++) {
    const char *path = k < KEY_COUNT ? mpt_keys[k].path : mpt_sections[k - KEY_COUNT];
    add_candidate(&all, path);
    if (!strcmp(all.leaves[k], leaf)) add_candidate(&exact, path);
    if (in_section(path, section)) add_candidate(&here, path);
  }
  /* Preferred: the right name in another section, then a misspelling in this section, then one in
   * another. */
  if (exact.count == 1) return exact.paths[0];
  const char *nearest = nearest_of(&here, leaf);
  return nearest ? nearest : nearest_of(&all, leaf);
}
