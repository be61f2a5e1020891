"""Writes a file to a folder store, prints a line when most of it is written, and then waits to be
killed.

`write_slowly.py <folder> <key>`
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from storage.store import FolderStore


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * 100_000
        await asyncio.sleep(0)
    print("halfway", flush=True)  # noqa: T201 - for the test
    await asyncio.sleep(60)


async def main(folder: str, key: str) -> None:
    await FolderStore(Path(folder)).put(key, chunks())


asyncio.run(main(*sys.argv[1:]))
