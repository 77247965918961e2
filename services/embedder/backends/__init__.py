"""Implementations of the encoder seam, each in a module that alone imports its runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from prometheus_client import CollectorRegistry

from atlas.encoder import Projection
from atlas.settings import Profile

from ..backend import EncoderBackend
from ..settings import EmbedderSettings
from .projection import ProjectedBackend


@asynccontextmanager
async def open_backend(settings: EmbedderSettings, registry: CollectorRegistry) -> AsyncIterator[EncoderBackend]:
    """Opens the backend of the profile; entering loads the model, leaving finishes what runs."""
    async with _open_model(settings, registry) as model:
        if settings.projection_dimension:
            yield ProjectedBackend(model, Projection(settings.projection_dimension, settings.projection_seed))
        else:
            yield model


def _open_model(settings: EmbedderSettings, registry: CollectorRegistry) -> AbstractAsyncContextManager[EncoderBackend]:
    match settings.profile:
        case Profile.CPU:
            from .openvino import open_openvino

            return open_openvino(settings, registry)
