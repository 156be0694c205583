"""Whatever happens to complaints in whatever order, the ledger says what a fresh count of them gives (domain §4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow import policies
from mailflow.core.book import Book, Overlay, memory_book
from mailflow.core.mapping import Pay, PayRule
from mailflow.core.outcome import Outcome
from mailflow.core.records import ROW_TYPES, Complaint, LedgerEntry, Mail, Month
from tests.policies.office import PEOPLE, SUN, ZHAO, ZHOU, Office, at, pay, raw_mail

ENGINEERS = {p.name: p.grade for p in PEOPLE if p.role == "engineer"}
PAYS = (
    pay(),
    pay(stack=False),
    pay(floor=3),
    pay(
        PayRule(id="rule1", name="月", every=2, effect="withhold", scope="month"),
        PayRule(id="rule2", name="年", every=3, effect="demote", scope="year", grades=2),
        floor=2,
    ),
)
MONTHS = ("2026-10", "2026-11", "2026-12")


def fresh(complaints: Iterable[Complaint], rules: Pay) -> Counter[tuple[str, str, str]]:
    """Another, plainer way to the same figures: (engineer, rule, month) -> grades."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for engineer, grade in ENGINEERS.items():
        mine = sorted((c for c in complaints if c.engineer == engineer), key=lambda c: (c.received, c.number))
        left = None if grade is None else int(grade) - int(rules.floor)
        seen: Counter[str] = Counter()
        for complaint in mine:
            keys = {"lifetime": "", "year": complaint.month[:4], "month": complaint.month}
            seen.update(set(keys.values()))
            hit = [rule for rule in rules.rules if seen[keys[rule.scope]] % rule.every == 0]
            for rule in hit if rules.stack else sorted(hit, key=lambda r: -r.every)[:1]:
                grades = rule.grades
                if rule.effect == "demote" and left is not None:
                    grades = min(grades, max(left, 0))
                    left -= grades
                sums[engineer, rule.id, complaint.month] += grades
    return +sums


def booked(book: Book) -> Counter[tuple[str, str, str]]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for entry in book.find(LedgerEntry):
        sums[entry.engineer, entry.rule, entry.for_month] += entry.grades
    assert min(sums.values(), default=0) >= 0, "more was given back than was ever taken"
    return +sums


def keeps_the_books(book: Overlay, outcome: Outcome) -> None:
    """Entries are never edited apart from `reversed_by`, which is set once; nothing new is booked in a closed month."""
    for entry in outcome.of(LedgerEntry):
        assert isinstance(entry, LedgerEntry)
        known = book.get(LedgerEntry, entry.number)
        if known is None:
            assert not book.is_closed(entry.month)
            assert entry.adjusting == (entry.month != entry.for_month)
            assert not entry.adjusting or book.is_closed(entry.for_month)
        else:
            assert known.reversed_by is None
            assert replace(entry, reversed_by=None) == known


moments = st.integers(0, 92 * 24).map(lambda hours: at("10-01 00:00") + timedelta(hours=hours))
"""Any hour of October, November and December: complaints arrive in another order than the server had them."""
steps = st.lists(
    st.one_of(
        st.tuples(st.just("complaint"), moments, st.integers(0, 11)),
        st.tuples(st.just("complaint"), moments, st.integers(0, 11)),
        st.tuples(st.just("copy"), moments, st.integers(0, 30)),
        st.tuples(st.just("withdraw"), moments, st.integers(0, 30)),
        st.tuples(st.just("驳回"), moments, st.integers(0, 30)),
        st.tuples(st.sampled_from(["指定 李四", "指定 王五", "确认", "维持"]), moments, st.integers(0, 30)),
        st.tuples(st.just("close"), moments, st.integers(0, 2)),
    ),
    min_size=4,
    max_size=28,
)


def take(office: Office, what: str, when: datetime, number: int) -> None:
    """One thing happens. Numbers choose among what there is, round and round."""
    known = office.complaints()
    if what == "complaint":
        project = ("ERP项目", "ERP项目", "网管项目", "火星项目")[number % 4]
        text = f"第{number}次没有报告。" if number % 3 else "没有报告。"
        office.mail(when, (ZHAO, SUN)[number % 2], f"投诉-{project}", text, verified=number != 7)
    elif what == "close":
        office.close(MONTHS[number], "2027-01-05")
    elif known:
        chosen = known[number % len(known)]
        original = office.book.get(Mail, chosen.mail)
        if what == "copy":
            raw = next(fact.raw for fact, _ in office.facts if getattr(fact, "digest", "") == original.digest)  # type: ignore[union-attr]
            office.deliver(raw, when, "second")
        elif what == "withdraw":
            office.mail(when, (ZHAO, SUN, ZHOU)[number % 3], "回复: 投诉-ERP项目", "撤诉", answers=original)
        else:
            office.command(chosen.matter, what)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PAYS), steps)
def test_the_ledger_is_what_a_fresh_count_of_the_counted_complaints_gives(
    rules: Pay, happenings: list[tuple[str, datetime, int]]
) -> None:
    office = Office.open(pay=rules)
    office.check = keeps_the_books
    for what, when, number in happenings:
        take(office, what, when, number)
        assert booked(office.book) == fresh(office.complaints(state="counted"), rules)
    for complaint in office.complaints():
        assert complaint.month == complaint.received.astimezone(at("10-01").tzinfo).strftime("%Y-%m")
        assert (complaint.state == "counted") <= (complaint.engineer is not None)
        assert (complaint.state == "held") == bool(
            [h for h in office.held() if h.kind == "complaint" and h.matter == complaint.matter]
        )
    assert rows(replayed(office)) == rows(office.book)


def replayed(office: Office) -> Book:
    book = memory_book()
    for fact, mapping in office.facts:
        book.put(*policies.decide(book, fact, mapping).entries)
    return book


def rows(book: Book) -> list[object]:
    return [row for kind in ROW_TYPES for row in book.find(kind)]


said = st.sampled_from(["own text", "same text", "forged", "withdrawal"])
hours = st.integers(0, 144).map(lambda hour: at("10-29 00:00") + timedelta(hours=hour))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(hours, said, st.integers(0, 9)), min_size=2, max_size=8, unique_by=lambda one: one[0]), st.data()
)
def test_the_order_of_fetching_does_not_matter(happened: list[tuple[datetime, str, int]], data: st.DataObject) -> None:
    """Complaints, re-sends, forged ones, withdrawals by reply, and later copies of all of them: fetched as the server
    had them, and in any other order."""
    mails = written(sorted(happened))
    copies = [(raw, when + timedelta(minutes=1)) for raw, when in mails]
    offices = []
    for order in (mails, data.draw(st.permutations([*mails, *copies]))):
        office = Office.open()
        for raw, when in order:
            office.deliver(raw, when)
        assert booked(office.book) == fresh(office.complaints(state="counted"), PAYS[0])
        offices.append(office)
    first, second = (Counter((c.engineer, c.received) for c in o.complaints(state="counted")) for o in offices)
    assert first == second
    assert booked(offices[0].book) == booked(offices[1].book)


def written(happened: Iterable[tuple[datetime, str, int]]) -> list[tuple[bytes, datetime]]:
    """The mails, in order. A withdrawal answers one of the complaints before it, but none that is re-sent: whether
    that one is meant as well is the manager's to say, and who is asked about what depends on what is known by then."""
    found: list[tuple[bytes, datetime]] = []
    own: list[tuple[str, str]] = []
    for when, what, number in happened:
        key = f"<{len(found)}@sales.example>"
        if what == "withdrawal" and own:
            subject, answered = own[number % len(own)]
            raw = raw_mail(ZHAO, f"回复: {subject}", "撤诉", message_id=key, answers=answered)
        else:
            subject = "投诉-网管项目" if what == "own text" and number % 2 else "投诉-ERP项目"
            text = f"第{len(found)}次没有报告。" if what == "own text" else "没有报告。"
            raw = raw_mail(ZHAO, subject, text, message_id=key, verified=what != "forged")
            own += [(subject, key)] if what == "own text" else []
        found.append((raw, when))
    return found


def test_a_month_that_is_closed_takes_no_new_entry_even_from_a_changed_mapping() -> None:
    office = Office.open()
    office.check = keeps_the_books
    for day in range(1, 9):
        office.complaint(f"10-{day:02}")
    office.close("2026-10", "11-02")
    assert [m.month for m in office.book.find(Month)] == ["2026-10"]
    for rules in PAYS:
        office.take(office.mapping.model_copy(update={"version": str(id(rules)), "pay": rules}), "11-03")
    assert booked(office.book) == fresh(office.complaints(state="counted"), PAYS[0])
    assert all(entry.time <= at("11-02").astimezone(UTC) for entry in office.book.find(LedgerEntry))
