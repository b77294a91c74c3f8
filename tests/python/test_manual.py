"""The manual page and bash's completion: every command and option of --help is in them, and they work."""
import re
import shutil
import subprocess

import pytest
from job import MULTIPLET
from documents import NO_MPI
from test_documents import COMMANDS


def print_of(*arguments):
    """Without MPI_Init."""
    done = subprocess.run([MULTIPLET, *arguments], capture_output=True, text=True, timeout=60, env=NO_MPI)
    assert done.returncode == 0 and done.stderr == "", (arguments, done)
    return done.stdout


def options_of(command):
    """[(name, value or "", the first words of the help)] of --help."""
    text = print_of(command, "--help")
    return re.findall(r"^  (--?[\w-]+)(?: (\S+))?(?:\n? {2,})(\S+ \S+)", text, re.M)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("manual") / "multiplet.1"
    path.write_text(print_of("--man"))
    return path


@pytest.fixture(scope="module")
def plain(page):
    """The page as a terminal shows it, without fonts, and without folding or filling."""
    wide = page.with_name("wide.1")
    wide.write_text(".nh\n.ll 2000n\n" + page.read_text())
    done = subprocess.run(["groff", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u", "-rLL=2000n", wide],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    return re.sub(r"[ \t\u00a0]+", " ", done.stdout.replace("\u2212", "-").replace("\u2010", "-"))


@pytest.mark.parametrize("formatter", [["groff", "-man", "-Tutf8", "-ww", "-z", "-rCHECKSTYLE=3"],
                                       ["mandoc", "-Tlint", "-W", "warning"]], ids=["groff", "mandoc"])
def test_no_warnings(page, formatter):
    if not shutil.which(formatter[0]):
        pytest.skip(f"{formatter[0]} is not installed")
    done = subprocess.run([*formatter, page], capture_output=True, text=True, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    # no date, so that a build can be repeated to the bit
    assert [line for line in lines if not line.endswith('missing date, using "": TH')] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_manual_has_it_all(plain, command):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    head = rf"^ {command}\n multiplet {command}"
    section = re.search(rf"{head}.*?(?=^ \w+\n multiplet |^EXIT)", plain, re.M | re.S).group()
    found = options_of(command)
    assert len(found) >= 2 and found[-1][0] == "--help"
    for name, value, words in found:
        assert re.search(rf"^ {re.escape(f'{name} {value}'.strip())}\s+{re.escape(words)}", section, re.M), name
    for word in re.findall(r"\w{4,}", print_of(command, "--help")):  # the details, too
        assert word in section or word == "usage", word


def test_manual_head(plain):
    version = print_of("--version").split()[1]
    assert plain.count("\nEXIT STATUS\n") == 1 and re.search(rf"^multiplet {re.escape(version)} ", plain, re.M)
    summaries = re.findall(r"^  (\w+) +(.*)$", print_of("--help"), re.M)
    assert [name for name, _ in summaries] == COMMANDS
    for name, summary in summaries:
        assert re.search(rf"^ {name}\s+{re.escape(summary)}$", plain, re.M), name
    assert re.findall(r"^ (\d+)\s", plain[plain.index("\nEXIT STATUS"):], re.M) == ["0", "2", "3", "4", "5", "75"]


# Completion, in a bash that has nothing else of ours

def complete(directory, *words):
    """What bash offers for the last word, by the function that the script registers."""
    (directory / "multiplet.bash").write_text(print_of("--completion", "bash"))
    script = ('. ./multiplet.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'declared=$(complete -p multiplet); function=${declared##*-F }; "${function%% *}"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "-euc", script, "bash", "multiplet", *words], capture_output=True,
                          text=True, cwd=directory, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_completes_commands(tmp_path):
    assert complete(tmp_path, "ru") == ["run"] and complete(tmp_path, "s") == [c for c in COMMANDS if c[0] == "s"]
    assert complete(tmp_path, "") == [*COMMANDS, "--help", "--version", "--man", "--completion"]
    assert complete(tmp_path, "--v") == ["--version"] and complete(tmp_path, "--completion", "") == ["bash"]


@pytest.mark.parametrize("command", COMMANDS)
def test_completes_options(tmp_path, command):
    found = options_of(command)
    assert complete(tmp_path, command, "-") == [name for name, _, _ in found]
    assert complete(tmp_path, command, "--he") == ["--help"] and complete(tmp_path, command, "x") == []
    for name, value, _ in found:
        assert complete(tmp_path, command, "x", name) == [n for n, _, _ in found if n.startswith(name)]
        assert complete(tmp_path, command, name, "-") == ([] if value else [n for n, _, _ in found])


def test_interactive(tmp_path):
    """The Tab key, in a bash on a terminal: a command, an option, a file."""
    (tmp_path / "multiplet.bash").write_text(print_of("--completion", "bash"))
    (tmp_path / "unique.yaml").touch()
    keys = ("PS1=; . ./multiplet.bash; multiplet() { echo \"<$*>\"; }\n"
            "multiplet pl\tuni\t--ra\t3\n" "exit\n")
    done = subprocess.run(["script", "-qec", "bash --norc --noprofile -i", "/dev/null"], input=keys, text=True,
                          capture_output=True, cwd=tmp_path, timeout=60, env={**NO_MPI, "TERM": "dumb"})
    assert "<plan unique.yaml --ranks 3>" in done.stdout, done.stdout
