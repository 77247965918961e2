"""Chooses the thresholds of the usage measure, and says what they reach.

    python -m bench.fit.usage DATA_FOLDER

DATA_FOLDER holds the sets squad-dev, xquad and locomo-dev. Each answerable question is searched by words in its own set, or, where there
are domains, in its domain: the five hits that have most words of the question, the hardest ones to tell apart by words, are what an
answerer was given. Answers are built from the passage that holds the answer: the bare answer; the answer in a way of speaking; the
answer behind the words of the question; the passage's own sentence; that sentence without every third word; one sentence joined from two
and from three hits. Two more must not count for any hit: a sentence of a passage that was not given, and a refusal. A hit is used if the
answer was built from it and unused otherwise; another hit that holds the same answer word for word is counted as neither.

The odd-numbered questions choose: the most evidence at a precision of at least 95 % for either verdict, in every set and language. The
even-numbered ones check. The command prints the constants for `gateway/learning/usage.py` and a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from atlas.lexicon import stop_words
from gateway.learning.usage import Hit, SentenceSupport, UsageRule, sentences_of, supported

from .offline import LexicalIndex
from .sets import Passage, Query, read_set

HIT_COUNT = 5
"""Hits that an answerer is given: the gateway's default."""
FOUND_COUNT = 20
"""Hits of a search; the last one stands for a passage that was not given."""
QUESTION_COUNT = 400
"""Questions of a set and language, evenly spread over its file."""
PRECISION = 0.95
"""Least precision of a verdict, in every set and language."""
SPEAKING = {
    "en": "According to the documents, the answer is {}.",
    "es": "Según los documentos, la respuesta es {}.",
    "de": "Laut den Dokumenten lautet die Antwort {}.",
    "zh": "根据文件，答案是{}。",
}
REFUSAL = {
    "en": "I am sorry, but I could not find anything about that in the documents that I was given.",
    "es": "Lo siento, pero no he podido encontrar nada sobre eso en los documentos que tengo.",
    "de": "Es tut mir leid, aber dazu konnte ich in den vorliegenden Dokumenten nichts finden.",
    "zh": "很抱歉，我在提供的文件中没有找到相关的内容。",
}
OVERLAPS = tuple(round(0.05 * step, 2) for step in range(21))
WEIGHTS = (0.8, 1.3, 2.0, 2.5, 3.0)
USED_WORDS = (3, 4, 5, 6, 8, 99)
UNUSED_WORDS = (0, 1, 2, 3)
NEVER = 99
"""So many words of its own no hit has in a sentence."""
SHARES = (0.3, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Case:
    """An answer, and what is known about where it came from."""

    group: str
    """Set and language."""
    kind: str
    """How the answer was made."""
    odd: bool
    """Whether it chooses or checks."""
    supports: tuple[SentenceSupport, ...]
    used: tuple[bool | None, ...]
    """Whether it was built from each hit; None where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Table:
    """One row for each hit of each answer."""

    groups: NDArray[np.str_]
    kinds: NDArray[np.str_]
    odd: NDArray[np.bool_]
    used: NDArray[np.bool_]
    overlaps: NDArray[np.float64]
    """NaN where no sentence of the answer tells anything."""
    own_words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reached:
    """What a verdict reaches."""

    precision: float
    recall: float
    count: int
    """Verdicts."""


def answers(query: Query, answer: str, passage: str, language: str) -> Iterator[tuple[str, str]]:
    """Makes answers from the passage that holds the answer: kind and text."""
    sentence = next((one for one in sentences_of(passage) if answer in one), "")
    yield "bare", answer
    yield "spoken", SPEAKING[language].format(answer)
    yield "restated", f"{query.text.rstrip('?？ ¿')}: {answer}."
    if sentence:
        yield "quoted", sentence
        yield "shortened", shortened(sentence, language)


def shortened(sentence: str, language: str) -> str:
    """Drops every third word that says something, as an answerer in its own words would."""
    if language == "zh":
        return "".join(character for place, character in enumerate(sentence) if place % 9 < 6)
    kept, telling = [], 0
    for word in sentence.split():
        telling += word.casefold().strip(".,;:()") not in stop_words(language)
        if telling % 3 or word.casefold() in stop_words(language):
            kept.append(word)
    return " ".join(kept)


def cases(folder: Path) -> Iterator[Case]:
    """Searches the questions of a set and makes answers of each."""
    data = read_set(folder)
    wanted = {row["id"]: row.get("answer") or "" for row in map(json.loads, (folder / "queries.jsonl").read_text("utf-8").splitlines())}
    index, domains = LexicalIndex(data.passages), np.array([one.domain for one in data.passages])
    by_id = {passage.passage_id: passage for passage in data.passages}
    for language, queries in _by_language(folder.name, data.queries, wanted).items():
        group = f"{folder.name} {language}"
        for number, query in enumerate(tqdm(queries, group)):
            scores, _ = index.search(query.text)
            own = np.full(len(domains), folder.name == "squad-dev") | (domains == query.domain)
            found = [data.passages[int(row)].passage_id for row in np.argsort(-np.where(own, scores, -1.0), kind="stable")[:FOUND_COUNT]]
            gold = [one for one in query.relevant if by_id[one].domain == query.domain or folder.name == "squad-dev"]
            yield from _of_question(group, language, query, wanted[query.query_id], found, gold, by_id, odd=number % 2 == 0)


def _by_language(name: str, queries: Sequence[Query], wanted: Mapping[str, str]) -> dict[str, list[Query]]:
    languages: dict[str, list[Query]] = {}
    for query in queries:
        if wanted.get(query.query_id) and query.relevant:
            languages.setdefault(query.domain if name == "xquad" else "en", []).append(query)
    return {
        language: [own[int(place)] for place in np.linspace(0, len(own) - 1, min(QUESTION_COUNT, len(own)))]
        for language, own in languages.items()
    }


def _of_question(
    group: str,
    language: str,
    query: Query,
    answer: str,
    found: Sequence[str],
    gold: Sequence[str],
    by_id: Mapping[str, Passage],
    *,
    odd: bool,
) -> Iterator[Case]:
    given = found[:HIT_COUNT]
    hits = [Hit.of(one, by_id[one].text, language) for one in given]
    source = next((one for one in gold if answer in by_id[one].text), next(iter(gold), ""))
    if not source or len(hits) < HIT_COUNT:
        return
    made = answers(query, answer, by_id[source].text, language) if answer in by_id[source].text else _of_message(answer, by_id[source].text)
    for kind, text in made:
        used = tuple(True if one == source else (None if answer in by_id[one].text or one in gold else False) for one in given)
        yield Case(group, kind, odd, tuple(supported(text, query.text, hits)), used)
    quote = next((one for one in sentences_of(by_id[source].text) if answer in one), by_id[source].text)
    for count in (2, 3):
        parts = [source, *(one for one in given if one != source)][:count]
        text = "; ".join([quote, *(longest_sentence(by_id[one].text) for one in parts[1:])])
        yield Case(group, f"of {count}", odd, tuple(supported(text, query.text, hits)), tuple(one in parts for one in given))
    stranger = longest_sentence(by_id[found[-1]].text)
    none = (False,) * len(given)
    yield Case(group, "stranger", odd, tuple(supported(stranger, query.text, hits)), none)
    yield Case(group, "refusal", odd, tuple(supported(REFUSAL[language], query.text, hits)), none)


def longest_sentence(text: str) -> str:
    """Returns the sentence that says most."""
    return max(sentences_of(text), key=len)


def _of_message(answer: str, message: str) -> Iterator[tuple[str, str]]:
    # The reference answers of a conversation are not in its words: the message itself, without its speaker, is what an answer would quote.
    said = message.partition(": ")[2]
    yield "quoted", said
    yield "shortened", shortened(said, "en")
    yield "reworded", f"{answer}."


def table(found: Sequence[Case], *, told_weight: float, told_share: float) -> Table:
    """Reads the cases with two of the thresholds."""
    rows = [
        (
            case.group,
            case.kind,
            case.odd,
            used,
            max((one.overlaps[place] for one in telling), default=np.nan),
            max((one.own_words[place] for one in telling), default=0),
        )
        for case in found
        for telling in [[one for one in case.supports if one.weight >= told_weight and one.share >= told_share]]
        for place, used in enumerate(case.used)
        if used is not None
    ]
    groups, kinds, odd, used, overlaps, own_words = zip(*rows, strict=True)
    return Table(np.array(groups), np.array(kinds), np.array(odd), np.array(used), np.array(overlaps, np.float64), np.array(own_words))


def reached(said: NDArray[np.bool_], right: NDArray[np.bool_]) -> Reached:
    """Precision and recall of a verdict over some rows."""
    hit, count = float((said & right).sum()), int(said.sum())
    return Reached(hit / count if count else 1.0, hit / max(1.0, float(right.sum())), count)


def said_used(given: Table, overlap: float, words: int) -> NDArray[np.bool_]:
    """Rows that are called USED."""
    return (np.nan_to_num(given.overlaps, nan=-1.0) >= overlap) | (given.own_words >= words)


def said_unused(given: Table, overlap: float, words: int) -> NDArray[np.bool_]:
    """Rows that are called UNUSED."""
    return (np.nan_to_num(given.overlaps, nan=2.0) <= overlap) & (given.own_words <= words)


def chosen(found: Sequence[Case]) -> UsageRule:
    """Chooses the thresholds on the odd-numbered questions: the most recall at the precision, each set and language counting the same."""
    best, best_gain = UsageRule(1.0, NEVER, 0.0, 0, WEIGHTS[-1], SHARES[-1]), -1.0
    for told_weight, told_share in tqdm(list(itertools.product(WEIGHTS, SHARES)), "thresholds"):
        given = table(found, told_weight=told_weight, told_share=told_share)
        groups = [given.odd & (given.groups == group) for group in sorted(set(given.groups))]
        used, used_gain = _most(given, groups, itertools.product(OVERLAPS[11:], USED_WORDS), said_used, given.used)
        unused, unused_gain = _most(given, groups, itertools.product(OVERLAPS[:10], UNUSED_WORDS), said_unused, ~given.used)
        if used is not None and unused is not None and used_gain + unused_gain > best_gain:
            best, best_gain = UsageRule(*used, *unused, told_weight, told_share), used_gain + unused_gain
    return best


def _most(
    given: Table,
    groups: Sequence[NDArray[np.bool_]],
    thresholds: Iterable[tuple[float, int]],
    said: Callable[[Table, float, int], NDArray[np.bool_]],
    right: NDArray[np.bool_],
) -> tuple[tuple[float, int] | None, float]:
    best: tuple[float, int] | None = None
    best_recall = -1.0
    for overlap, words in thresholds:
        verdicts = said(given, overlap, words)
        results = [reached(verdicts[rows], right[rows]) for rows in groups]
        recall = float(np.mean([one.recall for one in results]))
        if recall > best_recall and all(one.precision >= PRECISION for one in results):
            best, best_recall = (overlap, words), recall
    return best, best_recall


def report(found: Sequence[Case], rule: UsageRule) -> None:
    """Prints what the thresholds reach on the even-numbered questions."""
    given = table(found, told_weight=rule.told_weight, told_share=rule.told_share)
    print(rule)
    head = ("set, language", "answer", "hits", "used", "USED precision", "recall", "UNUSED precision", "recall")
    print("{:24} {:10} {:>6} {:>6}  {:>14} {:>7}  {:>16} {:>7}".format(*head))
    for group in sorted(set(given.groups)):
        for kind in ("all", *sorted(set(given.kinds[given.groups == group]))):
            rows = ~given.odd & (given.groups == group) & ((given.kinds == kind) | (kind == "all"))
            used = reached(said_used(given, rule.used_overlap, rule.used_words)[rows], given.used[rows])
            unused = reached(said_unused(given, rule.unused_overlap, rule.unused_words)[rows], ~given.used[rows])
            print(
                f"{group:24} {kind:10} {int(rows.sum()):6} {given.used[rows].mean():6.2f}  {used.precision:14.3f} {used.recall:7.3f}"
                f"  {unused.precision:16.3f} {unused.recall:7.3f}   ({used.count} USED)"
            )


def main() -> None:
    """Prints the constants and their check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder per set")
    data: Path = parser.parse_args().data
    found = [case for name in ("squad-dev", "xquad", "locomo-dev") for case in cases(data / name)]
    report(found, chosen(found))


if __name__ == "__main__":
    main()
