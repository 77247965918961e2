"""A made world in which worth truly exists, or does not: topics of which few documents answer what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from atlas.evaluation.salience.pools import Entry, Pools, pools_of
from atlas.evaluation.salience.streams import Probe, Stream, StreamEvent

START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    pools: Pools
    stream: Stream
    grades: list[dict[int, int]]


def made_world(
    *, worth: bool, topics: int = 24, size: int = 12, good: int = 2, questions: int = 6, events: int = 480, probes: int = 1, seed: int = 2
) -> Made:
    """Makes a world: every question is about a topic, its answer is one of the topic's good documents (all are good without worth).

    Content knows the topic, and the answer only dimly: what is left can be learnt from marks if few documents give the answers, and cannot
    be learnt if any document may.
    """
    random = np.random.default_rng(seed)
    entries: dict[str, list[Entry]] = {}
    qrels: dict[str, str] = {}
    for topic in range(topics):
        for question in range(questions):
            query_id = f"q{topic:02}-{question:02}"
            answer = int(random.integers(good if worth else size))
            qrels[query_id] = f"d{topic:02}-{answer:02}"
            content = random.normal(0.5, 0.05, size) + np.where(np.arange(size) == answer, 0.02, 0.0)
            final = content + random.normal(0.0, 0.02, size)
            entries[query_id] = [
                Entry(f"m{topic:02}-{place:02}", f"d{topic:02}-{place:02}", "all", content[place], final[place], 0.3)
                for place in np.argsort(-content)
            ]
    pools = pools_of(entries, {query_id: int(random.integers(16)) for query_id in entries}, logits_per_unit=15.0, models="made")
    number = {str(document_id): place for place, document_id in enumerate(pools.document_ids)}
    asked = [query_id for query_id in entries if int(query_id[4:]) >= probes]
    times = [START + timedelta(days=60 * place / events) for place in range(events)]
    popularity = random.permutation(topics), random.permutation(topics)
    share = 1.0 / np.arange(1, topics + 1) ** 0.6
    rows = []
    for place, time in enumerate(times):
        phase = int(2 * place >= events)
        topic = popularity[phase][random.choice(topics, p=share / share.sum())]
        of_topic = [query_id for query_id in asked if query_id.startswith(f"q{topic:02}")]
        rows.append(StreamEvent(time, str(random.choice(of_topic)), "ab"[phase]))
    held_out = tuple(Probe(query_id, qrels[query_id], rank_b=1) for query_id in entries if query_id not in asked)
    shift = next(place for place, row in enumerate(rows) if row.phase == "b")
    return Made(pools, Stream(tuple(rows), shift, held_out), [{number[qrels[str(query_id)]]: 1} for query_id in pools.query_ids])
