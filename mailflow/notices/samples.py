"""What each notice may say: its variables, shown by sample data (for `check`, `preview` and the tests).

A context is a flat JSON dict and holds **every** variable listed for its template, with the type shown; nothing else
may be used by a template. An empty string or list means "nothing to say here". Texts are plain text, ready to be read:
instants "2026-11-20 09:30" (local), days "2026-11-23", months "2026-11". Text from mail goes in as it is: render
escapes it.

Everywhere: `person` is the name of the recipient.

complaint_received     number project received sender subject excerpt month ordinal(int: how-manieth counted)
consequence            month entries reason ("" or why the ledger changed: withdrawn, dismissed, re-assigned)
report_incomplete      number project subject received missing
correction             kind subject received understood(list of str) findings(list of str) corrected("" or subject)
                       mailto("" or a whole mailto: link, percent-encoded)
registration_request   number project engineer ordinal(int) times(int) due corrected mailto reports(list of dicts:
                       number received engineer)
registration_incomplete  project subject received missing findings(list of str)
support_stopped        number project engineer sales times(int) reason
second_engineer_report number project writer received result problem leftover("" or text)
leftover_which         number(of the report) project subject received cases(list of dicts: number title opened)
held                   number(int) kind(投诉 异议 撤诉 邮件) reason project("") engineer("") sender subject received
                       excerpt choices(list of str)
month_draft            month deadline open_held(int) engineers(list of dicts: engineer complaints opening withheld
                       demoted closing; texts or ints) entries
decision_done          matter(Chinese: 待确认第3项) answer result
decision_unclear       matter answer reason choices(list of str)
objection_result       number project received upheld(bool: the complaint stays counted) by reason
complaint_withdrawn    number project received sender state(已撤诉 已驳回 已改派 不重复计) reason
answers_stopped        name("" if not on the roster) address reached(Chinese: which cap) subject received
workbook_held          workbook since holder(who has it open) reason

entries: list of dicts: number engineer month for_month rule effect(扣发 永久降级) grades(signed int) cause
         adjusting(bool) reverses("" or number) mails(list of str)
missing: list of dicts: name hint
"""

from __future__ import annotations

from typing import Any

_LEDGER: list[dict[str, Any]] = [
    {
        "number": "L000007",
        "engineer": "李四",
        "month": "2026-11",
        "for_month": "2026-11",
        "rule": "每2次投诉扣发1级",
        "effect": "扣发",
        "grades": 1,
        "cause": "第2次计入的投诉，每2次扣发1级",
        "adjusting": False,
        "reverses": "",
        "mails": ["<a1@sales.example>", "<a2@sales.example>"],
    },
    {
        "number": "L000008",
        "engineer": "李四",
        "month": "2026-11",
        "for_month": "2026-10",
        "rule": "每2次投诉扣发1级",
        "effect": "扣发",
        "grades": -1,
        "cause": "投诉 MF-2026-000031 已撤诉，冲销 L000005",
        "adjusting": True,
        "reverses": "L000005",
        "mails": ["<b1@sales.example>"],
    },
]
_MISSING = [
    {"name": "沟通人", "hint": "客户方与您沟通的人"},
    {"name": "具体问题", "hint": "请写出具体的问题，例如：解决vista下远程控制网络参数设置"},
]

SAMPLES: dict[str, dict[str, Any]] = {
    "complaint_received": {
        "person": "李四",
        "number": "MF-2026-000123",
        "project": "星海ERP项目",
        "received": "2026-11-20 09:30",
        "sender": "王五",
        "subject": "投诉-星海ERP项目沟通问题",
        "excerpt": "11月18日与客户沟通后没有收到沟通报告。",
        "month": "2026-11",
        "ordinal": 2,
    },
    "consequence": {"person": "李四", "month": "2026-11", "entries": _LEDGER, "reason": "投诉 MF-2026-000031 已撤诉"},
    "report_incomplete": {
        "person": "李四",
        "number": "MF-2026-000124",
        "project": "星海ERP项目",
        "subject": "客户沟通-星海ERP项目-李四",
        "received": "2026-11-20 10:05",
        "missing": _MISSING,
    },
    "correction": {
        "person": "李四",
        "kind": "客户沟通",
        "subject": "客户沟通 星海EPR 李四",
        "received": "2026-11-20 10:05",
        "understood": ["邮件类型：客户沟通", "姓名：李四"],
        "findings": ["没有找到名为“星海EPR”的项目，最接近的是“星海ERP项目”。"],
        "corrected": "客户沟通-星海ERP项目-李四",
        "mailto": "mailto:support@example.example?subject=%E5%AE%A2%E6%88%B7%E6%B2%9F%E9%80%9A-"
        "%E6%98%9F%E6%B5%B7ERP%E9%A1%B9%E7%9B%AE-%E6%9D%8E%E5%9B%9B",
    },
    "registration_request": {
        "person": "王五",
        "number": "MF-2026-000125",
        "project": "银河网管",
        "engineer": "李四",
        "ordinal": 1,
        "times": 3,
        "due": "2026-11-24",
        "corrected": "立项-银河网管项目",
        "mailto": "mailto:support@example.example?subject=%E7%AB%8B%E9%A1%B9",
        "reports": [{"number": "MF-2026-000126", "received": "2026-11-20 11:00", "engineer": "李四"}],
    },
    "registration_incomplete": {
        "person": "王五",
        "project": "银河网管项目",
        "subject": "立项-银河网管项目",
        "received": "2026-11-20 11:30",
        "missing": [{"name": "第一责任售前", "hint": "请写人员名册上的姓名"}],
        "findings": ["人员名册上没有“李肆”。"],
    },
    "support_stopped": {
        "person": "李四",
        "number": "MF-2026-000125",
        "project": "银河网管",
        "engineer": "李四",
        "sales": "王五",
        "times": 3,
        "reason": "已三次请责任销售立项，至今没有收到立项邮件。",
    },
    "second_engineer_report": {
        "person": "李四",
        "number": "MF-2026-000127",
        "project": "星海ERP项目",
        "writer": "赵六",
        "received": "2026-11-20 14:20",
        "result": "问题遗留",
        "problem": "客户要求双机热备的切换时间不超过三秒",
        "leftover": "切换时间目前为五秒，等待新版本",
    },
    "leftover_which": {
        "person": "李四",
        "number": "MF-2026-000130",
        "project": "星海ERP项目",
        "subject": "客户沟通-星海ERP项目-李四",
        "received": "2026-11-21 09:10",
        "cases": [
            {"number": "MF-2026-000128", "title": "双机切换时间为五秒", "opened": "2026-11-20"},
            {"number": "MF-2026-000129", "title": "报表打印缺页", "opened": "2026-11-20"},
        ],
    },
    "held": {
        "person": "钱经理",
        "number": 3,
        "kind": "投诉",
        "reason": "投诉没有写明工程师，项目“银河”在登记中有两个，无法确定计在谁名下。",
        "project": "银河",
        "engineer": "",
        "sender": "王五 <wangwu@sales.example>",
        "subject": "投诉-银河项目沟通问题",
        "received": "2026-11-20 15:00",
        "excerpt": "本周两次电话之后都没有收到沟通报告。",
        "choices": ["计入", "指定 李四", "驳回"],
    },
    "month_draft": {
        "person": "钱经理",
        "month": "2026-11",
        "deadline": "2026-12-03",
        "open_held": 1,
        "engineers": [
            {"engineer": "李四", "complaints": 2, "opening": "P5", "withheld": 1, "demoted": 0, "closing": "P5"},
            {"engineer": "赵六", "complaints": 0, "opening": "P4", "withheld": 0, "demoted": 0, "closing": "P4"},
        ],
        "entries": _LEDGER,
    },
    "decision_done": {
        "person": "钱经理",
        "matter": "待确认第3项",
        "answer": "指定 李四",
        "result": "投诉 MF-2026-000123 已计在李四名下。",
    },
    "decision_unclear": {
        "person": "钱经理",
        "matter": "待确认第3项",
        "answer": "指定 小李",
        "reason": "“小李”可能是李四，也可能是李雷。",
        "choices": ["计入", "指定 李四", "指定 李雷", "驳回"],
    },
    "objection_result": {
        "person": "李四",
        "number": "MF-2026-000123",
        "project": "星海ERP项目",
        "received": "2026-11-20 09:30",
        "upheld": True,
        "by": "钱经理",
        "reason": "沟通报告在投诉之后才发出。",
    },
    "bounced": {
        "person": "钱经理",
        "name": "李四",
        "address": "lisi@tech.example",
        "received": "2026-11-20 09:31",
        "status": "5.1.1",
        "reason": "550 5.1.1 <lisi@tech.example>: Recipient address rejected: User unknown",
        "server": "mx.tech.example",
    },
    "answers_stopped": {
        "person": "钱经理",
        "name": "李四",
        "address": "lisi@tech.example",
        "reached": "的来信一小时内已答复 30 次",
        "subject": "客户沟通 星海ERP 工单 20261120",
        "received": "2026-11-20 09:31",
    },
    "complaint_withdrawn": {
        "person": "李四",
        "number": "MF-2026-000123",
        "project": "星海ERP项目",
        "received": "2026-11-20 09:30",
        "sender": "王五",
        "state": "已撤诉",
        "reason": "投诉人王五撤诉",
    },
    "workbook_held": {
        "person": "钱经理",
        "workbook": "项目跟踪表-李四.xlsx",
        "since": "2026-11-20 09:12",
        "holder": "李经理（Excel 或 WPS）",
        "reason": "“项目跟踪表-李四.xlsx”正被 李经理（Excel 或 WPS）打开，请保存并关闭；关闭后会自动更新。",
    },
}
