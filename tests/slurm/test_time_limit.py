"""jobs/continue.sbatch across a time limit. The jobs have run since the session began: see limit.py."""

import pytest
import work


@pytest.mark.parametrize("name", ["mpirun", "srun", "array"])
def test_continue_goes_on_after_the_time_limit(cluster, inputs, jobs_with_a_limit, name):
    one = jobs_with_a_limit[name]
    assert len(one.ranks) == work.RANKS
    job = cluster.wait_for_end(one.number, 120)
    log = work.read_log(one.config)
    assert one.signalled, log
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), log
    assert int(job["Restarts"]) == 1, log
    assert log.count("back into the queue") == 1, log
    assert "done in" in log
    assert work.is_complete(work.result_of(one.config))
    work.assert_same_result(work.result_of(one.config), inputs / "long-result.h5")
    assert [path.name for path in one.config.parent.glob("*.yaml")] == [one.config.name]
