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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV, MODULES = ROOT / ".venv", ROOT / "node_modules"
LOCK_FILES = {"production": "requirements.lock", "development": "requirements-dev.lock"}
INSTALLER_LOCK_FILE = "requirements-installer.lock"
LOCKED = ["--require-hashes", "--no-deps", "--requirement"]
# What each installation provides.
PROVIDED_KINDS = {"production": ["production"], "development": ["production", "development"]}


class PreparationError(Exception):
    """A step failed. The message says what to do about it."""


def main(kind: str) -> None:
    """Prepare for `kind`, "production" or "development". Without Node, production continues without
    GraphiQL.
    """
    with exclusive_lock(), ThreadPoolExecutor() as pool:
        node = pool.submit(prepare_node, kind)
        prepare_python(kind)
        try:
            node.result()
        except PreparationError as failure:
            if kind == "development":
                raise
            write_status(f"warning: {failure}\nwarning: GraphiQL is not available.\n")


@contextmanager
def exclusive_lock() -> Iterator[None]:
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
            write_status("Waiting for another installation in this checkout ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare_python(kind: str) -> None:
    """Install into .venv. Rebuild it when another Python or another path created it, or when it is
    incomplete.
    """
    interpreter = fingerprint(sys.version, str(ROOT))
    packages = fingerprint(interpreter, (ROOT / LOCK_FILES[kind]).read_text())
    if has_stamp(VENV, kind, packages):
        return
    is_reusable = has_stamp(VENV, "interpreter", interpreter)
    for name in ["interpreter", *LOCK_FILES]:
        stamp(VENV, name).unlink(missing_ok=True)
    if not is_reusable:
        make_venv()
    with step("Python packages"):
        install(kind)
    for name in PROVIDED_KINDS[kind]:
        stamp(VENV, name).write_text(
            fingerprint(interpreter, (ROOT / LOCK_FILES[name]).read_text())
        )
    stamp(VENV, "interpreter").write_text(interpreter)


def install(kind: str) -> None:
    """Install with uv, which takes a fifth of pip's time. It doesn't read pip's settings, such as
    a mirror: where it fails, pip installs.

    A developer's processes compile what they import, a small part. The server may run as a user who
    can't write here, so production is compiled now.
    """
    is_compiled = kind != "development"
    try:
        pip_install(INSTALLER_LOCK_FILE)
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(VENV / "bin" / "python")]
        compiling = ["--compile-bytecode"] if is_compiled else []
        run([*uv, "--quiet", *compiling, *LOCKED, LOCK_FILES[kind]])
    except PreparationError as failure:
        write_status(f"{failure}\nInstalling with pip instead ...\n")
        pip_install(LOCK_FILES[kind], is_compiled=is_compiled)


def pip_install(lock_file: str, *, is_compiled: bool = False) -> None:
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    compiling = [] if is_compiled else ["--no-compile"]
    run([*pip, "--quiet", "--no-input", "--progress-bar=off", *compiling, *LOCKED, lock_file])


def make_venv() -> None:
    with step("Python environment"):
        try:
            venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(VENV)
        except subprocess.CalledProcessError as error:
            raise PreparationError(
                "this Python lacks ensurepip: install its venv package (python3-venv on Debian)."
            ) from error


def prepare_node(kind: str) -> None:
    """Install into node_modules: GraphiQL, and for development the clients and the browser used by
    the tests.
    """
    packages = fingerprint((ROOT / "package-lock.json").read_text())
    if has_stamp(MODULES, kind, packages):
        return
    require_node()
    with step("GraphiQL" if kind == "production" else "Node packages"):
        run(["npm", "ci", "--loglevel=error", *(["--omit=dev"] if kind == "production" else [])])
    for name in PROVIDED_KINDS[kind]:
        stamp(MODULES, name).write_text(packages)


def require_node() -> None:
    if not shutil.which("npm") or not (node := shutil.which("node")):
        raise PreparationError("Node 20 or newer and npm were not found on the PATH.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 (node's own path)
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise PreparationError(f"Node {version.strip()} is too old: 20 or newer is required.")


def run(command: list[str]) -> None:
    """Run a command in the checkout without output. Raises PreparationError with its last lines."""
    pipe, devnull = subprocess.PIPE, subprocess.DEVNULL
    result = subprocess.run(  # noqa: S603 (commands written above)
        command,
        cwd=ROOT,
        stdin=devnull,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,
    )
    if result.returncode:
        raise PreparationError(
            "\n".join([f"{command[0]} failed:", *result.stdout.splitlines()[-20:]])
        )


@contextmanager
def step(title: str) -> Iterator[None]:
    write_status(f"{title} ...\n")
    start = time.monotonic()
    try:
        yield
    except PreparationError:
        write_status(f"{title}: failed\n")
        raise
    write_status(f"{title}: {time.monotonic() - start:.0f} s\n")


def fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stamp(folder: Path, name: str) -> Path:
    return folder / f".stamp-{name}"


def has_stamp(folder: Path, name: str, value: str) -> bool:
    file = stamp(folder, name)
    return file.exists() and file.read_text() == value


def write_status(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    os.umask(0o022)  # another user than the one who installed it may run the server
    try:
        main(sys.argv[1])
    except PreparationError as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
