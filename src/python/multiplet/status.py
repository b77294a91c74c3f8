"""The outcome of a problem: the numbers of include/multiplet/status.h and of result files."""
import enum


class Status(enum.IntEnum):
    """`text` is a sentence with the status's meaning; `failed` is true where the outputs are zero."""

    PENDING = 0
    OK = 1
    GAUGE_DEPENDENT = 2
    NONFINITE_INPUT = 3
    NOT_HERMITIAN = 4
    NO_CONVERGENCE = 5
    FUNCTION_UNDEFINED = 6
    SPLIT_MULTIPLET = 7
    NONFINITE_COTANGENT = 8
    INTERNAL = 9
    TOO_MANY_IN_RANGE = 10
    SUBGRADIENT = 11
    NULL_SPACE = 13

    @property
    def text(self):
        return _TEXT[self]

    @property
    def remedy(self):
        """How to mend it; empty where there is nothing to mend."""
        return _REMEDY.get(self, "")

    @property
    def failed(self):
        return self is not Status.PENDING and self not in SOLVED


# Right, or with a warning.
SOLVED = (Status.OK, Status.GAUGE_DEPENDENT, Status.SUBGRADIENT, Status.NULL_SPACE)

_TEXT = {
    Status.PENDING: "not solved yet",
    Status.OK: "solved, and differentiated where that was asked for",
    Status.GAUGE_DEPENDENT: "the loss depends on the arbitrary basis inside a multiplet; that part has no gradient "
                            "and was dropped",
    Status.NONFINITE_INPUT: "the matrix holds NaN or infinity",
    Status.NOT_HERMITIAN: "the matrix differs from its conjugate transpose",
    Status.NO_CONVERGENCE: "the eigensolver did not converge",
    Status.FUNCTION_UNDEFINED: "a function does not exist for this spectrum or these parameters, or a frame's "
                               "reference misses its subspace",
    Status.SPLIT_MULTIPLET: "an index range cuts through a multiplet: its subspace is arbitrary",
    Status.NONFINITE_COTANGENT: "a cotangent holds NaN or infinity, or what it leads to overflows",
    Status.INTERNAL: "the solution failed its own check",
    Status.TOO_MANY_IN_RANGE: "more eigenvalues in range than at_most",
    Status.SUBGRADIENT: "the loss tells equal eigenvalues apart and is no certified function of the matrix; the "
                        "gradient is a mean of its one-sided ones",
    Status.NULL_SPACE: "the loss, or the direction, moves eigenvalues that are zero, where a function has no derivative; "
                       "that part was dropped",
}

_REMEDY = {
    Status.PENDING: "run the job again: it continues",
    Status.NONFINITE_INPUT: "look at what makes the matrix; torch.isfinite finds the entries",
    Status.NOT_HERMITIAN: "symmetrise it, or let only one triangle be read",
    Status.NO_CONVERGENCE: "scale the matrix, whose entries may be too large or too small to be squared",
    Status.FUNCTION_UNDEFINED: "shift the spectrum into the function's domain, for instance A + eps I, or raise what is "
                               "below with the function 'clamp_min'; beta and sigma have to be above 0, and "
                               "electrons fewer than the levels hold; of a frame, choose another reference",
    Status.SPLIT_MULTIPLET: "let the range end in a gap, at an end of the multiplet",
    Status.NONFINITE_COTANGENT: "look at the loss: torch.autograd.set_detect_anomaly finds the step",
    Status.INTERNAL: "please report the matrix",
    Status.TOO_MANY_IN_RANGE: "raise at_most",
}
