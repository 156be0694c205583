"""config.toml: file -> frozen objects, all problems at once, each with file and line.

Relative paths are relative to the file. Secrets are never read here but when they are used (`Account.password`), and
never stand in a URL: a configuration can be shown to anybody.
"""

from __future__ import annotations

import os
from datetime import date
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, ValidationInfo, model_validator

from mailflow import secret
from mailflow.core import shape, toml
from mailflow.core.address import domain_of, is_address, is_plain, key_of
from mailflow.core.mapping import MailboxSettings, Settings
from mailflow.core.model import Model
from mailflow.errors import Problem, UserError
from mailflow.urls import CONTROL, GRAPH_HOSTS, Url, parse_url

VERBATIM = frozenset({"maildir", "imap", "imaps"})


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("应是文字（加英文引号），不能为空")
    return value


def _base(info: ValidationInfo) -> Path:
    """The folder of the configuration file."""
    return Path(info.context["base"]) if info.context else Path()


def _path(value: object, info: ValidationInfo) -> Path:
    return _base(info) / os.path.expanduser(value if isinstance(value, Path) else _text(value))


def _read_from(value: object, info: ValidationInfo) -> Url:
    url = parse_url(_text(value), _base(info))
    if url.scheme.startswith("smtp"):
        raise ValueError("smtp 只能发信，收信请用 imap、imaps、ews、graph 或 maildir")
    return url


def _send_to(value: object, info: ValidationInfo) -> Url:
    url = parse_url(_text(value), _base(info))
    if url.scheme.startswith("imap"):
        raise ValueError("imap 只能收信，发信请用 smtp、smtps、ews、graph 或 maildir")
    if url.scheme in ("ews", "graph") and url.path:
        raise ValueError(f"发信的 {url.scheme}:// 后面不能有文件夹")
    return url


def _sent_in(value: object, info: ValidationInfo) -> Url:
    url = parse_url(_text(value), _base(info))
    if not url.scheme.startswith("imap") or not url.user:
        raise ValueError("应写成 imaps://用户@主机，后面可以写文件夹；ews、graph 和 maildir 自己会存")
    return url


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"不认识时区 {value!r}，如 Asia/Shanghai") from None
    return value


def _after(value: str) -> str:
    if value in ("leave", "seen") or (value.startswith("move:") and value[5:].strip()):
        return value
    raise ValueError('应是 "leave"（不动）、"seen"（标为已读）或 "move:文件夹"（移走）')


def _sender(value: object) -> str:
    text = _text(value)
    if CONTROL.search(text) or not is_plain(parseaddr(text)[1]):
        raise ValueError(f'{text!r} 里没有可用的邮箱地址，应写成 "名称 <support@example.com>"')
    return text


def _store(value: object) -> str:
    text = _text(value)
    if text.split("://", 1)[0] not in ("postgresql", "postgresql+psycopg", "sqlite"):
        raise ValueError("应写成 postgresql://用户@主机/数据库；不写就用 data 目录里的 SQLite")
    return text


def _cloud(value: str) -> str:
    if value in ("global", "china"):
        return value
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ValueError(
            '应是 "global"、"china"（世纪互联），或其他云的登录服务器，如 "https://login.microsoftonline.us"'
        )
    return value.rstrip("/")


FilePath = Annotated[Path, PlainValidator(_path)]


class Main(Model):
    """[mailflow]. All paths are absolute."""

    model_config = ConfigDict(validate_default=True)

    data: FilePath = Path("var")
    timezone: Annotated[str, AfterValidator(_timezone)] = "Asia/Shanghai"
    mappings: FilePath = Path("mappings")
    templates: FilePath = Path("templates")
    store: Annotated[str | None, PlainValidator(_store)] = Field(default=None, repr=False, validate_default=False)
    """SQLAlchemy URL as written, maybe with a password in it; None: SQLite in `data`."""


class Secret(Model):
    """Where a password or another secret comes from; asked for when it is used."""

    password_env: Annotated[str, Field(min_length=1)] | None = None
    password_file: FilePath | None = None
    password_keyring: Annotated[str, Field(min_length=1)] | None = None
    """The service under which the system's keyring has it."""
    password_expires: date | None = None
    """The day on which it ends: told in advance (mail.md §8, 9)."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if len(named := [name for name in _SOURCES if getattr(self, name) is not None]) > 1:
            raise ValueError(f"{' 和 '.join(named)} 只能写一个")
        return self

    @property
    def has_secret(self) -> bool:
        return any(getattr(self, name) is not None for name in _SOURCES)

    def _secret(self, user: str, what: str) -> str | None:
        if self.password_env is not None:
            return secret.from_environment(self.password_env, what)
        if self.password_file is not None:
            return secret.from_file(self.password_file)
        return None if self.password_keyring is None else secret.from_keyring(self.password_keyring, user, what)


_SOURCES = ("password_env", "password_file", "password_keyring")


class Account(Secret):
    """What logs in somewhere, or needs not to."""

    url: Url
    oauth: Literal["microsoft", "google"] | None = None
    login: str | None = Field(default=None, min_length=1)
    """Who logs in where that is not the user of `url`: DOMAIN\\name at Exchange."""

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.oauth is not None:
            self._check_oauth()
            return self
        if self.url.scheme == "graph":
            raise ValueError('graph:// 要用 oauth = "microsoft" 登录')
        if self.url.scheme == "maildir" and self.has_secret:
            raise ValueError("maildir 不需要密码")
        if self.url.user is None and (self.has_secret or self.url.scheme.startswith(("imap", "ews"))):
            raise ValueError(f"网址里缺少用户名：{self.url.scheme}://用户@{self.url.host}")
        if self.url.user is not None and not self.has_secret:
            raise ValueError(
                "缺少密码的来源：password_env（环境变量名）、password_file（文件）或 password_keyring（系统的钥匙串）"
            )
        return self

    def _check_oauth(self) -> None:
        if self.has_secret:
            raise ValueError("oauth 不用密码，不能同时写 password_env 等；应用的密钥写在 [oauth] 里")
        if self.url.scheme in ("maildir", "ews") or self.url.user is None:
            raise ValueError("oauth 用于 imap、imaps、smtp、smtps 和 graph，网址里要有邮箱地址")
        if self.url.scheme == "graph" and self.oauth != "microsoft":
            raise ValueError('graph:// 要用 oauth = "microsoft" 登录')

    @property
    def user(self) -> str | None:
        """Who logs in; None: nobody does."""
        return self.login or self.url.user

    def password(self) -> str | None:
        """The secret as it is at this moment; None: no login is wanted. UserError when it cannot be had."""
        return self._secret(self.user or "", f"{self.url.host} 的密码")


class Mailbox(Account):
    """[[mailbox]]: a mailbox that is read."""

    name: str = Field(min_length=1)
    url: Annotated[Url, PlainValidator(_read_from)]
    authserv_ids: tuple[str, ...] = ()
    received_by: tuple[str, ...] = ()
    dkim: bool = False
    arc_sealers: tuple[str, ...] = ()
    after: Annotated[str, AfterValidator(_after)] = "leave"
    customers: bool = True
    traditional: bool = False
    poll: int = Field(default=60, ge=1)
    """Seconds between two looks where the server cannot tell of new mail by itself."""
    folder: str | None = None
    """As written; `imap_folder` is what to open."""

    @model_validator(mode="after")
    def _one_folder(self) -> Mailbox:
        if self.folder and (self.url.path or self.url.scheme == "maildir"):
            raise ValueError("url 里已经有目录，不能再写 folder")
        return self

    @model_validator(mode="after")
    def _moves_away(self) -> Mailbox:
        if self.url.scheme != "maildir" and self.after == f"move:{self.imap_folder}":
            raise ValueError(f"after 要把信移到正在读的文件夹“{self.imap_folder}”：请写另一个")
        return self

    @model_validator(mode="after")
    def _signatures_need_the_original(self) -> Mailbox:
        if (self.dkim or self.arc_sealers) and not self.verbatim:
            raise ValueError(f"{self.url.scheme} 交出来的不是邮件的原件，不能核对签名：请去掉 dkim 和 arc_sealers")
        return self

    @property
    def verbatim(self) -> bool:
        """Whether it hands out the original bytes. Exchange rebuilds what EWS and Graph give (mail.md §3)."""
        return self.url.scheme in VERBATIM

    @property
    def imap_folder(self) -> str:
        return self.folder or self.url.path or "INBOX"

    @property
    def account(self) -> str:
        """Whose UIDs are meant when this mailbox's are spoken of.

        IMAP servers count 1, 2, 3 for everybody, so that user and host belong to it. Other servers never give an id
        twice, wherever the mailbox moves, and names in a Maildir are unique. Folders are told apart by themselves.
        """
        url = self.url
        if url.scheme.startswith("imap"):
            return f"imap://{self.user}@{url.host}".lower()
        return f"{url.scheme}://{url.user}".lower() if url.user else url.scheme


class Send(Account):
    """[send]: the way out."""

    url: Annotated[Url, PlainValidator(_send_to)]
    sent: Annotated[Url | None, PlainValidator(_sent_in)] = None
    """The folder of sent mail on an IMAP server, opened with the same login; None: nobody looks after it."""
    sender: Annotated[str, PlainValidator(_sender)] = Field(alias="from")
    """As written: 技术支持助手 <support@example.com>."""

    @model_validator(mode="after")
    def _sent_by_smtp(self) -> Send:
        if self.sent is not None and not self.url.scheme.startswith("smtp"):
            raise ValueError(f"sent 只用于 smtp 和 smtps，{self.url.scheme} 自己会存")
        return self

    @property
    def name(self) -> str:
        """The display name; may be empty."""
        return parseaddr(self.sender)[0]

    @property
    def address(self) -> str:
        return parseaddr(self.sender)[1]


def _some(boxes: tuple[Mailbox, ...]) -> tuple[Mailbox, ...]:
    if not boxes:
        raise ValueError("至少要有一个 [[mailbox]]")
    return boxes


class Workbooks(Model):
    """[workbooks]."""

    folder: FilePath
    restricted: FilePath | None = None
    """As written; `restricted_folder` is what to use."""
    while_open: Literal["wait", "copy"] = "wait"
    remind_after: float = Field(default=4, gt=0)
    """Hours."""
    keep: int = Field(default=5, ge=0)
    """Published versions of each workbook that stay in data."""
    evidence: bool = False
    """Whether the raw mails that workbooks name are put beside them, and their cells lead there."""

    @model_validator(mode="after")
    def _apart(self) -> Workbooks:
        if self.restricted == self.folder:
            raise ValueError("restricted 不能与 folder 相同：绩效等级台账只给经理和总监看")
        return self

    @property
    def restricted_folder(self) -> Path:
        """For the manager and the director only (domain §7)."""
        return self.restricted or self.folder / "绩效台账"


class Alarm(Model):
    """[alarm]: who is told when a mailbox or the way out is out of order, past the department's own notices."""

    after: int = Field(default=60, ge=1)
    """Minutes that something must have been failing; a refused login is told at once."""
    command: tuple[str, ...] = ()
    """A program and its arguments; the text comes on its standard input."""
    to: tuple[str, ...] = ()
    send: Send | None = None
    """[alarm.send]: another way out than the usual."""

    @model_validator(mode="after")
    def _complete(self) -> Alarm:
        if bool(self.to) != (self.send is not None):
            raise ValueError("用邮件报警要同时有 to（收件地址）和 [alarm.send]（另一个发信账号）")
        if wrong := [address for address in self.to if not is_plain(address)]:
            raise ValueError(f"to 里的 {wrong[0]!r} 不是邮箱地址")
        return self


class OAuthApp(Secret):
    """[oauth.microsoft] and [oauth.google]: the application that the tenant or the project has registered."""

    client: str = ""
    tenant: str = ""
    """Microsoft: the tenant's id or domain."""
    cloud: Annotated[str, AfterValidator(_cloud)] = "global"
    """Microsoft: global, china (世纪互联), or the https address of another cloud's authority."""
    service_account: FilePath | None = None
    """Google: the key file of a service account that may act for the domain."""

    def secret(self) -> str | None:
        """Of the application; without one a person signs in by `mailflow login`."""
        return self._secret(self.client, "应用的密钥")


class OAuth(Model):
    """[oauth]."""

    microsoft: OAuthApp | None = None
    google: OAuthApp | None = None

    @model_validator(mode="after")
    def _complete(self) -> OAuth:
        if self.microsoft and not (self.microsoft.client and self.microsoft.tenant):
            raise ValueError("[oauth.microsoft] 要有 client（应用 ID）和 tenant（租户）")
        if self.microsoft and self.microsoft.service_account:
            raise ValueError("service_account 只用于 [oauth.google]")
        if self.google and not (self.google.client or self.google.service_account):
            raise ValueError("[oauth.google] 要有 client（客户端 ID），或 service_account（服务账号的密钥文件）")
        return self


class Config(Model):
    """config.toml, checked and frozen."""

    main: Main = Field(alias="mailflow")
    mailboxes: Annotated[tuple[Mailbox, ...], AfterValidator(_some)] = Field(alias="mailbox")
    send: Send
    workbooks: Workbooks
    oauth: OAuth = OAuth()
    alarm: Alarm = Alarm()

    @property
    def folders(self) -> dict[str, Path]:
        """Where it is written."""
        return {
            "data": self.main.data, "workbooks": self.workbooks.folder, "restricted": self.workbooks.restricted_folder,
        }  # fmt: skip

    @property
    def password_files(self) -> tuple[Path, ...]:
        """All files that hold a password and nothing else, each once."""
        users = (*self.mailboxes, self.send, self.alarm.send, self.oauth.microsoft, self.oauth.google)
        return tuple(dict.fromkeys(one.password_file for one in users if one and one.password_file))

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """All files with passwords and keys, each once."""
        key = self.oauth.google.service_account if self.oauth.google else None
        return (*self.password_files, key) if key else self.password_files

    def settings(self) -> Settings:
        """The part on which decisions depend, the public holidays of every year known included."""
        # Slow to import and only needed here (architecture: `mailflow --help` answers at once).
        from chinese_calendar import constants

        users = (box.url.user for box in self.mailboxes)
        own = [self.send.address, *(user for user in users if user and is_address(user))]
        return Settings(
            timezone=self.main.timezone,
            own_addresses=tuple(dict.fromkeys(map(key_of, own))),
            domain=domain_of(self.send.address),
            mailboxes={
                box.name: MailboxSettings(
                    authserv_ids=box.authserv_ids,
                    received_by=box.received_by,
                    dkim=box.dkim,
                    arc_sealers=box.arc_sealers,
                    customers=box.customers,
                    traditional=box.traditional,
                )
                for box in self.mailboxes
            },
            holidays=tuple(sorted(day for day in constants.holidays if day.weekday() < 5)),
            workdays=tuple(sorted(constants.workdays)),
            evidence=self.workbooks.evidence,
        )


def load(path: Path) -> Config:
    """The configuration in the file `path`. UserError with everything that is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "：请用 --config 写明它在哪里；还没有的，复制 config.example.toml"
        missing = hint if isinstance(error, FileNotFoundError) else f"（{error.strerror}）"
        raise UserError([Problem(f"读不到配置文件{missing}", str(path.absolute()))]) from None
    document = toml.parse(str(path), toml.decode(str(path), raw))
    document.data.setdefault("mailflow", {})
    config, problems = shape.read(document, Config, context={"base": path.absolute().parent})
    problems += _mailbox_problems(document)
    if config is not None:
        problems += _oauth_problems(document, config)
    if config is None or problems:
        problems.sort(key=lambda problem: problem.line or 0)
        raise UserError(problems)
    return config


def _oauth_problems(document: toml.Document, config: Config) -> list[Problem]:
    """Accounts that log in by OAuth at somebody who is not described."""
    places: list[tuple[Account, tuple[str | int, ...]]] = [(config.send, ("send",))]
    places += [(box, ("mailbox", index)) for index, box in enumerate(config.mailboxes)]
    places += [(config.alarm.send, ("alarm", "send"))] if config.alarm.send else []
    missing = [
        document.problem(f"要用 oauth，还要有 [oauth.{account.oauth}]", *where, "oauth")
        for account, where in places
        if account.oauth is not None and getattr(config.oauth, account.oauth) is None
    ]
    return missing or [
        document.problem(wrong, *where, "url")
        for account, where in places
        if (wrong := _wrong_cloud(account, config.oauth)) is not None
    ]


def _wrong_cloud(account: Account, oauth: OAuth) -> str | None:
    """A token for one cloud must not be shown to a server of another."""
    if account.url.scheme != "graph" or oauth.microsoft is None:
        return None
    host, cloud = account.url.host, oauth.microsoft.cloud
    if GRAPH_HOSTS.get(host, cloud) != cloud:
        return f"{host} 不属于 [oauth.microsoft] 里 cloud 写的那个云"
    if host not in GRAPH_HOSTS and cloud in GRAPH_HOSTS.values():
        known = " 或 ".join(GRAPH_HOSTS)
        return f"{host} 不是 {known}；别的云要在 [oauth.microsoft] 的 cloud 里写它的登录服务器"
    return None


def _mailbox_problems(document: toml.Document) -> list[Problem]:
    """What is wrong with the list of mailboxes as a whole."""
    boxes = document.data.get("mailbox")
    names = [box.get("name") for box in boxes if isinstance(box, dict)] if isinstance(boxes, list) else []
    return [
        document.problem(f"邮箱名称 {name} 用了两次", "mailbox", index, "name")
        for index, name in enumerate(names)
        if name and name in names[:index]
    ]
