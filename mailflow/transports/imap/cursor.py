"""Where the reading of an IMAP folder stands: what is dealt with, and what is to be looked at again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

_MAX_AGAIN = 500
"""What is remembered of refused mails, the newest; reconciliation finds the others."""
_LOOKS = 3
"""A mail that is empty at so many looks in a row is an empty mail, and none that is still being written."""
_SELDOM = 16
"""A mail at which the line breaks is tried again after so many looks at most."""


@dataclass
class Cursor:
    """All UIDs of `folder` up to `uid` are dealt with, but for those of `again`, which the server would not hand out.

    `empty`: how often in a row it said of some of these that they have no byte. `broke`: at how many looks in a row the
    line broke while these were fetched, or they were left out for that.
    """

    folder: str
    validity: str
    uid: int = 0
    again: list[int] = field(default_factory=list)
    empty: dict[int, int] = field(default_factory=dict)
    broke: dict[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, folder: str) -> Cursor | None:
        """None: there is none, it is another folder's, or it cannot be read."""
        try:
            data = json.loads(text or "{}")
            again = [int(uid) for uid in data.get("again", ())]
            empty, broke = (
                {int(uid): int(looks) for uid, looks in data.get(name, {}).items()} for name in ("empty", "broke")
            )
            at = cls(str(data.get("folder", folder)), str(data["uidvalidity"]), int(data["uid"]), again, empty, broke)
        except (ValueError, TypeError, LookupError, AttributeError):
            return None
        return at if at.folder == folder else None

    def pass_by(self, uids: Sequence[int], refused: Collection[int] = ()) -> None:
        """These are dealt with; the refused among them are to be tried again."""
        innocent = {*self.broke}.intersection(uids).difference(refused)
        self.uid = max(self.uid, *uids) if uids else self.uid
        self.again = sorted({*self.again}.difference(uids) | {*refused})[-_MAX_AGAIN:]
        self.empty = {uid: looks for uid, looks in self.empty.items() if uid in self.again}
        left = {uid: looks for uid, looks in self.broke.items() if uid > self.uid or uid in self.again}
        # Then it was the line, and may have been for the others: their next look is the fourth: they are tried at it.
        self.broke = dict.fromkeys(left, 3) if innocent else left

    def really_empty(self, uids: Collection[int], blank: Collection[int]) -> set[int]:
        """Those of `uids`, of which the server now says that the `blank` ones are empty, that have been so for long."""
        looks = {uid: self.empty.get(uid, 0) + 1 for uid in blank}
        self.empty = {uid: seen for uid, seen in self.empty.items() if uid not in uids} | looks
        return {uid for uid, seen in looks.items() if seen >= _LOOKS}

    def broke_at(self, uids: Collection[int]) -> None:
        """The line broke at these, or they are left out for that."""
        self.broke.update({uid: self.broke.get(uid, 0) + 1 for uid in uids})

    def apart(self, uids: Sequence[int]) -> Iterator[list[int]]:
        """`uids` in their order; alone if the line has broken at it: so it shows which mail it is."""
        for _, together in groupby(uids, lambda uid: uid if uid in self.broke else 0):
            yield list(together)

    def leaves_out(self, uid: int) -> bool:
        """Whether this mail must not break the line at this look. It is tried twice, and then at the looks number 4, 8,
        16, 32, 48 and so on, so that it holds up the others but seldom; it may have been the line, or the server."""
        look = self.broke.get(uid, 0) + 1
        return look > 2 and look % min(_SELDOM, 1 << (look.bit_length() - 1)) != 0

    def __str__(self) -> str:
        data: dict[str, object] = {"folder": self.folder, "uidvalidity": self.validity, "uid": self.uid}
        return json.dumps(
            data | {name: value for name in ("again", "empty", "broke") if (value := getattr(self, name))}
        )
