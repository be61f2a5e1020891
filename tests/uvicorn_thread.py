"""A real server in a thread of the test process, so that a test can pass services to it, such as a
clock that stands still.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.applications import Starlette

from realtime.uvicorn_protocol import UVICORN_OPTIONS


@contextmanager
def serve_in_thread(
    app: Starlette, lifespan: Literal["on", "off"] = "off", port: int = 0
) -> Iterator[str]:
    """The running server's address, as in "http://127.0.0.1:1234"."""
    config = uvicorn.Config(
        app,
        port=port,
        **UVICORN_OPTIONS,
        log_config=None,
        lifespan=lifespan,
        timeout_graceful_shutdown=5,
    )
    server, ready = uvicorn.Server(config), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(_run(server, ready),))
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


async def _run(server: uvicorn.Server, ready: threading.Event) -> None:
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    ready.set()
    await task
