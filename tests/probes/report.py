"""Prints how much of the program the tests reached, and fails if it is too little.

python -m tests.probes.report FOLDER PERCENT
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from coverage import Coverage
from coverage.python import PythonFileReporter

from tests.probes.probes import CODE_FOLDER, ROOT, code_file, insert, reached_file, sources


def main(folder: Path, least: float) -> int:
    coverage = Coverage(data_file=None, branch=True, source=[str(ROOT)], messages=False)
    reporter_of = cache(lambda path: PythonFileReporter(str(path), coverage))
    coverage._get_file_reporter = reporter_of  # type: ignore[method-assign] # parses each file once
    data = coverage.get_data()
    for path in sources():
        if (file := reached_file(folder, str(path))).exists():
            pairs = pairs_of_lines(reporter_of(str(path)), path, file.read_bytes())
            data.add_arcs({str(path): [*pairs]})
    data.touch_files([str(path) for path in sources()])  # the others are reached by no test
    percent = coverage.report(show_missing=True, skip_covered=True)
    if percent < least:
        sys.stderr.write(f"The tests reached {percent:.2f}%, less than {least}%.\n")
    _delete_stale_code()
    return int(percent < least)


def _delete_stale_code() -> None:
    current = {code_file(str(path), path.read_bytes()) for path in sources()}
    for file in {*CODE_FOLDER.glob("*")} - current:
        file.unlink()


def pairs_of_lines(
    reporter: PythonFileReporter, path: Path, reached: bytes
) -> Iterator[tuple[int, int]]:
    """What was reached of a source file, as pairs of lines that follow each other. Which line comes
    before another doesn't matter to coverage.py, unless it is a branch.
    """
    probes = insert(path.read_bytes(), str(path))[1]
    lines = reporter.translate_lines(
        line for number, each in enumerate(probes.lines) if reached[number] for line in each
    )
    yield from ((-1, line) for line in lines)
    first_line = reporter.parser.first_line  # of a statement
    branches = defaultdict(list)
    for branch in probes.branches:
        branches[first_line(branch.line)].append(branch)
    for start, end in reporter.arcs():
        if start in branches:
            is_reached = any(
                reached[each.taken]
                if end == first_line(each.body)
                else any(reached[other] for other in each.others)
                for each in branches[start]
            )
        else:  # such as `with`, which may continue in several places
            is_reached = start in lines and (end < 0 or end in lines)
        if is_reached:
            yield start, end


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
