"""domain §4 in mails: two months of complaints about two engineers.

Li Si (grade 5) is complained of five times on his own project: twice counts as one withheld grade, the fourth as a
withheld grade and a demotion. What repeats a complaint, or comes from somebody who may not complain or is not
verified, never counts. When October has been closed, Zhao Liu withdraws the first one: October stands as it was
closed, and November takes everything back and books what five complaints less one lead to.
"""

from __future__ import annotations

from tests.stories.department import OUTSIDE
from tests.stories.mail import mail
from tests.stories.story import Command, Copy, Once, Story

TO = {"to": ("周九",), "cc": ("吴十", "技术支持 <support@tech.example>")}
FIRST = ("技服：李四", "客户那边去了三次，一份沟通报告也没有收到。")

STORY = Story(
    name="complaints",
    steps=(
        # The first complaint, in both mailboxes; then what repeats it.
        mail("c1", "10-09 09:12", "赵六", "投诉-ERP项目", *FIRST, **TO),
        Copy("c1", "10-09 09:12", "manager"),
        Once("10-09 10:00"),
        mail("reply", "10-09 11:00", "李四", "回复：投诉-ERP项目", "报告已补发，抱歉。", to=("赵六",), cc=("周九",),
             answers="c1"),
        mail("forward", "10-09 14:00", "吴十", "转发: 投诉-ERP项目", "请周九跟进。", to=("周九",), answers="c1"),
        mail("resent", "10-09 20:00", "赵六", "投诉-ERP项目", *FIRST, **TO),
        Copy("c1", "10-10 08:00"),
        Once("10-10 09:30"),
        # Nobody named: the project's first engineer. Full-width dashes, in GBK.
        mail("c2", "10-20 09:00", "赵六", "投诉－ERP项目沟通问题", "又一周没有报告了。", charset="gb18030", **TO),
        # Not verified, not in a role that may complain, not on the roster.
        mail("forged", "10-21 09:00", "赵六", "投诉-ERP项目", "技服：李四", "现场没人来。", auth="fail", **TO),
        mail("engineer", "10-21 09:30", "王五", "投诉-ERP项目", "技服：李四", "他不写报告。", **TO),
        mail("outside", "10-21 10:00", OUTSIDE, "投诉-ERP项目", "技服：李四", "没有人理我们。", **TO),
        Once("10-21 18:00"),
        # The text of the first one, but weeks later: a complaint of its own.
        mail("c3", "10-27 09:00", "赵六", "投诉-ERP项目", *FIRST, **TO),
        # Ten minutes before and after midnight. The Date headers claim the other month.
        mail("c4", "10-31 23:50", "赵六", "投诉-ERP项目", "技服：Li Si", "周五的约会没有去。", date="11-01 08:00",
             **TO),
        mail("c5", "11-01 00:10", "赵六", "投诉-ERP项目", "技服：李四", "周五去了哪里也没有说。", date="10-31 20:00",
             **TO),
        Once("11-01 01:00"),
        # Sunday was the first; the draft comes on the first working day. The month is closed.
        Once("11-02 09:00"),
        Command("11-02 10:00", "close-month 2026-10"),
        # The first complaint is withdrawn.
        mail("withdrawal", "11-10 09:30", "赵六", "回复: 投诉-ERP项目", "撤诉，报告找到了。", to=("周九",),
             answers="c1"),
        Once("11-10 10:00"),
        # Wang Wu is named, though he is neither first nor second on that project.
        mail("c6", "11-16 09:00", "钱七", "投诉-CRM项目", "技服：王五", "替班那天没有报告。", **TO),
        Once("11-16 09:30"),
        Once("12-01 09:00"),
    ),
    mails={
        "c1": "recorded copy copy",
        "reply": "discussion",
        "forward": "discussion",
        "resent": "duplicate",
        "c2": "recorded",
        "forged": "held",
        "engineer": "held",
        "outside": "held",
        "c3": "recorded",
        "c4": "recorded",
        "c5": "recorded",
        "withdrawal": "decided",
        "c6": "recorded",
    },
    complaints=(
        ("c1", "李四", "2026-10", "withdrawn"),
        ("resent", "李四", "2026-10", "duplicate"),
        ("c2", "李四", "2026-10", "counted"),
        ("forged", None, "2026-10", "held"),
        ("engineer", None, "2026-10", "held"),
        ("outside", None, "2026-10", "held"),
        ("c3", "李四", "2026-10", "counted"),
        ("c4", "李四", "2026-10", "counted"),
        ("c5", "李四", "2026-11", "counted"),
        ("c6", "王五", "2026-11", "counted"),
    ),
    ledger=(
        ("2026-10", "2026-10", "李四", "withhold", 1, "c1 c2", False),
        ("2026-10", "2026-10", "李四", "withhold", 1, "c3 c4", False),
        ("2026-10", "2026-10", "李四", "demote", 1, "c1 c2 c3 c4", False),
        # After the withdrawal c2 is the first: what October had is taken back in November …
        ("2026-11", "2026-10", "李四", "withhold", -1, "c1 c2", True),
        ("2026-11", "2026-10", "李四", "withhold", -1, "c3 c4", True),
        ("2026-11", "2026-10", "李四", "demote", -1, "c1 c2 c3 c4", True),
        # … and c3, the second now, and c5, the fourth now, lead to what they lead to.
        ("2026-11", "2026-10", "李四", "withhold", 1, "c2 c3", True),
        ("2026-11", "2026-11", "李四", "withhold", 1, "c4 c5", False),
        ("2026-11", "2026-11", "李四", "demote", 1, "c2 c3 c4 c5", False),
    ),
    held=(
        ("forged", "complaint", "sender_unverified", None),
        ("engineer", "complaint", "sender_role", None),
        ("outside", "complaint", "sender_unknown", None),
    ),
    notices={
        ("complaint_received", "李四"): 5,
        ("complaint_received", "王五"): 1,
        ("consequence", "李四"): 3,
        ("complaint_withdrawn", "李四"): 1,
        ("held", "周九"): 3,
        ("month_draft", "周九"): 2,
    },
)  # fmt: skip
