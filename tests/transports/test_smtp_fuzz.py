"""Whatever a server answers, a message is neither believed to be sent when it was not, nor sent again when it may have
been, and the next one goes through. The answers are thought up; the sockets, threads and smtplib are real."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow.errors import MailflowError, UnclearError
from mailflow.transports.smtp import SmtpSender
from mailflow.transports.wire import Timeouts
from tests.servers.smtp import Answer, Last, ScriptedSmtp

FROM, TO = "support@company.example", ["anna@company.example", "王@company.example"]
NOTICE = b"Subject: hello\r\nMessage-ID: <n1@company.example>\r\n\r\nText\r\n"
QUICK = Timeouts(connect=2, read=0.3, operation=2, verdict=0.3)
CONTEXT = ssl.create_default_context()
"""Slow to make, and not used."""
FEATURES = ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5 NTLM", "SIZE", "SIZE 100000", "SIZE x", "SMTPUTF8", "8BITMIME"]

codes = st.sampled_from(
    [b"250", b"220", b"221", b"235", b"251", b"334", b"354", b"421", b"450", b"452", b"503", b"504", b"530", b"535",
     b"550", b"552", b"554", b"25", b"2500", b"999", b"-50", b" 25", b"2_5", b"000", b"\xb2\xb5\xb0"]
)  # fmt: skip
texts = st.sampled_from(
    [b"ok", b"", b"5.7.8 no", b"SIZE 1", b"dXNlcg==", b"AUTH PLAIN", "系统繁忙".encode("gbk"), b"\0", b"x" * 9000]
)
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
blanks = st.sampled_from([b" ", b" ", b"", b"\t"])
lines = st.tuples(codes, blanks, texts, ends).map(b"".join)
several = st.tuples(codes, st.just(b"-"), texts, ends, lines).map(b"".join)
junk = st.binary(max_size=40).map(lambda some: some.replace(b"\n", b"") + b"\n")
doubled = st.tuples(lines, lines).map(b"".join)
answers: st.SearchStrategy[Answer] = st.one_of(
    lines, lines, several, junk, doubled, st.none(), st.binary(max_size=8).map(Last), several.map(Last)
)
verbs = st.sampled_from(["", "EHLO", "HELO", "AUTH", "*", "MAIL", "RCPT", "DATA", ".", ".", "NOOP", "RSET", "QUIT"])
scripts = st.dictionaries(verbs, st.lists(answers, min_size=1, max_size=2), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedSmtp]:
    with ScriptedSmtp() as server:
        yield server


@settings(max_examples=700, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=scripts, features=st.lists(st.sampled_from(FEATURES), unique=True), login=st.booleans())
def test_no_answer_makes_us_lose_or_repeat_a_message(
    server: ScriptedSmtp, script: dict[str, list[Answer]], features: list[str], login: bool
) -> None:
    user = "support" if login else None
    sender = SmtpSender("127.0.0.1", server.port, "plain", user, lambda: "geheim", timeouts=QUICK, context=CONTEXT)
    with contextlib.closing(sender):
        for _ in range(2):
            server.on, server.features = dict(script), features
            server.messages.clear()
            server.verdicts.clear()
            try:
                sender.send(NOTICE, FROM, TO)
                ended: MailflowError | None = None
            except MailflowError as error:
                ended = error
            hold(server, ended)
        server.on, server.features = {}, ["AUTH PLAIN"]
        sender.send(NOTICE, FROM, TO[:1])
    assert server.messages[-1] == NOTICE


def hold(server: ScriptedSmtp, ended: MailflowError | None) -> None:
    """Only a clear answer to the finished message settles it."""
    assert len(server.messages) <= 1, "handed over once at most"
    assert "geheim" not in str(ended)
    if ended is None:
        assert verdict(server).startswith(b"250")
    elif server.messages and not isinstance(ended, UnclearError):
        assert verdict(server)[:1] in (b"4", b"5")


def verdict(server: ScriptedSmtp) -> bytes:
    (said,) = server.verdicts
    assert isinstance(said, bytes)
    return said
