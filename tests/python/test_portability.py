"""The lanes' kernels elsewhere: for aarch64, cross-compiled and under an emulator; and objects that hold no
instruction which some x86-64 lacks, but for those that are chosen at run time."""
import json
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
from job import MULTIPLET, ROOT

BUILD = pathlib.Path(MULTIPLET).resolve().parents[1]
LANES = ROOT / "src/engine/lanes"
FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-math-errno",
         "-fno-trapping-math", '-DMPT_VERSION="test"']
CROSS, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SETS = {"generic": "x86-64", "avx2": "x86-64-v3", "avx512": "x86-64-v4"}
# What the other kernels must be free of.
WIDE = {"generic": r"%[yz]mm", "avx2": r"%zmm|\{%k[0-7]\}"}


def needs(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"there is no {tool}")


def machine():
    return subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True).stdout.split("-")[0]


def compile_command(source):
    """What CMake says, as a list; includes are what is taken of it."""
    path = BUILD / "compile_commands.json"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    entries = json.loads(path.read_text())
    entry = next(e for e in entries if e["file"] == str(source) and "libmultiplet" not in e["command"])
    return shlex.split(entry["command"])


def includes():
    words, found = compile_command(LANES / "lanes.c"), []
    for word, after in zip(words, [*words[1:], ""]):
        if word.startswith("-I"):
            found.append(word)
        elif word == "-isystem":
            found += [word, after]
    return found


def build(compiler, output, *arguments):
    command = [compiler, *FLAGS, *includes(), *map(str, arguments), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, (command, done.stderr)
    return output


def kernels(name, directory):
    """For this processor's family. CMake's own object where nobody asked it for one kind of processor, or another build than users get:
    they take a quarter of a minute each."""
    words = compile_command(LANES / f"kernels_{name}.c")
    kinds = [word for word in words if word.startswith("-m")]
    as_for_users = "-O3" in words and not any(word.startswith(("-fsanitize", "--coverage")) for word in words)
    if as_for_users and kinds == ([] if name == "generic" else [f"-march={SETS[name]}"]):
        return BUILD / f"CMakeFiles/multiplet_engine.dir/src/engine/lanes/kernels_{name}.c.o"
    return build("gcc", directory / "kernels.o", "-c", LANES / f"kernels_{name}.c", "-O3",
                 *([f"-march={SETS[name]}"] if machine() == "x86_64" else []))


def disassembled(path):
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True,
                          check=True).stdout


def chains(compiler, directory, generic):
    """The small program, of the object `generic`."""
    sources = [ROOT / "tests/portability/chains.c", ROOT / "src/base/base.c", *(ROOT / "src/spectral").glob("*.c")]
    return build(compiler, directory / "chains", "-static", *sources, generic, "-lm")


def succeeds(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stdout == "0 failures\n", (done.stdout, done.stderr)


@pytest.fixture(scope="module")
def for_aarch64(tmp_path_factory):
    needs(CROSS)
    directory = tmp_path_factory.mktemp("aarch64")
    return {name: build(CROSS, directory / f"{name}.o", "-c", LANES / f"{name}.c") for name in ("kernels_generic", "lanes")}


def test_aarch64_compiles(for_aarch64):
    for made in for_aarch64.values():
        assert made.read_bytes()[18:20] == bytes([183, 0]) # EM_AARCH64


def test_generic_kernels_here(tmp_path):
    """The small program that the next test gives to the emulator."""
    needs("gcc")
    succeeds(chains("gcc", tmp_path, kernels("generic", tmp_path)))


def test_generic_kernels_on_aarch64(tmp_path, for_aarch64):
    needs(EMULATOR)
    succeeds(EMULATOR, chains(CROSS, tmp_path, for_aarch64["kernels_generic"]))


@pytest.mark.parametrize("name", WIDE)
def test_no_instruction_of_a_wider_set(tmp_path, name):
    """Compiled as CMake does, for the processor that it is for."""
    needs("gcc", "objdump")
    if machine() != "x86_64":
        pytest.skip("not an x86-64")
    text = disassembled(kernels(name, tmp_path))
    assert len(re.findall(r"%xmm" if name == "generic" else r"%ymm", text)) > 1000
    assert not re.findall(f".*(?:{WIDE[name]}).*", text)[:5]


def test_what_was_built_runs_everywhere():
    """Kernels for AVX are called only where they run; what chooses them, and the rest, holds none of it."""
    needs("objdump")
    command = compile_command(LANES / "kernels_generic.c")
    if machine() != "x86_64" or any(word.startswith("-m") for word in command):
        pytest.skip("built for one kind of processor")
    objects = BUILD / "CMakeFiles/multiplet_engine.dir/src/engine/lanes"
    for name in WIDE:
        text = disassembled(objects / f"kernels_{name}.c.o")
        assert not re.findall(f".*(?:{WIDE[name]}).*", text)[:5], name
    for name in ("lanes.c.o", "../batch.c.o", "../process.c.o"):
        assert not re.search(r"%[yz]mm", disassembled(objects / name)), name
