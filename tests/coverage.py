"""gcov's report on standard input as a table: lines reached of each file in src/, and of each room."""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    reached, lines = collections.Counter(), collections.Counter()
    for name, share, count in re.findall(r"File '(.*?)'\nLines executed:([\d.]+)% of (\d+)", sys.stdin.read()):
        path = pathlib.Path(name)
        if not path.is_relative_to(ROOT / "src"):
            continue
        name = path.relative_to(ROOT).as_posix()
        if int(count) > lines[name] or float(share) * int(count) / 100 > reached[name]: # a header is in many objects
            reached[name], lines[name] = max(reached[name], round(float(share) * int(count) / 100)), int(count)
    rooms = collections.Counter(), collections.Counter()
    for name in sorted(lines):
        print(f"{reached[name]:6} of {lines[name]:6}  {100 * reached[name] / max(lines[name], 1):5.1f} %  {name}")
        room = name.rpartition("/")[0]
        rooms[0][room] += reached[name]
        rooms[1][room] += lines[name]
    for room in sorted(rooms[1]):
        print(f"{rooms[0][room]:6} of {rooms[1][room]:6}  {100 * rooms[0][room] / rooms[1][room]:5.1f} %  {room}/")
    print(f"{sum(reached.values()):6} of {sum(lines.values()):6}  "
          f"{100 * sum(reached.values()) / max(sum(lines.values()), 1):5.1f} %  in all")


if __name__ == "__main__":
    main()
