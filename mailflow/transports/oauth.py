"""Access tokens by OAuth 2.0: Microsoft by msal, Google by its token endpoint (mail.md §1, §2.1).

A token is asked for at every login, so that a fresh one is used after each reconnect. What lives longer than a process
(refresh tokens) is kept in files that only the daemon's user can read; several accounts of one person share a file. A
refusal is an AuthError: a person must sign in again, or an administrator renew a secret; nothing is tried in a loop.
An authority that is away, in a hurry, or answers with something else than JSON, is no refusal.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from mailflow import files
from mailflow.errors import AuthError, MailflowError, TransientError
from mailflow.transports.base import wish
from mailflow.transports.wire import why, words

if TYPE_CHECKING:
    import requests

MICROSOFT = {"global": "https://login.microsoftonline.com", "china": "https://login.partner.microsoftonline.cn"}
GOOGLE_AUTH, GOOGLE_TOKEN = "https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"
GOOGLE_SCOPE = "https://mail.google.com/"
_RESOURCES = {
    ("mail", "global"): "https://outlook.office365.com",
    ("mail", "china"): "https://partner.outlook.cn",
    ("graph", "global"): "https://graph.microsoft.com",
    ("graph", "china"): "https://microsoftgraph.chinacloudapi.cn",
}
_DELEGATED = ("IMAP.AccessAsUser.All", "SMTP.Send")
_EARLY = 120.0
"""Seconds before its end a token is renewed."""
_TIMEOUT = 30.0
_PATIENCE = 900.0
"""Seconds that a person has to sign in."""

_MEANINGS = (
    ("AADSTS7000222", "应用的密钥已过期：请管理员在应用登记里新建一个密钥，换掉密码文件里的旧密钥"),
    ("AADSTS7000215", "应用的密钥不对：要填密钥的“值”，不是它的 ID"),
    ("AADSTS700016", "租户里没有这个应用：检查 client 和 tenant"),
    ("AADSTS90002", "没有这个租户：检查 tenant"),
    ("AADSTS700082", "登录已过期（太久没有使用）：请重新运行 mailflow login"),
    ("AADSTS700084", "登录已过期：请重新运行 mailflow login"),
    ("AADSTS70043", "登录已过期（租户的条件访问策略规定了期限）：请重新运行 mailflow login"),
    ("AADSTS50173", "密码改过，原来的登录作废：请重新运行 mailflow login"),
    ("AADSTS50076", "要再验证一次（多重验证）：请重新运行 mailflow login"),
    ("AADSTS50079", "要先登记多重验证：请用浏览器登录一次，再运行 mailflow login"),
    ("AADSTS50057", "这个用户已停用：请管理员处理"),
    ("AADSTS7000112", "应用已停用：请管理员在租户里启用"),
    ("AADSTS500011", "租户里没有这个资源：检查 cloud，以及应用的权限属于 Exchange 还是 Graph"),
    ("AADSTS65001", "管理员还没有同意应用的权限"),
    ("AADSTS53003", "被条件访问策略拦住：请管理员放行这个应用"),
    ("authorization_declined", "登录时拒绝了授权：请再运行一次 mailflow login"),
    ("code_expired", "等了太久，没有登录：请再运行一次 mailflow login"),
    ("invalid_grant", "登录已失效或被撤销：请重新运行 mailflow login"),
    ("invalid_client", "应用的 ID 或密钥不对，或密钥已过期"),
    ("unauthorized_client", "应用没有得到这种权限：请管理员授权"),
)
_OF_A_TEST = "应用在 Google Cloud 里还是“测试”状态时，登录七天就失效：请把它发布，或改为“内部”"
_PASSING = ("temporarily_unavailable", "server_error", "slow_down", "AADSTS90033", "AADSTS50196")


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


def keep(path: Path, content: str) -> None:
    """Writes a secret so that only this user can read it, and a reader sees the old or the new one."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        files.write_whole(path, content.encode(), mode=files.SECRET, lasting=True)
    except OSError as error:
        raise TransientError(f"登录凭据存不到 {path}：{error.strerror}。{_OWNER}。") from error


_OWNER = "mailflow login 要由运行 mailflow 的那个用户来运行"
_LOGIN = "请重新运行 mailflow login"


def _kept(path: Path) -> dict[str, Any]:
    """What `keep` was given, a JSON object; {} if nothing was. AuthError: it is spoilt, or somebody else's."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise AuthError(f"登录凭据 {path} 已损坏：{_LOGIN}。") from error
    except OSError as error:
        raise AuthError(f"读不到登录凭据 {path}：{error.strerror}。{_OWNER}。") from error
    if not isinstance(data, dict):
        raise AuthError(f"登录凭据 {path} 已损坏：{_LOGIN}。")
    return data


_LOCKS: dict[Path, threading.Lock] = {}
"""Accounts of one person share a file: one at a time reads it, renews what is in it, and writes it."""


def _refusal(who: str, code: str, said: str) -> MailflowError:
    text = f"{who} 不给令牌：{code} {words(said)}".strip()
    if not code or any(sign in f"{code} {said}" for sign in _PASSING):
        return TransientError(text)
    meaning = next((meaning for sign, meaning in _MEANINGS if sign in f"{code} {said}"), None)
    return AuthError(f"{text}。{meaning}。" if meaning else text)


def _seconds(value: object) -> float:
    """How long a token is good for: an hour where nothing sensible is said."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if 0 < (seconds := float(str(value))) <= 24 * 3600:
            return seconds
    return 3600.0


# -- Microsoft --------------------------------------------------------------------------------------------------------


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
        self._lock = _LOCKS.setdefault(path, threading.Lock())
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
            return str(self._asked(partial(self._get, fresh=fresh))["access_token"])

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

    def _asked(self, ask: Callable[[Any], Any], *, anew: bool = False) -> dict[str, Any]:
        """`anew`: what is kept may be spoilt, and is replaced."""
        import msal  # 0.1 s, and only for such accounts
        from requests import RequestException

        try:
            if self._app.secret is not None:
                answer = ask(self._application(msal))
            else:
                answer = self._as_person(msal, ask, anew=anew)
        except MailflowError:
            raise
        except (RequestException, OSError) as error:
            raise TransientError(f"{self._app.authority} 连接失败：{why(error)}") from error
        except ValueError as error:
            if "authority" not in str(error).lower():
                raise self._strange(error) from error
            # msal says so of an unknown tenant or authority
            raise AuthError(f"{self._app.authority} 不给令牌：{words(error)}。请检查 tenant 和 client。") from error
        except (LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise self._strange(error) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            said = answer if isinstance(answer, dict) else {}
            raise _refusal("Microsoft", str(said.get("error") or ""), str(said.get("error_description", "")))
        return answer

    def _strange(self, error: Exception) -> TransientError:
        return TransientError(f"{self._app.authority} 的答复不认识：{type(error).__name__} {words(error)}")

    def _application(self, msal: Any) -> Any:
        """Made anew when the secret has changed; it keeps its tokens in memory."""
        secret = self._app.secret() if self._app.secret is not None else ""
        if self._made is None or self._made[0] != secret:
            self._made = (secret, msal.ConfidentialClientApplication(self._app.client, secret, **self._options()))
        return self._made[1]

    def _as_person(self, msal: Any, ask: Callable[[Any], Any], *, anew: bool) -> Any:
        """Made anew when what is kept has: by another account of this person, or by `mailflow login`."""
        kept = self._sound(anew=anew)
        if self._made is None or self._made[0] != kept:
            cache = msal.SerializableTokenCache()
            cache.deserialize(kept)
            made = msal.PublicClientApplication(self._app.client, token_cache=cache, **self._options())
            self._made = (kept, made)
        app = self._made[1]
        answer = ask(app)
        if app.token_cache.has_state_changed:
            kept = app.token_cache.serialize()
            keep(self._path, kept)
            self._made = (json.dumps(json.loads(kept)), app)
        return answer

    def _sound(self, *, anew: bool) -> str:
        """What is kept, since msal does not look at what it reads. Spoilt: AuthError, or nothing if all is `anew`."""
        try:
            kept = _kept(self._path)
            if not all(
                isinstance(part, dict) and all(isinstance(e, dict) for e in part.values()) for part in kept.values()
            ):
                raise AuthError(f"登录凭据 {self._path} 已损坏：{_LOGIN}。")
        except AuthError:
            if not anew:
                raise
            kept = {}
        return json.dumps(kept)

    def _options(self) -> dict[str, Any]:
        return {
            "authority": f"{self._app.authority}/{self._app.tenant}",
            "http_client": _session(self._app.verify),
            # else every authority but Microsoft's best known is asked about elsewhere first
            "instance_discovery": self._app.authority in MICROSOFT.values() or False,
        }


def _session(verify: bool | str) -> requests.Session:
    """What msal asks with. It does not tell a refusal from a server in trouble, or from the page of a proxy."""
    import requests

    session = requests.Session()
    session.verify = verify
    session.request = partial(session.request, timeout=_TIMEOUT)  # type: ignore[method-assign]
    session.hooks["response"].append(_sensible)
    return session


def _sensible(answer: requests.Response, **_: object) -> None:
    host = urlsplit(answer.url).hostname
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(
            f"{host} 暂时不给令牌：{answer.status_code} {words(answer.content[:300])}",
            retry_after=wish(answer.headers.get("Retry-After"), datetime.now(UTC)),
        )
    try:
        sensible = isinstance(answer.json(), dict)
    except (ValueError, RecursionError):
        sensible = False
    if not (sensible or answer.is_redirect):
        raise TransientError(f"{host} 的答复不是 JSON，多半是代理的网页：{words(answer.content[:100])}")


# -- Google -----------------------------------------------------------------------------------------------------------


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
        self._token, self._until = "", 0.0

    @property
    def by_person(self) -> bool:
        """Whether a person has to sign in."""
        return self._app.service_account is None

    @property
    def ends(self) -> date | None:
        """The day on which the sign-in ends, where Google told it: of an application that is being tested, or where
        the person agreed for a time only."""
        with contextlib.suppress(AuthError, LookupError, ValueError, TypeError):
            return date.fromisoformat(_kept(self._path)["ends"]) if self.by_person else None
        return None

    def token(self, *, fresh: bool = False) -> str:
        with self._lock:
            if fresh or time.monotonic() > self._until - _EARLY:
                answer = self._ask(self._grant())
                self._token = answer["access_token"]
                self._until = time.monotonic() + _seconds(answer.get("expires_in"))
            return self._token

    def _grant(self) -> dict[str, str]:
        if self._app.service_account is not None:
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return {"grant_type": grant, "assertion": self._assertion(self._app.service_account())}
        refresh = _kept(self._path).get("refresh_token")
        if not isinstance(refresh, str):
            raise AuthError(f"还没有登录 {self._user}：请在这台机器上运行 mailflow login。")
        return {"grant_type": "refresh_token", "refresh_token": refresh, **self._client()}

    def _client(self) -> dict[str, str]:
        return {"client_id": self._app.client, "client_secret": self._app.secret() if self._app.secret else ""}

    def _assertion(self, key: str) -> str:
        """A signed request of the service account to act for the mailbox (RFC 7523)."""
        import jwt  # PyJWT, which msal brings

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
        with _Landing() as landing:
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
        kept = {"refresh_token": answer["refresh_token"]}
        if isinstance(seconds := answer.get("refresh_token_expires_in"), int) and 0 < seconds < 10**9:
            kept["ends"] = (datetime.now(UTC) + timedelta(seconds=seconds)).date().isoformat()
        keep(self._path, json.dumps(kept))

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        try:
            answer = httpx.post(self._app.tokens, data=form, timeout=_TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise TransientError(f"Google 连接失败：{why(error)}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            again = wish(answer.headers.get("Retry-After"), datetime.now(UTC))
            raise TransientError(f"Google 暂时不给令牌：{answer.status_code}", retry_after=again)
        try:
            data = answer.json()
        except (ValueError, RecursionError) as error:
            raise TransientError("Google 的答复不是 JSON，多半是代理的网页。") from error
        if isinstance(data, dict) and isinstance(data.get("access_token"), str):
            return data
        said = data if isinstance(data, dict) else {}
        refusal = _refusal("Google", str(said.get("error") or ""), str(said.get("error_description", "")))
        testing = self.by_person and said.get("error") == "invalid_grant"
        raise AuthError(f"{refusal}{_OF_A_TEST}。") if testing else refusal


class _Landing:
    """Where the browser is sent after a person has agreed: a page on this machine that waits for one visit."""

    def __enter__(self) -> _Landing:
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
