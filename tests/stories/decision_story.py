"""Decisions (domain §2, §4): by reply, by command and by cell; objections, a re-assignment, and a month that closes.

Everything that is not certain lies before Zhou Jiu. Nothing that he did not say himself, verified, moves pay.
"""

from __future__ import annotations

from tests.stories.mail import mail
from tests.stories.story import Answer, Cell, Command, Once, Story

TO = {"to": ("周九",), "cc": ("吴十", "技术支持 <support@tech.example>")}

STORY = Story(
    name="decisions",
    steps=(
        # Three complaints that are held: two people are called 张三, nobody knows the project, nobody vouches.
        mail("h1", "10-09 09:00", "赵六", "投诉-ERP项目", "技服：张三", "约好的回访没有来。", **TO),
        mail("h2", "10-09 09:10", "钱七", "投诉-云桥项目", "技服：李四", "三次回访都没有报告。", **TO),
        mail("h3", "10-09 09:20", "赵六", "投诉-ERP项目", "技服：李四", "现场没有记录。", auth="none", **TO),
        Once("10-09 10:00"),
        # Decided by reply, by command, and by the cell in 待确认.xlsx.
        Answer("h1assign", "10-09 11:00", "周九", ("held", "周九", "held:1"), ("指定 张三(华东)",)),
        Once("10-09 11:10"),
        Command("10-09 11:30", "decide 2 指定 李四"),
        Cell("3", "驳回"),
        Once("10-09 12:00"),
        # The second one of Li Si. He objects; the manager upholds it.
        mail("v1", "10-12 09:00", "赵六", "投诉-ERP项目", "上线那天没有报告。", **TO),
        Once("10-12 09:30"),
        Answer("v1object", "10-12 10:00", "李四", ("complaint_received", "李四", "complaint:{number of v1}"),
               ("异议：那天我休假。",)),
        Once("10-12 10:30"),
        Answer("v1uphold", "10-12 11:00", "周九", ("held", "周九", "held:4"), ("维持",)),
        Once("10-12 11:30"),
        # The second one of Zhang San (East). He objects to the consequence; the manager dismisses the complaint.
        mail("v2", "10-13 09:00", "钱七", "投诉-CRM项目", "周会没有人参加。", **TO),
        Once("10-13 09:30"),
        Answer("v2object", "10-13 10:00", "张三(华东)", ("consequence", "张三(华东)", "ledger:L000002"),
               ("异议，会议改期了。",)),
        Once("10-13 10:30"),
        Answer("v2dismiss", "10-13 11:00", "周九", ("held", "周九", "held:5"), ("驳回", "会议确实改期了。")),
        Once("10-13 11:30"),
        # Another second one; this time the manager finds that it was the other Zhang San.
        mail("v3", "10-14 09:00", "钱七", "投诉-CRM项目", "培训没有反馈。", **TO),
        Once("10-14 09:30"),
        Command("10-14 10:00", "decide {number of v3} 指定 张三(华北)"),
        Once("10-14 10:30"),
        # The draft. Somebody confirms it in the manager's name; then the manager does.
        Once("11-02 09:00"),
        Answer("forged", "11-02 09:30", "周九", ("month_draft", "周九", "month:2026-10"), ("确认",), auth="fail"),
        Answer("meddling", "11-02 09:40", "李四", ("month_draft", "周九", "month:2026-10"), ("确认",)),
        Once("11-02 10:00"),
        Answer("close", "11-02 11:00", "周九", ("month_draft", "周九", "month:2026-10"), ("确认",)),
        Once("11-02 11:30"),
        # On second thoughts, the month closed: an adjusting entry.
        Command("11-05 09:00", "decide {number of v1} 驳回"),
        # What the server received in October and is fetched only now belongs to October, and is booked in November.
        mail("late", "10-30 15:00", "赵六", "投诉-ERP项目", "技服：张三(华东)", "验收那天没有报告。", **TO),
        Once("11-05 09:30"),
        # A withdrawal by subject, which nobody vouches for.
        mail("withdrawal", "11-12 09:00", "钱七", "撤诉-CRM项目", "误会，已经解决。", auth="none", **TO),
        Once("11-12 09:30"),
        Command("11-12 10:00", "decide 7 确认"),
        Once("11-12 10:30"),
        Once("12-01 09:00"),
    ),
    mails={
        "h1": "recorded",
        "h2": "recorded",
        "h3": "decided",
        "h1assign": "decided",
        "v1": "decided",
        "v1object": "decided",
        "v1uphold": "decided",
        "v2": "decided",
        "v2object": "decided",
        "v2dismiss": "decided",
        "v3": "recorded",
        "forged": "held",
        "meddling": "discussion",
        "close": "decided",
        "late": "recorded",
        "withdrawal": "decided",
    },
    complaints=(
        ("h1", "张三(华东)", "2026-10", "counted"),
        ("h2", "李四", "2026-10", "counted"),
        ("h3", None, "2026-10", "dismissed"),
        ("v1", "李四", "2026-10", "dismissed"),
        ("v2", "张三(华东)", "2026-10", "dismissed"),
        ("v3", "张三(华北)", "2026-10", "withdrawn"),
        ("late", "张三(华东)", "2026-10", "counted"),
    ),
    ledger=(
        ("2026-10", "2026-10", "李四", "withhold", 1, "h2 v1", False),
        ("2026-10", "2026-10", "张三(华东)", "withhold", 1, "h1 v2", False),
        ("2026-10", "2026-10", "张三(华东)", "withhold", -1, "h1 v2", False),
        ("2026-10", "2026-10", "张三(华东)", "withhold", 1, "h1 v3", False),
        ("2026-10", "2026-10", "张三(华东)", "withhold", -1, "h1 v3", False),
        ("2026-11", "2026-10", "李四", "withhold", -1, "h2 v1", True),
        ("2026-11", "2026-10", "张三(华东)", "withhold", 1, "h1 late", True),
    ),
    held=(
        ("h1", "complaint", "engineer_unclear", "指定 张三(华东)"),
        ("h2", "complaint", "project_unknown", "指定 李四"),
        ("h3", "complaint", "sender_unverified", "驳回"),
        ("v1object", "objection", "objection", "维持"),
        ("v2object", "objection", "objection", "驳回"),
        ("forged", "mail", "sender_unverified", None),
        ("withdrawal", "withdrawal", "sender_unverified", "确认"),
    ),
    notices={
        ("held", "周九"): 7,
        ("decision_done", "周九"): 4,
        ("complaint_received", "张三(华东)"): 4,
        ("complaint_received", "张三(华北)"): 1,
        ("complaint_received", "李四"): 2,
        ("consequence", "张三(华东)"): 5,
        ("consequence", "李四"): 2,
        ("complaint_withdrawn", "张三(华东)"): 2,
        ("complaint_withdrawn", "张三(华北)"): 1,
        ("complaint_withdrawn", "李四"): 1,
        ("objection_result", "李四"): 1,
        ("objection_result", "张三(华东)"): 1,
        ("month_draft", "周九"): 2,
    },
)  # fmt: skip
