"""A TCP proxy on loopback whose connections can be cut or stalled, as networks do with those of a healthy server."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Proxy:
    """`with Proxy(port) as proxy:` hands on whatever comes to `proxy.port`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._socks: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._left: int | None = None
        """So many bytes still come from the server before all connections are cut; None: as many as it likes."""
        self._open = threading.Event()
        self._open.set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def cut(self) -> None:
        """Ends all connections at once."""
        with self._lock:
            for sock in self._socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def cut_after(self, size: int) -> None:
        """Ends all connections once the server has said `size` bytes more: in the middle of a line, or of a literal."""
        with self._lock:
            self._left = size

    def stall(self, seconds: float) -> None:
        """For so long nothing is handed on."""
        self._open.clear()
        threading.Event().wait(seconds)
        self._open.set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        with self._lock:
            return len(self._socks) // 2

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                return
            with server:
                pair = {client, server}
                with self._lock:
                    self._socks |= pair
                back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
                with self._lock:
                    self._socks -= pair

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool = False) -> None:
        with contextlib.suppress(OSError):
            source.settimeout(None)
            while data := source.recv(65536):
                self._open.wait()
                whole = len(data)
                sink.sendall(data := self._allowed(data) if counted else data)
                if len(data) < whole:
                    self.cut()
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _allowed(self, data: bytes) -> bytes:
        with self._lock:
            if self._left is None:
                return data
            if self._left > len(data):
                self._left -= len(data)
                return data
            data, self._left = data[: max(0, self._left - 1)], None
            return data

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(5)
