"""Cuts a unit that is too long into slices that overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .pieces import PieceMap, Span


@dataclass(frozen=True, slots=True)
class SliceRule:
    """How long slices are, in word pieces."""

    max_pieces: int
    """No slice holds more."""
    overlap_pieces: int
    """What a slice repeats of the one before it, at most."""

    def target(self, piece_count: int) -> int:
        """Says how long the next slice of so many remaining pieces should be, so that all come out about equal."""
        if piece_count <= self.max_pieces:
            return piece_count
        later_count = -(-(piece_count - self.max_pieces) // (self.max_pieces - self.overlap_pieces))
        return -(-(piece_count + later_count * self.overlap_pieces) // (later_count + 1))


def slices(pieces: PieceMap, unit: Span, ends: Sequence[int], restarts: Sequence[int], rule: SliceRule) -> Iterator[Span]:
    """Cuts `unit` at the best of the rising offsets `ends`, or inside of them where nothing else fits.

    Each slice ends where its length is nearest to an even share; the next one begins up to `overlap_pieces` earlier,
    at one of the rising offsets `restarts` if one is near enough, else at a word.
    """
    ends = list(_fine_ends(pieces, unit.begin, ends, rule.max_pieces))
    begin, covered = unit.begin, 0
    while True:
        target = rule.target(pieces.count(begin, unit.end))
        last = covered
        best, best_distance = covered, abs(pieces.count(begin, ends[covered]) - target)
        while last + 1 < len(ends) and (length := pieces.count(begin, ends[last + 1])) <= rule.max_pieces:
            last += 1
            if abs(length - target) <= best_distance:
                best, best_distance = last, abs(length - target)
        yield Span(begin, ends[best])
        covered = best + 1
        if covered == len(ends):
            return
        room = min(rule.overlap_pieces, rule.max_pieces - pieces.count(ends[best], ends[covered]))
        begin = _next_begin(pieces, Span(begin, ends[best]), restarts, room)


def _next_begin(pieces: PieceMap, previous: Span, restarts: Sequence[int], room: int) -> int:
    """Finds where the slice behind `previous` begins when it may repeat `room` pieces."""
    behind = bisect_right(pieces.ends, previous.end)
    # The piece that ends at `earliest` stays outside, the `room` pieces behind it come in.
    earliest = max(previous.begin + 1, pieces.ends[behind - room - 1] if behind > room else 0)
    place = bisect_left(restarts, earliest)
    if place < len(restarts) and restarts[place] < previous.end:
        return restarts[place]
    for end in pieces.ends[bisect_left(pieces.ends, earliest) : behind]:
        if end < previous.end and pieces.text[end].isspace():
            return end
    return previous.end


def _fine_ends(pieces: PieceMap, begin: int, ends: Sequence[int], max_pieces: int) -> Iterator[int]:
    """Yields `ends` with more between them, so that no stretch holds more than `max_pieces`."""
    for end in ends:
        while pieces.count(begin, end) > max_pieces:
            begin = _inner_end(pieces, begin, max_pieces)
            yield begin
        yield end
        begin = end


def _inner_end(pieces: PieceMap, begin: int, max_pieces: int) -> int:
    """Finds the best place to cut after at most `max_pieces`: the end of a line, of a word, before a sign, or anywhere."""
    first = bisect_right(pieces.ends, begin)
    last = first + max_pieces - 1
    while last > first and pieces.ends[last] == pieces.ends[last + 1]:
        last -= 1  # pieces of one character stay together
    candidates = pieces.ends[(first + last) // 2 : last + 1][::-1]
    return max(candidates, key=lambda end: _cut_rank(pieces.text, end))


def _cut_rank(text: str, end: int) -> int:
    before, after = text[end - 1], text[end : end + 1]
    if after in ("\r", "\n"):
        return 3
    if after.isspace():
        return 2
    return 0 if before.isalnum() and after.isalnum() else 1
