/* The config: what is accepted, what is refused and at which place, and that the resolved text
 * reads back. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/config.h"

#define BASE "input: {file: h.h5}\noutput: {file: r.h5}\n" /* two lines; tests begin on line 3 */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static char directory[] = "/tmp/multiplet-config-XXXXXX", *real_directory;

static void write_text(const char *name, const char *text) {
  FILE *file = fopen(name, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

/* Loads with standard error redirected to a file, and returns its text in `errors`. */
static mpt_code load(const char *text, const char *const *overrides, mpt_config *config,
                     char *errors, size_t size) {
  size_t count = 0;
  while (overrides && overrides[count]) count++;
  write_text("c.yaml", text);
  fflush(stderr);
  int kept = dup(2), file = open("errors", O_CREAT | O_TRUNC | O_RDWR, 0600);
  dup2(file, 2);
  mpt_code code = mpt_config_load("c.yaml", overrides, count, config);
  fflush(stderr);
  dup2(kept, 2);
  close(kept);
  ssize_t length = pread(file, errors, size - 1, 0);
  errors[length > 0 ? length : 0] = 0;
  close(file);
  return code;
}

static const struct {
  const char *text;
  const char *override;
  const char *line; /* a line of the resolved text */
} good[] = {
    {"", NULL, "  triangle: full\n"},
    {"", NULL, "  eigenvectors: true\n"},
    {"", NULL, "  select: all\n"},
    {"", NULL, "  solver: auto\n"},
    {"", NULL, "  convention: torch\n"},
    {"", NULL, "  tolerance: auto\n"},
    {"", NULL, "  gauge_dependent_loss: warn\n"},
    {"", NULL, "  eigenvalue_cotangents: mean\n"},
    {"", NULL, "  store: [eigenvalues, eigenvectors, functions, frame, gradient, diagnostics]\n"},
    {"", NULL,
     "  distribute_from: auto\n  grid: auto\n  block: auto\n  threads: 1\n"
     "  checkpoint_seconds: 30\n  sync: on\n"},
    {"run: {sync: off}", NULL, "  sync: off\n"},
    {"solve: {solver: lapack, eigenvectors: False}", NULL, "  eigenvectors: false\n"},
    {"solve: {solver: scalapack}", NULL, "  solver: scalapack\n"},
    {"solve: {select: 'all'}", NULL, "  select: all\n"},
    {"gradient: {convention: jax}", NULL, "  convention: jax\n"},
    {"gradient: {cotangents: c.h5, eigenpairs: /x/e.h5}", NULL, "  eigenpairs: \"/x/e.h5\"\n"},
    {"degeneracy: {tolerance: 1e-9}", NULL, "  tolerance: 1e-09\n"},
    {"degeneracy: {tolerance: 0.1}", NULL, "  tolerance: 0.1\n"},
    {"degeneracy: {tolerance: 0.30000000000000004}", NULL, "  tolerance: 0.30000000000000004\n"},
    {"degeneracy: {eigenvalue_cotangents: fail}", NULL, "  eigenvalue_cotangents: fail\n"},
    {"run: {grid: [2, 3]}", NULL, "  grid: [2, 3]\n"},
    {"run: {checkpoint_seconds: 0.25}", NULL, "  checkpoint_seconds: 0.25\n"},
    {"functions: [{name: heat, kind: exp, scale: -0.5}]", NULL,
     "functions: [{name: \"heat\", kind: exp, scale: -0.5}]\n"},
    {"functions: [{name: f, kind: sin}, {name: g, kind: power, exponent: 0.5}]", NULL,
     "functions: [{name: \"f\", kind: sin, scale: 1}, "
     "{name: \"g\", kind: power, scale: 1, exponent: 0.5}]\n"},
    {"functions: [{name: r, kind: fermi, beta: 40, mu: -0.0}]", NULL,
     "functions: [{name: \"r\", kind: fermi, beta: 40, mu: -0}]\n"},
    {"functions: [{name: r, kind: fermi, beta: 2, electrons: 2.5}]", NULL,
     "functions: [{name: \"r\", kind: fermi, beta: 2, electrons: 2.5}]\n"},
    {"functions: [{name: p, kind: projector, index: [0, 4]}]", NULL,
     "functions: [{name: \"p\", kind: projector, index: [0, 4]}]\n"},
    {"frame: {index: [0, 2], reference: {file: /r.h5, dataset: R}}", NULL,
     "frame:\n  index: [0, 2]\n  reference: {file: \"/r.h5\", dataset: \"R\"}\n"},
    {"solve: {select: {lowest: 3}}", NULL, "  select: {lowest: 3}\n"},
    {"solve: {select: {highest: 3}}", NULL, "  select: {highest: 3}\n"},
    {"solve: {select: {index: [2, 5]}}", NULL, "  select: {index: [2, 5]}\n"},
    {"solve:\n  select:\n    range: [-1, 0.5]\n    at_most: 3", NULL,
     "  select: {range: [-1, 0.5], at_most: 3}\n"},
    {"solve: {select: {index: [2, 5]}}", "solve.select.lowest=10", "  select: {lowest: 10}\n"},
    {"solve: {select: {lowest: 5}}", "solve.select.highest=2", "  select: {highest: 2}\n"},
    {"solve: {select: {range: [0, 1], at_most: 3}}", "solve.select.at_most=5",
     "  select: {range: [0, 1], at_most: 5}\n"},
    {"solve: {select: {range: [0, 1], at_most: 3}}", "solve.select.range=[2, 4]",
     "  select: {range: [2, 4], at_most: 3}\n"},
    {"solve: {select: {range: [0, 1], at_most: 3}}", "solve.select.lowest=1",
     "  select: {lowest: 1}\n"},
    {"frame: {index: [0, 2], reference: {file: /r.h5, dataset: R}}", "frame.reference.file=/s.h5",
     "  reference: {file: \"/s.h5\", dataset: \"R\"}\n"},
    {"frame: {index: [0, 2], reference: {file: /r.h5, dataset: R}}", "frame.reference.dataset=S",
     "  reference: {file: \"/r.h5\", dataset: \"S\"}\n"},
    {"tangent: /d.h5", NULL, "tangent: \"/d.h5\"\n"},
    {"", "run.grid=[1,2]", "  grid: [1, 2]\n"},
    {"", "solve.solver=lapack", "  solver: lapack\n"},
    {"", "run={threads: 3, block: 32}", "  block: 32\n  threads: 3\n"},
    {"run: {threads: 2}", "run.threads=5", "  threads: 5\n"},
    {"run: {threads: none}", "run.threads=5", "  threads: 5\n"},
    {"", "output.store=[gradient, eigenvalues]", "  store: [eigenvalues, gradient]\n"},
    {"", "input.datasets=[/H, a//b/, ./c]", "  datasets: [\"/H\", \"/a/b\", \"/c\"]\n"},
    {"", "output.file=/x/a \"b\" \\c.h5", "  file: \"/x/a \\\"b\\\" \\\\c.h5\"\n"},
};

static void test_good(void **state) {
  (void)state;
  for (size_t k = 0; k < COUNT(good); k++) {
    char errors[4000], *text = mpt_format("%s%s\n", BASE, good[k].text);
    mpt_config config, again;
    mpt_error error = {0};
    mpt_code code = load(text, (const char *[]){good[k].override, NULL}, &config, errors, 4000);
    if (code || !strstr(config.resolved, good[k].line))
      fail_msg("%s: %s%s", text, errors, config.resolved ? config.resolved : "");
    assert_string_equal(errors, "");
    if (mpt_config_from_resolved(config.resolved, &again, &error)) fail_msg("%s", error.text);
    assert_string_equal(again.resolved, config.resolved);
    mpt_config_release(&config);
    mpt_config_release(&again);
    free(text);
  }
}

static void test_values_reach_the_struct(void **state) {
  (void)state;
  const char *text = BASE "solve: {eigenvectors: false, solver: scalapack}\n"
                          "gradient: {cotangents: ../c.h5, convention: jax}\n"
                          "degeneracy: {tolerance: 1e-6, gauge_dependent_loss: fail,"
                          " eigenvalue_cotangents: raw}\n"
                          "run: {distribute_from: 9, grid: [2, 3], block: 4, threads: 5,"
                          " checkpoint_seconds: 0.5}\n";
  char errors[4000];
  mpt_config c;
  assert_int_equal(load(text, (const char *[]){"input.triangle=upper", NULL}, &c, errors, 4000), 0);
  char *input = mpt_format("%s/h.h5", real_directory), *slash = strrchr(real_directory, '/');
  char *cotangents = mpt_format("%.*s/c.h5", (int)(slash - real_directory), real_directory);
  assert_string_equal(c.input_file, input);
  assert_string_equal(c.cotangents, cotangents);
  assert_null(c.eigenpairs);
  assert_null(c.datasets);
  assert_int_equal(c.triangle, MPT_TRIANGLE_UPPER);
  assert_false(c.eigenvectors);
  assert_int_equal(c.solver, MPT_ENGINE_SCALAPACK);
  assert_int_equal(c.convention, MPT_CONVENTION_JAX);
  assert_true(c.tolerance == 1e-6 && c.checkpoint_seconds == 0.5);
  assert_int_equal(c.gauge_policy, MPT_GAUGE_FAIL);
  assert_int_equal(c.spread_policy, MPT_SPREAD_RAW);
  assert_int_equal(c.store, 63);
  assert_true(c.distribute_from == 9 && c.grid[0] == 2 && c.grid[1] == 3 && c.block == 4 &&
              c.threads == 5);
  mpt_config_release(&c);
  free(input);
  free(cotangents);
}

static const struct {
  const char *text, *override, *where, *what;
} bad[] = {
    {"solve: {sovler: lapack}", NULL, "c.yaml:3:9", "did you mean 'solve.solver'?"},
    {"slove: {solver: lapack}", NULL, "c.yaml:3:1", "did you mean 'solve'?"},
    {"solver: lapack", NULL, "c.yaml:3:1", "did you mean 'solve.solver'?"},
    {"tolerence: 1", NULL, "c.yaml:3:1", "did you mean 'degeneracy.tolerance'?"},
    {"run:\n  qqqqqqqqqqqqqqqqqqqq: 1", NULL, "c.yaml:4:3", "valid: run.distribute_from, run.grid"},
    {"solve.solver: lapack", NULL, "c.yaml:3:1", "write 'solve:' and indent 'solver:' under it"},
    {"qqqqqqqqqqqqqqqqqqqq: 1", NULL, "c.yaml:3:1",
     "valid: input, solve, functions, frame, tangent, gradient, degeneracy, output, run)"},
    {"[a]: 1", NULL, "c.yaml:3:1", "unknown key a list"},
    {"run:\n  block: 2\n  threads: 1\n  block: 3", NULL, "c.yaml:6:3",
     "duplicate key 'run.block': first given on line 4"},
    {"run: {block: 2}\nrun: {threads: 2}", NULL, "c.yaml:4:1",
     "duplicate key 'run': first given on line 3"},
    {"run: {block: 64x}", NULL, "c.yaml:3:14", "'64x' for 'run.block': not an integer"},
    {"run: {block: 4.0}", NULL, "c.yaml:3:14", "not an integer"},
    {"run: {block: '4'}", NULL, "c.yaml:3:14", "not an integer"},
    {"run: {block: 010}", NULL, "c.yaml:3:14", "does not start with 0"},
    {"run: {block: 99999999999999999999}", NULL, "c.yaml:3:14", "out of range"},
    {"run: {block: 2147483648}", NULL, "c.yaml:3:14", "out of range"},
    {"run: {block: 0}", NULL, "c.yaml:3:14", "out of range"},
    {"run: {block: []}", NULL, "c.yaml:3:14", "a list for 'run.block': not an integer"},
    {"run: {threads: -1}", NULL, "c.yaml:3:16", "out of range"},
    {"run: {threads: auto}", NULL, "c.yaml:3:16", "not an integer"},
    {"run: {distribute_from: 0}", NULL, "c.yaml:3:24", "out of range"},
    {"run: {grid: [2]}", NULL, "c.yaml:3:13", "not a pair"},
    {"run: {grid: [2, 2, 2]}", NULL, "c.yaml:3:13", "not a pair"},
    {"run: {grid: 4}", NULL, "c.yaml:3:13", "not a pair"},
    {"run: {grid: [2, 0]}", NULL, "c.yaml:3:13", "out of range"},
    {"run: {grid: [2, x]}", NULL, "c.yaml:3:13", "not an integer"},
    {"run: {grid: [65536, 65536]}", NULL, "c.yaml:3:13", "out of range"},
    {"run: {sync: yes}", NULL, "c.yaml:3:13", "valid: on, off"},
    {"run: {checkpoint_seconds: 0}", NULL, "c.yaml:3:27", "out of range"},
    {"run: {checkpoint_seconds: .inf}", NULL, "c.yaml:3:27", "not a finite number"},
    {"run: {checkpoint_seconds: fast}", NULL, "c.yaml:3:27", "not a number"},
    {"degeneracy: {tolerance: .nan}", NULL, "c.yaml:3:25", "not a finite number"},
    {"degeneracy: {tolerance: nan}", NULL, "c.yaml:3:25", "not a number"},
    {"degeneracy: {tolerance: -1e-9}", NULL, "c.yaml:3:25", "out of range"},
    {"degeneracy: {tolerance: 1e999}", NULL, "c.yaml:3:25", "too large"},
    {"degeneracy: {tolerance: 0x1}", NULL, "c.yaml:3:25", "not a number"},
    {"degeneracy: {gauge_dependent_loss: wran}", NULL, "c.yaml:3:36", "did you mean 'warn'?"},
    {"solve: {eigenvectors: maybe}", NULL, "c.yaml:3:23",
     "'maybe' for 'solve.eigenvectors': not a"},
    {"solve: {eigenvectors: 1}", NULL, "c.yaml:3:23", "not a boolean"},
    {"solve: {eigenvectors: 'true'}", NULL, "c.yaml:3:23", "not a boolean"},
    {"solve: {solver: [auto]}", NULL, "c.yaml:3:17", "a list for 'solve.solver': not a word"},
    {"solve: {solver: lapak}", NULL, "c.yaml:3:17", "did you mean 'lapack'?"},
    {"solve: {solver: lane}", NULL, "c.yaml:3:17", "did you mean 'lanes'?"},
    {"solve: {solver: elpa}", NULL, "c.yaml:3:17", "solve.solver: not available in this version"},
    {"solve: {select: [1]}", NULL, "c.yaml:3:17", "not a selection (give all"},
    {"solve: {select: some}", NULL, "c.yaml:3:17", "not a selection"},
    {"solve: {select: {lowest: 0}}", NULL, "c.yaml:3:17", "out of range"},
    {"solve: {select: {lowest: 3, highest: 3}}", NULL, "c.yaml:3:17", "one of them at a time"},
    {"solve: {select: {lowest: 3, lowest: 3}}", NULL, "c.yaml:3:17", "given twice"},
    {"solve: {select: {lowest: 3, at_most: 3}}", NULL, "c.yaml:3:17", "at_most goes with range"},
    {"solve: {select: {range: [0, 1]}}", NULL, "c.yaml:3:17", "range with at_most"},
    {"solve: {select: {range: [1, 1], at_most: 3}}", NULL, "c.yaml:3:17", "it is empty"},
    {"solve: {select: {range: [1], at_most: 3}}", NULL, "c.yaml:3:17", "not a pair"},
    {"solve: {select: {range: [0, x], at_most: 3}}", NULL, "c.yaml:3:17", "not a number"},
    {"solve: {select: {index: [3, 2]}}", NULL, "c.yaml:3:17", "it is empty"},
    {"solve: {select: {lowst: 3}}", NULL, "c.yaml:3:18", "did you mean 'lowest'?"},
    {"solve: {select: {wwwwwwwww: 3}}", NULL, "c.yaml:3:18",
     "valid: lowest, highest, index, range"},
    {"frame: {index: [0, 2], reference: {fil: a}}", NULL, "c.yaml:3:36", "did you mean 'file'?"},
    {"frame: {index: [0, 2], reference: {file: /r.h5, dataset: R}}",
     "frame.reference={file: /s.h5}", "--set:1:17", "not a file and a dataset"},
    {"solve: {select: {range: [0, 1], at_most: 3}}", "solve.select={range: [2, 4]}", "--set:1:14",
     "at_most goes with range"},
    {"frame: {index: [0, 2], reference: {}}", "frame.reference.datset=R", "--set:1:17",
     "did you mean 'dataset'?"},
    {"solve: {select: {}}", NULL, "c.yaml:3:17", "it is empty"},
    {"functions: rho", NULL, "c.yaml:3:12", "not a list (give a list such as"},
    {"functions: [rho]", NULL, "c.yaml:3:13", "not a mapping"},
    {"functions: [{kind: exp}]", NULL, "c.yaml:3:13", "missing key 'name'"},
    {"functions: [{name: rho}]", NULL, "c.yaml:3:13", "missing key 'kind'"},
    {"functions: [{name: a/b, kind: exp}]", NULL, "c.yaml:3:20", "not a name of a dataset"},
    {"functions: [{name: .., kind: exp}]", NULL, "c.yaml:3:20", "not a name of a dataset"},
    {"functions: [{name: a, kind: exp}, {name: a, kind: exp}]", NULL, "c.yaml:3:42", "named twice"},
    {"functions: [{name: a, kind: expo}]", NULL, "c.yaml:3:29", "did you mean 'exp'?"},
    {"functions: [{name: a, kind: [exp]}]", NULL, "c.yaml:3:29", "no such kind"},
    {"functions: [{name: a, kind: exp, scal: 2}]", NULL, "c.yaml:3:34", "did you mean 'scale'?"},
    {"functions: [{name: a, kind: exp, wwwwwwwww: 2}]", NULL, "c.yaml:3:34", "(valid: name, kind"},
    {"functions: [{name: a, kind: exp, kind: exp}]", NULL, "c.yaml:3:34", "given twice"},
    {"functions: [{name: a, kind: exp, scale: 0}]", NULL, "c.yaml:3:41", "out of range"},
    {"functions: [{name: a, kind: exp, scale: x}]", NULL, "c.yaml:3:41", "not a number"},
    {"functions: [{name: a, kind: exp, beta: 1}]", NULL, "c.yaml:3:40", "nothing to kind 'exp'"},
    {"functions: [{name: a, kind: power}]", NULL, "c.yaml:3:13", "missing key 'exponent'"},
    {"functions: [{name: a, kind: projector}]", NULL, "c.yaml:3:13", "missing key 'index'"},
    {"functions: [{name: a, kind: projector, index: [2, 2]}]", NULL, "c.yaml:3:47", "it is empty"},
    {"functions: [{name: a, kind: projector, index: 2}]", NULL, "c.yaml:3:47", "not a pair"},
    {"functions: [{name: a, kind: fermi, mu: 1}]", NULL, "c.yaml:3:13", "missing key 'beta'"},
    {"functions: [{name: a, kind: fermi, beta: 1}]", NULL, "c.yaml:3:13",
     "neither mu nor electrons"},
    {"functions: [{name: a, kind: fermi, beta: 1, mu: 1, electrons: 1}]", NULL, "c.yaml:3:13",
     "both mu and electrons"},
    {"functions: [{name: a, kind: fermi, beta: -1, mu: 1}]", NULL, "c.yaml:3:42", "out of range"},
    {"functions: [{name: a, kind: fermi, beta: 1, electrons: 0}]", NULL, "c.yaml:3:56",
     "give a finite number above 0"},
    {"frame: {index: [0, 2]}", NULL, "c.yaml:3:1", "missing key 'frame.reference'"},
    {"frame: {reference: {file: s.h5, dataset: /R}}", NULL, "c.yaml:3:1",
     "missing key 'frame.index'"},
    {"frame: {index: [2, 1]}", NULL, "c.yaml:3:16", "it is empty"},
    {"frame: {index: [-1, 1]}", NULL, "c.yaml:3:16", "out of range"},
    {"frame: {index: [0, 2], reference: r.h5}", NULL, "c.yaml:3:35", "not a file and a dataset"},
    {"frame: {index: [0, 2], reference: {file: s.h5}}", NULL, "c.yaml:3:35", "not a file and a"},
    {"frame: {index: [0, 2], reference: {file: 1, dataset: /R}}", NULL, "c.yaml:3:42",
     "not a path"},
    {"frame: {indx: [0, 2]}", NULL, "c.yaml:3:9", "did you mean 'frame.index'?"},
    {"tangent: [d.h5]", NULL, "c.yaml:3:10", "not a path"},
    {"tangent: ./r.h5", NULL, "c.yaml:2:16", "it is the file of 'tangent'"},
    {"solve: {solver: ~}", NULL, "c.yaml:3:9", "no value for 'solve.solver'"},
    {"solve:\n  solver:\n", NULL, "c.yaml:4:3", "no value for 'solve.solver'"},
    {"solve:", NULL, "c.yaml:3:1", "section 'solve' is empty"},
    {"solve: lapack", NULL, "c.yaml:3:8", "'lapack' for section 'solve': not a mapping"},
    {"gradient: {eigenpairs: e.h5}", NULL, "c.yaml:3:24", "add 'gradient.cotangents'"},
    {"gradient: {cotangents: 5}", NULL, "c.yaml:3:24", "not a path"},
    {"gradient: {cotangents: ''}", NULL, "c.yaml:3:24", "it is empty"},
    {"gradient: {cotangents: ./r.h5}", NULL, "c.yaml:2:16", "it is the file of 'gradient.cot"},
    {"", "input.datasets=/H", "--set:1:16", "not a list"},
    {"", "input.datasets=[]", "--set:1:16", "it is empty"},
    {"", "input.datasets=[/H, H]", "--set:1:21", "named twice"},
    {"", "input.datasets=[/]", "--set:1:17", "not a dataset name"},
    {"", "output.store=[gradients]", "--set:1:15", "did you mean 'gradient'?"},
    {"", "output.store=[frame, frame]", "--set:1:22", "named twice"},
    {"", "output.file=./c.yaml", "--set:1:13", "it is the file of 'this config'"},
    {"", "output.file=./h.h5", "--set:1:13", "it is the file of 'input.file'"},
    {"", "output.file=link.h5", "--set:1:13", "it is the file of 'input.file'"},
    {"", "solve.select.lowest=x", "--set:1:14", "not an integer"},
    {"", "functions=[]", "--set:1:11", "it is empty"},
    {"", "solve.sovler=lapack", "--set:1:7", "did you mean 'solve.solver'?"},
    {"", "solve.solver.x=1", "--set:1:14", "a mapping for 'solve.solver': not a word"},
    {"", "run.threads=", "--set:1:5", "no value for 'run.threads'"},
    {"", "run.threads", "--set:1:1", "not of the form key=value"},
    {"", "run.grid=[1,", "--set:1:10", "cannot parse the YAML"},
    {"a: [\n", NULL, "c.yaml:5:1", "cannot parse the YAML"},
    {"a: 'b\n", NULL, "c.yaml:5:1", "cannot parse the YAML"},
    {"\ta: b\n", NULL, "c.yaml:3:1", "cannot parse the YAML"},
    {"run: \xff", NULL, "c.yaml:3:6", "save the text as UTF-8"},
    {"run: &a {threads: 1}", NULL, "c.yaml:3:6", "cannot use an anchor"},
    {"run: *a", NULL, "c.yaml:3:6", "cannot use an alias"},
    {"run: {<<: *a}", NULL, "c.yaml:3:11", "cannot use an alias"},
    {"run: {threads: !!int 1}", NULL, "c.yaml:3:16", "cannot use a tag"},
    {"---\nrun: {}", NULL, "c.yaml:3:1", "cannot use a second document"},
    {"run: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", NULL, "c.yaml:3:21", "nesting this deep"},
    {"run: {threads: \"\\0\"}", NULL, "c.yaml:3:16", "a NUL character"},
    {"\"x\\ny\": 1", NULL, "c.yaml:3:1", "unknown key 'x?y'"},
};

static void test_bad(void **state) {
  (void)state;
  for (size_t k = 0; k < COUNT(bad); k++) {
    char errors[4000], *text = mpt_format("%s%s\n", BASE, bad[k].text);
    char *start = mpt_format("%s: multiplet: error: ", bad[k].where);
    mpt_config config;
    mpt_code code = load(text, (const char *[]){bad[k].override, NULL}, &config, errors, 4000);
    const char *end = strchr(errors, '\n');
    bool one_line = end && !end[1] && end > errors && end[-1] == ')';
    if (code != MPT_BAD_USAGE || strncmp(errors, start, strlen(start)) || !one_line ||
        !strstr(errors, bad[k].what))
      fail_msg("case %zu: exit %d, wanted %s%s, have %s", k, code, start, bad[k].what, errors);
    assert_null(config.resolved);
    free(start);
    free(text);
  }
}

static void test_all_errors_at_once_in_order(void **state) {
  (void)state;
  const char *text = "run:\n  threads: x\n  grid: 1\nsolve: {solver: y, z: 1}\n"
                     "output:\n  file:\ninput: {}\n";
  static const char *const places[] = {
      "c.yaml:2:12:", "c.yaml:3:9:", "c.yaml:4:17:", "c.yaml:4:20:",
      "c.yaml:6:3:",  "c.yaml:7:1:", "--set:1:7:",   "--set:2:17:"};
  const char *overrides[] = {"frame=1", "degeneracy={tol: 1}", NULL};
  char errors[8000], *line = errors;
  mpt_config config;
  overrides[1] = "input.triangle= x";
  assert_int_equal(load(text, overrides, &config, errors, 8000), MPT_BAD_USAGE);
  for (size_t k = 0; k < COUNT(places); k++) {
    if (strncmp(line, places[k], strlen(places[k]))) fail_msg("%s: %s", places[k], errors);
    line = strchr(line, '\n') + 1;
  }
  assert_string_equal(line, "");
}

static void test_missing_keys(void **state) {
  (void)state;
  char errors[4000];
  mpt_config config;
  assert_int_equal(load("# nothing\n", NULL, &config, errors, 4000), MPT_BAD_USAGE);
  assert_non_null(strstr(errors, "c.yaml:1:1: multiplet: error: missing key 'input.file'"));
  assert_non_null(strstr(errors, "c.yaml:1:1: multiplet: error: missing key 'output.file'"));
  assert_int_equal(load("- 1\n", NULL, &config, errors, 4000), MPT_BAD_USAGE);
  assert_non_null(strstr(errors, "c.yaml:1:1: multiplet: error: cannot use a list as a config"));
}

static void test_unreadable(void **state) {
  (void)state;
  mpt_config config;
  assert_int_equal(mpt_config_load("no.yaml", NULL, 0, &config), MPT_BAD_USAGE);
  assert_int_equal(mpt_config_load(".", NULL, 0, &config), MPT_BAD_USAGE);
  assert_int_equal(mpt_config_load("/dev/zero", NULL, 0, &config), MPT_BAD_USAGE);
}

static void test_resolved_is_the_same_from_anywhere(void **state) {
  (void)state;
  char errors[4000], *path = mpt_format("%s/../%s/c.yaml", directory, strrchr(directory, '/') + 1);
  mpt_config here, there;
  assert_int_equal(load(BASE, NULL, &here, errors, 4000), 0);
  assert_int_equal(chdir("/"), 0);
  assert_int_equal(mpt_config_load(path, NULL, 0, &there), 0);
  assert_int_equal(chdir(directory), 0);
  assert_string_equal(here.resolved, there.resolved);
  mpt_config_release(&here);
  mpt_config_release(&there);
  free(path);
}

static void test_resolved_is_checked(void **state) {
  (void)state;
  mpt_config config;
  mpt_error error = {0};
  assert_int_equal(mpt_config_from_resolved(BASE, &config, &error), MPT_BAD_USAGE);
  assert_non_null(strstr(error.text, "line 1"));
  assert_non_null(strstr(error.text, "not an absolute path"));
}

static int enter(void **state) {
  (void)state;
  if (!mkdtemp(directory) || chdir(directory)) return -1;
  real_directory = realpath(".", NULL);
  write_text("h.h5", "");
  return !real_directory || symlink("h.h5", "link.h5");
}

static int leave(void **state) {
  (void)state;
  static const char *const files[] = {"h.h5", "link.h5", "c.yaml", "errors"};
  for (size_t k = 0; k < COUNT(files); k++) unlink(files[k]);
  free(real_directory);
  return rmdir(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good),
      cmocka_unit_test(test_values_reach_the_struct),
      cmocka_unit_test(test_bad),
      cmocka_unit_test(test_all_errors_at_once_in_order),
      cmocka_unit_test(test_missing_keys),
      cmocka_unit_test(test_unreadable),
      cmocka_unit_test(test_resolved_is_the_same_from_anywhere),
      cmocka_unit_test(test_resolved_is_checked),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
