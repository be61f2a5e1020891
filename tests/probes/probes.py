"""Measures which lines and branches of the program the tests reach.

Coverage.py's tracer takes more time than the tests themselves on Python 3.11, because it is also
called for each line of all libraries. Probes are compiled into the program instead: one before each
statement and at the start of each branch, which stores a 1 in a file that all processes map into
their memory. So nothing is lost when a process is killed. report.py reads these files.

Stands alone: sitecustomize.py imports it before any path is set up.
"""

import ast
import importlib.machinery
import importlib.util
import marshal
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = "CHECK_REACHED_FOLDER"  # names the folder of this run's files
CODE_FOLDER = ROOT / "var" / "probes"  # compiled files with probes, kept for the next run
UNMEASURED = {"bench", "bin", "migrations", "node_modules", "tests", "var"}
SIZE = 1 << 16  # bytes for the probes of a file, of which those that aren't reached take no room
_VERSION = Path(__file__).read_bytes() + importlib.util.MAGIC_NUMBER


class Branch(NamedTuple):
    """A line that continues in one of two places."""

    line: int
    body: int  # the first line of its body
    taken: int  # the probe at the start of the body
    others: tuple[int, ...]  # probes of which one is reached if the body isn't entered


class Probes(ast.NodeVisitor):
    """Inserts probes into the tree of a source file."""

    def __init__(self, tree: ast.Module) -> None:
        self.lines: list[list[int]] = []  # what each probe says is reached
        self.branches: list[Branch] = []
        tree.body = self._with_probes(tree.body)
        ast.fix_missing_locations(tree)

    def _probe(self, node: ast.AST, lines: list[int]) -> ast.stmt:
        number = len(self.lines)
        self.lines.append(lines)
        (probe,) = ast.parse(f"__reached__[{number}] = 1").body
        for each in ast.walk(probe):
            ast.copy_location(each, node)
        return probe

    def _with_probes(self, body: list[ast.stmt]) -> list[ast.stmt]:
        result: list[ast.stmt] = []
        future: list[int] = []  # lines that no statement may precede
        for position, node in enumerate(body):
            is_docstring = (
                position == 0
                and isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            )
            is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            if is_future:
                future += _header_lines(node)
            elif not is_docstring:
                result.append(self._probe(node, [*_header_lines(node), *future]))
            self.visit(node)
            result.append(node)
        return result

    def generic_visit(self, node: ast.AST) -> None:
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements:
                setattr(node, name, self._with_probes(statements))
        if isinstance(node, ast.Try | ast.TryStar):
            self._add_handlers(node)

    def _visit_branch(self, node: Any, line: int) -> None:
        body = _first_line(node.body[0])
        taken = len(self.lines)
        node.body = [self._probe(node.body[0], [body]), *self._with_probes(node.body)]
        other = len(self.lines)
        node.orelse = [self._probe(node, []), *self._with_probes(node.orelse)]
        self.branches.append(Branch(line, body, taken, (other,)))

    def visit_If(self, node: ast.If) -> None:
        self._visit_branch(node, node.test.lineno)

    def visit_While(self, node: ast.While) -> None:
        self._visit_branch(node, node.test.lineno)

    def visit_For(self, node: ast.For) -> None:
        self._visit_branch(node, node.iter.lineno)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._visit_branch(node, node.iter.lineno)

    def visit_Match(self, node: ast.Match) -> None:
        starts: list[int] = []
        places = [(each.pattern.lineno, _first_line(each.body[0])) for each in node.cases]
        for case in node.cases:
            starts.append(len(self.lines))
            body = case.body
            case.body = [self._probe(body[0], [case.pattern.lineno]), *self._with_probes(body)]
        last = node.cases[-1]
        is_complete = isinstance(last.pattern, ast.MatchAs) and not (
            last.pattern.pattern or last.guard
        )
        if not is_complete:
            starts.append(len(self.lines))
            rest = ast.copy_location(ast.MatchAs(), last.pattern)
            node.cases.append(ast.match_case(rest, None, [self._probe(node, [])]))
        self._add_chain(places, starts)

    def _add_handlers(self, node: ast.Try | ast.TryStar) -> None:
        starts: list[int] = []
        places: list[tuple[int, int]] = []
        for handler in node.handlers:
            starts.append(len(self.lines))
            places.append((handler.lineno, _first_line(handler.body[0])))
            body = handler.body
            handler.body = [self._probe(body[0], [handler.lineno]), *self._with_probes(body)]
        self._add_chain(places, starts)

    def _add_chain(self, places: list[tuple[int, int]], starts: list[int]) -> None:
        """Adds alternatives that are tried one after the other."""
        for position, (line, body) in enumerate(places):
            later = tuple(starts[position + 1 :])
            for each in later:  # those were reached after this line
                self.lines[each].append(line)
            self.branches.append(Branch(line, body, starts[position], later))


def _is_probe(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(target := node.targets[0], ast.Subscript)
        and isinstance(target.value, ast.Name)
        and target.value.id == "__reached__"
    )


def _first_line(node: ast.AST) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return decorators[0].lineno if decorators else int(getattr(node, "lineno", 0))


def _header_lines(node: ast.stmt) -> Iterator[int]:
    """The lines that are reached when a statement starts."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    yield from (each.lineno for each in decorators)
    yield node.lineno
    for name in ("test", "iter", "subject"):
        if isinstance(each := getattr(node, name, None), ast.expr):
            yield each.lineno
    if not hasattr(node, "body") and not isinstance(node, ast.Match):
        yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def insert(source: bytes, path: str) -> tuple[ast.Module, Probes]:
    """The tree of a source file with probes inserted, and what each probe means."""
    tree = ast.parse(source, path)
    return tree, Probes(tree)


_mapped: dict[str, mmap.mmap] = {}


def reached(path: str) -> mmap.mmap:
    """The bytes of the probes of a source file. Each is 1 when it was reached."""
    if path not in _mapped:
        with reached_file(Path(os.environ[FOLDER]), path).open("a+b") as file:
            file.truncate(SIZE)
            _mapped[path] = mmap.mmap(file.fileno(), SIZE)
    return _mapped[path]


def reached_file(folder: Path, path: str) -> Path:
    """Where the probes of a source file store what was reached."""
    return folder / str(Path(path).relative_to(ROOT)).replace(os.sep, ":")


def code_file(path: str, source: bytes) -> Path:
    """Where the compiled source file with probes is kept."""
    return CODE_FOLDER / sha256(_VERSION + path.encode() + b"\0" + source).hexdigest()


# What a file with probes does first, also as `__main__`.
_START = ast.parse("__reached__ = __import__('probes').reached(__file__)")


class ProbeLoader(SourceFileLoader):
    """Loads a source file with probes."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        kept = code_file(path, source)
        with suppress(OSError, EOFError, ValueError):
            code: CodeType = marshal.loads(kept.read_bytes())  # noqa: S302 - written below
            return code
        tree, _ = insert(source, path)
        start = next((place for place, node in enumerate(tree.body) if _is_probe(node)), 0)
        tree.body[start:start] = _START.body
        code = compile(tree, path, "exec", dont_inherit=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(f".{os.getpid()}")
        new.write_bytes(marshal.dumps(code))
        new.replace(kept)
        return code


def measured_folders() -> list[Path]:
    """The folders with the program's packages."""
    return [
        each
        for each in ROOT.iterdir()
        if each.is_dir() and each.name not in UNMEASURED and each.name.isidentifier()
    ]


def sources() -> list[Path]:
    """All source files of the program."""
    return sorted(
        [*ROOT.glob("*.py"), *(file for each in measured_folders() for file in each.rglob("*.py"))]
    )


def install() -> None:
    """Loads the program with probes in this process, if its environment asks for it."""
    if FOLDER not in os.environ:
        return
    root = str(ROOT)
    prefixes = tuple(f"{each}{os.sep}" for each in measured_folders())
    with_probes = FileFinder.path_hook((ProbeLoader, importlib.machinery.SOURCE_SUFFIXES))

    def hook(path: str) -> Any:
        full = str(Path(path or os.curdir).absolute())
        if full == root or f"{full}{os.sep}".startswith(prefixes):
            return with_probes(path)
        raise ImportError(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
