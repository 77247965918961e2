"""The vector spaces of a generation: what may be stored, and which physical index holds it."""

from __future__ import annotations

import hashlib

import msgspec

from ..store import IndexSpec

DENSE = "dense"
"""Default name of the dense space."""
LEXICAL = "lexical"
"""Default name of the lexical space."""


class DenseSpace(msgspec.Struct, frozen=True):
    """A space of unit vectors compared by cosine, stored as float32 unless the store is told otherwise."""

    name: str
    dimension: int
    fingerprint: str


class LexicalSpace(msgspec.Struct, frozen=True):
    """A space of weighted terms, made by memory's own analyzer."""

    name: str
    fingerprint: str
    average_length: float
    """Terms in the average text of kind TEXT."""


class Spaces(msgspec.Struct, frozen=True):
    """What a generation stores of each memory."""

    dense: DenseSpace
    lexical: LexicalSpace

    @property
    def index(self) -> IndexSpec:
        """The physical index; generations whose vectors could be compared share one."""
        identity = msgspec.json.encode([self.dense.dimension, self.dense.fingerprint, self.lexical.fingerprint])
        return IndexSpec(
            name=f"atlas-{hashlib.sha256(identity).hexdigest()[:12]}",
            dimension=self.dense.dimension,
            dense_fingerprint=self.dense.fingerprint,
            lexical_fingerprint=self.lexical.fingerprint,
        )


_DECODER = msgspec.msgpack.Decoder(Spaces)


def encode_spaces(spaces: Spaces) -> bytes:
    """Returns the bytes that `decode_spaces` reads."""
    return msgspec.msgpack.encode(spaces)


def decode_spaces(body: bytes) -> Spaces:
    """Returns the spaces of `encode_spaces`."""
    return _DECODER.decode(body)
