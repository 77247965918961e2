"""A name on the server for each generation, so that its operator sees which there are and where they live."""

from __future__ import annotations

from qdrant_client import AsyncQdrantClient, models

from ...operations import DeleteGeneration, Operation, UpsertPoints


class Aliases:
    """Keeps one alias for each generation that has points: `INDEX.GENERATION`, pointing to the index's collection.

    Nothing of ours reads through them: a collection holds many generations, so every call names its own in a filter.
    """

    def __init__(self, client: AsyncQdrantClient) -> None:
        """Knows of no alias yet."""
        self._client = client
        self._known: set[str] = set()

    async def load(self, index: str) -> None:
        """Reads which aliases an index has."""
        found = await self._client.get_collection_aliases(index)
        self._known = {name for name in self._known if not name.startswith(f"{index}.")} | {each.alias_name for each in found.aliases}

    async def before(self, operation: Operation) -> None:
        """Names the generations that an operation is about to write to for the first time."""
        if not isinstance(operation, UpsertPoints):
            return
        generations = {(operation.index, point.generation) for point in operation.points}
        fresh = sorted(pair for pair in generations if _alias(*pair) not in self._known)
        if fresh:
            await self._client.update_collection_aliases([_creation(*pair) for pair in fresh])
            self._known.update(_alias(*pair) for pair in fresh)

    async def after(self, operation: Operation) -> None:
        """Takes the name of a generation away that was just deleted."""
        if isinstance(operation, DeleteGeneration):
            name = _alias(operation.index, operation.generation)
            if name in self._known:
                deletion = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))
                await self._client.update_collection_aliases([deletion])
                self._known.discard(name)


def _alias(index: str, generation: str) -> str:
    return f"{index}.{generation}"


def _creation(index: str, generation: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=index, alias_name=_alias(index, generation)))
