"""Notices that companies put under mail, and warnings that gateways put above it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailflow.message.endings import is_content, is_frame, is_rule

_TITLE = re.compile(
    r"[\s*【\[（(<-]*(?:免责(?:声明|条款)|保密(?:声明|提示|须知|条款|通知)|法律声明|机密声明|邮件声明|重要(?:提示|声明|通知)|"
    r"免責聲明|保密聲明|機密聲明|声明|聲明|(?:confidentiality|legal|privacy|important)\s+(?:notice|note|disclaimer)|disclaimer)"
    r"[】\]）)>*]*\s*(?:[:：].*|-*|$)",
    re.IGNORECASE,
)
_ABOUT_MAIL = re.compile(
    r"(?:本|此|该|這封|这封|上述|貴|贵)\s*(?:电子|電子)?(?:邮件|郵件|电邮|信件)|"
    r"(?:this|the)\s+(?:e-?mail|message|communication|transmission)|e-?mail",
    re.IGNORECASE,
)
_SECRECY = re.compile(
    r"保密|机密|機密|商业秘密|专[供属]|仅供|僅供|仅限|误收|誤收|错误(?:地)?收到|收到错误|立即(?:通知|删除)|予以删除|"
    r"未经.{0,6}(?:授权|许可|同意)|严禁|泄[露漏]|免责|不承担|法律责任|收件人|"
    r"confidential|privileged|intended|unauthori[sz]ed|in error|delete|disclos|recipient|liab|virus",
    re.IGNORECASE,
)
_PAPER = re.compile(
    r"(?:考虑|保护|爱护|愛護|節約|节约).{0,12}(?:环境|環境|环保|地球|纸张|用纸)|"
    r"consider the environment|before printing",
    re.IGNORECASE,
)
_PRINTING = re.compile(r"打印|列印|纸|print", re.IGNORECASE)
_HINTS = (
    *("密", "声明", "聲明", "仅供", "僅供", "误收", "免责", "环境", "環境", "环保", "地球"),
    *("idential", "IDENTIAL", "rinting", "ntended", "ecipient", "isclaim", "DISCLAIM"),
)
"""Without one of these no line is a notice."""
_SIGNS = (*"密声聲仅僅误免环環球", "nt", "NT", "laim", "LAIM")
"""Without one of these there is none of those; single characters are found ten times as fast."""
_MOST_LINES = 25
_LONGEST_LINE = 2000


def may_have_disclaimer(lines: Sequence[str]) -> bool:
    """Whether it is worth looking for one."""
    text = "\n".join(lines)
    return any(map(text.__contains__, _SIGNS)) and any(map(text.__contains__, _HINTS))


def disclaimer(lines: Sequence[str]) -> int | None:
    """Where the notice begins with which `lines` end; every paragraph of it must be one."""
    last = len(lines) - 1
    start = last + 1
    for number in range(last, max(-1, last - _MOST_LINES), -1):
        line = lines[number]
        if is_frame(line):
            continue
        if _is_notice(line) or _is_title(line):
            start = number
        elif not _goes_on(lines, number):
            break
    if start > last:
        return None
    while start and (not lines[start - 1].strip() or is_rule(lines[start - 1])):
        start -= 1
    return start


def _is_title(line: str) -> bool:
    return bool(_TITLE.match(line[:_LONGEST_LINE]))


def _is_notice(line: str) -> bool:
    """A line about mail and secrecy, or about paper; no answer, and no field that speaks of secrecy."""
    line = line[:_LONGEST_LINE]
    if is_content(line):
        return False
    if _PAPER.search(line):
        return bool(_PRINTING.search(line))
    kinds = len({found[0].lower() for found in _SECRECY.finditer(line)})
    return (kinds > 1 and bool(_ABOUT_MAIL.search(line))) or (kinds > 0 and _is_title(line))


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Whether the line is a further one of a notice that begins above it in the same paragraph."""
    for above in range(number - 1, max(-1, number - _MOST_LINES), -1):
        if is_content(lines[above + 1]) or not lines[above].strip():
            return False
        if _is_notice(lines[above]) or _is_title(lines[above]):
            return True
    return False


# -- above the text

_LONGEST_BANNER = 400
_BANNER = re.compile(
    r"[\s*【\[（(!！⚠\ufe0f]*"
    r"(?:注意|警告|提醒|提示|安全|温馨提示|外部|external|caution|warning|notice|this (?:e-?mail|message))",
    re.IGNORECASE,
)
_WARNING = re.compile(
    r"(?:邮件|郵件|发件人|寄件人).{0,10}(?:来自|來自|源自|发自).{0,10}(?:外部|公司以外|组织外|組織外)|外部(?:邮件|郵件|发件人|寄件)|"
    r"(?:originat\w+|sent|came|comes) from (?:outside|an external)|external (?:e-?mail|sender|source)|"
    r"outside (?:of )?(?:the|your) organi[sz]ation",
    re.IGNORECASE,
)


def is_banner(line: str) -> bool:
    """注意：此邮件来自外部 …: put above the text by a gateway."""
    return len(line) <= _LONGEST_BANNER and bool(_BANNER.match(line) and _WARNING.search(line))
