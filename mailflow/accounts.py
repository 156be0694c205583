"""Wiring of everything that logs in somewhere: what config.toml says of it -> mailboxes, senders, tokens.

Transports are imported when they are needed, so that `mailflow --help` answers at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mailflow import config as configuration
from mailflow import secret
from mailflow.core.providers import Provider, provider_of
from mailflow.errors import UserError
from mailflow.logins import Gate
from mailflow.transports.base import Mailbox, Sender, Tokens
from mailflow.transports.pace import Pace
from mailflow.urls import GRAPH_HOSTS, Url

if TYPE_CHECKING:
    from mailflow.transports.copied import Sent
    from mailflow.transports.ews.connection import Login
    from mailflow.transports.graph.api import Office
    from mailflow.transports.oauth.google import GoogleTokens
    from mailflow.transports.oauth.microsoft import MicrosoftTokens

SENDER = "send"
"""What the account that sends is called: no mailbox's name stands in the way, since it is only used to tell people."""


class Accounts:
    """Args:
    providers: what mappings/providers.toml says at this moment.
    clock: tells the time.
    always: a person's command: no login is left out because it was refused before (logins.Gate).
    """

    def __init__(
        self,
        config: configuration.Config,
        providers: Callable[[], Iterable[Provider]],
        clock: Callable[[], datetime],
        *,
        always: bool = False,
    ) -> None:
        self._config, self._providers, self._clock, self._always = config, providers, clock, always
        self._gates: dict[str, Gate] = {}
        self._pace = Pace(config.main.data / "logins.json")

    def mailbox(self, box: configuration.Mailbox) -> Mailbox:
        url = box.url
        if url.scheme == "maildir":
            from mailflow.transports.maildir import MaildirMailbox

            return MaildirMailbox(box.name, Path(url.path))
        if url.scheme == "ews":
            from mailflow.transports.ews.mailbox import EwsMailbox

            return EwsMailbox(box.name, self._exchange(box), box.imap_folder)
        if url.scheme == "graph":
            from mailflow.transports.graph.mailbox import GraphMailbox

            return GraphMailbox(box.name, self._office(box, box.name), box.imap_folder)
        from mailflow.transports.imap import ImapMailbox

        return ImapMailbox(
            box.name, url.host, url.port or 993, url.scheme == "imaps", box.user or "", lambda: box.password() or "",
            box.imap_folder, tokens=self._tokens(box, box.name), provider=self.provider(url.host), pace=self._pace,
        )  # fmt: skip

    def sender(self, send: configuration.Send) -> Sender:
        url = send.url
        if url.scheme == "maildir":
            from mailflow.transports.maildir import MaildirSender

            return MaildirSender(Path(url.path))
        if url.scheme == "ews":
            from mailflow.transports.ews.sender import EwsSender

            return EwsSender(self._exchange(send))
        if url.scheme == "graph":
            from mailflow.transports.graph.sender import GraphSender

            return GraphSender(self._office(send, SENDER))
        return self._smtp(send)

    def _smtp(self, send: configuration.Send) -> Sender:
        from mailflow.transports.smtp import Mode, SmtpSender

        url, tokens = send.url, self._tokens(send, SENDER)
        mode: Mode = "smtps" if url.scheme == "smtps" else "starttls"
        provider = self.provider(url.host)
        sender = SmtpSender(
            url.host, url.port or 465, mode, send.user, lambda: send.password() or "", tokens=tokens, provider=provider,
            sender=send.address,
        )  # fmt: skip
        if send.sent is None:
            return sender
        from mailflow.transports.copied import CopyingSender
        from mailflow.transports.imap import ImapSent

        sent = ImapSent(
            SENDER, send.sent.host, send.sent.port or 993, send.sent.scheme == "imaps", send.sent.user or "",
            lambda: send.password() or "", send.sent.path, tokens=tokens, provider=self.provider(send.sent.host),
            pace=self._pace,
        )  # fmt: skip
        gate = self._gate(send.sent, send.sent.user, send)
        return CopyingSender(sender, _PassingSent(sent, gate), saves=provider.saves_sent)

    def provider(self, host: str) -> Provider:
        """What mappings/providers.toml knows of a server."""
        return provider_of(host, self._providers())

    # -- tokens ------------------------------------------------------------------------------------------------------

    def _exchange(self, account: configuration.Account) -> Login:
        from mailflow.transports.ews.connection import Login
        from mailflow.transports.wire import is_loopback

        url = account.url
        scheme = "http" if is_loopback(url.host) and url.port != 443 else "https"
        endpoint = f"{scheme}://{url.host}:{url.port}/EWS/Exchange.asmx"
        return Login(endpoint, url.user or "", account.user or "", lambda: account.password() or "")

    def _office(self, account: configuration.Account, name: str) -> Office:
        from mailflow.transports.graph.api import CHINA, GLOBAL, Office
        from mailflow.transports.wire import is_loopback

        url, cloud = account.url, GRAPH_HOSTS.get(account.url.host)
        base = {"global": GLOBAL, "china": CHINA}.get(cloud or "", f"https://{url.host}:{url.port}")
        if is_loopback(url.host) and url.port != 443:
            base = f"http://{url.host}:{url.port}"
        return Office(url.user or "", self.tokens(account, name), base, delta=cloud != "china")

    def _tokens(self, account: configuration.Account, name: str) -> Tokens | None:
        return None if account.oauth is None else self.tokens(account, name)

    def tokens(self, account: configuration.Account, name: str) -> GoogleTokens | MicrosoftTokens:
        """Where the access tokens of the account called `name` come from. UserError: it uses none."""
        # At Graph somebody else may open a shared mailbox; elsewhere a token is asked for the mailbox itself.
        user = (account.user if account.url.scheme == "graph" else account.url.user) or ""
        path = self._config.main.data / "oauth" / f"{hashlib.sha256(user.encode()).hexdigest()[:16]}.json"
        if account.oauth == "google" and (google := self._config.oauth.google):
            key = google.service_account
            from mailflow.transports.oauth.google import GoogleApp, GoogleTokens

            by_key = (lambda: secret.from_file(key)) if key else None
            return GoogleTokens(GoogleApp(google.client, lambda: google.secret() or "", by_key), path, user)
        if account.oauth == "microsoft" and (microsoft := self._config.oauth.microsoft):
            from mailflow.transports.oauth.microsoft import MICROSOFT, MicrosoftApp, MicrosoftTokens, resource, scopes

            app = MicrosoftApp(
                microsoft.tenant,
                microsoft.client,
                (lambda: microsoft.secret() or "") if microsoft.has_secret else None,
                MICROSOFT.get(microsoft.cloud, microsoft.cloud),
            )
            whole = resource(account.url.scheme, microsoft.cloud, account.url.host)
            shared = user != account.url.user
            wanted = scopes(account.url.scheme, whole, microsoft.has_secret, shared=shared)
            return MicrosoftTokens(app, wanted, path, user)
        raise UserError(f"{name} 没有用 oauth 登录，不需要运行 mailflow login。", code=2)

    # -- refused logins ----------------------------------------------------------------------------------------------

    def gate(self, account: configuration.Account) -> Gate:
        """What this account passes when it logs in, shared by all that log in there as the same user."""
        return self._gate(account.url, account.user, account)

    def _gate(self, url: Url, user: str | None, account: configuration.Account) -> Gate:
        name = f"{url.scheme}://{user or ''}@{url.host}:{url.port or ''}"
        folder = self._config.main.data / "refused"
        made = Gate(name, folder, lambda: self._secret(account), self._clock, always=self._always)
        return self._gates.setdefault(name, made)

    def _secret(self, account: configuration.Account) -> str:
        """All that a server may refuse, as it is now; what a person has signed in with is seen to by `mailflow login`.

        Not the token file: it is written anew with each token, and a refusal would be tried again for that.
        """
        if account.oauth is None:
            return account.password() or ""
        app = self._config.oauth.google if account.oauth == "google" else self._config.oauth.microsoft
        if app is None:
            return ""
        key = secret.from_file(app.service_account) if app.service_account else app.secret()
        return "\0".join((app.tenant, app.client, app.cloud, key or ""))


class _PassingSent:
    """The folder of sent mail, left alone while its login is refused: each message would be one try more."""

    def __init__(self, sent: Sent, gate: Gate) -> None:
        self._sent, self._gate = sent, gate

    def append(self, message: bytes) -> None:
        with self._gate.passing():
            self._sent.append(message)

    def holds(self, message_id: str) -> bool:
        with self._gate.passing():
            return self._sent.holds(message_id)

    def check(self) -> str:
        with self._gate.passing():
            return self._sent.check()

    def close(self) -> None:
        self._sent.close()
