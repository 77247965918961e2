"""The whole system while its clock jumps, as after a wrong time server or a restored machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.faults.clock import OFFSETS_S, SEEN_S, Hands, missing

from .conftest import System

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


def test_searches_are_whole_and_learn_wherever_the_clock_stands(
    own_system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands(tmp_path / "clock")
    hands.set(0.0)
    with monkeypatch.context() as faked:
        for name, value in hands.environment.items():
            faked.setenv(name, value)
        own_system.up()
    before = own_system.pids()
    searched = None
    for number, offset_s in enumerate((*OFFSETS_S, *OFFSETS_S)):
        hands.set(offset_s)
        time.sleep(SEEN_S)
        if searched is not None:
            # What was found before the jump is judged behind it, also where that was later.
            told = own_system.json("feedback", searched["search_id"], searched["hits"][0]["memory"]["memory_id"], "helpful")
            assert told["accepted_count"] == 1, told
        kept = own_system.json("remember", f"Lantern {number} hangs in boathouse {number}.", "--collection", "things")
        searched = own_system.json("search", f"where is lantern {number}?", "--collection", "things", "--require-complete")
        assert searched["hits"][0]["memory"]["memory_id"] == kept["memory_ids"][0], searched
        assert not searched["degraded"]
        assert searched["salience_write"]["accepted_count"] == number + 1, json.dumps(searched["salience_write"])
    assert own_system.pids() == before, "a part ended when the clock jumped"
