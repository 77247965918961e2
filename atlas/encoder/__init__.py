"""The text encoder of the `cpu` profile: model records, tokenizer and OpenVINO graph."""

from __future__ import annotations

import sys

from .models import MINILM, Architecture, ModelRecord, Output, Projection
from .tokenizer import Encoding, Tokenizer

__all__ = ["MINILM", "Architecture", "Encoding", "ModelRecord", "Output", "Projection", "Tokenizer"]

# OpenVINO tells its makers of each time that it is imported, by a process that it forks and by files in the home folder; it does not where
# this package of theirs cannot be imported. Here, because no module of this package that imports OpenVINO is imported before this one.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is how an import is made to fail
