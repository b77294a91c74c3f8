"""What the documents name is there: links and their headings, paths, and every code span that could be typed."""
import os
import re
import shlex

import pytest
import yaml
from documents import CONFIGS, GUIDES, PYTHON, README, blocks, columns, headings, multiplet, names, prose, spans, text_of
from job import ROOT
from test_documents import COMMANDS, STATUSES, collected, forum, readme_job, shell, try_cmake, try_script  # noqa: F401

DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.md")
                   if not re.match(r"(\.|build)", path.relative_to(ROOT).parts[0]) and ".pytest_cache" not in path.parts)
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
    around = {"multiplet": package, "mt": mt, "torch": torch, "A": A, "w": w, "v": v, "f": torch.sqrt, "F": A, "T": A,
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
    assert (ROOT / span.split()[-1] / "pyproject.toml").exists()


def try_path_variable(span):
    """test_install.py imports the package from an installation."""
    assert span in ("PYTHONPATH=src/python", "PYTHONPATH=PREFIX/lib/python"), span


KINDS = [
    (PROGRAM, try_program),
    (r"(?:\w+=\S+ )?(?:\$PYTHON|python3) ", try_python),
    (r"bash |jobs/[\w-]+\.sh ", lambda span: try_script(span.removeprefix("bash ").split())),
    (r"cmake ", try_cmake),
    (r"pip install ", try_install),
    (r"--set ", try_set),
    (r"PYTHONPATH=", try_path_variable),
    (r"\{?[\w.]+: (?!error)", try_yaml),
    (r"(with multiplet|mt\.|multiplet\.(?!def)\w|torch\.|\(v \*|\(F|gauge=|eigenvalue_cot\w*=|failed=|A\.|problem\.|jax\.|eigh =)",
     try_expression),
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
    "libmultiplet.so", "pkg-config --libs multiplet", "[eigenvalues, eigenvectors, functions, frame, gradient, diagnostics]",
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
