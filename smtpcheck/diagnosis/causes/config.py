"""Which faults of the settings show before any packet?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis.case import Cause, always, configured

MAILBOX_HOST = Cause("config-host-mailbox", configured("config-host-mailbox"))
CLOSED_PORT = Cause("port-not-served-by-provider", configured("config-port-closed"))


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "config-host-empty": (Cause("host-empty-or-placeholder", always),),
    "config-host-character": (Cause("host-whitespace-or-punct", always),),
    "config-host-url": (Cause("host-has-scheme-or-port", always),),
    "config-host-mailbox": (MAILBOX_HOST,),
    "config-host-exchanger": (Cause("host-mx-used-as-submission", always),),
    "config-host-foreign": (Cause("host-wrong-provider-endpoint", always),),
    "config-port-closed": (CLOSED_PORT,),
    "config-host-sandbox": (Cause("mailer-not-smtp", always),),
    "config-recipient-near": (Cause("mx-wildcard-typo-accepts", always),),
    "config-recipients-joined": (Cause("rcpt-list-as-string", always),),
    "config-ehlo-non-ascii": (Cause("ehlo-name-non-ascii", always),),
    "config-secret-empty": (Cause("env-var-missing", always),),
    "config-secret-unexpanded": (Cause("secret-interpolated", always),),
    "config-secret-quoted": (Cause("secret-interpolated", always),),
    "config-secret-padded": (Cause("secret-trailing-newline", always),),
    "config-secret-full-width": (Cause("secret-invisible-char", always),),
    "config-secret-invisible": (Cause("secret-invisible-char", always),),
}
