"""A scripted IMAP server on loopback: behaves until told otherwise, and remembers every command.

    with ScriptedImap({1: b"...", 2: b"..."}, on={b"UID SEARCH": lambda session, tag, line: ...}) as server:
        ...
        assert b"UID SEARCH UID 1:2" in server.commands

A handler may answer anything, sleep, or close: it stands for the real servers of mail.md §2 that Dovecot is not.
Which quirk is where: README.md beside this file.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

Handler = Callable[["Session", bytes, bytes], None]
"""handler(session, tag, rest of the line after the tag)"""

DATE = b'"05-Jan-2026 09:30:00 +0800"'


class Session:
    """One connection."""

    def __init__(self, server: ScriptedImap, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.told_id = False
        self.file = sock.makefile("rb")

    def write(self, data: bytes) -> None:
        tampered = self.server.tamper(data)
        if tampered is None:
            self.cut()
        else:
            self.sock.sendall(tampered)

    def read(self) -> bytes:
        """The next line, without its CRLF; b"" when the client has gone."""
        return self.file.readline().rstrip(b"\r\n")

    def ok(self, tag: bytes, *untagged: bytes, text: bytes = b"done") -> None:
        self.write(b"".join(b"* " + line + b"\r\n" for line in untagged) + tag + b" OK " + text + b"\r\n")

    def no(self, tag: bytes, text: bytes) -> None:
        self.write(tag + b" NO " + text + b"\r\n")

    def bad(self, tag: bytes, text: bytes) -> None:
        self.write(tag + b" BAD " + text + b"\r\n")

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class ScriptedImap:
    """Args:
    mails: raw mail by UID; may be changed at any time.
    on: handlers by command, e.g. b"UID FETCH", in place of the usual ones.
    greeting: the first line, without its CRLF.
    tamper: makes of what is about to be sent what is sent; None: the connection is cut.
    """

    session = Session

    def __init__(
        self,
        mails: Mapping[int, bytes] | None = None,
        *,
        capability: bytes = b"IMAP4rev1 IDLE ID MOVE UIDPLUS AUTH=PLAIN",
        uidvalidity: int | None = 7,
        on: Mapping[bytes, Handler] | None = None,
        greeting: bytes = b"* OK ready",
        tamper: Callable[[bytes], bytes | None] = lambda data: data,
    ) -> None:
        self.greeting = greeting
        self.tamper = tamper
        self.mails = dict(mails or {})
        self.flags: dict[int, set[bytes]] = {}
        self.copied: dict[bytes, list[int]] = {}
        self.capability = capability
        self.uidvalidity = uidvalidity
        self.uidnext: int | None = None
        """None: right. 0: not told."""
        self.on = dict(on or {})
        self.commands: list[bytes] = []
        self.stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sessions: list[Session] = []
        self._threads: list[threading.Thread] = []

    def handler(self, rest: bytes) -> Handler:
        words = rest.upper().split()[:2]
        name = b" ".join(words if words[:1] == [b"UID"] else words[:1])
        return self.on.get(name) or _USUAL.get(name) or (lambda session, tag, _: session.bad(tag, b"unknown command"))

    def serve(self, session: Session) -> None:
        with contextlib.suppress(OSError), session.sock, session.file:
            session.write(self.greeting + b"\r\n")
            while line := session.read():
                tag, _, rest = line.partition(b" ")
                self.commands.append(rest)
                self.handler(rest)(session, tag, rest)

    def drop_connections(self) -> None:
        for session in self._sessions:
            session.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.stopped.is_set():
                sock, _ = self._listener.accept()
                session = self.session(self, sock)
                self._sessions.append(session)
                self._spawn(partial(self.serve, session))

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> ScriptedImap:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)  # now nobody comes any more
        self.drop_connections()
        for thread in self._threads:
            thread.join(5)


# -- the usual answers ------------------------------------------------------------------------------------------------


def capability(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"CAPABILITY " + session.server.capability)


def accept(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag)


def authenticate(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ \r\n")
    session.server.commands.append(session.read())
    session.ok(tag)


def identify(session: Session, tag: bytes, line: bytes) -> None:
    session.told_id = True
    session.ok(tag, b'ID ("name" "scripted")')


def select(session: Session, tag: bytes, line: bytes) -> None:
    server = session.server
    untagged = [b"%d EXISTS" % len(server.mails), b"0 RECENT"]
    if server.uidvalidity is not None:
        untagged.append(b"OK [UIDVALIDITY %d] valid" % server.uidvalidity)
    uidnext = max(server.mails, default=0) + 1 if server.uidnext is None else server.uidnext
    if uidnext:
        untagged.append(b"OK [UIDNEXT %d] next" % uidnext)
    readonly = line.upper().startswith(b"EXAMINE")
    session.ok(tag, *untagged, text=(b"[READ-ONLY]" if readonly else b"[READ-WRITE]") + b" done")


def asked(session: Session, line: bytes) -> list[int]:
    """The UIDs, in order, that the first set in a UID command's line names and that are there."""
    found = re.search(rb"(\d[\d,:]*)", line)
    assert found, line
    wanted: set[int] = set()
    for part in found.group(1).split(b","):
        low, _, high = part.partition(b":")
        wanted |= {uid for uid in session.server.mails if int(low) <= uid <= int(high or low)}
    return sorted(wanted)


def search(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b" ".join([b"SEARCH", *(b"%d" % uid for uid in asked(session, line))]))


def fetch(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, *(fetched(session, uid, line) for uid in asked(session, line)))


def fetched(session: Session, uid: int, line: bytes) -> bytes:
    raw = session.server.mails[uid]
    items = [b"UID %d" % uid]
    if b"RFC822.SIZE" in line:
        items += [b"RFC822.SIZE %d" % len(raw), b"INTERNALDATE " + DATE]
    if b"FLAGS" in line:
        items.append(b"FLAGS (" + b" ".join(sorted(session.server.flags.get(uid, ()))) + b")")
    if found := re.search(rb"BODY\.PEEK\[\]<(\d+)\.(\d+)>", line):
        part = raw[int(found[1]) :][: int(found[2])]
        items.append(b"BODY[]<%b> {%d}\r\n%b" % (found[1], len(part), part))
    elif b"BODY.PEEK[]" in line:
        items.append(b"BODY[] {%d}\r\n%b" % (len(raw), raw))
    number = sorted(session.server.mails).index(uid) + 1
    return b"%d FETCH (%b)" % (number, b" ".join(items))


def fetch_by_number(session: Session, tag: bytes, line: bytes) -> None:
    uids = sorted(session.server.mails)
    numbers = [int(number) for number in line.split()[1].split(b",")]
    session.ok(tag, *(b"%d FETCH (UID %d)" % (number, uids[number - 1]) for number in numbers))


def store(session: Session, tag: bytes, line: bytes) -> None:
    for uid in asked(session, line):
        session.server.flags.setdefault(uid, set()).update(re.findall(rb"\\\w+", line))
    session.ok(tag)


def copy(session: Session, tag: bytes, line: bytes) -> None:
    session.server.copied.setdefault(line.split(b" ", 3)[3], []).extend(asked(session, line))
    session.ok(tag)


def move(session: Session, tag: bytes, line: bytes) -> None:
    uids = asked(session, line)
    copy(session, tag, line)
    for uid in uids:
        del session.server.mails[uid]


def expunge(session: Session, tag: bytes, line: bytes) -> None:
    for uid in asked(session, line):
        if b"\\Deleted" in session.server.flags.get(uid, ()):
            del session.server.mails[uid]
    session.ok(tag)


def append(session: Session, tag: bytes, line: bytes) -> None:
    """Counts what is put where: `copied` has the sizes by folder."""
    size = int(line.rsplit(b"{", 1)[1].rstrip(b"+}"))
    session.write(b"+ go on\r\n")
    session.server.copied.setdefault(line.split()[1], []).append(len(session.file.read(size)))
    session.read()
    session.ok(tag)


def idle(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ idling\r\n")
    session.read()
    session.ok(tag)


def logout(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"BYE see you")
    session.cut()


_USUAL: dict[bytes, Handler] = {
    b"CAPABILITY": capability,
    b"LOGIN": accept,
    b"AUTHENTICATE": authenticate,
    b"ID": identify,
    b"SELECT": select,
    b"EXAMINE": select,
    b"NOOP": accept,
    b"LIST": accept,
    b"APPEND": append,
    b"CREATE": accept,
    b"IDLE": idle,
    b"FETCH": fetch_by_number,
    b"UID SEARCH": search,
    b"UID FETCH": fetch,
    b"UID STORE": store,
    b"UID COPY": copy,
    b"UID MOVE": move,
    b"UID EXPUNGE": expunge,
    b"LOGOUT": logout,
}
