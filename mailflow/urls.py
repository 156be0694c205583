"""Where mail is read or sent: one line of the configuration -> Url. No password ever stands in one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from mailflow.core.providers import PORTS

DEFAULT_PORTS = {**PORTS, "ews": 443, "graph": 443}
GRAPH_HOSTS = {"graph.microsoft.com": "global", "microsoftgraph.chinacloudapi.cn": "china"}
EXCHANGE_ONLINE = ("office365.com", "outlook.com", "office.com")
"""Microsoft's own Exchange, where EWS ends (mail.md §2.1)."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Url:
    """Where mail is read or sent. `path`: the Maildir's absolute path, or the IMAP folder ("" if none is named)."""

    scheme: str
    user: str | None = None
    host: str = ""
    port: int | None = None
    """None only for maildir."""
    path: str = ""


def parse_url(text: str, base: Path) -> Url:
    """`maildir:PATH`, `imap(s)://user@host:port/FOLDER`, `smtp(s)://user@host:port`, `ews://address@host/FOLDER`,
    `graph://address/FOLDER`; `maildir:` relative to `base`.

    User and folder are percent-decoded; a Maildir's path is taken as it is. ValueError says in Chinese what is wrong.
    """
    if CONTROL.search(text) or text != text.strip():
        raise ValueError("网址前后不能有空格，里面不能有控制字符")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "maildir":
        return Url("maildir", path=_maildir_path(rest, base))
    if not colon or scheme not in DEFAULT_PORTS:
        # Not the text itself, because there may be a password in it.
        raise ValueError("应写成 maildir:目录、imap://、imaps://、ews://、graph://、smtp:// 或 smtps://")
    url = _network_url(scheme, text)
    if scheme == "graph":
        return _graph_url(url)
    if scheme == "ews" and any(url.host == d or url.host.endswith(f".{d}") for d in EXCHANGE_ONLINE):
        raise ValueError(
            "Exchange Online 的 EWS 从 2026-10-01 起逐个租户停用，2027-04-01 永久关闭；"
            '请改用 graph://地址，或 imaps://地址@outlook.office365.com，都加 oauth = "microsoft"'
        )
    return url


def _graph_url(url: Url) -> Url:
    """graph://support@corp.example: the mailbox's address; graph://support@corp.example@HOST: in another cloud."""
    if url.user and "@" not in url.user and url.host not in GRAPH_HOSTS:
        url = replace(url, user=f"{url.user}@{url.host}", host="graph.microsoft.com")
    if not url.user or "@" not in url.user:
        raise ValueError(f"应写成 graph://邮箱地址，或 graph://邮箱地址@{' 或 '.join(GRAPH_HOSTS)}")
    return url


def _maildir_path(text: str, base: Path) -> str:
    if not text or text.startswith("//"):
        raise ValueError("maildir: 后面直接写目录，如 maildir:var/inbox 或 maildir:/srv/mail")
    if PureWindowsPath(text).is_absolute():
        return text
    return str(base / os.path.expanduser(text))


def _network_url(scheme: str, text: str) -> Url:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"主机名或端口不对：{scheme}://用户@主机:端口") from None
    if parts.password is not None:
        raise ValueError("网址里不能写密码，请用 password_env、password_file 或 password_keyring")
    if parts.query or parts.fragment:
        raise ValueError("网址里的 ? 和 # 请写成 %3F 和 %23")
    if not parts.hostname or re.search(r"\s", parts.hostname):
        raise ValueError(f"缺少主机名：{scheme}://用户@主机")
    folder = unquote(parts.path.removeprefix("/"))
    if folder and scheme.startswith("smtp"):
        raise ValueError(f"{scheme}:// 的主机后面不能再有目录")
    user = unquote(parts.username) if parts.username else None
    if CONTROL.search(folder + (user or "")):
        raise ValueError("网址里不能有控制字符")
    return Url(scheme, user, parts.hostname, port or DEFAULT_PORTS[scheme], folder)
