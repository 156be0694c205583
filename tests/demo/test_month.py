"""The demo month, truly read and decided: what the captions promise is what comes of it (domain §3, §4)."""

from __future__ import annotations

import hashlib
import io
from datetime import date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from mailflow import mappings
from mailflow.core.book import Book, Overlay, memory_book
from mailflow.core.facts import Fact, MailFact, MappingFact, TickFact
from mailflow.core.mapping import MailboxSettings, Settings
from mailflow.core.people import Roster
from mailflow.core.records import Complaint, Held, LedgerEntry, Mail, Month, Notice, Project, Report
from mailflow.demo.folder import prepare
from mailflow.demo.mails import mails
from mailflow.demo.people import DOMAIN, MX, SUPPORT
from mailflow.demo.run import play
from mailflow.demo.summary import EngineerLine, Summary, find_notice
from mailflow.policies import decide, due

ROOT = Path(__file__).parents[2]
PUBLIC = tuple(date(2026, 10, day) for day in (1, 2, 5, 6, 7))
MADE_UP_FOR = (date(2026, 10, 10),)


class InMemory:
    """Decides as the daemon does, with neither store nor Maildir: mail is taken in as it is delivered."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(
            own_addresses=(SUPPORT.address,),
            domain=DOMAIN,
            mailboxes={name: MailboxSettings(authserv_ids=(MX,)) for name in ("support", "manager")},
            holidays=PUBLIC,
            workdays=MADE_UP_FOR,
        )
        self.mapping = mappings.load(folder / "mappings", settings)
        self.seq = 0
        self.rows: Overlay = memory_book()
        self.names: set[tuple[str, str]] = set()
        start = min(post.arrives for post in mails().values())
        version = self.mapping.version
        self._decide(MappingFact(seq=self._next(), time=start, version=version, files={}, settings=""))

    def deliver(self, mailbox: str, name: str, raw: bytes, when: datetime) -> bool:
        if (mailbox, name) in self.names:
            return False
        self.names.add((mailbox, name))
        fact = MailFact(
            seq=self._next(), time=when, mailbox=mailbox, folder="INBOX", uidvalidity="0", uid=name,
            digest=hashlib.sha256(raw).hexdigest(), raw=raw,
        )  # fmt: skip
        self._decide(fact)
        return True

    def once(self, now: datetime) -> None:
        if due(self.rows, now):
            self._decide(TickFact(seq=self._next(), time=now))

    def notice_id(self, template: str, *, to: str, about: str) -> tuple[str, str] | None:
        notice = find_notice(self.rows, template, to=to, about=about)
        return (notice.message_id, "通知") if notice else None

    def book(self) -> Book:
        return self.rows

    def roster(self) -> Roster:
        return self.mapping.roster

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _decide(self, fact: Fact) -> None:
        self.rows.put(*decide(self.rows, fact, self.mapping).entries)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemory, Summary]:
    folder = tmp_path_factory.mktemp("demo")
    prepare(folder, ROOT)
    driver = InMemory(folder)
    return driver, play(folder, driver, Console(file=io.StringIO(), width=100))


Played = tuple[InMemory, Summary]


def ending(played: Played, post_id: str) -> str:
    """How the mail of this id ended."""
    post = mails()[post_id]
    found = [m for m in played[0].rows.find(Mail, message_id=post.message_id) if m.mailbox == post.mailbox]
    assert len(found) == 1, post_id
    return found[0].disposition


def line(played: Played, name: str) -> EngineerLine:
    return next(e for e in played[1].engineers if e.name == name)


@pytest.mark.parametrize(
    ("post_id", "disposition"),
    [
        ("reg-danzhou", "recorded"),
        ("reg-yuxi", "recorded"),
        ("chat-snacks", "unmatched"),
        ("chat-badminton", "unmatched"),
        ("newsletter", "automatic"),
        ("ooo-hemu", "automatic"),
        ("ooo-customer", "automatic"),
        ("bounce", "bounce"),
        ("rep-misspelt", "near_miss"),
        ("rep-noname", "near_miss"),
        ("cmp-qifeng-1", "recorded"),
        ("cmp-qifeng-1-copy", "copy"),
        ("cmp-qifeng-1-re", "discussion"),
        ("cmp-qifeng-1-fw", "discussion"),
        ("cmp-hemo-resent", "duplicate"),
        ("cmp-by-engineer", "held"),
        ("cmp-forged", "decided"),
        ("wd-yaoxi", "decided"),
        ("wd-liwan", "decided"),
        ("cust-qifeng", "recorded"),
        ("cust-liwan", "recorded"),
    ],
)
def test_each_mail_ends_as_its_caption_says(played: Played, post_id: str, disposition: str) -> None:
    assert ending(played, post_id) == disposition


def test_every_answer_found_its_notice(played: Played) -> None:
    assert played[1].skipped == ()


def test_all_reports_are_recorded_but_for_the_two_near_misses(played: Played) -> None:
    reports = [post_id for post_id in mails() if post_id.startswith("rep-")]
    ends = {post_id: ending(played, post_id) for post_id in reports}
    assert {p for p, end in ends.items() if end != "recorded"} == {"rep-misspelt", "rep-noname"}
    book = played[0].rows
    assert len(book.find(Report)) == len(reports) - 2
    assert [r.project for r in book.find(Report, registered=False)] == ["临江化工安防平台项目"]


def test_the_incomplete_report_was_completed_by_the_answer_and_the_other_stays(played: Played) -> None:
    vague, phone = (
        next(r for r in played[0].rows.find(Report) if r.reference == mails()[post_id].message_id)
        for post_id in ("rep-yaoxi-vague", "rep-yaoxi-iphone")
    )
    assert (vague.state, vague.contact, len(vague.mails)) == ("complete", "信息科 骆工", 2)
    assert phone.state == "incomplete"


def test_a_report_by_the_second_engineer_stands_with_the_first(played: Played) -> None:
    writers = [(r.engineer, r.writer) for r in played[0].rows.find(Report) if r.engineer and r.engineer != r.writer]
    assert writers == [("孙镕", "苏堃")]


def test_the_late_registration_moved_what_was_kept(played: Played) -> None:
    project = played[0].rows.register().resolve("北辰热电DCS网闸")[0]
    assert [r.engineer for r in played[0].rows.find(Report, project=project.name)] == ["孙镕", "孙镕"]


def test_both_pay_rules_show_for_li_si(played: Played) -> None:
    shown = line(played, "李四")
    assert (shown.counted, shown.before, shown.after) == (4, "7", "6")
    assert shown.consequences == ("10月扣发1级", "10月扣发1级", "10月永久降1级")


def test_a_withdrawal_after_the_closing_is_an_adjusting_entry(played: Played) -> None:
    assert played[0].rows.get(Month, "2026-10") is not None
    shown = line(played, "孙镕")
    assert shown.consequences == ("10月扣发1级", "11月调整：返还1级")
    adjusting = [e for e in played[0].rows.find(LedgerEntry, engineer="孙镕") if e.adjusting]
    assert [(e.month, e.for_month) for e in adjusting] == [("2026-11", "2026-10")]


def test_the_ambiguous_complaint_went_to_whom_the_manager_named(played: Played) -> None:
    found = played[0].rows.find(Complaint, engineer="张三(华南)")
    assert [(c.month, c.state) for c in found] == [("2026-10", "counted"), ("2026-11", "counted")]
    assert line(played, "张三(华南)").consequences == ("11月扣发1级",)


def test_what_is_held_at_the_end_is_the_complaint_of_the_engineer(played: Played) -> None:
    assert [h.sender for h in played[1].held if h.answer is None] == ["张三(华东)"]
    assert {h.kind for h in played[0].rows.find(Held)} == {"complaint", "objection"}


def test_leftover_problems_are_solved_but_for_two(played: Played) -> None:
    assert {e.name: (e.leftovers_open, e.leftovers_solved) for e in played[1].engineers} == {
        "李四": (0, 1),
        "孙镕": (0, 1),
        "苏堃": (1, 0),
        "郑晓禾": (1, 0),
        "张三(华东)": (0, 0),
        "张三(华南)": (0, 0),
    }


def test_playing_it_again_changes_nothing(played: Played) -> None:
    driver = played[0]
    before = [row for kind in (Mail, Notice, LedgerEntry, Project) for row in driver.rows.find(kind)]
    again = play(Path("demo"), driver, Console(file=io.StringIO(), width=100))
    assert again == played[1]
    assert [row for kind in (Mail, Notice, LedgerEntry, Project) for row in driver.rows.find(kind)] == before
