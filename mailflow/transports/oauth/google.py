"""Access tokens of Google, from its token endpoint."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt  # PyJWT, which msal brings

from mailflow.errors import AuthError, TransientError
from mailflow.transports import web
from mailflow.transports.oauth.answers import token_of
from mailflow.transports.oauth.kept import keep, kept
from mailflow.transports.oauth.landing import Landing
from mailflow.transports.wire import Timeouts

GOOGLE_AUTH, GOOGLE_TOKEN = "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"
GOOGLE_SCOPE = "https://mail.google.com/"
_EARLY = 120.0
"""Seconds before its end a token is renewed."""
_TIMEOUTS = Timeouts(connect=30, read=30, operation=60)
_OF_A_TEST = "应用在 Google Cloud 里还是“测试”状态时，登录七天就失效：请把它发布，或改为“内部”"


@dataclass(frozen=True)
class GoogleApp:
    """An OAuth client ("desktop app"), or a service account that acts for its domain.

    Args:
        service_account: the JSON key of a service account, as text; then no person signs in.
    """

    client: str = ""
    secret: Callable[[], str] | None = None
    service_account: Callable[[], str] | None = None
    auth: str = GOOGLE_AUTH
    tokens: str = GOOGLE_TOKEN


class GoogleTokens:
    """Tokens of one mailbox."""

    def __init__(self, app: GoogleApp, path: Path, user: str) -> None:
        self._app, self._path, self._user = app, path, user
        self._lock = threading.Lock()
        self._token = ""
        self._until = self._until_wall = 0.0
        """By two clocks: one stands still while the machine sleeps, the other may be put back."""

    @property
    def by_person(self) -> bool:
        """Whether a person has to sign in."""
        return self._app.service_account is None

    @property
    def ends(self) -> date | None:
        """The day on which the sign-in ends, where Google told it: of an application that is being tested, or where
        the person agreed for a time only."""
        with contextlib.suppress(AuthError, LookupError, ValueError, TypeError):
            return date.fromisoformat(kept(self._path)["ends"]) if self.by_person else None
        return None

    def token(self, *, fresh: bool = False) -> str:
        with self._lock:
            if fresh or time.monotonic() > self._until or time.time() > self._until_wall:
                answer = self._ask(self._grant())
                self._token = answer["access_token"]
                good = _seconds(answer.get("expires_in")) - _EARLY
                self._until, self._until_wall = time.monotonic() + good, time.time() + good
            return self._token

    def _grant(self) -> dict[str, str]:
        if self._app.service_account is not None:
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return {"grant_type": grant, "assertion": self._assertion(self._app.service_account())}
        refresh = kept(self._path).get("refresh_token")
        if not isinstance(refresh, str):
            raise AuthError(f"还没有登录 {self._user}：请在这台机器上运行 mailflow login。")
        return {"grant_type": "refresh_token", "refresh_token": refresh, **self._client()}

    def _client(self) -> dict[str, str]:
        return {"client_id": self._app.client, "client_secret": self._app.secret() if self._app.secret else ""}

    def _assertion(self, key: str) -> str:
        """A signed request of the service account to act for the mailbox (RFC 7523)."""
        try:
            account = json.loads(key)
            now = int(time.time())
            claims = {
                "iss": account["client_email"],
                "sub": self._user,
                "scope": GOOGLE_SCOPE,
                "aud": self._app.tokens,
                "iat": now,
                "exp": now + 3600,
            }
            headers = {"kid": account.get("private_key_id", "")}
            return jwt.encode(claims, account["private_key"], algorithm="RS256", headers=headers)
        except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise AuthError(f"Google 服务账号的密钥文件不对：{type(error).__name__}") from error

    def address_to_open(self, redirect: str, state: str) -> str:
        """Where a person agrees; Google then sends the browser to `redirect` with a code."""
        query = {
            "client_id": self._app.client,
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": GOOGLE_SCOPE,
            "access_type": "offline",
            "prompt": "consent",
            "login_hint": self._user,
            "state": state,
        }
        return f"{self._app.auth}?{urlencode(query)}"

    def sign_in(self, tell: Callable[[str], None], paste: Callable[[], str] | None = None) -> None:
        """Has a person agree in a browser on this machine; on another one they `paste` where it ended up."""
        state = secrets.token_urlsafe(16)
        with Landing() as landing:
            tell(
                f"请在浏览器里打开下面的网址，以 {self._user} 登录并同意：\n{self.address_to_open(landing.url, state)}"
            )
            arrived = paste() if paste is not None else landing.wait()
            found = parse_qs(urlsplit(arrived.strip()).query)
            if found.get("state") != [state] or not found.get("code"):
                said = "、".join(found.get("error", ()))
                raise AuthError(f"没有登录成功：{said or '网址里没有这一次的 code'}。请再运行一次 mailflow login。")
            self.redeem(found["code"][0], landing.url)

    def redeem(self, code: str, redirect: str) -> None:
        """Keeps what the code of a sign-in is good for."""
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, **self._client()}
        answer = self._ask(grant)
        if not isinstance(answer.get("refresh_token"), str):
            raise AuthError("Google 没有给长期凭据：请在 Google 账号里移除这个应用的授权，再运行一次 mailflow login。")
        found = {"refresh_token": answer["refresh_token"]}
        if isinstance(seconds := answer.get("refresh_token_expires_in"), int) and 0 < seconds < 10**9:
            found["ends"] = (datetime.now(UTC) + timedelta(seconds=seconds)).date().isoformat()
        keep(self._path, json.dumps(found))

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        with contextlib.closing(web.Client(_TIMEOUTS)) as client:
            answer = client.ask("Google 连接", "POST", self._app.tokens, data=form)
        if answer.status >= 500 or answer.status == 429:
            raise TransientError(f"Google 暂时不给令牌：{answer.status}", retry_after=answer.wish)
        if not isinstance(data := answer.data, dict):
            raise TransientError("Google 的答复不是 JSON，多半是代理的网页。")
        try:
            token_of("Google", data)
        except AuthError as error:
            if self.by_person and data.get("error") == "invalid_grant":
                raise AuthError(f"{error}{_OF_A_TEST}。") from error
            raise
        return data


def _seconds(value: object) -> float:
    """How long a token is good for: an hour where nothing sensible is said."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if 0 < (seconds := float(str(value))) <= 24 * 3600:
            return seconds
    return 3600.0
