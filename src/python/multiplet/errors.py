"""What can go wrong, as exceptions."""


class Error(RuntimeError):
    """Any error of this package."""


class LibraryNotFound(Error, ImportError):
    """libmultiplet.so is not there, or is of another version."""


class OutOfMemory(Error, MemoryError):
    """There is no memory for a call's workspace."""


class ServiceError(Error):
    """A service that does not answer, or refused a request."""


class ProblemError(Error):
    """Matrices of a batch that have no answer.

    certificate: the multiplet.backend.Certificate of the call, whose status says which and why.
    """

    def __init__(self, text, certificate=None):
        super().__init__(text)
        self.certificate = certificate


class GaugeError(ProblemError):
    """The loss depends on the arbitrary basis inside a multiplet, which was not to be."""


class SubgradientError(GaugeError):
    """The loss tells equal eigenvalues apart and no form of it is certified, which was not to be."""


class SubgradientWarning(UserWarning):
    """The loss tells equal eigenvalues apart, and no form of it is certified: its gradient there is one of many, their
    mean."""


class GaugeWarning(UserWarning):
    """The loss depends on the arbitrary basis inside a multiplet: that part of it has no gradient, and was dropped."""
