"""What the gateway knows of the models behind it: asked once, and again when a reply shows another one."""

from __future__ import annotations

from atlas.deadlines import Deadline

from .clients import EmbedderClient, EmbedderModel, RerankerClient, RerankerModel


class Models:
    """The models as they last described themselves."""

    def __init__(self, embedder: EmbedderClient, reranker: RerankerClient) -> None:
        """Knows nothing yet."""
        self._embedder_client = embedder
        self._reranker_client = reranker
        self._embedder: EmbedderModel | None = None
        self._reranker: RerankerModel | None = None

    async def embedder(self, *, deadline: Deadline, fingerprint: str = "") -> EmbedderModel:
        """Returns the embedder's model, asking if it is unknown or its space is not that of `fingerprint`."""
        model = self._embedder
        if model is None or (fingerprint and model.fingerprint != fingerprint):
            model = self._embedder = await self._embedder_client.model(deadline=deadline)
        return model

    async def reranker(self, *, deadline: Deadline, calibration_version: str) -> RerankerModel:
        """Returns the reranker's model, asking if it is unknown or has another calibration."""
        model = self._reranker
        if model is None or model.calibration_version != calibration_version:
            model = self._reranker = await self._reranker_client.model(deadline=deadline)
        return model

    @property
    def max_candidate_count(self) -> int | None:
        """Candidates that the reranker takes in one call; None while unknown."""
        return None if self._reranker is None else self._reranker.max_input_count or None

    @property
    def shared_token_fingerprint(self) -> str:
        """Fingerprint of the space in which the embedder gives token vectors and the reranker takes them; empty if none is known."""
        if self._embedder is None or self._reranker is None or self._embedder.token_fingerprint != self._reranker.fingerprint:
            return ""
        return self._reranker.fingerprint

    def shared_with(self, token_fingerprint: str) -> str:
        """Fingerprint of the space of an embedder's token vectors, if the reranker takes them; else empty."""
        return token_fingerprint if self._reranker is not None and self._reranker.fingerprint == token_fingerprint else ""

    def forget_embedder(self) -> None:
        """Forgets the embedder's model: another one may come back."""
        self._embedder = None

    def forget_reranker(self) -> None:
        """Forgets the reranker's model: another one may come back."""
        self._reranker = None
