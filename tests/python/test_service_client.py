"""multiplet.service: the PyTorch functions answered by a real service give the numbers of those in process."""
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import multiplet
import multiplet.torch
from job import ROOT
from test_serve import Service, spool, wait_for  # noqa: F401  (a fixture)

TYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def matrices(dtype, w=(-1, -1, 0, 2, 2, 5), batch=(2, 3)):
    torch.manual_seed(0)
    w = torch.tensor(w, dtype=dtype)
    q = torch.linalg.qr(torch.randn(*batch, len(w), len(w), dtype=dtype))[0]
    a = q * w @ q.mH
    return ((a + a.mH) / 2).contiguous()


def weigh(x):
    return (x * torch.linspace(1, 2, x.numel()).reshape(x.shape).to(x.dtype)).real.sum()


def pair_loss(a):
    w, v = multiplet.torch.eigh(a)
    p = v[..., :2] @ v[..., :2].mH
    return torch.cat([weigh(w).reshape(1), weigh(p).reshape(1)])


def selected_loss(a):
    w, v, found = multiplet.torch.eigh(a, select={"range": [-2, 1], "at_most": 4})
    p = v @ v.mH
    return torch.cat([weigh(w).reshape(1), weigh(p).reshape(1), found.sum().reshape(1)])


CALLS = {
    "eigh": pair_loss,
    "eigvalsh": lambda a: multiplet.torch.eigvalsh(a),
    "exp": lambda a: multiplet.torch.matrix_function(a, "exp", scale=-0.5),
    "power": lambda a: multiplet.torch.matrix_function(a @ a + torch.eye(6, dtype=a.dtype), "power", exponent=0.5),
    "fermi": lambda a: multiplet.torch.matrix_function(a, "fermi", beta=2.0, electrons=2.5),
    "mu": lambda a: multiplet.torch.matrix_function(a, "fermi", beta=2.0, mu=0.0),
    "projector": lambda a: multiplet.torch.projector(a, (0, 2)),
    "frame": lambda a: multiplet.torch.frame(a, torch.eye(6, 2, dtype=a.dtype), (0, 2)),
    "range": selected_loss,
    "highest": lambda a: multiplet.torch.eigh(a, select={"highest": 1})[0],
    "index": lambda a: multiplet.torch.eigvalsh(a, select={"index": [2, 5]}),
}


@pytest.fixture
def running(spool):
    with Service(spool, 2):
        yield spool


def value_and_gradient(call, a):
    a = a.clone().requires_grad_()
    value = call(a)
    weigh(value).backward()
    return value.detach(), a.grad


def test_the_same_numbers(running):
    with multiplet.service(running):
        answers = {(name, t): value_and_gradient(call, matrices(t)) for name, call in CALLS.items() for t in TYPES}
        certificate = multiplet.torch.last_certificate()
    assert certificate.status.shape == (2, 3) and (certificate.min_gap > 0).all()
    for (name, dtype), (value, gradient) in answers.items():
        here, g = value_and_gradient(CALLS[name], matrices(dtype))
        assert torch.equal(value, here) and torch.equal(gradient, g), (name, dtype)
    assert not list(running.glob("client-*")) and not list((running / "done").iterdir())


def test_a_reference_has_a_gradient(running):
    torch.manual_seed(1)
    results = []
    for where in (multiplet.service(running), multiplet.backend.using(multiplet.backend.Library())):
        reference = torch.eye(6, 2, dtype=torch.complex128).requires_grad_()
        with where:
            weigh(multiplet.torch.frame(matrices(torch.complex128), reference, (0, 2))).backward()
        results.append(reference.grad)
    assert torch.equal(*results) and results[0].abs().max() > 0


def test_errors_and_warnings_are_the_same(running):
    bad = matrices(torch.float64)
    bad[1, 2, 0, 0] = float("nan")
    a = matrices(torch.float64).requires_grad_()
    with multiplet.service(running):
        with pytest.raises(multiplet.ProblemError, match=r"matrix \[1, 2\] is NONFINITE_INPUT"):
            multiplet.torch.eigh(bad)
        with pytest.warns(multiplet.GaugeWarning):
            multiplet.torch.eigh(a)[1][..., 0].sum().backward()
        with pytest.raises(multiplet.ProblemError, match="SPLIT_MULTIPLET"):
            multiplet.torch.projector(a, (0, 1))


def test_a_gradient_after_the_end(running):
    a = matrices(torch.float64).requires_grad_()
    with multiplet.service(running):
        w = multiplet.torch.eigvalsh(a)
    with pytest.raises(multiplet.ServiceError, match="take the gradient inside"):
        w.sum().backward()


def test_nobody_there(tmp_path):
    with pytest.raises(multiplet.ServiceError, match="it has no inbox"):
        with multiplet.service(tmp_path):
            pass


def test_a_time_out_says_what_the_service_did(running, capsys):
    (running / "stop").touch()
    wait_for(lambda: json.loads((running / "status.json").read_text())["state"] == "stopped")
    with pytest.raises(multiplet.ServiceError, match="no service answers .*stopped .*on 2 ranks"):
        with multiplet.service(running, timeout=0.3):
            multiplet.torch.eigh(matrices(torch.float64))
    assert not list((running / "inbox").iterdir()) and not list(running.glob("client-*"))


def test_a_long_wait_is_shown_and_can_be_interrupted(running):
    """Nothing stays behind: neither the request nor the client's files."""
    (running / "stop").touch()
    wait_for(lambda: json.loads((running / "status.json").read_text())["state"] == "stopped")
    text = f"""import sys; sys.path.insert(0, {str(ROOT / 'src/python')!r})
import numpy, multiplet, multiplet.spool
from multiplet.backend import Options
with multiplet.service({str(running)!r}, progress=True) as client:
    client.eigh(numpy.eye(3)[None], Options())
"""
    client = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list((running / "inbox").iterdir()))
    time.sleep(3)
    client.send_signal(signal.SIGINT)
    said = client.communicate(timeout=10)[1]
    assert "multiplet: 2 s, stopped" in said and "KeyboardInterrupt" in said, said
    assert not list((running / "inbox").iterdir()) and not list(running.glob("client-*"))


def test_a_refused_request_names_the_reason(running):
    with multiplet.service(running) as client:
        with pytest.raises(multiplet.ServiceError, match="unknown key 'slove'"):
            job = multiplet.spool._Job(client, np.eye(3)[None], multiplet.backend.Options())
            job.config["slove"] = {}
            job.run()
