"""The page docs/quality.md, whose sections the benchmarks write."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PAGE", "write_section"]

PAGE = Path(__file__).parent.parent / "docs" / "quality.md"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put a section between its markers, in place of what stands there; at the end where there are none."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    head, tail = (head, rest.partition(end)[2]) if found else (f"{head.rstrip()}\n\n", "\n")
    page.write_text(f"{head}{begin}\n{text.rstrip()}\n{end}{tail}", encoding="utf-8")
