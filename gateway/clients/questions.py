"""What is looked for: a text, a picture, or both."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.type.v1 import type_pb2


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as it came; the gateway does not look into it."""

    data: bytes
    """The encoded file; empty where `sha256` stands for it."""
    media_type: str
    """IANA media type."""
    sha256: str
    """SHA-256 of the file in hex; may be empty."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for."""

    text: str
    """Text; empty for a picture alone."""
    image: Image | None = None
    """Picture, if any."""


def question_message(question: Question) -> type_pb2.Input:
    """Returns the message of a question."""
    message = type_pb2.Input()
    if question.text:
        message.text = question.text
    if question.image is not None:
        image = question.image
        message.image.CopyFrom(type_pb2.Image(data=image.data, media_type=image.media_type, sha256=image.sha256))
    return message
