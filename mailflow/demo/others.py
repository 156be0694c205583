"""Everything else that comes to a support mailbox: customers, tasks, queries, automatic mail, chat (domain §2, §9)."""

from __future__ import annotations

from dataclasses import replace

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
    File,
    Party,
)  # fmt: skip
from mailflow.demo.people import DOMAIN, SUPPORT
from mailflow.demo.post import Post, write

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WU = Party("邬文涛", "wuwentao@qifeng-water.example")
SHE = Party("佘主任", "she.it@liwan-port.example")
LUO = Party("骆工", "it-luo@yaoxi-hospital.example")
MIN = Party("闵工", "min@hemo-farm.example")


def customers() -> tuple[Post, ...]:
    """客户问题, from outside addresses."""
    return (
        write(
            "cust-qifeng", "10-09 14:05", WU, FOXMAIL, (SUPPORT,), "东山泵站防火墙告警，3号泵写不进去",
            "岚屿技术支持：",
            "    你们好。今天中午起 3 号泵站的 RTU 频率设定写不下去，SCADA 报“非法功能”，读数据正常。",
            "    防火墙型号 HY-6200，版本 V5.2，序列号 HY62-2026-0415。麻烦尽快看一下。", "",
            "栖枫水务集团 调度中心 邬文涛", "0999-5551207", cc=(),
        ),
        write(
            "cust-liwan", "10-29 10:10", SHE, NETEASE, (SUPPORT,), "【外部邮件】割接后岸桥视频回传卡顿",
            "各位老师：", "昨天凌晨割接以后，07、08 号岸桥的视频回传每隔几分钟卡一下，数据业务正常。",
            "请问是不是组播的问题？今天 16 点以前需要一个说法，谢谢。", "", "栎湾港口 信息部", cc=(),
        ),
        write(
            "cust-yaoxi", "11-05 10:00", LUO, QQ, (SUPPORT,), "PACS 存储扩容后能不能在线迁移？",
            "您好，想问下新控制器上架以后，老 LUN 能不能不停机迁过去？放射科夜里也有急诊，最多停 20 分钟。", "",
            "杳溪医院信息科", cc=(),
        ),
    )  # fmt: skip


def tasks() -> tuple[Post, ...]:
    """Kinds that are recorded: tasks, tickets, milestones, daily and weekly reports, groups, queries."""
    return (
        write(
            "task-implementation", "10-08 15:20", "何牧", OUTLOOK, ("孙镕",), "实施-栎湾港口调度系统项目",
            "孙镕：", "", "合同已签，进入实施。《项目实施工作单》销售部分我填好了，技术部分请你补充后发客户。",
            cc=(SUPPORT, "沈从周"), files=(File("《项目实施工作单》-栎湾港口.docx", _DOCX, b"PK\x03\x04 demo form"),),
        ),
        write(
            "daily-liwan", "10-09 18:02", "孙镕", FOXMAIL, ("何牧",), "工作日报-栎湾港口调度系统项目-孙镕",
            "今日完成：1、HY-9100 两台上架加电，版本升级到 R8.1；2、管理 VLAN 与带外打通。",
            "明日计划：岸桥 01-04 号接入交换机替换。", "问题：无。",
        ),
        write(
            "weekly-liwan", "10-12 09:30", "孙镕", FOXMAIL, ("何牧", "沈从周"),
            "工程周报-栎湾港口调度系统项目-孙镕",
            "第 41 周：核心区设备全部上架；接入层替换 4/12；割接方案 V1.2 已发客户，待盖章。",
            "下周：接入层替换完成，组织割接预演。",
        ),
        write(
            "fault-qifeng", "10-15 16:40", "李四", OUTLOOK, ("沈从周",),
            "故障-栖枫水务管网监测项目-功能码06写操作被拦截",
            "沈经理：", "", "HY-6200 V5.2 只能按功能码放行，不能按寄存器地址段放行，三次尝试均未解决：",
            "1、单独放行功能码06，影响其它寄存器，客户不接受；", "2、改用自定义协议特征，会话每 30 秒中断一次；",
            "3、旁路后恢复，但失去防护。", "", "附件是抓包摘要，申请研发处理。",
            cc=(SUPPORT, "罗一鸣"), files=(File("3号泵站抓包摘要.txt", "text/plain", b"demo capture summary\n"),),
        ),
        write(
            "query-sheet", "10-19 11:05", "李四", OUTLOOK_UTF8, (SUPPORT,), "查询-跟踪表",
            "请把我的项目跟踪表发我一份，谢谢。", cc=(),
        ),
        write(
            "group-opened", "10-21 16:00", "苏堃", QQ, ("徐曼青",), "建群-禾墨农业 HY-G200 物联网覆盖方案 交流群",
            "徐经理：", "【外部】群已建，客户方闵工、宓工，我方徐曼青、苏堃、李四。",
        ),
        write(
            "improve-yunting", "10-22 16:05", "张三(华南)", GMAIL, ("罗一鸣",),
            "产品改进-云汀银行（二期）灾备项目-仲裁切换短信告警",
            "罗经理好，", "", "客户要求双活仲裁切换时同时发短信网关告警（HTTP 接口），标准版只有 SNMP 和邮件。", "",
            "期望 12 月中旬前提供定制版本。",
            cc=(SUPPORT, "沈从周"),
        ),
        write(
            "task-test", "10-26 17:00", "林知夏", FOXMAIL, ("张三(华南)",), "测试-云汀银行（二期）灾备项目",
            "张三：", "客户同意 28 日做双活切换演练，《测试预案》见附件，请复核用例 7 和用例 9。",
            files=(File("《测试预案》云汀银行二期灾备V1.0.docx", _DOCX, b"PK\x03\x04 demo plan"),),
        ),
        write(
            "written-qifeng", "10-27 15:00", "林知夏", FOXMAIL, ("李四",), "补发-栖枫水务管网监测项目-李四",
            "李四：", "昨天你电话里说的升级批次安排，请补发书面沟通邮件，客户要留档。", cc=(SUPPORT, "沈从周"),
        ),
        write(
            "bug-hy6200", "10-28 16:20", "苏堃", QQ, ("罗一鸣",), "BUG反馈-HY-6200-导出策略时中文备注乱码",
            "版本：V5.2.1", "现象：策略导出为 CSV 后，备注里的“堃”“镕”等字显示为问号。",
            "步骤：新建策略，备注填“镕”，导出后用记事本打开。", "期望：导出为 GB18030 或带 BOM 的 UTF-8。",
        ),
        write(
            "task-training", "10-29 14:00", "徐曼青", NETEASE, ("郑晓禾",), "培训-杳溪医院PACS存储扩容项目",
            "晓禾：", "医院希望 11 月 12 日下午做半天运维培训，8 个人，材料请提前两天发我一起看。",
        ),
        write(
            "milestone-liwan", "10-30 17:30", "孙镕", FOXMAIL, ("何牧",), "进度-栎湾港口调度系统项目-割接完成",
            "28 日 01:00 至 03:40 完成核心割接，业务中断 6 分钟（窗口 30 分钟），进入运行观察期。",
        ),
        write(
            "query-complaints", "11-04 11:20", "孙镕", FOXMAIL, (SUPPORT,), "查询-投诉", "请查询我的投诉记录。", cc=(),
        ),
        write(
            "task-aftersales", "11-05 15:00", "何牧", APPLE, ("孙镕",), "售后-栎湾港口调度系统项目",
            "孙镕：", "割接观察期满，转售后。服务单请客户签字后扫描归档。",
        ),
    )  # fmt: skip


def machines() -> tuple[Post, ...]:
    """Automatic mail (mail.md §5): never answered, never counted."""
    bounce = write(
        "bounce", "11-03 09:20", Party("Mail Delivery System", f"mailer-daemon@{DOMAIN}"), THUNDERBIRD, (SUPPORT,),
        "Undelivered Mail Returned to Sender", "placeholder", cc=(), headers=(("Auto-Submitted", "auto-replied"),),
    )  # fmt: skip
    return (
        write(
            "newsletter", "10-08 16:30", Party("工控安全周刊", "weekly@ics-news.example"), GMAIL, (SUPPORT,),
            "【工控安全周刊】第 39 期：协议白名单的五个误区",
            "本期要目：", "1、协议白名单的五个误区", "2、网闸与防火墙的分工", "退订请点击页脚链接。",
            cc=(), headers=(
                ("List-Id", "<weekly.ics-news.example>"), ("List-Unsubscribe", "<mailto:leave@ics-news.example>"),
                ("Precedence", "bulk"),
            ),
        ),
        write(
            "ooo-hemu", "10-09 10:31", "何牧", OUTLOOK_UTF8, (SUPPORT,),
            "Automatic reply: 客户沟通-栎湾港口调度系统项目-孙镕",
            "我正在出差，10 月 10 日返回，急事请打电话。I am out of office until October 10.",
            cc=(), headers=(("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")),
        ),
        _as_report(bounce),
        write(
            "ooo-customer", "11-04 10:31", MIN, QQ, (SUPPORT,), "自动回复：客户沟通-禾墨农业物联网平台项目",
            "您好，您的邮件我已经收到，我会尽快回复。（这是一封自动回复邮件）", cc=(),
        ),
    )  # fmt: skip


def chat() -> tuple[Post, ...]:
    """Mail of no kind: kept, listed as unmatched, left alone."""
    return (
        write(
            "chat-snacks", "10-08 11:48", "郑晓禾", IPHONE, (SUPPORT,),
            "国庆特产在茶水间", "带了些核桃，大家自取～", cc=(),
        ),
        write(
            "chat-badminton", "11-06 16:40", "徐曼青", GMAIL, (SUPPORT,), "回复率统计和周五羽毛球",
            "今晚七点老地方，差两位，报名回我。", cc=(),
        ),
    )  # fmt: skip


def _as_report(post: Post) -> Post:
    """The bounce as Postfix writes it: multipart/report (RFC 3464), in place of the letter's own body."""
    head, _, _ = post.raw.partition(b"MIME-Version: 1.0\n")
    return replace(post, raw=_null_path(head) + _REPORT)


def _null_path(head: bytes) -> bytes:
    """Bounces have the null return path (RFC 5321 §4.5.5)."""
    _, _, rest = head.partition(b"\n")
    return b"Return-Path: <>\n" + rest


_REPORT = f"""\
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="4XAB2026.1793668800/mx.{DOMAIN}"

--4XAB2026.1793668800/mx.{DOMAIN}
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.{DOMAIN}.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

<duan@danzhou-metro.example>: host mx.danzhou-metro.example[192.0.2.77] said:
    552 5.2.2 Mailbox full (in reply to end of DATA command)

--4XAB2026.1793668800/mx.{DOMAIN}
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.{DOMAIN}
Arrival-Date: Tue,  3 Nov 2026 09:19:41 +0800 (CST)

Final-Recipient: rfc822; duan@danzhou-metro.example
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 Mailbox full

--4XAB2026.1793668800/mx.{DOMAIN}
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

From: {SUPPORT.address}
To: duan@danzhou-metro.example
Subject: =?utf-8?B?5rWL6K+V5a6J5o6S?=
Message-ID: <20261103091940.4XAB@{DOMAIN}>

--4XAB2026.1793668800/mx.{DOMAIN}--
""".encode()
