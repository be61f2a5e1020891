"""A process between the servers and PostgreSQL that delays everything, like a database in another
building: `python -m bench.slow_network SOCKET MILLISECONDS` prints its port.
"""

import asyncio
import sys
from typing import cast

import uvloop


class _Pipe(asyncio.Protocol):
    """One direction of a connection: what arrives is written to the peer after the delay."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.peer: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has another base class

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self.delay, self._forward, data)

    def _forward(self, data: bytes) -> None:
        if self.peer and not self.peer.is_closing():
            self.peer.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.peer:
            self.peer.close()


class _ClientSide(_Pipe):
    """The side of the client, which opens the connection to the database."""

    def __init__(self, socket: str, delay: float) -> None:
        super().__init__(delay)
        self._socket = socket
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        back = _Pipe(self.delay)
        await asyncio.get_running_loop().create_unix_connection(lambda: back, self._socket)
        back.peer, self.peer = self.transport, back.transport
        for data in self._early:
            self._forward(data)
        self._early.clear()

    def _forward(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
        else:
            super()._forward(data)


async def main(socket: str, milliseconds: float) -> None:
    """Forward connections until the process is ended. `milliseconds` is the time there and back."""
    server = await asyncio.get_running_loop().create_server(
        lambda: _ClientSide(socket, milliseconds / 2_000), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
