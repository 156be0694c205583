"""The demo department: mappings/people.toml and mappings/projects.toml as texts. Everybody in it is invented."""

from __future__ import annotations

import tomllib

from mailflow.demo.clients import Party

COMPANY = "岚屿科技"
DOMAIN = "lanyu-tech.example"
MX = f"mx.{DOMAIN}"
SUPPORT = Party("技术支持助手", f"support@{DOMAIN}")

PEOPLE_TOML = """\
# 人员名册（演示数据，均为虚构）
# role：engineer 技服/售前，sales 销售，support_manager 技术支持部经理，technical_director 技术总监，
#       general_manager 总经理，rd_manager 研发经理，pmo 项目管理办公室
# grade：绩效工资等级，数字越大等级越高；aliases：常见别名、拼音、英文名

[[person]]
name = "傅远山"
addresses = ["fuyuanshan@lanyu-tech.example"]
role = "general_manager"

[[person]]
name = "韩立行"
addresses = ["hanlixing@lanyu-tech.example"]
role = "technical_director"
manager = "傅远山"

[[person]]
name = "沈从周"
addresses = ["shencongzhou@lanyu-tech.example"]
role = "support_manager"
manager = "韩立行"

[[person]]
name = "林知夏"
addresses = ["linzhixia@lanyu-tech.example"]
role = "sales"
aliases = ["Summer Lin"]
manager = "傅远山"

[[person]]
name = "何牧"
addresses = ["hemu@lanyu-tech.example"]
role = "sales"
manager = "傅远山"

[[person]]
name = "徐曼青"
addresses = ["xumanqing@lanyu-tech.example", "xumanqing.tw@lanyu-tech.example"]
role = "sales"
manager = "傅远山"

[[person]]
name = "李四"
addresses = ["lisi@lanyu-tech.example"]
role = "engineer"
aliases = ["lisi", "Leo Li"]
grade = 7
manager = "沈从周"
joined = 2021-03-15

[[person]]
name = "孙镕"
addresses = ["sunrong@lanyu-tech.example"]
role = "engineer"
aliases = ["sunrong"]
grade = 6
manager = "沈从周"
joined = 2022-07-04

[[person]]
name = "苏堃"
addresses = ["sukun@lanyu-tech.example", "sukun.home@qiming-post.example"]
role = "engineer"
aliases = ["Kun Su"]
grade = 8
manager = "沈从周"
joined = 2019-05-06

[[person]]
name = "郑晓禾"
addresses = ["zhengxiaohe@lanyu-tech.example"]
role = "engineer"
grade = 5
manager = "沈从周"
joined = 2024-02-26

# 两位张三同名：邮件主题里写“张三(华东)”“张三(华南)”，只写“张三”时系统不猜，转经理确认
[[person]]
name = "张三(华东)"
addresses = ["zhangsan.east@lanyu-tech.example"]
role = "engineer"
grade = 6
manager = "沈从周"
joined = 2020-09-01

[[person]]
name = "张三(华南)"
addresses = ["zhangsan.south@lanyu-tech.example"]
role = "engineer"
grade = 5
manager = "沈从周"
joined = 2023-04-10

[[person]]
name = "罗一鸣"
addresses = ["luoyiming@lanyu-tech.example"]
role = "rd_manager"
manager = "韩立行"

[[person]]
name = "项目管理办公室"
addresses = ["pmo@lanyu-tech.example"]
role = "pmo"
"""

PROJECTS_TOML = """\
# 项目登记：系统启用前已经立项的项目（演示数据，均为虚构）。启用后的项目由“立项-XX项目”邮件登记

[[project]]
name = "栖枫水务管网监测"
aliases = ["栖枫水务"]
customer = "栖枫水务集团"
product = "HY-6200 工业防火墙"
sales = "林知夏"
first = "李四"
second = "孙镕"
grade = "A"
stage = "POC测试"
registered = 2026-07-13

[[project]]
name = "栎湾港口调度系统"
aliases = ["栎湾港口"]
customer = "栎湾港口股份"
product = "HY-9100 核心交换机"
sales = "何牧"
first = "孙镕"
second = "苏堃"
grade = "B"
stage = "交付实施"
registered = 2026-08-03

[[project]]
name = "杳溪医院PACS存储扩容"
aliases = ["杳溪医院PACS"]
customer = "杳溪医院"
product = "HY-S500 存储"
sales = "徐曼青"
first = "郑晓禾"
second = "李四"
grade = "C"
stage = "需求"
registered = 2026-09-07
"""

_ADDRESSES: dict[str, str] = {p["name"]: p["addresses"][0] for p in tomllib.loads(PEOPLE_TOML)["person"]}

TITLES = {
    "support_manager": "技术支持部 经理",
    "technical_director": "技术总监",
    "sales": "大客户销售部",
    "engineer": "技术支持部 技术服务工程师",
    "rd_manager": "研发中心 经理",
}
_ROLES: dict[str, str] = {p["name"]: p["role"] for p in tomllib.loads(PEOPLE_TOML)["person"]}


def party(name: str) -> Party:
    """The mailbox of somebody on the roster, under the display name that mail programs show."""
    return Party(name, _ADDRESSES[name])


def signature(name: str) -> tuple[str, ...]:
    """The lines under a colleague's mail. The extension is made up from the roster's order."""
    extension = 8001 + list(_ADDRESSES).index(name)
    return (
        name.partition("(")[0],
        f"{COMPANY}有限公司 {TITLES.get(_ROLES[name], '')}".rstrip(),
        f"电话：0999-5550000 转 {extension}",
        f"邮箱：{_ADDRESSES[name]}",
    )
