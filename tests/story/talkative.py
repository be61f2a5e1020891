"""The server as in production, but with our own loggers at DEBUG, so that everything that can be
logged is.
"""

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import cli  # noqa: E402
import logs  # noqa: E402

configure = logs.configure


def configure_verbose_logs() -> None:
    configure()
    for layer in ROOT.iterdir():
        logging.getLogger(layer.stem).setLevel(logging.DEBUG)


logs.configure = configure_verbose_logs  # type: ignore[assignment] # no other stream here
sys.exit(cli.main(sys.argv[1:]))
