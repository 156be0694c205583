"""Delivery reports about our own notices (RFC 3464, mail.md §5): recorded, and told to the manager once an address.

A report cannot be verified. So it only ever tells: it moves no pay, and sending goes on as it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailflow.core.address import key_of
from mailflow.core.findings import Finding
from mailflow.core.records import Bounce, Notice
from mailflow.message.model import Delivery
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter


def report(desk: Desk, letter: Letter) -> Ending | None:
    """A bounce, or another delivery report; None: the mail is none."""
    if not letter.deliveries:
        return None
    rows = _rows(desk, letter)
    desk.put(*rows)
    for row in rows:
        _tell(desk, row)
    if rows:
        text = "；".join(dict.fromkeys(_said(row) for row in rows))
        said = Finding("bounce" if letter.bounce else "delivery_delayed", text)
        return Ending("bounce" if letter.bounce else "automatic", f"bounce:{rows[0].recipient}", (said,))
    if letter.bounce:
        return Ending.of("bounce", "bounce", "退信，退回的不是本系统发出的邮件，不作处理。")
    return None


def _rows(desk: Desk, letter: Letter) -> list[Bounce]:
    found = [
        (notice, recipient, delivery)
        for notice in _notices(desk, letter)
        for recipient, delivery in _recipients(notice, letter.deliveries)
    ]
    return [
        Bounce(
            mail=letter.key,
            ordinal=ordinal,
            notice=notice.key,
            recipient=recipient,
            final=delivery.final,
            status=delivery.status,
            reason=delivery.text,
            remote=delivery.remote,
            received=letter.received,
        )
        for ordinal, (notice, recipient, delivery) in enumerate(found, start=1)
    ]


def _notices(desk: Desk, letter: Letter) -> list[Notice]:
    """The notices that it tells of: what a server returned first, then whatever names one."""
    found = (desk.book.notice_by_id(one) for one in dict.fromkeys((*letter.reported, *letter.parents)))
    return list({notice.key: notice for notice in found if notice is not None}.values())


def _recipients(notice: Notice, deliveries: Iterable[Delivery]) -> Iterator[tuple[str, Delivery]]:
    """To whom the notice went and did not arrive. Only addresses of the notice: nobody else's can be slandered."""
    failed = [one for one in deliveries if one.final or one.action == "delayed"]
    own = {key_of(address): address for address in (notice.to, *notice.cc)}
    named = {
        own[key_of(address)]: one
        for one in reversed(failed)
        for address in (one.recipient, one.original)
        if key_of(address) in own
    }
    if named:
        yield from ((address, named[address]) for address in own.values() if address in named)
    elif failed:
        # Forwarded, or not told: with one recipient there is no doubt.
        yield ("" if notice.cc else notice.to), failed[0]


def _said(row: Bounce) -> str:
    why = " ".join(part for part in (row.status, row.reason) if part) or "没有写原因"
    return (
        f"发给 {row.recipient or '（没有写收件人）'} 的通知{'没有送到' if row.final else '延迟，服务器还在重试'}：{why}"
    )


def _tell(desk: Desk, row: Bounce) -> None:
    """Never about a notice that tells of a bounce: that would go on for ever."""
    notice = desk.book.get(Notice, row.notice)
    if not row.final or not row.recipient or notice is None or notice.template == "bounced":
        return
    person = desk.mapping.roster.by_address(row.recipient)
    for reader in desk.watchers(person.name if person else None):
        desk.notify(
            "bounced",
            reader,
            matter=f"bounce:{row.recipient.casefold()}",
            step="told",
            context={
                "name": person.name if person else "",
                "address": row.recipient,
                "received": desk.when(row.received),
                "status": row.status,
                "reason": row.reason,
                "server": row.remote,
            },
        )
