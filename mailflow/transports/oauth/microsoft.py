"""Access tokens of Microsoft, by msal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msal
import requests

from mailflow.errors import AuthError, MailflowError, TransientError
from mailflow.transports.adapter import WatchedAdapter
from mailflow.transports.oauth.answers import token_of
from mailflow.transports.oauth.kept import LOCKS, LOGIN, keep, kept
from mailflow.transports.web import wish
from mailflow.transports.wire import Timeouts, Watchdog, why, words

MICROSOFT = {"global": "https://login.microsoftonline.com", "china": "https://login.partner.microsoftonline.cn"}
_RESOURCES = {
    ("mail", "global"): "https://outlook.office365.com",
    ("mail", "china"): "https://partner.outlook.cn",
    ("graph", "global"): "https://graph.microsoft.com",
    ("graph", "china"): "https://microsoftgraph.chinacloudapi.cn",
}
_DELEGATED = ("IMAP.AccessAsUser.All", "SMTP.Send")
_TIMEOUTS = Timeouts(connect=30, read=30, operation=60)


def resource(scheme: str, cloud: str, host: str) -> str:
    """What a token is good for; in a cloud that we do not know, the very server that it is for."""
    return _RESOURCES.get(("graph" if scheme == "graph" else "mail", cloud), f"https://{host}")


def scopes(scheme: str, resource: str, by_secret: bool, *, shared: bool = False) -> list[str]:
    """What Microsoft is asked for: all that an administrator has allowed an application, or what a person allows;
    `shared`: for a mailbox that is not this person's own."""
    wanted = ["Mail.ReadWrite", "Mail.Send"] if scheme == "graph" else list(_DELEGATED)
    if shared and scheme == "graph":
        wanted += [f"{name}.Shared" for name in wanted]
    return [f"{resource}/.default"] if by_secret else [f"{resource}/{name}" for name in wanted]


@dataclass(frozen=True)
class MicrosoftApp:
    """An application registered in a tenant.

    Args:
        authority: MICROSOFT["global"] or ["china"], or another.
        secret: of the application; None: a person has signed in by device code.
        verify: as for requests: True, or a file of trusted authorities.
    """

    tenant: str
    client: str
    secret: Callable[[], str] | None
    authority: str = MICROSOFT["global"]
    verify: bool | str = True


class MicrosoftTokens:
    """Tokens of one mailbox for one resource.

    Args:
        scopes: with a secret the resource's .default; without, what the person has agreed to.
        path: where the sign-in of a person is kept.
    """

    def __init__(self, app: MicrosoftApp, scopes: Sequence[str], path: Path, user: str) -> None:
        self._app, self._scopes, self._path, self._user = app, list(scopes), path, user
        self._lock = LOCKS.setdefault(path, threading.Lock())
        self._made: tuple[str, Any] | None = None

    @property
    def by_person(self) -> bool:
        """Whether a person has to sign in."""
        return self._app.secret is None

    @property
    def ends(self) -> date | None:
        """Microsoft does not tell when a sign-in ends that is not used; the secret's end stands in config.toml."""
        return None

    def token(self, *, fresh: bool = False) -> str:
        with self._lock:
            return self._asked(partial(self._get, fresh=fresh))

    def sign_in(self, tell: Callable[[str], None], paste: Callable[[], str] | None = None) -> None:
        """Has a person sign in at any device; `tell` shows where and with which code. Blocks until it is done."""
        self._asked(partial(self._by_device, tell=tell), anew=True)

    def _get(self, app: Any, *, fresh: bool) -> Any:
        if self._app.secret is not None:
            if fresh:
                app.remove_tokens_for_client()
            return app.acquire_token_for_client(self._scopes)
        accounts = app.get_accounts()
        own = [a for a in accounts if str(a.get("username", "")).casefold() == self._user.casefold()] or accounts
        if not own:
            raise AuthError(f"还没有登录 {self._user}：请在这台机器上运行 mailflow login。")
        return app.acquire_token_silent_with_error(self._scopes, account=own[0], force_refresh=fresh) or {
            "error": "invalid_grant"
        }

    def _by_device(self, app: Any, *, tell: Callable[[str], None]) -> Any:
        flow = app.initiate_device_flow(scopes=self._scopes)
        if "user_code" not in flow:
            return flow
        tell(f"请在浏览器里打开 {flow['verification_uri']}，输入 {flow['user_code']}，以 {self._user} 登录。")
        return app.acquire_token_by_device_flow(flow)

    def _asked(self, ask: Callable[[Any], Any], *, anew: bool = False) -> str:
        """The access token. `anew`: what is kept may be spoilt, and is replaced."""
        try:
            answer = self._as_person(ask, anew=anew) if self.by_person else ask(self._application())
        except MailflowError:
            raise
        except (requests.RequestException, OSError) as error:
            raise TransientError(f"{self._app.authority} 连接失败：{why(error)}") from error
        except ValueError as error:
            if "authority" not in str(error).lower():
                raise self._strange(error) from error
            # msal says so of an unknown tenant or authority
            raise AuthError(f"{self._app.authority} 不给令牌：{words(error)}。请检查 tenant 和 client。") from error
        except (LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise self._strange(error) from error
        return token_of("Microsoft", answer if isinstance(answer, dict) else {})

    def _strange(self, error: Exception) -> TransientError:
        return TransientError(f"{self._app.authority} 的答复不认识：{type(error).__name__} {words(error)}")

    def _application(self) -> Any:
        """Made anew when the secret has changed; it keeps its tokens in memory."""
        secret = self._app.secret() if self._app.secret is not None else ""
        if self._made is None or self._made[0] != secret:
            self._made = (secret, msal.ConfidentialClientApplication(self._app.client, secret, **self._options()))
        return self._made[1]

    def _as_person(self, ask: Callable[[Any], Any], *, anew: bool) -> Any:
        """Made anew when what is kept has: by another account of this person, or by `mailflow login`."""
        before = self._sound(anew=anew)
        if self._made is None or self._made[0] != before:
            cache = msal.SerializableTokenCache()
            cache.deserialize(before)
            made = msal.PublicClientApplication(self._app.client, token_cache=cache, **self._options())
            self._made = (before, made)
        app = self._made[1]
        answer = ask(app)
        if app.token_cache.has_state_changed:
            after = app.token_cache.serialize()
            keep(self._path, after)
            self._made = (json.dumps(json.loads(after)), app)
        return answer

    def _sound(self, *, anew: bool) -> str:
        """What is kept, since msal does not look at what it reads. Spoilt: AuthError, or nothing if all is `anew`."""
        try:
            found = kept(self._path)
            if not all(
                isinstance(part, dict) and all(isinstance(e, dict) for e in part.values()) for part in found.values()
            ):
                raise AuthError(f"登录凭据 {self._path} 已损坏：{LOGIN}。")
        except AuthError:
            if not anew:
                raise
            found = {}
        return json.dumps(found)

    def _options(self) -> dict[str, Any]:
        return {
            "authority": f"{self._app.authority}/{self._app.tenant}",
            "http_client": _Session(self._app.verify),
            # else every authority but Microsoft's best known is asked about elsewhere first
            "instance_discovery": self._app.authority in MICROSOFT.values() or False,
        }


class _Session(requests.Session):
    """What msal asks with: each request has a deadline, and what is no answer is no refusal either. msal does not tell
    a refusal from a server in trouble, or from the page of a proxy."""

    def __init__(self, verify: bool | str) -> None:
        super().__init__()
        self.verify = verify
        self._watchdog = Watchdog()
        self.mount("https://", WatchedAdapter(self._watchdog))
        self.mount("http://", WatchedAdapter(self._watchdog))
        self.hooks["response"].append(_sensible)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        timeout = (_TIMEOUTS.connect, _TIMEOUTS.read)
        # Nowhere else: a redirection would take the secret along.
        kwargs |= {"timeout": timeout, "allow_redirects": False}
        with self._watchdog.deadline(_TIMEOUTS.operation):
            return super().request(*args, **kwargs)


def _sensible(answer: requests.Response, **_: object) -> None:
    host = urlsplit(answer.url).hostname
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(
            f"{host} 暂时不给令牌：{answer.status_code} {words(answer.content[:300])}",
            retry_after=wish(answer.headers.get("Retry-After")),
        )
    try:
        sensible = isinstance(answer.json(), dict)
    except (ValueError, RecursionError):
        sensible = False
    if not sensible:
        raise TransientError(f"{host} 的答复不是 JSON，多半是代理的网页：{words(answer.content[:100])}")
