"""Programming languages by file name, and by the names that JSON Lines rows use."""

from __future__ import annotations

from pathlib import Path

_BY_SUFFIX = {
    ".asm": "assembly",
    ".s": "assembly",
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
    ".fish": "shell",
    ".bat": "batch",
    ".ps1": "powershell",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hpp": "cpp",
    ".hh": "cpp",
    ".cu": "cuda",
    ".cuh": "cuda",
    ".cs": "csharp",
    ".clj": "clojure",
    ".cmake": "cmake",
    ".css": "css",
    ".scss": "css",
    ".less": "css",
    ".d": "d",
    ".dart": "dart",
    ".el": "lisp",
    ".lisp": "lisp",
    ".ex": "elixir",
    ".exs": "elixir",
    ".erl": "erlang",
    ".f90": "fortran",
    ".f": "fortran",
    ".fs": "fsharp",
    ".go": "go",
    ".graphql": "graphql",
    ".groovy": "groovy",
    ".gradle": "groovy",
    ".hs": "haskell",
    ".ini": "ini",
    ".cfg": "ini",
    ".java": "java",
    ".jl": "julia",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".json": "json",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".lua": "lua",
    ".m": "objective-c",
    ".mm": "objective-c",
    ".mk": "make",
    ".ml": "ocaml",
    ".mli": "ocaml",
    ".nim": "nim",
    ".nix": "nix",
    ".php": "php",
    ".pl": "perl",
    ".pm": "perl",
    ".proto": "protobuf",
    ".py": "python",
    ".pyi": "python",
    ".pyx": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sol": "solidity",
    ".sql": "sql",
    ".svelte": "svelte",
    ".swift": "swift",
    ".tcl": "tcl",
    ".tf": "terraform",
    ".toml": "toml",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".vb": "vb",
    ".vim": "vim",
    ".vue": "vue",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".zig": "zig",
}
_BY_NAME = {"cmakelists.txt": "cmake", "dockerfile": "dockerfile", "makefile": "make", "jenkinsfile": "groovy"}
# No `ts` or `sh`: ISO 639-1 gives those codes to languages that people speak.
_OTHER_NAMES = {"bash", "c++", "c#", "f#", "golang", "js", "matlab", "objc"}
_NAMES = frozenset(_BY_SUFFIX.values()) | frozenset(_BY_NAME.values()) | _OTHER_NAMES


def language_of(path: Path) -> str:
    """Names the programming language of a file; empty where it holds none that is known by name."""
    return _BY_NAME.get(path.name.lower()) or _BY_SUFFIX.get(path.suffix.lower(), "")


def is_programming_language(name: str) -> bool:
    """Tells whether `name` is a programming language, in any case."""
    return name.lower() in _NAMES
