"""Writes one line for every call, from an allow-list of fields: never what was asked or answered."""

from __future__ import annotations

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
                _logger.info(
                    "call served",
                    extra={
                        "service": call.service,
                        "method": call.method,
                        "code": call.code.name,
                        "reason": call.reason,
                        "peer": call.context.peer(),
                        "duration_ms": round((time.perf_counter() - began_s) * 1000, 3),
                    },
                )
