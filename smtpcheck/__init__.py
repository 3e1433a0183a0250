"""Why does my mail not arrive, and what do I change? The public API; everything is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from smtpcheck.api import acheck, aprobe, check, dump, load, loads, probe, render
    from smtpcheck.contract import Probe
    from smtpcheck.core import Report, Result, Target
    from smtpcheck.report.frames import frame
    from smtpcheck.target.credentials import Secret
    from smtpcheck.target.grammar import UsageError, parse_target

_HOME = {
    "acheck": "api",
    "aprobe": "api",
    "check": "api",
    "dump": "api",
    "frame": "report.frames",
    "load": "api",
    "loads": "api",
    "probe": "api",
    "render": "api",
    "Probe": "contract",
    "Report": "core",
    "Result": "core",
    "Target": "core",
    "Secret": "target.credentials",
    "UsageError": "target.grammar",
    "parse_target": "target.grammar",
}

__all__ = [
    "Probe",
    "Report",
    "Result",
    "Secret",
    "Target",
    "UsageError",
    "__version__",
    "acheck",
    "aprobe",
    "check",
    "dump",
    "frame",
    "load",
    "loads",
    "parse_target",
    "probe",
    "render",
]


def __getattr__(name: str) -> Any:  # PEP 562
    if name in _HOME:
        return getattr(import_module(f"smtpcheck.{_HOME[name]}"), name)
    raise AttributeError(f"module 'smtpcheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
