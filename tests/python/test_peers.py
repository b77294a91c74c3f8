"""The tests of multiplet.torch and multiplet.jax against the wheel, in the environments that tests/run.sh keeps: with
PyPI's newest PyTorch and JAX (MULTIPLET_PEERS), and with PyTorch 2.4 (MULTIPLET_OLDEST, run.sh --oldest)."""
import os
import pathlib
import subprocess
import time

import pytest

from job import ROOT

TORCH = ["test_torch", "test_forward", "test_transforms", "test_parameters", "test_second_derivatives", "test_second_pairs",
         "test_null_space", "test_selected", "test_selected_torch", "test_large", "test_conformance"]
JAX = ["test_jax", "test_jax_transforms", "test_jax_selected"]
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("PYTHON", "MULTIPLET_LIBRARY", "OPENBLAS"))}


def call(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900,
                          env={**CLEAN, **more}, cwd=ROOT)
    assert done.returncode == 0, (command, done.stdout[-6000:], done.stderr[-3000:])
    return done.stdout


def installed(name):
    """The Python of the environment that a variable names, once it is ready."""
    at = pathlib.Path(os.environ.get(name, "/nowhere"))
    if not at.is_dir():
        pytest.skip(f"tests/run.sh makes the environment ({name})")
    while not (at / "ready").exists() and not (at / "failed").exists():
        time.sleep(1)
    if (at / "failed").exists():
        pytest.skip(f"PyPI cannot be reached: {(at / 'log').read_text().splitlines()[-1:]}")
    return at / "bin/python"


def passes(python, files, *settings):
    """Installs the wheel and runs the files."""
    call(python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", ROOT / "src/python", *settings)
    out = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/python/{name}.py" for name in files),
               MULTIPLET_INSTALLED="1", PYTHONPATH=f"{ROOT}/tests/cli")
    print(call(python, "-m", "pip", "list").replace("\n", "; "), out[-300:])
    assert " passed" in out and " failed" not in out


def test_the_newest_of_pypi():
    python = installed("MULTIPLET_PEERS")
    header = call(python, "-c", "import jax; print(jax.ffi.include_dir())").strip()
    passes(python, TORCH + JAX, f"--config-settings=cmake.define.XLA_FFI_INCLUDE_DIR={header}")


def test_the_oldest():
    python = installed("MULTIPLET_OLDEST")
    assert call(python, "-c", "import torch; print(torch.__version__)").startswith("2.4.")
    passes(python, TORCH)
