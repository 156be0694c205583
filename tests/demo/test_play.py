"""The scenario is in the order of time, and playing it twice is playing it once."""

from __future__ import annotations

import io
import tomllib
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from rich.console import Console

from mailflow.core.book import Book, memory_book
from mailflow.core.people import Person, Roster
from mailflow.core.records import Complaint, Held, LedgerEntry, Mail, Notice, Report
from mailflow.demo.folder import CONFIG_TOML, prepare
from mailflow.demo.mails import mails
from mailflow.demo.people import MX, PEOPLE_TOML, PROJECTS_TOML, party, signature
from mailflow.demo.post import message_id, moment
from mailflow.demo.run import file_name, play, show
from mailflow.demo.scenario import STEPS, Advance, Answer, Deliver
from mailflow.demo.summary import Summary, find_notice, summarise

ROSTER = Roster(tuple(Person(**p) for p in tomllib.loads(PEOPLE_TOML)["person"]))


class Recorder:
    """A driver that keeps files in memory, and has a notice for every question unless told otherwise."""

    def __init__(self, *, notices: bool = True) -> None:
        self.files: dict[tuple[str, str], tuple[bytes, datetime]] = {}
        self.pulses: list[datetime] = []
        self.notices = notices

    def deliver(self, mailbox: str, name: str, raw: bytes, when: datetime) -> bool:
        new = (mailbox, name) not in self.files
        self.files.setdefault((mailbox, name), (raw, when))
        return new

    def once(self, now: datetime) -> None:
        self.pulses.append(now)

    def notice_id(self, template: str, *, to: str, about: str) -> tuple[str, str] | None:
        return (f"<{template}@lanyu-tech.example>", "通知") if self.notices else None

    def book(self) -> Book:
        return memory_book()

    def roster(self) -> Roster:
        return ROSTER


def quiet() -> Console:
    return Console(file=io.StringIO(), width=100)


def test_steps_are_in_the_order_of_time_and_each_has_a_caption() -> None:
    times = [step.at for step in STEPS]
    assert times == sorted(set(times))
    assert all(step.caption for step in STEPS)
    assert STEPS[0].at == moment("10-08 09:06")
    assert STEPS[-1].at == moment("11-10 18:05")


def test_every_mail_is_delivered_just_once() -> None:
    delivered = Counter(step.post for step in STEPS if isinstance(step, Deliver))
    assert delivered == Counter(mails().keys())


def test_answers_are_about_a_mail_that_came_before() -> None:
    known: set[str] = set()
    for step in STEPS:
        if isinstance(step, Deliver):
            known.add(mails()[step.post].message_id)
        elif isinstance(step, Answer):
            assert step.about in known or step.about.startswith("month:"), step.caption
            known.add(message_id(step.id))


def test_notices_are_asked_for_under_templates_that_are_shipped() -> None:
    shipped = Path(__file__).parents[2] / "templates" / "notices"
    for step in STEPS:
        if isinstance(step, Answer):
            assert (shipped / f"{step.template}.subject.j2").is_file(), step.template


def test_a_second_play_delivers_nothing_and_wakes_nobody_but_for_the_clock() -> None:
    driver = Recorder()
    play(Path("demo"), driver, quiet())
    files, pulses = dict(driver.files), len(driver.pulses)
    assert len(files) == len(mails()) + sum(isinstance(s, Answer) for s in STEPS)
    assert pulses == len(STEPS)
    assert driver.pulses == sorted(driver.pulses)
    play(Path("demo"), driver, quiet())
    assert driver.files == files
    assert len(driver.pulses) == pulses + sum(isinstance(s, Advance) for s in STEPS)


def test_an_answer_without_its_notice_is_said_not_hidden() -> None:
    console = quiet()
    summary = play(Path("demo"), Recorder(notices=False), console)
    captions = {s.caption for s in STEPS if isinstance(s, Answer)}
    assert set(summary.skipped) == captions
    out = console.file
    assert isinstance(out, io.StringIO)
    assert out.getvalue().count("没有演成") == len(captions)


def test_file_names_are_unique_and_plain() -> None:
    names = [file_name(post) for post in mails().values()]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and not set(name) & set(":/!; ") for name in names)


# ---- the folder


def test_the_folder_is_a_configuration_and_stays_as_people_left_it(tmp_path: Path) -> None:
    shipped, folder = tmp_path / "shipped", tmp_path / "demo"
    for name in ("mappings/kinds.toml", "mappings/people.toml", "templates/notices/held.txt.j2"):
        (shipped / name).parent.mkdir(parents=True, exist_ok=True)
        (shipped / name).write_text("# shipped", encoding="utf-8")
    config = prepare(folder, shipped)
    assert config == folder / "config.toml"
    assert (folder / "mappings/kinds.toml").read_text(encoding="utf-8") == "# shipped"
    assert (folder / "mappings/people.toml").read_text(encoding="utf-8") == PEOPLE_TOML
    assert (folder / "mail/support/new").is_dir()
    (folder / "mappings/kinds.toml").write_text("# 我改过", encoding="utf-8")
    prepare(folder, shipped)
    assert (folder / "mappings/kinds.toml").read_text(encoding="utf-8") == "# 我改过"


def test_the_configuration_names_both_mailboxes_and_whom_to_believe() -> None:
    config = tomllib.loads(CONFIG_TOML)
    assert [(m["name"], m["url"], m["authserv_ids"]) for m in config["mailbox"]] == [
        ("support", "maildir:mail/support", [MX]),
        ("manager", "maildir:mail/manager", [MX]),
    ]
    assert config["send"]["url"] == "maildir:mail/sent"


def test_roster_and_projects_agree() -> None:
    for project in tomllib.loads(PROJECTS_TOML)["project"]:
        assert ROSTER.get(project["sales"]) is not None
        assert {p.role for n in ("first", "second") if (p := ROSTER.get(project[n]))} == {"engineer"}
        assert isinstance(project["registered"], date)
    assert len(ROSTER.by_name("张三")) == 2
    assert len(ROSTER.by_name("张三（华南）")) == 1
    assert Counter(p.role for p in ROSTER)["sales"] == 3
    assert all(isinstance(p.grade, int) for p in ROSTER.with_role("engineer"))
    assert all(a.endswith(".example") for p in ROSTER for a in p.addresses)
    assert all(signature(p.name) for p in ROSTER)


# ---- the summary

AT = moment("10-28 10:15")


def entry(number: str, effect: str, grades: int, **more: object) -> LedgerEntry:
    made = LedgerEntry(
        number=number, engineer="李四", month="2026-10", for_month="2026-10", rule="r", effect="withhold",
        grades=grades, ordinal=2, cause="", complaints=(), mails=(), adjusting=False, time=AT, mapping="v",
    )  # fmt: skip
    return replace(made, effect=effect, **more)  # type: ignore[arg-type]  # the test's own words


def mail(seq: int, **more: object) -> Mail:
    made = Mail(
        seq=seq, mailbox="support", received=AT, digest="d", message_id=f"<{seq}@a.example>", content="c", resend=None,
        subject="投诉-[bold]项目", sender="a@a.example", person="林知夏", trust="authenticated", kind=None,
        disposition="held",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # the test's own words


def complaint(number: str, state: str) -> Complaint:
    return Complaint(
        number=number, mail="1", reference="r", project="p", engineer="李四", sender="s", complainant=None, received=AT,
        month="2026-10", state=state, reason="", resend="",  # type: ignore[arg-type]  # the test's own words
    )  # fmt: skip


def sample() -> Book:
    report = Report(
        number="MF-2026-000009", mail="1", reference="r", received=AT, project="p", place="p", registered=True,
        writer="李四", engineer="李四", day=AT.date(), state="incomplete",
    )  # fmt: skip
    held = Held(
        number=3, kind="complaint", matter="complaint:MF-2026-000003", mail=mail(1).key, reason="x", text="不能确定",
        choices=("确认",), opened=AT,
    )  # fmt: skip
    return memory_book((
        report, held, mail(1, matter="complaint:MF-2026-000003"), mail(2, disposition="recorded"),
        complaint("MF-2026-000001", "counted"), complaint("MF-2026-000002", "withdrawn"),
        entry("L000001", "withhold", 1), entry("L000002", "demote", 1),
        entry("L000003", "withhold", -1, adjusting=True, month="2026-11"), entry("L000004", "demote", 0),
        notice("held:3", "held", "ask"), notice("complaint:MF-2026-000003", "complaint_received", "received"),
    ))  # fmt: skip


def notice(matter: str, template: str, step: str) -> Notice:
    return Notice(
        matter=matter, person="沈从周", step=step, template=template, to=party("沈从周").address, due=AT,
        message_id=f"<{template}@lanyu-tech.example>",
    )  # fmt: skip


def test_the_summary_counts_by_engineer() -> None:
    line = next(e for e in summarise(sample(), ROSTER).engineers if e.name == "李四")
    assert (line.reports, line.incomplete, line.counted, line.not_counted) == (1, 1, 1, 1)
    assert line.consequences == ("10月扣发1级", "10月永久降1级", "11月调整：返还1级")
    assert (line.before, line.after) == ("7", "6")


@pytest.mark.parametrize(("template", "found"), [("held", True), ("complaint_received", True), ("month_draft", False)])
def test_a_notice_is_found_by_the_mail_it_is_about(template: str, found: bool) -> None:
    notice = find_notice(sample(), template, to=party("沈从周").address, about="<1@a.example>")
    assert (notice is not None) == found
    assert find_notice(sample(), template, to=party("李四").address, about="<1@a.example>") is None
    assert find_notice(sample(), template, to=party("沈从周").address, about="<2@a.example>") is None


def test_the_tables_are_plain_text_where_there_is_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "workbooks").mkdir()
    (tmp_path / "workbooks" / "待确认.xlsx").touch()
    out = io.StringIO()
    show(summarise(sample(), ROSTER), tmp_path, Console(file=out, width=100))
    text = out.getvalue()
    assert "\x1b" not in text
    assert "[bold]项目" in text.replace("\n", "")  # text of a mail is no markup
    assert "7 → 6" in text
    assert "未决" in text
    assert str(tmp_path / "workbooks" / "待确认.xlsx") in text
    assert {"已登记", "请经理确认"} <= set(text.split())


def test_an_empty_month_can_be_shown() -> None:
    show(Summary(engineers=(), mails={}, held=(), notices={}), Path("nowhere"), quiet())


def test_every_raw_mail_is_a_mail_with_a_sender() -> None:
    assert all(message_from_bytes(post.raw)["From"] for post in mails().values())
