"""What the documents say is so: their blocks run, their tables are the program's. (Links, paths and code spans:
test_lookups.py.)"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import warnings

import h5py
import numpy as np
import pytest
import yaml
from documents import (BUILD, CONFIGS as CONFIGS_TEXT, CONTRIBUTING, GUIDES, JOBS, NO_MPI, PYTHON, README, SCHEMA, TESTS,
                       bash_commands, blocks, columns, commands, fenced, multiplet, names, prose, shell, text_of)
from job import MULTIPLET, ROOT, config, hermitian, write

@pytest.fixture(scope="module")
def readme_job(tmp_path_factory):
    """The README's job, by the README's commands alone."""
    directory = tmp_path_factory.mktemp("readme")
    job, = [block for block in fenced(README, "yaml") if block.startswith("# forum.yaml")]
    (directory / "forum.yaml").write_text(job)
    block, = [block for block in fenced(README, "bash") if "multiplet run" in block]
    printed = {}
    for command in commands(block):
        verb = re.search(r"multiplet (\w+)", command).group(1)
        printed[verb] = shell(command, directory)
    assert list(printed) == ["sample", "plan", "run", "show", "check"]
    printed["index"] = shell("multiplet show 'result.h5:/H[0]'", directory)
    return directory, printed


def test_readme_commands(readme_job):
    _, printed = readme_job
    assert "GAUGE_DEPENDENT" in printed["show"] and "ranks                      2" in printed["plan"]
    assert "all within bounds" in printed["check"] and re.search(r"-1\.259[12]", printed["index"])


def test_plain_h5py(readme_job, monkeypatch, capsys):
    directory, _ = readme_job
    monkeypatch.chdir(directory)
    found = {}
    snippet, = [block for block in fenced(PYTHON, "python") if block.startswith("import h5py")]
    exec(snippet, found)
    with h5py.File("forum.h5") as f:
        a = f["H"][:].reshape(1, 4, 4)
    w, v, g = found["w"], found["v"], found["g"]
    assert np.allclose(a[0] @ v[0], v[0] * w[0], atol=1e-14) and np.isfinite(g).all() and g.any()
    assert found["names"]["GAUGE_DEPENDENT"] == 2 == found["status"][0]
    # of the vectors that the solver returned, here by its definition
    violation = abs(v[0, :, 1].sum()) / np.linalg.norm(np.ones(4))
    printed = float(capsys.readouterr().out.split()[-1].strip("[]"))
    assert printed == pytest.approx(violation, rel=1e-6) and printed == pytest.approx(0.26, abs=0.005)
    assert "gauge\nviolation 0.26" in README


@pytest.mark.parametrize("document", ["README.md", "src/python/README.md"])
def test_reader(readme_job, monkeypatch, capsys, document):
    directory, _ = readme_job
    monkeypatch.chdir(directory)
    snippet, = [block for block in fenced(text_of(document), "python") if "multiplet.open(" in block]
    exec(snippet, {})
    assert re.search(r"-1\.259\d* .*\(1, 4, 4\) \[0\.25609", capsys.readouterr().out)


def exec_eigh(snippet, printed):
    """The snippet up to what it prints, with its variables."""
    found = {}
    exec(snippet, found)
    torch = found["torch"]
    # w_0 + w_1 has the pair's projector, and at its maximum v_02^2 is stationary
    exact = torch.diag(torch.tensor([0.0, 1, 1], dtype=torch.float64))
    assert torch.allclose(found["A"].grad, exact, rtol=0, atol=1e-15)
    assert "Certificate({'OK': 1}" in printed()
    return found


def test_readme_torch(capsys):
    pytest.importorskip("torch")
    snippet, = [block for block in fenced(README, "python") if "multiplet.torch as mt" in block]
    found = exec_eigh(snippet, lambda: capsys.readouterr().out)
    # the one line that changes
    diff, = fenced(README, "diff")
    old, new = diff.splitlines()
    assert old == "-w, v = torch.linalg.eigh(A)" and new.startswith("+w, v = multiplet.")
    exec("import multiplet.torch\n" + new[1:], found)
    assert found["w"].tolist() == [1, 1, 4]


def test_readme_question():
    """The table of losses on diag(4, 1, 1): what PyTorch gives, what is given here, under which status."""
    torch = pytest.importorskip("torch")
    import multiplet.torch as mt
    c = torch.tensor([[0.3, -1, 0.5], [-1, 0.2, 0.7], [0.5, 0.7, -0.4]], dtype=torch.float64)
    losses = {"a component of the vector of eigenvalue 4": lambda w, v: v[0, 2] * c[0, 1] + (v[:, 2] * c[1]).sum(),
              "trace of a projector on the pair": lambda w, v: (c * (v[:, :2] @ v[:, :2].mH)).sum(),
              "a square root, logarithm, density matrix made of eigenpairs: V f(w) Vᴴ":
                  lambda w, v: (c * ((v * w.sqrt()) @ v.mH)).sum(),
              "a component of one vector of the pair": lambda w, v: v[1, 0],
              "the lowest eigenvalue of the pair": lambda w, v: w[0]}
    rows = columns(README, "| loss on diag(4, 1, 1)")
    assert [row[0] for row in rows] == list(losses)
    for name, theirs, ours in rows:
        gradients = []
        for eigh in (torch.linalg.eigh, mt.eigh):
            A = torch.diag(torch.tensor([4.0, 1, 1], dtype=torch.float64)).requires_grad_()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                losses[name](*eigh(A)).backward()
            gradients.append(A.grad)
        assert bool(gradients[0].isnan().any()) == (theirs == "`nan`") and gradients[1].isfinite().all()
        assert multiplet_status(mt) == names(ours)[0], name


def multiplet_status(mt):
    from multiplet import Status
    return Status(int(mt.last_certificate().status)).name


def test_python_torch(capsys):
    torch = pytest.importorskip("torch")
    snippet, = [block for block in fenced(PYTHON, "python") if "multiplet.torch as mt" in block]
    first, then = snippet.split("C = ")
    assert first.strip() == [b for b in fenced(README, "python") if "multiplet.torch as mt" in b][0].strip()
    found = exec_eigh(first, lambda: capsys.readouterr().out)
    exec("C = " + then, found)
    assert torch.isfinite(found["A"].grad).all() and found["rho"].trace().item() == pytest.approx(1.5)
    assert torch.allclose(found["P"], torch.diag(torch.tensor([0.0, 1, 1], dtype=torch.float64)))
    assert torch.allclose(found["x"].ravel(), torch.tensor([0, 0.5 ** 0.5, 0.5 ** 0.5], dtype=torch.float64))
    root, = [b for b in fenced(PYTHON, "python") if b.startswith("w, v = mt.eigh")]
    found["A"] = torch.diag(torch.tensor([4.0, 1, 1], dtype=torch.float64)).requires_grad_()
    exec(root, found)
    (found["root"] * found["C"]).sum().backward()
    root = 1 / torch.tensor([[4.0, 3, 3], [3, 2, 2], [3, 2, 2]], dtype=torch.float64)  # 1 / (sqrt x + sqrt y)
    assert torch.allclose(found["A"].grad, root * found["C"], rtol=0, atol=1e-15)
    assert int(found["mt"].last_certificate().status) == 1


@pytest.mark.parametrize("document", ["jobs/README.md", "src/python/README.md"])
def test_service(tmp_path, monkeypatch, document):
    torch = pytest.importorskip("torch")
    import multiplet
    import multiplet.torch as mt
    start, = [command for command in bash_commands(document) if "multiplet serve" in command]
    snippet, = [block for block in fenced(PYTHON, "python") if "multiplet.service(" in block]
    monkeypatch.chdir(tmp_path)
    service = subprocess.Popen(start.rstrip("& ").replace("multiplet serve", f"{MULTIPLET} serve"), shell=True)
    try:
        while not (tmp_path / "spool/status.json").exists():
            assert service.poll() is None
            time.sleep(0.01)
        found = {"multiplet": multiplet, "mt": mt}
        found["A"] = torch.diag(torch.tensor([4.0, 1.0, 1.0], dtype=torch.float64)).requires_grad_()
        exec(snippet, found)
        exact = torch.diag(torch.tensor([0.0, 1, 1], dtype=torch.float64))
        assert torch.allclose(found["A"].grad, exact, rtol=0, atol=1e-15)
        for path in columns(JOBS, "| path | meaning |"):
            first = pathlib.Path(names(path[0])[0].replace("SPOOL", "spool"))
            assert first.parent.is_dir() and (first.suffix or first.name == "stop"), first
    finally:
        (tmp_path / "spool/stop").touch()
        assert service.wait(20) == 0


# What runs each fenced block of the guides: a new block has to be in this list, and in a test

RUN = {
    "README.md": ["diff", "bash", "bash", "python", "yaml", "bash", "python", "bash", "c"],
    "configs/README.md": ["yaml", "yaml", "bash", "yaml", ""],
    "jobs/README.md": ["bash", "bash"],
    "src/python/README.md": ["python", "python", "bash", "python", "python", "python"],
    "tests/README.md": ["bash", "bash"],
    "CONTRIBUTING.md": ["bash", "", "bash"],
}


@pytest.mark.parametrize("document", GUIDES)
def test_no_block_without_a_test(document):
    assert [language for language, _ in blocks(text_of(document))] == RUN[document], "a block that no test runs?"


def ctest_names(*options):
    done = subprocess.run(["ctest", "--test-dir", BUILD, "-N", *options], capture_output=True, text=True, timeout=60)
    return re.findall(r"^ *Test +#\d+: (\S+)$", done.stdout, re.M)


def collected(arguments):
    """How many tests pytest finds under these arguments."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "--collect-only"], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)
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


# configs/README.md

@pytest.fixture(scope="module")
def forum(tmp_path_factory):
    """The forum's matrix, with a reference and a direction."""
    directory = tmp_path_factory.mktemp("forum")
    shell("multiplet sample forum -o forum.h5 --cotangents cotangents.h5", directory)
    with h5py.File(directory / "forum.h5") as f:
        a = f["H"][:].reshape(1, 4, 4)
    for name, value in {"ref.h5": {"R": np.full((4, 1), 0.5)}, "direction.h5": {"H": np.ones_like(a)},
                        "matrices.h5": {"H": a}}.items():
        write(directory / name, **value)
    return directory


def test_outputs(forum):
    """Functions, frame and tangent, on the forum's matrix."""
    job, = [block for block in fenced(CONFIGS_TEXT, "yaml") if block.startswith("functions:")]
    # four of four electrons leave no hole
    (forum / "outputs.yaml").write_text(f"input: {{file: forum.h5}}\noutput: {{file: result.h5}}\n"
                                        f"{job.replace('electrons: 4', 'electrons: 2')}")
    shell("multiplet run outputs.yaml --fresh", forum)
    with h5py.File(forum / "result.h5") as f:
        assert (f["H/status"][:] == 1).all() and set(f["H/functions"]) == {"heat", "rho", "P"}
        assert f["H/frame"][:].sum() == pytest.approx(1.1890772241680891, abs=1e-14) and "1.18907722" in CONFIGS_TEXT
        p = f["H/functions/P"][0]
        assert np.allclose(p, p @ p, atol=1e-14) and np.trace(p) == pytest.approx(2)
        assert set(f["H/tangent/functions"]) == {"heat", "rho", "P"}
    printed = shell("multiplet show 'result.h5:/H[0]'", forum)
    block, = fenced(CONFIGS_TEXT, "")
    for statement in re.split(r"\n(?=  \w)", block.rstrip()):
        assert statement in printed, (statement, printed)


def test_smallest_jobs(forum):
    """Both, and the commands below them."""
    small, whole = [block for block in fenced(CONFIGS_TEXT, "yaml") if block.startswith("# eigenpairs")]
    for text in (small, whole):
        (forum / "job.yaml").write_text(text)
        (forum / "result.h5").unlink(missing_ok=True)
        shell("multiplet run job.yaml", forum)
        with h5py.File(forum / "result.h5") as f:
            assert ("gradient" in f["H"]) == ("gradient:" in text) and f.attrs["complete"]
    used = [shell(command, forum) for command in bash_commands("configs/README.md")]
    assert len(used) == 5 and "all within bounds" in used[-1] and (forum / "other.h5").is_file()


def refusal(forum, override):
    """What `plan` says of an override that is wrong."""
    (forum / "plain.yaml").write_text("input: {file: forum.h5}\noutput: {file: plain.h5}\n")
    return shell(f"multiplet plan plain.yaml --set '{override}'", forum, expect=2)


def keys_of(forum):
    """Every key of the config: what the program names as valid, and the two that are no sections."""
    sections = re.search(r"valid: (.*)\)", refusal(forum, "nosuch=1")).group(1).split(", ")
    found = {key for section in sections if "." not in section
             for key in re.search(r"valid: (.*)\)", refusal(forum, f"{section}.nosuch=1")).group(1).split(", ")}
    return found | {"functions", "tangent"}


def test_keys(forum):
    """The table has every key, with its default, and every word that the key takes."""
    rows = {names(row[0])[0]: row[1:] for row in columns(CONFIGS_TEXT, "| key | default |")}
    assert set(rows) == keys_of(forum)
    (forum / "plain.yaml").write_text("input: {file: forum.h5}\noutput: {file: plain.h5}\n")
    shell("multiplet run plain.yaml --fresh", forum)
    with h5py.File(forum / "plain.h5") as f:
        resolved = yaml.load(f.attrs["config"], yaml.BaseLoader)
    for key, (default, _) in rows.items():
        section, _, leaf = key.partition(".")
        if key in ("input.file", "output.file"):
            assert default == "required"
        elif leaf in resolved.get(section, {}):
            assert yaml.load(names(default)[0], yaml.BaseLoader) == resolved[section][leaf], key
        else:
            assert default in ("none", "every square one"), key
    told = {key: re.search(r"valid: ([\w, ]+)\)", refusal(forum, f"{key}=nosuch")) for key in rows if "file" not in key
            and key not in ("tangent", "gradient.cotangents", "gradient.eigenpairs")}
    assert sum(map(bool, told.values())) >= 6
    for key, words in told.items():
        for word in words.group(1).split(", ") if words else []:
            assert word in names("|".join(rows[key])), (key, word)


def test_selections(forum):
    values = [names(row[0])[0] for row in columns(CONFIGS_TEXT, "| `solve.select` | eigenpairs |")]
    told = re.findall(r"\{(\w+):", refusal(forum, "solve.select=nosuch"))
    assert values[0] == "all" and [re.match(r"\{(\w+)", value).group(1) for value in values[1:]] == told
    for value, found in zip(values, [4, 2, 2, 2, 2]):
        shell(f"multiplet run plain.yaml --fresh --set 'solve.select={value}'", forum)
        with h5py.File(forum / "plain.h5") as f:
            assert np.count_nonzero(f["H/eigenvalues"][:]) == found, value


def test_function_kinds(tmp_path):
    """Every kind that the program names, with the parameters of its row, gives that function."""
    rows = {kind: (names(row[1]), row[2]) for row in columns(CONFIGS_TEXT, "| `kind` | parameters |")
            for kind in names(row[0])}
    values = {"scale": 0.5, "exponent": 1.5, "beta": 2.0, "mu": 1.0, "index": [0, 1]}
    listed = []
    for kind, (parameters, _) in rows.items():
        assert set(parameters) <= {*values, "electrons", "[start, stop]"}
        listed.append({"name": kind, "kind": kind, **{key: values[key] for key in parameters if key in values}})
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(1), 1, 4, "float64", [1.0, 1.5, 2.0, 3.0]))
    shell(f"multiplet run {config(tmp_path, functions=listed)}", tmp_path)
    with h5py.File(tmp_path / "job-out.h5") as f:
        assert (f["H/status"][:] == 1).all() and set(f["H/functions"]) == set(rows)
    (tmp_path / "bad.yaml").write_text("input: {file: in.h5}\noutput: {file: o.h5}\nfunctions: [{name: a, kind: nosuch}]\n")
    valid = re.search(r"valid: (.*)\)", shell("multiplet plan bad.yaml", tmp_path, expect=2)).group(1)
    assert set(valid.split(", ")) == set(rows)


def test_examples_are_listed():
    listed = re.findall(r"^\| .*$", CONFIGS_TEXT[CONFIGS_TEXT.index("\n| config | shows"):], re.M)
    found = {target for row in listed for target in re.findall(r"\]\(([\w./-]+\.(?:yaml|py))\)", row)}
    folder = ROOT / "configs"
    assert found == {str(path.relative_to(folder)) for path in [*folder.glob("*.yaml"), *folder.glob("examples/*.py")]}


# train_* need no job: see test_training.py
EXAMPLES = sorted(x for x in (ROOT / "configs/examples").glob("*.py") if not x.stem.startswith("train_"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_worked_example(script, tmp_path):
    """It checks its own numbers, against differences of the same loss."""
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path, timeout=120,
                          env={**os.environ, "MULTIPLET": str(pathlib.Path(MULTIPLET).resolve())})
    assert done.returncode == 0 and "differences" in done.stdout, (done.stdout, done.stderr)
    assert script.with_suffix(".yaml").is_file() and f"configs/examples/{script.name}" in script.read_text()


# configs/: every file with the inputs that its own head asks for

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
ORDER = sorted(CONFIGS, key=lambda name: (name == "backward", name)) # needs forward's result


def head_commands(name):
    lines = (ROOT / f"configs/{name}.yaml").read_text().splitlines()
    head = lines[:next(k for k, line in enumerate(lines) if line[:1] != "#")]
    inset = "\n".join(line[2:].strip() for line in head if line.startswith("#   "))
    return [c for c in commands(inset) if "build/bin/multiplet" in c]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A tree like the repository's in which the heads' commands run as they are written."""
    root = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "configs", root / "configs")
    (root / "build/bin").mkdir(parents=True)
    (root / "build/quickstart").mkdir()
    (root / "build/bin/multiplet").symlink_to(pathlib.Path(MULTIPLET).resolve())
    for name in CONFIGS:
        for command in head_commands(name):
            if " sample " in command:
                shell(command, root)
    for name in ORDER:
        run, = [command for command in head_commands(name) if " run " in command]
        assert run.endswith(f"run configs/{name}.yaml")
        shell(run, root)
    return root


@pytest.mark.parametrize("name", CONFIGS)
def test_config(examples, name):
    result = f"build/quickstart/{name}-result.h5"
    with h5py.File(examples / result) as f:
        assert f.attrs["complete"] == 1
        groups = [group for group in f.values() if "status" in group]
        gradients = sum("gradient" in group for group in groups)
        assert groups and all(np.isin(group["status"], [1, 2, 11]).all() for group in groups)
    differentiates = "\ngradient:" in (ROOT / f"configs/{name}.yaml").read_text()
    assert bool(gradients) == differentiates
    options = "--gradients 2" if differentiates else ""
    printed = shell(f"build/bin/multiplet check {result} {options}", examples)
    assert "all within bounds" in printed
    assert not differentiates or re.search(r"[12] gradients? compared", printed), printed
    assert "matrices" in shell(f"build/bin/multiplet plan configs/{name}.yaml --ranks 4", examples)


# Tables of the documents and of the source

FIELDS = re.findall(r"\[MPT_\w+\]\s*=\s*\{\"([\w/]+)\"", (ROOT / "src/store/schema.c").read_text())
STATUSES = dict(re.findall(r"\[MPT_([A-Z_]+)\] =\s+\{\"([A-Z_]+)\"", (ROOT / "src/base/base.c").read_text()))


def test_schema_datasets():
    assert len(FIELDS) >= 14
    rows = columns(SCHEMA, "| dataset | shape | type")
    assert [names(row[0])[0].replace("<name>", "") for row in rows] == FIELDS


def test_python_datasets():
    listed = []
    for row in columns(PYTHON, "| dataset | shape |"):
        found = [name.replace("<name>", "") for name in names(row[0])]
        folder = "diagnostics/" if found[0].startswith("diagnostics/") else ""
        listed += [found[0], *(folder + name for name in found[1:])]
    assert sorted(listed) == sorted(FIELDS)


def numbered(rows, cell):
    """Rows "| 2 | `NAME` |" or "| 2 `NAME` |"."""
    return {int(re.match(r"\d+", row[0]).group()): names(row[cell])[0] for row in rows}


def test_statuses():
    header = (ROOT / "include/multiplet/status.h").read_text()
    listed = re.search(r"typedef enum mpt_status \{(.*?)MPT_STATUS_COUNT", header, re.S).group(1)
    numbers = {int(n): name for name, n in re.findall(r"MPT_([A-Z_]+) = (\d+)", listed)}
    assert sorted(numbers) == list(range(12)) and set(numbers.values()) == set(STATUSES)
    assert all(key == name for key, name in STATUSES.items())
    assert numbered(columns(SCHEMA, "| | | outputs |"), 1) == numbers
    assert numbered(columns(PYTHON, "| status | meaning | outputs |"), 0) == numbers
    *three, rest = columns(README, "| status | meaning | gradient |")
    assert numbered(three, 0) == {n: numbers[n] for n in (1, 2, 11)} and rest[0] == "any other"


def test_schema_attributes():
    text = (ROOT / "src/store/create.c").read_text()
    written = set(re.findall(r"write_(?:text|int)\(file, \"(\w+)\"", text))
    listed = {name for row in columns(SCHEMA, "| attribute | type") for name in names(row[0])}
    assert listed == written and len(listed) >= 14


# --help, where MPI_Init would fail

COMMANDS = re.findall(r'\{"(\w+)", mpt_cmd_\w+, ', (ROOT / "src/cli/main.c").read_text())


def test_mpi_init_would_fail_here(readme_job):
    """The trick of the tests below works: a run under this environment does not."""
    done = subprocess.run([MULTIPLET, "run", str(readme_job[0] / "forum.yaml"), "--fresh"],
                          capture_output=True, timeout=60, env=NO_MPI)
    assert done.returncode != 0


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(verb, flag):
    done = subprocess.run([MULTIPLET, verb, flag], capture_output=True, text=True, timeout=60, env=NO_MPI)
    assert done.returncode == 0 and done.stderr == ""
    source = (ROOT / f"src/cli/cmd_{verb}.c").read_text()
    table = source[source.index("mpt_option options["):source.index("mpt_usage usage")]
    options = re.findall(r'\{"(--?[\w-]+)", ', table)
    listed = re.findall(r"^  (--?[\w-]+)", done.stdout, re.M)
    assert listed == [*options, "--help"] and done.stdout.startswith(f"usage: multiplet {verb} ")


def test_top_help():
    done = subprocess.run([MULTIPLET, "--help"], capture_output=True, text=True, timeout=60, env=NO_MPI)
    assert done.returncode == 0 and COMMANDS
    assert re.findall(r"^  (\w+) ", done.stdout, re.M) == COMMANDS
