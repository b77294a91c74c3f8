"""A picture of src/python/README.md: errors of gradients against what was estimated for them.

    python3 tests/figures/estimates.py OUT.svg [COUNT]       (needs NumPy, build/libmultiplet.so and a C compiler)

COUNT random problems of each type (tests/attack/problems.py; 400 unless told), those with status OK: one dot each.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "attack"))

import numpy as np  # noqa: E402

import estimates  # noqa: E402

TYPES = {"float64": "#1f618d", "complex128": "#5dade2", "float32": "#b9770e", "complex64": "#f0b27a"}


def position(estimate, error):
    """Logarithmic axes, 1e-17 to 10 each."""
    x, y = (np.clip(np.log10(max(value, 1e-17)), -17, 1) for value in (estimate, error))
    return 60 + (x + 17) / 18 * 430, 20 + (1 - y) / 18 * 330


def draw(rows):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 390" font-family="sans-serif" font-size="12">',
           '<rect width="640" height="390" fill="white"/>']
    for k in range(-16, 1, 4):
        x, y = position(10.0 ** k, 10.0 ** k)
        out.append(f'<path d="M60 {y:.0f}H490M{x:.0f} 20V350" stroke="#eee"/><text x="52" y="{y + 4:.0f}" '
                   f'text-anchor="end">1e{k}</text><text x="{x:.0f}" y="366" text-anchor="middle">1e{k}</text>')
    for times, name in ((1, "equal"), (10, "10 times")):
        (a, b), (c, d) = position(1e-17, times * 1e-17), position(10 / times, 10)
        out.append(f'<path d="M{a:.0f} {b:.0f}L{c:.0f} {d:.0f}" stroke="#888" stroke-dasharray="{6 // times + 2}"/>'
                   f'<text x="498" y="{d + (16 if times == 1 else 4):.0f}" fill="#666">{name}</text>')
    for place, (dtype, colour) in enumerate(TYPES.items()):
        dots = "".join("M{:.1f} {:.1f}h0".format(*position(r["estimate"], r["error"])) for r in rows if r["type"] == dtype)
        out.append(f'<path d="{dots}" stroke="{colour}" stroke-width="3" stroke-linecap="round"/>'
                   f'<text x="498" y="{120 + 20 * place}" fill="{colour}">{dtype}</text>')
    out.append('<text x="280" y="384" text-anchor="middle">estimated relative error</text>'
               '<text x="60" y="13">true relative error of the gradient</text>')
    return "\n".join([*out, "</svg>", ""])


def main(target, count=400):
    rows = [estimates.measure((5, number, dtype, None, "auto")) for dtype in TYPES for number in range(count)]
    rows = [r for r in rows if r["status"] == "OK" and np.isfinite(r["error"])]
    above = np.array([r["error"] / r["estimate"] for r in rows])
    print(f"{len(rows)} problems with status OK; true error above 3 times the estimate in {100 * (above > 3).mean():.2f} %, "
          f"above 10 times in {100 * (above > 10).mean():.2f} %")
    pathlib.Path(target).write_text(draw(rows))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
