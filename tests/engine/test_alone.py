"""The engine knows nothing of this house: it could be published for any schema, Strawberry's above all."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import engine.http
foreign = {"tortoise", "app", "settings", "schema", "resolvers", "billing", "mail", "auth", "realtime", "models"}
sys.exit(" ".join(sorted(foreign & set(sys.modules))) or 0)
"""


def test_the_engine_loads_none_of_our_rooms() -> None:
    root = Path(__file__).parents[2]
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=60)
    assert (loaded.returncode, loaded.stderr) == (0, "")
