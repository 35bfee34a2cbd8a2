"""Maps as other programs find them."""

import csv

import numpy as np
import pytest
import tifffile

from napari_kikuchi.formats import save_map
from napari_kikuchi.opencv import cv2
from napari_kikuchi.scan import Grid, ScanError

HEXAGONAL = Grid(3, 4, hexagonal=True)


@pytest.fixture
def values():
    return HEXAGONAL.place(np.arange(10.0) / 8)


def test_a_tiff_holds_the_values_and_the_scale(tmp_path, values):
    path = save_map(tmp_path / "map.tif", values, HEXAGONAL, (0.5, 0.25))
    np.testing.assert_array_equal(tifffile.imread(path), values.astype(np.float32))
    with tifffile.TiffFile(path) as file:
        assert file.imagej_metadata["unit"] == "um"
        tags = file.pages[0].tags
        assert tags["XResolution"].value[0] / tags["XResolution"].value[1] == 2
        assert tags["YResolution"].value[0] / tags["YResolution"].value[1] == 4


def test_a_tiff_without_step_claims_none(tmp_path, values):
    with tifffile.TiffFile(save_map(tmp_path / "map.tiff", values, HEXAGONAL)) as file:
        assert "unit" not in file.imagej_metadata


def test_a_png_is_stretched_and_black_where_nothing_is(tmp_path, values):
    picture = cv2.imread(str(save_map(tmp_path / "map.png", values, HEXAGONAL)), cv2.IMREAD_UNCHANGED)
    assert (picture.dtype, picture.shape) == (np.uint8, (3, 4))
    assert picture[1, 3] == 0
    assert picture[0, 0] == 0
    assert picture[2].max() == 255
    assert np.all(np.diff(picture[np.isfinite(values)].astype(int)) > 0)


def test_a_table_has_a_line_for_each_point_with_short_rows_shifted(tmp_path, values):
    with save_map(tmp_path / "map.csv", values, HEXAGONAL, (2.0, 1.0)).open() as file:
        head, *lines = csv.reader(file)
    assert head == ["row", "column", "x in um", "y in um", "value"]
    assert len(lines) == 10
    assert lines[4] == ["1", "0", "1", "1", "0.5"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".csv"])
def test_a_map_of_nothing_is_written_all_the_same(tmp_path, suffix):
    assert save_map(tmp_path / f"map{suffix}", np.full((2, 2), np.nan), Grid(2, 2)).exists()


def test_other_names_and_existing_files_are_refused(tmp_path, values):
    with pytest.raises(ScanError, match=r"\.tif"):
        save_map(tmp_path / "map.jpg", values, HEXAGONAL)
    path = save_map(tmp_path / "map.png", values, HEXAGONAL)
    before = path.read_bytes()
    with pytest.raises(ScanError, match="exists already"):
        save_map(path, values + 1, HEXAGONAL)
    assert path.read_bytes() == before
