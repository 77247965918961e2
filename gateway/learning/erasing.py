"""Erases for good, in memory and in the reranker's cache."""

from __future__ import annotations

from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.type.v1 import salience_pb2 as types

from ..clients import LedgerClient, RerankerClient
from ..memories import Scope


class Eraser:
    """Erases what memory and the reranker hold."""

    def __init__(self, ledger: LedgerClient, reranker: RerankerClient) -> None:
        self._ledger = ledger
        self._reranker = reranker

    async def erase(self, scope: Scope, selection: types.ErasureSelection, *, request_id: str, deadline: Deadline) -> types.ErasureReceipt:
        """Erases a selection and returns the receipt.

        Asked again with the same `request_id`, memory gives its first receipt, and the reranker is told again.

        Raises:
            AtlasError: Nothing was erased; or memory has erased, and the reranker could not be told: then the message says how to go on.
        """
        # A reranker that is away now would leave the job half done.
        await self._reranker.model(deadline=deadline)
        erased = await self._ledger.erase(scope, selection, request_id=request_id, deadline=deadline)
        try:
            count = await self._reranker.forget(erased.content_sha256s, deadline=deadline)
        except AtlasError as error:
            told = type(error)(
                f"memory has erased ({erased.receipt.receipt_id}), but the reranker's cache could not be told: {error.message};"
                f" ask again with request_id {request_id}, or restart the reranker",
                reason=error.reason,
                retry_after_ms=error.retry_after_ms,
                receipt_id=erased.receipt.receipt_id,
                request_id=request_id,
            )
            raise told from error
        receipt = types.ErasureReceipt()
        receipt.CopyFrom(erased.receipt)
        receipt.cached_passage_count = count
        return receipt
