"""Saliences written beside the points of a Qdrant server."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import AsyncQdrantClient, models

from ...operations import ProjectedSalience, SalienceProjection, point_id, projected_payload
from .filters import older_than


async def project(client: AsyncQdrantClient, projections: Sequence[SalienceProjection]) -> None:
    """Sends all saliences of an index in one message and does not wait for the server to apply them.

    The server guards each by its sequence, in the order of arrival. What it loses is projected
    again from the ledger, so waiting would buy nothing.
    """
    updates: dict[str, list[models.UpdateOperation]] = {}
    for projection in projections:
        for memory_id, value in projection.values.items():
            point = point_id(projection.generation, memory_id)
            updates.setdefault(projection.index, []).append(_update(point, value))
    for index, operations in updates.items():
        await client.batch_update_points(index, operations, wait=False)


def _update(point: str, value: ProjectedSalience) -> models.UpdateOperation:
    return models.SetPayloadOperation(
        set_payload=models.SetPayload(payload=projected_payload(value), filter=older_than(value.sequence, point))
    )
