"""What `cmake --install` leaves is enough for others: headers, library, CMake package, pkg-config."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from job import MULTIPLET, OK, ROOT, config, hermitian, read, write

BUILD = pathlib.Path(MULTIPLET).resolve().parents[1]
HEADERS = sorted(path.name for path in (ROOT / "include/multiplet").glob("*.h"))
CONSUMER = r"""
#include <math.h>
#include <stdio.h>
#include <multiplet/gradient.h>

/* diag(4, 1, 1), and a loss that weighs the vector of eigenvalue 4: its gradient is known exactly. */
int main(void) {
  const double a[9] = {4, 0, 0, 0, 1, 0, 0, 0, 1}, gw[3] = {1, 1, 0};
  const double gv[9] = {0, 0, 0.3, 0, 0, 0.5, 0, 0, -0.7};
  const double exact[9] = {0, 0.5 / 6, -0.7 / 6, 0.5 / 6, 1, 0, -0.7 / 6, 0, 1};
  double w[3], v[9], g[9];
  int32_t multiplet[3];
  mpt_report report;
  mpt_error error;
  if (mpt_eigh(MPT_FLOAT64, 3, 1, NULL, a, w, v, multiplet, &report, &error)) return 1;
  if (w[0] != 1 || w[1] != 1 || w[2] != 4 || multiplet[1] != 0 || multiplet[2] != 1) return 2;
  if (v[2] != 1 || report.status != MPT_STATUS_OK) return 3;
  if (mpt_eigh_backward(MPT_FLOAT64, 3, 1, NULL, a, w, v, gw, gv, g, multiplet, &report, &error))
    return 4;
  for (int k = 0; k < 9; k++)
    if (fabs(g[k] - exact[k]) > 1e-15) return 5;
  printf("%s %s\n", mpt_version(), mpt_status_name(report.status));
  return 0;
}
"""
JOB_CONSUMER = r"""
#include <locale.h>
#include <stdio.h>
#include <multiplet/job.h>

static void show(void *context, mpt_level level, const char *line) {
  fprintf(context, "%d: %s\n", (int)level, line);
}

/* Where a half is 0,5 to the user, it is still 0.5 to the job. */
int main(int argc, char **argv) {
  mpt_error error;
  const mpt_job_options options = {.size = sizeof options, .fresh = 1, .listener = show, .context = stdout};
  mpt_lookout_start();
  MPI_Init(&argc, &argv);
  setlocale(LC_ALL, "");
  const mpt_code code = mpt_run_job(MPI_COMM_WORLD, argv[1], &options, &error);
  MPI_Finalize();
  printf("%d %s %g\n", (int)code, mpt_status_name(MPT_STATUS_OK), 0.5);
  return code;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(consumer LANGUAGES C)
find_package(multiplet 0.1 REQUIRED%s)
add_executable(consumer consumer.c)
target_link_libraries(consumer multiplet::%s m)
"""
FOREIGN = re.compile(r"libmpi|libhdf5|libyaml|libcurl|libkrb5|libldap|scalapack")


def call(*command, cwd=None, **environment):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd,
                          timeout=300, env={**os.environ, **environment})
    assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Elsewhere than at configure time: the files must not remember that."""
    call("cmake", "--build", BUILD, "--parallel", 2)
    place = tmp_path_factory.mktemp("install") / "first"
    call("cmake", "--install", BUILD, "--prefix", place)
    return place.rename(place.with_name("moved"))


def library_of(prefix):
    return next(prefix.rglob("libmultiplet.so"))


def test_program(prefix):
    assert call(prefix / "bin/multiplet", "--version") == "multiplet 0.1.0\n"
    installed = {path.name for path in prefix.rglob("*")}
    assert {"README.md", "LICENSE", "SCHEMA.md", "multiplet.pc", "multiplet-jobs.pc", *HEADERS} <= installed
    for path, option in {"man/man1/multiplet.1": ["--man"],
                         "bash-completion/completions/multiplet": ["--completion", "bash"]}.items():
        assert (prefix / "share" / path).read_text() == call(prefix / "bin/multiplet", *option)


def test_links_of_installed_guides(prefix):
    """README's all lead somewhere, and those of users' guides but for what is a contributor's."""
    docs = prefix / "share/doc/multiplet"
    dead = {(guide, link) for guide in ("README.md", "configs/README.md", "jobs/README.md", "src/python/README.md",
                                        "src/store/SCHEMA.md")
            for link in re.findall(r"\]\((?!\w+:|#)([^)#]+)", (docs / guide).read_text())
            if not (docs / guide).parent.joinpath(link).exists()}
    contributors = re.compile(r"tests/(python|slurm)|spectral/\w+\.h$")
    assert not [pair for pair in dead if pair[0] == "README.md" or not contributors.search(pair[1])], dead


def test_cmake_consumer(prefix, tmp_path):
    (tmp_path / "consumer.c").write_text(CONSUMER)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT % ("", "multiplet"))
    call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    call("cmake", "--build", tmp_path / "build")
    assert call(tmp_path / "build/consumer") == "0.1.0 OK\n"


def check_job(program, tmp_path, **environment):
    """A job by a program that links libmultiplet-jobs, and its result. Notes are level 1."""
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(0), 5, 4))
    path = config(tmp_path, degeneracy={"tolerance": 0.25})
    done = subprocess.run([program, path], capture_output=True, text=True, env={**os.environ, **environment})
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "1: /H: 5 matrices of n = 4, complex128" in done.stdout and "\n1: done in " in done.stdout
    assert (read(tmp_path / "job-out.h5")["status"] == OK).all()
    with h5py.File(tmp_path / "job-out.h5") as result:
        assert "tolerance: 0.25" in result.attrs["config"]
    return done.stdout.splitlines()[-1]


def comma_locale(tmp_path):
    """The environment of a user who writes 0,5, where one can be made."""
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8"], capture_output=True).returncode == 0
    return {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"} if made else {}


def test_cmake_job_consumer(prefix, tmp_path):
    (tmp_path / "consumer.c").write_text(JOB_CONSUMER)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT % (" COMPONENTS jobs", "jobs"))
    call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    call("cmake", "--build", tmp_path / "build")
    assert check_job(tmp_path / "build/consumer", tmp_path) == "0 OK 0.5"


def test_pkg_config_job_consumer(prefix, tmp_path):
    (tmp_path / "consumer.c").write_text(JOB_CONSUMER)
    library = library_of(prefix)
    flags = call("pkg-config", "--cflags", "--libs", "multiplet-jobs",
                 PKG_CONFIG_PATH=str(library.parent / "pkgconfig"))
    call("mpicc", "-Wall", "-Werror", "consumer.c", *shlex.split(flags), "-o", "consumer", cwd=tmp_path)
    comma = comma_locale(tmp_path)
    half = "0,5" if comma else "0.5"
    assert check_job(tmp_path / "consumer", tmp_path, LD_LIBRARY_PATH=str(library.parent), **comma) == f"0 OK {half}"


def test_what_the_library_brings_along(prefix):
    """LAPACK and BLAS with their own, and nothing that jobs need; no OpenMP of its own."""
    brought = call("ldd", library_of(prefix))
    needed = re.findall(r"NEEDED.*\[(.*)\]", call("readelf", "-d", library_of(prefix)))
    assert needed and not [name for name in needed if "omp" in name], needed
    assert not FOREIGN.search(brought), brought


def test_without_what_jobs_need(tmp_path):
    """Where CMake finds no MPI, HDF5, YAML and ScaLAPACK; and it works."""
    absent = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("MPI", "HDF5", "PkgConfig")]
    call("cmake", "-S", ROOT, "-B", tmp_path / "build", "-DMULTIPLET_JOBS=OFF", "-DCMAKE_BUILD_TYPE=Debug",
         "-DSCALAPACK_LIBRARY=absent", *absent)
    call("cmake", "--build", tmp_path / "build", "--parallel", 2)
    call("cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "prefix")
    assert not list(tmp_path.rglob("*jobs*.so")) and not list((tmp_path / "prefix").rglob("bin"))
    (tmp_path / "consumer.c").write_text(CONSUMER)
    library = library_of(tmp_path / "prefix")
    call("cc", "consumer.c", f"-I{tmp_path}/prefix/include", library, "-lm", "-o", "consumer", cwd=tmp_path)
    assert call(tmp_path / "consumer", LD_LIBRARY_PATH=str(library.parent)) == "0.1.0 OK\n"


def test_pkg_config_consumer(prefix, tmp_path):
    (tmp_path / "consumer.c").write_text(CONSUMER)
    library = library_of(prefix)
    flags = call("pkg-config", "--cflags", "--libs", "multiplet",
                 PKG_CONFIG_PATH=str(library.parent / "pkgconfig"))
    assert str(BUILD) not in flags and "/usr/local" not in flags
    call("cc", "-Wall", "-Werror", "consumer.c", *shlex.split(flags), "-lm", "-o", "consumer", cwd=tmp_path)
    assert call(tmp_path / "consumer", LD_LIBRARY_PATH=str(library.parent)) == "0.1.0 OK\n"


def test_readme_example(prefix, tmp_path):
    """L = w[0] has the gradient v v^H."""
    example, = re.findall(r"^```c\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    (tmp_path / "example.c").write_text(example)
    library = library_of(prefix)
    flags = call("pkg-config", "--cflags", "--libs", "multiplet",
                 PKG_CONFIG_PATH=str(library.parent / "pkgconfig"))
    call("cc", "-Wall", "-Wextra", "-Werror", "example.c", *shlex.split(flags), "-o", "example", cwd=tmp_path)
    printed = call(tmp_path / "example", LD_LIBRARY_PATH=str(library.parent))
    assert printed == "OK: w = 1 3, dL/dA = 0.5 -0.5\nOK: w = -3 3, dL/dA = 0.5 -0.5\n"


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("compiler,standard", [("gcc", "c99"), ("g++", "c++11")])
def test_header_alone(prefix, tmp_path, header, compiler, standard):
    name = "alone.c" if compiler == "gcc" else "alone.cpp"
    (tmp_path / name).write_text(f"#include <multiplet/{header}>\n")
    flags = call("pkg-config", "--cflags", "multiplet-jobs" if header == "job.h" else "multiplet",
                 PKG_CONFIG_PATH=str(library_of(prefix).parent / "pkgconfig"))
    call(compiler, f"-std={standard}", "-Wall", "-Werror", "-fsyntax-only", name,
         *shlex.split(flags), cwd=tmp_path)


def test_python_package(prefix):
    """With its directory on PYTHONPATH it finds the library beside it."""
    directory = library_of(prefix).parent / "python"
    show = "import multiplet.library as m; print(m.__file__, m.load().path)"
    printed = call(sys.executable, "-c", show, PYTHONPATH=str(directory), MULTIPLET_LIBRARY="", cwd=prefix)
    assert printed == f"{directory}/multiplet/library.py {library_of(prefix)}\n"


def exported(library):
    lines = call("nm", "--dynamic", "--defined-only", library).splitlines()
    return {line.split()[-1] for line in lines}


def test_exported_symbols(prefix):
    """Those of the headers and no others."""
    jobs = (ROOT / "include/multiplet/job.h").read_text()
    memory = "".join((ROOT / "include/multiplet" / name).read_text() for name in HEADERS if name != "job.h")
    names = exported(library_of(prefix))
    for name in names:
        assert name.startswith("mpt_") and f"{name}(" in memory, name
    assert {"mpt_eigh", "mpt_eigh_backward", "mpt_eigh_with_gradient", "mpt_fail", "mpt_version"} <= names
    names = exported(next(prefix.rglob("libmultiplet-jobs.so")))
    assert names == {"mpt_run_job", "mpt_lookout_start"} and all(f"{name}(" in jobs for name in names)
