"""Which files are found, and by which URI they are known."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from atlas.documents import FoundFile, Skipped, row_source, source_uri, walk


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("words", encoding="utf-8")
    return root


def found_in(*paths: Path) -> list[str]:
    """Returns the names of the files found, below the first path."""
    return [str(found.path.relative_to(paths[0].resolve())) for found in walk(paths) if isinstance(found, FoundFile)]


def skipped_in(*paths: Path) -> dict[str, str]:
    return {skipped.path.name: skipped.reason for skipped in walk(paths) if isinstance(skipped, Skipped)}


def test_files_are_found_in_name_order_with_their_sizes(tmp_path: Path) -> None:
    tree(tmp_path, "b.md", "a/z.txt", "a/b/c.txt", "c.txt")
    found = list(walk([tmp_path]))
    assert [file.path.name for file in found] == ["c.txt", "z.txt", "b.md", "c.txt"]
    assert all(isinstance(file, FoundFile) and file.size_bytes == 5 and file.root == tmp_path.resolve() for file in found)


def test_what_tools_install_lock_hide_or_generate_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", ".venv/x.py", ".env", "node_modules/x/index.js", "__pycache__/x.pyc", "poetry.lock")
    tree(tmp_path, "package-lock.json", "x_pb2.py", "x_pb2_grpc.py", "x.min.js", "server.key", "kept.py")
    assert found_in(tmp_path) == ["kept.py"]
    assert skipped_in(tmp_path) == {}


def test_nested_ignore_files_overrule_those_above_them(tmp_path: Path) -> None:
    tree(tmp_path, "a.log", "keep.log", "sub/b.log", "sub/c.txt", "sub/deep/c.txt", "build/x.txt", "other/build")
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (tmp_path / "sub/.gitignore").write_text("!b.log\n/c.txt\n")
    assert found_in(tmp_path) == ["keep.log", "other/build", "sub/b.log", "sub/deep/c.txt"]


def test_atlasignore_overrules_gitignore_and_the_defaults(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "b.txt", ".github/flow.yml", "poetry.lock")
    (tmp_path / ".gitignore").write_text("a.txt\n")
    (tmp_path / ".atlasignore").write_text("!a.txt\nb.txt\n!.github/\n!poetry.lock\n")
    assert found_in(tmp_path) == [".github/flow.yml", "a.txt", "poetry.lock"]


@pytest.mark.parametrize("pattern", ["!", "\\", "[*-!]"])
def test_a_pattern_that_cannot_be_understood_leaves_its_folder_out(tmp_path: Path, pattern: str) -> None:
    tree(tmp_path, "a.md", "sub/b.md")
    (tmp_path / "sub/.gitignore").write_text(f"*.log\n{pattern}\n")
    assert found_in(tmp_path) == ["a.md"]
    assert "sub/.gitignore:2" in skipped_in(tmp_path)["sub"]


def test_ignore_files_of_the_enclosing_work_tree_hold_in_its_folders(tmp_path: Path) -> None:
    tree(tmp_path, ".git/HEAD", "docs/a.md", "docs/a.tmp", "out/b.md")
    (tmp_path / ".gitignore").write_text("*.tmp\nout/\n")
    assert found_in(tmp_path / "docs") == ["a.md"]
    assert found_in(tmp_path / "out") == ["b.md"], "an ignored folder that is named is wanted"


def test_a_named_file_is_found_even_where_a_rule_leaves_it_out(tmp_path: Path) -> None:
    tree(tmp_path, ".notes.md")
    found = list(walk([tmp_path / ".notes.md"]))
    assert found == [FoundFile((tmp_path / ".notes.md").resolve(), (tmp_path / ".notes.md").resolve(), 5)]


def test_a_file_that_is_named_twice_is_found_once(tmp_path: Path) -> None:
    tree(tmp_path, "a/b.md")
    assert found_in(tmp_path, tmp_path / "a", tmp_path / "a/b.md") == ["a/b.md"]


def test_dangling_links_circles_and_links_that_leave_are_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", "a.md", "sub/b.md")
    tree(tmp_path, "secret.md")
    (root / "dangling").symlink_to("nowhere")
    (root / "circle").symlink_to("circle")
    (root / "sub/up").symlink_to(root)
    (root / "alias.md").symlink_to("a.md")
    (root / "leaving.md").symlink_to(tmp_path / "secret.md")
    assert found_in(root) == ["a.md", "sub/b.md"]
    skipped = skipped_in(root)
    assert set(skipped) == {"dangling", "circle", "leaving.md"}
    assert skipped["dangling"] == "dangling link to nowhere"


def test_a_path_that_does_not_exist_is_skipped_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert skipped_in(tmp_path / "absent.md") == {"absent.md": "no such file or folder"}
    assert skipped_in(tmp_path / "link") == {"link": "dangling link"}


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert skipped_in(tmp_path) == skipped_in(tmp_path / "pipe") == {"pipe": "neither a file nor a folder"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    tree(tmp_path, "closed/a.md", "open.md")
    (tmp_path / "closed").chmod(0)
    try:
        assert found_in(tmp_path) == ["open.md"]
        assert "cannot be read" in skipped_in(tmp_path)["closed"]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_folders_may_nest_deeper_than_calls(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(1_200):
        folder = folder / "d"
        folder.mkdir()
    (folder / "a.md").write_text("words")
    try:
        assert len(found_in(tmp_path)) == 1
    finally:
        # Deeper than what pytest can remove by itself.
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_sources_are_the_same_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "docs/a.md")
    (tmp_path / "alias").symlink_to("docs")

    def sources(path: Path) -> list[str]:
        return [source_uri(found.path, root=found.root, host="box") for found in walk([path]) if isinstance(found, FoundFile)]

    expected = [f"file://box{(tmp_path / 'docs/a.md').resolve()}"]
    assert sources(tmp_path / "docs") == expected
    monkeypatch.chdir(tmp_path / "docs")
    assert sources(Path()) == sources(Path("a.md")) == sources(Path("../alias")) == expected


def test_sources_are_percent_encoded() -> None:
    path = Path("/a b/100%#?é.md")
    assert source_uri(path, root=path, host="box") == "file://box/a%20b/100%25%23%3F%C3%A9.md"
    name = Path(os.fsdecode(b"/x\xff.md"))
    assert source_uri(name, root=name, host="box") == "file://box/x%FF.md"


def test_a_given_uri_replaces_the_prefix_of_the_root() -> None:
    root = Path("/srv/docs")
    path = root / "a b.md"
    assert source_uri(path, root=root, host="box", as_uri="https://example.org/d/") == "https://example.org/d/a%20b.md"
    assert source_uri(root, root=root, host="box", as_uri="https://example.org/d/") == "https://example.org/d"
    assert source_uri(root, root=root, host="box") == "file://box/srv/docs"


def test_a_given_uri_names_a_single_file(tmp_path: Path) -> None:
    path = tree(tmp_path, "a.md") / "a.md"
    assert source_uri(path, root=path, host="box", as_uri="doc:42") == "doc:42"


def test_a_row_is_named_behind_its_file() -> None:
    assert row_source("file://box/a.jsonl", "conv-26:D1:3") == "file://box/a.jsonl#conv-26:D1:3"
    assert row_source("file://box/a.jsonl", "a b#c") == "file://box/a.jsonl#a%20b%23c"
