"""Models that can rerank."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from atlas.settings import Profile

from ..backend import RerankerBackend
from ..settings import RerankerSettings


@asynccontextmanager
async def open_backend(settings: RerankerSettings, registry: CollectorRegistry) -> AsyncIterator[RerankerBackend]:
    """Loads the reranker of the profile.

    Raises:
        StartupError: A file of the model is missing or not the pinned one, or the device cannot run it.
    """
    match settings.profile:
        case Profile.CPU:
            from .maxsim import MaxSimBackend

            opening = asyncio.to_thread(MaxSimBackend.load, settings, registry)
            async with await opening as backend:
                yield backend
