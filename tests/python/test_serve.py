"""The service as its clients see it: files in a spool."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import h5py
import numpy as np
import pytest

from job import MULTIPLET, OK, hermitian, read, write
from test_interrupted import ranks_of

OUTCOME = "outcome: "


class Service:
    def __init__(self, spool, ranks=1, arguments=()):
        self.spool, self.ranks, self.arguments = spool, ranks, arguments

    def start(self):
        launcher = ["mpirun", "-n", str(self.ranks)] if self.ranks > 1 else []
        self.process = subprocess.Popen([*launcher, MULTIPLET, "serve", str(self.spool), *self.arguments],
                                        stderr=subprocess.PIPE, text=True)
        wait_for(lambda: (self.spool / "status.json").exists() or self.process.poll() is not None)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            (self.spool / "stop").touch()
        try:
            self.process.communicate(timeout=20)
        finally:
            self.process.kill()

    def kill(self):
        self.process.kill()
        self.process.communicate()
        (self.spool / "status.json").unlink()


def wait_for(condition, timeout=30):
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.002)
    return value


def put(spool, name, text):
    (spool / "inbox").mkdir(exist_ok=True, mode=0o700)
    (spool / f".{name}").write_text(text)
    (spool / f".{name}").rename(spool / "inbox" / f"{name}.yaml")


def answer(spool, name, timeout=30):
    """The directory, the text and the outcome."""
    paths = [spool / where / f"{name}.yaml" for where in ("done", "failed")]
    path = wait_for(lambda: next((p for p in paths if p.exists()), None), timeout)
    text = path.read_text()
    assert text.count(OUTCOME) == 1
    return path.parent.name, text, text.splitlines()[-1].removeprefix(OUTCOME)


def request(name, input_file="in.h5", more=""):
    return f"input: {{file: {input_file}}}\noutput: {{file: {name}.h5}}\n{more}"


@pytest.fixture
def spool(tmp_path):
    path = tmp_path / "spool"
    path.mkdir(mode=0o700)
    write(path / "in.h5", H=hermitian(np.random.default_rng(0), 4, 8))
    return path


@pytest.mark.parametrize("ranks", [1, 3])
def test_requests_are_answered(spool, ranks):
    bad = hermitian(np.random.default_rng(1), 3, 8)
    bad[1, 2, 2] = np.nan
    write(spool / "nan.h5", H=bad)
    with Service(spool, ranks) as service:
        put(spool, "good", request("good"))
        put(spool, "nan", request("nan-out", "nan.h5"))
        put(spool, "broken", "input: {file: in.h5\n")
        put(spool, "unknown", request("o", more="slove: {}\n"))
        put(spool, "missing", request("o", "nowhere.h5"))
        put(spool, "nowhere", "input: {file: in.h5}\noutput: {file: no/where/o.h5}\n")
        put(spool, "zero", request("o") + "\0")
        put(spool, "huge", request("o") + "#" * (1 << 20))
        put(spool, "last", request("last"))
        where, text, outcome = answer(spool, "good")
        assert where == "done" and text.startswith(request("good"))
        assert outcome.startswith("{exit: 0, seconds: 0.") and outcome.endswith("problems: {OK: 4}}")
        assert (read(spool / "good.h5")["status"] == OK).all() and read(spool / "good.h5")["attributes"]["complete"] == 1
        where, _, outcome = answer(spool, "nan")
        assert where == "done" and "exit: 4" in outcome and "{OK: 2, NONFINITE_INPUT: 1}" in outcome
        for name, code, says in [("broken", 2, "cannot parse the YAML"), ("unknown", 2, "did you mean 'solve'?"),
                                 ("zero", 2, "a zero byte"), ("huge", 2, "larger than 1 MiB"),
                                 ("missing", 3, "No such file"), ("nowhere", 5, "no/where")]:
            where, text, outcome = answer(spool, name)
            assert where == "failed" and f"exit: {code}, error: " in outcome and says in outcome, (name, outcome)
        assert answer(spool, "last")[0] == "done" and service.process.poll() is None
    assert service.process.returncode == 0
    assert not list((spool / "inbox").iterdir()) and not list((spool / "work").iterdir())


def test_a_second_pass(spool):
    a = hermitian(np.random.default_rng(0), 4, 8)
    with Service(spool):
        put(spool, "forward", request("forward"))
        answer(spool, "forward")
        write(spool / "gv.h5", **{"H/eigenvalues": np.ones((4, 8))})
        put(spool, "backward", request("backward", more="gradient: {cotangents: gv.h5, eigenpairs: forward.h5}\n"))
        assert answer(spool, "backward")[0] == "done"
        assert np.abs(read(spool / "backward.h5")["gradient"] - np.eye(8)).max() < 1e-13
        with h5py.File(spool / "in.h5", "a") as f:  # replaced meanwhile
            f["H"][...] = 2 * a
        put(spool, "stale", request("stale", more="gradient: {cotangents: gv.h5, eigenpairs: forward.h5}\n"))
        where, _, outcome = answer(spool, "stale")
        assert where == "failed" and "exit: 3" in outcome and "not of this input" in outcome


def test_no_space_fails_alone(spool, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        write(spool / "big.h5", H=hermitian(np.random.default_rng(0), 40, 32))
        with Service(spool, 2):
            put(spool, "full", f"input: {{file: big.h5}}\noutput: {{file: {small}/o.h5}}\n")
            put(spool, "good", request("good"))
            where, _, outcome = answer(spool, "full")
            assert where == "failed" and "exit: 5" in outcome and "No space left" in outcome and not list(small.iterdir())
            assert answer(spool, "good")[0] == "done"
    finally:
        subprocess.run(["umount", small], check=True)


def test_order_of_arrival(spool):
    names = [f"r{k}" for k in np.random.default_rng(2).permutation(20)]
    for name in names:
        put(spool, name, request(name))
    with Service(spool):
        for name in names:
            answer(spool, name)
    times = [(spool / "done" / f"{name}.yaml").stat().st_mtime_ns for name in names]
    assert times == sorted(times)


@pytest.mark.parametrize("ranks", [1, 2])
def test_killed_and_restarted(spool, ranks):
    """None is lost, and none that was answered is done again. A request that two of the kills met is refused for that,
    and is done when it comes again."""
    names = [f"r{k}" for k in range(60)]
    for name in names:
        put(spool, name, request(name))
    answered = {}
    for after in (5, 20, 40):
        service = Service(spool, ranks).start()
        wait_for(lambda: len(list((spool / "done").glob("*.yaml"))) >= after)
        service.kill()
        subprocess.run(["pkill", "-9", "-f", f"serve {spool}"], check=False)
        now = {p.name: p.stat().st_mtime_ns for p in (spool / "done").iterdir()}
        assert all(now[name] == answered[name] for name in answered)
        answered = now
    with Service(spool, ranks):
        refused = [name for name in names if answer(spool, name)[0] != "done"]
        assert len(refused) <= 2
        for name in refused:
            assert "two services ended in the middle of it" in answer(spool, name)[2]
            (spool / "failed" / f"{name}.yaml").unlink()
            put(spool, name, request(name))
            assert answer(spool, name)[0] == "done"
    assert all((spool / "done" / name).stat().st_mtime_ns == answered[name] for name in answered)
    assert sorted(p.name for p in (spool / "done").iterdir()) == sorted(f"{name}.yaml" for name in names)
    for name in names:
        assert (read(spool / f"{name}.h5")["status"] == OK).all()


def test_an_answered_request_in_work_is_not_done_again(spool):
    """As a service leaves it that dies between the answer and the tidying up."""
    for directory in ("work", "done"):
        (spool / directory).mkdir(mode=0o700)
    (spool / "work" / "x.yaml").write_text(request("x"))
    (spool / "done" / "x.yaml").write_text("its answer")
    (spool / "work" / "y.yaml").write_text(request("y"))
    with Service(spool):
        assert answer(spool, "y")[0] == "done"
    assert (spool / "done" / "x.yaml").read_text() == "its answer" and not (spool / "x.h5").exists()
    assert not list((spool / "work").iterdir())


@pytest.mark.parametrize("how", ["stop", "signal"])
def test_the_work_in_hand_is_finished(spool, how):
    write(spool / "large.h5", H=hermitian(np.random.default_rng(3), 2, 500))
    with Service(spool) as service:
        put(spool, "large", request("large-out", "large.h5"))
        wait_for(lambda: (spool / "work" / "large.yaml").exists())
        (spool / "stop").touch() if how == "stop" else service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        assert (spool / "done" / "large.yaml").exists()
    assert json.loads((spool / "status.json").read_text())["state"] == "stopped"
    with Service(spool):  # an old stop file does not end it
        put(spool, "again", request("again"))
        assert answer(spool, "again")[0] == "done"


def test_two_signals_leave_the_rest_to_the_next_service(spool):
    write(spool / "large.h5", H=hermitian(np.random.default_rng(3), 6, 400))
    service = Service(spool).start()
    put(spool, "large", request("large-out", "large.h5"))
    wait_for(lambda: (spool / "large-out.h5").exists())
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) in (0, 75)
    with Service(spool):
        assert answer(spool, "large")[0] == "done"
    assert (read(spool / "large-out.h5")["status"] == OK).all()


def test_what_is_no_request_stays(spool):
    (spool / "inbox").mkdir(mode=0o700)
    for name in (".hidden.yaml", "half.yaml.part", "with space.yaml"):
        (spool / "inbox" / name).write_text(request("never"))
    (spool / "inbox" / "link.yaml").symlink_to(spool / "in.h5")
    (spool / "inbox" / "folder.yaml").mkdir()
    with Service(spool):
        put(spool, "good", request("good"))
        answer(spool, "good")
    assert len(list((spool / "inbox").iterdir())) == 5 and not (spool / "never.h5").exists()


def test_status(spool):
    with Service(spool, 2):
        put(spool, "good", request("good"))
        answer(spool, "good")
        status = wait_for(lambda: (s := json.loads((spool / "status.json").read_text()))["done"] == 1 and s)
        assert status["ranks"] == 2 and status["queue"] == 0 and status["problems"] == 4
        first = wait_for(lambda: (s := json.loads((spool / "status.json").read_text()))["state"] == "idle" and s)
        wait_for(lambda: json.loads((spool / "status.json").read_text())["updated"] > first["updated"], 3)


def test_idle_ranks_sleep(spool):
    """1 % of a core is what they are to stay under; a rank that polls takes all of it."""
    def used():
        pids = subprocess.run(["pgrep", "-f", f"multiplet serve {spool}"], capture_output=True, text=True).stdout.split()
        return {p: sum(map(int, open(f"/proc/{p}/stat").read().rpartition(")")[2].split()[11:13])) for p in pids}
    with Service(spool, 2):
        put(spool, "good", request("good"))
        answer(spool, "good")
        time.sleep(1)
        before = used()
        time.sleep(5)
        after = used()
        ticks = os.sysconf("SC_CLK_TCK") * 5
        assert len(before) >= 2 and all(after[p] - before[p] < 0.03 * ticks for p in before), (before, after)


def test_refusals(spool, tmp_path):
    def refused(path, says, *arguments):
        done = subprocess.run([MULTIPLET, "serve", str(path), *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and says in done.stderr, done.stderr
    spool.chmod(0o770)
    refused(spool, "--shared")
    with Service(spool, arguments=["--shared"]):
        refused(spool, "another service runs there", "--shared")
    spool.chmod(0o700)
    refused(spool / "in.h5", "it is no directory")
    refused(tmp_path / "no" / "where", "No such file")


def test_many_clients(spool, count=int(os.environ.get("MULTIPLET_REQUESTS", 400))):
    """One small batch each, from four at once: none lost, none answered twice, and memory stays."""
    memory = []
    with Service(spool, 2) as service:
        def resident():
            pids = subprocess.run(["pgrep", "-f", f"serve {spool}"], capture_output=True, text=True).stdout.split()
            memory.append(sum(int(open(f"/proc/{p}/statm").read().split()[1]) for p in pids) * os.sysconf("SC_PAGE_SIZE"))

        def client(number, failures):
            for k in range(count // 4):
                name = f"c{number}-{k}"
                put(spool, name, request(name))
                if answer(spool, name)[0] != "done":
                    failures.append(name)
                (spool / f"{name}.h5").unlink()
                if number == 0 and k in (count // 16, count // 4 - 1):
                    resident()
        failures = []
        clients = [threading.Thread(target=client, args=(k, failures)) for k in range(4)]
        start = time.monotonic()
        [c.start() for c in clients]
        [c.join() for c in clients]
        print(f"{count / (time.monotonic() - start):.0f} requests a second; resident {memory}")
    assert not failures and len(list((spool / "done").iterdir())) == count
    assert json.loads((spool / "status.json").read_text())["done"] == count
    assert memory[1] < memory[0] + 8e6


LONGEST = "n" * 250  # and ".yaml"


def test_longest_name(spool):
    """Of 255 characters, with a file system that allows no more."""
    with Service(spool, 2):
        (spool / "inbox").mkdir(exist_ok=True, mode=0o700)
        (spool / "tmp").write_text(request("long"))
        (spool / "tmp").rename(spool / "inbox" / f"{LONGEST}.yaml")
        assert answer(spool, LONGEST)[0] == "done"
    assert not list((spool / "work").iterdir())


TEXTS = {
    "indented": "  input: {file: in.h5}\n  output: {file: indented.h5}\n",
    "flow": "{input: {file: in.h5}, output: {file: flow.h5}}",
    "document": "---\ninput: {file: in.h5}\noutput: {file: document.h5}\n...\n",
    "marker": "--- {input: {file: in.h5}, output: {file: marker.h5}}\n",
    "commented-flow": "# first\n{input: {file: in.h5},\n output: {file: commented-flow.h5}}\n",
    "explicit": "? input\n: {file: in.h5}\n? output\n: {file: explicit.h5}\n",
    "no-newline": "input: {file: in.h5}\noutput: {file: no-newline.h5}",
    "comment-at-end": "input: {file: in.h5}\noutput: {file: comment-at-end.h5} # no newline",
    "windows": "input: {file: in.h5}\r\noutput: {file: windows.h5}\r\n",
    "mac": "input: {file: in.h5}\routput: {file: mac.h5}\r",
    "quoted": "input: {file: 'in.h5'}\noutput:\n  file: >-\n    quoted.h5\n",
    "block": "input: {file: in.h5}\noutput:\n  file: |-\n    block.h5\n\n\n",
    "bom": "\ufeffinput: {file: in.h5}\noutput: {file: bom.h5}\n",
    "escape": "x: 1\routcome: {exit: 0, problems: {OK: 9}}\r# y\n",
    "escape-nel": "x: 1\u0085outcome: {exit: 0}\u2028outcome: {exit: 0}\n",
    "control": "x: \x07\x1b[31m\n",
    "latin": b"x: caf\xe9\noutcome: {exit: 0}\n",
    "wide": "x: \ud7ff\U0001f600 \ufffe\n",
    "outcome": "input: {file: in.h5}\noutput: {file: o.h5}\noutcome: {exit: 0}\n",
    "empty": "",
    "scalar": "hello\n",
    "list": "- 1\n- 2\n",
    "tab": "input:\t{file: in.h5}\noutput: {file: tab.h5}\n",
    "anchor": "input: &a {file: in.h5}\noutput: *a\n",
    "tag": "!!map\ninput: {file: in.h5}\noutput: {file: tag.h5}\n",
    "directive": "%YAML 1.1\n---\ninput: {file: in.h5}\noutput: {file: directive.h5}\n",
}


def random_texts(count, seed):
    """Pieces that mean something to YAML, in any order."""
    rng = np.random.default_rng(seed)
    pieces = [*"\n\r\t #:-?{}[],&*!|>'\"%@`~", "\u0085", "\u2028", "\ufeff", "\x00"[:0], "\x1b", "é", "outcome: ", "input: ",
              "{file: in.h5}", "output: ", "{file: o.h5}", "---\n", "...\n", "\r\n", "  ", "- ", "? ", ": "]
    return ["".join(rng.choice(pieces, rng.integers(1, 30))) for _ in range(count)]


def test_answers_are_yaml(spool, count=int(os.environ.get("MULTIPLET_REQUESTS", 400)) // 4):
    """Whatever the request looked like: one document, whose outcome is the service's and its last key."""
    yaml = pytest.importorskip("yaml")
    texts = {**TEXTS, **{f"random{k}": text for k, text in enumerate(random_texts(count, 3))}}
    with Service(spool) as service:
        for name, text in texts.items():
            (spool / "tmp").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
            (spool / "inbox").mkdir(exist_ok=True, mode=0o700)
            (spool / "tmp").rename(spool / "inbox" / f"{name}.yaml")
        for name, text in texts.items():
            paths = [spool / where / f"{name}.yaml" for where in ("done", "failed")]
            path = wait_for(lambda: next((p for p in paths if p.exists()), None))
            try:
                said = yaml.safe_load(path.read_bytes())
            except yaml.YAMLError as error:
                raise AssertionError(f"{name}: {path.read_bytes()}: {error}")
            assert list(said)[-1] == "outcome", (name, path.read_bytes())
            if path.parent.name == "done":
                assert said["outcome"]["problems"] == {"OK": 4} and len(said) in (1, 3), name
            else:
                assert list(said) == ["outcome"] and said["outcome"]["exit"] in (2, 3, 5), (name, said)
                assert "(null)" not in said["outcome"]["error"]
        assert service.process.poll() is None
    good = [name for name in TEXTS if (spool / "done" / f"{name}.yaml").exists()]
    assert {"indented", "flow", "document", "marker", "commented-flow", "explicit", "no-newline", "windows", "quoted",
            "block"} <= set(good)


def test_only_the_owners_requests(spool):
    """A file that somebody else has left there is not run, unless the spool is shared."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for arguments, where in (((), "failed"), (("--shared",), "done")):
        with Service(spool, arguments=arguments):
            (spool / "tmp").write_text(request("theirs"))
            os.chown(spool / "tmp", 12345, 12345)
            (spool / "inbox").mkdir(exist_ok=True, mode=0o700)
            (spool / "tmp").rename(spool / "inbox" / "theirs.yaml")
            found, _, outcome = answer(spool, "theirs")
            assert found == where, outcome
            assert where == "done" or ("belongs to user 12345" in outcome and "--shared" in outcome)
            (spool / where / "theirs.yaml").unlink()
        (spool / "status.json").unlink()
        (spool / "stop").unlink(missing_ok=True)


def test_outputs_in_the_spools_own_places(spool):
    with Service(spool, 2):
        for k, path in enumerate(["inbox/x.yaml", "work/x.h5", "done/x.yaml", "failed/../failed/x.h5", "status.json", "stop",
                                  "lock", "inbox"]):
            put(spool, f"own{k}", f"input: {{file: in.h5}}\noutput: {{file: {path}}}\n")
            where, _, outcome = answer(spool, f"own{k}")
            assert where == "failed" and "exit: 2" in outcome and "the service's own" in outcome, (path, outcome)
        put(spool, "good", request("good"))
        assert answer(spool, "good")[0] == "done"


def end_in_the_middle(spool, how, ranks):
    """A service that ends while it is at a request: it has locked that request's output."""
    (spool / "slow.h5.lock").unlink(missing_ok=True) # what an earlier one left says nothing of this one
    service = Service(spool, ranks).start()
    wait_for(lambda: (spool / "slow.h5.lock").exists())
    pids = ranks_of(service.process.pid) if ranks > 1 else [service.process.pid]
    for pid in pids[-1:] if how == signal.SIGSEGV else pids:
        os.kill(pid, how)
    service.process.communicate(timeout=30)
    subprocess.run(["pkill", "-9", "-f", f"serve {spool}"], check=False)
    (spool / "status.json").unlink()


def test_a_crash_ends_a_process_whose_stack_trace_waits_for_ever(spool, monkeypatch):
    """As Open MPI's does when the crash is within malloc()."""
    monkeypatch.setenv("LD_PRELOAD", str(pathlib.Path(MULTIPLET).parents[1] / "lib/libtrace.so"))
    service = Service(spool, 1).start()
    monkeypatch.delenv("LD_PRELOAD")
    service.process.send_signal(signal.SIGSEGV)
    service.process.communicate(timeout=30)
    assert service.process.returncode == -signal.SIGALRM
    assert (spool / "work/.crashed").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_request_that_ends_services_is_set_aside(spool, how, ranks):
    """Twice, and not a third time; nobody else suffers."""
    write(spool / "large.h5", H=hermitian(np.random.default_rng(0), 40, 200))
    put(spool, "slow", request("slow", "large.h5"))
    for _ in range(2):
        end_in_the_middle(spool, how, ranks)
        assert (spool / "work" / "slow.yaml").exists()
        put(spool, "good", request("good"))
    with Service(spool, ranks):
        where, _, outcome = answer(spool, "slow")
        assert where == "failed" and "exit: 3" in outcome and "two services ended in the middle of it" in outcome
        assert answer(spool, "good")[0] == "done"
        (spool / "failed" / "slow.yaml").unlink()
        put(spool, "slow", request("slow", "large.h5")) # sent again, it begins anew
        assert answer(spool, "slow")[0] == "done"
    assert not list((spool / "work").iterdir())
