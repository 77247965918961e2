"""The embedders behind the gateway: one that is configured, and those that made the spaces of migrated collections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import grpc.aio

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, SchemaMismatchError, UnsupportedError

from .clients import Collection, CollectionClient, EmbedderClient, EmbedderModel, QueryVector, Question
from .memories import Scope
from .models import Models

FOREIGN = "FOREIGN_FINGERPRINT"
"""What memory says of a vector whose collection holds those of another model: it may have been switched meanwhile."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An embedder and the model that it serves."""

    client: EmbedderClient
    model: EmbedderModel


@dataclass(frozen=True, slots=True)
class OpenEmbedder:
    """A client and the channel that it talks over."""

    client: EmbedderClient
    channel: grpc.aio.Channel


class Embedders:
    """Knows which embedder makes the vectors of which collection.

    Until memory refuses a vector, every collection is taken for one of the configured embedder: nothing is asked ahead. Then memory is
    asked once for all spaces, and each collection gets vectors of its own.
    """

    def __init__(
        self,
        primary: EmbedderClient,
        collections: CollectionClient,
        models: Models,
        *,
        address: str,
        others: Sequence[str],
        connect: Callable[[str], OpenEmbedder],
    ) -> None:
        """Prefers `primary`, at `address`; `others` are addresses that are tried besides those that collections name."""
        self._primary = primary
        self._collections = collections
        self._models = models
        self._address = address
        self._others = tuple(others)
        self._connect = connect
        self._opened: dict[str, OpenEmbedder] = {}
        self._known: dict[str, Encoder] = {}
        self._spaces: dict[str, Collection] = {}

    @property
    def address(self) -> str:
        """Where the configured embedder is."""
        return self._address

    @property
    def addresses(self) -> tuple[str, ...]:
        """All places where an embedder is known to be, the configured one first."""
        named = (collection.embedder_address for collection in self._spaces.values())
        return tuple(dict.fromkeys(address for address in (self._address, *self._opened, *self._others, *named) if address))

    async def close(self) -> None:
        """Closes the channels that were opened."""
        for opened in self._opened.values():
            await opened.channel.close()
        self._opened.clear()

    async def primary(self, *, deadline: Deadline) -> Encoder:
        """Returns the configured embedder."""
        return Encoder(self._primary, await self._models.embedder(deadline=deadline))

    async def at(self, address: str, *, deadline: Deadline) -> Encoder:
        """Returns the embedder at an address, with the model that it serves now.

        Raises:
            DependencyDownError: It does not answer.
        """
        if address == self._address:
            self._models.forget_embedder()
            return await self.primary(deadline=deadline)
        opened = self._opened.get(address)
        if opened is not None:
            return Encoder(opened.client, await opened.client.model(deadline=deadline))
        opened = self._connect(address)
        try:
            encoder = Encoder(opened.client, await opened.client.model(deadline=deadline))
        except BaseException:
            await opened.channel.close()
            raise
        rival = self._opened.setdefault(address, opened)
        if rival is not opened:
            await opened.channel.close()
        return Encoder(rival.client, encoder.model)

    def forget(self) -> None:
        """Forgets which models the embedders serve: others may have taken their places."""
        self._models.forget_embedder()
        self._known.clear()

    async def find(self, fingerprint: str, address: str, *, deadline: Deadline) -> Encoder:
        """Returns an embedder that makes the space of a fingerprint: the configured one, a known one, or that at `address`.

        Raises:
            SchemaMismatchError: None of them does.
            AtlasError: None of them does, and one did not answer.
        """
        known = self._known.get(fingerprint)
        if known is not None:
            return known
        failure: AtlasError | None = None
        for place in dict.fromkeys((self._address, *self._opened, *self._others, address)):
            if not place:
                continue
            try:
                encoder = await self.at(place, deadline=deadline)
            except AtlasError as error:
                failure = error
                continue
            if encoder.model.fingerprint == fingerprint:
                self._known[fingerprint] = encoder
                return encoder
        if failure is not None:
            raise failure
        own = (await self.primary(deadline=deadline)).model.fingerprint
        raise SchemaMismatchError(
            f"a collection holds vectors of {fingerprint!r}; the embedder at {self._address} makes {own!r}, and no other one is known",
            reason=FOREIGN,
            collection_fingerprint=fingerprint,
            embedder_fingerprint=own,
            embedder_address=address,
        )

    async def learn(self, scope: Scope, *, deadline: Deadline) -> None:
        """Asks memory for the spaces of all collections, and the embedders for their models when they are needed next."""
        spaces: dict[str, Collection] = {}
        token = ""
        while True:
            page = await self._collections.page(scope, page_size=1_000, page_token=token, deadline=deadline)
            spaces.update((collection.name, collection) for collection in page.collections)
            token = page.next_page_token
            if not token:
                break
        self._spaces = spaces
        self._known.clear()
        _logger.info("spaces of the collections were read anew", extra={"collection_count": len(spaces)})

    async def learn_migrated(self, scope: Scope, *, deadline: Deadline) -> None:
        """Asks memory likewise, and keeps the answer only if a collection was migrated: else the configured embedder makes them all."""
        await self.learn(scope, deadline=deadline)
        if not any(collection.embedder_address for collection in self._spaces.values()):
            self._spaces = {}

    async def of_collection(self, name: str, *, deadline: Deadline) -> Encoder:
        """Returns the embedder whose vectors a collection holds, as far as that is known; else the configured one."""
        collection = self._spaces.get(name)
        if collection is None:
            return await self.primary(deadline=deadline)
        return await self.find(collection.dense_fingerprint, collection.embedder_address, deadline=deadline)

    async def embed_query(self, question: Question, collections: Sequence[str], *, deadline: Deadline) -> QueryVector:
        """Embeds a query in each space that the collections hold, as far as that is known; empty = all that "search all" includes."""
        wanted = collections or [name for name, collection in self._spaces.items() if collection.in_search_all]
        spaces = {known.dense_fingerprint: known.embedder_address for name in wanted if (known := self._spaces.get(name)) is not None}
        if not spaces:
            return await self._embedded(self._primary, question, self._models.shared_token_fingerprint, deadline)
        encoders = [await self.find(fingerprint, address, deadline=deadline) for fingerprint, address in spaces.items()]
        shared = [self._models.shared_with(encoder.model.token_fingerprint) for encoder in encoders]
        asked = zip(encoders, shared, strict=True)
        vectors = await asyncio.gather(*(self._embedded(encoder.client, question, tokens, deadline) for encoder, tokens in asked))
        return replace(vectors[0], others=tuple(vectors[1:]))

    async def model(self, fingerprint: str, *, deadline: Deadline) -> EmbedderModel:
        """Returns the model that made a vector."""
        known = self._known.get(fingerprint)
        return known.model if known is not None else await self._models.embedder(deadline=deadline, fingerprint=fingerprint)

    async def _embedded(self, client: EmbedderClient, question: Question, shared: str, deadline: Deadline) -> QueryVector:
        # One reading of the query serves both models where they are known to be the same encoder.
        tokens = "" if question.image else shared
        try:
            return await client.embed_query(question, deadline=deadline, token_fingerprint=tokens)
        except UnsupportedError:
            if not tokens:
                raise
            # Another model has taken the place of the one that was asked about, and has no token vectors.
            self._models.forget_embedder()
        return await client.embed_query(question, deadline=deadline)
