"""The program under test."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MULTIPLET = os.environ.get("MULTIPLET", str(ROOT / "build/bin/multiplet"))


def multiplet(*arguments, expect=0, cwd=None):
    """Runs the program; checks the exit code, and that an error is one line of the house form."""
    done = subprocess.run([MULTIPLET, *map(str, arguments)], capture_output=True, text=True,
                          cwd=cwd, timeout=60)
    assert done.returncode == expect, (arguments, done.returncode, done.stderr)
    if expect:
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and "multiplet: error: " in lines[0], done.stderr
        assert lines[0].endswith(")") and ": " in lines[0].split("error: ")[1], lines[0]
    return done
