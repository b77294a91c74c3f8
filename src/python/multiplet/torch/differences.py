"""Divided differences of any smooth function, an elementwise PyTorch function f of ascending numbers w [*batch, n].

Each is a mean of a derivative of f, which autograd makes, by the rules of ../simplex.py, or a quotient, whichever has the
smaller error.
"""
import torch

from ..simplex import LINE, TRIANGLE


ELEMENTS = 1 << 20  # of one evaluation


def _mean(f, rule, start, *legs):
    """The sum of weight f(start + places . legs), as many points at once as memory should be taken for."""
    total, some = torch.zeros_like(start), max(1, ELEMENTS // max(1, start.numel()))
    for k in range(0, len(rule), some):
        places, weights = zip(*rule[k:k + some])
        column = lambda x: torch.tensor(x, dtype=start.dtype, device=start.device).reshape(-1, *start.dim() * [1])
        x = start + sum(column(place) * leg for place, leg in zip(zip(*places), legs))
        total = total + (column(weights) * f(x)).sum(0)
    return total


def derivative(f):
    if hasattr(torch, "func"):
        return torch.func.grad(lambda x: f(x).sum())

    def slope(x):  # before PyTorch 2.0
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            return torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]
    return slope


def first(f, w):
    """f[w_i, w_j], [*batch, n, n], and its error."""
    slope, epsilon = derivative(f), torch.finfo(w.dtype).eps
    low, high = w.unsqueeze(-1), w.unsqueeze(-2)
    gap, value = high - low, f(w)
    near = gap == 0
    apart = torch.where(near, torch.ones_like(gap), gap)
    means = [_mean(slope, rule, low.expand(gap.shape), gap) for rule in LINE]
    rounding = epsilon * (value.abs().unsqueeze(-2) + value.abs().unsqueeze(-1)) / apart.abs()
    better = near | ((means[0] - means[1]).abs() <= rounding)
    quotient = (value.unsqueeze(-2) - value.unsqueeze(-1)) / apart
    found = torch.where(better, means[0], torch.where(better, torch.zeros_like(quotient), quotient))
    return found, torch.where(better, epsilon * means[0].abs(), rounding)


def second(f, w):
    """f[w_i, w_k, w_j], [*batch, n, n, n], symmetric in all three."""
    n = w.shape[-1]
    bend = derivative(derivative(f))
    places = torch.stack(torch.meshgrid(*3 * [torch.arange(n, device=w.device)], indexing="ij")).sort(0)[0].unbind(0)
    low, middle, high = (w[..., place] for place in places)
    differences, error = first(f, w)
    lower, upper = ((..., places[k], places[k + 1]) for k in (0, 1))
    gap = high - low
    near = gap == 0
    apart = torch.where(near, torch.ones_like(gap), gap)
    means = [_mean(bend, rule, low, middle - low, high - middle) for rule in TRIANGLE]
    rounding = (error[lower] + error[upper]) / apart.abs()
    better = near | ((means[0] - means[1]).abs() <= rounding)
    quotient = (differences[upper] - differences[lower]) / apart
    return torch.where(better, means[0], torch.where(better, torch.zeros_like(quotient), quotient))
