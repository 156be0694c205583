"""What a person has signed in with: kept in a file for its owner alone."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from mailflow import files
from mailflow.errors import AuthError, TransientError

_OWNER = "mailflow login 要由运行 mailflow 的那个用户来运行"
LOGIN = "请重新运行 mailflow login"


def keep(path: Path, content: str) -> None:
    """Writes a secret so that only this user can read it, and a reader sees the old or the new one."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        files.write_whole(path, content.encode(), mode=files.SECRET, lasting=True)
    except OSError as error:
        raise TransientError(f"登录凭据存不到 {path}：{error.strerror}。{_OWNER}。") from error


def kept(path: Path) -> dict[str, Any]:
    """What `keep` was given, a JSON object; {} if nothing was. AuthError: it is spoilt, or somebody else's."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise AuthError(f"登录凭据 {path} 已损坏：{LOGIN}。") from error
    except OSError as error:
        raise AuthError(f"读不到登录凭据 {path}：{error.strerror}。{_OWNER}。") from error
    if not isinstance(data, dict):
        raise AuthError(f"登录凭据 {path} 已损坏：{LOGIN}。")
    return data


LOCKS: dict[Path, threading.Lock] = {}
"""Accounts of one person share a file: one at a time reads it, renews what is in it, and writes it."""
