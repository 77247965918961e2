"""What the tools answer: JSON that keeps what ATLAS says apart from what it quotes, and that says what was left out."""

from .quoting import MIN_REPLY_BYTES
from .reading import get_reply
from .searching import search_reply
from .state import status_reply
from .writing import feedback_reply, remember_reply

__all__ = ["MIN_REPLY_BYTES", "feedback_reply", "get_reply", "remember_reply", "search_reply", "status_reply"]
