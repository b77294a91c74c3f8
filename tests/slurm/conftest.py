import shutil

import cluster as slurm
import limit
import pytest
import work

# Some seconds on two ranks, so that it can be interrupted; single precision and large matrices make much work of
# few bytes.
LONG_N, LONG_BATCH = 768, 28
SHORT_N, SHORT_BATCH = 24, 8


def pytest_collection_modifyitems(items):
    reason = slurm.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"SLURM: {reason}"))


@pytest.fixture(scope="session")
def cluster():
    with slurm.Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A short and a long input, and the result of an undisturbed run of each: short.h5, short-result.h5, ..."""
    directory = tmp_path_factory.mktemp("inputs")
    for name, n, batch in (("short", SHORT_N, SHORT_BATCH), ("long", LONG_N, LONG_BATCH)):
        work.write_input(directory / f"{name}.h5", n, batch)
        config = work.write_config(directory, directory / f"{name}.h5")
        work.run_on_two_ranks(config)
        shutil.move(work.result_of(config), directory / f"{name}-result.h5")
    yield directory
    work.remove_data(directory)


@pytest.fixture
def new_config(inputs, tmp_path):
    """A function that makes the config of the short or the long input, in a directory of its own."""
    directories = []

    def new(name, more=""):
        directory = tmp_path / str(len(directories))
        directory.mkdir()
        directories.append(directory)
        return work.write_config(directory, inputs / f"{name}.h5", more)

    yield new
    for directory in directories:
        work.remove_data(directory)


@pytest.fixture(scope="session")
def jobs_with_a_limit(cluster, inputs, tmp_path_factory):
    """By name: with each launcher, and the only task of an array (which has to have {task} somewhere)."""
    jobs, directories = {}, []
    for name in ("mpirun", "srun", "array"):
        directories.append(tmp_path_factory.mktemp(name))
        config = work.write_config(directories[-1], inputs / "long.h5")
        if name == "array":
            config.write_text(config.read_text().replace("seconds: 0.1", "seconds: 0.{task}"))
            jobs[name] = limit.JobWithALimit(cluster, config, "--array=1")
        else:
            jobs[name] = limit.JobWithALimit(cluster, config, launch=name)
    yield jobs
    for directory in directories:
        work.remove_data(directory)


@pytest.fixture(scope="session", autouse=True)
def begin_with_slow_jobs(request):
    if any("jobs_with_a_limit" in item.fixturenames and not item.get_closest_marker("skip")
           for item in request.session.items):
        request.getfixturevalue("jobs_with_a_limit")
