/* multiplet sample */
#include "cli/cli.h"
#include "cli/models.h"
#include "config/path.h"
#include "cli/sample_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 18 }; /* elements in one write; a longer row is written at once */

typedef enum option_index {
  OUTPUT,
  DATASET,
  TYPE,
  COTANGENTS,
  BATCH,
  SITES,
  SECTOR,
  GRID,
  CELLS,
  DIMENSION,
  SIZE,
  SEED,
  MULTIPLICITY,
  OPTION_COUNT
} option_index;

static const mpt_option options[] = {
    [OUTPUT] = {"-o", "FILE.h5", "file to write, or to add a dataset to (required)"},
    [DATASET] = {"--dataset", "NAME", "dataset to write, [B, n, n] in C order (default /H)"},
    [TYPE] = {"--type", "TYPE",
              "float32, float64, complex64 or complex128 (default float64, for tight-binding "
              "complex128)"},
    [COTANGENTS] = {"--cotangents", "FILE.h5",
                    "also write a loss's cotangents: the band energy of the lower half (forum: "
                    "the sum of the lowest eigenvector)"},
    [BATCH] = {"--batch", "B",
               "number of matrices (heisenberg, hypercube, random; default 11, 1, 1)"},
    [SITES] = {"--sites", "L", "heisenberg: number of spins, 2 to 40 (default 6)"},
    [SECTOR] = {"--sector", "M", "heisenberg: only states with M spins up (default all)"},
    [GRID] = {"--grid", "K",
              "tight-binding: K x K k-points; Dirac points if 3 divides K "
              "(default 12)"},
    [CELLS] = {"--cells", "s", "tight-binding: supercell of s x s cells (default 2)"},
    [DIMENSION] = {"--dimension", "d", "hypercube: dimension of the cube, 0 to 20 (default 4)"},
    [SIZE] = {"--n", "N", "random: matrix size (default 16)"},
    [SEED] = {"--seed", "S", "random: seed (default 0)"},
    [MULTIPLICITY] = {"--multiplicity", "M", "random: of every eigenvalue (default 1)"},
};
_Static_assert(sizeof options / sizeof *options == OPTION_COUNT, "an option has no row");

#define AT(field) offsetof(mpt_model_options, field)
static const struct {
  option_index option;
  unsigned takes;
  size_t offset;
  int64_t fallback, smallest, largest;
} numbers[] = {
    {BATCH, MPT_TAKES_BATCH, AT(batch), -1, 0, INT32_MAX},
    {SITES, MPT_TAKES_SITES, AT(sites), 6, 2, 40},
    {SECTOR, MPT_TAKES_SECTOR, AT(sector), -1, 0, 40},
    {GRID, MPT_TAKES_GRID, AT(grid), 12, 1, 1 << 15},
    {CELLS, MPT_TAKES_CELLS, AT(cells), 2, 1, 1 << 10},
    {DIMENSION, MPT_TAKES_DIMENSION, AT(dimension), 4, 0, 20},
    {SIZE, MPT_TAKES_N, AT(n), 16, 0, 1 << 17},
    {SEED, MPT_TAKES_SEED, AT(seed), 0, 0, INT64_MAX},
    {MULTIPLICITY, MPT_TAKES_MULTIPLICITY, AT(multiplicity), 1, 1, INT32_MAX},
};
enum { NUMBER_COUNT = sizeof numbers / sizeof *numbers };
_Static_assert(NUMBER_COUNT == OPTION_COUNT - BATCH &&
                   MPT_TAKES_MULTIPLICITY == 1 << (NUMBER_COUNT - 1),
               "an option of a kind has no row, or no bit");

typedef struct request {
  const mpt_model *model;
  const char *given[OPTION_COUNT]; /* as written; NULL: not given */
  mpt_model_options numbers;
  mpt_type type;
  char *dataset; /* with a leading slash */
} request;

static mpt_code take_argument(void *context, int index, const char *value, mpt_error *error) {
  request *r = context;
  if (index >= 0 && r->given[index])
    return mpt_fail(error, MPT_BAD_USAGE, "cannot use option '%s' twice: which one? (keep one)",
                    options[index].name);
  if (index >= 0) {
    r->given[index] = value;
    return MPT_DONE;
  }
  if (r->model)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%.64s': the kind is '%s' already (write one kind at a time)",
                    value, r->model->name);
  r->model = mpt_model_find(value, error);
  return r->model ? MPT_DONE : MPT_BAD_USAGE;
}

static mpt_code parse_number(int k, const char *text, int64_t *number, mpt_error *error) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  bool digits = *text && strspn(text, "0123456789") == strlen(text);
  if (!digits || *end || errno || value < numbers[k].smallest || value > numbers[k].largest)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%.64s' for %s: not in range (give an integer from %lld to %lld)",
                    text, options[numbers[k].option].name, (long long)numbers[k].smallest,
                    (long long)numbers[k].largest);
  *number = value;
  return MPT_DONE;
}

static mpt_code read_numbers(request *r, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int k = 0; k < NUMBER_COUNT; k++) {
    int64_t *number = (int64_t *)((char *)&r->numbers + numbers[k].offset);
    const char *text = r->given[numbers[k].option];
    *number = numbers[k].fallback;
    if (!text) continue;
    if (!(r->model->takes & numbers[k].takes))
      return mpt_fail(error, MPT_BAD_USAGE,
                      "cannot use %s: it means nothing to '%s' (multiplet sample --help says which "
                      "kind takes it)",
                      options[numbers[k].option].name, r->model->name);
    TRY(parse_number(k, text, number, error));
  }
done:
  return code;
}

static mpt_code read_type(request *r, mpt_error *error) {
  const char *text = r->given[TYPE];
  r->type = r->model->type;
  if (text && !mpt_type_from_name(text, &r->type))
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%.64s' for --type: no such type "
                    "(valid: float32, float64, complex64, complex128)",
                    text);
  if (r->model->is_complex && !mpt_type_is_complex(r->type))
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%s' for --type: '%s' is complex (valid: complex64, complex128)",
                    text, r->model->name);
  return MPT_DONE;
}

static mpt_code read_names(request *r, mpt_error *error) {
  const char *output = r->given[OUTPUT], *cotangents = r->given[COTANGENTS];
  const char *dataset = r->given[DATASET] ? r->given[DATASET] : "/H";
  size_t length = strlen(dataset);
  if (!output || !*output)
    return mpt_fail(error, MPT_BAD_USAGE, "no output file: nowhere to write to (add -o FILE.h5)");
  if (length == 0 || dataset[length - 1] == '/' || strstr(dataset, "//"))
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot use '%.64s' for --dataset: not a dataset's name (write for example /H)",
                    dataset);
  if (cotangents && (!strcmp(cotangents, output) || mpt_same_file(cotangents, output)))
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot write cotangents to '%s': the matrices go there (name another file)",
                    cotangents);
  r->dataset = mpt_format("%s%s", dataset[0] == '/' ? "" : "/", dataset);
  return r->dataset
             ? MPT_DONE
             : mpt_fail(error, MPT_NO_RESOURCE, "cannot copy a name: out of memory (free some)");
}

static mpt_code read_request(request *r, mpt_error *error) {
  mpt_code code;
  if (!r->model) {
    mpt_text valid = {0};
    mpt_model_names(&valid);
    mpt_fail(error, MPT_BAD_USAGE, "no kind: what shall be written? (give one of: %s)",
             mpt_text_shown(&valid, ""));
    mpt_text_release(&valid);
    return MPT_BAD_USAGE;
  }
  TRY(read_names(r, error));
  TRY(read_type(r, error));
  TRY(read_numbers(r, error));
done:
  return code;
}

static int64_t rows_at_once(int64_t n) {
  int64_t rows = n ? ROOM / n : 1;
  return rows < 1 ? 1 : rows > n && n ? n : rows;
}

static mpt_code write_matrix(const mpt_model *model, mpt_model_state *s, int64_t b,
                             mpt_sample_dataset *dataset, double complex *rows, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int64_t n = s->n, step = rows_at_once(n);
  for (int64_t first = 0; first < n; first += step) {
    int64_t count = n - first < step ? n - first : step;
    memset(rows, 0, (size_t)(count * n) * sizeof *rows);
    for (int64_t i = 0; i < count; i++) model->row(s, b, first + i, rows + i * n);
    TRY(mpt_sample_write(dataset, (hsize_t[]){(hsize_t)b, (hsize_t)first, 0},
                         (hsize_t[]){1, (hsize_t)count, (hsize_t)n}, rows, error));
  }
done:
  return code;
}

static mpt_code write_matrices(const request *r, mpt_model_state *s, const mpt_sample_file *file,
                               mpt_error *error) {
  mpt_code code, finished;
  mpt_sample_dataset dataset = {0};
  double complex *rows = NULL;
  hsize_t shape[3] = {(hsize_t)s->batch, (hsize_t)s->n, (hsize_t)s->n};
  int64_t room = rows_at_once(s->n) * s->n;
  TRY(mpt_allocate(&rows, room, sizeof *rows, "a sample", error));
  TRY(mpt_sample_create(&dataset, file, r->dataset, r->type, 3, shape, (hsize_t)room, error));
  for (int64_t b = 0; b < s->batch; b++) TRY(write_matrix(r->model, s, b, &dataset, rows, error));
done:
  finished = mpt_sample_finish(&dataset, code != MPT_DONE, error);
  free(rows);
  return code ? code : finished;
}

/* Cotangents of a loss: the sum of the lower half of the eigenvalues; for forum, the sum of the
 * components of the lowest eigenvector, whose cotangent is 1 in all of column 0. */
static mpt_code write_cotangents(const request *r, const mpt_model_state *s, const char *name,
                                 const mpt_sample_file *file, mpt_error *error) {
  mpt_code code, finished;
  mpt_sample_dataset dataset = {0};
  double complex *row = NULL;
  bool vectors = strstr(name, "/eigenvectors") != NULL;
  mpt_type type = vectors ? r->type : mpt_real_size(r->type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  hsize_t n = (hsize_t)s->n, shape[3] = {(hsize_t)s->batch, n, n};
  hsize_t room = vectors ? n * n : n;
  TRY(mpt_allocate(&row, (int64_t)room, sizeof *row, "cotangents", error));
  for (hsize_t k = 0; k < room; k++) row[k] = vectors ? k % n == 0 : k < n / 2;
  TRY(mpt_sample_create(&dataset, file, name, type, vectors ? 3 : 2, shape, room, error));
  for (hsize_t b = 0; b < shape[0]; b++)
    TRY(mpt_sample_write(&dataset, (hsize_t[]){b, 0, 0}, (hsize_t[]){1, n, n}, row, error));
done:
  finished = mpt_sample_finish(&dataset, code != MPT_DONE, error);
  free(row);
  return code ? code : finished;
}

static mpt_code write_all(const request *r, mpt_model_state *s, mpt_error *error) {
  mpt_code code, closed;
  mpt_sample_file matrices = {0}, cotangents = {0};
  const char *second = r->given[COTANGENTS];
  bool forum = !strcmp(r->model->name, "forum");
  char *name = mpt_format("%s/%s", r->dataset, forum ? "eigenvectors" : "eigenvalues");
  if (!name)
    return mpt_fail(error, MPT_NO_RESOURCE, "cannot make a name: out of memory (free some)");
  TRY(mpt_sample_open(&matrices, r->given[OUTPUT], error));
  TRY(mpt_sample_check_free(&matrices, r->dataset, "--dataset", error));
  if (second) {
    TRY(mpt_sample_open(&cotangents, second, error));
    TRY(mpt_sample_check_free(&cotangents, name, "--cotangents or --dataset", error));
    TRY(write_cotangents(r, s, name, &cotangents, error));
  }
  TRY(write_matrices(r, s, &matrices, error));
done:
  closed = mpt_sample_close(&cotangents, code != MPT_DONE, error);
  if (!code) code = closed;
  closed = mpt_sample_close(&matrices, code != MPT_DONE, error);
  free(name);
  return code ? code : closed;
}

static void print_kinds(mpt_text *out) {
  mpt_text_add(out, "kinds:\n");
  for (size_t k = 0; k < mpt_model_count; k++)
    mpt_text_add(out, "  %s\n      %s\n", mpt_models[k].name, mpt_models[k].spectrum);
}

static mpt_code run(int argc, char **argv, bool *helped, mpt_error *error) {
  mpt_code code;
  mpt_text details = {0};
  request r = {0};
  mpt_model_state state = {0};
  print_kinds(&details);
  const mpt_usage usage = {
      "sample", "KIND -o FILE.h5", "Write Hermitian matrices with known spectra to an HDF5 file.",
      options,  OPTION_COUNT,      mpt_text_shown(&details, "")};
  TRY(mpt_parse_options(&usage, argc, argv, take_argument, &r, helped, error));
  if (*helped) goto done;
  TRY(read_request(&r, error));
  state.options = r.numbers;
  state.type = r.type;
  TRY(r.model->start(&state, error));
  TRY(write_all(&r, &state, error));
  mpt_note("wrote %s:%s, [%lld, %lld, %lld] %s", r.given[OUTPUT], r.dataset, (long long)state.batch,
           (long long)state.n, (long long)state.n, mpt_type_name(r.type));
done:
  mpt_model_release(&state);
  mpt_text_release(&details);
  free(r.dataset);
  return code;
}

int mpt_cmd_sample(int argc, char **argv) {
  bool helped = false;
  mpt_error error = {0};
  mpt_code code = run(argc, argv, &helped, &error);
  if (code != MPT_DONE) mpt_print_error(&error);
  return code;
}
