"""PURE: the bytes of a mail to a `Message`, as a person would read it; whose it is; whether a program wrote it."""

from mailflow.message.auth import Verdict, verdict
from mailflow.message.digest import resend_digest
from mailflow.message.model import Address, Attachment, Message
from mailflow.message.reader import read

__all__ = ["Address", "Attachment", "Message", "Verdict", "read", "resend_digest", "verdict"]
