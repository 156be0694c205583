"""A Dovecot of our own: temporary directory, loopback, free ports. Works as root and as an ordinary user.

    with Dovecot({"support": "geheim"}) as server:
        server.deliver("support", b"Subject: ...", datetime(...))

Mail may not belong to root, so as root everything runs as `nobody`. `kill` is SIGKILL at any instant; after `start`
the mail, the UIDVALIDITY and the UIDs are all there again.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

from tests.servers.loopback import Certificate, free_port

_PROGRAM = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

MISSING = None if _PROGRAM else "no Dovecot on this machine (Debian: dovecot-imapd)"
"""Why tests that need it are skipped; None when they are not."""

_CONF = """
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/dovecot.log
info_log_path = {dir}/dovecot.log
protocols = imap
listen = 127.0.0.1
{ssl}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {uid}
last_valid_uid = {uid}
first_valid_gid = {gid}
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 200
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  user = {user}
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
  }}
}}
service imap {{
  process_limit = 100
}}
service auth {{
  user = {user}
}}
service auth-worker {{
  user = {user}
}}
"""


class Dovecot:
    """Args:
    users: password by user name; names may be Chinese.
    certificate: offers TLS on `tls_port`, and STARTTLS.
    """

    def __init__(self, users: Mapping[str, str], certificate: Certificate | None = None) -> None:
        self.users = dict(users)
        self.port = free_port()
        self.tls_port = free_port() if certificate else 0
        # Not pytest's tmp_path: its parents are closed to `nobody`.
        self.dir = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self._process: subprocess.Popen[bytes] | None = None
        self._write_files(certificate)

    def _write_files(self, certificate: Certificate | None) -> None:
        for name in ("run", "home"):
            (self.dir / name).mkdir()
        (self.dir / "users").write_text("".join(f"{user}:{{PLAIN}}{word}\n" for user, word in self.users.items()))
        tls = "ssl = no"
        if certificate:
            shutil.copy(certificate.cert, self.dir / "cert.pem")
            shutil.copy(certificate.key, self.dir / "key.pem")
            tls = f"ssl = yes\nssl_cert = <{self.dir}/cert.pem\nssl_key = <{self.dir}/key.pem"
        owner = self._owner
        values = {"user": owner.pw_name, "group": grp.getgrgid(owner.pw_gid).gr_name, "ssl": tls, "dir": self.dir}
        values |= {"uid": owner.pw_uid, "gid": owner.pw_gid, "port": self.port, "tls_port": self.tls_port}
        (self.dir / "dovecot.conf").write_text(_CONF.format(**values))
        for path in (self.dir, self.dir / "home", self.dir / "users"):
            self._give(path)
        self.dir.chmod(0o755)

    def start(self) -> None:
        assert _PROGRAM, MISSING
        command = [_PROGRAM, "-F", "-c", str(self.dir / "dovecot.conf")]
        # A session of its own, so that kill() reaches all of its processes.
        self._process = subprocess.Popen(
            command, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Dovecot does not start:\n" + (self.dir / "dovecot.log").read_text()[-2000:])
            time.sleep(0.01)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                return b"OK" in sock.recv(200)
        except OSError:
            return False

    def stop(self) -> None:
        """Ends it in order, which takes a second, and removes its directory."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL to all of it, at once. `start` may follow."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def maildir(self, user: str, folder: str = "") -> Path:
        """The Maildir of a user, made when missing. `folder`: its name on disk, e.g. ".&XfJZBHQG-"."""
        path = self.dir / "home" / user / "Maildir" / folder
        for part in (path.parent.parent, path.parent, path, path / "tmp", path / "new", path / "cur"):
            if not part.exists() and part.is_relative_to(self.dir / "home" / user):
                part.mkdir()
                self._give(part)
        return path

    def deliver(self, user: str, raw: bytes, when: datetime | None = None) -> None:
        """Puts a mail into the user's INBOX, as a local delivery agent does; `when` becomes its INTERNALDATE."""
        inbox = self.maildir(user)
        # Dovecot gives UIDs in the order of seconds and microseconds; it does not take seconds beyond 32 bits.
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"{seconds}.M{rest // 1000:06}P{uuid.uuid4().hex}.test"
        (inbox / "tmp" / name).write_bytes(raw)
        self._give(inbox / "tmp" / name)
        if when is not None:
            os.utime(inbox / "tmp" / name, (when.timestamp(), when.timestamp()))
        (inbox / "tmp" / name).rename(inbox / "new" / name)

    def renumber(self, user: str) -> None:
        """A new UIDVALIDITY: UIDs start anew. Nobody may have the folder open."""
        begun = int(time.time())
        for index in self.maildir(user).glob("dovecot*"):
            index.unlink()
        # Dovecot takes the second of the day for it.
        while int(time.time()) == begun:
            time.sleep(0.02)

    def _give(self, path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
