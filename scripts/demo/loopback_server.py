"""The HTTP side of the demo portal: keep-alive, one thread a connection, and a clean end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any

from scripts.demo.portal_site import Response

Answer = Callable[[str, str, str], Response | None]
"""From method, target and user agent to a response; `None` drops the connection without one."""

_IDLE_SECONDS = 60


class LoopbackServer(ThreadingHTTPServer):
    """Hands every request to `answer`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        """Binds at once; `port` 0 takes a free one."""
        self.answer = answer
        self._open: set[socket] = set()
        super().__init__((host, port), _Handler)

    def close(self) -> None:
        """Stop listening and hang up on clients that keep their connection open."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; anything else is a bug and gets its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Hearthfield"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_SECONDS
    server: LoopbackServer

    def do_GET(self) -> None:
        """Answer a page."""
        self._respond()

    def do_HEAD(self) -> None:
        """Answer the headers of a page."""
        self._respond()

    def do_POST(self) -> None:
        """Answer the demo's own switches."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._respond()

    def log_message(self, *args: object) -> None:
        """Requests are kept by the portal, not printed."""

    def _respond(self) -> None:
        response = self.server.answer(self.command, self.path, self.headers.get("User-Agent", ""))
        if response is None:
            self.close_connection = True
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
