"""What an authority answers: a token, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailflow.errors import AuthError, MailflowError, TransientError
from mailflow.transports.wire import words

_MEANINGS = (
    ("AADSTS7000222", "应用的密钥已过期：请管理员在应用登记里新建一个密钥，换掉密码文件里的旧密钥"),
    ("AADSTS7000215", "应用的密钥不对：要填密钥的“值”，不是它的 ID"),
    ("AADSTS700016", "租户里没有这个应用：检查 client 和 tenant"),
    ("AADSTS90002", "没有这个租户：检查 tenant"),
    ("AADSTS700082", "登录已过期（太久没有使用）：请重新运行 mailflow login"),
    ("AADSTS700084", "登录已过期：请重新运行 mailflow login"),
    ("AADSTS70043", "登录已过期（租户的条件访问策略规定了期限）：请重新运行 mailflow login"),
    ("AADSTS50173", "密码改过，原来的登录作废：请重新运行 mailflow login"),
    ("AADSTS50076", "要再验证一次（多重验证）：请重新运行 mailflow login"),
    ("AADSTS50079", "要先登记多重验证：请用浏览器登录一次，再运行 mailflow login"),
    ("AADSTS50057", "这个用户已停用：请管理员处理"),
    ("AADSTS7000112", "应用已停用：请管理员在租户里启用"),
    ("AADSTS500011", "租户里没有这个资源：检查 cloud，以及应用的权限属于 Exchange 还是 Graph"),
    ("AADSTS65001", "管理员还没有同意应用的权限"),
    ("AADSTS53003", "被条件访问策略拦住：请管理员放行这个应用"),
    ("authorization_declined", "登录时拒绝了授权：请再运行一次 mailflow login"),
    ("code_expired", "等了太久，没有登录：请再运行一次 mailflow login"),
    ("reasonable timeframe", "这台机器的时钟不对：请对时"),
    ("Invalid JWT Signature", "服务账号的密钥已删除或停用：请管理员新建一个，换掉密钥文件"),
    ("Invalid email or User ID", "Google 的域里没有这个邮箱：检查地址"),
    ("account not found", "服务账号已删除或停用：请管理员处理"),
    ("invalid_grant", "登录已失效或被撤销：请重新运行 mailflow login"),
    ("invalid_client", "应用的 ID 或密钥不对，或密钥已过期"),
    ("unauthorized_client", "应用没有得到这种权限：请管理员授权"),
)
_PASSING = (
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "AADSTS90006:",
    "AADSTS90012:",
    "AADSTS90024:",
    "AADSTS90033:",
    "AADSTS90055:",
    "AADSTS50196:",
)
_TOKEN = re.compile(r"[\x21-\x7e]+")


def token_of(who: str, answer: Mapping[str, object]) -> str:
    """The access token in it (RFC 6749 §5.1, §A.12): such as may stand in a header. Raises why there is none."""
    token = answer.get("access_token")
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        return token
    raise _refusal(who, answer)


def _refusal(who: str, answer: Mapping[str, object]) -> MailflowError:
    """What is to be raised when `who` gives no token but this answer (RFC 6749 §5.2)."""
    code, said = str(answer.get("error") or ""), f"{answer.get('error') or ''} {answer.get('error_description', '')}"
    text = f"{who} 不给令牌：{words(said)}".strip()
    if not code:
        return TransientError(f"{who} 的答复里没有令牌，也没有说为什么。")
    if any(sign in said for sign in _PASSING):
        return TransientError(text)
    meaning = next((meaning for sign, meaning in _MEANINGS if sign in said), None)
    return AuthError(f"{text}。{meaning}。" if meaning else text)
