"""Spack's recipe for multiplet, for Spack 1.0 and later, out of a checkout:

    spack repo create ~/spack-multiplet site                 once, a repository of your own
    mkdir ~/spack-multiplet/spack_repo/site/packages/multiplet
    cp jobs/spack/package.py ~/spack-multiplet/spack_repo/site/packages/multiplet/
    spack repo add ~/spack-multiplet/spack_repo/site

    spack dev-build multiplet@0.1.0                          in the checkout
    spack load multiplet

BLAS, LAPACK and ScaLAPACK are virtual there: `^openblas threads=openmp`, `^intel-oneapi-mkl`, `^cray-libsci` choose who
provides them. LAPACK and ScaLAPACK have to share one BLAS, which Spack sees to. `+python` brings what the Python
package in PREFIX/lib/python needs, `+torch` PyTorch as well.
"""
from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Multiplet(CMakePackage):
    """Eigenvalues and eigenvectors of many Hermitian matrices, over MPI, and gradients through them that are right
    where eigenvalues coincide."""

    license("BSD-3-Clause")

    # Built from the checkout (dev-build, develop): there is no archive to fetch.
    version("0.1.0")

    variant("tests", default=False, description="Build the tests")
    variant("python", default=True, description="What the Python package needs to read results")
    variant("torch", default=False, when="+python", description="PyTorch, for multiplet.torch")

    depends_on("c", type="build")
    depends_on("cmake@3.18:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("blas")
    depends_on("lapack")
    depends_on("scalapack")
    depends_on("hdf5@1.10:+mpi")
    depends_on("libyaml")

    # One that may be called from several threads at once, and is told by OpenMP to use one in each.
    requires("^openblas threads=openmp", when="^[virtuals=blas,lapack] openblas")

    with when("+tests"):
        depends_on("cmocka")
        depends_on("python@3.9:", type=("build", "test"))

    with when("+python"):
        depends_on("python@3.9:", type="run")
        depends_on("py-numpy", type="run")
        depends_on("py-h5py", type="run")
        depends_on("py-torch@1.13:", when="+torch", type="run")

    def cmake_args(self):
        return [
            self.define_from_variant("MULTIPLET_TESTS", "tests"),
            self.define("SCALAPACK_LIBRARIES", list(self.spec["scalapack"].libs)),
            self.define("BLAS_LIBRARIES", list(self.spec["blas"].libs)),
            self.define("LAPACK_LIBRARIES", list(self.spec["lapack"].libs)),
            self.define("HDF5_ROOT", self.spec["hdf5"].prefix),
        ]

    def setup_run_environment(self, env):
        for directory in ("lib", "lib64"):
            env.prepend_path("PYTHONPATH", join_path(self.prefix, directory, "python"))

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def solve_one(self):
        """The program starts, and its input is read back."""
        program = Executable(join_path(self.prefix.bin, "multiplet"))
        with working_dir("check", create=True):
            program("sample", "forum", "-o", "forum.h5")
            program("--version")
