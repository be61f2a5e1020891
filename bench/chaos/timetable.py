"""The program with a timetable whose jobs run at least every two seconds, so that a fault of some
seconds meets all of them: `python -m bench.chaos.timetable work`.
"""

import sys
from dataclasses import replace
from typing import Any

import app
import cli
import worker

_MAX_SECONDS = 2


def frequent_jobs(*arguments: Any) -> list[worker.Job]:
    """The jobs of a process, with short pauses."""
    return [replace(job, seconds=min(job.seconds, _MAX_SECONDS)) for job in worker.jobs(*arguments)]


if __name__ == "__main__":
    app.jobs = frequent_jobs  # type: ignore[attr-defined, assignment]
    sys.exit(cli.main())
