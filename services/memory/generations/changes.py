"""The transactions of migrations: begun, switched, taken back, ended. Nothing here deletes what serves."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from atlas.errors import ConflictError, NotFoundError, SchemaMismatchError
from atlas.failpoints import failpoint

from ..catalog import collections as catalog
from ..catalog.collections import Collection, GenerationState
from ..catalog.spaces import DenseSpace, Spaces
from ..ledger import marks
from ..store import DeleteGeneration, Operation
from . import due, operation_rows, roles
from .operation_rows import Fault, Kind, OperationRow, OperationState
from .roles import Generation
from .siblings import drop_siblings

_NOT_FOUND = 5


@dataclass(frozen=True, slots=True)
class Migration:
    """A checked request to fill a generation."""

    tenant: str
    name: str
    """Collection."""
    space: DenseSpace
    """The space to fill; its name is the collection's."""
    embedder_address: str
    source_embedder_address: str
    truncated: bool
    generation: str
    """Id of the generation, if a new one is needed."""
    operation_id: str
    """Id of the operation, if a new one is needed."""
    now_us: int
    """Now, in microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a transaction leaves to do and to say."""

    operation: OperationRow
    created: bool = False
    operations: tuple[Operation, ...] = ()
    """What the engine must do."""


def spaces_of(collection: Collection, space: DenseSpace) -> Spaces:
    """Returns what a generation of a collection stores in another dense space."""
    return Spaces(replace_name(space, collection.spaces.dense.name), collection.spaces.lexical)


def replace_name(space: DenseSpace, name: str) -> DenseSpace:
    """Returns a space under the name that the collection's callers use."""
    return DenseSpace(name, space.dimension, space.fingerprint)


def check_startable(connection: sqlite3.Connection, migration: Migration) -> Spaces:
    """Returns the spaces of the generation to fill.

    Raises:
        NotFoundError: The collection does not exist.
        SchemaMismatchError: It has that space already.
        ConflictError: Another migration of it runs.
    """
    collection = catalog.get_collection(connection, migration.tenant, migration.name, field="name")
    if collection.spaces.dense.fingerprint == migration.space.fingerprint:
        raise SchemaMismatchError(
            f"collection {migration.name!r} holds vectors of {migration.space.fingerprint!r} already; name an embedder of another space",
            reason="SAME_SPACE",
            field="space.fingerprint",
            collection=migration.name,
            fingerprint=migration.space.fingerprint,
        )
    running = operation_rows.operation_of(connection, migration.tenant, migration.name)
    if running is not None and not _fills(connection, running, migration.space.fingerprint):
        raise _runs(running)
    return spaces_of(collection, migration.space)


def start(connection: sqlite3.Connection, migration: Migration) -> Changed:
    """Begins a migration, or gives back the one to the same space that runs.

    Raises:
        AtlasError: As `check_startable`.
    """
    spaces = check_startable(connection, migration)
    collection = catalog.get_collection(connection, migration.tenant, migration.name, field="name")
    running = operation_rows.operation_of(connection, migration.tenant, migration.name)
    if running is not None:
        moved = replace(running, embedder_address=migration.embedder_address, update_time_us=migration.now_us)
        operation_rows.put_operation(connection, moved)
        _move_embedder(connection, moved)
        return Changed(moved)
    _remember_source(connection, collection, migration)
    target = _target(connection, collection, spaces, migration)
    failpoint("generation.start.target")
    operation = _operation(migration.tenant, migration.name, Kind.MIGRATION, target, migration.operation_id, migration.now_us)
    operation = replace(operation, truncated=migration.truncated)
    operation_rows.put_operation(connection, operation)
    failpoint("generation.start.operation")
    return Changed(operation, created=True)


def switch(connection: sqlite3.Connection, tenant: str, name: str, *, force: bool, now_us: int) -> Changed:
    """Lets a collection point to the generation that was filled; the one before is kept.

    Raises:
        NotFoundError: The collection does not exist.
        SchemaMismatchError: No generation is being filled, or it may not take over.
    """
    collection = catalog.get_collection(connection, tenant, name, field="name")
    operation = operation_rows.operation_of(connection, tenant, name)
    if operation is None:
        last = operation_rows.last_switch(connection, tenant, name)
        if last is not None and last.generation == collection.generation:
            return Changed(last)
        raise no_migration(name)
    target = _other(connection, operation.generation)
    _check_switchable(connection, operation, target, force=force)
    _take_over(connection, collection, target, now_us)
    return Changed(operation_rows.end_operation(connection, operation, OperationState.DONE, now_us=now_us), created=True)


def roll_back(connection: sqlite3.Connection, tenant: str, name: str, *, embedder_address: str, operation_id: str, now_us: int) -> Changed:
    """Begins to go back to the generation that was retired last, and does so at once if it lacks nothing.

    Raises:
        NotFoundError: The collection does not exist.
        SchemaMismatchError: No generation was kept.
        ConflictError: A migration runs.
    """
    catalog.get_collection(connection, tenant, name, field="name")
    running = operation_rows.operation_of(connection, tenant, name)
    if running is not None:
        if running.kind != Kind.ROLLBACK:
            raise _runs(running)
        moved = replace(running, embedder_address=embedder_address or running.embedder_address, update_time_us=now_us)
        operation_rows.put_operation(connection, moved)
        _move_embedder(connection, moved)
        return Changed(moved)
    retired = next((one for one in roles.other_generations(connection, tenant, name) if one.state is GenerationState.RETIRED), None)
    if retired is None:
        raise SchemaMismatchError(
            f"collection {name!r} keeps no generation to go back to", reason="NO_RETIRED_GENERATION", field="name", collection=name
        )
    address = embedder_address or retired.embedder_address
    target = replace(retired, state=GenerationState.BUILDING, embedder_address=address, verified=True, change_time_us=now_us)
    roles.write_role(connection, target)
    due.try_failed_again(connection, target.generation)
    operation = _operation(tenant, name, Kind.ROLLBACK, target, operation_id, now_us)
    operation_rows.put_operation(connection, operation)
    failpoint("generation.rollback.operation")
    if due.count_due(connection, target.generation).due:
        return Changed(operation, created=True)
    return replace(switch(connection, tenant, name, force=False, now_us=now_us), created=True)


def cancel(connection: sqlite3.Connection, tenant: str, operation_id: str, *, now_us: int) -> Changed:
    """Ends an operation: a generation that it made goes, one that was kept before stays as it was.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It is DONE or FAILED.
    """
    operation = operation_rows.get_operation(connection, tenant, operation_id)
    if operation.state is OperationState.CANCELLED:
        return Changed(operation)
    operation = operation_rows.running_operation(connection, tenant, operation_id)
    ended = operation_rows.end_operation(connection, operation, OperationState.CANCELLED, now_us=now_us)
    return Changed(ended, created=True, operations=_give_up(connection, operation))


def fail(connection: sqlite3.Connection, operation: OperationRow, fault: Fault, *, now_us: int) -> Changed:
    """Ends an operation that cannot get on, in the same way."""
    noted = operation_rows.with_error(operation, fault, now_us)
    ended = operation_rows.end_operation(connection, noted, OperationState.FAILED, now_us=now_us, error=fault)
    return Changed(ended, created=True, operations=_give_up(connection, operation))


def delete_retired(connection: sqlite3.Connection, tenant: str, name: str, generation: str) -> tuple[int, tuple[Operation, ...]]:
    """Deletes a generation that was kept for a rollback; returns how many vectors it had and what the engine must do.

    Raises:
        NotFoundError: The collection does not exist, or has no such generation.
        SchemaMismatchError: It serves or is being filled.
    """
    collection = catalog.get_collection(connection, tenant, name, field="name")
    found = next((one for one in roles.other_generations(connection, tenant, name) if one.generation == generation), None)
    if found is None and generation != collection.generation:
        raise NotFoundError(
            f"collection {name!r} has no generation {generation[:64]!r}",
            reason="GENERATION_NOT_FOUND",
            field="generation",
            collection=name,
            generation=generation[:64],
        )
    if found is None or found.state is not GenerationState.RETIRED:
        state = collection.state if found is None else found.state
        raise SchemaMismatchError(
            f"generation {generation} of collection {name!r} is {state.name}; only a RETIRED one can be deleted",
            reason="NOT_RETIRED",
            field="generation",
            collection=name,
            generation=generation,
            state=state.name,
        )
    held = sum(catalog.languages_of(connection, collection.generation).values()) - due.count_due(connection, generation).due
    return max(0, held), _delete(connection, found)


def delete_outlived(connection: sqlite3.Connection, *, before_us: int) -> tuple[list[Generation], tuple[Operation, ...]]:
    """Deletes the generations that were retired before a time; returns them and what the engine must do."""
    outlived = roles.retired_before(connection, before_us)
    return outlived, tuple(operation for one in outlived for operation in _delete(connection, one))


def drop_collection(connection: sqlite3.Connection, tenant: str, name: str, *, now_us: int) -> tuple[Operation, ...]:
    """Ends what runs on a collection that goes away, and deletes its other generations."""
    operation = operation_rows.operation_of(connection, tenant, name)
    if operation is not None:
        fault = Fault(_NOT_FOUND, f"collection {name!r} was deleted")
        operation_rows.end_operation(connection, operation, OperationState.FAILED, now_us=now_us, error=fault)
    return drop_siblings(connection, tenant, name)


def no_migration(name: str) -> SchemaMismatchError:
    """Returns the error for a collection without a generation that is being filled."""
    return SchemaMismatchError(
        f"no generation of collection {name!r} is being filled; start a migration first",
        reason="NO_MIGRATION",
        field="name",
        collection=name,
    )


def _fills(connection: sqlite3.Connection, operation: OperationRow, fingerprint: str) -> bool:
    return operation.kind == Kind.MIGRATION and _other(connection, operation.generation).spaces.dense.fingerprint == fingerprint


def _runs(operation: OperationRow) -> ConflictError:
    return ConflictError(
        f"operation {operation.operation_id} ({operation.kind}) of collection {operation.collection!r} runs; wait for it or cancel it",
        reason="MIGRATION_RUNS",
        field="name",
        operation_id=operation.operation_id,
        kind=operation.kind,
        collection=operation.collection,
    )


def _other(connection: sqlite3.Connection, generation: str) -> Generation:
    found = roles.find_other(connection, generation)
    assert found is not None  # noqa: S101 - an operation that runs has its generation: both are written in one transaction
    return found


def _remember_source(connection: sqlite3.Connection, collection: Collection, migration: Migration) -> None:
    serving = roles.serving_generation(connection, collection)
    address = migration.source_embedder_address or serving.embedder_address
    since = serving.create_time_us if serving.change_time_us is None else serving.change_time_us
    roles.write_role(connection, replace(serving, embedder_address=address, change_time_us=since))


def _target(connection: sqlite3.Connection, collection: Collection, spaces: Spaces, migration: Migration) -> Generation:
    kept = next(
        (one for one in roles.other_generations(connection, collection.tenant, collection.name) if one.spaces.index == spaces.index), None
    )
    if kept is not None:
        target = replace(
            kept,
            state=GenerationState.BUILDING,
            embedder_address=migration.embedder_address,
            verified=False,
            change_time_us=migration.now_us,
        )
        roles.write_role(connection, target)
        due.try_failed_again(connection, target.generation)
        return target
    target = Generation(
        migration.generation,
        collection.tenant,
        collection.name,
        GenerationState.BUILDING,
        spaces,
        spaces.index.name,
        migration.now_us,
        migration.embedder_address,
        verified=False,
        change_time_us=migration.now_us,
    )
    roles.insert_generation(connection, target)
    due.mark_all_due(connection, target.generation, tenant=collection.tenant, active=collection.generation)
    return target


def _operation(tenant: str, name: str, kind: str, target: Generation, operation_id: str, now_us: int) -> OperationRow:
    return OperationRow(
        tenant=tenant,
        operation_id=operation_id,
        kind=kind,
        state=OperationState.PENDING,
        collection=name,
        generation=target.generation,
        embedder_address=target.embedder_address,
        truncated=False,
        total=0,
        done=0,
        failed=0,
        begin_due=0,
        begin_time_us=0,
        errors=(),
        error=None,
        driver="",
        lease_time_us=0,
        create_time_us=now_us,
        update_time_us=now_us,
    )


def _move_embedder(connection: sqlite3.Connection, operation: OperationRow) -> None:
    target = _other(connection, operation.generation)
    roles.write_role(connection, replace(target, embedder_address=operation.embedder_address))
    due.try_failed_again(connection, operation.generation)


def _check_switchable(connection: sqlite3.Connection, operation: OperationRow, target: Generation, *, force: bool) -> None:
    count = due.count_due(connection, target.generation)
    if count.due:
        raise SchemaMismatchError(
            f"generation {target.generation} lacks the vectors of {count.due} memories, {count.failed} of which could not be embedded",
            reason="DUE",
            collection=operation.collection,
            generation=target.generation,
            due_count=count.due,
            failed_count=count.failed,
        )
    if not (target.verified or force):
        raise SchemaMismatchError(
            f"generation {target.generation} of collection {operation.collection!r} was not verified; verify it first, or force the switch",
            reason="NOT_VERIFIED",
            collection=operation.collection,
            generation=target.generation,
        )


def _take_over(connection: sqlite3.Connection, collection: Collection, target: Generation, now_us: int) -> None:
    serving = roles.serving_generation(connection, collection)
    roles.write_role(connection, replace(serving, state=GenerationState.RETIRED, verified=False, change_time_us=now_us))
    failpoint("generation.switch.retired")
    roles.point_to(connection, collection, target.generation)
    failpoint("generation.switch.pointed")
    # What was learnt while it was filled was written beside the vectors that served.
    marks.mark_learnt(connection, target.generation)
    roles.write_role(connection, replace(target, state=GenerationState.ACTIVE, change_time_us=now_us))
    failpoint("generation.switch.active")


def _give_up(connection: sqlite3.Connection, operation: OperationRow) -> tuple[Operation, ...]:
    target = _other(connection, operation.generation)
    if target.create_time_us >= operation.create_time_us:
        return _delete(connection, target)
    roles.write_role(connection, replace(target, state=GenerationState.RETIRED, verified=False))
    return ()


def _delete(connection: sqlite3.Connection, generation: Generation) -> tuple[Operation, ...]:
    roles.drop_generation(connection, generation.generation)
    failpoint("generation.delete.rows")
    return (DeleteGeneration(generation.index, generation.generation),)
