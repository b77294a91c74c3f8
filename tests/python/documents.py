"""The documents as the tests read them: blocks, commands, code spans, tables, headings."""
import os
import pathlib
import re
import subprocess

from job import MULTIPLET, ROOT

BUILD = pathlib.Path(MULTIPLET).resolve().parents[1]
# With this MPI_Init fails: whatever works under it has not called it.
NO_MPI = {**os.environ, "OMPI_MCA_pml": "nonexistent"}
# Those whose every block, command and code span is run or looked up.
GUIDES = ["README.md", "configs/README.md", "jobs/README.md", "src/python/README.md", "tests/README.md",
          "CONTRIBUTING.md"]


def text_of(document):
    return (ROOT / document).read_text()


README, CONFIGS, JOBS, PYTHON, TESTS, CONTRIBUTING = map(text_of, GUIDES)
SCHEMA = text_of("src/store/SCHEMA.md")


def blocks(text):
    """[(language, text)] of all fenced blocks."""
    return re.findall(r"^ *```([^\n`]*)\n(.*?)^ *```$", text, re.M | re.S)


def fenced(text, language):
    return [inner for found, inner in blocks(text) if found == language]


def prose(text):
    """The text without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def spans(text):
    """The code spans of the prose, line breaks in them as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def commands(text):
    """The commands of a block, without comments, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and line.strip()[0] != "#"]


def bash_commands(document):
    return commands("".join(fenced(text_of(document), "bash")))


def headings(text):
    """The anchors of the headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", prose(text), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def columns(text, heading):
    """The rows of the table whose heading line begins so, cells stripped."""
    rows = text[text.index(f"\n{heading}"):].split("\n\n")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def shell(command, directory, expect=0):
    path = f"{pathlib.Path(MULTIPLET).resolve().parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=directory,
                          timeout=300, env={**os.environ, "PATH": path})
    assert done.returncode == expect, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout if expect == 0 else done.stderr


def multiplet(*arguments, env=NO_MPI):
    """The program's output, without MPI_Init."""
    done = subprocess.run([MULTIPLET, *arguments], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0 and done.stderr == "", (arguments, done)
    return done.stdout
