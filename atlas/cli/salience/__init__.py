"""`atlas salience`: what was learnt, one module a verb."""

from __future__ import annotations

from collections.abc import Callable

from .digest import digest
from .eval import evaluate_salience
from .explain import explain
from .rebuild import rebuild
from .revoke import revoke
from .show import show

VERBS: dict[str, Callable[..., int]] = {
    "show": show,
    "explain": explain,
    "revoke": revoke,
    "rebuild": rebuild,
    "digest": digest,
    "eval": evaluate_salience,
}
"""The verbs of the group, by name."""

__all__ = ["VERBS"]
