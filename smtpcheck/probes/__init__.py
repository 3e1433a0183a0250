"""Which questions can be asked? One file is one question; dropping a file in here is all it takes to add one."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from inspect import isabstract, isclass
from typing import Any

from smtpcheck.contract import Probe
from smtpcheck.core import Rule, Stage

_ORDER = list(Stage)


@cache
def probes() -> tuple[Probe[Any], ...]:
    """Every probe with its default knobs, in the order of the way."""
    found = [cls() for cls in classes()]
    return tuple(sorted(found, key=lambda probe: (_first_stage(probe), probe.name)))


@cache
def classes() -> tuple[type[Probe[Any]], ...]:
    """Every probe's class."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return tuple(
        cls
        for module in modules
        for cls in vars(module).values()
        if isclass(cls) and issubclass(cls, Probe) and not isabstract(cls) and cls.__module__ == module.__name__
    )


def _first_stage(probe: Probe[Any]) -> int:
    return min((_ORDER.index(rule.stage) for rule in probe.rules), default=len(_ORDER))


def named(name: str) -> Probe[Any] | None:
    """The probe of that name, None when its file is gone."""
    return next((probe for probe in probes() if probe.name == name), None)


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its code."""
    return {rule.code: rule for probe in probes() for rule in probe.rules}
