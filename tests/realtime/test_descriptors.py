"""The limit of file descriptors. Each test runs in a process of its own, because a raised limit
can't be lowered again.
"""

import subprocess
import sys
from pathlib import Path

import structlog

from realtime.connection_limits import ConnectionLimits
from realtime.descriptors import within_descriptors

ROOT = Path(__file__).parents[2]
RAISE = """
import resource
from realtime.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
assert raise_descriptor_limit() == 512
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, 512)
assert raise_descriptor_limit() == 512
"""


def test_the_limit_is_raised_as_far_as_the_system_allows() -> None:
    subprocess.run([sys.executable, "-c", RAISE], cwd=ROOT, check=True)


def test_fewer_connections_are_accepted_when_there_are_few_descriptors() -> None:
    limits = ConnectionLimits(connections=1_000)
    with structlog.testing.capture_logs() as lines:
        assert within_descriptors(limits, 65_536) == limits
        assert within_descriptors(limits, 1_024).connections == 768
        assert within_descriptors(limits, 64).connections == 16
    assert [(line["log_level"], line["limit"], line["connections"]) for line in lines] == [
        ("info", 65_536, 1_000),
        ("warning", 1_024, 768),
        ("warning", 64, 16),
    ]
