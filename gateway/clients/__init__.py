"""The parts as the gateway calls them: protobuf messages on the far side, values on the near one."""

from .collections import Collection, CollectionClient, CollectionPage
from .embedder import EmbedderClient, EmbedderModel, PassageVectors, QueryTokens, QueryVector, TokenCount
from .filters import Filter, Restriction
from .ledger import Erased, LedgerClient, Rebuilt
from .memory import NO_SOURCES, Candidate, MemoryClient, Searched, SourceIds, Stage, Write, Written
from .questions import Image, Question
from .replies import ServerTime
from .reranker import Reranked, RerankerClient, RerankerModel, Score
from .salience import Given, Impression, Observation, Piece, Recorded, SalienceClient

__all__ = [
    "NO_SOURCES",
    "Candidate",
    "Collection",
    "CollectionClient",
    "CollectionPage",
    "EmbedderClient",
    "EmbedderModel",
    "Erased",
    "Filter",
    "Given",
    "Image",
    "Impression",
    "LedgerClient",
    "MemoryClient",
    "Observation",
    "PassageVectors",
    "Piece",
    "QueryTokens",
    "QueryVector",
    "Question",
    "Rebuilt",
    "Recorded",
    "Reranked",
    "RerankerClient",
    "RerankerModel",
    "Restriction",
    "SalienceClient",
    "Score",
    "Searched",
    "ServerTime",
    "SourceIds",
    "Stage",
    "TokenCount",
    "Write",
    "Written",
]
