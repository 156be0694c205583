"""PURE: the bytes of a mail to a `Message`, as a person would read it; whose it is; whether a program wrote it.

For anybody who has the bytes of a mail and wants its text:

>>> from mailflow.message import Hints, read
>>> raw = b"From: =?gb2312?B?wO7LxA==?= <li@corp.example>\\nSubject: " + "投诉-蓝湾".encode("gbk") + b"\\n\\n"
>>> mail = read(raw + "朱镕基路机房，今天无法登录。\\n> 旧文".encode("gbk"))
>>> mail.subject, mail.from_.name, mail.text, mail.quoted
('投诉-蓝湾', '李四', '朱镕基路机房，今天无法登录。', '> 旧文')
>>> mail.charset, mail.charset_certainty
('gb18030 (no label)', 'guessed')
>>> [finding.code for finding in mail.findings]
['charset_guessed', 'header_charset_guessed']

`hints` say which words mail here is likely to hold. They decide where bytes without a label can be read in two ways,
and nothing else; a short text is the case in point:

>>> short = b"Subject: " + "阚晗".encode("gbk") + b"\\n\\n"
>>> read(short).subject, read(short, Hints(words=frozenset({"阚晗", "李四"}))).subject
('窘袁', '阚晗')

What holds of `read`, whatever the bytes are:

- It raises nothing, and takes time linear in their number. A thousand levels of MIME and a hundred thousand parts are
  read; what lies beyond the bounds (`mime.MAX_LEAVES`, and searching for boundaries 32 times over) is kept unopened.
- It is pure: no clock, disk, network or log, and the same bytes and hints give the same `Message`.
- No byte is dropped silently. What cannot be decoded is U+FFFD in the text, and `doubtful` where that matters; what
  is not shown as text is in `attachments`, `quoted`, `signature`, `disclaimer` or `dropped`; `findings` tell of all
  that was not as it should be.
- All text is str without lone surrogates and control characters. Nothing in it has been verified: `verdict` says
  whether the sender is who the mail says.
"""

from mailflow.message.auth import Verdict, verdict
from mailflow.message.digest import resend_digest
from mailflow.message.model import NO_HINTS, Address, Attachment, Dropped, Hints, Message
from mailflow.message.reader import read, read_in_steps

__all__ = [
    "NO_HINTS",
    "Address",
    "Attachment",
    "Dropped",
    "Hints",
    "Message",
    "Verdict",
    "read",
    "read_in_steps",
    "resend_digest",
    "verdict",
]
