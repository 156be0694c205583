"""The turn of a year, with mail that comes late and in another order than the server had it (domain §3, §4, §8)."""

from __future__ import annotations

from tests.stories.mail import mail, report
from tests.stories.story import Answer, Command, Once, Story

TO = {"to": ("周九",), "cc": ("吴十", "技术支持 <support@tech.example>")}
SUPPORT = {"to": ("赵六",), "cc": ("技术支持 <support@tech.example>",)}
SAME = ("技服：李四", "没有收到沟通报告。")
SOLVED = report(problem="升级后切换时间为一秒")
LEFT = report(result="问题遗留", problem="双机切换时间过长", leftover="切换时间为五秒")

STORY = Story(
    name="late",
    steps=(
        # Two minutes before and after midnight: the December of one year, the January of the next.
        mail("c1", "12-31 23:58", "赵六", "投诉-ERP项目", "技服：李四", "年底的回访没有报告。", **TO),
        mail("c2", "2027-01-01 00:02", "赵六", "投诉-ERP项目", "元旦的值守没有报告。", **TO),
        # Two are named in one breath: never guessed (domain §4).
        mail("both", "2027-01-01 10:00", "赵六", "投诉-ERP项目", "技服：李四和王五都没有报告", **TO),
        Once("2027-01-01 12:00"),
        Command("2027-01-04 10:00", "close-month 2026-12"),
        # The same text three times, the first one fetched last: by the server's times the first and the third count.
        mail("same2", "2027-01-06 08:00", "钱七", "投诉-ERP项目", *SAME, **TO),
        mail("same3", "2027-01-07 04:00", "钱七", "投诉-ERP项目", *SAME, **TO),
        Once("2027-01-07 09:00"),
        mail("same1", "2027-01-05 12:00", "钱七", "投诉-ERP项目", *SAME, **TO),
        Once("2027-01-07 10:00"),
        # Somebody else has been first since the 8th; the mail that says so is fetched after a complaint of the 9th.
        mail("c3", "2027-01-09 09:00", "赵六", "投诉-ERP项目", "周末的割接没有报告。", **TO),
        Once("2027-01-09 10:00"),
        mail("first", "2027-01-08 09:00", "赵六", "立项-ERP项目", "客户：东方示例集团", "第一责任售前：王五"),
        Once("2027-01-09 11:00"),
        # A complaint of December that is fetched after December was closed: an adjusting entry.
        mail("c0", "12-30 10:00", "钱七", "投诉-CRM项目", "技服：李四", "上线当天没有报告。", **TO),
        Once("2027-01-11 09:00"),
        # A success that the server had before the leftover problem does not solve it; the next one does.
        mail("left", "2027-01-12 10:00", "李四", "客户沟通-ERP项目-李四", *LEFT, **SUPPORT),
        Once("2027-01-12 11:00"),
        mail("before", "2027-01-12 09:00", "李四", "客户沟通-ERP项目-李四", *report(), **SUPPORT),
        Once("2027-01-12 12:00"),
        mail("after", "2027-01-12 14:00", "李四", "客户沟通-ERP项目-李四", *SOLVED, **SUPPORT),
        # Withdrawn, and said again twice: the manager's to tell, the second time as well.
        mail("c4", "2027-01-13 09:00", "赵六", "投诉-ERP项目", "夜里的升级没有报告。", **TO),
        mail("out", "2027-01-13 10:00", "赵六", "撤诉-ERP项目", "撤诉", answers="c4", to=("周九",)),
        mail("again1", "2027-01-13 11:00", "赵六", "投诉-ERP项目", "夜里的升级没有报告。", **TO),
        mail("again2", "2027-01-13 12:00", "赵六", "投诉-ERP项目", "夜里的升级没有报告。", **TO),
        Once("2027-01-13 13:00"),
        Answer("no", "2027-01-13 14:00", "周九", ("held", "周九", "第2项"), ("驳回",)),
        Once("2027-01-13 15:00"),
    ),
    mails={
        "c1": "recorded",
        "c2": "recorded",
        "both": "held",
        "same2": "recorded",
        "same3": "recorded",
        "same1": "duplicate",
        "c3": "recorded",
        "first": "recorded",
        "c0": "recorded",
        "left": "recorded",
        "before": "recorded",
        "after": "recorded",
        "c4": "recorded",
        "out": "decided",
        "again1": "decided",
        "again2": "duplicate",
        "no": "decided",
    },
    complaints=(
        ("c1", "李四", "2026-12", "counted"),
        ("c0", "李四", "2026-12", "counted"),
        ("c2", "李四", "2027-01", "counted"),
        ("both", None, "2027-01", "held"),
        ("same2", "李四", "2027-01", "counted"),
        ("same3", "李四", "2027-01", "counted"),
        ("same1", "李四", "2027-01", "duplicate"),
        ("c3", "王五", "2027-01", "counted"),
        ("c4", "王五", "2027-01", "withdrawn"),
        ("again1", None, "2027-01", "dismissed"),
        ("again2", None, "2027-01", "duplicate"),
    ),
    ledger=(
        # As they were fetched: c1 and c2, the two of the same text; both rules apply to the fourth.
        ("2027-01", "2027-01", "李四", "withhold", 1, "c1 c2", False),
        ("2027-01", "2027-01", "李四", "withhold", 1, "same2 same3", False),
        ("2027-01", "2027-01", "李四", "demote", 1, "c1 c2 same2 same3", False),
        # c0 comes before all of them: everything is reckoned anew, the second one lies in the closed December now.
        ("2027-01", "2027-01", "李四", "withhold", -1, "c1 c2", False),
        ("2027-01", "2027-01", "李四", "withhold", -1, "same2 same3", False),
        ("2027-01", "2027-01", "李四", "demote", -1, "c1 c2 same2 same3", False),
        ("2027-01", "2026-12", "李四", "withhold", 1, "c0 c1", True),
        ("2027-01", "2027-01", "李四", "withhold", 1, "c2 same2", False),
        ("2027-01", "2027-01", "李四", "demote", 1, "c0 c1 c2 same2", False),
        ("2027-01", "2027-01", "王五", "withhold", 1, "c3 c4", False),
        ("2027-01", "2027-01", "王五", "withhold", -1, "c3 c4", False),
    ),
    records=(
        ("left", "ERP项目", "李四", "王五", "问题遗留", "complete"),
        ("before", "ERP项目", "李四", "王五", "成功", "complete"),
        ("after", "ERP项目", "李四", "王五", "成功", "complete"),
    ),
    cases=(("leftover", "left after", "李四", "solved"),),
    held=(
        ("both", "complaint", "engineer_unclear", None),
        ("again1", "complaint", "resent_after_out", "驳回"),
    ),
    notices={
        # c0 c1 c2 same2 same3, and c3 until it was known that another one is first.
        ("complaint_received", "李四"): 6,
        ("complaint_received", "王五"): 2,
        ("complaint_withdrawn", "李四"): 1,
        ("complaint_withdrawn", "王五"): 1,
        ("consequence", "李四"): 3,
        ("consequence", "王五"): 2,
        ("second_engineer_report", "王五"): 3,
        ("held", "周九"): 2,
        ("month_draft", "周九"): 1,
        ("decision_done", "周九"): 1,
    },
)  # fmt: skip
