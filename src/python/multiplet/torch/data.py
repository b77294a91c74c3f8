"""A result file as a dataset of PyTorch."""
import os

import numpy as np
import torch

from .. import reader
from ..status import SOLVED, Status


class Dataset(torch.utils.data.Dataset):
    """The solved problems of one group of a result file: item k is a dict {field: tensor}.

        loader = torch.utils.data.DataLoader(multiplet.torch.Dataset("result.h5"), batch_size=64, num_workers=4)

    group: which one, when the file has several. fields: names of datasets such as "eigenvalues", "gradient",
    "functions/rho", "diagnostics/min_gap"; by default all except the diagnostics. statuses: the problems with these
    statuses are items; by default OK and those of warnings, so that no item holds a failed problem's zeros.
    `index[k]` is the number in the file of item k, or its index tuple where there are several leading dimensions.

    The file is opened when the first item is read, separately in every worker process. A dataset can be pickled: the
    copy refers to the same file and has not opened it.
    """

    def __init__(self, path, group=None, fields=None, statuses=SOLVED):
        self.path = os.path.abspath(path)
        with reader.open(self.path) as result:
            found = result.only(group)
            self.group = found.name
            names = found.names()
            self.fields = tuple(fields or (name for name in names if not name.startswith("diagnostics/")))
            unknown = [name for name in self.fields if name not in names]
            if unknown:
                raise KeyError(f"{path} has no {', '.join(unknown)} in {self.group}; it has {', '.join(names)}")
            status = found.status
            places = map(tuple, np.argwhere(np.isin(status, [Status(s).value for s in statuses])).tolist())
            self.index = [k if len(k) > 1 else k[0] for k in places]
        self._result = self._process = None

    def __len__(self):
        return len(self.index)

    def __getitem__(self, k):
        if self._process != os.getpid():  # a forked worker must not share its parent's file
            self._result, self._process = reader.open(self.path), os.getpid()
        group, row = self._result[self.group], self.index[k]
        return {name: torch.as_tensor(group.read(name, row)) for name in self.fields}

    def __getstate__(self):
        return {**self.__dict__, "_result": None, "_process": None}
