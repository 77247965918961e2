"""How the calls of a write spend time."""

from __future__ import annotations

import pytest

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, DependencyDownError, DiskFullError, InvalidInputError, OverloadedError
from gateway.steps import Patiently, WithinDeadline


class Step:
    """Fails with the given errors, then answers."""

    def __init__(self, *errors: AtlasError) -> None:
        self.errors = list(errors)
        self.deadlines: list[Deadline] = []

    async def __call__(self, deadline: Deadline) -> str:
        self.deadlines.append(deadline)
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_bulk_work_waits_for_a_part_that_is_busy_or_restarts() -> None:
    step = Step(OverloadedError("full", retry_after_ms=1), DependencyDownError("away"))
    assert await Patiently(step_s=1.0, patience_s=60.0).run(step) == "done"
    assert len(step.deadlines) == 3


async def test_patience_ends_with_the_error() -> None:
    step = Step(*[OverloadedError("full")] * 3)
    with pytest.raises(OverloadedError, match="full"):
        await Patiently(step_s=1.0, patience_s=0.0).run(step)
    assert len(step.deadlines) == 1


@pytest.mark.parametrize("error", [InvalidInputError("bad"), DiskFullError("full"), AtlasError("bug")])
async def test_what_waiting_cannot_help_fails_at_once(error: AtlasError) -> None:
    step = Step(error)
    with pytest.raises(type(error)):
        await Patiently(step_s=1.0, patience_s=60.0).run(step)
    assert len(step.deadlines) == 1


async def test_within_a_deadline_each_call_is_made_once() -> None:
    deadline = Deadline.after(5.0)
    step = Step(OverloadedError("full"))
    with pytest.raises(OverloadedError):
        await WithinDeadline(deadline).run(step)
    assert step.deadlines == [deadline]
