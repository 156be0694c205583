"""config.toml: what it means, and what is said when it is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailflow import config
from mailflow.config import Config, load
from mailflow.errors import UserError
from mailflow.urls import Url, parse_url

ROOT = Path(__file__).parents[2]

SMALL = """\
[[mailbox]]
name = "support"
url = "maildir:var/inbox"

[send]
url = "maildir:var/sent"
from = "技术支持助手 <support@example.com>"

[workbooks]
folder = "var/workbooks"
"""


def read(folder: Path, text: str) -> Config:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    """What is said, as `line: text`, without the file, which must be the one that was read."""
    with pytest.raises(UserError) as caught:
        read(folder, text)
    assert {problem.file for problem in caught.value.problems} == {str(folder / "config.toml")}
    return [f"{problem.line}: {problem.text}" for problem in caught.value.problems]


def test_a_small_configuration_has_defaults_beside_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL)
    assert config.main.data == tmp_path / "var"
    assert config.main.mappings == tmp_path / "mappings"
    assert config.main.templates == tmp_path / "templates"
    assert config.main.timezone == "Asia/Shanghai"
    assert config.main.store is None
    (box,) = config.mailboxes
    assert box.url == Url("maildir", path=str(tmp_path / "var" / "inbox"))
    assert (box.after, box.customers, box.poll, box.authserv_ids, box.password()) == ("leave", True, 60, (), None)
    assert (config.send.name, config.send.address) == ("技术支持助手", "support@example.com")
    assert config.workbooks.restricted_folder == tmp_path / "var" / "workbooks" / "绩效台账"


def test_byte_order_mark_and_crlf_are_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + SMALL.replace("\n", "\r\n")) == read(tmp_path, SMALL)


def test_relative_paths_do_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(Path("config.toml")).main.data == tmp_path / "var"


def test_it_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        read(tmp_path, SMALL).main.timezone = "UTC"


def test_the_shipped_example_is_right() -> None:
    config = load(ROOT / "config.example.toml")
    assert config.main.mappings == ROOT / "mappings"
    assert config.send.url.scheme == "maildir"
    assert config.mailboxes[0].authserv_ids == ()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("maildir:/srv/mail", Url("maildir", path="/srv/mail")),
        ("maildir:收件箱/a b%20c", Url("maildir", path="/base/收件箱/a b%20c")),
        ("maildir:C:\\mail\\in", Url("maildir", path="C:\\mail\\in")),
        ("imap://u@h", Url("imap", "u", "h", 143)),
        ("imaps://u@h/", Url("imaps", "u", "h", 993)),
        ("IMAPS://u@Mail.Example/INBOX", Url("imaps", "u", "mail.example", 993, "INBOX")),
        ("imaps://s%40x.example@h:1993/%E5%B7%B2/a", Url("imaps", "s@x.example", "h", 1993, "已/a")),
        ("imaps://s@x.example@h/已处理", Url("imaps", "s@x.example", "h", 993, "已处理")),
        ("imap://u@[::1]:10143", Url("imap", "u", "::1", 10143)),
        ("smtp://h:25", Url("smtp", None, "h", 25)),
        ("smtp://u@h", Url("smtp", "u", "h", 587)),
        ("smtps://u@h", Url("smtps", "u", "h", 465)),
        ("ews://s@x.example@mail.x.example/已处理", Url("ews", "s@x.example", "mail.x.example", 443, "已处理")),
        ("graph://s@x.example", Url("graph", "s@x.example", "graph.microsoft.com", 443)),
        (
            "graph://s@x.example@microsoftgraph.chinacloudapi.cn/客户",
            Url("graph", "s@x.example", "microsoftgraph.chinacloudapi.cn", 443, "客户"),
        ),
    ],
)
def test_urls(text: str, url: Url) -> None:
    assert parse_url(text, Path("/base")) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ews://u@outlook.office365.com", "2027-04-01 永久关闭"),
        ("graph://corp.example", "应写成 graph://邮箱地址"),
        ("imaps://u:secret@h", "不能写密码"),
        ("imaps://u:@h", "不能写密码"),
        ("pop3://u:secret@h", "应写成"),
        ("imap：//u@h", "应写成"),
        ("var/inbox", "应写成"),
        ("maildir:", "直接写目录"),
        ("maildir://var/inbox", "直接写目录"),
        ("imaps://", "缺少主机名"),
        ("imaps://u@h:99999", "端口不对"),
        ("imaps://u@h:x", "端口不对"),
        ("imaps://u@[::1", "端口不对"),
        ("imaps://u@h/a#b", "%23"),
        ("imaps://u@h/a%0d%0ab", "控制字符"),
        ("imaps://u@h/a\nb", "控制字符"),
        ("smtp://h/INBOX", "不能再有目录"),
    ],
)
def test_urls_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_url(text, Path("/base"))
    assert "secret" not in str(caught.value)


def test_everything_wrong_is_said_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """\
[mailflow]
dta = "var"
timezone = "Asia/Shanghi"
store = "mysql://u:secret@h/d"

[[mailbox]]
name = "a"
url = "imaps://u:secret@h/INBOX"
poll = 0
after = "delete"

[[mailbox]]
name = "a"
url = "ews://u@h"
oauth = "yahoo"
customers = "maybe"
authserv_ids = "mx"

[[mailbox]]
url = "smtp://h"

[send]
url = "imap://h"
form = "x@y.example"

[workbook]
folder = 3
"""
    said = problems(tmp_path, text)
    wanted = [
        "None: 缺少 [workbooks]",
        "2: 不认识的项 dta，是否想写 data",
        "3: timezone：不认识时区 'Asia/Shanghi'",
        "4: store：应写成 postgresql://",
        "8: url：网址里不能写密码",
        "9: poll 不能小于 1",
        "10: after：应是",
        "13: 邮箱名称 a 用了两次",
        "15: oauth 不能是 'yahoo'",
        "16: customers 应是 true 或 false",
        "17: authserv_ids 应是列表",
        "19: 缺少 name",
        "20: url：smtp 只能发信",
        "22: 缺少 from",
        "23: url：imap 只能收信",
        "24: 不认识的项 form，是否想写 from",
        "26: 不认识的项 workbook，是否想写 workbooks",
    ]
    assert len(said) == len(wanted)
    for line, start in zip(said, wanted, strict=True):
        assert line.startswith(start)
    assert "secret" not in "".join(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('url = "maildir:var/inbox"', 'url = "imaps://h"', "缺少用户名"),
        ('url = "maildir:var/inbox"', 'url = "imaps://u@h"', "缺少密码的来源"),
        ('url = "maildir:var/inbox"', 'url = "imaps://u@h"\npassword_env = "A"\npassword_file = "b"', "只能写一个"),
        ('url = "maildir:var/inbox"', 'url = "maildir:x"\npassword_env = "A"', "不需要密码"),
        ('url = "maildir:var/inbox"', 'url = "imaps://u@h/A"\npassword_env = "A"\nfolder = "B"', "folder"),
        (
            'url = "maildir:var/inbox"',
            'url = "imaps://u@h/%E6%95%85%E9%9A%9C"\npassword_env = "A"\nafter = "move:故障"',
            "正在读的文件夹“故障”",
        ),
        ("[[mailbox]]", "[mailbox]", "[mailbox] 要写成 [[mailbox]]"),
        ('url = "maildir:var/sent"', 'url = "smtp://u@h"', "缺少密码的来源"),
        ('"技术支持助手 <support@example.com>"', '"技术支持助手"', "没有可用的邮箱地址"),
        ('"技术支持助手 <support@example.com>"', '"a\\nBcc: x <s@example.com>"', "没有可用的邮箱地址"),
        ('folder = "var/workbooks"', 'folder = "a"\nrestricted = "a"', "restricted 不能与 folder 相同"),
        ('folder = "var/workbooks"', "folder = 3", "应是文字"),
        ('name = "support"', 'name = ""', "name 不能为空"),
    ],
)
def test_one_mistake(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SMALL
    (problem,) = problems(tmp_path, SMALL.replace(old, new))
    assert said in problem


def test_no_mailbox_at_all(tmp_path: Path) -> None:
    rest = SMALL[SMALL.index("[send]") :]
    assert problems(tmp_path, rest) == ["None: 缺少 [[mailbox]]"]
    (problem,) = problems(tmp_path, "mailbox = []\n" + rest)
    assert "至少要有一个 [[mailbox]]" in problem


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.example\.toml"):
        load(tmp_path / "config.toml")


def test_a_file_in_gbk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(SMALL.encode("gbk"))
    with pytest.raises(UserError, match="请用 UTF-8 保存"):
        load(tmp_path / "config.toml")


SECRET = SMALL.replace('url = "maildir:var/inbox"', 'url = "imaps://u@h"\npassword_{}')


def test_a_password_comes_from_the_environment_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = read(tmp_path, SECRET.format('env = "MAILFLOW_TEST"')).mailboxes[0]
    monkeypatch.delenv("MAILFLOW_TEST", raising=False)
    with pytest.raises(UserError, match="MAILFLOW_TEST"):
        box.password()
    monkeypatch.setenv("MAILFLOW_TEST", "s3cret ")
    assert box.password() == "s3cret "
    assert "s3cret" not in repr(box)


def test_a_password_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    box = read(tmp_path, SECRET.format('file = "secrets/pw"')).mailboxes[0]
    with pytest.raises(UserError, match="读不到密码文件"):
        box.password()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pw").write_bytes(b"\xef\xbb\xbf s3cret\r\n")
    assert box.password() == " s3cret"
    (tmp_path / "secrets" / "pw").write_bytes(b"\n")
    with pytest.raises(UserError, match="是空的"):
        box.password()


def test_a_password_file_that_cannot_be_read_says_why_and_what_to_do(tmp_path: Path) -> None:
    box = read(tmp_path, SECRET.format('file = "pw"')).mailboxes[0]
    path = tmp_path / "pw"
    with pytest.raises(UserError, match=f"读不到密码文件 {path}：没有这个文件。请建好它，里面只写密码或密钥，权限 600"):
        box.password()
    path.write_bytes("密码".encode("utf-16"))
    with pytest.raises(UserError, match="它不是 UTF-8 的文本"):
        box.password()
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="它是文件夹"):
        box.password()


def test_an_account_is_who_gives_out_the_uids(tmp_path: Path) -> None:
    def account(url: str) -> str:
        text = SMALL.replace('url = "maildir:var/inbox"', f'url = "{url}"\npassword_env = "X"')
        return read(tmp_path, text).mailboxes[0].account

    same = (
        "imaps://a@t.example@mx.example",
        "imap://A@t.example@MX.example/INBOX",
        "imap://a@t.example@mx.example:1143/x",
    )
    assert {account(url) for url in same} == {"imap://a@t.example@mx.example"}
    others = ("imap://b@t.example@mx.example", "imap://a@t.example@mx2.example", "ews://a@t.example@mx.example")
    assert len({account(url) for url in (same[0], *others)}) == 4
    assert account("ews://a@t.example@mx.example") == account("ews://a@t.example@mx2.example") == "ews://a@t.example"
    assert read(tmp_path, SMALL).mailboxes[0].account == "maildir"


def test_a_store_url_is_not_shown(tmp_path: Path) -> None:
    config = read(tmp_path, '[mailflow]\nstore = "postgresql://u:s3cret@h/d"\n' + SMALL)
    assert config.main.store == "postgresql://u:s3cret@h/d"
    assert "s3cret" not in repr(config)


def test_settings_are_what_decisions_depend_on(tmp_path: Path) -> None:
    text = SMALL.replace(
        'url = "maildir:var/inbox"',
        'url = "imaps://Help%40Example.com@h"\npassword_env = "A"\n'
        'authserv_ids = ["mx.example.com"]\ncustomers = false',
    )
    settings = read(tmp_path, '[mailflow]\ntimezone = "Asia/Urumqi"\n' + text).settings()
    assert settings.timezone == "Asia/Urumqi"
    assert settings.own_addresses == ("support@example.com", "help@example.com")
    assert settings.domain == "example.com"
    assert settings.mailboxes["support"].authserv_ids == ("mx.example.com",)
    assert settings.mailboxes["support"].customers is False


def test_an_idn_address_is_one_however_it_is_written(tmp_path: Path) -> None:
    idn = SMALL.replace("support@example.com", "support@例子.example").replace(
        'url = "maildir:var/inbox"', 'url = "imaps://Support%40xn--fsqu00a.example@h"\npassword_env = "A"'
    )
    config = read(tmp_path, idn)
    assert config.send.address == "support@例子.example"
    assert config.settings().own_addresses == ("support@xn--fsqu00a.example",)
    assert config.settings().domain == "xn--fsqu00a.example", "which stands in the Message-ID"


def test_nobody_sends_or_is_told_under_a_name_that_servers_refuse(tmp_path: Path) -> None:
    said = problems(tmp_path, SMALL.replace("support@example.com", "支持@example.com"))
    assert ["没有可用的邮箱地址" in one for one in said] == [True]
    alarm = '[alarm]\nto = ["运维@corp.example"]\n[alarm.send]\nurl = "smtp://h"\nfrom = "m@corp.example"\n'
    assert "'运维@corp.example' 不是邮箱地址" in "".join(problems(tmp_path, f"{SMALL}\n{alarm}"))
    assert read(tmp_path, f"{SMALL}\n{alarm.replace('运维@corp', 'it@例子')}").alarm.to == ("it@例子.example",)


def test_settings_know_public_holidays_and_make_up_days(tmp_path: Path) -> None:
    settings = read(tmp_path, SMALL).settings()
    assert date(2025, 10, 1) in settings.holidays  # National Day, a Wednesday
    assert date(2025, 10, 8) in settings.holidays  # in lieu, a Wednesday
    assert date(2025, 9, 28) in settings.workdays  # a Sunday that was worked
    assert date(2025, 10, 11) in settings.workdays  # a Saturday that was worked
    assert all(day.weekday() < 5 for day in settings.holidays)
    assert all(day.weekday() >= 5 for day in settings.workdays)


OFFICE = """\
[[mailbox]]
name = "a"
url = "graph://support@corp.example"
oauth = "microsoft"

[send]
url = "smtp://support@corp.example@smtp.office365.com"
oauth = "microsoft"
from = "support@corp.example"

[oauth.microsoft]
tenant = "corp.example"
client = "11111111-2222"
password_file = "secret"

[workbooks]
folder = "w"
"""


def test_an_account_may_log_in_by_oauth(tmp_path: Path) -> None:
    config = read(tmp_path, OFFICE)
    (tmp_path / "secret").write_text("geheim\n", encoding="utf-8")
    assert config.mailboxes[0].url.user == config.send.url.user == "support@corp.example"
    assert config.oauth.microsoft
    assert config.oauth.microsoft.secret() == "geheim"


def test_another_cloud_is_named_by_its_authority_and_its_graph(tmp_path: Path) -> None:
    there = OFFICE.replace("graph://support@corp.example", "graph://support@corp.example@graph.example")
    config = read(tmp_path, there.replace("[oauth.microsoft]", '[oauth.microsoft]\ncloud = "https://login.example/"'))
    assert config.oauth.microsoft
    assert (config.oauth.microsoft.cloud, config.mailboxes[0].url.host) == ("https://login.example", "graph.example")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('oauth = "microsoft"\n\n[send]', "[send]", '要用 oauth = "microsoft"'),
        ('oauth = "microsoft"\n\n[send]', 'oauth = "google"\n[send]', '要用 oauth = "microsoft"'),
        ('oauth = "microsoft"\nfrom', 'oauth = "google"\nfrom', "还要有 [oauth.google]"),
        ('oauth = "microsoft"\nfrom', 'oauth = "microsoft"\npassword_env = "X"\nfrom', "oauth 不用密码"),
        ('client = "11111111-2222"', "", "要有 client"),
        ("smtp://support@corp.example@", "smtp://", "要有邮箱地址"),
        ("graph://support@corp.example", "graph://support@corp.example@elsewhere.example", "elsewhere.example 不是"),
        ("graph://support@corp.example", "graph://support@corp.example@microsoftgraph.chinacloudapi.cn", "不属于"),
        ('client = "11111111-2222"', 'client = "1"\ncloud = "http://login.example"', "其他云的登录服务器"),
        ('client = "11111111-2222"', 'client = "1"\ncloud = "https://login.example/tenant"', "其他云的登录服务器"),
        ('client = "11111111-2222"', 'client = "1"\ncloud = "https://login.example"', "不属于"),
    ],
)
def test_what_is_wrong_with_oauth_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in OFFICE
    assert said in "\n".join(problems(tmp_path, OFFICE.replace(old, new, 1)))


def test_alarms_may_go_by_oauth_as_well(tmp_path: Path) -> None:
    alarm = '[alarm]\nto = ["it@corp.example"]\n[alarm.send]\nurl = "graph://m@corp.example"\noauth = "microsoft"\n'
    alarm += 'from = "m@corp.example"\n'
    assert read(tmp_path, f"{OFFICE}\n{alarm}").alarm.send
    assert "还要有 [oauth.microsoft]" in "".join(problems(tmp_path, f"{SMALL}\n{alarm}"))


@pytest.mark.parametrize("place", ["mailbox", "app"])
def test_one_source_of_a_secret_is_enough(tmp_path: Path, place: str) -> None:
    text = SECRET.format('file = "b"') if place == "mailbox" else OFFICE
    (problem,) = problems(tmp_path, text.replace("password_file", 'password_env = "A"\npassword_file'))
    assert "password_env 和 password_file 只能写一个" in problem


def test_what_a_mailbox_believes_goes_into_the_mapping(tmp_path: Path) -> None:
    lines = 'received_by = [".mx.example.com"]\ndkim = true\narc_sealers = ["l.example"]\n'
    config = read(tmp_path, SMALL.replace('inbox"\n', f'inbox"\n{lines}'))
    settings = config.settings().mailboxes["support"]
    assert (settings.received_by, settings.dkim, settings.arc_sealers) == ((".mx.example.com",), True, ("l.example",))
    assert config.mailboxes[0].verbatim


@pytest.mark.parametrize("wanted", ["dkim = true", 'arc_sealers = ["l.example"]'])
def test_signatures_are_checked_where_the_original_bytes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """Exchange rebuilds what EWS and Graph hand out: a signature would fail for no fault of the sender's."""
    text = SMALL.replace('inbox"\n', f'inbox"\n{wanted}\n')
    assert read(tmp_path, text).mailboxes[0].verbatim
    monkeypatch.setattr(config, "VERBATIM", frozenset({"imap", "imaps"}))
    assert not read(tmp_path, SMALL).mailboxes[0].verbatim
    assert any("不能核对签名" in problem for problem in problems(tmp_path, text))
