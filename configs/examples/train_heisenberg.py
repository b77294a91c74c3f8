"""Learns the couplings of a spin chain from its low spectrum and its ground states. Written to be copied.

    export PYTHONPATH=src/python
    python3 configs/examples/train_heisenberg.py                        (needs PyTorch and build/libmultiplet.so)
    python3 configs/examples/train_heisenberg.py --backend torch        PyTorch's own backward pass: NaN at step 0
    python3 configs/examples/train_heisenberg.py --backend service --spool DIR     by a running `multiplet serve DIR`
    python3 configs/examples/train_heisenberg.py --compare --plot OUT.svg          the curves in one picture

H = sum over bonds b and axes a of J_ba S_a(b) S_a(b + 1), five spins 1/2, n = 32. Known are the lowest eight
eigenvalues and the projector on the ground states; wanted are the twelve J. The first guess is the natural one, all
J = 1: the isotropic point, where levels come in twos and fours. From there on, an odd number of spins has every level
twice, whatever the couplings (Kramers), so that the two columns of V that make the projector are arbitrary at every
step. The loss does not depend on the choice, and has a gradient; torch.linalg.eigh gives NaN. Whoever replaces the NaN
by zero (`--nan-as-zero`) gets zero, and stays where he is.

What has to change in a program of yours is one line, `eigh = ...`.
"""
import argparse
import contextlib
import math
import sys
import warnings

import torch

SPINS, LEVELS, GROUND = 5, 8, 2


def bond_terms():
    """S_a(b) S_a(b + 1) as matrices [bonds, axes, n, n]; they are real."""
    x = torch.tensor([[0, 0.5], [0.5, 0]], dtype=torch.complex128)
    y = torch.tensor([[0, -0.5j], [0.5j, 0]], dtype=torch.complex128)
    z = torch.tensor([[0.5, 0], [0, -0.5]], dtype=torch.complex128)

    def term(spin, bond):
        before, after = (torch.eye(2 ** k, dtype=torch.complex128) for k in (bond, SPINS - bond - 2))
        return torch.kron(torch.kron(before, torch.kron(spin, spin)), after).real

    return torch.stack([torch.stack([term(spin, bond) for spin in (x, y, z)]) for bond in range(SPINS - 1)])


def observe(eigh, couplings, terms):
    """What is known of a chain: its low levels and the projector on its ground states."""
    hamiltonian = torch.einsum("ba,baij->ij", couplings, terms)
    w, v = eigh(hamiltonian)
    return w[:LEVELS], v[:, :GROUND] @ v[:, :GROUND].mT


def train(eigh, true, terms, steps, tolerance, nan_as_zero=False):
    """(loss before each step and at the end, couplings). Stops below the tolerance, and at a loss that is NaN."""
    levels, ground = (known.detach() for known in observe(eigh, true, terms))
    couplings = torch.ones_like(true, requires_grad=True)
    optimizer = torch.optim.LBFGS([couplings], max_iter=1, line_search_fn="strong_wolfe", tolerance_grad=0,
                                  tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        w, p = observe(eigh, couplings, terms)
        loss = (w - levels).square().sum() + (p - ground).square().sum()
        loss.backward()
        if nan_as_zero:
            couplings.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        return loss

    curve = [float(optimizer.step(closure))]
    while len(curve) <= steps and curve[-1] > tolerance:  # not true of NaN either
        if not couplings.isfinite().all():  # a NaN in the gradient has spread
            curve.append(math.nan)
        else:
            curve.append(float(optimizer.step(closure)))
    return curve, couplings.detach()


@contextlib.contextmanager
def eigensolver(backend, spool=None):
    """The one line that differs."""
    if backend == "torch":
        eigh = torch.linalg.eigh
        yield eigh
        return
    import multiplet.torch
    # Levels that are equal by symmetry are held against known ones that are not: at the first guess the loss is not
    # smooth there, and the mean of its one-sided gradients, which is said, is what leads away.
    warnings.simplefilter("ignore", multiplet.SubgradientWarning)
    eigh = multiplet.torch.eigh
    if backend == "local":
        yield eigh
        return
    with multiplet.service(spool):
        yield eigh


def report(name, curve, found, true, tolerance):
    """Prints how it went; True if it got there."""
    for step, loss in enumerate(curve):
        if step % 10 == 0 or step == len(curve) - 1:
            print(f"{name:26} step {step:3}   loss {loss:.3e}")
    if not math.isfinite(curve[-1]):
        print(f"{name}: the gradient of step {len(curve) - 2} is NaN, and so are the couplings after it")
        return False
    print(f"{name}: couplings are off by {float((found - true).abs().max()):.1e} at most")
    return curve[-1] <= tolerance


def draw(curves, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "multiplet"})
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 3.4), layout="constrained")
    for (name, curve), colour in zip(curves.items(), ("#1f618d", "#c0392b", "#d68910")):
        finite = [loss for loss in curve if math.isfinite(loss)]
        axes.semilogy(finite, color=colour, linewidth=2, label=name)
        if len(finite) < len(curve):
            axes.plot(len(finite) - 1, finite[-1], "x", color=colour, markersize=12, markeredgewidth=3)
            axes.annotate("NaN", (len(finite) - 1, finite[-1]), (10, 6), textcoords="offset points", color=colour)
    axes.set(xlabel="step", ylabel="loss", ylim=(None, 10))
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if str(path).endswith("svg") else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=["torch", "local", "service"], default="local")
    parser.add_argument("--spool", help="the directory of --backend service")
    parser.add_argument("--compare", action="store_true", help="multiplet, PyTorch, and PyTorch with NaN as zero")
    parser.add_argument("--nan-as-zero", action="store_true", help="replace NaN in gradients by zero")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--tolerance", type=float, default=1e-16, help="stop below this loss")
    parser.add_argument("--seed", type=int, default=1, help="of the couplings that are to be found")
    parser.add_argument("--plot", metavar="FILE", help="draw the curves")
    options = parser.parse_args()
    if options.backend == "service" and not options.spool:
        parser.error("--backend service needs --spool DIR")

    torch.manual_seed(options.seed)
    true, terms = 0.5 + torch.rand(SPINS - 1, 3, dtype=torch.float64), bond_terms()
    mine = "multiplet" if options.backend == "local" else options.backend
    runs = [(mine, options.backend, options.nan_as_zero)]
    if options.compare:
        runs = [("multiplet", "local" if options.backend == "torch" else options.backend, False),
                ("PyTorch", "torch", False), ("PyTorch, NaN as zero", "torch", True)]
    curves, good = {}, []
    for name, backend, nan_as_zero in runs:
        with eigensolver(backend, options.spool) as eigh:
            curves[name], found = train(eigh, true, terms, options.steps, options.tolerance, nan_as_zero)
        good.append(report(name, curves[name], found, true, options.tolerance))
    if options.plot:
        draw(curves, options.plot)
    return 0 if good[0] else 1


if __name__ == "__main__":
    sys.exit(main())
