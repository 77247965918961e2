"""How results look: text for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atlas.client import Explanation, Hit, Memory, SalienceWrite, SearchPool, SearchResult, SearchResults, SearchSummary
from atlas.errors import AtlasError, DeadlineError, DependencyDownError

console = Console(highlight=False, soft_wrap=False)
_SIGNS = {"similarity": "similarity", "lexical": "words", "late_interaction": "late interaction", "cross_encoder": "cross-encoder"}


def print_json(value: object) -> None:
    """Prints a value of the client as one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2).decode() + "\n")


def print_json_line(value: object) -> None:
    """Prints a value of the client as one line of JSON, at once."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=_plain).decode() + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """Prints why something failed, on standard error."""
    sys.stderr.write(f"atlas: {text}\n")


def print_failure(error: AtlasError, *, server: str | None, timeout_s: float | None, as_json: bool) -> None:
    """Prints why a verb failed, in one line on standard error; with `as_json` also as `{"error": …}` on standard output."""
    match error:
        case AtlasError(reason="EMBEDDER_AWAY"):
            # The services run; another address, or another embedder, is needed.
            print_error(error.message)
        case DependencyDownError():
            away = f"{error.message} (asked {server}; `atlas up` starts the services, `atlas status` shows them)"
            print_error(away if server else error.message)
        case DeadlineError() if timeout_s is not None:
            print_error(f"{error.message} (--timeout gives more than {timeout_s:g} s)")
        case _:
            print_error(error.message)
    if as_json:
        print_json({"error": error})


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Prints a table; columns named in `right` are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)


def print_search(result: SearchResult, *, explain: bool) -> None:
    """Prints an answer: hits, what was degraded, and where the time went."""
    print_results(result, explain=explain)
    print_summary(result, search_id=result.search_id, hits=result.hits)


def print_pool(pool: SearchPool) -> None:
    """Prints the first step of an answer, a line for each hit."""
    console.print(f"[dim]the best of {pool.candidate_count} candidates, before they are read:[/]")
    for hit in pool.hits:
        words = " ".join(hit.snippet.split())
        console.print(f"[dim]{hit.rank:>2}  {escape(memory_line(hit.memory))}  {escape(words)}[/]", no_wrap=True, overflow="ellipsis")
    console.print()
    console.file.flush()


def print_results(result: SearchResult | SearchResults, *, explain: bool) -> None:
    """Prints hits, and what was degraded."""
    for hit in result.hits:
        _print_hit(hit, explain=explain)
    if not result.hits:
        console.print("No results.")
    for degradation in result.degraded:
        console.print(f"[yellow]degraded[/] {escape(degradation.stage)}: {escape(degradation.reason)} {escape(degradation.message)}")
    for notice in result.notices:
        console.print(f"[yellow]note[/] {escape(notice.message)} ({escape(notice.code)})")


def print_summary(result: SearchResult | SearchSummary, *, search_id: str, hits: Sequence[Hit]) -> None:
    """Prints where the time went, what was written back, and how to say what a hit was worth."""
    stages = ", ".join(f"{stage.stage} {stage.total_ms:.1f}" for stage in result.stages)
    console.print(
        f"[dim]{result.candidate_count} candidates in {result.total_ms:.1f} ms ({stages}, unaccounted {result.unaccounted_ms:.1f})[/]"
    )
    console.print(f"[dim]search {escape(search_id)}; {escape(_written(result.salience_write))}[/]")
    if hits:
        say = f"atlas feedback {search_id} {hits[0].memory.memory_id} used|helpful|wrong"
        console.print(f"[dim]was it worth finding?  {escape(say)}[/]", soft_wrap=True)


def memory_line(memory: Memory) -> str:
    """Says where a memory comes from, in one line."""
    parts = [
        memory.source or memory.memory_id,
        memory.title,
        memory.speaker,
        memory.event_time.date().isoformat() if memory.event_time else "",
    ]
    return "  ".join(part for part in parts if part)


def _print_hit(hit: Hit, *, explain: bool) -> None:
    relevance = f"{hit.relevance:.2f}" if hit.relevance is not None else "  - "
    console.print(f"[bold]{hit.rank:>2}[/]  relevance [bold]{relevance}[/]  [cyan]{escape(memory_line(hit.memory))}[/]")
    for line in hit.snippet.strip().splitlines():
        console.print(f"      {escape(line)}")
    signs = "  ".join(
        f"{_SIGNS.get(item.kind, item.kind)} {item.value:.3f}{f' (#{item.rank})' if item.rank else ''}" for item in hit.evidence
    )
    salience = f"  salience {hit.salience:.3f}" if hit.salience is not None else ""
    console.print(f"      [dim]{escape(signs)}{salience}  {hit.memory.memory_id}[/]")
    if explain and hit.explanation is not None:
        why = hit.explanation
        final = f"final {why.final_score:.3f} x {why.logits_per_unit:.2f} logits" if why.final_score is not None else "not reranked"
        lexical = f", lexical strength {why.lexical_strength:.3f}" if why.lexical_strength is not None else ""
        console.print(
            f"      [dim]{_pool(hit, why)} #{why.pool_rank} ({why.pool_score:.3f}{lexical}), fragmentation {why.query_fragmentation:.2f};"
            f" {final} + salience {why.salience_logits:+.2f}[/]"
        )
        if why.outside_log_odds is not None and why.salience_log_odds is not None:
            before = f"without salience #{hit.rank_before_salience}" if hit.rank_before_salience else "without salience not there"
            console.print(
                f"      [dim]log-odds {why.salience_log_odds:+.3f}, of which from outside {why.outside_log_odds:+.3f}; x {why.influence:g},"
                f" at most {why.influence * why.log_odds_limit:g} logits; {before}[/]"
            )
    console.print()


def _pool(hit: Hit, why: Explanation) -> str:
    match hit.pool:
        case "extended":
            return "brought in by salience, pool"
        case "explore":
            return f"brought in by chance ({why.propensity:.3f}), pool"
        case _:
            return "pool"


def _written(write: SalienceWrite) -> str:
    if write.error is not None:
        return f"no evidence written: {write.error.message}"
    if write.skipped_reason:
        return f"no evidence written ({write.skipped_reason})"
    return f"evidence written: {write.accepted_count} new, {write.duplicate_count} known, {write.rejected_count} refused"


def _plain(value: object) -> Any:
    if isinstance(value, AtlasError):
        return {
            "reason": value.reason,
            "message": value.message,
            "field": value.field,
            "values": {k: str(v) for k, v in value.values.items()},
        }
    raise NotImplementedError(f"no JSON form for {type(value).__name__}")
