"""jobs/multiplet.def and jobs/spack/package.py, as far as they can be tried without Apptainer and Spack.

Their names (files, libraries, packages, CMake options, versions) are those of this checkout, the image's own test runs,
and what is copied into the image, and what Spack passes to CMake, is enough to configure the build."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types

import pytest
from job import MULTIPLET, ROOT

CMAKE = (ROOT / "CMakeLists.txt").read_text() + (ROOT / "src/jobs.cmake").read_text()
VERSION = re.search(r"project\(multiplet VERSION ([\d.]+)", CMAKE).group(1)


def call(*command, cwd=None, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, timeout=120,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


# Apptainer

def stages():
    """One {section: text} a stage; the header's keys are sections of their own, the files' origin too."""
    text = (ROOT / "jobs/multiplet.def").read_text()
    found = []
    for part in re.split(r"^(?=Bootstrap:)", text, flags=re.M)[1:]:
        header, *rest = re.split(r"^(?=%)", part, flags=re.M)
        stage = dict(re.findall(r"^(\w+): (\S+)$", header, re.M))
        for section in rest:
            head, body = section.split("\n", 1)
            stage[head[1:]] = "".join(line for line in body.splitlines(True) if line[0] in " \n")
        found.append(stage)
    return found


BUILD, FINAL = stages()
KNOWN = {"Bootstrap", "From", "Stage", "files", "files from build", "post", "environment", "test", "runscript",
         "labels", "help"}


def test_stages():
    assert BUILD["Stage"] == "build" and BUILD["From"] == FINAL["From"] and BUILD["Bootstrap"] == "docker"
    assert set(BUILD) | set(FINAL) == KNOWN
    assert f"Version {VERSION}" in FINAL["labels"] and "--prefix /opt/multiplet" in BUILD["post"]
    assert FINAL["files from build"].split() == ["/opt/multiplet", "/opt/multiplet"]


def test_scripts():
    """They run under sh."""
    for stage in (BUILD, FINAL):
        for name in {"post", "environment", "test", "runscript"} & set(stage):
            subprocess.run(["sh", "-n"], input=stage[name], text=True, check=True)
            if shutil.which("shellcheck"):
                        subprocess.run(["shellcheck", "-s", "sh", "-"], input=stage[name], text=True, check=True)


def test_files_are_enough(tmp_path):
    """What goes in configures, by the image's own commands."""
    for line in BUILD["files"].split("\n"):
        if line.strip():
            source, target = line.split()
            target = tmp_path / target.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, target)
    copied = tmp_path / "multiplet"
    configure, build, _ = re.findall(r"^ *cmake .*$", BUILD["post"], re.M)
    assert (copied / re.search(r"bash (jobs/\S+)", BUILD["post"]).group(1)).exists()
    call("sh", "-euc", configure, cwd=copied)
    assert "--build build" in build and (copied / "build/CMakeCache.txt").exists()
    script = (copied / "build/cmake_install.cmake").read_text()
    for path in re.findall(rf'"({re.escape(str(copied))}/[^":]+)[":]', script):  # all that is installed
        assert pathlib.Path(path).exists() or "/build/" in path, path


def libraries_of(program):
    """Debian's packages of the libraries that the program names; the C library is everywhere."""
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", call("readelf", "-d", program))) - {"libc.so.6", "libm.so.6"}
    paths = {name: path for name, path in re.findall(r"(\S+) => (/\S+)", call("ldd", program)) if name in needed}
    return {name: call("dpkg", "-S", os.path.realpath(path)).split(":")[0] for name, path in paths.items()}


def test_libraries():
    """A library of the program that the image lacks would show at its first start."""
    release = pathlib.Path("/etc/os-release").read_text()
    if 'ID=debian' not in release or f'VERSION_ID="{FINAL["From"].split(":")[1]}"' not in release:
        pytest.skip("libraries have other names here than in the image")
    script = FINAL["post"].replace("\\\n", " ")
    installed = re.search(r"apt-get install (.*)", script).group(1).split()
    needed = libraries_of(MULTIPLET)
    assert len(needed) > 4
    for name, package in needed.items():
        assert package in installed, f"{name} is in {package}"


def test_image_test(tmp_path):
    """%test, with this build in the place of the image's."""
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "multiplet").symlink_to(pathlib.Path(MULTIPLET).resolve())
    (bin / "python3").symlink_to(sys.executable)
    place = tmp_path / "opt/multiplet/lib"
    place.mkdir(parents=True)
    (place / "python").symlink_to(ROOT / "src/python")
    environment = FINAL["environment"].replace("/opt/multiplet", str(tmp_path / "opt/multiplet"))
    path = {"PATH": f"{bin}:{os.environ['PATH']}", "PYTHONPATH": ""}
    printed = call("sh", "-c", environment + FINAL["test"], env=path)
    assert "all within bounds" in printed and printed.endswith("True\n")
    assert call("sh", "-c", FINAL["runscript"], "sh", "--version", env=path) == f"multiplet {VERSION}\n"


# Spack

# What CMakeLists.txt looks for, as Spack calls it; threads come with the compiler.
NAMES = {"PkgConfig": {"pkgconfig"}, "MPI": {"mpi"}, "LAPACK": {"blas", "lapack"}, "Threads": {"c"},
         "HDF5": {"hdf5"}, "YAML": {"libyaml"}, "SCALAPACK": {"scalapack"}}
# Variables that CMake's own modules read.
MODULES = {"BLAS_LIBRARIES": "FindBLAS", "LAPACK_LIBRARIES": "FindLAPACK", "HDF5_ROOT": "FindHDF5"}


class Directives:
    """spack.package, writing down what a recipe says."""

    def __init__(self):
        self.said = {name: [] for name in ("license", "version", "variant", "depends_on", "requires")}

    def module(self):
        module = types.ModuleType("spack.package")
        for name, list_ in self.said.items():
            setattr(module, name, lambda *a, _list=list_, **k: _list.append((*a, k)))
        module.when = lambda condition: __import__("contextlib").nullcontext()
        module.run_after = module.on_package_attributes = lambda *a, **k: lambda method: method
        module.join_path = os.path.join
        return module


class CMakePackage:
    """As in Spack: define joins lists by semicolons and knows booleans."""

    def define(self, name, value):
        if isinstance(value, bool):
            return f"-D{name}:BOOL={'ON' if value else 'OFF'}"
        return f"-D{name}:STRING={';'.join(value) if isinstance(value, (list, tuple)) else value}"

    def define_from_variant(self, name, variant):
        return self.define(name, variant in self.on)


@pytest.fixture
def recipe(monkeypatch):
    directives, build_systems = Directives(), types.ModuleType("spack_repo.builtin.build_systems.cmake")
    build_systems.CMakePackage = CMakePackage
    names = {"spack_repo": None, "spack_repo.builtin": None, "spack_repo.builtin.build_systems": None, "spack": None,
             "spack_repo.builtin.build_systems.cmake": build_systems, "spack.package": directives.module()}
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module or types.ModuleType(name))
    found = {}
    exec(compile((ROOT / "jobs/spack/package.py").read_text(), "package.py", "exec"), found)
    return found["Multiplet"], directives.said


def dependencies(said):
    """{name: the whole spec}"""
    return {re.match(r"[\w-]+", spec).group(): spec for spec, *_ in said["depends_on"]}


def test_recipe_names_every_dependency(recipe):
    _, said = recipe
    wanted = dependencies(said)
    sought = set(re.findall(r"(?:find_package|pkg_check_modules)\((\w+)", CMAKE))
    sought |= {name.split("_")[0] for name in re.findall(r"find_library\((\w+)", CMAKE)}
    assert sought == set(NAMES)
    for names in NAMES.values():
        assert names <= set(wanted), names
    tests = (ROOT / "tests/CMakeLists.txt").read_text()
    assert "CMOCKA_LIBRARY" in tests and "cmocka" in wanted
    minimum = re.search(r"cmake_minimum_required\(VERSION ([\d.]+)\)", CMAKE).group(1)
    assert wanted["cmake"] == f"cmake@{minimum}:" and "+mpi" in wanted["hdf5"]


def test_recipe_versions(recipe):
    _, said = recipe
    assert [version for version, _ in said["version"]] == [VERSION] and said["license"][0][0] == "BSD-3-Clause"
    project = (ROOT / "src/python/pyproject.toml").read_text()
    wanted = dependencies(said)
    assert wanted["python"] == f"python@{re.search(r'requires-python = .>=([0-9.]+)', project).group(1)}:"
    assert wanted["py-torch"] == f"py-torch@{re.search(r'torch>=([0-9.]+)', project).group(1)}:"
    needed = re.search(r"^dependencies = \[(.*)\]", project, re.M).group(1)
    assert {f"py-{name}" for name in re.findall(r'"(\w+)"', needed)} <= set(wanted)


def test_recipe_configures(recipe, tmp_path):
    """cmake_args(), with this machine's libraries in the place of Spack's."""
    Multiplet, said = recipe
    cache = (pathlib.Path(MULTIPLET).resolve().parents[1] / "CMakeCache.txt").read_text()
    cached = dict(re.findall(r"^(\w+):\w+=(.*)$", cache, re.M))
    library = types.SimpleNamespace
    package = Multiplet()
    package.on = {"python"}
    package.spec = {"scalapack": library(libs=[cached["SCALAPACK_LIBRARY"]]),
                    "blas": library(libs=[cached["BLAS_openblas_LIBRARY"]]),
                    "lapack": library(libs=[cached["BLAS_openblas_LIBRARY"]]), "hdf5": library(prefix="/usr")}
    arguments = package.cmake_args()
    given = dict(re.match(r"-D(\w+):\w+=(.*)", argument).groups() for argument in arguments)
    options = set(re.findall(r"option\((\w+)", CMAKE))
    for name in given:
        assert name in options or name in MODULES or f"if({name})" in CMAKE, name
    assert given["MULTIPLET_TESTS"] == "OFF"
    assert {name for name, _ in said["variant"]} == {"tests", "python", "torch"}
    printed = call("cmake", "-S", ROOT, "-B", tmp_path, *arguments)
    assert "not used by the project" not in printed
    again = (tmp_path / "CMakeCache.txt").read_text()
    for name in ("SCALAPACK_LIBRARIES", "BLAS_LIBRARIES", "LAPACK_LIBRARIES"):
        assert f"{name}:STRING={given[name]}\n" in again
