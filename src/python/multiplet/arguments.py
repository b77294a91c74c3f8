"""What the functions of NumPy arrays and of tensors check of their arguments alike."""
from . import library
from .backend import Function

# Words of eigenvalue_cotangents, and the library's.
SPREADS = {"mean": "mean", "raw": "raw", "error": "fail", "fail": "fail", "unbiased": "unbiased"}


def choice(name, value, choices):
    if value not in tuple(choices):
        raise ValueError(f"{name} has to be one of {', '.join(map(repr, choices))}, not {value!r}")


def check_tolerance(tolerance):
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance has to be above 0, or None, not {tolerance!r}")


def index_range(index, n):
    """(start, stop) within 0 to n."""
    try:
        start, stop = (int(k) for k in index)
    except (TypeError, ValueError):
        raise TypeError(f"index has to be a pair (start, stop), not {index!r}") from None
    if not 0 <= start < stop <= n:
        raise ValueError(f"index {start, stop} has to be within 0 <= start < stop <= n = {n}")
    return start, stop


def function(kind, parameters, n):
    """The backend's Function of a kind with these parameters, for n x n matrices; TypeError or ValueError else."""
    kinds = library.kinds()
    if kind not in kinds:
        raise ValueError(f"there is no matrix function {kind!r}; kinds: {', '.join(kinds)}")
    known = kinds[kind]
    if parameters.keys() - known.keys():
        raise TypeError(f"{kind} takes {', '.join(sorted(known))}, not {', '.join(sorted(parameters.keys() - known))}")
    needed = [row.name for row in known.values() if row.need == "required" and row.name not in parameters]
    if needed:
        raise TypeError(f"{kind} needs {', '.join(needed)}")
    one_of = [row.name for row in known.values() if row.need == "one of"]
    if one_of and len(parameters.keys() & set(one_of)) != 1:
        raise TypeError(f"{kind} needs either {' or '.join(one_of)}")
    return Function(kind, **{name: _value(kind, known[name], value, n) for name, value in parameters.items()})


def _value(kind, parameter, value, n):
    """Of a parameter, in its domain; what is not finite the library refuses."""
    if parameter.domain == "index":
        return index_range(value, n)
    value, name = float(value), parameter.name
    if parameter.domain == "below n" and not 0 < value < n:
        raise ValueError(f"{kind}: {name} is {value:g}; it has to be above 0 and below n = {n}")
    if parameter.domain == "positive" and not value > 0:
        raise ValueError(f"{kind}: {name} is {value:g}; it has to be above 0")
    if parameter.domain == "nonzero" and value == 0:
        raise ValueError(f"{kind}: {name} is 0")
    if parameter.domain == "order" and value not in range(1, 9):
        raise ValueError(f"{kind}: {name} is {value:g}; it has to be a whole number from 1 to 8")
    return value
