"""Where the browser is sent after a person has agreed."""

from __future__ import annotations

import http.server
import queue
import threading

from mailflow.errors import AuthError

_PATIENCE = 900.0
"""Seconds that a person has to sign in."""


class Landing:
    """Where the browser is sent after a person has agreed: a page on this machine that waits for one visit."""

    def __enter__(self) -> Landing:
        landing = self
        self._arrived = queue.Queue[str]()

        class Page(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None: ...

            def do_GET(self) -> None:
                if "state=" in self.path:  # not the icon that browsers ask for
                    landing._arrived.put(self.path)
                body = "已收到，可以关闭这个页面。".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def wait(self) -> str:
        try:
            return self._arrived.get(timeout=_PATIENCE)
        except queue.Empty:
            raise AuthError("等了十五分钟，没有登录。请再运行一次 mailflow login。") from None

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
