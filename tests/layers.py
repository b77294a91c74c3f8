"""That arrows between the rooms of src/ point down, and that inside a room no two files go in a circle.

    python3 tests/layers.py [BUILD]      default: build

Includes are read from the sources: each names its room ("engine/team.h"), and the room must be the file's own or one
that the README.md of its room lists under "May include"; those lists may not go in a circle. Circles are also looked
for among a room's files: of includes, and, by the symbols of the objects in BUILD, of calls. Prints what is wrong, a
line each, and exits with 1; nothing and 0 otherwise. A .c file without a header of its own or a comment at its head is
wrong, too.
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SRC = ROOT / "src"


def rooms():
    """What each room may include besides itself: its README says it."""
    found = {}
    for path in SRC.rglob("README.md"):
        line = re.search(r"\*\*May include:\*\* (.*?)\.", path.read_text(), re.S)
        if line:
            found[room_of(path)] = [] if line.group(1) == "nothing" else re.split(r",\s+", line.group(1))
    return found


def room_of(path):
    return path.parent.relative_to(SRC).as_posix()


def includes(path):
    """(line, what it names) of each include of this project's own, templates included."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*(?:include|define\s+WORKER)\s+"([^"]+)"', line)
        if found:
            yield number, found.group(1)


def circles(edges):
    """The groups of two or more that reach one another (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def look_at_includes(files, below):
    wrong, edges = [], collections.defaultdict(set)
    for path in files:
        room = room_of(path)
        if room not in below:
            continue
        for number, name in includes(path):
            place = f"{path.relative_to(ROOT)}:{number}"
            target = SRC / name
            if not target.exists():
                wrong.append(f"{place}: \"{name}\" names no file by its room")
            elif room_of(target) == room:
                edges[path.relative_to(ROOT).as_posix()].add(target.relative_to(ROOT).as_posix())
            elif room_of(target) not in below[room]:
                wrong.append(f"{place}: {room} may not include {room_of(target)}")
    return wrong + [f"includes in a circle: {', '.join(group)}" for group in circles(edges)]


def look_at_heads(files):
    """Each .c has a header of its own, or says at its head what it is."""
    return [f"{path.relative_to(ROOT)}: has no header of its own and no comment at its head" for path in files
            if path.suffix == ".c" and not path.with_suffix(".h").exists() and not path.read_text().startswith("/*")]


def symbols_of(build):
    """Of each object of a layer: the source, what it defines and what it calls."""
    for path in sorted(build.glob("CMakeFiles/multiplet_*.dir/src/**/*.c.o")):
        source = path.relative_to(build / "CMakeFiles").as_posix().split("/", 1)[1][:-2]
        if not (ROOT / source).exists(): # of an earlier build
            continue
        out = subprocess.run(["nm", "-P", path], capture_output=True, text=True, check=True).stdout
        kinds = [line.split()[:2] for line in out.splitlines()]
        yield source, {n for n, k in kinds if k in "TDRBVW"}, {n for n, k in kinds if k in "Uw"}


def look_at_calls(build):
    objects = list(symbols_of(build))
    home = {name: source for source, defined, _ in objects for name in defined}
    edges = collections.defaultdict(set)
    for source, _, called in objects:
        for name in called:
            other = home.get(name)
            if other and other != source and pathlib.Path(other).parent == pathlib.Path(source).parent:
                edges[source].add(other)
    return [f"call one another in a circle: {', '.join(group)}" for group in circles(edges)]


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    files = sorted(path for path in SRC.rglob("*.[ch]"))
    below = rooms()
    wrong = look_at_includes(files, below) + look_at_heads(files) + look_at_calls(build)
    wrong += [f"rooms include one another in a circle: {', '.join(group)}" for group in circles(below)]
    silent = {room_of(path) for path in files} - set(below)
    wrong += [f"src/{room} has no README.md that says what it may include" for room in sorted(silent)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
