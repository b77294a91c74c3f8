"""What the functions of NumPy arrays and of tensors check of their arguments alike."""
import operator

from . import library
from .backend import Function, Selection

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


def selection(select):
    """The backend's Selection of {"lowest": k}, {"highest": k}, {"index": [start, stop]} or {"range": [lo, hi],
    "at_most": k}, as the config's solve.select; None for all (None, or "all")."""
    if select is None or isinstance(select, str) and select == "all":
        return None
    if not isinstance(select, dict) or not select or select.keys() - {*library.SELECTIONS, "at_most"}:
        raise ValueError('select has to be {"lowest": k}, {"highest": k}, {"index": [start, stop]} or {"range": [lo, hi], '
                         f'"at_most": k}}, not {select!r}')
    kinds = [key for key in select if key != "at_most"]
    if len(kinds) != 1:
        raise ValueError(f"select has to have one of {', '.join(library.SELECTIONS)}, not {select!r}")
    kind = kinds[0]
    if (kind == "range") != ("at_most" in select):
        raise ValueError(f"select: at_most goes with range, and range with at_most, not {select!r}")
    if kind == "index":
        start, stop = _pair(kind, select[kind], operator.index)
        if not 0 <= start < stop:
            raise ValueError(f"select: index {start, stop} has to be 0 <= start < stop")
        return Selection(kind, index=(start, stop))
    bounds = _pair(kind, select[kind], float) if kind == "range" else (0.0, 0.0)
    if kind == "range" and not bounds[0] < bounds[1]:
        raise ValueError(f"select: range {bounds} is empty: it is lo <= w < hi")
    at_most = operator.index(select["at_most" if kind == "range" else kind])
    if at_most < 1:
        raise ValueError(f"select: {'at_most' if kind == 'range' else kind} is {at_most}; it has to be above 0")
    return Selection(kind, range=bounds, at_most=at_most)


def _pair(name, value, number):
    try:
        first, second = (number(x) for x in value)
    except (TypeError, ValueError):
        raise TypeError(f"select: {name} has to be a pair, not {value!r}") from None
    return first, second


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
