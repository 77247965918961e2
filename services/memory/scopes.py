"""Whose data a call may touch."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.errors import InvalidInputError
from atlas.type.v1 import type_pb2

from .store import AllOf, In, StoreFilter

MAX_NAME_BYTES = 128
"""Longest tenant and principal."""
MAX_DOMAIN_BYTES = 256
"""Longest domain."""
MAX_DOMAINS = 256
"""Most domains of one scope."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant and, where the caller may not see all of it, the domains it may see."""

    tenant: str
    principal: str
    domains: frozenset[str]
    """Empty means all."""

    def covers(self, domain: str) -> bool:
        """Whether the caller may see `domain`."""
        return not self.domains or domain in self.domains

    def narrowed(self, condition: StoreFilter | None) -> StoreFilter | None:
        """Returns `condition` cut down to the scope's domains."""
        if not self.domains:
            return condition
        within = In("domain", tuple(sorted(self.domains)))
        return within if condition is None else AllOf((within, condition))


def checked_tenant(scope: type_pb2.Scope) -> str:
    """Returns the tenant of a scope.

    Raises:
        InvalidInputError: It is empty or too long.
    """
    if not scope.tenant:
        raise InvalidInputError("scope.tenant is empty; every call needs a tenant", field="scope.tenant")
    _check_length("scope.tenant", scope.tenant, MAX_NAME_BYTES)
    return scope.tenant


def checked_scope(scope: type_pb2.Scope) -> Scope:
    """Returns a scope whose sizes are within bounds.

    Raises:
        InvalidInputError: The tenant is missing, or a part is too long.
    """
    tenant = checked_tenant(scope)
    _check_length("scope.principal", scope.principal, MAX_NAME_BYTES)
    if len(scope.domains) > MAX_DOMAINS:
        raise InvalidInputError(
            f"scope.domains holds {len(scope.domains)} items; at most {MAX_DOMAINS} are allowed",
            field="scope.domains",
            count=len(scope.domains),
            max_count=MAX_DOMAINS,
        )
    for index, domain in enumerate(scope.domains):
        _check_length(f"scope.domains[{index}]", domain, MAX_DOMAIN_BYTES)
    return Scope(tenant, scope.principal, frozenset(scope.domains))


def _check_length(field: str, value: str, max_bytes: int) -> None:
    size_bytes = len(value.encode())
    if size_bytes > max_bytes:
        raise InvalidInputError(
            f"{field} has {size_bytes} bytes; at most {max_bytes} are allowed",
            field=field,
            size_bytes=size_bytes,
            max_bytes=max_bytes,
        )
