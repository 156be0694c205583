"""Where secrets come from: the environment, a file, or the system's keyring. Asked for at every use, never kept."""

from __future__ import annotations

import os
from pathlib import Path

from mailflow.errors import TransientError, UserError


def from_environment(variable: str, what: str) -> str:
    """UserError when the variable is not set. `what`: Chinese, what ought to be in it."""
    value = os.environ.get(variable)
    if not value:
        raise UserError(f"环境变量 {variable} 没有设置，里面应是 {what}")
    return value


def from_file(path: Path) -> str:
    """The content of a password file, without the byte order mark and line end that editors add."""
    try:
        value = path.read_text(encoding="utf-8-sig").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"读不到密码文件 {path}：{_why(error)}") from None
    if not value:
        raise UserError(f"密码文件 {path} 是空的：里面应只有密码或密钥")
    return value


def _why(error: OSError | UnicodeDecodeError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "没有这个文件。请建好它，里面只写密码或密钥，权限 600；或改正配置里的路径"
        case PermissionError():
            return "没有权限。请让它属于运行 mailflow 的用户，权限 600"
        case IsADirectoryError():
            return "它是文件夹。请改正配置里的路径"
        case UnicodeDecodeError():
            return "它不是 UTF-8 的文本。里面应只有密码或密钥"
    return f"{error.strerror}。请检查磁盘和路径"


def open_to_others(path: Path) -> str | None:
    """The permissions, as for chmod, of a file that others may read or write; None: they may not, or it is Windows."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return None  # whoever reads it will say so
    return f"{mode:03o}" if os.name == "posix" and mode & 0o077 else None


def from_keyring(service: str, user: str, what: str) -> str:
    """What the system's keyring has for `user` under `service`; `keyring set SERVICE USER` puts it there.

    UserError: there is no keyring, or nothing in it. TransientError: it is there, and does not give it now.
    """
    try:
        import keyring  # an extra; and it looks for its backends when it is imported
        from keyring.errors import NoKeyringError
    except ModuleNotFoundError:
        how = "在装 mailflow 的目录里运行 .venv/bin/python -m pip install -c requirements.lock -e '.[keyring]'"
        raise UserError(f"password_keyring 要用的 keyring 没有安装：请{how}") from None
    try:
        value = keyring.get_password(service, user)
    except NoKeyringError:
        raise UserError(
            "这台机器上没有能用的钥匙串（Linux 的守护进程多半没有）：请改用 password_file，"
            "或用环境变量 PYTHON_KEYRING_BACKEND 指定一个"
        ) from None
    except Exception as error:  # each system's keyring raises what it likes: locked, no D-Bus, cancelled
        raise TransientError(f"钥匙串现在不给 {what}：{type(error).__name__} {error}".rstrip()) from error
    if not value:
        raise UserError(f"钥匙串里没有 {what}：请以运行 mailflow 的用户运行 keyring set {service} {user}")
    return value
