"""Writes one line for every call, from an allow-list of fields: never what was asked or answered."""

from __future__ import annotations

import asyncio
import logging
import time

from .call import Call, Proceed

_logger = logging.getLogger("atlas.access")


class AccessLog:
    """Logs service, method, code, reason, peer and duration of every call."""

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves the call and logs it, however it ends."""
        began_s = time.perf_counter()
        try:
            return await proceed(call)
        finally:
            if _logger.isEnabledFor(logging.INFO):
                # In the loop's next turn, which is after the reply left: nobody waits for a log.
                asyncio.get_running_loop().call_soon(_log, call, call.context.peer(), time.perf_counter() - began_s)


def _log(call: Call, peer: str | None, duration_s: float) -> None:
    _logger.info(
        "call served",
        extra={
            "service": call.service,
            "method": call.method,
            "code": call.code.name,
            "reason": call.reason,
            "peer": peer,
            "duration_ms": round(duration_s * 1000, 3),
        },
    )
