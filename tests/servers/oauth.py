"""A small authority over HTTPS on loopback: Microsoft's endpoints as msal asks them, and Google's token endpoint."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.servers.loopback import Certificate


@dataclass
class Authority:
    """`answers`: what the token endpoint says, one after the other; then a token for everybody. `raw`: what each
    endpoint says instead, with a status and further headers."""

    answers: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    given: int = 0
    raw: tuple[int, bytes, dict[str, str]] | None = None
    ends: int | None = None
    """Seconds for which Google's refresh tokens are good."""

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        self.given += 1
        token: dict[str, object] = {
            "access_token": f"token-{self.given}",
            "token_type": "Bearer",
            "expires_in": 3600,
            "ext_expires_in": 3600,
        }
        if form["grant_type"] != "client_credentials":
            info = "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"  # {"uid":"u","utid":"t"}
            token["scope"] = form.get("scope", "https://outlook.office.com/IMAP.AccessAsUser.All")
            if self.ends is not None:
                token["refresh_token_expires_in"] = self.ends
            token |= {"refresh_token": f"refresh-{self.given}", "client_info": info, "id_token": _ID_TOKEN}
        return 200, token


# {"alg":"none"}.{"preferred_username":"support@corp.example","sub":"s","aud":"app",…}.
_ID_TOKEN = (
    "eyJhbGciOiJub25lIn0.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJzdXBwb3J0QGNvcnAuZXhhbXBsZSIsInN1YiI6InMiLCJhdWQiOiJhcHAiLCJp"
    "c3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3MDAwMDAwMDB9.x"
)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    authority: Authority

    def log_message(self, *args: object) -> None: ...

    def do_GET(self) -> None:
        base = f"https://{self.headers['Host']}/{self.path.split('/')[1]}"
        self._reply(
            200,
            {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "issuer": f"{base}/v2.0",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.path.endswith("/devicecode"):
            self._reply(
                200,
                {
                    "user_code": "ABCD-EFGH",
                    "device_code": "device",
                    "verification_uri": "https://login.example/device",
                    "expires_in": 900,
                    "interval": 1,
                    "message": "sign in",
                },
            )
            return
        self._reply(*self.authority.answer(form))

    def _reply(self, status: int, answer: object) -> None:
        body, headers = json.dumps(answer).encode(), dict[str, str]()
        if self.authority.raw is not None:
            status, body, headers = self.authority.raw
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class OAuthServer:
    """`with OAuthServer(certificate) as server:`; without a certificate it speaks plain HTTP."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.authority = Authority()
        handler = type("Handler", (_Handler,), {"authority": self.authority})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        if certificate is not None:
            self._http.socket = certificate.server_context().wrap_socket(self._http.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://localhost:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> OAuthServer:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._http.shutdown()
        self._http.server_close()
