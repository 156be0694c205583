"""Working days (domain §8): Monday to Friday, less public holidays, plus make-up working days. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Calendar:
    """The department's calendar. All instants are aware; "local" means `timezone`."""

    timezone: str = "Asia/Shanghai"
    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()
    """Saturdays and Sundays that are worked (调休)."""
    opens: time = time(9, 0)
    closes: time = time(18, 0)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def local(self, instant: datetime) -> datetime:
        """The same instant on the department's clock."""
        return instant.astimezone(self.zone)

    def day(self, instant: datetime) -> date:
        return self.local(instant).date()

    def month(self, instant: datetime) -> str:
        """YYYY-MM of the calendar month in which `instant` lies (domain §4)."""
        local = self.local(instant)
        return f"{local.year:04d}-{local.month:02d}"

    def is_working(self, day: date) -> bool:
        return day in self.workdays or (day.weekday() < 5 and day not in self.holidays)

    def knows(self, year: int) -> bool:
        """Whether any public holiday of `year` is in it. Of other years only Saturdays and Sundays are free: the state
        announces its holidays and make-up days each November for the year that follows."""
        return any(day.year == year for day in self.holidays)

    def add_working_days(self, day: date, count: int) -> date:
        """The `count`-th working day after `day` (count >= 1)."""
        while count > 0:
            day += timedelta(days=1)
            count -= self.is_working(day)
        return day

    def first_working_day(self, month: str) -> date:
        day = date.fromisoformat(month + "-01")
        return day if self.is_working(day) else self.add_working_days(day, 1)

    def at_opening(self, day: date) -> datetime:
        """The instant at which the office opens on `day`."""
        return datetime.combine(day, self.opens, self.zone)


def next_month(month: str) -> str:
    """2026-12 -> 2027-01"""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def previous_month(month: str) -> str:
    """2027-01 -> 2026-12"""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - (number == 1):04d}-{(number - 2) % 12 + 1:02d}"
