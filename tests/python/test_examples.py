"""configs/: its README's tables are the program's keys, words and functions; every file and example runs."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import yaml
from documents import CONFIGS as README
from documents import bash_commands, columns, commands, fenced, names, shell
from job import MULTIPLET, ROOT, config, hermitian, write
from multiplet import library


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
    job, = [block for block in fenced(README, "yaml") if block.startswith("functions:")]
    # four of four electrons leave no hole
    (forum / "outputs.yaml").write_text(f"input: {{file: forum.h5}}\noutput: {{file: result.h5}}\n"
                                        f"{job.replace('electrons: 4', 'electrons: 2')}")
    shell("multiplet run outputs.yaml --fresh", forum)
    with h5py.File(forum / "result.h5") as f:
        assert (f["H/status"][:] == 1).all() and set(f["H/functions"]) == {"heat", "rho", "P"}
        assert f["H/frame"][:].sum() == pytest.approx(1.1890772241680891, abs=1e-14) and "1.18907722" in README
        p = f["H/functions/P"][0]
        assert np.allclose(p, p @ p, atol=1e-14) and np.trace(p) == pytest.approx(2)
        assert set(f["H/tangent/functions"]) == {"heat", "rho", "P"}
    printed = shell("multiplet show 'result.h5:/H[0]'", forum)
    block, = fenced(README, "")
    for statement in re.split(r"\n(?=  \w)", block.rstrip()):
        assert statement in printed, (statement, printed)


def test_smallest_jobs(forum):
    """Both, and the commands below them."""
    small, whole = [block for block in fenced(README, "yaml") if block.startswith("# eigenpairs")]
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
    """Every key of the config, as the program names them; two are no sections."""
    valid = re.search(r"valid: (.*)\)", refusal(forum, "nosuch=1")).group(1).split(", ")
    alone = [name for name in valid if name in ("functions", "tangent")]
    assert len(alone) == 2
    return set(alone) | {
        key for section in valid if section not in alone
        for key in re.search(r"valid: (.*)\)", refusal(forum, f"{section}.nosuch=1")).group(1).split(", ")}


def test_keys(forum):
    """The table has every key, with its default, and every word that the key takes."""
    rows = {names(row[0])[0]: row[1:] for row in columns(README, "| key | default |")}
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
    values = [names(row[0])[0] for row in columns(README, "| `solve.select` | eigenpairs |")]
    told = re.findall(r"\{(\w+):", refusal(forum, "solve.select=nosuch"))
    assert values[0] == "all" and [re.match(r"\{(\w+)", value).group(1) for value in values[1:]] == told
    for value, found in zip(values, [4, 2, 2, 2, 2]):
        shell(f"multiplet run plain.yaml --fresh --set 'solve.select={value}'", forum)
        with h5py.File(forum / "plain.h5") as f:
            assert np.count_nonzero(f["H/eigenvalues"][:]) == found, value


def test_function_kinds(tmp_path):
    """Every kind that the program names, with the parameters of its row, gives that function."""
    rows = {kind: (names(row[1]), row[1]) for row in columns(README, "| `kind` | parameters |")
            for kind in names(row[0])}
    assert set(rows) == set(library.kinds())
    values = {"scale": 0.5, "exponent": 1.5, "beta": 2.0, "mu": 1.0, "index": [0, 1], "sigma": 0.5}
    listed = []
    for kind, (parameters, cell) in rows.items():
        known = library.kinds()[kind]
        assert set(parameters) == set(known), kind
        for name, row in known.items():
            assert (f"`{name}` (default {row.standard:g})" in cell) == (row.need == "optional"), (kind, name)
        listed.append({"name": kind, "kind": kind, **{key: values[key] for key in parameters if key in values}})
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(1), 1, 4, "float64", [1.0, 1.5, 2.0, 3.0]))
    shell(f"multiplet run {config(tmp_path, functions=listed)}", tmp_path)
    with h5py.File(tmp_path / "job-out.h5") as f:
        assert (f["H/status"][:] == 1).all() and set(f["H/functions"]) == set(rows)
    bad = config(tmp_path, "bad", functions=[{"name": "a", "kind": "nosuch"}])
    valid = re.search(r"valid: (.*)\)", shell(f"multiplet plan {bad}", tmp_path, expect=2)).group(1)
    assert set(valid.split(", ")) == set(rows)


def test_examples_are_listed():
    listed = re.findall(r"^\| .*$", README[README.index("\n| config | shows"):], re.M)
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
