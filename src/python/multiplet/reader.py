"""Result files of `multiplet run` as NumPy arrays (their format: src/store/SCHEMA.md). Needs h5py."""
import builtins
import collections.abc
import re
import typing

import h5py
import numpy as np

from .errors import Error
from .status import SOLVED as SOLVED_STATUSES, Status

SCHEMA_NAME, SCHEMA_MAJOR = "multiplet-result", "1"
FAILED = [s.value for s in Status if s.failed]
SOLVED = [s.value for s in SOLVED_STATUSES]


class Failed(typing.NamedTuple):
    """A problem without a result, or whose gradient a policy refused."""
    group: str
    index: typing.Union[int, tuple] # over the leading dimensions; a number if there is one
    status: Status
    text: str


def open(path):
    """The Result at `path`. Close it, or use it in a `with` statement."""
    return Result(path)


class NotStored(AttributeError):
    """The group has no dataset of that name (`missing`)."""


class Arrays(collections.abc.Mapping):
    """Datasets of one HDF5 group by name, also as attributes. Each is read completely when it is asked for."""

    def __init__(self, group):
        self._group = group

    def __getitem__(self, name):
        found = self._group[name]
        return found[()] if isinstance(found, h5py.Dataset) else Arrays(found)

    def __iter__(self):
        return iter(self._group)

    def __len__(self):
        return len(self._group)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._group:
            error = NotStored(f"{self._group.name} of {self._group.file.filename} has no {name}; "
                              f"it has {', '.join(self._group)} (what a job stores, output.store says)")
            error.missing = f"{self._group.name}/{name}"
            raise error
        return self[name]

    def __dir__(self):
        return [*super().__dir__(), *(name for name in self._group if name.isidentifier())]

    def __repr__(self):
        return f"<{self._group.name}: {', '.join(self._group)}>"


class Group(Arrays):
    """The results of one dataset of the input, as attributes or items, as far as the job stored them (B matrices):

    eigenvalues [B, m], eigenvectors [B, n, m], multiplet [B, m], found [B], frame [B, n, c], gradient [B, n, n],
    gradient_reference [B, n, c], status [B] (int8, comparable with multiplet.Status);
    functions, tangent and diagnostics are mappings of the same kind: diagnostics.min_gap [B],
    functions["rho"] [B, n, n], tangent.eigenvalues [B, m]. For an input [*, n, n], all have its leading dimensions
    in place of B.
    """

    def __init__(self, group, refusals):
        super().__init__(group)
        self._refusals = refusals

    @property
    def name(self):
        return self._group.name.strip("/")

    @property
    def shape(self):
        """The leading dimensions: (B,), or those of an input [*, n, n]."""
        return self._group["status"].shape

    @property
    def count(self):
        """B, or the product of the leading dimensions."""
        return int(np.prod(self.shape, dtype=np.int64))

    def names(self):
        """The names of all datasets; those in subgroups are like "functions/rho"."""
        found = []
        self._group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        return found

    def read(self, name, index=()):
        """Reads a part of a dataset, selected by NumPy indexing, without reading the rest."""
        return self._group[name][index]

    def status_of(self, k):
        """The multiplet.Status of matrix k; k is an index, or a number that counts flat over the leading dimensions."""
        if len(self.shape) > 1 and np.ndim(k) == 0:
            k = tuple(map(int, np.unravel_index(k, self.shape)))
        return Status(self._group["status"][k])

    def failed(self):
        """Iterates over the problems that failed, as Failed(group, index, status, text)."""
        status = self.status
        bad = np.isin(status, FAILED) | self._refused(status)
        for k in map(tuple, np.argwhere(bad).tolist()):
            found = Status(status[k])
            text = found.text if found.failed else "the gradient was refused: " + found.text
            yield Failed(self.name, k if len(k) > 1 else k[0], found, text)

    def _refused(self, status):
        """Problems with a warning that the job's policies count as failed."""
        return np.isin(status, self._refusals)

    def _real(self):
        for name in ("eigenvalues", "gradient", "eigenvectors", "frame"):
            if name in self._group:
                return np.zeros(0, self._group[name].dtype).real.dtype
        return np.dtype("float64")


class Result(collections.abc.Mapping):
    """An open result file: a mapping from the input's dataset names, without the first slash, to Groups.

    attributes: the root attributes as a dict; complete: whether every problem has been done. If the file has only one
    group, the group's attributes are also the result's: result.eigenvalues. Error when the file is not a result.
    """

    def __init__(self, path):
        self.path = str(path)
        if not h5py.is_hdf5(self.path):
            with builtins.open(self.path, "rb"):  # raises FileNotFoundError or PermissionError, which are clearer
                pass
            raise Error(f"cannot read {path}: not an HDF5 file (a result of `multiplet run` is needed)")
        self.file = h5py.File(self.path, "r")
        self.attributes = dict(self.file.attrs)
        try:
            self._check()
            self._groups = self._find()
        except BaseException:
            self.close()
            raise

    def _check(self):
        name, version = (self.attributes.get(f"schema_{key}", "") for key in ("name", "version"))
        if name != SCHEMA_NAME:
            raise Error(f"cannot read {self.path}: not a result of `multiplet run` (schema_name is {name!r})")
        if version.split(".")[0] != SCHEMA_MAJOR:
            raise Error(f"cannot read {self.path}: its schema version is {version}, this reader's {SCHEMA_MAJOR} "
                        "(install the package that came with the program)")

    def _find(self):
        found = {}
        config = self.attributes.get("config", "")
        policies = (("gauge_dependent_loss", [Status.GAUGE_DEPENDENT]), ("eigenvalue_cotangents", [Status.SUBGRADIENT]))
        if self.attributes["schema_version"] == "1.0":  # which had one status for both cases
            policies = tuple((key, [Status.GAUGE_DEPENDENT]) for key, _ in policies)
        refusals = [s.value for key, statuses in policies if re.search(rf"^  {key}: fail$", config, re.M)
                    for s in statuses]

        def visit(name, item):
            if isinstance(item, h5py.Group) and isinstance(item.get("status"), h5py.Dataset):
                found[name] = Group(item, refusals)
        self.file.visititems(visit)
        return found

    @property
    def complete(self):
        return bool(self.attributes["complete"])

    def only(self, name=None):
        """The group with that name; without a name, the file's only group."""
        if name is None and len(self._groups) == 1:
            return next(iter(self._groups.values()))
        if name is None:
            raise KeyError(f"{self.path} has {len(self._groups)} groups, one has to be named: "
                           f"{', '.join(self._groups)}")
        return self[name]

    def failed(self):
        """Iterates over the failed problems of all groups, see Group.failed."""
        for group in self._groups.values():
            yield from group.failed()

    def close(self):
        self.file.close()

    def __getitem__(self, name):
        found = self._groups.get(name.strip("/"))
        if found is None:
            raise KeyError(f"{self.path} has no group {name}; it has {', '.join(self._groups) or 'none'}")
        return found

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            group = self.only()
        except KeyError as error:
            raise AttributeError(error.args[0]) from None
        return getattr(group, name)

    def __iter__(self):
        return iter(self._groups)

    def __len__(self):
        return len(self._groups)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<multiplet result {self.path}: {', '.join(self._groups)}>"
