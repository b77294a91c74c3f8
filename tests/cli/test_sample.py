import math

import h5py
import numpy as np
import pytest
from program import multiplet


def sample(tmp_path, *arguments, dataset="/H"):
    path = tmp_path / "s.h5"
    multiplet("sample", *arguments, "-o", path)
    with h5py.File(path) as file:
        assert file[dataset].chunks is None
        matrices = file[dataset][()]
    assert np.array_equal(matrices, matrices.conj().swapaxes(1, 2)), "not exactly Hermitian"
    return matrices


def spectrum(matrices):
    return np.linalg.eigvalsh(matrices.astype(complex))


def test_heisenberg_of_four_sites(tmp_path):
    matrices = sample(tmp_path, "heisenberg", "--sites", 4, "--batch", 3)
    assert matrices.shape == (3, 16, 16) and matrices.dtype == np.float64
    expected = [-2] + 3 * [-1] + 7 * [0] + 5 * [1]
    np.testing.assert_allclose(spectrum(matrices)[1], expected, atol=1e-13)


def spins(sites, delta):
    """The chain as Kronecker products of spin matrices, site 0 the lowest bit."""
    up = np.array([[0, 1], [0, 0]]).T  # bit 1 is up
    parts = {"p": up, "m": up.T, "z": np.diag([-0.5, 0.5])}

    def at(site, kind):
        return np.kron(np.kron(np.eye(2 ** (sites - 1 - site)), parts[kind]), np.eye(2 ** site))

    total = 0
    for i in range(sites):
        j = (i + 1) % sites
        total = total + (at(i, "p") @ at(j, "m") + at(i, "m") @ at(j, "p")) / 2
        total = total + delta * at(i, "z") @ at(j, "z")
    return total


@pytest.mark.parametrize("sites", [2, 3, 5])
def test_heisenberg_is_the_sum_of_kronecker_products(tmp_path, sites):
    matrices = sample(tmp_path, "heisenberg", "--sites", sites, "--batch", 5)
    for delta, matrix in zip([0.5, 0.75, 1, 1.25, 1.5], matrices):
        np.testing.assert_allclose(matrix, spins(sites, delta), atol=1e-15)


def test_heisenberg_sectors_make_up_the_whole(tmp_path):
    levels = []
    for up in range(7):
        arguments = ("heisenberg", "--sector", up, "--batch", 1, "--dataset", f"/g/M{up}")
        matrices = sample(tmp_path, *arguments, dataset=f"/g/M{up}")
        assert matrices.shape == (1, math.comb(6, up), math.comb(6, up))
        levels.extend(spectrum(matrices)[0])
    np.testing.assert_allclose(sorted(levels), np.linalg.eigvalsh(spins(6, 1)), atol=1e-12)


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_graphene_bands_are_folded(tmp_path, cells):
    grid = 6
    matrices = sample(tmp_path, "tight-binding", "--grid", grid, "--cells", cells)
    assert matrices.shape == (grid**2, 2 * cells**2, 2 * cells**2)
    assert matrices.dtype == np.complex128
    for b, levels in enumerate(spectrum(matrices)):
        p, q = (2 * np.pi * (k + grid * np.arange(cells)) / (grid * cells)
                for k in divmod(b, grid))
        f = np.abs(1 + np.exp(1j * p)[:, None] + np.exp(1j * q)).ravel()
        np.testing.assert_allclose(levels, np.sort([*f, *-f]), atol=1e-13)


def test_graphene_dirac_points_are_exact_zeros(tmp_path):
    matrices = sample(tmp_path, "tight-binding", "--grid", 12, "--cells", 1)
    zero = [b for b in range(144) if not matrices[b].any()]
    assert zero == [4 * 12 + 8, 8 * 12 + 4]


def test_hypercube(tmp_path):
    matrices = sample(tmp_path, "hypercube", "--dimension", 5, "--batch", 2)
    expected = [2 * k for k in range(6) for _ in range(math.comb(5, k))]
    np.testing.assert_allclose(spectrum(matrices), [expected] * 2, atol=1e-12)


@pytest.mark.parametrize("kind, tolerance", [("float32", 1e-5), ("float64", 1e-12),
                                             ("complex64", 1e-5), ("complex128", 1e-12)])
@pytest.mark.parametrize("n", [1, 7, 64, 65])
def test_random_has_the_spectrum(tmp_path, kind, tolerance, n):
    arguments = ("random", "--n", n, "--batch", 2, "--multiplicity", 3, "--type", kind)
    matrices = sample(tmp_path, *arguments)
    assert matrices.dtype == kind and matrices.shape == (2, n, n)
    expected = 1 + np.arange(n) // 3
    np.testing.assert_allclose(spectrum(matrices), [expected] * 2, atol=tolerance * n)
    if n > 3:
        assert abs(matrices[0] - matrices[1]).max() > 0.01
        assert np.count_nonzero(matrices[0]) == n * n
        assert kind.startswith("float") or abs(matrices.imag).max() > 0.01


def test_random_is_the_same_everywhere(tmp_path):
    matrices = sample(tmp_path, "random", "--n", 3, "--seed", 7)
    assert [x.hex() for x in matrices[0][np.tril_indices(3)]] == GOLDEN


GOLDEN = ["0x1.39329badcb336p+1", "0x1.31cd03393fbafp-1",
          "0x1.027bb473a130dp+1", "0x1.440d3f8ee1ef4p-1",
          "-0x1.79711529b9df6p-3", "0x1.88a35fbd27379p+0"]


def test_seeds_differ(tmp_path):
    first = sample(tmp_path, "random", "--seed", 1, "--dataset", "a", dataset="a")
    second = sample(tmp_path, "random", "--seed", 2, "--dataset", "b", dataset="b")
    assert abs(first - second).max() > 0.1


@pytest.mark.parametrize("arguments, shape", [(["--n", 0], (1, 0, 0)), (["--batch", 0], (0, 16, 16))])
def test_empty_samples(tmp_path, arguments, shape):
    assert sample(tmp_path, "random", *arguments).shape == shape


def test_large_matrices_are_written_in_pieces(tmp_path):
    matrices = sample(tmp_path, "hypercube", "--dimension", 10, "--type", "float32")
    assert matrices.sum() == 0 and np.trace(matrices[0]) == 10 * 1024


def test_forum_and_its_cotangents(tmp_path):
    matrices = sample(tmp_path, "forum", "--cotangents", tmp_path / "c.h5")
    level = math.hypot(1.2039, 0.369)
    np.testing.assert_allclose(spectrum(matrices), [[-level, -level, level, level]], atol=1e-14)
    with h5py.File(tmp_path / "c.h5") as file:
        assert list(file["/H"]) == ["eigenvectors"]
        expected = np.zeros((1, 4, 4))
        expected[:, :, 0] = 1
        assert np.array_equal(file["/H/eigenvectors"], expected)


@pytest.mark.parametrize("kind, real", [("complex64", "float32"), ("float64", "float64")])
def test_band_energy_cotangents(tmp_path, kind, real):
    sample(tmp_path, "random", "--n", 5, "--batch", 2, "--type", kind, "--dataset", "/a/b",
           "--cotangents", tmp_path / "c.h5", dataset="/a/b")
    with h5py.File(tmp_path / "c.h5") as file:
        assert list(file["/a/b"]) == ["eigenvalues"]
        assert file["/a/b/eigenvalues"].dtype == real
        assert np.array_equal(file["/a/b/eigenvalues"], [[1, 1, 0, 0, 0]] * 2)


def test_samples_share_a_file(tmp_path):
    first = sample(tmp_path, "forum")
    sample(tmp_path, "hypercube", "--dataset", "cube", dataset="/cube")
    done = multiplet("sample", "hypercube", "-o", tmp_path / "s.h5", expect=2)
    assert "'/H'" in done.stderr and "--dataset" in done.stderr
    with h5py.File(tmp_path / "s.h5") as file:
        assert sorted(file) == ["H", "cube"] and np.array_equal(file["H"], first)


def test_a_file_that_cannot_be_written(tmp_path):
    multiplet("sample", "forum", "-o", tmp_path / "no/s.h5", expect=5)
    multiplet("sample", "forum", "-o", tmp_path, expect=5)
    text = tmp_path / "text"
    text.write_text("keep me")
    assert "not an HDF5 file" in multiplet("sample", "forum", "-o", text, expect=5).stderr
    assert text.read_text() == "keep me"
    other = tmp_path / "s.h5"
    multiplet("sample", "forum", "-o", other, "--cotangents", tmp_path / "no/c.h5", expect=5)
    assert not other.exists()
    multiplet("sample", "forum", "-o", other)
    multiplet("sample", "forum", "-o", other, "--dataset", "/H/below", expect=5)
