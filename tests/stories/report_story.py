"""domain §3 in mails: reports on registered projects, and on one that sales forgot to register over National Day."""

from __future__ import annotations

from tests.stories.mail import mail, report
from tests.stories.story import Answer, Once, Story

SALES = {"to": ("赵六",), "cc": ("技术支持 <support@tech.example>",)}
FORGETFUL = {"to": ("钱七",), "cc": ("技术支持 <support@tech.example>",)}
PRINTING = report(result="问题遗留", leftover="打印服务重启以后丢任务")
SYNC = report(result="问题遗留", problem="配置组织架构同步", leftover="增量同步漏掉停用的帐号")
EXPORT = report(result="问题遗留", problem="导出百万行报表", leftover="导出到一半连接中断")

STORY = Story(
    name="reports",
    steps=(
        # Complete. Then the second engineer's, with a leftover problem: told to the first, and in his sheet.
        mail("p1", "09-28 09:30", "李四", "客户沟通-ERP项目-李四", *report(), **SALES),
        mail("p2", "09-28 10:00", "王五", "客户沟通-ERP项目-王五", *PRINTING, **SALES),
        # Vague and without a contact. Completed by two replies, the first of which says only half.
        mail("p3", "09-28 11:00", "李四", "客户沟通-ERP项目-李四", *report(contact=None, problem="解决了技术问题"),
             **SALES),
        Once("09-28 12:00"),
        Answer("p3half", "09-28 15:00", "李四", ("report_incomplete", "李四", "report:{number of p3}"),
               ("沟通人：王主任",)),
        # Two leftovers of one engineer on one project.
        mail("q1", "09-28 16:00", "张三(华东)", "客户沟通-CRM项目-张三(华东)", *SYNC, **FORGETFUL),
        mail("q2", "09-28 16:30", "张三(华东)", "客户沟通-CRM项目-张三(华东)", *EXPORT, **FORGETFUL),
        Once("09-28 17:00"),
        mail("p3rest", "09-28 17:30", "李四", "回复: 客户沟通-ERP项目-李四", "具体问题：恢复被误删的审批流模板",
             answers="p3"),
        # Another engineer's success on the same project closes nothing of Wang Wu's.
        mail("p4", "09-29 09:00", "李四", "客户沟通-ERP项目-李四", *report(problem="调整报表服务器的时区"), **SALES),
        # Which of the two is solved? The answer names it by its number.
        mail("q3", "09-29 09:30", "张三(华东)", "客户沟通-CRM项目-张三(华东)",
             *report(problem="给停用帐号补一次同步"), **FORGETFUL),
        # Not registered: Qian Qi, to whom it is addressed, is asked to register.
        mail("n1", "09-29 09:40", "王五", "客户沟通-灯塔项目-王五", *report(problem="演示双机热备切换"), **FORGETFUL),
        Once("09-29 10:00"),
        Answer("q3which", "09-29 11:00", "张三(华东)", ("leftover_which", "张三(华东)", "{number of q3}"),
               ("是 {leftover of q1}",)),
        # A later report in the thread of the other one.
        mail("q4", "09-29 14:00", "张三(华东)", "回复：客户沟通-CRM项目-张三(华东)",
             *report(problem="放宽网关的导出超时"), answers="q2", **FORGETFUL),
        # Two leftovers again; the report carries the number of the first.
        mail("k1", "09-29 15:00", "李四", "客户沟通-CRM项目-李四", *SYNC, **FORGETFUL),
        mail("k2", "09-29 15:30", "李四", "客户沟通-CRM项目-李四", *EXPORT, **FORGETFUL),
        Once("09-29 16:00"),
        mail("k3", "09-29 17:00", "李四", "[{leftover of k1}] 客户沟通-CRM项目-李四",
             *report(problem="修正增量同步的游标"), **FORGETFUL),
        Once("09-29 18:00"),
        # Just one is open for Wang Wu on ERP: his next success closes it.
        mail("p5", "09-30 10:00", "王五", "客户沟通-ERP项目-王五", *report(problem="更换打印服务的队列驱动"), **SALES),
        Once("09-30 18:00"),
        # Two working days after Tuesday, 29 September: 30 September and 8 October; 1 to 7 October are holidays.
        Once("10-07 18:00"),
        Once("10-08 08:59"),
        Once("10-08 09:00"),
        mail("n2", "10-09 09:00", "王五", "客户沟通-灯塔项目-王五", *report(problem="核对双机热备的心跳线"),
             **FORGETFUL),
        Once("10-09 18:00"),
        # 9 October, and Saturday the 10th, which is worked.
        Once("10-10 09:00"),
        Once("10-12 18:00"),
        # 12 and 13 October: after the third request support may be stopped.
        Once("10-13 09:00"),
        Once("10-14 18:00"),
        # At last. What was kept goes to the first engineer's sheet, who is told of it.
        mail("register", "10-15 09:00", "钱七", "立项-灯塔项目", "客户：南方示例园区", "第一责任售前：张三(华北)",
             "第二售前：王五", "等级：B"),
        Once("10-15 09:30"),
        Once("10-23 18:00"),
    ),
    mails={
        **dict.fromkeys(("p1", "p2", "p3", "p3half", "p3rest", "p4", "p5"), "recorded"),
        **dict.fromkeys(("q1", "q2", "q3", "q3which", "q4", "k1", "k2", "k3"), "recorded"),
        **dict.fromkeys(("n1", "n2", "register"), "recorded"),
    },
    records=(
        ("p1", "ERP项目", "李四", "李四", "成功", "complete"),
        ("p2", "ERP项目", "王五", "李四", "问题遗留", "complete"),
        ("p3", "ERP项目", "李四", "李四", "成功", "complete"),
        ("q1", "CRM项目", "张三(华东)", "张三(华东)", "问题遗留", "complete"),
        ("q2", "CRM项目", "张三(华东)", "张三(华东)", "问题遗留", "complete"),
        ("p4", "ERP项目", "李四", "李四", "成功", "complete"),
        ("q3", "CRM项目", "张三(华东)", "张三(华东)", "成功", "complete"),
        ("n1", "灯塔项目", "王五", "张三(华北)", "成功", "complete"),
        ("q4", "CRM项目", "张三(华东)", "张三(华东)", "成功", "complete"),
        ("k1", "CRM项目", "李四", "张三(华东)", "问题遗留", "complete"),
        ("k2", "CRM项目", "李四", "张三(华东)", "问题遗留", "complete"),
        ("k3", "CRM项目", "李四", "张三(华东)", "成功", "complete"),
        ("p5", "ERP项目", "王五", "李四", "成功", "complete"),
        ("n2", "灯塔项目", "王五", "张三(华北)", "成功", "complete"),
    ),
    cases=(
        ("leftover", "p2 p5", "王五", "solved"),
        ("leftover", "q1 q3which", "张三(华东)", "solved"),
        ("leftover", "q2 q4", "张三(华东)", "solved"),
        ("registration_request", "n1 register", "钱七", "registered"),
        ("leftover", "k1 k3", "李四", "solved"),
        ("leftover", "k2", "李四", "open"),
    ),
    notices={
        ("second_engineer_report", "李四"): 2,
        ("second_engineer_report", "张三(华东)"): 3,
        ("second_engineer_report", "张三(华北)"): 2,
        ("report_incomplete", "李四"): 2,
        ("leftover_which", "张三(华东)"): 1,
        ("registration_request", "钱七"): 3,
        ("support_stopped", "王五"): 1,
        ("support_stopped", "周九"): 1,
        ("month_draft", "周九"): 1,
    },
)  # fmt: skip
