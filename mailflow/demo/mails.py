"""All mails of the demo month, and the builder for answers to notices."""

from __future__ import annotations

from functools import cache

from mailflow.demo import complaints, others, reports
from mailflow.demo.clients import NETEASE, OUTLOOK, Client, Letter
from mailflow.demo.people import SUPPORT, party
from mailflow.demo.post import Post, moment, write

_CLIENTS: dict[str, Client] = {"郑晓禾": NETEASE}
"""What somebody answers notices with; the others use Outlook."""


@cache
def mails() -> dict[str, Post]:
    """Every mail of fixed text, by its id, in the order of arrival."""
    posts = [
        *reports.registrations(),
        *reports.reports_first_half(),
        *reports.reports_second_half(),
        *complaints.against_li_si(),
        *complaints.against_others(),
        *others.customers(),
        *others.tasks(),
        *others.machines(),
        *others.chat(),
    ]
    return {post.id: post for post in sorted(posts, key=lambda p: p.arrives)}


def reply_to(notice_id: str, subject: str, text: tuple[str, ...], who: str, when: str, *, post_id: str) -> Post:
    """An answer by `who` to the notice with the Message-ID `notice_id`, quoting it, as their mail program does it.

    The quotation repeats words that a notice offers as answers: only the new part may be read as one.
    """
    notice = Letter(
        sender=SUPPORT,
        to=(party(who),),
        subject=subject,
        body=(
            f"{who}：您好！",
            "",
            "请直接回复，可回复：确认 / 驳回 / 维持 / 指定 姓名 / 异议。",
            "",
            "技术支持助手",
        ),
        sent=moment(when),
        message_id=notice_id,
    )
    answered = Post(id="", arrives=notice.sent, mailbox="support", client="", letter=notice, raw=b"")
    client = _CLIENTS.get(who, OUTLOOK)
    prefix = "回复：" if client is NETEASE else "答复: "
    return write(post_id, when, who, client, (SUPPORT,), prefix + subject, *text, cc=(), answers=answered)
