"""The status for a person: what needs one begins with ✗, and says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from mailflow.alarm import PARTS
from mailflow.disks import low_text
from mailflow.logins import MENDED
from mailflow.status import healthy, in_order

_STATES = {"starting": "启动中", "ok": "正常", "failed": "有故障，会再试", "refused": "登录被拒绝，请处理"}
_NOTICES = {"pending": "待发", "sending": "正在发", "sent": "已发", "unclear": "不明", "refused": "被拒绝",
            "closed": "已处理"}  # fmt: skip
_WRONG = "✗ "


def lines(found: dict[str, Any]) -> list[str]:
    """Line by line; the last one says where to read on, when anything is wrong."""
    shown = [*_daemon(found["daemon"]), *_world(found), *_mailboxes(found), *_work(found)]
    return shown if healthy(found) else [*shown, "标 ✗ 的要人处理：怎么办见 docs/operations.md 的“出了问题怎么办”。"]


def _daemon(daemon: dict[str, Any]) -> Iterator[str]:
    yield f"{_mark(not daemon['current'])}守护进程：{_runs(daemon)}"
    if daemon["parts"] and not daemon["current"]:
        yield "以下是它最后知道的："
    for name, part in daemon["parts"].items():
        late = "没有动静，可能卡住了：请看日志，必要时重新启动" if name in daemon["late"] else ""
        error = f"：{part['error']}（{_tried(part, daemon)}）" if part["error"] else ""
        state = late or _STATES.get(part["state"], part["state"])
        yield f"{_mark(not in_order(name, daemon)) or '  '}{_part(name)}：{state}{error}"


def _world(found: dict[str, Any]) -> Iterator[str]:
    """What all the rest stands on."""
    if found["store"]:
        yield f"{_WRONG}数据库：{found['store']}"
    low = [(name, disk) for name, disk in found["disks"].items() if disk["low"]]
    for free in dict.fromkeys(disk["free"] for _, disk in low):  # folders on one disk have as much
        names = [name for name, disk in low if disk["free"] == free]
        yield f"{_WRONG}{low_text(names, found['disks'][names[0]]['folder'], free)}"
    yield from (f"快到期：{text}" for text in found["expiring"])


def _mailboxes(found: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*found["mailboxes"], *found["mails"]]):
        yield _box(name, found["mails"].get(name, 0), found["mailboxes"].get(name))


def _work(found: dict[str, Any]) -> Iterator[str]:
    notices = (f"{_NOTICES.get(s, s)} {n}" for s, n in sorted(found["notices"].items()))
    yield "通知：" + ("、".join(notices) or "无")
    yield from _stuck(found.get("stuck", ()))
    if found.get("stuck") or found["notices"].get("refused"):
        yield "  看过以后：mailflow notice 编号 --again 再发一次，--done 不再管它；编号见 mailflow list notices"
    if bounced := found.get("bounced"):
        yield f"退信：{bounced} 封通知没有送到，见 mailflow list notices"
    yield from (_waiting(row) for row in found["blocked"])
    yield f"待确认：{found['held']} 项"
    if due := found.get("next_due"):
        yield f"下一件到期：{_matter(due['matter'])}，{_minute(due['due'])}"
    if aside := found.get("set_aside"):
        yield f"搁置的邮件：{aside} 封，见待确认.xlsx"


def _mark(wrong: bool) -> str:
    return _WRONG if wrong else ""


def _runs(daemon: dict[str, Any]) -> str:
    at = _minute(daemon["at"])
    if daemon["running"]:
        return "运行中"
    if daemon["by"] == "run" and not daemon["ended"]:
        return _stopped_writing(daemon["locked"], at)
    if daemon["locked"] and not daemon["current"]:
        return "正在启动，或 mailflow once 正在运行，还没有写下状态"
    if daemon["by"] == "once":
        late = "" if daemon["current"] else "，早该再运行了：请看计划任务（cron）的日志，或自己运行一次"
        return f"没有运行；最后一次 mailflow once 在 {at}{late}"
    if daemon["ended"]:
        return f"没有运行，{at} 停下了。再启动：systemctl start mailflow，或 mailflow run"
    return "没有运行。启动：先运行 mailflow check，再运行 mailflow run"


def _stopped_writing(locked: bool | None, at: str) -> str:
    """Of a daemon that neither said goodbye nor gives signs of life."""
    if locked:
        return f"还在，但 {at} 以后没有写过状态：卡住了，或磁盘写不进去。请看日志，重新启动 mailflow"
    sure = "" if locked is False else "，或者写不了状态"
    return f"没有运行{sure}：{at} 以后没有动静，不是正常停下的（被杀、断电）。重新启动就行，什么也没有丢"


def _tried(part: dict[str, Any], daemon: dict[str, Any]) -> str:
    said = f"自 {_minute(part['since'])}，已试 {part['failures']} 次"
    if part["state"] == "refused":
        return f"{said}，{_minute(part['next'])} 以后再试；{MENDED}"
    return f"{said}，{part['next'][11:19]} 再试" if daemon["running"] and part["next"] else said


def _box(name: str, mails: int, box: dict[str, Any] | None) -> str:
    """One mailbox on one line; None: it is no longer configured."""
    if box is None:
        return f"邮箱 {name}：已收 {mails} 封，配置里已经没有它"
    said = [f"已收 {mails} 封"]
    if box["last_mail"]:
        said.append(f"最近一封 {_minute(box['last_mail'])}")
    if box["lag"] is not None:
        said.append(f"{_ago(box['lag'])}看过")
    if box["reconciled"]:
        lost = f"有 {box['missing']} 封没有收进来，请把日志交给维护人员" if box["missing"] else "没有遗漏"
        said.append(f"{_minute(box['reconciled'])} 核对过服务器上的 {box['on_server']} 封，{lost}")
    few = "，太少了：请看看邮件是否还送到这个邮箱" if box["silent"] else ""
    usual = f"（平时约 {box['usual_day']:.0f} 封{few}）" if box["usual_day"] else ""
    said.append(f"24 小时 {box['last_day']} 封{usual}")
    return f"{_mark(bool(box['missing'] or box['silent']))}邮箱 {name}：{'；'.join(said)}"


def _ago(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} 秒前"
    minutes = seconds // 60
    return f"{minutes} 分钟前" if minutes < 120 else f"{minutes // 60} 小时前"


def _minute(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else "不明的时候"


def _stuck(rows: list[dict[str, str]]) -> Iterator[str]:
    """A line for each reason: when a server is away, all notices wait for the same one."""
    first = {row["reason"]: f"{row['notice']}（编号 {row['number']}）" for row in reversed(rows)}
    for reason, number in Counter(row["reason"] for row in rows).items():
        more = f"等 {number} 封" if number > 1 else ""
        yield f"{_WRONG}通知 {first[reason]}{more}没有发出：{reason}"


def _waiting(row: dict[str, Any]) -> str:
    since = f"自 {_minute(row['since'])}，" if row["since"] else ""
    return f"{_WRONG}工作簿 {row['name']} 未更新（{since}{row['waiting']} 次更新在等）：{row['reason']}"


def _part(name: str) -> str:
    what, _, mailbox = name.partition(":")
    return f"收信 {mailbox}" if mailbox else PARTS.get(what, name)


def _matter(matter: str) -> str:
    what, _, rest = matter.partition(":")
    return {"month": f"{rest} 月台账草稿", "case": f"{rest} 督促立项"}.get(what, matter)
