"""Errors and warnings, as exceptions."""


class Error(RuntimeError):
    """Any error of this package."""


class LibraryNotFound(Error, ImportError):
    """libmultiplet.so was not found, or is of another version."""


class OutOfMemory(Error, MemoryError):
    """There is not enough memory for a call's workspace."""


class ServiceError(Error):
    """A service does not answer, or refused a request."""


class ProblemError(Error):
    """Matrices of a batch that have no result.

    certificate: the multiplet.backend.Certificate of the call, whose status says which and why.
    """

    def __init__(self, text, certificate=None):
        super().__init__(text)
        self.certificate = certificate


class GaugeError(ProblemError):
    """The loss depends on the arbitrary basis inside a multiplet, and the caller asked for an error in that case."""


class SubgradientError(GaugeError):
    """The loss distinguishes equal eigenvalues, no form of it is certified, and the caller asked for an error in that
    case."""


class ProblemWarning(UserWarning):
    """Matrices of a batch have no result, and the caller asked for NaN or zero in place of an error."""


class SubgradientWarning(UserWarning):
    """The loss distinguishes equal eigenvalues, and no form of it is certified: its gradient there is one of many,
    their mean."""


class NullSpaceWarning(UserWarning):
    """The loss moves eigenvalues that are zero, where a function (a square root) has no derivative: that part of it was
    dropped."""


class GaugeWarning(UserWarning):
    """The loss depends on the arbitrary basis inside a multiplet: that part of it has no gradient and was dropped."""
