"""Make .venv and node_modules match the lock files. Does nothing when they already do.

A stamp in each folder records what it was built from. It is removed before the work starts and
written at the end. A folder without a stamp was interrupted, or was not created by this script, and
is built from scratch. Uses the standard library only, because it runs before anything is installed.
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
# What each installation provides.
INCLUDED = {"production": ["production"], "development": ["production", "development"]}


class Failed(Exception):
    """A step failed. The message says what to do about it."""


def main(kind: str) -> None:
    """Prepare for `kind`, "production" or "development". Without Node, production continues without
    GraphiQL.
    """
    with alone():
        prepare_python(kind)
        try:
            prepare_node(kind)
        except Failed as failure:
            if kind == "development":
                raise
            say(f"warning: {failure}\nwarning: GraphiQL is not available.\n")


@contextmanager
def alone() -> Iterator[None]:
    """Wait for another installation of the same checkout. The kernel releases the lock of a killed
    process.
    """
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "prepare.lock").open("w") as file:
        # A pip or npm that outlives this process keeps the lock.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another installation in this checkout ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare_python(kind: str) -> None:
    """Install into .venv. Rebuild it when another Python or another path created it, or when it is
    incomplete.
    """
    interpreter = fingerprint(sys.version, str(ROOT))
    packages = fingerprint(interpreter, (ROOT / LOCKS[kind]).read_text())
    if stamped(VENV, kind, packages):
        return
    reusable = stamped(VENV, "interpreter", interpreter)
    for name in ["interpreter", *LOCKS]:
        stamp(VENV, name).unlink(missing_ok=True)
    if not reusable:
        make_venv()
    with step("Python packages"):
        pip = [
            str(VENV / "bin" / "python"),
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        run(
            [
                *pip,
                "install",
                "--require-hashes",
                "--no-deps",
                "--progress-bar=off",
                "--requirement",
                LOCKS[kind],
            ]
        )
    for name in INCLUDED[kind]:
        stamp(VENV, name).write_text(fingerprint(interpreter, (ROOT / LOCKS[name]).read_text()))
    stamp(VENV, "interpreter").write_text(interpreter)


def make_venv() -> None:
    with step("Python environment"):
        try:
            venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(VENV)
        except subprocess.CalledProcessError as error:
            raise Failed(
                "this Python lacks ensurepip: install its venv package (python3-venv on Debian)."
            ) from error


def prepare_node(kind: str) -> None:
    """Install into node_modules: GraphiQL, and for development the clients and the browser used by
    the tests.
    """
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
        raise Failed("Node 20 or newer and npm were not found on the PATH.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 (node's own path)
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise Failed(f"Node {version.strip()} is too old: 20 or newer is required.")


def run(command: list[str]) -> None:
    """Run a command in the checkout without output. Raises Failed with its last lines."""
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    result = subprocess.run(  # noqa: S603 (commands written above)
        command,
        cwd=ROOT,
        stdin=nothing,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,
    )
    if result.returncode:
        raise Failed("\n".join([f"{command[0]} failed:", *result.stdout.splitlines()[-20:]]))


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
    os.umask(0o022)  # another user than the one who installed it may run the server
    try:
        main(sys.argv[1])
    except Failed as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
