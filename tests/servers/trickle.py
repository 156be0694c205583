"""A server of which each byte comes in time, and the whole never: what no timeout of a single read notices."""

from __future__ import annotations

import contextlib
import socket
import threading

TLS = b"\x16\x03\x03\x40\x00"
"""The beginning of a handshake."""
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


class Trickle:
    """`with Trickle(TLS) as server:` says this to everybody on `server.port`, and then one byte after the other."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._stop = threading.Event()
        self.left = threading.Event()
        """Somebody has hung up on us."""

    def __enter__(self) -> Trickle:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                threading.Thread(target=self._trickle, args=(sock,), daemon=True).start()

    def _trickle(self, sock: socket.socket) -> None:
        with sock:
            try:
                sock.sendall(self._begin)
                while not self._stop.wait(0.05):
                    sock.sendall(b"\0")
            except OSError:
                self.left.set()
