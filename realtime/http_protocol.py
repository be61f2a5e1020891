"""uvicorn's HTTP protocol with bounds on what one connection can use.

How uvicorn 0.54 works (httptools_impl.py), and where it lets a client use more than its share:

- It resumes reading whenever a response is complete, however many requests are still queued. So a
  client that sends requests without reading any answer fills memory. Here the bytes are parsed in
  slices; when `queued_requests` wait, the rest of what was read stays unparsed, and nothing more is
  read until the queue is empty.
- Its parser joins the pieces of a header one by one, in quadratic time, without a limit. Here bytes
  that complete neither the headers nor a part of the body are counted: too many of them are
  answered with 431, or with 414 when they are all the request line's. That bounds trailers and the
  extensions of chunks as well.
- It adds trailers to the headers, although they follow what a proxy has checked (RFC 9110, section
  6.5.1). Here they are ignored.
- It waits for a request as long as the client likes. Here a connection that waits for a request is
  half open (connection_limits.py): it is closed after some time, with 408 when a part of the
  request has arrived (RFC 9110, section 15.5.9).
- It keeps a response for a client that reads nothing. Here the connection is aborted when nothing
  was read for `unread_seconds`.
- It parses the handshakes of thousands of websockets that are opened at once in one iteration of
  the event loop. Here a handshake isn't parsed before it is its turn (connection_limits.py), and
  requests of others go first.

None of this takes time for a request that arrives whole: it is parsed at once and starts no timer.

Closing: a response that ends the connection before the request has arrived is lost when the socket
is closed with unread bytes, because the kernel then resets it. So what still arrives is thrown away
for a moment (`LINGER_SECONDS`, `LINGER_BYTES`; nginx calls that lingering_close).
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from realtime.connection_limits import ConnectionLimits, ConnectionRegistry

# In the extensions of the ASGI scope: functions to call when the server stops, which otherwise
# waits for every response to end.
ON_SHUTDOWN = "camcha.on_shutdown"
SLICE_BYTES = 4_096  # parsed in one step
_HANDSHAKE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)  # what the parser decides is what counts
LINGER_SECONDS = 2.0
LINGER_BYTES = 16_777_216


class HeadersTooLarge(Exception):
    """The headers are above this limit."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class _FlowControl(FlowControl):
    """Reads nothing while requests are queued."""

    def __init__(self, protocol: "HttpProtocol") -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused and not self._protocol.has_queue:
            super().resume_reading()


class _ResponseTransport:
    """Writes the headers of a response together with the first part of its body: one system call
    instead of two. When no body follows at once, the headers are written by themselves.
    """

    __slots__ = ("_headers", "_is_started", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._headers = b""
        self._is_started = False

    def write(self, data: bytes) -> None:
        if not self._is_started:
            self._is_started = True
            self._headers = data
            self._loop.call_soon(self._flush)
        elif self._headers:
            data, self._headers = self._headers + data, b""
            self._transport.write(data)
        else:
            self._transport.write(data)

    def _flush(self) -> None:
        if self._headers:
            headers, self._headers = self._headers, b""
            self._transport.write(headers)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class HttpProtocol(HttpToolsProtocol):
    # One registry for the connections of a server: see `uvicorn_options`.
    registry: ClassVar[ConnectionRegistry] = ConnectionRegistry(ConnectionLimits())

    # The connection's state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.limits = self.registry.limits
        self.flow = _FlowControl(self)
        self.network = self.registry.open(self._untrusted_peer())
        self.is_counted = True
        self._unparsed = b""
        self._is_new = True  # nothing has been received
        self._is_its_turn = False  # in the queue of handshakes
        self._receiving = False  # a request has begun and isn't complete
        self._in_body = False
        self._refused = self._is_upgrading = False
        self._discarded = 0  # bytes
        self._without_progress = 0  # bytes
        self._body_bytes = 0
        self._waiting_since = 0.0
        self._wait_timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._unread_timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._on_shutdown: list[Callable[[], None]] = []
        if limit := self.registry.make_room(self.network):
            self.registry.limit_log.record(limit)
            self._respond_and_close(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._wait()

    def _untrusted_peer(self) -> str | None:
        if self.client is None:  # a Unix socket
            return None
        trusted_hosts = getattr(self.config.loaded_app, "trusted_hosts", ())
        return None if self.client[0] in trusted_hosts else self.client[0]

    def connection_lost(self, exc: Exception | None) -> None:
        running, self._running = self._running, None
        super().connection_lost(exc)
        self._unparsed = b""
        self.pipeline.clear()
        if running is not None and not running.response_complete:
            running.disconnected = True  # uvicorn tells only the last request
            running.message_event.set()
        self._stop_waiting()
        self._stop_unread_timer()
        if self.is_counted:
            self.registry.close(self.network)

    def shutdown(self) -> None:
        super().shutdown()
        for notify in tuple(self._on_shutdown):
            notify()

    # Parsing

    @property
    def has_queue(self) -> bool:
        """Whether requests wait, parsed or not, until a previous one is answered."""
        return bool(self.pipeline or self._unparsed)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.transport.abort()
            return
        if self._is_upgrading:  # RFC 6455, section 4.1: a client waits for the response
            return
        if self._is_new:
            self._is_new = False
            if _HANDSHAKE.search(data, 0, SLICE_BYTES):
                self._queue_handshake(data)
                return
        self._unset_keepalive_if_required()
        if self._unparsed:
            self._unparsed += data  # was read before reading was paused
        elif len(data) <= SLICE_BYTES:
            self._parse(data)
        else:
            self._parse_slices(data)

    def _queue_handshake(self, data: bytes) -> None:
        self._unparsed = data
        self._stop_waiting()  # what is missing waits for us
        self.flow.pause_reading()
        self.registry.upgrades.add(self._parse_handshake)

    def _parse_handshake(self) -> None:
        data, self._unparsed = self._unparsed, b""
        if data and not self.transport.is_closing():
            self.flow.resume_reading()
            self._is_its_turn = True
            self._parse_slices(data)
            self._is_its_turn = False

    def _parse_slices(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if len(self.pipeline) >= self.limits.queued_requests:
                self._unparsed = data[start:]
                self.flow.pause_reading()
                return
            self._parse(data[start : start + SLICE_BYTES])
            if self._refused or self._is_upgrading or self.transport.is_closing():
                return

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if not self._should_upgrade():
                self._wait_if_incomplete()
            elif self._is_answering():  # a websocket can't begin behind a response
                self.transport.abort()
            else:
                self._is_upgrading = True
                self._stop_waiting()
                if self._is_its_turn:
                    self._upgrade()
                else:
                    self.transport.pause_reading()
                    self.registry.upgrades.add(self._upgrade)
            return
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, HeadersTooLarge):
                self._refuse_headers(error.__context__.limit)
            else:
                self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._receiving:
            self._without_progress += len(data)
            if self._without_progress > self.limits.header_bytes:
                self._refuse_headers("header_bytes")
                return
        self._wait_if_incomplete()

    def _refuse_headers(self, limit: str) -> None:
        self.registry.limit_log.record(limit)
        is_url = not self._in_body and len(self.url) > self.limits.header_bytes
        self._refuse(
            HTTPStatus.REQUEST_URI_TOO_LONG
            if is_url
            else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        )

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {ON_SHUTDOWN: self._on_shutdown}
        self.scope["extensions"] = extensions
        self._receiving = True
        self._in_body = False
        self._without_progress = 0

    def on_headers_complete(self) -> None:
        if self._without_progress or len(self.headers) > self.limits.headers:
            self._check_headers()
        self._in_body = True
        self._without_progress = self._body_bytes = 0
        if self._wait_timer:
            self._waiting_since = self.loop.time()
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            self.headers = []  # for trailers, which nothing reads

    def _check_headers(self) -> None:
        if len(self.headers) > self.limits.headers:
            raise HeadersTooLarge("headers")
        if self._without_progress:  # they didn't arrive in one slice
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.limits.header_bytes:
                raise HeadersTooLarge("header_bytes")

    def on_body(self, body: bytes) -> None:
        self._without_progress = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = self._in_body = False
        if self._wait_timer:
            self._stop_waiting()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        cycle.transport = _ResponseTransport(self.transport, self.loop)  # type: ignore[assignment] # all that a cycle uses
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.flow.read_paused:
            if self._unparsed and not self.pipeline:
                self.loop.call_soon(self._parse_rest)
            else:
                self.flow.resume_reading()

    def _parse_rest(self) -> None:
        data, self._unparsed = self._unparsed, b""
        if data and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._parse_slices(data)
            self.flow.resume_reading()

    def _upgrade(self) -> None:
        if not self.transport.is_closing():
            self.handle_websocket_upgrade()
            self.transport.resume_reading()
            # Breaks the cycles of references that would keep the request in memory.
            self.parser = self.flow = self.headers = self.scope = None  # type: ignore[assignment]

    def handle_websocket_upgrade(self) -> None:
        self.is_counted = False  # from now on the websocket's protocol counts it
        super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing that a client can repeat at will."""

    # Time

    def _wait_if_incomplete(self) -> None:
        if self._receiving or not self._is_answering():
            self._wait()

    def _wait(self) -> None:
        """Wait for the rest of a request, or for the first one."""
        if self._wait_timer is None:
            self._waiting_since = self.loop.time()
            self._wait_timer = self.loop.call_later(self.limits.head_seconds, self._check_wait)
            self.registry.add_half_open(self)

    def _stop_waiting(self) -> None:
        if self._wait_timer:
            self._wait_timer.cancel()
            self._wait_timer = None
            self.registry.remove_half_open(self)

    def _check_wait(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # what is missing waits for us
            self._waiting_since = now
        seconds = self.limits.head_seconds
        if self._in_body:
            seconds = self.limits.body_seconds + self._body_bytes / self.limits.body_rate
        remaining = self._waiting_since + seconds - now
        if remaining > 0:
            self._wait_timer = self.loop.call_later(remaining, self._check_wait)
            return
        if self._receiving:
            self.registry.limit_log.record("body_seconds" if self._in_body else "head_seconds")
        self.give_up_waiting()

    def give_up_waiting(self) -> None:
        """Answer an incomplete request with 408, and close the connection."""
        self._stop_waiting()
        if self._receiving:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._unread_timer = self.loop.call_later(self.limits.unread_seconds, self._check_unread)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_unread_timer()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _check_unread(self) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        if unread_bytes >= self._unread_bytes:
            self.registry.limit_log.record("unread_seconds")
            self.transport.abort()
            return
        self._unread_bytes = unread_bytes
        self._unread_timer = self.loop.call_later(self.limits.unread_seconds, self._check_unread)

    # Refusals

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer the request that is being received with this status and close the connection, or
        close it after the answers to previous requests.
        """
        self._stop_waiting()
        if self._in_body:
            if self.cycle is not self._running or self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._is_answering():
            self._refused = True
            self.cycle.keep_alive = False
            return
        self._respond_and_close(status)

    def _respond_and_close(self, status: HTTPStatus) -> None:
        self._refused = True
        text = status.phrase.encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
        ]
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"5"))
        lines = [b"HTTP/1.1 %d %s" % (status, text), *(b"%s: %s" % each for each in headers)]
        self.transport.write(b"\r\n".join([*lines, b"", text]))
        self._linger()

    def _linger(self) -> None:
        is_full = self.registry.connections > self.limits.connections
        if self.transport.can_write_eof() and not is_full:
            self.transport.write_eof()
            self.flow.resume_reading()
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()
