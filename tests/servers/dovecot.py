"""How does Dovecot stand behind Postfix as its SASL server?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.daemon import folder, listens, program, running

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
USER = "me@postfix.test"
PASSWORD = 'Trom/bone+9="x'

_CONF = """\
base_dir = {home}/run
state_dir = {home}/state
instance_name = smtpcheck
log_path = /dev/stderr
protocols =
ssl = no
auth_mechanisms = {mechanisms}
# the default adds 2 s to a refused login; with 0 it is answered at the next half second
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
# refused logins of one address are delayed up to 15 s (auth penalty)
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


@contextlib.contextmanager
def sasl(socket: Path) -> Iterator[Path]:
    """Dovecot's auth service on a Unix socket, knowing USER and PASSWORD; yields its log."""
    with folder("dovecot") as home:
        conf, log = home / "dovecot.conf", home / "log"
        conf.write_text(_CONF.format(home=home, socket=socket, mechanisms=" ".join(MECHANISMS).lower()))
        users = home / "users"
        users.write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        users.chmod(0o644)
        with running([program("dovecot") or "dovecot", "-F", "-c", str(conf)], log, lambda: listens(socket)):
            yield log
