"""The month, step by step: what arrives, what the clock brings, and what people answer (domain §2 to §4).

A literal list in the order of time; the runner in run.py plays it. Texts of mails are in reports.py, complaints.py and
others.py, under the ids used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailflow.demo.mails import mails
from mailflow.demo.post import message_id, moment


@dataclass(frozen=True)
class Deliver:
    """The mail `post` arrives, at its own time."""

    post: str
    caption: str

    @property
    def at(self) -> datetime:
        return mails()[self.post].arrives


@dataclass(frozen=True)
class Advance:
    """The clock reaches `when`: what is due falls due."""

    when: str
    caption: str

    @property
    def at(self) -> datetime:
        return moment(self.when)


@dataclass(frozen=True)
class Answer:
    """`by` answers the notice `template` that was sent to them about `about`, in the first line of a reply."""

    when: str
    id: str
    by: str
    template: str
    about: str
    """Message-ID of the mail that the notice is about; or "month:2026-10" for a month's draft."""
    text: tuple[str, ...]
    caption: str

    @property
    def at(self) -> datetime:
        return moment(self.when)


Step = Deliver | Advance | Answer

_ABOUT = message_id
"""Message-ID of a mail by a colleague, by its id."""

STEPS: tuple[Step, ...] = (
    # 10 月 8 日 星期四：立项
    Deliver("reg-danzhou", "何牧立项：澹州轨道-信号网改造（名称里有横线，Outlook 表格）"),
    Deliver("reg-yunting", "林知夏立项：云汀银行（二期）灾备（名称里有括号，全角横线，Foxmail）"),
    Deliver("reg-hemo", "徐曼青立项：禾墨农业物联网平台（网易邮箱）"),
    Deliver("reg-yuxi", "徐曼青立项：鈺汐精密VPN專線（繁体，Big5 编码）"),
    Deliver("chat-snacks", "郑晓禾：国庆特产在茶水间（闲聊，不属于任何类型）"),
    Deliver("task-implementation", "何牧：栎湾港口进入实施，附《项目实施工作单》"),
    Deliver("newsletter", "行业周刊（邮件列表，自动邮件）"),
    # 10 月 9 日 星期五
    Deliver("rep-qifeng-1", "李四的沟通报告：栖枫水务（Outlook 两列表格）"),
    Deliver("rep-liwan-1", "孙镕的沟通报告：栎湾港口（Foxmail）"),
    Deliver("ooo-hemu", "何牧出差的自动答复（不回、不计、不立案）"),
    Deliver("cust-qifeng", "客户来信：栖枫水务 3 号泵写不进去"),
    Deliver("daily-liwan", "孙镕的工作日报"),
    # 10 月 10 日 星期六，调休上班
    Deliver("rep-yaoxi-vague", "郑晓禾的沟通报告太笼统，还缺沟通人：请其补充"),
    Advance("10-10 14:05", "周六下午上班"),
    Answer(
        "10-10 14:30", "ans-yaoxi", "郑晓禾", "report_incomplete", _ABOUT("rep-yaoxi-vague"),
        (
            "沟通人：信息科 骆工",
            "具体问题：影像归档卷剩余 6%，确认扩容 2 台盘柜 48TB，"
            "数据在线重均衡约 30 小时，避开周一早高峰",
        ),
        "郑晓禾直接回复，补全了同一份报告",
    ),
    # 10 月 12 日 星期一
    Advance("10-12 09:05", "周一早上"),
    Deliver("weekly-liwan", "孙镕的工程周报"),
    Deliver("rep-liwan-second", "第二售前苏堃写的报告：记入孙镕的跟踪表，并告知孙镕"),
    Deliver("rep-beichen", "孙镕报告的“北辰热电”还没有立项：请林知夏立项"),
    # 10 月 13 日 星期二
    Deliver("cmp-qifeng-1", "林知夏投诉栖枫水务：计入李四，第 1 次"),
    Deliver("cmp-qifeng-1-copy", "同一封投诉也到了经理邮箱：不再计"),
    Deliver("cmp-qifeng-1-re", "沈经理回复投诉：只是讨论，不计"),
    Deliver("cmp-qifeng-1-fw", "林知夏转发投诉给总监：不计"),
    Deliver("rep-qifeng-left", "李四报告：栖枫水务问题遗留，立一个遗留问题"),
    # 10 月 14 日 星期三
    Advance("10-14 09:05", "北辰热电第 2 次催立项"),
    Deliver("cmp-liwan-1", "何牧投诉栎湾港口（QQ 邮箱）：计入孙镕，第 1 次"),
    Deliver("rep-danzhou-1", "张三(华东)的报告：从 Excel 粘贴的表格"),
    # 10 月 15 日 星期四
    Deliver("reg-beichen", "林知夏补立项北辰热电：先前的报告归位"),
    Deliver("rep-yunting-1", "张三（华南）的报告（Gmail）"),
    Deliver("fault-qifeng", "李四提故障单，附抓包摘要"),
    # 10 月 16 日 星期五
    Deliver("cmp-hemo", "徐曼青投诉禾墨农业，正文点名李四：第 2 次，当月扣发 1 级"),
    Deliver("cmp-hemo-resent", "徐曼青以为没发出去，又发一遍：24 小时内重发，不计"),
    Deliver("rep-qifeng-solved", "李四在原邮件上回复“成功”：遗留问题关闭"),
    Deliver("rep-hemo-1", "苏堃的报告（QQ 邮箱）"),
    # 10 月 19 日 星期一
    Advance("10-19 09:05", "周一早上"),
    Deliver("rep-yuxi-1", "李四的繁体报告（Apple Mail）"),
    Deliver("query-sheet", "李四查询自己的跟踪表"),
    Deliver("rep-misspelt", "孙镕把自己的名字写成“孙熔”：差一点，发一封更正提示"),
    Deliver("rep-corrected", "孙镕改正后重发"),
    Deliver("rep-linjiang", "张三(华东)报告的“临江化工”没有立项：请何牧立项"),
    # 10 月 20 日 星期二
    Deliver("cmp-zhangsan", "林知夏投诉，正文只写“张三”：有两位，转经理确认"),
    Deliver("rep-yaoxi-iphone", "郑晓禾用手机报了半截：待补充"),
    Deliver("cmp-yaoxi", "徐曼青投诉杳溪医院：计入郑晓禾"),
    # 10 月 21 日 星期三
    Advance("10-21 09:05", "早上：催何牧给临江化工立项（第 2 次）"),
    Answer(
        "10-21 09:30", "ans-zhangsan", "沈从周", "held", _ABOUT("cmp-zhangsan"),
        ("指定 张三(华南)", "", "昨晚复测是华南的张三做的。"),
        "沈经理回复“指定 张三(华南)”：计入他，第 1 次",
    ),
    Deliver("wd-yaoxi", "徐曼青撤诉杳溪医院：不再计"),
    Deliver("rep-liwan-left", "孙镕报告：栎湾港口问题遗留"),
    Deliver("group-opened", "苏堃建群"),
    # 10 月 22 日 星期四
    Deliver("cmp-forged", "凌晨一封冒用何牧之名的投诉，验证不通过：转经理确认"),
    Advance("10-22 09:05", "早上"),
    Deliver("improve-yunting", "张三(华南)申请产品改进"),
    # 10 月 23 日 星期五
    Advance("10-23 09:05", "早上：催何牧给临江化工立项（第 3 次）"),
    Answer(
        "10-23 09:40", "ans-forged", "沈从周", "held", _ABOUT("cmp-forged"),
        ("驳回", "", "和何牧核实过，不是他发的，已转信息安全。"),
        "沈经理回复“驳回”：冒名投诉不计",
    ),
    Deliver("cmp-qifeng-3", "林知夏再投诉栖枫水务：李四第 3 次"),
    Deliver("rep-noname", "苏堃从家里发来，主题漏了姓名：更正提示"),
    Deliver("rep-named", "苏堃改正后重发（带网关前缀【外部邮件】）"),
    # 10 月 26 日 星期一
    Advance("10-26 09:05", "周一早上"),
    Answer(
        "10-26 09:50", "ans-objection", "李四", "complaint_received", _ABOUT("cmp-qifeng-3"),
        ("异议", "", "升级时间是邬工自己从研发公告上看到的，我没有承诺，群聊记录可以提供。"),
        "李四对第 3 次投诉提出异议：交沈经理决定",
    ),
    Deliver("rep-liwan-solved", "孙镕报告“成功”：栎湾港口的遗留问题关闭"),
    Deliver("rep-beichen-2", "孙镕的报告：北辰热电已立项，直接入表"),
    Deliver("rep-hemo-left", "苏堃报告：禾墨农业问题遗留，一直没有下文"),
    Deliver("task-test", "林知夏：云汀银行测试，附《测试预案》"),
    # 10 月 27 日 星期二
    Advance("10-27 09:05", "早上"),
    Answer(
        "10-27 09:35", "ans-uphold", "沈从周", "held", _ABOUT("ans-objection"),
        ("维持", "", "群聊记录看过了，答复客户之前应先和销售通气。"),
        "沈经理回复“维持”：投诉照计",
    ),
    Deliver("cmp-liwan-2", "何牧再投诉栎湾港口：孙镕第 2 次，当月扣发 1 级"),
    Deliver("written-qifeng", "林知夏要求李四补发书面报告"),
    # 10 月 28 日 星期三
    Advance("10-28 09:05", "早上"),
    Deliver("cmp-qifeng-4", "林知夏投诉：李四第 4 次，两条规则同时生效（扣发 1 级，永久降 1 级）"),
    Deliver("rep-yunting-2", "张三(华南)的报告：双活切换演练"),
    Deliver("bug-hy6200", "苏堃反馈 BUG"),
    # 10 月 29 日 星期四、30 日 星期五
    Advance("10-29 09:05", "早上"),
    Deliver("cust-liwan", "客户来信：栎湾港口视频回传卡顿"),
    Deliver("task-training", "徐曼青：杳溪医院培训"),
    Deliver("rep-danzhou-2", "张三(华东)的报告（老系统，主题是未编码的 GBK 字节）"),
    Deliver("milestone-liwan", "孙镕：栎湾港口割接完成"),
    # 11 月 1 日 星期日
    Deliver("cmp-yunting-late", "投诉的日期写 10 月 31 日，服务器 11 月 1 日 00:03 才收到：算 11 月"),
    # 11 月 2 日 星期一：关账
    Advance("11-02 09:05", "11 月第一个工作日：10 月台账草稿发给沈经理"),
    Answer(
        "11-02 10:20", "ans-close", "沈从周", "month_draft", "month:2026-10",
        ("确认",),
        "沈经理回复“确认”：10 月关账",
    ),
    Deliver("rep-qifeng-2", "李四的报告：栖枫水务批量升级"),
    # 11 月 3 日 星期二
    Advance("11-03 09:05", "早上"),
    Deliver("bounce", "一封退信"),
    Deliver("wd-liwan", "何牧撤诉 10 月的投诉：10 月已关账，在 11 月记调整分录"),
    # 11 月 4 日至 6 日
    Deliver("rep-yunting-3", "张三(华南)的报告"),
    Deliver("ooo-customer", "客户的自动回复"),
    Deliver("query-complaints", "孙镕查询自己的投诉"),
    Advance("11-05 09:05", "早上"),
    Deliver("cust-yaoxi", "客户来信：杳溪医院问能否在线迁移"),
    Deliver("task-aftersales", "何牧：栎湾港口转售后"),
    Deliver("cmp-by-engineer", "张三(华东)投诉苏堃，但工程师无权投诉：转经理确认，至今未决"),
    Deliver("rep-yuxi-2", "李四的繁体报告"),
    Deliver("chat-badminton", "徐曼青：周五羽毛球（闲聊）"),
    # 11 月 9 日、10 日
    Advance("11-09 09:05", "周一早上"),
    Advance("11-10 18:05", "到此为止"),
)  # fmt: skip
