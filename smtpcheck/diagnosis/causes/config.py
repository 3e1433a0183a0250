"""Which faults of the settings show before any packet?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis.case import Cause, always, configured

MAILBOX_HOST = Cause("host-for-reading-mail", configured("host-for-reading-mail"))
CLOSED_PORT = Cause("port-not-served-by-provider", configured("port-not-served-by-provider"))


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "host-empty-or-placeholder": (Cause("host-empty-or-placeholder", always),),
    "host-whitespace-or-punct": (Cause("host-whitespace-or-punct", always),),
    "host-has-scheme-or-port": (Cause("host-has-scheme-or-port", always),),
    "host-for-reading-mail": (MAILBOX_HOST,),
    "host-mx-used-as-submission": (Cause("host-mx-used-as-submission", always),),
    "host-wrong-provider-endpoint": (Cause("host-wrong-provider-endpoint", always),),
    "port-not-served-by-provider": (CLOSED_PORT,),
    "mailer-not-smtp": (Cause("mailer-not-smtp", always),),
    "recipient-near-known": (Cause("mx-wildcard-typo-accepts", always),),
    "recipient-list-as-string": (Cause("recipient-list-as-string", always),),
    "ehlo-name-non-ascii": (Cause("ehlo-name-non-ascii", always),),
    "secret-empty": (Cause("secret-empty", always),),
    "secret-unexpanded": (Cause("secret-interpolated", always),),
    "secret-quoted": (Cause("secret-interpolated", always),),
    "secret-trailing-newline": (Cause("secret-trailing-newline", always),),
    "secret-full-width": (Cause("secret-invisible-char", always),),
    "secret-invisible": (Cause("secret-invisible-char", always),),
}
