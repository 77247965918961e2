"""Damaged, torn, missing and foreign files of the database: refused with what is wrong and what to do, or read as far as they go."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from atlas.errors import StartupError
from services.memory.persistence import integrity
from services.memory.persistence.database import Database, open_database
from services.memory.persistence.durability import Durability

NAME = "memory.sqlite3"
PAGE = 4096


async def killed(folder: Path, *, rows: int = 200, checkpoint: bool = False) -> Path:
    """Makes the files that a process leaves that is killed after it wrote `rows` rows, a commit each."""
    await asyncio.to_thread((folder / "live").mkdir, parents=True)
    async with open_database(folder / "live" / NAME) as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE seen (value TEXT)"), durability=Durability.POWER_LOSS)
        for number in range(rows):
            await database.write(inserting(f"{number}" + "x" * 200), durability=Durability.PROCESS_CRASH)
        if checkpoint:
            await database.checkpoint()
        for path in (folder / "live").iterdir():
            if not path.name.endswith("-shm"):
                shutil.copy(path, folder / path.name)
    return folder / NAME


def inserting(value: str):
    return lambda connection: connection.execute("INSERT INTO seen VALUES (?)", (value,)).rowcount


async def count(path: Path) -> int:
    async with open_database(path) as database:
        return await database.read(lambda connection: connection.execute("SELECT count(*) FROM seen").fetchone()[0])


async def refusal(path: Path) -> str:
    with pytest.raises(StartupError) as caught:
        async with open_database(path):
            pass
    return str(caught.value)


async def test_a_killed_process_leaves_files_that_open_without_their_index(tmp_path: Path) -> None:
    assert await count(await killed(tmp_path / "a")) == 200


async def test_a_log_that_is_missing_after_a_kill_is_refused_and_accepted_after_an_orderly_end(tmp_path: Path) -> None:
    path = await killed(tmp_path / "a")
    log = path.with_name(f"{NAME}-wal")
    log.rename(log.with_name("away"))
    said = await refusal(path)
    assert f"{log} is missing" in said
    assert "atlas repair" in said
    log.with_name("away").rename(log)
    assert await count(path) == 200
    assert not log.exists()
    assert await count(path) == 200


async def test_a_torn_end_of_the_log_is_dropped_aloud_and_the_rest_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = await killed(tmp_path / "a")
    log = path.with_name(f"{NAME}-wal")
    content = bytearray(log.read_bytes())
    content[-PAGE // 2] ^= 1
    log.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert 190 < await count(path) < 200
    assert "cannot be read and is dropped" in caplog.text


async def test_a_whole_log_is_read_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = await killed(tmp_path / "a")
    with caplog.at_level(logging.WARNING):
        assert await count(path) == 200
    assert not caplog.records


async def test_a_truncated_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = await killed(tmp_path / "a", checkpoint=True)
    path.with_name(f"{NAME}-wal").write_bytes(b"")
    os.truncate(path, path.stat().st_size // 2)
    said = await refusal(path)
    assert str(path) in said
    assert "atlas repair" in said


async def test_a_bit_flipped_in_a_page_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = await killed(tmp_path / "a", checkpoint=True)
    path.with_name(f"{NAME}-wal").write_bytes(b"")
    content = bytearray(path.read_bytes())
    content[-PAGE] ^= 0x40  # the kind of the last page
    path.write_bytes(content)
    said = await refusal(path)
    assert f"{path}" in said
    assert "atlas repair" in said


def test_a_file_of_another_user_is_refused_naming_both() -> None:
    if os.geteuid() != 0:
        pytest.skip("skipped: only root can become another user")
    code = (
        "import os, sys; from pathlib import Path; from services.memory.persistence import integrity; os.setresuid(65534, 65534, 65534);"
        " integrity.check_files(Path(sys.argv[1]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / NAME
        path.touch(0o600)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "belongs to user 0; user 65534 may not write it" in done.stderr, done.stderr


async def test_a_large_database_is_read_whole_only_after_an_end_that_was_not_orderly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await killed(tmp_path / "a", checkpoint=True)
    path.with_name(f"{NAME}-wal").write_bytes(b"")
    content = bytearray(path.read_bytes())
    content[-PAGE] ^= 0x40
    path.write_bytes(content)
    monkeypatch.setattr(integrity, "CHECKED_BYTES", 0)
    assert "damaged" in await refusal(path) or "malformed" in await refusal(path)
    integrity.mark_closed(path)
    Database(path).close()
