"""What the documents say is so: their commands run, their links lead somewhere, their tables are the
program's."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from job import MULTIPLET, ROOT

README = (ROOT / "README.md").read_text()
SCHEMA = (ROOT / "src/store/SCHEMA.md").read_text()
# With this MPI_Init fails: whatever works under it has not called it.
NO_MPI = {**os.environ, "OMPI_MCA_pml": "nonexistent"}
PLACES = re.compile(r"(?:jobs|tests)/[\w.-]+\.(?:sh|sbatch)")


def fenced(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text):
    """The commands of a block, without comments, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and line[0] != "#"]


def shell(command, directory):
    path = f"{pathlib.Path(MULTIPLET).resolve().parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=directory,
                          timeout=300, env={**os.environ, "PATH": path})
    assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def columns(text, heading):
    """The rows of the table whose heading line begins so, cells stripped."""
    rows = text[text.index(f"\n{heading}"):].split("\n\n")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


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


def test_readme_python(readme_job, monkeypatch, capsys):
    directory, _ = readme_job
    monkeypatch.chdir(directory)
    found = {}
    snippet, = [block for block in fenced(README, "python") if block.startswith("import h5py")]
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
    assert "gauge violation 0.26" in README


def test_readme_reader(readme_job, monkeypatch, capsys):
    directory, _ = readme_job
    monkeypatch.chdir(directory)
    snippet, = [block for block in fenced(README, "python") if "multiplet.open(" in block]
    exec(snippet, {})
    assert re.search(r"-1\.259\d* .*\(1, 4, 4\) \[0\.25609", capsys.readouterr().out)


def test_readme_torch(capsys):
    torch = pytest.importorskip("torch")
    found = {}
    snippet, = [block for block in fenced(README, "python") if "multiplet.torch as mt" in block]
    first, then = snippet.split("C = ")
    exec(first, found)
    # w_0 + w_1 has the pair's projector, and at its maximum v_02^2 is stationary
    exact = torch.diag(torch.tensor([0.0, 1, 1], dtype=torch.float64))
    assert torch.allclose(found["A"].grad, exact, rtol=0, atol=1e-15)
    assert "Certificate({'OK': 1}" in capsys.readouterr().out
    exec("C = " + then, found)
    assert torch.isfinite(found["A"].grad).all() and found["rho"].trace().item() == pytest.approx(1.5)
    assert torch.allclose(found["P"], torch.diag(torch.tensor([0.0, 1, 1], dtype=torch.float64)))
    assert torch.allclose(found["x"].ravel(), torch.tensor([0, 0.5 ** 0.5, 0.5 ** 0.5], dtype=torch.float64))
    blocks = [b for b in fenced(README, "python") if not b.startswith(("import h5py", "import multiplet\n", "import torch"))]
    assert [b.split("(")[0] for b in blocks] == ["w, v = mt.eigh", "with multiplet.service"], "a block that no test runs"
    found["A"] = torch.diag(torch.tensor([4.0, 1, 1], dtype=torch.float64)).requires_grad_()
    exec(blocks[0], found)
    (found["root"] * found["C"]).sum().backward()
    root = 1 / torch.tensor([[4.0, 3, 3], [3, 2, 2], [3, 2, 2]], dtype=torch.float64)  # 1 / (sqrt x + sqrt y)
    assert torch.allclose(found["A"].grad, root * found["C"], rtol=0, atol=1e-15)
    assert int(found["mt"].last_certificate().status) == 1


def test_readme_service(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import multiplet
    import multiplet.torch as mt
    start, = [command for command in commands("".join(fenced(README, "bash"))) if "multiplet serve" in command]
    snippet, = [block for block in fenced(README, "python") if "multiplet.service(" in block]
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
    finally:
        (tmp_path / "spool/stop").touch()
        assert service.wait(20) == 0


def test_readme_scripts_exist_and_parse():
    scripts = set(PLACES.findall("".join(fenced(README, "bash"))))
    assert {"jobs/quickstart.sh", "tests/run.sh", "jobs/single-node.sbatch"} <= scripts
    for script in scripts:
        shell(f"bash -n {script}", ROOT)
    for command in commands("".join(fenced(README, "bash"))):
        known = re.match(r"(bash|sbatch|cmake|multiplet|mpirun -n 2 multiplet) ", command)
        assert known, f"a kind of command that no test runs: {command}"


def test_readme_build_command():
    """`cmake --preset release` and then `build`, as the presets have it."""
    presets = (ROOT / "CMakePresets.json").read_text()
    build, = [c for c in commands("".join(fenced(README, "bash"))) if c.startswith("cmake")]
    preset = re.search(r"--preset (\S+)", build).group(1)
    directory = re.search(r"--build (\S+)", build).group(1)
    assert f'"name": "{preset}",\n      "binaryDir": "${{sourceDir}}/{directory}"' in presets


@pytest.mark.parametrize("document", ["README.md", "src/store/SCHEMA.md", "CHANGELOG.md", "tests/oracle/README.md"])
def test_links(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (ROOT / document).parent.joinpath(target).exists(), target


def test_readme_layout():
    """Every directory that the block names is there, with the headers that its line names."""
    block = re.search(r"^```\n(include/.*?)^```$", README, re.M | re.S).group(1)
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


def test_readme_outputs(tmp_path):
    """The README's functions, frame and tangent, on the forum's matrix."""
    job, = [block for block in fenced(README, "yaml") if block.startswith("functions:")]
    shell("multiplet sample forum -o forum.h5", tmp_path)
    with h5py.File(tmp_path / "forum.h5") as f:
        a = f["H"][:].reshape(1, 4, 4)
    for name, value in {"ref.h5": {"R": np.full((4, 1), 0.5)}, "direction.h5": {"H": np.ones_like(a)}}.items():
        with h5py.File(tmp_path / name, "w") as f:
            f.update(value)
    # four of four electrons leave no hole
    (tmp_path / "job.yaml").write_text(f"input: {{file: forum.h5}}\noutput: {{file: out.h5}}\n"
                                       f"{job.replace('electrons: 4', 'electrons: 2')}")
    shell("multiplet run job.yaml", tmp_path)
    with h5py.File(tmp_path / "out.h5") as f:
        assert (f["H/status"][:] == 1).all() and set(f["H/functions"]) == {"heat", "rho", "P"}
        assert f["H/frame"][:].sum() == pytest.approx(1.1890772241680891, abs=1e-14) and "1.18907722" in README
        p = f["H/functions/P"][0]
        assert np.allclose(p, p @ p, atol=1e-14) and np.trace(p) == pytest.approx(2)
        assert set(f["H/tangent/functions"]) == {"heat", "rho", "P"}


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


def test_readme_datasets():
    listed = []
    for row in columns(README, "| dataset | shape |"):
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
    readme = numbered(columns(README, "| status | | outputs |"), 0)
    assert readme and all(numbers[n] == name for n, name in readme.items())


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
