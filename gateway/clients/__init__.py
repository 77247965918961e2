"""The parts as the gateway calls them: protobuf messages on the far side, values on the near one."""

from .collections import Collection, CollectionClient, CollectionPage
from .embedder import EmbedderClient, EmbedderModel, PassageVectors, QueryTokens, QueryVector, TokenCount
from .filters import Filter, Restriction
from .memory import NO_SOURCES, Candidate, MemoryClient, Searched, SourceIds, Stage, Write, Written
from .questions import Image, Question
from .replies import ServerTime
from .reranker import Reranked, RerankerClient, RerankerModel, Score
from .salience import Impression, Observation, Recorded, SalienceClient

__all__ = [
    "NO_SOURCES",
    "Candidate",
    "Collection",
    "CollectionClient",
    "CollectionPage",
    "EmbedderClient",
    "EmbedderModel",
    "Filter",
    "Image",
    "Impression",
    "MemoryClient",
    "Observation",
    "PassageVectors",
    "QueryTokens",
    "QueryVector",
    "Question",
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
