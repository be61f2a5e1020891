"""Global IDs: the encoded type and key of a row, opaque to clients."""

from binascii import a2b_base64, b2a_base64

_MAX_KEY = 2**63 - 1


def encode(kind: str, key: int) -> str:
    """The global ID of a row."""
    # Of these letters, no `+` and no `/`.
    return b2a_base64(f"{kind}:{key}".encode(), newline=False).decode().rstrip("=")


def decode(global_id: str) -> tuple[str, int] | None:
    """The type and the key of a global ID, None for anything else."""
    try:
        # What it ignores or accepts besides makes no difference, because the ID is encoded again.
        kind, _, key = a2b_base64(global_id + "=" * (-len(global_id) % 4)).decode().partition(":")
    except ValueError:
        return None
    number = int(key) if key.isascii() and key.isdigit() and len(key) < 20 else 0
    return (kind, number) if 0 < number <= _MAX_KEY and encode(kind, number) == global_id else None
