"""Sending by SMTP. The one place where smtplib is used."""

from mailflow.transports.smtp.sender import Mode, SmtpSender

__all__ = ["Mode", "SmtpSender"]
