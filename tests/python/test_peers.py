"""The tests of multiplet.torch and multiplet.jax against the wheel, in the environments that tests/run.sh keeps: with
PyPI's newest PyTorch and JAX (MULTIPLET_PEERS), and with PyTorch 2.4 (MULTIPLET_OLDEST, run.sh --oldest)."""
import concurrent.futures
import os
import pathlib
import subprocess
import time

import pytest

from job import ROOT

TORCH = ["test_torch", "test_forward", "test_transforms", "test_parameters", "test_second_derivatives", "test_second_pairs",
         "test_null_space", "test_selected", "test_selected_torch", "test_large", "test_conformance"]
JAX = ["test_jax", "test_jax_transforms", "test_jax_selected"]
# Minutes of compilation: of each test a third of its cases, but for run.sh --long.
JAX_SLOW = ["test_jax_parameters", "test_jax_probe", "test_jax_spectral"]
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


def install(python, *settings):
    call(python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", ROOT / "src/python", *settings)
    print(call(python, "-m", "pip", "list").replace("\n", "; "))


def passes(python, files, *options, **more):
    out = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/python/{name}.py" for name in files), *options,
               MULTIPLET_INSTALLED="1", PYTHONPATH=f"{ROOT}/tests/cli", **more)
    print(out[-300:])
    assert " passed" in out and " failed" not in out


def test_the_newest_of_pypi():
    python = installed("MULTIPLET_PEERS")
    header = call(python, "-c", "import jax; print(jax.ffi.include_dir())").strip()
    install(python, f"--config-settings=cmake.define.XLA_FFI_INCLUDE_DIR={header}")
    share, quickly = "1" if os.environ.get("MULTIPLET_LONG") else "3", {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(passes, python, TORCH), pool.submit(passes, python, JAX, **quickly),
                     pool.submit(passes, python, JAX_SLOW, "--one-of", share, **quickly)]:
            done.result()


def test_the_oldest():
    python = installed("MULTIPLET_OLDEST")
    assert call(python, "-c", "import torch; print(torch.__version__)").startswith("2.4.")
    install(python)
    passes(python, TORCH)
