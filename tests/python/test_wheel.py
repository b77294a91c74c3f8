"""`pip install ./src/python` in a fresh environment: the library is built and finds its own BLAS, and PyTorch's tests
pass with it. Needs PyPI (scikit-build-core, scipy-openblas32); PyTorch is the system's."""
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from job import ROOT

CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("PYTHON", "MULTIPLET", "OPENBLAS"))}


def call(*command, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900, **how)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "venv", "--system-site-packages", place, env=CLEAN)
    return place


@pytest.fixture(scope="module")
def wheel(place):
    """Built as anyone would, with what pip gets for the build and none of what jobs need."""
    pip = [place / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q"]
    reached = subprocess.run([*pip, "download", "--no-deps", "-d", place, "scipy-openblas32"], env=CLEAN,
                             capture_output=True, text=True)
    if reached.returncode:
        pytest.skip(f"PyPI cannot be reached: {reached.stderr.splitlines()[-1:]}")
    call(*pip, "wheel", "--no-deps", "-w", place / "out", ROOT / "src/python", env=CLEAN)
    (made,) = (place / "out").iterdir()
    return made


@pytest.fixture(scope="module")
def python(wheel, place):
    call(place / "bin/python", "-m", "pip", "install", "-q", "--no-deps", wheel, env=CLEAN)
    return place / "bin/python"


def test_one_file_for_any_python(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith("multiplet-") and "-py3-none-linux_" in wheel.name
    libraries = sorted(pathlib.Path(name).name for name in names if ".so" in name)
    assert libraries == ["libmultiplet.so", "libscipy_openblas.so"]
    package = ROOT / "src/python"
    assert {name for name in names if name.endswith(".py")} == {
        str(path.relative_to(package)) for path in package.glob("multiplet/**/*.py")}


def test_it_reads_results(python):
    golden = ROOT / "tests/golden/result-1.1.h5"
    program = f"import multiplet; print(multiplet.open({str(golden)!r})['H'].count, multiplet.__file__)"
    out = call(python, "-c", program, env=CLEAN, cwd="/")
    assert out.startswith(f"4 {python.parents[1]}"), out


def test_its_library_brings_its_own(python):
    path = call(python, "-c", "from multiplet import library; print(library.load().path)", env=CLEAN, cwd="/").strip()
    assert path.startswith(str(python.parents[1]))
    brought = call("ldd", path, env=CLEAN)
    found = {line.split()[0]: line for line in brought.splitlines()}
    assert str(python.parents[1]) in found["libscipy_openblas.so"]
    others = ("libopenblas", "libblas", "liblapack", "libgomp", "libmpi", "libhdf5")
    assert not any(name.startswith(others) for name in found), brought


def test_systems_blas(place):
    call(place / "bin/python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", place / "system", ROOT / "src/python",
         "--config-settings=cmake.define.MULTIPLET_BLAS=system", "--config-settings=cmake.build-type=Debug", env=CLEAN)
    (made,) = (place / "system").iterdir()
    with zipfile.ZipFile(made) as file:
        assert [name for name in file.namelist() if ".so" in name] == ["multiplet/lib/libmultiplet.so"]
        path = file.extract("multiplet/lib/libmultiplet.so", place / "unpacked")
    assert "blas" in call("ldd", path) and "scipy" not in call("ldd", path)


def test_torch(python):
    """Beside the BLAS and the OpenMP of the system's NumPy and PyTorch."""
    pytest.importorskip("torch")
    out = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "tests/python/test_torch.py",
               "-k", "not benchmark", env={**CLEAN, "MULTIPLET_INSTALLED": "1"}, cwd="/")
    assert " passed" in out


WORKERS = """
import sys
{first}
import torch, torch.utils.data
import multiplet.torch as mt

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, k):
        A = torch.diag(torch.tensor([4.0, 1, 1 + k], dtype=torch.float64)).requires_grad_()
        mt.eigh(A)[0].sum().backward()
        return A.grad

if __name__ == "__main__":
    Data()[0]
    for context in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(Data(), batch_size=2, num_workers=2, multiprocessing_context=context)
        assert all(torch.allclose(g, torch.eye(3, dtype=torch.float64)) for g in loader), context
    print("done")
"""


@pytest.mark.parametrize("first", ["import h5py", "from multiplet import library; library.load()"])
def test_workers(python, tmp_path, first):
    """In DataLoader's processes, the library loaded before PyTorch and after it, beside h5py's own HDF5."""
    pytest.importorskip("torch")
    (tmp_path / "workers.py").write_text(WORKERS.format(first=first))
    assert call(python, tmp_path / "workers.py", env=CLEAN, cwd=tmp_path) == "done\n"
