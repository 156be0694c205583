"""The department whose mail is measured: the demo's people with sixty projects, and the shipped mappings."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from mailflow.app import App
from mailflow.demo.driver import shipped
from mailflow.demo.folder import prepare
from mailflow.demo.people import PEOPLE_TOML

_PLACES = ("青石", "柳溪", "云台", "白鹭", "松原岭", "金坪", "沙河口", "望江", "丹霞湾", "玉泉", "半山", "临港")
_SYSTEMS = ("水务管网监测", "医院影像存储", "轨道信号网改造", "银行灾备（二期）", "VPN专线-分支接入")


def people(role: str) -> tuple[str, ...]:
    """The names of everybody with this role, in the roster's order."""
    return tuple(p["name"] for p in tomllib.loads(PEOPLE_TOML)["person"] if p["role"] == role)


@dataclass(frozen=True)
class Job:
    """A registered project and whose it is."""

    name: str
    customer: str
    sales: str
    first: str
    second: str

    def toml(self) -> str:
        named = f'name = "{self.name}"\ncustomer = "{self.customer}"\nproduct = "HY-6200"\nsales = "{self.sales}"'
        return f'[[project]]\n{named}\nfirst = "{self.first}"\nsecond = "{self.second}"\ngrade = "B"\n'


def jobs() -> tuple[Job, ...]:
    engineers, sales = people("engineer"), people("sales")
    return tuple(
        Job(
            name=place + system,
            customer=f"{place}{system[:2]}公司",
            sales=sales[n % len(sales)],
            first=engineers[n % len(engineers)],
            second=engineers[(n + 1) % len(engineers)],
        )
        for n, (place, system) in enumerate(product(_PLACES, _SYSTEMS))
    )


def opened(folder: Path) -> App:
    """The department's application in `folder`, its mappings not yet taken into use."""
    projects = folder / "mappings" / "projects.toml"
    projects.parent.mkdir(parents=True, exist_ok=True)
    projects.write_text("\n".join(job.toml() for job in jobs()), encoding="utf-8")
    return App.of(prepare(folder, shipped()))
