"""Draw names, docstrings, schema descriptions or French texts at random, so that a reader can judge
the language.

    python bin/language_sample.py names --seed 7
    python bin/language_sample.py docstrings --seed 7 --count 100
    python bin/language_sample.py descriptions
    python bin/language_sample.py french --count 50

The same seed draws the same sample from the same checkout. Standard library and Babel only.
"""

import argparse
import ast
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Sample = tuple[str, str]  # where it stands, and the text


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every Python file of the repository, parsed. Migrations are left out: most of them are
    generated.
    """
    result = subprocess.run(
        ["git", "ls-files", "*.py"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in result.stdout.split():
        if not name.startswith("migrations/"):
            yield name, ast.parse((ROOT / name).read_text(encoding="utf-8"))


def names() -> Iterator[Sample]:
    """Classes, functions, parameters and module-level constants, each once."""
    seen: set[str] = set()
    for path, tree in sources():
        for node in ast.walk(tree):
            for name in _names_of(node):
                if name.strip("_") and name not in seen and not name.startswith("__"):
                    seen.add(name)
                    yield f"{path}:{getattr(node, 'lineno', 1)}", name


def _names_of(node: ast.AST) -> list[str]:
    match node:
        case ast.ClassDef():
            return [node.name]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            return [node.name, *(each.arg for each in arguments)]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign() if isinstance(node.target, ast.Name):
            return [node.target.id]
    return []


def docstrings() -> Iterator[Sample]:
    """The docstrings of modules, classes and functions."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}", text


def descriptions() -> Iterator[Sample]:
    """The descriptions in schema.graphql, with the line that each describes."""
    text = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    for match in re.finditer(r'"""(.*?)"""\s*\n\s*([^\n]+)', text, re.DOTALL):
        yield match[2].strip(), " ".join(match[1].split())


def french() -> Iterator[Sample]:
    """The French texts of the catalogues, with the English ones that they translate."""
    from babel.messages.pofile import read_po

    for path in sorted((ROOT / "models" / "translations" / "fr").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="fr"):
                if message.id:
                    yield f"{path.name}: {message.id}", str(message.string)


KINDS = {"names": names, "docstrings": docstrings, "descriptions": descriptions, "french": french}


def main() -> None:
    """Print the sample."""
    parser = argparse.ArgumentParser(description="Draw texts at random, to judge their language.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    args = parser.parse_args()
    samples = sorted(KINDS[args.kind]())
    sample = random.Random(args.seed).sample(samples, min(args.count, len(samples)))  # noqa: S311 - a sample, not a secret
    print(f"{len(sample)} of {len(samples)} {args.kind}, seed {args.seed}\n")  # noqa: T201
    for number, (place, text) in enumerate(sample, 1):
        print(f"{number:3}. [{place}]\n     {text}\n")  # noqa: T201


if __name__ == "__main__":
    main()
