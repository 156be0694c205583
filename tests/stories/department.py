"""The department of the stories. Invented; the names are the placeholders that domain.md and the shipped roster use."""

from __future__ import annotations

import tomllib
from datetime import datetime
from zoneinfo import ZoneInfo

YEAR = 2026
ZONE = ZoneInfo("Asia/Shanghai")
MX = "mx.tech.example"
"""The polled server's authserv-id (RFC 8601): the only one that is believed."""
SUPPORT = "support@tech.example"
OUTSIDE = "wang@customer.example"

PEOPLE_TOML = """\
[[person]]
name = "李四"
addresses = ["lisi@tech.example", "li.si@tech.example"]
role = "engineer"
aliases = ["Li Si"]
grade = 5

[[person]]
name = "王五"
addresses = ["wangwu@tech.example"]
role = "engineer"
grade = 4

[[person]]
name = "张三(华东)"
addresses = ["zhangsan.east@tech.example"]
role = "engineer"
grade = 3

[[person]]
name = "张三(华北)"
addresses = ["zhangsan.north@tech.example"]
role = "engineer"
grade = 3

[[person]]
name = "赵六"
addresses = ["zhaoliu@sales.example"]
role = "sales"

[[person]]
name = "钱七"
addresses = ["qianqi@sales.example"]
role = "sales"

[[person]]
name = "周九"
addresses = ["zhoujiu@tech.example"]
role = "support_manager"

[[person]]
name = "吴十"
addresses = ["wushi@tech.example"]
role = "technical_director"
"""

PROJECTS_TOML = """\
[[project]]
name = "ERP项目"
customer = "东方示例集团"
sales = "赵六"
first = "李四"
second = "王五"
grade = "A"

[[project]]
name = "CRM项目"
customer = "北方示例热线"
sales = "钱七"
first = "张三(华东)"
second = "李四"
grade = "B"
"""

SMALL_PEOPLE_TOML = "".join(
    f"[[person]]{person}"
    for person in PEOPLE_TOML.split("[[person]]")
    if any(n in person for n in ("李四", "赵六", "周九"))
)
SMALL_PROJECTS_TOML = """\
[[project]]
name = "ERP项目"
sales = "赵六"
first = "李四"
"""

ADDRESS: dict[str, str] = {p["name"]: p["addresses"][0] for p in tomllib.loads(PEOPLE_TOML)["person"]}
NAME = {address: name for name, address in ADDRESS.items()}


def moment(text: str) -> datetime:
    """The instant that `text`, such as 10-09 09:12 or 2027-01-04 09:00, means on the department's clock."""
    text = text if text[4:5] == "-" else f"{YEAR}-{text}"
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)
