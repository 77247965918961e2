"""What callers say, measure and ask of learnt worth."""

from .erasing import Eraser
from .replies import feedback_response, usage_response
from .reporting import UsageReport, UsageReporter
from .requests import feedback_of, usage_of

__all__ = ["Eraser", "UsageReport", "UsageReporter", "feedback_of", "feedback_response", "usage_of", "usage_response"]
