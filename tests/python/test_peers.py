"""The tests of multiplet.torch and multiplet.jax with PyPI's newest PyTorch and JAX, against the wheel, in the
environment that tests/run.sh keeps (MULTIPLET_PEERS)."""
import os
import pathlib
import subprocess
import time

import pytest

from job import ROOT

PEERS = pathlib.Path(os.environ.get("MULTIPLET_PEERS", "/nowhere"))
FILES = ["test_torch", "test_forward", "test_transforms", "test_parameters", "test_second_derivatives", "test_second_pairs",
         "test_null_space", "test_selected", "test_selected_torch", "test_large", "test_conformance",
         "test_jax", "test_jax_transforms", "test_jax_selected",
         "test_jax_parameters", "test_jax_probe", "test_jax_spectral"]
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("PYTHON", "MULTIPLET_LIBRARY", "OPENBLAS"))}


def call(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900,
                          env={**CLEAN, **more}, cwd=ROOT)
    assert done.returncode == 0, (command, done.stdout[-6000:], done.stderr[-3000:])
    return done.stdout


def test_the_newest_of_pypi():
    if not PEERS.is_dir():
        pytest.skip("tests/run.sh makes the environment (MULTIPLET_PEERS)")
    while not (PEERS / "ready").exists() and not (PEERS / "failed").exists():
        time.sleep(1)
    if (PEERS / "failed").exists():
        pytest.skip(f"PyPI cannot be reached: {(PEERS / 'log').read_text().splitlines()[-1:]}")
    python = PEERS / "bin/python"
    header = call(python, "-c", "import jax; print(jax.ffi.include_dir())").strip()
    call(python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", ROOT / "src/python",
         f"--config-settings=cmake.define.XLA_FFI_INCLUDE_DIR={header}")
    out = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/python/{name}.py" for name in FILES),
               MULTIPLET_INSTALLED="1", PYTHONPATH=f"{ROOT}/tests/cli")
    print(call(python, "-m", "pip", "list").replace("\n", "; "), out[-300:])
    assert " passed" in out and " failed" not in out
