"""Out-of-office answers that say so only in their text: every clause of a short mail must be one that they consist of.

A person who mentions 出差 goes on to say something; a program does not. So one clause of another sort, a field or a
decision, and it is a person's mail (domain §9: what decides must not be taken for automatic).
"""

from __future__ import annotations

import re

from mailflow.core.text import simplified

LONGEST = 600
"""Characters: automatic answers are short."""
_MOST_CLAUSES = 24
_CLAUSE = 80

_HINTS = (
    "自动", "自動", "休假", "年假", "产假", "產假", "病假", "婚假", "出差", "外出",
    "不在办", "不在辦", "不在公司", "不在座", "不在岗", "不在崗",
    "out of ", " leave", "vacation", "away from", "automatic", "auto-", "auto reply", "autoreply",
)  # fmt: skip
_DECIDES = re.compile(
    "同意|驳回|确认|撤诉|撤回|撤销|异议|投诉|维持|指定|改派|计入|不计|属实|批准|approve|confirm", re.I
)
"""Whoever writes one of these has something to say (domain §2, §4)."""
_ADDRESS = re.compile(r"\S{1,64}@\S{1,200}|(?:\+?\d[\d -]{5,18}\d)")
_END = re.compile(r"[，,。．.！!；;：:？?\n、~～()（）【】\[\]<>“”\"]+")

_EXPLICIT = (
    r"(?:(?:这|此|本|该)(?:是|封|邮件|信|来)?.{0,14}?)?(?:系统|邮箱|来自\w{1,8}邮箱的)?(?:的)?(?:假期)?自动(?:回复|答复|应答)"
    r"(?:的)?(?:邮件|信件|信息|消息)?(?:请勿(?:直接)?回复)?|(?:此|本)邮件?(?:由|为|是|系)?系统自动(?:发送|发出|生成|回复)",
    r"(?:this is an? )?auto(?:matic|mated)?[ -]?(?:reply|response|generated)(?: (?:message|e-?mail))?",
)
_ABSENT = (
    r"(?:我|本人|因|由于|目前|现在|最近|近期|正|将|已|于|从|自|在|\d|年|月|日|号|至|到|-|—|起|周|星期|上午|下午|今天|明天|本|下)"
    r".{0,24}?(?:休假|休年假|年假|产假|病假|婚假|出差|外出|放假|不在办公室|不在公司|不在座位|不在岗)(?:中|期间|了|外地|国外|培训|开会|办事)?",
    r"(?:休假|出差|外出)(?:中|期间|在外)?|(?:不在办公室|不在公司)(?:期间)?",
    r"(?:i am|i'm|i will be|i'll be)?.{0,24}?(?:out of (?:the )?office|on (?:\w+ )?leave|on vacation|on a business trip"
    r"|away(?: from .{0,20})?|travell?ing).{0,70}",
)
_UNABLE = (
    r".{0,12}?(?:无法|不能|不便|未能|没法|不方便|不会)(?:及时|亲自|立即|立刻|马上|随时|正常)?"
    r"(?:回复|查看|处理|查收|答复|回信|接收|收发|接听)(?:您|你|大家)?(?:的)?(?:邮件|来信|信件|邮箱|电话|微信)?",
    r".{0,30}?(?:limited|no|without|intermittent) access to (?:my )?e-?mails?.{0,20}",
    r".{0,20}?(?:unable|not be able|cannot|can't) (?:to )?(?:reply|respond|answer|check|read).{0,40}",
)
_LATER = (
    r"(?:我|本人)?(?:会|将|待|等|在)?.{0,12}?(?:回来|返回|假期结束|休假结束|上班|回公司|回办公室)?(?:后|以后|之后)?(?:我)?(?:会|将|再)?"
    r"(?:尽快|第一时间|及时|立即|再)(?:给|与|和|向|为)?(?:您|你|大家)?(?:回复|答复|处理|联系|回信|回电)(?:您|你)?(?:的)?(?:邮件|来信|信件)?",
    r"(?:i will|i'll|and will).{0,30}?(?:reply|respond|answer|get back|return).{0,50}",
)
_URGENT = (
    r"(?:紧急|急事|要事|有事|重要|急需).{0,6}?(?:请|可|可以)?(?:直接)?(?:联系|致电|拨打|电|找|转).{0,12}",
    r"(?:for|in case of|if).{0,30}?(?:urgent|emergency|immediate).{0,40}",
)
_OTHERWISE = (
    r"(?:我|本人)?(?:会|将|待|等|在|于)*.{0,8}?(?:假期|休假|出差)?(?:结束|回来|返回|上班|回公司|回办公室|回国)(?:后|以后|之后|时)?",
    r"请?勿(?:直接)?回复(?:此|本|该)?邮?件?",
    # Greetings, thanks, whom to ask instead, until when, and the end of a letter.
    r"(?:尊敬的)?.{0,6}?(?:您|你|大家|各位)(?:同事|领导|同仁)?好?|您好|你好|hi|hello|dear .{0,30}|dear",
    r"(?:非常|多谢)?(?:感谢|谢谢)(?:您|你)?(?:的)?(?:来信|来件|邮件|理解|支持|配合|谅解)?|thank(?:s| you).{0,40}",
    r"(?:给您|由此)?(?:带来|造成)?(?:的)?不便(?:之处)?(?:敬请|请|还请)?(?:谅解|见谅)?|敬?请(?:谅解|见谅)",
    r"sorry for .{0,40}",
    r"(?:您|你)(?:的)?(?:来信|邮件|来件|信件)(?:我)?(?:已|已经)(?:收到|收悉)|(?:已|已经)(?:收到|收悉)(?:您|你)?的?(?:来信|邮件)?",
    r"(?:如|若|如果|有)(?:您|你)?(?:有|遇)?(?:任何)?(?:急事|紧急|要事|急需|要紧|重要).{0,10}|紧急(?:情况|事务|事项|事宜|问题|联系).{0,8}",
    r"(?:请|可|请您|可以)?(?:直接)?(?:联系|致电|拨打|电|找|转)(?:我的)?(?:同事)?.{0,12}|(?:我的)?(?:手机|电话|联系电话|邮箱|联系人)",
    r"please (?:contact|call|reach).{0,50}",
    r"(?:until|till|back on|returning).{0,40}|.{0,10}?(?:返回|回来|上班|恢复)(?:工作|上班|办公)?",
    r"(?:从|自|于)?[\d年月日号周至到起止 /—–-]{1,40}(?:止|起|期间|回来|上班)?|时间|期间|日期",
    r"祝(?:好|商祺|您|工作|万事|一切).{0,10}|顺祝商祺|此致|敬礼|谢谢|(?:best|kind|warm)? ?regards|best|cheers",
)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.I)


_SAYS_SO, _IS_ABSENT = _any(*_EXPLICIT), _any(*_ABSENT)
_EXCUSES, _ANYTHING_ELSE = _any(*_UNABLE, *_LATER, *_URGENT), _any(*_OTHERWISE)


def absence(text: str) -> str | None:
    """The clause by which `text`, a mail's new part, shows itself an automatic answer; None: a person wrote it."""
    if len(text) > LONGEST:
        return None
    lower = text.lower()
    if not any(map(lower.__contains__, _HINTS)):
        return None
    text = simplified(text)
    clauses = [found for clause in _END.split(_ADDRESS.sub("", text)) if (found := clause.strip())]
    if _DECIDES.search(text) or len(clauses) > _MOST_CLAUSES or any(len(clause) > _CLAUSE for clause in clauses):
        return None
    says_so = absent = ""
    excused = False
    for clause in clauses:
        if _SAYS_SO.fullmatch(clause):
            says_so = says_so or clause
        elif _IS_ABSENT.fullmatch(clause):
            absent = absent or clause
        elif _EXCUSES.fullmatch(clause):
            excused = True
        elif not _ANYTHING_ELSE.fullmatch(clause):
            return None
    return says_so or (absent if excused else "") or None
