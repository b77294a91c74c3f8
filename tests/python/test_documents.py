"""What the documents say is so: their snippets run, their tables are the program's. (Configs: test_examples.py.
Commands, links, paths and code spans: test_lookups.py.)"""
import pathlib
import re
import subprocess
import time
import warnings

import h5py
import numpy as np
import pytest
from documents import (GUIDES, JOBS, NO_MPI, PYTHON, README, SCHEMA, bash_commands, blocks, columns, commands, fenced,
                       names, shell, text_of)
from job import MULTIPLET, ROOT

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
    assert "gauge violation 0.26" in " ".join(README.split())


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


def test_python_jax(capsys):
    pytest.importorskip("jax")
    from multiplet import library
    if not pathlib.Path(library.load().path).with_name("libmultiplet-jax.so").exists():
        pytest.skip("the handlers were not built")
    snippet, = [block for block in fenced(PYTHON, "python") if "multiplet.jax as mj" in block]
    found = {}
    exec(snippet, found)
    slope = (np.exp(4) - np.exp(1)) / 3 / 2
    exact = np.array([[0, slope, 0], [slope, 1, 0], [0, 0, 1]])
    printed = np.array(re.findall(r"-?\d+\.\d*(?:e[+-]\d+)?", capsys.readouterr().out), float).reshape(3, 3)
    assert np.allclose(printed, exact, rtol=1e-5, atol=1e-5)
    assert found["h"].shape == (3, 3, 3, 3) and found["w"].shape == (2, 3)
    assert found["certificate"].status.tolist() == [1, 1]
    assert found["report"].status == 1 and 0 < found["report"].gradient_error < 1e-4
    assert np.isfinite(found["by_matrix"]).all() and found["by_beta"].shape == ()


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
    some, = [b for b in fenced(PYTHON, "python") if "select=" in b and "mt." in b]
    found["A"].grad = None
    exec(some, found)
    assert int(found["some"].found) == 2 and found["v"].shape == (3, 2)
    assert torch.allclose(found["A"].grad, torch.diag(torch.tensor([0.0, 2, 2], dtype=torch.float64)))


def test_python_arrays(capsys):
    snippet, = [block for block in fenced(PYTHON, "python") if "multiplet.eigh(a)" in block]
    found = {}
    exec(snippet.replace("gradient, = multiplet.matrix", "other, = multiplet.matrix"), found)
    assert found["gradient"] == pytest.approx(np.diag([0, 1, 1])) and found["other"].shape == (3, 3)
    assert "OK" in capsys.readouterr().out


def test_python_warnings():
    """The table of what may happen: each warning, and the error in its place."""
    torch = pytest.importorskip("torch")
    import multiplet
    import multiplet.torch as mt
    losses = [lambda w, v: v[1, 0], lambda w, v: w[0], lambda w, v: w.log().sum()]
    matrices = [[4.0, 1, 1], [4.0, 1, 1], [4.0, float("nan"), 1]]

    def backward(loss, diagonal, options=""):
        A = torch.diag(torch.tensor(diagonal, dtype=torch.float64)).requires_grad_()
        loss(*eval(f"mt.eigh(A, {options})", {"mt": mt, "A": A})).backward()
        return A.grad

    *rows, well = columns(PYTHON, "| what happened | what you get |")
    _, gives, error = rows.pop(2)
    with pytest.warns(getattr(multiplet, re.search(r"`multiplet\.(\w+)`", gives).group(1))) as caught:
        A = torch.diag(torch.tensor([4.0, 1, 0], dtype=torch.float64)).requires_grad_()
        mt.matrix_function(A, "sqrt").diagonal().sum().backward()
    assert len(caught) == 1 and not error and torch.equal(A.grad, torch.diag(torch.tensor([0.25, 0.5, 0]).double()))
    for (_, gives, error), loss, diagonal in zip(rows, losses, matrices):
        named = [getattr(multiplet, name) for name in re.findall(r"`multiplet\.(\w+)`", gives + error)]
        option = [word for word in names(gives + error) if "=" in word][0]
        if issubclass(named[0], Warning):
            with pytest.warns(named[0]) as caught:
                backward(loss, diagonal)
            assert len(caught) == 1
            with pytest.raises(named[1]):
                backward(loss, diagonal, option)
        else:
            with pytest.raises(named[0]):
                backward(loss, diagonal)
            assert not backward(loss, diagonal, option).any()
    backward(losses[2], [4.0, 1, 1])
    assert names(well[1]) == ["mt.last_certificate()"] and multiplet_status(mt) == "OK"


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
    "README.md": ["diff", "python", "bash", "bash", "python", "yaml", "bash", "python", "bash", "c"],
    "configs/README.md": ["yaml", "yaml", "bash", "yaml", ""],
    "jobs/README.md": ["bash", "bash"],
    "src/python/README.md": 7 * ["python"] + ["bash"] + 3 * ["python"],
    "tests/README.md": ["bash", "bash"],
    "CONTRIBUTING.md": ["bash", "", "bash"],
}


@pytest.mark.parametrize("document", GUIDES)
def test_no_block_without_a_test(document):
    assert [language for language, _ in blocks(text_of(document))] == RUN[document], "a block that no test runs?"


def test_the_first_screen(capsys):
    """What README says it prints, and that it is the gradient: by differences."""
    torch = pytest.importorskip("torch")
    snippet, = [block for block in fenced(README, "python") if "import torch, multiplet.torch" in block]
    found = {}
    exec(snippet, found)
    said = capsys.readouterr().out.strip()
    assert said in snippet
    a, step = found["A"].detach().numpy(), 1e-6

    def loss(a):
        w, v = np.linalg.eigh(a)
        return w[:2].sum() + (v[0, :2] ** 2).sum()
    for k in (0, 2):
        e = np.zeros_like(a)
        e[0, k] = e[k, 0] = step if k == 0 else step / 2
        assert abs((loss(a + e) - loss(a - e)) / (2 * step) - found["A"].grad[0, k].item()) < 1e-8


def test_functions_of_parameters():
    torch = pytest.importorskip("torch", "2.4")
    first, second = [block for block in fenced(PYTHON, "python") if "import multiplet.torch" in block or
                     "mt.spectral_function" in block]
    found = {}
    exec(first + second, found)
    assert all(torch.isfinite(found[name].grad).all() and found[name].grad.any() for name in ("A", "c", "beta"))
    assert found["slopes"].shape == (3,) and found["filled"].shape == (2, 3)


def test_one_chemical_potential():
    snippet, = [block for block in fenced(PYTHON, "python") if "multiplet.occupations(" in block]
    found = {}
    exec("import numpy as np\nimport multiplet\n" + snippet, found)
    weights = np.array([0.25, 0.75])
    assert np.isclose(weights @ found["filled"].sum(-1), 1.5) and np.ndim(found["mu"]) == 0
    assert np.isclose(weights @ np.trace(found["rho"].value, axis1=-2, axis2=-1), 1.5)
    # occupations do not change when all levels rise by one number
    assert abs(np.trace(found["gradient"], axis1=-2, axis2=-1).sum()) < 1e-12


# Tables of the documents and of the source

# unit/test_quantity.c holds these to the source
FIELDS = [names(row[0])[0].replace("<name>", "") for row in columns(SCHEMA, "| dataset | shape | type")]
STATUSES = dict(re.findall(r"\[MPT_STATUS_([A-Z_]+)\] =\s+\{\"([A-Z_]+)\"", (ROOT / "src/base/base.c").read_text()))


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
    numbers = {int(n): name for name, n in re.findall(r"MPT_STATUS_([A-Z_]+) = (\d+)", listed)}
    assert sorted(numbers) == [*range(12), 13] and set(numbers.values()) == set(STATUSES)
    assert all(key == name for key, name in STATUSES.items())
    assert numbered(columns(SCHEMA, "| | | outputs |"), 1) == numbers
    assert numbered(columns(PYTHON, "| status | meaning | outputs |"), 0) == numbers
    *solved, rest = columns(README, "| status | meaning | gradient |")
    assert numbered(solved, 0) == {n: numbers[n] for n in (1, 2, 11, 13)} and rest[0] == "any other"


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
