"""What the documents name is there: links, headings, paths, commands, and every code span that could be typed."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from documents import (BUILD, CONFIGS, CONTRIBUTING, GUIDES, JOBS, PYTHON, README, TESTS, bash_commands, blocks,
                       columns, headings, multiplet, names, prose, shell, spans, text_of)
from job import ROOT
from test_documents import COMMANDS, STATUSES, readme_job  # noqa: F401  (the last a fixture)

DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.md")
                   if not any(re.match(r"\.|build", part) for part in path.relative_to(ROOT).parts))
SOURCES = {path: path.read_text(errors="replace") for folder in ("src", "tests", "jobs", "configs", "include")
           for path in (ROOT / folder).rglob("*") if path.suffix in (".c", ".h", ".py", ".sh", ".sbatch", ".txt")
           and path.name != "test_lookups.py"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(document))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            led = (ROOT / document).parent.joinpath(path) if path else ROOT / document
            assert led.exists(), target
            assert not anchor or anchor in headings(led.read_text()), target


def test_all_guides_are_linked():
    """From the README, in one step."""
    linked = set(re.findall(r"\]\(([\w/]+\.md)", README))
    assert set(GUIDES) - {"README.md"} <= linked


@pytest.mark.parametrize("document", GUIDES)
def test_paths(document):
    """Every path below a folder of the repository, in spans and in blocks."""
    text = "\n".join([*spans(text_of(document)), *(block for _, block in blocks(text_of(document)))])
    for path in re.findall(r"(?<![\w/.-])((?:jobs|tests|configs|src|include)/[\w./-]*\w)", text):
        assert (ROOT / path).exists(), path


# Commands of bash blocks

def ctest_names(*options):
    done = subprocess.run(["ctest", "--test-dir", BUILD, "-N", *options], capture_output=True, text=True, timeout=60)
    return re.findall(r"^ *Test +#\d+: (\S+)$", done.stdout, re.M)


def collected(arguments):
    """How many tests pytest finds under these arguments."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "--collect-only"],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)
    return len(re.findall(r"::", done.stdout))


def try_script(words):
    """bash SCRIPT [options]: it parses, and knows the options; of tests/run.sh those of ctest find a test."""
    script, *options = words
    shell(f"bash -n {script}", ROOT)
    text = text_of(script)
    if options[:1] == ["-R"]:
        assert script == "tests/run.sh" and ctest_names(*options), options
    elif options:
        assert options[0].strip("[]") in text, (script, options)


def try_cmake(command):
    """`cmake --preset P` and `--build`, as the presets have it; a target that there is."""
    presets = json.loads(text_of("CMakePresets.json"))["configurePresets"]
    folders = {preset["name"]: preset["binaryDir"] for preset in presets}
    if preset := re.search(r"--preset (\S+)", command):
        assert preset.group(1) == "release" and folders["release"] == "${sourceDir}/build"
    for option in re.findall(r"-D(\w+)=", command):
        assert f"option({option} " in text_of("CMakeLists.txt"), option
    for directory in re.findall(r"--(?:build|install) (\S+)", command):
        assert directory == "build"
    for target in re.findall(r"--target (\S+)", command):
        listed = shell(f"cmake --build '{BUILD}' --target help", ROOT)
        assert re.search(rf"^(\.\.\. )?{target}\b", listed, re.M), target


def try_command(command):
    """One command of a guide, as far as it can be tried here; those of multiplet run in tests of their own."""
    word, *rest = shlex.split(command)
    if word == "bash":
        try_script(rest)
    elif word == "sbatch":
        script, = [part for part in rest if part.startswith("jobs/")]
        try_script([script])
    elif word == "cmake":
        try_cmake(command)
    elif word == "ctest":
        assert ctest_names(*rest[rest.index("build") + 1:]), command
    elif word == "$PYTHON":
        assert collected(rest[2:]) > 0, command
    elif word in (".", "export"):
        shell(f"{command}\n[ -n \"$PYTHON\" ]\n$PYTHON -c 'import multiplet'" if word == "export" else command, ROOT)
    elif word.startswith("build/bin/test_") or rest[:1] == ["-n"] and rest[2].startswith("build/bin/test_"):
        name = re.search(r"test_\w+", command).group() + (f"_{rest[1]}" if rest else "")
        assert name in ctest_names(), name
    elif word == "git":
        version = re.search(r"project\(multiplet VERSION (\S+)", text_of("CMakeLists.txt")).group(1)
        assert f"v{version}" in rest, command
    else:
        assert re.match(r"(mpirun -n 2 )?multiplet ", command), f"a kind of command that no test runs: {command}"


@pytest.mark.parametrize("document", GUIDES)
def test_commands(document):
    for command in bash_commands(document):
        try_command(command)


def test_scripts_are_named():
    scripts = {word for name in GUIDES for command in bash_commands(name) for word in command.split()}
    assert {"jobs/quickstart.sh", "tests/run.sh", "jobs/single-node.sbatch"} <= scripts
    listed = {pathlib.Path(names(row[0])[0] if names(row[0]) else re.search(r"\[(.*?)\]", row[0]).group(1)).name
              for row in columns(JOBS, "| script | what it does |")}
    assert listed == {path.name for path in (ROOT / "jobs").glob("*.sbatch")}


def test_layout():
    """Every directory that the block names is there, with the headers that its line names."""
    block = re.search(r"^```\n(include/.*?)^```$", CONTRIBUTING, re.M | re.S).group(1)
    parent = ""
    for line in block.splitlines():
        first, *others = re.findall(r"(?<!\S)[\w/]+/(?!\S)", line)
        if line[0] == " ":
            first = parent + first
        else:
            parent = first
        below = first if first == "tests/" else ""
        for path in [first, *(below + other for other in others)]:
            assert (ROOT / path).is_dir(), path
        for header in re.findall(r"\b\w+\.h\b", line):
            assert (ROOT / first / header).is_file(), header


def test_rooms():
    """Each file that src/README.md and the README of a room name is there, and so is each room of the drawing."""
    for path in (ROOT / "src").rglob("README.md"):
        if "python" in path.parts:
            continue
        text = path.read_text()
        for name in re.findall(r"(?<![\w/*<])(?:[\w/]+/)?\w+\.(?:c|h|md)\b", text):
            assert any((place / name).is_file() for place in (path.parent, ROOT / "src", ROOT)) or name == "mpi.h", (path, name)
    drawn = set(re.findall(r"\b[a-z]+\b", re.search(r"^```\n(.*?)^```$", text_of("src/README.md"), re.M | re.S).group(1)))
    assert {path.name for path in (ROOT / "src").rglob("*") if path.is_dir() and list(path.glob("*.c"))} <= drawn


def test_folders_of_tests():
    listed = [re.search(r"\[(\w+)/\]", row[0]).group(1) for row in columns(TESTS, "| folder | language |")]
    assert sorted(listed) == sorted(path.name for path in (ROOT / "tests").iterdir()
                                    if path.is_dir() and any(path.glob("*.*")))


def test_tiers():
    """Every option of tests/run.sh is in both tables, and no other."""
    script = set(re.findall(r"^#   bash tests/run\.sh (--\w+)", text_of("tests/run.sh"), re.M))
    for table in (columns(TESTS, "| tier |"), columns(CONTRIBUTING, "| command | when |")):
        assert {option for row in table for option in re.findall(r"--\w+", row[0])} == script


def test_presets():
    presets = json.loads(text_of("CMakePresets.json"))["configurePresets"]
    listed = {names(row[0])[0]: names(row[1])[0] for row in columns(CONTRIBUTING, "| preset | folder |")}
    assert listed == {preset["name"]: preset["binaryDir"].removeprefix("${sourceDir}/") for preset in presets}


def test_release():
    """Each file that the procedure names holds the version, and there is a golden file of the schema's."""
    version = re.search(r"project\(multiplet VERSION (\S+)", text_of("CMakeLists.txt")).group(1)
    table = CONTRIBUTING[CONTRIBUTING.index("| file | as |"):].split("\n\n")[0]
    files = [name for line in table.splitlines()[2:] for name in names(line.split("|")[1])]
    assert len(files) == 6 and f"[{version}]" in text_of("CHANGELOG.md")
    for name in files:
        assert version in text_of(name), name
    schema = re.search(r'define MPT_SCHEMA_VERSION "(.*?)"', text_of("src/store/schema.h")).group(1)
    assert (ROOT / f"tests/golden/result-{schema}.h5").is_file()


def test_exit_codes():
    manual = multiplet("--man")
    codes = re.findall(r"^\.B (\d+)$", manual[manual.index(".SH EXIT STATUS"):], re.M)
    assert [row[0] for row in columns(JOBS, "| code | meaning |")] == codes


# Code spans. Each goes to the first of these patterns that matches, and to the check beside it.

PROGRAM = r"(?:mpirun -n \d+ )?multiplet (?!test|\d)\w+"
KEYS = {names(row[0])[0]: names("|".join(row[1:])) for row in columns(CONFIGS, "| key | default |")}
SECTIONS = {key.partition(".")[0] for key in KEYS}


def try_program(span):
    """The command and its options are the program's."""
    words = shlex.split(span.replace("'", "")) if "'" not in span else shlex.split(span)
    words = words[words.index("multiplet") + 1:]
    printed = multiplet(words[0], "--help")
    for option in [word for word in words if word.startswith("--")]:
        assert re.search(rf"^  {option}\b", printed, re.M), span
    if "--part" in words and words[words.index("--part") + 1] != "PART":
        assert re.search(rf"^  {words[words.index('--part') + 1]}\b", printed, re.M), span


def try_python(span):
    """The script or module is there, and knows the options."""
    words = shlex.split(span)
    words = words[[word in ("python3", "$PYTHON") for word in words].index(True) + 1:]
    if words[0] == "-c":
        return  # test_quickstart.py
    if words[0] == "-m":
        words[:2] = [f"src/python/{words[1].replace('.', '/')}.py"]
    source = text_of(words[0])
    compile(source, words[0], "exec")
    for option in [word for word in words if word.startswith("--")]:
        assert f'"{option}"' in source, span


def try_set(span):
    assert_key(re.match(r"--set (\S+?)=", span).group(1))


def assert_key(key):
    assert key in KEYS or key.rpartition(".")[0] in ("solve.select", "frame.reference"), key


def try_key(span):
    assert_key(span)


SELECTIONS = {"lowest", "highest", "index", "range", "at_most"}  # their table: test_documents.py


def try_yaml(span):
    """A piece of a config: sections and keys that there are, words that they take."""
    for name, value in yaml.load(span, yaml.BaseLoader).items():
        if name == "outcome":  # as test_serve.py has it
            assert set(value) <= {"exit", "seconds", "problems", "error"}
        elif name in SECTIONS and isinstance(value, dict):
            for leaf, words in value.items():
                assert_words(f"{name}.{leaf}", words)
        elif name not in SELECTIONS | {"file", "dataset"}:
            key, = [key for key in KEYS if key == name or key.endswith(f".{name}")]
            assert_words(key, value)


def assert_words(key, words):
    assert_key(key)
    known = SELECTIONS if key == "solve.select" else re.findall(r"\w+", " ".join(KEYS[key]))
    for word in [words] if isinstance(words, str) else words:
        assert word in known or word == "..." or key.endswith(".file"), (key, word)


def try_expression(span):
    """Evaluated, with names as the documents use them."""
    torch = pytest.importorskip("torch")
    import multiplet as package
    import multiplet.torch as mt
    A = torch.diag(torch.tensor([4.0, 1.0, 1.0], dtype=torch.float64)).requires_grad_()
    w, v = torch.linalg.eigh(A.detach())
    around = {"multiplet": package, "mt": mt, "torch": torch, "numpy": __import__("numpy"), "A": A, "w": w, "v": v, "f": torch.sqrt, "F": A, "T": A,
              "R": torch.ones(3, 1, dtype=torch.float64)}
    if span.startswith("with "):
        span = span[5:].rstrip(":").replace('"spool"', "'.'")
        with pytest.raises(package.ServiceError, match="no inbox"):
            exec(f"with {span}:\n    pass", around)
    elif re.match(r"(gauge|eigenvalue_cotangents|failed)=", span):
        eval(f"mt.eigh(A, {span})", around)
    elif span.startswith("(v * f(w)) @"):  # code as it is found, for single matrices
        eval(span, around)
    elif span == "eigh = multiplet.torch.eigh":
        exec(span, around)
    elif span == "A.grad":
        (mt.eigh(A)[0].sum()).backward()
        assert eval(span, around) is not None
    elif span == "problem.text":
        assert hasattr(package.Status.INTERNAL, "text")
    elif span == "jax.grad":
        assert "jax.grad" in text_of("tests/oracle/jax_grad.py")
    else:
        eval(span, around)


def try_jax(span):
    """test_jax_transforms.py tries them."""
    assert span == "multiplet.jax" or f'"{span.split(".")[2]}"' in text_of("src/python/multiplet/jax/__init__.py"), span


def try_variable(span):
    """A variable of the environment, or a macro, that some source looks at; or a status."""
    name, _, value = span.partition("=")
    assert name in STATUSES or any(re.search(rf"\b{name}\b", text) for text in SOURCES.values()), span


def try_path(span):
    """Ours, or a place that a build, an installation or a service makes."""
    made = r"(build(/bin(/multiplet|/test_\w+)?)?$|SPOOL/|/a/b$)"
    assert re.match(made, span) or (ROOT / span.replace("diagnostics/", "")).exists() or is_dataset(span), span


def is_dataset(span):
    """Of a result: in the table of datasets, in full or below `diagnostics/`."""
    table = {name for row in columns(PYTHON, "| dataset | shape |") for name in names(row[0])}
    return span.removeprefix("/a/b/") in table


def try_install(span):
    """test_wheel.py does it."""
    words = span.split()
    assert (ROOT / next(word for word in words if word.startswith("./")) / "pyproject.toml").exists(), span
    assert all(word in text_of("tests/python/test_wheel.py") for word in words if word.startswith("--config")), span


def try_path_variable(span):
    """test_install.py imports the package from an installation."""
    assert span in ("PYTHONPATH=src/python", "PYTHONPATH=PREFIX/lib/python"), span


def try_cmake_option(span):
    """CMakeLists.txt has it; test_install.py builds without what jobs need."""
    assert f"option({span.removeprefix('-D').split('=')[0]} " in text_of("CMakeLists.txt"), span


KINDS = [
    (PROGRAM, try_program),
    (r"-D[A-Z_]+=(?:ON|OFF)$", try_cmake_option),
    (r"(?:\w+=\S+ )?(?:\$PYTHON|python3) ", try_python),
    (r"bash |jobs/[\w-]+\.sh ", lambda span: try_script(span.removeprefix("bash ").split())),
    (r"cmake ", try_cmake),
    (r"(MULTIPLET_JAX=1 )?pip (install|wheel) ", try_install),
    (r"--set ", try_set),
    (r"PYTHONPATH=", try_path_variable),
    (r"\{?[\w.]+: (?!error)", try_yaml),
    (r"multiplet\.jax", try_jax),
    (r"with multiplet|mt\.|numpy\.|multiplet\.(?!def)\w|torch\.|\(v \*|\(F|gauge=|eigenvalue_cot\w*=|failed=", try_expression),
    (r"A\.|problem\.|jax\.|eigh =", try_expression),
    (rf"(?:{'|'.join(SECTIONS)})\.\w+(?:\.\w+)*$", try_key),
    (r"[A-Z][A-Z_]+(=\w+)?$", try_variable),
    (r"\S*[\w>]/", try_path),
    (r"build-\w+$", lambda span: try_preset(span)),
    (r"[\w.-]+\.(?:sh|sbatch|md|txt|def)$", lambda span: [path for path in ROOT.rglob(span)][0]),
    (r"--\w+( \w+)?$", lambda span: is_option(span.split()[0])),
]

def try_preset(span):
    assert f"${{sourceDir}}/{span}\"" in text_of("CMakePresets.json"), span


# What is no command, file or name: patterns and prints, and what tests elsewhere do.
OTHERS = {" ".join(span.split()) for span in (
    "multiplet: error: <what failed>: <why> (<how to mend it>)", "multiplet: error: WHAT: WHY (HOW TO MEND IT)",
    "[  FAILED  ]", "[  ERROR   ] --- 0x1 != 0x2", "[   LINE   ] --- test_config.c:60: error",
    "(0, stdout, stderr)", "failed: clang-format", "failed: shellcheck", "seed S", "kill -9", "man multiplet",
    "scancel --batch --signal=TERM JOB", "srun --mpi=pmix", "sbatch", "[start, stop]", "{task}",
    "[/H, /a/b]", "[rows, columns]", "mpirun -n N build/bin/test_name", "tests/mpi/check.c:41: ...",
    "project(multiplet VERSION ...)", '"engine/turn.h"', "multiplet::multiplet", "find_package(multiplet)",
    "libmultiplet.so", "jnp.linalg.eigh", "pkg-config --libs multiplet", "pkg-config --libs multiplet-jobs",
    "[eigenvalues, eigenvectors, functions, frame, gradient, diagnostics]",
)}


def is_option(span):
    """Of some command, or of tests/run.sh, the training example, sbatch."""
    texts = [multiplet(command, "--help") for command in COMMANDS]
    texts += [text_of(name) for name in ("tests/run.sh", "configs/examples/train_heisenberg.py", "jobs/array.sbatch")]
    assert any(re.search(rf"(?<![\w-]){span}\b", text) for text in texts), span


def kind_of(span):
    found = [check for pattern, check in KINDS if re.match(pattern, span)]
    if span in OTHERS or not found and re.fullmatch(r"\w+", span):
        return None  # a word: of a status or a key, in tests of the tables
    assert found, f"a kind of code span that no test looks up: {span}"
    return found[0]


@pytest.mark.parametrize("document", GUIDES)
def test_code_spans(readme_job, monkeypatch, document):
    monkeypatch.chdir(readme_job[0])
    os.makedirs("build/quickstart", exist_ok=True)
    for span in spans(text_of(document)):
        if check := kind_of(span):
            check(span)


def test_other_spans_are_used():
    """None of the list is left over from a text that has gone."""
    used = {span for document in GUIDES for span in spans(text_of(document))}
    for span in OTHERS:
        assert span in used, span
