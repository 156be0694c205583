"""Mails for the tests, made from a few lines."""

from __future__ import annotations


def mail(
    body: str | bytes = "正文\n", *, headers: str = "", subject: str = "x", sender: str = "li@corp.example"
) -> bytes:
    """A plain utf-8 mail; `headers` stand above the others, each line with its end."""
    if isinstance(body, str):
        body = body.encode()
    return f"{headers}From: {sender}\nSubject: {subject}\nDate: Fri, 20 Nov 2026 09:30:00 +0800\n\n".encode() + body


def html(body: str, *, subject: str = "Re: x") -> bytes:
    return mail(body, headers="Content-Type: text/html; charset=utf-8\n", subject=subject)


def multipart(*parts: str, kind: str = "mixed") -> bytes:
    """A mail of `parts`, each with its own header fields."""
    body = "".join(f"--=b\n{part}\n" for part in parts) + "--=b--\n"
    return mail(body, headers=f'Content-Type: multipart/{kind}; boundary="=b"\n')
