"""One index as a LanceDB table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from lancedb import AsyncConnection, AsyncTable
from lancedb.query import ColumnOrdering

from atlas.errors import DependencyDownError, SchemaMismatchError

from ...conditions import StoreFilter
from ...operations import (
    SALIENCE_SEQ_KEY,
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    Point,
    ReplacePayloads,
    SalienceProjection,
    UpsertPoints,
    point_id,
    projected_payload,
)
from ...store import BranchResult, Page, SearchRequest, StoredPoint
from .. import branches
from ..branches import Label, Listed
from . import filters, lexical, rows, tags
from .tags import Leaf

T = TypeVar("T")

IDS_A_READ = 1_000
"""Most ids in one SQL condition."""
WRITES_BEFORE_COMPACTION = 32
"""Each write makes a fragment and a version; so many of them are merged at the next flush."""
_KEEP_VERSIONS = timedelta(minutes=2)
"""Older versions are deleted with a compaction: longer than any read may take."""
_SHORTEST = timedelta(milliseconds=1)
"""LanceDB counts the age of a version in these."""
_VECTOR_COLUMNS = ["dense", "terms", "weights"]


async def in_thread(work: Callable[[], T]) -> T:
    """Does work that holds the processor for long; the one place where this store leaves the event loop.

    LanceDB's own calls run on its threads; what is left is making rows and reading them.
    """
    return await asyncio.to_thread(work)


class IndexTable:
    """The rows of one index. Writes are for one caller at a time."""

    def __init__(self, table: AsyncTable, spec: IndexSpec) -> None:
        """Takes an open table; `opened` is the way to one."""
        self._table = table
        self._spec = spec
        self._writes = 0

    @classmethod
    async def opened(cls, connection: AsyncConnection, spec: IndexSpec) -> tuple[IndexTable, bool]:
        """Opens the table of `spec`, creating it where it is missing; says whether it was created.

        Raises:
            SchemaMismatchError: What is stored under that name is another index.
        """
        created = spec.name not in (await connection.list_tables(limit=None)).tables
        if created:
            table = await connection.create_table(spec.name, schema=rows.schema(spec))
        else:
            table = await connection.open_table(spec.name)
        stored = msgspec.json.decode((await table.schema()).metadata[rows.SPEC_KEY], type=IndexSpec)
        if stored != spec:
            raise SchemaMismatchError(
                f"table {spec.name} holds {stored}, but {spec} is asked for", index=spec.name, stored=stored, wanted=spec
            )
        return cls(table, spec), created

    async def apply(self, operation: Operation) -> None:
        """Applies one operation as one version of the table."""
        match operation:
            case UpsertPoints(_, points):
                await self._upsert(points)
            case ReplacePayloads(_, generation, payloads):
                await self._replace([(generation, memory_id, payload) for memory_id, payload in payloads.items()])
            case DeletePoints(_, generation, memory_ids):
                for part in _parts([point_id(generation, each) for each in memory_ids]):
                    await self._delete(filters.having(part))
            case DeleteGeneration(_, generation):
                await self._delete(filters.within(generation))

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        """Writes saliences beside the points that hold older ones, as one version of the table."""
        wanted: dict[str, dict[str, Any]] = {}
        for projection in projections:
            for memory_id, value in projection.values.items():
                point, payload = point_id(projection.generation, memory_id), projected_payload(value)
                if value.sequence > wanted.get(point, {}).get(SALIENCE_SEQ_KEY, 0):
                    wanted[point] = payload
        held = await self._rows(wanted, ["point_id", "payload"])
        payloads = zip(held["point_id"].to_pylist(), map(rows.payload_of, held["payload"].to_pylist()), strict=True)
        newer = [{**payload, **wanted[point]} for point, payload in payloads if _is_newer(wanted[point], payload)]
        await self._replace([(each["generation"], each["memory_id"], each) for each in newer])

    async def search(self, request: SearchRequest) -> BranchResult:
        """Runs both branches and gives each hit the values of both."""
        condition = await self.condition(request.generation, request.filter)
        labels: dict[str, Label] = {}
        dense = lexicals = listed = None
        if request.dense is not None:
            dense = await self._dense(request, condition, labels)
        if request.terms:
            lexicals, listed = await self._lexical(request, condition)
        missing = branches.only_in_first(listed, dense)
        similarities = await self._similarities(request, missing, labels)
        return branches.merged(
            dense,
            listed,
            similarities={} if dense is None else similarities,
            lexicals=lexicals.values if lexicals is not None else {},
            labels=labels,
            best_coverage=branches.coverage(request.terms, lexicals.terms_of(listed.points[0])) if lexicals is not None and listed else 0.0,
            best=request.best,
        )

    async def retrieve(self, generation: str, memory_ids: Sequence[str], *, with_vectors: bool) -> list[StoredPoint]:
        """Reads points by `memory_id`; those that do not exist are left out."""
        columns = ["payload", *(_VECTOR_COLUMNS if with_vectors else ())]
        table = await self._rows([point_id(generation, memory_id) for memory_id in memory_ids], columns)
        return await in_thread(lambda: rows.stored(table))

    async def scroll(self, generation: str, condition: StoreFilter | None, limit: int, after: str | None) -> Page:
        """Reads matching points in the order of their ids, from the id `after` on."""
        where = await self.condition(generation, condition)
        if after is not None:
            where = f"{where} AND point_id >= '{after}'"
        query = self._table.query().where(where).select(["point_id", "payload"]).order_by([ColumnOrdering(column_name="point_id")])
        table = await query.limit(limit + 1).to_arrow()
        points = await in_thread(lambda: rows.stored(table.slice(0, limit)))
        return Page(tuple(points), table["point_id"][limit].as_py() if table.num_rows > limit else None)

    async def count(self, generation: str, condition: StoreFilter | None) -> int:
        """Counts matching points."""
        return await self._table.count_rows(await self.condition(generation, condition))

    async def facet(self, generation: str, key: str, condition: StoreFilter | None) -> dict[str, int]:
        """Counts matching points by the value of a field."""
        where = f"{await self.condition(generation, condition)} AND {key} IS NOT NULL"
        table = await self._table.query().where(where).select([key]).to_arrow()
        return {each["values"]: each["counts"] for each in table[key].value_counts().to_pylist()}

    async def compact(self) -> None:
        """Merges what many small writes left, once there is enough of it."""
        if self._writes >= WRITES_BEFORE_COMPACTION:
            self._writes = 0
            await self._table.optimize(cleanup_older_than=_KEEP_VERSIONS)

    async def rewrite(self) -> None:
        """Writes every row into new files: a compaction leaves files alone of which little was deleted."""
        await self._table.update(updates_sql={"generation": "generation"})
        self._writes = 0

    async def forget_versions(self) -> None:
        """Deletes every file that the newest version does not need, also those of writes that never ended; nobody may read an older one.

        Raises:
            DependencyDownError: Some were kept, as those are that a clock which went back takes for new.
        """
        await asyncio.sleep(2 * _SHORTEST.total_seconds())
        await self._table.optimize(cleanup_older_than=_SHORTEST, delete_unverified=True)
        kept = len(await self._table.list_versions())  # type: ignore[no-untyped-call]
        if kept > 1:
            raise DependencyDownError(f"table {self._spec.name} still has {kept} versions", reason="VERSIONS_KEPT", version_count=kept)

    async def condition(self, generation: str, condition: StoreFilter | None) -> str:
        """Returns a filter inside a generation as SQL; reads payloads for what SQL cannot say."""
        if condition is None:
            return filters.within(generation)
        found = {leaf: await self._meeting(generation, leaf) for leaf in set(filters.read_from_payloads(condition))}
        return filters.within(generation, filters.sql(condition, found.__getitem__))

    async def _meeting(self, generation: str, leaf: Leaf) -> frozenset[str]:
        where = filters.within(generation, filters.may_hold(leaf))
        table = await self._table.query().where(where).select(["point_id", "payload"]).to_arrow()

        def meeting() -> frozenset[str]:
            pairs = zip(table["point_id"].to_pylist(), table["payload"].to_pylist(), strict=True)
            return frozenset(point for point, body in pairs if tags.holds(leaf, rows.payload_of(body)))

        return await in_thread(meeting)

    async def _dense(self, request: SearchRequest, condition: str, labels: dict[str, Label]) -> Listed[str]:
        query = self._table.query().nearest_to(request.dense).distance_type("cosine").column("dense").bypass_vector_index()
        table = await query.where(condition).select([*rows.LABEL_COLUMNS, "_distance"]).limit(request.depth).to_arrow()
        _note(labels, table)
        return Listed.ordered(
            (point, 1.0 - distance) for point, distance in zip(table["point_id"].to_pylist(), table["_distance"].to_pylist(), strict=True)
        )

    async def _lexical(self, request: SearchRequest, condition: str) -> tuple[lexical.Scores, Listed[str]]:
        terms = branches.term_ids(request.terms)
        having = filters.having_terms(terms)
        size = await self._table.count_rows(filters.within(request.generation))
        where = filters.within(request.generation, having)
        postings = await self._table.query().where(where).select(["point_id", "terms", "weights"]).to_arrow()
        scores = await in_thread(lambda: lexical.scores(postings, generation_size=size, terms=terms))
        allowed = None
        if request.filter is not None:
            matching = await self._table.query().where(f"{condition} AND {having}").select(["point_id"]).to_arrow()
            allowed = frozenset(matching["point_id"].to_pylist())
        return scores, await in_thread(lambda: scores.best(allowed, request.depth))

    async def _similarities(self, request: SearchRequest, point_ids: set[str], labels: dict[str, Label]) -> Mapping[str, float]:
        if not point_ids:
            return {}
        table = await self._rows(point_ids, [*rows.LABEL_COLUMNS, *(["dense"] if request.dense is not None else [])])
        _note(labels, table)
        if request.dense is None or not table.num_rows:
            return {}
        cosines = rows.dense_of(table) @ (request.dense / np.linalg.norm(request.dense))
        return dict(zip(table["point_id"].to_pylist(), cosines.tolist(), strict=True))

    async def _rows(self, point_ids: Iterable[str], columns: list[str]) -> pa.Table:
        parts = _parts(list(point_ids)) or [[]]
        read = [await self._table.query().where(filters.having(part)).select(columns).to_arrow() for part in parts]
        return pa.concat_tables(read)

    async def _upsert(self, points: Sequence[Point]) -> None:
        if points:
            table = await in_thread(lambda: rows.of_points(points, self._spec))
            await self._table.merge_insert("point_id").when_matched_update_all().when_not_matched_insert_all().execute(table)
            self._writes += 1

    async def _replace(self, payloads: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        if payloads:
            table = await in_thread(lambda: rows.of_payloads(payloads))
            await self._table.merge_insert("point_id").when_matched_update_all().execute(table)
            self._writes += 1

    async def _delete(self, condition: str) -> None:
        await self._table.delete(condition)
        self._writes += 1


def _note(labels: dict[str, Label], table: pa.Table) -> None:
    for point, memory_id, kind in zip(*(table[name].to_pylist() for name in rows.LABEL_COLUMNS), strict=True):
        labels[point] = Label(memory_id, kind or "")


def _is_newer(projected: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    return bool(projected[SALIENCE_SEQ_KEY] > payload.get(SALIENCE_SEQ_KEY, 0))


def _parts(point_ids: Sequence[str]) -> list[Sequence[str]]:
    return [point_ids[begin : begin + IDS_A_READ] for begin in range(0, len(point_ids), IDS_A_READ)]
