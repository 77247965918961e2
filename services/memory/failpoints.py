"""The failpoints of memory: every step at which a process may end between two things that belong together."""

from __future__ import annotations

from collections.abc import Mapping

FRONT: Mapping[str, str] = {
    "start.lock.before": "nothing is opened yet",
    "start.lock.after": "the data folder is this process's own",
    "start.schema.before": "the database is open, its tables may be missing",
    "start.schema.after": "the tables are there",
    "start.engine.after": "the engine is ready, nothing was applied",
    "start.replay.before": "the indexes are open",
    "start.replay.part": "a part of the journal was applied again",
    "start.replay.after": "all of it was",
    "start.compare.after": "engine and catalog agree",
    "database.begin.before": "a group of works was taken from the queue",
    "database.begin.after": "its transaction is open",
    "database.work.after": "one of the works has run",
    "database.commit.before": "all have",
    "database.commit.after": "they are committed, and synced if that was asked; nobody knows",
    "database.answer.after": "those who wait know",
    "journal.append.before": "a write has changed the catalog",
    "journal.append.after": "its entry is in the journal, in the same transaction",
    "writer.journal.after": "the group is journalled, not applied",
    "writer.apply.before": "its turn has come",
    "writer.apply.after": "the engine has all of it",
    "writer.answer.after": "its callers are answered",
    "store.message.before": "a part of a group is about to go to the engine",
    "store.message.after": "the engine has that part",
    "flush.journal.before": "a flush begins",
    "flush.journal.after": "the journal is synced",
    "flush.engine.after": "the engine is synced, the journal is not pruned",
    "flush.prune.after": "the journal is pruned",
    "checkpoint.before": "the write-ahead log is about to move into the database",
    "checkpoint.after": "it has",
    "retention.before": "answers and impressions are about to be pruned",
    "retention.after": "they are",
    "stop.settle.before": "nothing is served any more, the last flush has not begun",
}
"""What has happened when the front passes each."""

ENGINE: Mapping[str, str] = {
    "engine.lock.after": "the engine has its folder, and has not said that it is ready",
    "engine.ready.after": "it has said so",
    "engine.create.draft": "a new index is complete, under another name",
    "engine.create.renamed": "it has its name, which is not synced",
    "engine.open.after": "an index is open",
    "engine.message.before": "a message was read",
    "engine.operation.before": "an operation of it is about to be applied",
    "engine.operation.after": "it is applied",
    "engine.answer.before": "all of the message is done",
    "engine.answer.after": "the front was told",
    "engine.flush.before": "a flush is about to begin",
    "engine.flush.after": "it is done, the front does not know",
    "engine.close.before": "the engine is about to close its indexes",
}
"""What has happened when the engine passes each."""

FAILPOINTS: Mapping[str, str] = {**FRONT, **ENGINE}
"""Those that every service passes that is written to and searched, by name."""

ERASURE: Mapping[str, str] = {
    "ledger.erase.evidence": "all that was learnt of memories is erased, they themselves are not",
    "ledger.erase.receipt": "they are too, and the receipt is written",
    "ledger.erase.committed": "that is committed and applied, the files still hold what was deleted",
    "ledger.erase.flushed": "the journal is pruned of it",
    "ledger.erase.scrubbed": "the file is scrubbed, nobody has looked",
    "ledger.erase.verified": "the receipt says what was found",
    "ledger.erase.purged": "an index's files are written anew, the mark that it is due is still there",
}
"""What has happened when an erasure passes each."""

EVERY_FAILPOINT: Mapping[str, str] = {**FAILPOINTS, **ERASURE}
"""All of them by name."""
