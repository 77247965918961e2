"""The text encoder of the `cpu` profile: model records, tokenizer and OpenVINO graph."""

from __future__ import annotations

from .models import MINILM, Architecture, ModelRecord, Output, Projection
from .tokenizer import Encoding, Tokenizer

__all__ = ["MINILM", "Architecture", "Encoding", "ModelRecord", "Output", "Projection", "Tokenizer"]
