"""Access tokens: msal and Google's endpoint against a small authority, and logins with tokens (mail.md §1, §8 11)."""

from __future__ import annotations

import base64
import contextlib
import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow.errors import AuthError, MailflowError, TransientError
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.oauth.google import GoogleApp, GoogleTokens
from mailflow.transports.oauth.kept import keep
from mailflow.transports.oauth.microsoft import MicrosoftApp, MicrosoftTokens, resource, scopes
from mailflow.transports.smtp import SmtpSender
from mailflow.transports.wire import Timeouts
from tests.servers.imap import ScriptedImap, Session
from tests.servers.loopback import Certificate
from tests.servers.oauth import OAuthServer
from tests.servers.smtp import Answer, ScriptedSmtp
from tests.servers.trickle import HTTP, TLS, Trickle
from tests.transports.contract import mail, read, subjects
from tests.transports.scripted import Given

USER = "support@corp.example"
SCOPES = ["https://graph.microsoft.com/.default"]
DELEGATED = ["https://outlook.office.com/IMAP.AccessAsUser.All"]
QUICK = Timeouts(connect=1, read=0.4, operation=10)


@pytest.fixture(autouse=True)
def only_the_authority_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests lets these go before what it is told."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(certificate: Certificate) -> Iterator[OAuthServer]:
    with OAuthServer(certificate) as server:
        yield server


@pytest.fixture
def google() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


def microsoft(
    server: OAuthServer, certificate: Certificate, folder: Path, secrets: list[str] | None = None
) -> MicrosoftTokens:
    """`secrets`: the application's, the last one counts; None: a person signs in."""
    secret = (lambda: secrets[-1]) if secrets is not None else None
    app = MicrosoftApp("tenant", "app", secret, server.url, str(certificate.cert))
    return MicrosoftTokens(app, SCOPES if secret else DELEGATED, folder / "oauth" / "support.json", USER)


# -- Microsoft --------------------------------------------------------------------------------------------------------


def test_an_application_gets_a_token_and_keeps_it_until_it_is_refused(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    tokens = microsoft(authority, certificate, tmp_path, ["secret"])
    assert [tokens.token(), tokens.token(), tokens.token(fresh=True)] == ["token-1", "token-1", "token-2"]
    assert [form["grant_type"] for form in authority.authority.asked] == ["client_credentials"] * 2
    assert authority.authority.asked[0]["client_secret"] == "secret"


def test_a_rotated_secret_is_used_at_once(authority: OAuthServer, certificate: Certificate, tmp_path: Path) -> None:
    secrets = ["old"]
    tokens = microsoft(authority, certificate, tmp_path, secrets)
    tokens.token()
    secrets.append("new")
    tokens.token()
    assert [form["client_secret"] for form in authority.authority.asked] == ["old", "new"]


@pytest.mark.parametrize(
    ("error", "description", "said"),
    [
        ("invalid_client", "AADSTS7000222: The provided client secret keys are expired.", "密钥已过期"),
        ("invalid_client", "AADSTS7000215: Invalid client secret provided.", "不是它的 ID"),
        ("unauthorized_client", "AADSTS700016: Application not found in the directory", "没有这个应用"),
        ("strange", "nobody knows", "strange nobody knows"),
    ],
)
def test_a_refusal_is_an_alarm_in_words(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path, error: str, description: str, said: str
) -> None:
    authority.authority.answers.append((400, {"error": error, "error_description": description}))
    with pytest.raises(AuthError, match=said):
        microsoft(authority, certificate, tmp_path, ["s"]).token()


@pytest.mark.parametrize(
    ("error", "description"),
    [("temporarily_unavailable", "later"), ("server_error", "AADSTS90012: Request timed out, later."),
     ("invalid_request", "AADSTS90024: A transient error has occurred. Try again later."),
     ("invalid_request", "AADSTS90055: There are too many incoming requests, later.")],
)  # fmt: skip
def test_an_authority_in_trouble_is_transient(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path, error: str, description: str
) -> None:
    authority.authority.answers.append((400, {"error": error, "error_description": description}))
    with pytest.raises(TransientError, match="later"):
        microsoft(authority, certificate, tmp_path, ["s"]).token()


def test_a_secret_goes_nowhere_else(
    authority: OAuthServer, google: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    keep(tmp_path / "g.json", json.dumps({"refresh_token": "r"}))
    tokens = (
        microsoft(authority, certificate, tmp_path, ["s"]),
        GoogleTokens(GoogleApp("c", tokens=authority.url.replace("https", "http")), tmp_path / "g.json", USER),
    )
    assert tokens[0].token()
    authority.authority.raw = (307, b"", {"Location": google.url})
    for each in tokens:
        with pytest.raises(TransientError):
            each.token(fresh=True)
    assert google.authority.asked == []


def test_an_authority_that_is_away_is_transient(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    app = MicrosoftApp("tenant", "app", lambda: "s", "https://localhost:9", str(certificate.cert))
    with pytest.raises(TransientError):
        MicrosoftTokens(app, SCOPES, tmp_path / "x.json", USER).token()


def test_an_authority_without_a_trusted_certificate_is_not_asked(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    app = MicrosoftApp("tenant", "app", lambda: "s", authority.url)
    with pytest.raises(TransientError, match=r"(?i)certificate"):
        MicrosoftTokens(app, SCOPES, tmp_path / "x.json", USER).token()
    assert authority.authority.asked == []


def test_a_person_signs_in_once_at_another_device(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    told: list[str] = []
    with pytest.raises(AuthError, match="mailflow login"):
        microsoft(authority, certificate, tmp_path).token()
    microsoft(authority, certificate, tmp_path).sign_in(told.append)
    assert "ABCD-EFGH" in told[0]
    kept = tmp_path / "oauth" / "support.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    again = microsoft(authority, certificate, tmp_path)
    assert again.token() == "token-1"
    assert again.token(fresh=True) == "token-2"
    assert authority.authority.asked[-1]["refresh_token"] == "refresh-1"
    # The rolling refresh token is kept: another process goes on with it.
    assert microsoft(authority, certificate, tmp_path).token(fresh=True) == "token-3"
    assert authority.authority.asked[-1]["refresh_token"] == "refresh-2"


def test_a_sign_in_that_has_lapsed_says_what_to_do(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    tokens = microsoft(authority, certificate, tmp_path)
    tokens.sign_in(lambda text: None)
    lapsed: dict[str, object] = {
        "error": "invalid_grant",
        "error_description": "AADSTS700082: The refresh token has expired",
    }
    authority.authority.answers.append((400, lapsed))
    with pytest.raises(AuthError, match="重新运行 mailflow login"):
        tokens.token(fresh=True)


def test_what_microsoft_is_asked_for() -> None:
    graph, mail_ = resource("graph", "global", "graph.microsoft.com"), resource("imaps", "china", "x.example")
    assert scopes("graph", graph, True, shared=True) == ["https://graph.microsoft.com/.default"]
    own = scopes("graph", graph, False)
    assert own == ["https://graph.microsoft.com/Mail.ReadWrite", "https://graph.microsoft.com/Mail.Send"]
    assert scopes("graph", graph, False, shared=True) == [*own, *(f"{name}.Shared" for name in own)]
    delegated = ["https://partner.outlook.cn/IMAP.AccessAsUser.All", "https://partner.outlook.cn/SMTP.Send"]
    assert scopes("imaps", mail_, False) == delegated
    assert resource("imaps", "https://login.other.example", "imap.other.example") == "https://imap.other.example"


# -- what is kept, and answers that are none ---------------------------------------------------------------------------


def signed_in(authority: OAuthServer, certificate: Certificate, folder: Path) -> Path:
    microsoft(authority, certificate, folder).sign_in(lambda text: None)
    return folder / "oauth" / "support.json"


def test_two_accounts_of_one_person_share_what_is_kept_at_the_same_time(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    """Each renewal gives a new refresh token: none of them is lost, and none used twice."""
    signed_in(authority, certificate, tmp_path)
    accounts = [microsoft(authority, certificate, tmp_path) for _ in range(2)]
    found: list[str] = []

    def work(tokens: MicrosoftTokens) -> None:
        found.extend(tokens.token(fresh=True) for _ in range(6))

    threads = [threading.Thread(target=work, args=(tokens,)) for tokens in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 12
    used = [form["refresh_token"] for form in authority.authority.asked if form["grant_type"] == "refresh_token"]
    assert used == [f"refresh-{number}" for number in range(1, 13)]


def test_a_sign_in_elsewhere_is_used_at_once(authority: OAuthServer, certificate: Certificate, tmp_path: Path) -> None:
    tokens = microsoft(authority, certificate, tmp_path)
    with pytest.raises(AuthError):
        tokens.token()
    signed_in(authority, certificate, tmp_path)
    assert tokens.token() == "token-1"
    signed_in(authority, certificate, tmp_path)
    tokens.token(fresh=True)
    assert authority.authority.asked[-1]["refresh_token"] == "refresh-2"


def test_the_authority_is_asked_once_for_many_requests(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    """Graph wants a token with every request."""
    signed_in(authority, certificate, tmp_path)
    tokens = microsoft(authority, certificate, tmp_path)
    assert {tokens.token() for _ in range(50)} == {"token-1"}
    assert len(authority.authority.asked) == 1


def test_what_is_kept_is_for_its_owner_alone_and_so_is_its_folder(
    authority: OAuthServer, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "oauth").mkdir(mode=0o755)
    kept = signed_in(authority, certificate, tmp_path)
    kept.chmod(0o644)
    microsoft(authority, certificate, tmp_path).token(fresh=True)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept, kept.parent)] == [0o600, 0o700]
    assert list(kept.parent.iterdir()) == [kept]


SPOILT = ["{", "", "[]", "null", '{"Account": 5}', '{"RefreshToken": {"x": 7}}', "[" * 100_000, "\0\0\0"]


@pytest.mark.parametrize("content", SPOILT)
def test_what_is_kept_and_spoilt_says_what_to_do_and_is_made_anew(
    authority: OAuthServer, google: OAuthServer, certificate: Certificate, tmp_path: Path, content: str
) -> None:
    kept = signed_in(authority, certificate, tmp_path)
    kept.write_text(content)
    with pytest.raises(AuthError, match="重新运行 mailflow login"):
        microsoft(authority, certificate, tmp_path).token()
    signed_in(authority, certificate, tmp_path)
    assert microsoft(authority, certificate, tmp_path).token() == "token-2"
    kept.write_text(content)
    with pytest.raises(AuthError, match="mailflow login"):
        GoogleTokens(GoogleApp("c", tokens=google.url), kept, USER).token()


def test_what_cannot_be_read_or_written_says_who_is_to_sign_in(google: OAuthServer, tmp_path: Path) -> None:
    """`mailflow login` was run by another user."""
    (tmp_path / "s.json").mkdir()
    tokens = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER)
    with pytest.raises(AuthError, match="那个用户"):
        tokens.token()
    with pytest.raises(TransientError, match="那个用户"):
        tokens.redeem("code", "http://127.0.0.1:1")


PAGE_OF_A_PROXY = "<!DOCTYPE html><h1>访问受限</h1>".encode()


@pytest.mark.parametrize(
    "answer",
    [(200, PAGE_OF_A_PROXY), (400, PAGE_OF_A_PROXY), (403, PAGE_OF_A_PROXY), (200, b""), (200, b"{}"), (200, b"[]"),
     (200, b"null"), (429, b"{}"), (503, b"{}"), (500, PAGE_OF_A_PROXY), (200, b'{"access_token": 5}'),
     (200, b'{"access_token": null}'), (200, b'{"token_endpoint": 5}'), (200, b"[" * 100_000)],
)  # fmt: skip
def test_answers_that_are_none_are_passing_and_no_refusal(
    authority: OAuthServer, google: OAuthServer, certificate: Certificate, tmp_path: Path, answer: tuple[int, bytes]
) -> None:
    signed_in(authority, certificate, tmp_path)
    keep(tmp_path / "g.json", json.dumps({"refresh_token": "r"}))
    for server in (authority, google):
        server.authority.raw = (*answer, {"Retry-After": "33"})
    person, secret = (microsoft(authority, certificate, tmp_path, secrets) for secrets in (None, ["s"]))
    by_google = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "g.json", USER)
    for tokens in (person, secret, by_google):
        with pytest.raises(TransientError) as caught:
            tokens.token(fresh=True)
        assert caught.value.retry_after == (33 if answer[0] in (429, 503, 500) else None)
    with pytest.raises(TransientError):
        person.sign_in(lambda text: None)
    for server in (authority, google):
        server.authority.raw = None
    assert all(tokens.token(fresh=True) for tokens in (person, secret, by_google))


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Evil: 1", "\x01", "密码一"])
def test_a_token_that_could_be_something_else_in_a_header_is_none_and_is_not_shown(
    authority: OAuthServer, google: OAuthServer, certificate: Certificate, tmp_path: Path, token: str
) -> None:
    """The libraries would put it into their errors, and from there it would come into the log."""
    keep(tmp_path / "g.json", json.dumps({"refresh_token": "r"}))
    by_google = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "g.json", USER)
    for server, tokens in ((authority, microsoft(authority, certificate, tmp_path, ["s"])), (google, by_google)):
        server.authority.answers = [(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})]
        with pytest.raises(TransientError) as caught:
            tokens.token(fresh=True)
        assert not token or token not in str(caught.value)
        assert tokens.token(fresh=True).startswith("token-")


def test_an_authority_that_trickles_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Timeouts(connect=30, read=30, operation=0.5)
    monkeypatch.setattr("mailflow.transports.oauth.google._TIMEOUTS", short)
    monkeypatch.setattr("mailflow.transports.oauth.microsoft._TIMEOUTS", short)
    keep(tmp_path / "g.json", json.dumps({"refresh_token": "r"}))
    with Trickle(HTTP) as server:
        app = GoogleApp("c", tokens=f"http://127.0.0.1:{server.port}")
        with pytest.raises(TransientError):
            GoogleTokens(app, tmp_path / "g.json", USER).token()
        assert server.left.wait(20)
    with Trickle(TLS) as server:
        by_secret = MicrosoftApp("tenant", "app", lambda: "s", f"https://localhost:{server.port}")
        with pytest.raises(TransientError):
            MicrosoftTokens(by_secret, SCOPES, tmp_path / "x.json", USER).token()
        assert server.left.wait(20)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["access_token", "refresh_token", "expires_in", "id_token", "scope", "error",
                         "error_description", "client_info", "token_type", "refresh_token_expires_in"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=6), st.lists(st.none(), max_size=1), st.just({})),
    )
)  # fmt: skip
def test_whatever_a_token_endpoint_says_no_other_exception_escapes(
    authority: OAuthServer, google: OAuthServer, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory,
    answer: dict[str, object],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("kept")
    keep(folder / "g.json", json.dumps({"refresh_token": "r"}))
    by_google = GoogleTokens(GoogleApp("c", tokens=google.url), folder / "g.json", USER)
    person = microsoft(authority, certificate, folder)
    calls: list[Callable[[], object]] = [
        partial(person.sign_in, lambda text: None),
        partial(person.token, fresh=True),
        partial(microsoft(authority, certificate, folder, ["s"]).token, fresh=True),
        partial(by_google.token, fresh=True),
        partial(by_google.redeem, "code", "http://127.0.0.1:1"),
    ]
    for call in calls:
        authority.authority.answers, google.authority.answers = [(200, answer)], [(200, answer)]
        with contextlib.suppress(MailflowError):
            call()
    assert by_google.ends is None or by_google.ends > date(2026, 1, 1)


# -- Google -----------------------------------------------------------------------------------------------------------


def test_a_person_agrees_in_the_browser_and_the_refresh_token_is_kept(google: OAuthServer, tmp_path: Path) -> None:
    app = GoogleApp("client", lambda: "secret", tokens=google.url)
    kept = tmp_path / "oauth" / "support.json"
    tokens = GoogleTokens(app, kept, USER)
    with pytest.raises(AuthError, match="mailflow login"):
        tokens.token()
    assert "login_hint=support%40corp.example" in tokens.address_to_open("http://127.0.0.1:1", "state")
    tokens.redeem("code", "http://127.0.0.1:1")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    again = GoogleTokens(app, kept, USER)
    assert [again.token(), again.token(), again.token(fresh=True)] == ["token-2", "token-2", "token-3"]
    assert google.authority.asked[-1] == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "client",
        "client_secret": "secret",
    }


@pytest.mark.parametrize(("seconds", "days"), [(604_799, 7), (None, None), (0, None), (10**12, None)])
def test_when_a_sign_in_ends_is_known_where_google_tells_it(
    google: OAuthServer, tmp_path: Path, seconds: int | None, days: int | None
) -> None:
    """The sign-in of an application that is being tested ends after seven days."""
    google.authority.ends = seconds
    tokens = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER)
    assert tokens.ends is None
    tokens.redeem("code", "http://127.0.0.1:1")
    left = None if tokens.ends is None else (tokens.ends - datetime.now(UTC).date()).days
    assert left in ({days, 6} if days else {None})
    assert tokens.token() == "token-2"


def test_an_icon_that_the_browser_asks_for_is_no_answer(google: OAuthServer, tmp_path: Path) -> None:
    tokens = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER)

    def browse(text: str) -> None:
        query = parse_qs(urlsplit(text.splitlines()[1]).query)
        httpx.get(query["redirect_uri"][0] + "/favicon.ico")
        httpx.get(query["redirect_uri"][0], params={"code": "the-code", "state": query["state"][0]})

    tokens.sign_in(browse)
    assert google.authority.asked[0]["code"] == "the-code"


def test_the_browser_brings_the_code_back(google: OAuthServer, tmp_path: Path) -> None:
    tokens = GoogleTokens(GoogleApp("client", lambda: "secret", tokens=google.url), tmp_path / "s.json", USER)

    def browse(text: str) -> None:
        query = parse_qs(urlsplit(text.splitlines()[1]).query)
        httpx.get(query["redirect_uri"][0], params={"code": "the-code", "state": query["state"][0]})

    tokens.sign_in(browse)
    assert google.authority.asked[0]["code"] == "the-code"
    assert tokens.token() == "token-2"


@pytest.mark.parametrize(
    "arrived", ["http://127.0.0.1/?code=x&state=forged", "http://127.0.0.1/?error=access_denied", ""]
)
def test_a_sign_in_that_is_not_ours_is_refused(google: OAuthServer, tmp_path: Path, arrived: str) -> None:
    tokens = GoogleTokens(GoogleApp("client", lambda: "secret", tokens=google.url), tmp_path / "s.json", USER)
    with pytest.raises(AuthError, match="没有登录成功"):
        tokens.sign_in(lambda text: None, lambda: arrived)
    assert google.authority.asked == []


def test_a_revoked_agreement_is_an_alarm(google: OAuthServer, tmp_path: Path) -> None:
    keep(tmp_path / "s.json", json.dumps({"refresh_token": "r"}))
    google.authority.answers.append((400, {"error": "invalid_grant", "error_description": "Token has been revoked."}))
    with pytest.raises(AuthError, match="重新运行 mailflow login"):
        GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER).token()


def test_a_token_that_has_ended_while_the_machine_slept_is_not_used(
    google: OAuthServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path / "s.json", json.dumps({"refresh_token": "r"}))
    tokens = GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER)
    assert [tokens.token(), tokens.token()] == ["token-1", "token-1"]
    slept = time.time() + 3600
    monkeypatch.setattr("time.time", lambda: slept)
    assert tokens.token() == "token-2"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_google_in_trouble_is_transient(google: OAuthServer, tmp_path: Path, status: int) -> None:
    keep(tmp_path / "s.json", json.dumps({"refresh_token": "r"}))
    google.authority.answers.append((status, {}))
    with pytest.raises(TransientError):
        GoogleTokens(GoogleApp("c", tokens=google.url), tmp_path / "s.json", USER).token()


@pytest.fixture(scope="module")
def robot() -> str:
    """The key of a service account."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({"client_email": "robot@project.example", "private_key": pem.decode(), "private_key_id": "k1"})


def test_a_service_account_acts_for_the_mailbox(google: OAuthServer, tmp_path: Path, robot: str) -> None:
    app = GoogleApp(service_account=lambda: robot, tokens=google.url)
    assert GoogleTokens(app, tmp_path / "none.json", USER).token() == "token-1"
    head, claims, _ = google.authority.asked[0]["assertion"].split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["iss"], told["sub"], told["aud"]) == ("robot@project.example", USER, google.url)
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["kid"] == "k1"


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", "时钟"),
        ("Invalid JWT Signature.", "新建一个"),
        ("Invalid email or User ID", "没有这个邮箱"),
        ("Invalid grant: account not found", "服务账号已删除"),
    ],
)
def test_a_refused_service_account_is_told_why_and_not_to_sign_in(
    google: OAuthServer, tmp_path: Path, robot: str, description: str, said: str
) -> None:
    """Nobody can sign in as one."""
    google.authority.answers.append((400, {"error": "invalid_grant", "error_description": description}))
    app = GoogleApp(service_account=lambda: robot, tokens=google.url)
    with pytest.raises(AuthError, match=said) as caught:
        GoogleTokens(app, tmp_path / "none.json", USER).token()
    assert "mailflow login" not in str(caught.value)


def test_a_broken_key_is_told_without_showing_it(google: OAuthServer, tmp_path: Path) -> None:
    app = GoogleApp(service_account=lambda: '{"client_email": "x", "private_key": "geheim"}', tokens=google.url)
    with pytest.raises(AuthError, match="密钥文件") as caught:
        GoogleTokens(app, tmp_path / "none.json", USER).token()
    assert "geheim" not in str(caught.value)


# -- logins with tokens -----------------------------------------------------------------------------------------------


def with_token(*, capability: bytes, good: str, refusal: bytes = b"AUTHENTICATE failed.") -> ScriptedImap:
    def authenticate(session: Session, tag: bytes, line: bytes) -> None:
        text = base64.b64decode(line.split()[2] if len(line.split()) > 2 else _asked(session)).decode()
        if f"auth=Bearer {good}\x01" in text and USER in text:
            session.ok(tag)
        else:
            session.no(tag, refusal)

    return ScriptedImap({1: mail("one")}, capability=capability, on={b"AUTHENTICATE": authenticate})


def _asked(session: Session) -> bytes:
    session.write(b"+ \r\n")
    return session.read()


@pytest.mark.parametrize("mechanism", [b"XOAUTH2", b"OAUTHBEARER"])
def test_imap_logs_in_with_a_fresh_token_after_every_reconnect(mechanism: bytes) -> None:
    given = Given("token-1", "token-2", "token-3")
    with with_token(capability=b"IMAP4rev1 AUTH=" + mechanism, good="token-1") as server:
        box = ImapMailbox("s", "127.0.0.1", server.port, False, USER, lambda: "", timeouts=QUICK, tokens=given)
        with closing(box):
            assert subjects(*read(box)) == ["one"]
            box.close()
            with pytest.raises(AuthError):
                box.check()  # asked for the second token, which this server does not know, nor the third
        assert any(command.startswith(b"AUTHENTICATE " + mechanism) for command in server.commands)


@pytest.mark.parametrize("refusal", [b"AUTHENTICATE failed.", b"AccessTokenExpired"])
def test_imap_tries_a_fresh_token_once_where_a_kept_one_was_taken_back(refusal: bytes) -> None:
    """Before its end: a password was changed, or the right to log in withdrawn."""
    with with_token(capability=b"IMAP4rev1 AUTH=XOAUTH2", good="fresh", refusal=refusal) as server:
        for tokens, error, asked in (
            (Given("kept", "fresh"), None, [False, True]),
            (Given("kept", "worse"), "换了新的令牌|登录失败", [False, True]),
            (Given("kept", AuthError("不给令牌")), "不给令牌", [False, True]),
            (Given(AuthError("不给令牌")), "不给令牌", [False]),
        ):
            box = ImapMailbox("s", "127.0.0.1", server.port, False, USER, lambda: "", timeouts=QUICK, tokens=tokens)
            with closing(box), pytest.raises(AuthError, match=error) if error else nullcontext():
                assert subjects(*read(box)) == ["one"]
            assert tokens.asked == asked


@pytest.mark.parametrize("fresh", ["fresh", "worse"])
def test_smtp_tries_a_fresh_token_once_where_a_kept_one_was_taken_back(fresh: str) -> None:
    good = base64.b64encode(f"user={USER}\x01auth=Bearer fresh\x01\x01".encode())
    answers: dict[str, Answer | list[Answer]] = {"AUTH": [b"535 5.7.3 no.\r\n", b"535 5.7.3 no.\r\n"]}
    if fresh == "fresh":
        answers["AUTH"] = [b"535 5.7.3 no.\r\n", b"235 ok\r\n"]
    tokens = Given("kept", fresh)
    with ScriptedSmtp(answers, features=["AUTH XOAUTH2"]) as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", USER, timeouts=QUICK, tokens=tokens)
        with closing(sender), nullcontext() if fresh == "fresh" else pytest.raises(AuthError, match="no。换了新的令牌"):
            sender.check()
        said = [line for line in server.lines if line.startswith(b"AUTH ")]
    assert tokens.asked == [False, True]
    assert [line.split()[-1] == good for line in said] == [False, fresh == "fresh"]
