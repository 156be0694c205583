from __future__ import annotations

import pytest

from mailflow.message.thread import read_subject


@pytest.mark.parametrize(
    ("subject", "bare", "tags"),
    [
        ("投诉-蓝湾项目", "投诉-蓝湾项目", []),
        ("回复:投诉-蓝湾项目", "投诉-蓝湾项目", ["回复:"]),
        ("RE[2]: Fw： 答覆:x", "x", ["RE[2]:", "Fw：", "答覆:"]),
        ("回复(3)：【外部邮件】转寄: [External] x", "x", ["回复(3)：", "【外部邮件】", "转寄:", "[External]"]),
        ("回复率统计", "回复率统计", []),
        ("Report: x", "Report: x", []),
        ("Re-x", "Re-x", []),
        ("【蓝湾】投诉", "【蓝湾】投诉", []),
        ("Re:", "", ["Re:"]),
        ("", "", []),
    ],
)
def test_prefixes_and_tags_come_off_repeatedly(subject: str, bare: str, tags: list[str]) -> None:
    thread = read_subject(subject)
    assert (thread.bare, list(thread.tags)) == (bare, tags)


def test_reply_and_forward_are_told_apart() -> None:
    assert read_subject("回复：x")[2:4] == (True, False)
    assert read_subject("转发：x")[2:4] == (False, True)
    assert read_subject("[External] x")[2:4] == (False, False)


def test_case_numbers_come_off_wherever_they_stand() -> None:
    thread = read_subject("Re: 故障 [MF-2026-000123] 回信 【mf-2026-000007】[MF-2026-000123]")
    assert thread.cases == ("MF-2026-000123", "MF-2026-000007")
    assert thread.bare == "故障 回信"
    assert read_subject("[MF-2026-000123] Re: x").tags == ("Re:",)
    assert read_subject("MF-2026-000123 x").cases == ()
