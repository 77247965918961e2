"""What happens around every call on the server, for all four kinds of call."""

from .chain import Chain
from .draining import Drain

__all__ = ["Chain", "Drain"]
