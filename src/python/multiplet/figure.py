"""A figure of a result file. Needs matplotlib."""
import h5py
import numpy as np

from . import reader


def plot(result, group=None):
    """matplotlib's Figure with four panels, about one group of a result (a path or an open Result).

    The spectrum with its multiplets marked; a histogram of the gaps between neighbours, relative to ||A||, with those
    inside multiplets separate; the estimated error of each gradient against the smallest gap of its matrix; which ranks
    solved when and for how long. A panel says so if the job did not store its data.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no global state
    if not isinstance(result, reader.Result):
        with reader.open(result) as opened:
            return plot(opened, group)
    group = result.only(group)
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    solved = np.isin(group.status, reader.SOLVED)
    figure.suptitle(f"{group.name}: {solved.sum()} of {group.count} matrices solved")
    for draw, axes in zip((_spectrum, _gaps, _errors, _times), panels):
        try:
            draw(axes, group, solved)
        except reader.NotStored as error:
            _note(axes, f"the file has no {error.missing}")
    return figure


def _note(axes, text):
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _spectrum(axes, group, solved, most=200):
    """The spectra of at most `most` matrices, evenly chosen."""
    axes.set(title="spectrum, multiplets in red", xlabel="matrix", ylabel="eigenvalue")
    chosen = np.flatnonzero(solved)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(most, len(chosen))).astype(int)]
    w, multiplet = (x.reshape(-1, x.shape[-1])[chosen] for x in (group.eigenvalues, group.multiplet))
    inside = _in_multiplets(multiplet)
    where = np.broadcast_to(chosen[:, None], w.shape)
    axes.plot(where[~inside], w[~inside], "_", color="0.4", label="simple")
    axes.plot(where[inside], w[inside], "_", color="tab:red", markeredgewidth=2, label="in a multiplet")


def _in_multiplets(multiplet):
    """Whether each eigenvalue has an equal neighbour, [B, m]."""
    same = multiplet[:, 1:] == multiplet[:, :-1]
    inside = np.zeros(multiplet.shape, bool)
    inside[:, 1:] |= same
    inside[:, :-1] |= same
    return inside


def _gaps(axes, group, solved):
    axes.set(title="gaps of neighbours", xlabel="gap / ||A||", ylabel="how many")
    w, multiplet = group.eigenvalues[solved].astype(float), group.multiplet[solved]
    norm = np.maximum(np.abs(w).max(1, initial=0, keepdims=True), np.finfo(float).tiny)
    gaps = np.maximum(np.diff(w, axis=1) / norm, 1e-20)
    inside = multiplet[:, 1:] == multiplet[:, :-1]
    if not gaps.size:
        return _note(axes, "no two eigenvalues")
    bins = np.logspace(np.log10(gaps.min()) - 0.1, np.log10(gaps.max()) + 0.1, 40)
    axes.hist([gaps[~inside], gaps[inside]], bins, stacked=True, color=["0.6", "tab:red"],
              label=["between multiplets", "inside a multiplet"])
    axes.set_xscale("log")
    axes.legend()


def _errors(axes, group, solved):
    axes.set(title="estimated error of the gradient", xlabel="smallest gap / ||A||", ylabel="relative error",
             xscale="log", yscale="log")
    error = group.diagnostics.gradient_error[solved]
    axes.plot(group.diagnostics.min_gap[solved], np.maximum(error, 1e-18), ".")


def _times(axes, group, solved):
    """A bar for each piece that was solved at once; its height is the number of ranks."""
    from matplotlib.collections import PolyCollection
    d = group.diagnostics
    started = d.started
    done = started > 0
    if not done.any():
        return _note(axes, "nothing has been solved")
    # Problems of a piece have the same start; their seconds are equal shares of the piece's time.
    pieces, which = np.unique(np.stack([started, d.rank, d.ranks, d.solver])[:, done], axis=1, return_inverse=True)
    length = np.bincount(which.ravel(), d.seconds[done])
    pieces[0] -= pieces[0].min()
    names = {number: name for name, number in h5py.check_enum_dtype(d.solver.dtype).items()}
    for solver in np.unique(pieces[3]):
        bars = [[(x, y - 0.4), (x, y + ranks - 0.6), (x + wide, y + ranks - 0.6), (x + wide, y - 0.4)]
                for (x, y, ranks, by), wide in zip(pieces.T, length) if by == solver]
        axes.add_collection(PolyCollection(bars, color=f"C{max(int(solver) - 1, 0)}", label=names[solver]))
    axes.autoscale_view()
    axes.set(title="time line of ranks", xlabel="seconds since the first began", ylabel="rank")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.locator_params(axis="x", nbins=5)
    axes.legend()
