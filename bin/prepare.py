"""Make .venv and node_modules match the lock files; cost nothing when they already do.

A stamp inside each folder says what it was made from. It is taken away before the work begins and written last, so a
folder without one was interrupted, or isn't ours, and is made from nothing. Standard library only: this runs before
anything is installed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV, MODULES = ROOT / ".venv", ROOT / "node_modules"
LOCKS = {"production": "requirements.lock", "development": "requirements-dev.lock"}
INCLUDED = {"production": ["production"], "development": ["production", "development"]}  # what an installation also satisfies


class Failed(Exception):
    """A step that could not be done. The text says what to do about it."""


def main(kind: str) -> None:
    """Prepare for `kind`, "production" or "development". Without Node, production goes on without GraphiQL."""
    with alone():
        prepare_python(kind)
        try:
            prepare_node(kind)
        except Failed as failure:
            if kind == "development":
                raise
            say(f"warning: {failure}\nwarning: serving without GraphiQL.\n")


@contextmanager
def alone() -> Iterator[None]:
    """Wait for another start of the same checkout. The kernel frees the lock of a killed process."""
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "prepare.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)  # a pip or npm that outlives us keeps others out until it ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another installation of this checkout ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare_python(kind: str) -> None:
    """Fill .venv, made anew when it was made by another Python, in another place, or not to its end."""
    interpreter = fingerprint(sys.version, str(ROOT))
    packages = fingerprint(interpreter, (ROOT / LOCKS[kind]).read_text())
    if stamped(VENV, kind, packages):
        return
    whole = stamped(VENV, "interpreter", interpreter)
    for name in ["interpreter", *LOCKS]:
        stamp(VENV, name).unlink(missing_ok=True)
    if not whole:
        make_venv()
    with step("Python packages"):
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
        run([*pip, "install", "--require-hashes", "--no-deps", "--progress-bar=off", "--requirement", LOCKS[kind]])
    for name in INCLUDED[kind]:
        stamp(VENV, name).write_text(fingerprint(interpreter, (ROOT / LOCKS[name]).read_text()))
    stamp(VENV, "interpreter").write_text(interpreter)


def make_venv() -> None:
    with step("Python environment"):
        try:
            venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(VENV)
        except subprocess.CalledProcessError as error:
            raise Failed("this Python has no ensurepip: install its venv package (Debian: python3-venv).") from error


def prepare_node(kind: str) -> None:
    """Fill node_modules: what GraphiQL's page needs, and in development the clients and the browser of the tests."""
    packages = fingerprint((ROOT / "package-lock.json").read_text())
    if stamped(MODULES, kind, packages):
        return
    require_node()
    with step("GraphiQL" if kind == "production" else "Node packages"):
        run(["npm", "ci", "--loglevel=error", *(["--omit=dev"] if kind == "production" else [])])
    for name in INCLUDED[kind]:
        stamp(MODULES, name).write_text(packages)


def require_node() -> None:
    if not shutil.which("npm") or not (node := shutil.which("node")):
        raise Failed("Node 20 or newer and its npm are not on the PATH.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 (node's own path)
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise Failed(f"Node {version.strip()} is too old: 20 or newer is needed.")


def run(command: list[str]) -> None:
    """Run it in the checkout, silently. Raises Failed with its last lines."""
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    done = subprocess.run(  # noqa: S603 (commands written above)
        command, cwd=ROOT, stdin=nothing, stdout=pipe, stderr=subprocess.STDOUT, text=True, close_fds=False
    )
    if done.returncode:
        raise Failed("\n".join([f"{command[0]} failed:", *done.stdout.splitlines()[-20:]]))


@contextmanager
def step(title: str) -> Iterator[None]:
    say(f"{title} ... ")
    start = time.monotonic()
    try:
        yield
    except Failed:
        say("failed\n")
        raise
    say(f"{time.monotonic() - start:.0f} s\n")


def fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stamp(folder: Path, name: str) -> Path:
    return folder / f".stamp-{name}"


def stamped(folder: Path, name: str, value: str) -> bool:
    file = stamp(folder, name)
    return file.exists() and file.read_text() == value


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    os.umask(0o022)  # a server may run as somebody else than who installed it
    try:
        main(sys.argv[1])
    except Failed as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
