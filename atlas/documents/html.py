"""The readable text of a web page: headings as `# ` lines, a blank line between blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

# fmt: off
_DROPPED = frozenset((
    "script", "style", "noscript", "template", "iframe", "svg", "math", "object", "canvas", "head", "nav", "footer",
    "button", "select", "dialog",
))
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "details", "div", "dl", "fieldset", "figcaption",
    "figure", "form", "header", "hr", "main", "ol", "p", "section", "summary", "table", "tbody", "tfoot", "thead", "ul",
))
# fmt: on
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# Items of a list and rows of a table belong together: they take a line each and no blank line.
_LINES = frozenset(("li", "tr", "dt", "dd"))
_CELLS = frozenset(("td", "th"))
_SPACE = re.compile(r"\s+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class HtmlText:
    """What a page says."""

    text: str
    """Blocks with a blank line between."""
    title: str
    """From `<title>`, else the first heading of level 1; may be empty."""
    language: str
    """From the `lang` attribute of the page, such as `en`; may be empty."""


def read_html(markup: str) -> HtmlText:
    """Extracts the readable text; never fails, whatever the markup."""
    tree = LexborHTMLParser(_SURROGATES.sub("\ufffd", markup))
    writer = _Writer()
    if tree.body is not None:
        _write(tree.body, writer)
    heading = tree.css_first("h1")
    named = tree.css_first("title") or heading
    language = (tree.root.attributes.get("lang") or "") if tree.root is not None else ""
    return HtmlText(writer.text(), _SPACE.sub(" ", named.text()).strip() if named else "", language.split("-")[0].lower())


@dataclass(slots=True)
class _Writer:
    """Collects words into lines, and lines into blocks."""

    lines: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    pre_depth: int = 0

    def add(self, text: str) -> None:
        """Adds running text."""
        self.words.append(text)

    def end_line(self) -> None:
        """Ends a line, if it holds a word."""
        line = _SPACE.sub(" ", "".join(self.words)).strip()
        self.words.clear()
        if line.strip("#- |"):
            self.lines.append(line)

    def end_block(self) -> None:
        """Ends a line, and the block with it."""
        self.end_line()
        self._blank_line()

    def end_pre(self) -> None:
        """Ends text that is shown as it stands; a fence keeps its blank lines together."""
        code = "".join(self.words).strip("\n").rstrip()
        self.words.clear()
        if code.strip():
            fence = "~~~" if "```" in code else "```"
            self.lines.extend((fence, code, fence))
            self._blank_line()

    def text(self) -> str:
        """Returns everything written."""
        self.end_line()
        return "\n".join(self.lines).strip("\n")

    def _blank_line(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")


def _write(body: LexborNode, writer: _Writer) -> None:
    for node, entering in _events(body):
        tag = node.tag or ""
        if node.is_text_node:
            writer.add(node.text_content or "")
        elif tag == "pre":
            _write_pre(writer, entering=entering)
        elif writer.pre_depth:
            if tag == "br" or (tag in _BLOCKS and not entering):
                writer.add("\n")
        else:
            _write_tag(node, tag, writer, entering=entering)


def _write_pre(writer: _Writer, *, entering: bool) -> None:
    if entering and not writer.pre_depth:
        writer.end_block()
    writer.pre_depth += 1 if entering else -1
    if not writer.pre_depth:
        writer.end_pre()


def _write_tag(node: LexborNode, tag: str, writer: _Writer, *, entering: bool) -> None:
    if tag == "br":
        writer.end_line()
    elif tag in _HEADINGS:
        writer.end_block()
        if entering:
            writer.add("#" * _HEADINGS[tag] + " ")
    elif tag in _LINES:
        writer.end_line()
        if entering and tag == "li":
            writer.add("- ")
    elif tag in _CELLS:
        if entering and writer.words:
            writer.add(" | ")
    elif tag in _BLOCKS:
        parent = node.parent
        # A paragraph in a list item or cell, as loose lists have them, goes on in its line.
        if parent is not None and parent.tag in _LINES | _CELLS:
            writer.add(" ")
        else:
            writer.end_block()


def _events(top: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Yields (node, entering) in document order, without recursion: pages may nest deeper than Python calls."""
    node: LexborNode | None = top
    stack: list[LexborNode] = []
    while node is not None or stack:
        if node is None:
            node = stack.pop()
            yield node, False
            node = node.next if stack else None
        elif node.is_text_node:
            yield node, True
            node = node.next
        elif not node.is_element_node or node.tag in _DROPPED:
            node = node.next
        else:
            yield node, True
            stack.append(node)
            node = node.first_child
