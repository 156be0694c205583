"""Mail as a support department gets it: 2 to 20 kB, half of it below 7 kB, always the same bytes for the same seed.

The mail programs are the demo's, with their charsets, markup and quotations; the words are put together from stock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from bench.department import Job, jobs, people
from mailflow.demo.clients import (
    APPLE,
    FOXMAIL,
    GMAIL,
    IPHONE,
    NETEASE,
    OUTLOOK,
    OUTLOOK_UTF8,
    QQ,
    THUNDERBIRD,
    Client,
    File,
    Letter,
    Party,
    Table,
    compose,
)  # fmt: skip
from mailflow.demo.people import MX, SUPPORT, party, signature
from mailflow.demo.post import fields, trace_result

FIRST = datetime(2026, 3, 2, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
EVERY = timedelta(minutes=7)
SMALLEST, LARGEST = 2_000, 20_000


@dataclass(frozen=True)
class Delivered:
    raw: bytes
    received: datetime


def letters(count: int, seed: int = 1, every: timedelta = EVERY) -> list[Delivered]:
    """The first `count` mails of the department, oldest first, one `every` so often."""
    return list(_Clerk(seed, every).write(count))


_SUBJECTS = ("主备切换", "端口聚合", "存储双活", "日志审计", "链路倒换", "固件升级", "策略放行", "远程接入", "时钟同步")
_DONE = ("已经完成", "复测通过", "还要再观察两天", "在实验室重现了一次", "与客户当面确认过", "按预案回退后重做")
_TAILS = (
    "期间业务没有中断，客户值班人员全程在场。",
    "抓包显示首包延迟在 3 ms 以内，丢包率为零。",
    "版本为 V5.2.17，序列号已记入设备清单。",
    "相关配置已经备份，放在项目共享盘的“配置”目录下。",
    "如需现场配合，请提前一天告知，以便办理进场手续。",
    "客户希望下周三之前给出书面结论。",
)
_METHODS = ("电话", "现场", "远程", "邮件", "微信QQ群")
_CLIENTS = (
    OUTLOOK,
    OUTLOOK,
    OUTLOOK,
    OUTLOOK_UTF8,
    FOXMAIL,
    FOXMAIL,
    NETEASE,
    QQ,
    QQ,
    GMAIL,
    APPLE,
    IPHONE,
    THUNDERBIRD,
)
_OUTSIDE = tuple(Party(f"{name}工", f"contact{n}@customer{n}.example") for n, name in enumerate("贺毛邹柏窦章云苏潘葛"))
_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def _news_page(letter: Letter, label: str) -> str:
    cell = (
        '<tr><td style="padding:12px 24px;font:14px/1.7 Arial"><a href="https://news.example/{0}">{1}</a></td></tr>\n'
    )
    rows = "".join(cell.format(n, line) for n, line in enumerate(letter.body) if isinstance(line, str) and line)
    head = f'<html><head><meta charset="{label}"><style>td {{color:#333}} .hide {{display:none}}</style></head>'
    return (
        f'{head}<body><div class="hide" style="display:none">预览</div><table width="600">{rows}</table></body></html>'
    )


NEWS = Client(
    name="群发系统", label="utf-8", codec="utf-8", words="B", transfer="quoted-printable",
    headers=(("List-Unsubscribe", "<https://news.example/off>"), ("Precedence", "bulk")),
    quote=lambda old: [], page=_news_page,
)  # fmt: skip


@cache
def _weight(client: Client) -> float:
    """How many bytes a character of text becomes in this client's mail."""
    party_ = Party("", "a@b.example")
    empty = Letter(sender=party_, to=(party_,), subject="x", body=(), sent=FIRST, message_id="<x@b.example>")
    full = replace(empty, body=("字" * 40,) * 25)
    return (len(compose(client, full)) - len(compose(client, empty))) / 1000


class _Clerk:
    """Writes one mail after the other; answers refer to what was written before."""

    def __init__(self, seed: int, every: timedelta) -> None:
        self._random = Random(seed)
        self._every = every
        self._jobs = jobs()
        self._written: list[Letter] = []
        self._sorts: tuple[tuple[Callable[[], tuple[Client, Letter]], int], ...] = (
            (self._report, 38),
            (self._reply, 18),
            (self._customer, 10),
            (self._daily, 8),
            (self._task, 8),
            (self._newsletter, 7),
            (self._complaint, 6),
            (self._away, 3),
            (self._chat, 2),
        )

    def write(self, count: int) -> Iterator[Delivered]:
        sorts, weights = zip(*self._sorts, strict=True)
        for number in range(count):
            self._now = FIRST + number * self._every
            self._id = hashlib.sha256(f"{number}".encode()).hexdigest()[:24]
            client, letter = self._random.choices(sorts, weights)[0]()
            letter = self._filled(client, letter)
            raw = self._trace(letter.sender) + compose(client, letter)
            if len(raw) < LARGEST / 3:  # a reply quotes all of it, twice where there is HTML
                self._written = [*self._written[-40:], letter]
            yield Delivered(raw, self._now)

    def _trace(self, sender: Party) -> bytes:
        relay = (
            f"Received: from mail.relay.example (mail.relay.example [192.0.2.25])\n\tby {MX} (Postfix) with ESMTPS id"
        )
        arrived = f"{relay} {self._id[:10].upper()}\n\tfor <{SUPPORT.address}>; {self._now:%a, %d %b %Y %H:%M:%S %z}\n"
        return f"Return-Path: <{sender.address}>\n{trace_result(sender, 'pass')}{arrived}".encode()

    def _filled(self, client: Client, letter: Letter) -> Letter:
        """With so many more lines at the end as the size wants that this mail is to have."""
        target = min(LARGEST * 0.9, max(SMALLEST, self._random.lognormvariate(8.75, 0.5)))
        room = (target - len(compose(client, letter))) / _weight(client)
        lines: list[str] = []
        while room > 0:
            lines.append(self._sentences())
            room -= len(lines[-1]) + 4
        return replace(letter, body=(*letter.body, *lines))

    def _sentences(self) -> str:
        pick = self._random.choice
        number = self._random.randrange(2, 60)
        return f"{number}号机房的{pick(_SUBJECTS)}{pick(_DONE)}，{pick(_TAILS)}{pick(_SUBJECTS)}{pick(_DONE)}。"

    def _letter(self, who: str | Party, to: tuple[Party, ...], subject: str, *body: str | Table) -> Letter:
        sender = party(who) if isinstance(who, str) else who
        signed = ("", "--", *signature(who)) if isinstance(who, str) else ()
        return Letter(
            sender=sender,
            to=to,
            cc=(SUPPORT,),
            subject=subject,
            body=(*body, *signed, ""),
            sent=self._now - timedelta(seconds=20),
            message_id=f"<{self._id}@{sender.address.rpartition('@')[2]}>",
        )

    def _job(self) -> Job:
        return self._random.choice(self._jobs)

    def _client(self) -> Client:
        return self._random.choice(_CLIENTS)

    # -- what people write

    def _report(self) -> tuple[Client, Letter]:
        job = self._job()
        writer = self._random.choice((job.first, job.first, job.second))
        left = self._random.random() < 0.2
        pairs = (
            ("沟通结果", "问题遗留" if left else "成功"),
            ("项目名称", job.name),
            ("沟通人", "机房 贺工 0999-5551207"),
            ("沟通方式", self._random.choice(_METHODS)),
            ("具体问题", self._sentences()),
            *((("遗留问题描述", self._sentences()),) if left else ()),
        )
        lines = (Table(pairs),) if self._random.random() < 0.4 else fields(*pairs)
        dash = self._random.choice(("-", "-", "-", "－", " - "))
        subject = f"客户沟通{dash}{job.name}项目{dash}{writer}"
        return self._client(), self._letter(writer, (party(job.sales),), subject, "您好：", *lines)

    def _complaint(self) -> tuple[Client, Letter]:
        job = self._job()
        to = tuple(party(name) for name in (*people("support_manager"), *people("technical_director")))
        body = ("沈经理：", "客户说上周已经沟通过，我没有收到任何沟通报告。", f"技服：{job.first}")
        return self._client(), self._letter(job.sales, to, f"投诉-{job.name}项目沟通问题", *body)

    def _reply(self) -> tuple[Client, Letter]:
        if not self._written:
            return self._report()
        old = self._random.choice(self._written)
        writer = self._random.choice((*people("sales"), *people("engineer")))
        letter = self._letter(writer, (old.sender,), f"回复：{old.subject}", "收到，补充两点：", self._sentences())
        return self._client(), replace(letter, answers=old)

    def _daily(self) -> tuple[Client, Letter]:
        job = self._job()
        body = ("今日完成：", self._sentences(), "明日计划：", self._sentences(), "问题：无。")
        return self._client(), self._letter(
            job.first, (party(job.sales),), f"工作日报-{job.name}项目-{job.first}", *body
        )

    def _task(self) -> tuple[Client, Letter]:
        job = self._job()
        form = File("《项目实施工作单》.docx", _DOCX, self._random.randbytes(self._random.randrange(1_000, 7_000)))
        letter = self._letter(job.sales, (party(job.first),), f"实施-{job.name}项目", "工作单见附件。")
        return self._client(), replace(letter, files=(form,))

    def _customer(self) -> tuple[Client, Letter]:
        who = self._random.choice(_OUTSIDE)
        subject = f"{self._random.choice(_SUBJECTS)}异常，请尽快协助"
        return self._client(), self._letter(who, (SUPPORT,), subject, "各位老师：", self._sentences())

    def _newsletter(self) -> tuple[Client, Letter]:
        sender = Party("行业周刊", "weekly@news.example")
        return NEWS, self._letter(sender, (SUPPORT,), "【行业周刊】本周网络与存储要闻", *map(str, range(3)))

    def _away(self) -> tuple[Client, Letter]:
        letter = self._letter(self._random.choice(_OUTSIDE), (SUPPORT,), "自动回复：您的来信", "我在休假，下周一回复。")
        return OUTLOOK, replace(letter, headers=(("Auto-Submitted", "auto-replied"),))

    def _chat(self) -> tuple[Client, Letter]:
        writer = self._random.choice(people("engineer"))
        return self._client(), self._letter(writer, (SUPPORT,), "周五的部门分享会改到三楼", "请大家互相转告。")
