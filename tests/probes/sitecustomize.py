"""Python imports this when it starts, if its folder is in PYTHONPATH. `bin/check` sets that, so
that all processes of the tests measure what they reach.
"""

from importlib import import_module

import_module("probes").install()
