"""Implementations of the encoder seam, each in a module that alone imports its runtime."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from prometheus_client import CollectorRegistry

from atlas.settings import Profile

from ..backend import EncoderBackend
from ..settings import EmbedderSettings


def open_backend(settings: EmbedderSettings, registry: CollectorRegistry) -> AbstractAsyncContextManager[EncoderBackend]:
    """Opens the backend of the profile; entering loads the model, leaving finishes what runs."""
    match settings.profile:
        case Profile.CPU:
            from .openvino import open_openvino

            return open_openvino(settings, registry)
