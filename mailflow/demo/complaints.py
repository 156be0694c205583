"""Complaints of the demo month and what people write around them (domain §4)."""

from __future__ import annotations

from mailflow.demo.clients import FOXMAIL, GMAIL, IPHONE, NETEASE, OUTLOOK, QQ
from mailflow.demo.people import SUPPORT
from mailflow.demo.post import Post, also_to_manager, fields, with_forged_result, write

_MANAGER = ("沈从周",)
_COPIED = ("韩立行", SUPPORT)


def against_li_si() -> tuple[Post, ...]:
    """Four that count, for both rules; around them a copy, a reply, a forward and a re-send, which do not."""
    first = write(
        "cmp-qifeng-1", "10-13 09:41", "林知夏", OUTLOOK, _MANAGER, "投诉-栖枫水务管网监测项目沟通问题",
        "沈经理：", "",
        "10 月 12 日栖枫水务邬工告诉我，我们的工程师上周六给他打过半小时电话，改了部署方案，我这边没有收到沟通邮件，"
        "客户问起来很被动。", "",
        "请核实。",
        cc=_COPIED,
    )  # fmt: skip
    second = ("禾墨农业闵工说昨天已经远程调整了网关参数，我没有收到任何沟通邮件，客户例会上才知道。",)
    return (
        first,
        also_to_manager(first, "cmp-qifeng-1-copy", "10-13 09:42"),
        write(
            "cmp-qifeng-1-re", "10-13 10:10", "沈从周", OUTLOOK, ("林知夏",),
            "答复: 投诉-栖枫水务管网监测项目沟通问题",
            "知夏：", "", "收到，我先找他了解情况，今天内给你回话。",
            cc=_COPIED, answers=first,
        ),
        write(
            "cmp-qifeng-1-fw", "10-13 10:25", "林知夏", OUTLOOK, ("韩立行",),
            "转发: 投诉-栖枫水务管网监测项目沟通问题",
            "韩总，抄送您了解一下背景，客户那边我已经解释过。",
            cc=(SUPPORT,), answers=first, forward=True,
        ),
        write(
            "cmp-hemo", "10-16 09:30", "徐曼青", NETEASE, _MANAGER, "投诉-禾墨农业物联网平台项目沟通问题",
            "沈经理：", *second, "", *fields(("项目", "禾墨农业物联网平台项目"), ("技服", "李四")), cc=_COPIED,
        ),
        write(
            "cmp-hemo-resent", "10-16 15:20", "徐曼青", NETEASE, _MANAGER, "投诉-禾墨农业物联网平台项目沟通问题",
            "沈经理：", *second, "", *fields(("项目", "禾墨农业物联网平台项目"), ("技服", "李四")), cc=_COPIED,
        ),
        write(
            "cmp-qifeng-3", "10-23 11:00", "林知夏", FOXMAIL, _MANAGER, "投诉—栖枫水务管网监测项目沟通问题",
            "沈经理：", "",
            "昨天邬工在群里说“技术已经答应下月初全部升级”，升级承诺没有和销售通气，也没有沟通邮件。", "",
            *fields(("技服", "李四")), "", "请按制度处理。",
            cc=_COPIED,
        ),
        write(
            "cmp-qifeng-4", "10-28 10:15", "林知夏", OUTLOOK, _MANAGER, "投诉：栖枫水务管网监测项目沟通问题",
            "沈经理：", "",
            "昨天已发补发通知，到现在没有收到 10 月 26 日电话沟通的书面邮件，客户的变更单也没法签。", "",
            *fields(("技服", "李四")),
            cc=_COPIED,
        ),
    )  # fmt: skip


def against_others() -> tuple[Post, ...]:
    """Withdrawn, ambiguous, forged, sent by somebody who may not, and received in another month than it claims."""
    yaoxi = write(
        "cmp-yaoxi", "10-20 16:10", "徐曼青", GMAIL, _MANAGER, "投诉-杳溪医院PACS存储扩容项目",
        "沈经理：", "", "杳溪医院骆工说今天工程师到了机房，我到现在没收到沟通结果。", cc=_COPIED,
    )  # fmt: skip
    liwan = write(
        "cmp-liwan-2", "10-27 14:30", "何牧", QQ, _MANAGER, "投诉-栎湾港口调度系统项目沟通问题",
        "沈经理：", "割接窗口从 1 点改到 2 点，是佘主任通知我的，我们自己的技术没有一封邮件。", cc=_COPIED,
    )  # fmt: skip
    forged = write(
        "cmp-forged", "10-22 02:17", "何牧", NETEASE, _MANAGER, "投诉-禾墨农业物联网平台项目沟通问题",
        "沈经理：", "苏堃多次与客户私下沟通不报告，请立即扣发绩效。", "", *fields(("技服", "苏堃")),
        cc=_COPIED, auth="fail",
    )  # fmt: skip
    return (
        write(
            "cmp-liwan-1", "10-14 10:02", "何牧", QQ, _MANAGER, "投诉-栎湾港口调度系统项目沟通问题",
            "沈经理，",
            "佘主任周一在电话里和技术定了 PLC 网口的改法，报告里没写对方要求的回退时间，之后的两次微信沟通也没有邮件。",
            cc=_COPIED,
        ),
        write(
            "cmp-zhangsan", "10-20 09:50", "林知夏", OUTLOOK, _MANAGER, "投诉-云汀银行（二期）灾备项目沟通问题",
            "沈经理：", "",
            "云汀银行阮经理反馈昨晚的时延复测已经做完，我没有收到沟通邮件。", "", *fields(("技服", "张三")),
            cc=_COPIED,
        ),
        yaoxi,
        write(
            "wd-yaoxi", "10-21 10:05", "徐曼青", GMAIL, _MANAGER, "撤诉-杳溪医院PACS存储扩容项目",
            "沈经理：", "", "刚翻到了，郑晓禾昨天中午用手机发过，是我漏看。这条投诉我撤回，抱歉添麻烦。", cc=_COPIED,
        ),
        with_forged_result(forged),
        liwan,
        write(
            "cmp-yunting-late", "11-01 00:03", "林知夏", IPHONE, _MANAGER, "投诉-云汀银行（二期）灾备项目沟通问题",
            "沈经理，", "阮经理说周五又改了演练报告的结论页，没有邮件。周一客户就要报行里。",
            cc=_COPIED, date="10-31 23:58",
        ),
        write(
            "wd-liwan", "11-03 14:10", "何牧", QQ, _MANAGER, "回复: 投诉-栎湾港口调度系统项目沟通问题",
            "撤诉", "", "沈经理，核对过了，割接窗口的邮件 27 日中午就发了，被我的收件规则归到别的文件夹。",
            cc=_COPIED, answers=liwan,
        ),
        write(
            "cmp-by-engineer", "11-06 11:30", "张三(华东)", OUTLOOK, _MANAGER, "投诉-澹州轨道-信号网改造项目沟通问题",
            "沈经理：", "",
            "苏堃答应的 POC 用例评审意见一直没有给，影响进度。", "", *fields(("技服", "苏堃")), cc=_COPIED,
        ),
    )  # fmt: skip
