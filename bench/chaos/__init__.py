"""`bin/chaos`: faults under load, and what must hold afterwards. See ../README.md."""
