from pathlib import Path

import pytest

from napari_kikuchi.formats import sidecars
from napari_kikuchi.scan import ScanError


def test_what_is_there_is_copied_under_the_new_name(tmp_path):
    (tmp_path / "scan.osc").write_bytes(b"osc")
    (tmp_path / "scan.ANG").write_bytes(b"ang")
    (tmp_path / "scanner.osc").write_bytes(b"of another scan")
    found = sidecars(tmp_path / "scan.up2", tmp_path / "new.up1")
    assert found.offer == "scan.osc as new.osc, scan.ANG as new.ang"
    assert "copy scan.osc or scan.ang to new.osc or new.ang" in str(found)
    assert [path.read_bytes() for path in found.copy()] == [b"osc", b"ang"]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "scan.osc").write_bytes(b"osc")
    found = sidecars(tmp_path / "scan.up2", tmp_path / "new.up2")
    (tmp_path / "new.osc").write_bytes(b"mine")
    with pytest.raises(ScanError, match="exists already"):
        found.copy()
    assert (tmp_path / "new.osc").read_bytes() == b"mine"
    assert sidecars(tmp_path / "scan.up2", tmp_path / "new.up2").offer == ""


@pytest.mark.parametrize(
    ("source", "target"), [("scan.up1", "scan.up2"), ("images", "new.up1"), ("scan.up1", "images")]
)
def test_there_is_nothing_to_say_without_a_new_name(source, target):
    assert sidecars(Path(source), Path(target)) is None
