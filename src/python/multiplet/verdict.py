"""Warnings and errors made from certificates; they name the matrix, the multiplet and the number."""
import warnings

import numpy as np

from .errors import GaugeError, GaugeWarning, NullSpaceWarning, ProblemError, SubgradientError, SubgradientWarning
from .status import Status

_SUBGRADIENT, _GAUGE_DEPENDENT = int(Status.SUBGRADIENT), int(Status.GAUGE_DEPENDENT)


def name_of(certificate, k):
    """The name of matrix k of the flat batch."""
    if not certificate.batch:
        return "the matrix"
    return "matrix [" + ", ".join(map(str, np.unravel_index(k, certificate.batch))) + "]"


def _others(count):
    return f" ({count} such matrices in all)" if count > 1 else ""


def check_solved(certificate, what):
    """Raises ProblemError for the first matrix that failed."""
    bad = certificate.bad
    if not bad.size:
        return
    status = Status(certificate.statuses[bad[0]])
    raise ProblemError(f"{what}: {name_of(certificate, bad[0])} is {status.name}: {status.text}{_others(bad.size)} "
                       f"({status.remedy}; failed='zero' gives zeros for such matrices, and the certificate their "
                       "status)", certificate)


def worst_pair(v, gv, multiplet):
    """The pair (i, j) inside one multiplet with the largest 2 |K_ij| / (||gv_i|| + ||gv_j||), K = skew(V^H gV): [n, n]
    each."""
    k = v.conj().T @ gv
    k = np.abs(k - k.conj().T)
    norm = np.linalg.norm(gv, axis=0)
    inside = multiplet[:, None] == multiplet
    size = np.where(inside, k / np.maximum(norm[:, None] + norm, np.finfo(norm.dtype).tiny), -1)
    return np.unravel_index(np.nan_to_num(size).argmax(), size.shape)


def _gauge_text(certificate, k, w, v, gv):
    i, j = worst_pair(v[k], gv[k], certificate._multiplet[k])
    members = np.flatnonzero(certificate._multiplet[k] == certificate._multiplet[k][i])
    violation = certificate.report["gauge_violation"][k]
    if i == j and members.size == 1:
        what, remedy = "the phase of eigenvector", "use a loss that no phase changes"
    else:
        what, remedy = "the basis inside the multiplet of eigenvalues", "use multiplet.torch.projector or frame there"
    values = f"{w[k][members[0]]:.6g}" if members.size == 1 else f"{w[k][members[0]]:.6g}, equal within rounding"
    numbers = ", ".join(map(str, members[:8])) + (", ..." if members.size > 8 else "")
    return (f"the loss depends on {what} {numbers} ({values}) of {name_of(certificate, k)}: gauge violation "
            f"{violation:.2g}, where 0 is none and 1 the most", remedy)


def _spread_text(certificate, k):
    spread = certificate.report["cotangent_spread"][k]
    return (f"the loss tells equal eigenvalues apart, of {name_of(certificate, k)}, and no form of it is certified: spread "
            f"of their cotangents {spread:.2g} of the largest", "use multiplet.torch.matrix_function for each function of "
                                                                "the matrix, or eigenvalue_cotangents='unbiased'")


def check_spread(certificate, policy):
    """One SubgradientWarning about the worst matrix; SubgradientError where the gradient was refused. Nothing where the
    caller asked for that behaviour."""
    differ = (certificate.statuses == _SUBGRADIENT).nonzero()[0]
    if not differ.size or policy in ("raw", "unbiased"):
        return
    text, remedy = _spread_text(certificate, differ[certificate.report["cotangent_spread"][differ].argmax()])
    text += _others(differ.size)
    if policy in ("error", "fail"):
        raise SubgradientError(f"{text} ({remedy})", certificate)
    warnings.warn(f"{text}. They were replaced by their mean ({remedy})", SubgradientWarning, stacklevel=3)


def check_split(certificate, splitting, epsilon, policy):
    """One GaugeWarning where a direction splits a multiplet, by more than sqrt(eps) of its norm; GaugeError under policy
    'error'. splitting: of each matrix of the flat batch."""
    split = np.flatnonzero(np.asarray(splitting) > epsilon ** 0.5)
    if not split.size:
        return
    worst = split[np.asarray(splitting)[split].argmax()]
    text = (f"the direction splits a multiplet of {name_of(certificate, worst)}, by {splitting[worst]:.2g} of its norm"
            f"{_others(split.size)}")
    remedy = "use multiplet.torch.matrix_function or projector there"
    if policy == "error":
        raise GaugeError(f"{text}: its single eigenvalues and vectors have no derivative ({remedy})", certificate)
    warnings.warn(f"{text}. Its eigenvalues move by their mean here, and its vectors not among themselves ({remedy})",
                  GaugeWarning, stacklevel=3)


ABOVE_ZERO = "keep the spectrum above zero, A + eps I, or make the function of its range alone"


def check_null_space(certificate, doing):
    """One NullSpaceWarning about the worst matrix, after `doing`, a gradient or a derivative along a direction."""
    reached = np.flatnonzero(certificate.statuses == Status.NULL_SPACE)
    if not reached.size:
        return
    share = certificate.report["null_violation"][reached]
    what = "direction" if "along" in doing else "loss"
    warnings.warn(f"{doing}: the {what} moves eigenvalues of {name_of(certificate, reached[share.argmax()])} that are zero "
                  f"within rounding, where the function has no derivative: {share.max():.2g} of it"
                  f"{_others(reached.size)}. That part was dropped ({ABOVE_ZERO})", NullSpaceWarning, stacklevel=3)


KINKS = {"abs", "sign", "clamp_min"}


def check_bent(certificate, null, what):
    """Raises ProblemError for the first matrix with eigenvalues that count as zero, or lie at a kink, [count] of `null`: no
    second derivative exists there."""
    found = np.flatnonzero(null)
    if found.size and what in KINKS:
        raise ProblemError(f"second derivative of {what}: {name_of(certificate, found[0])} has eigenvalues at the function's "
                           f"kink, within rounding, where none exists{_others(found.size)} (use a smooth function, as "
                           "softplus or tanh; failed='zero' gives zeros for such matrices)", certificate)
    if found.size:
        raise ProblemError(f"second derivative of {what}: {name_of(certificate, found[0])} has eigenvalues that are zero "
                           f"within rounding, where none exists{_others(found.size)} ({ABOVE_ZERO}; failed='zero' gives "
                           "zeros for such matrices)", certificate)


def check_gauge(certificate, w, v, gv, policy):
    """One GaugeWarning about the worst matrix; GaugeError under policy 'error'."""
    dependent = (certificate.statuses == _GAUGE_DEPENDENT).nonzero()[0]
    if not dependent.size:
        return
    report = certificate.report
    worst = dependent[report["gauge_violation"][dependent].argmax()]
    text, remedy = _gauge_text(certificate, worst, w, v, gv)
    text += _others(dependent.size)
    if policy == "error":
        raise GaugeError(f"{text}: no gradient exists ({remedy})", certificate)
    warnings.warn(f"{text}. That part has no gradient and was dropped ({remedy})", GaugeWarning, stacklevel=3)
