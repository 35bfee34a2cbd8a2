"""Every Python example in the README and the documentation runs, in order, on a real scan."""

import re
from pathlib import Path

import napari
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if EXAMPLE.search(page.read_text())], ids=lambda page: page.name
)
def test_examples_run(page, nickel_up2, tmp_path, monkeypatch, make_napari_viewer):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(napari, "Viewer", make_napari_viewer)
    nickel_up2.rename(tmp_path / "scan.up2")
    names = {}
    for example in EXAMPLE.findall(page.read_text()):
        exec(compile(example, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
