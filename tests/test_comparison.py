"""Two scans of the same points, in figures."""

import dask.array as da
import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.comparison import compare_patterns, points_to_compare
from napari_kikuchi.processing.quality import FIGURES, correlation, image_quality
from napari_kikuchi.scan import Grid, Scan, ScanError


@pytest.fixture
def raw(nickel_up2):
    return nk.open_scan(nickel_up2)


def test_figures_are_those_of_the_patterns_of_both(raw):
    made = nk.clahe(raw)
    points = np.array([0, 3, 4, 8])
    *_, found = compare_patterns(raw, made, points)
    patterns = np.asarray(made.patterns)[points]
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_allclose(found.first["image quality Q"], image_quality(raw.patterns[points]))
    np.testing.assert_allclose(found.second["image quality Q"], image_quality(patterns))
    np.testing.assert_allclose(found.correlation, correlation(raw.patterns[points], patterns))


def test_it_grows_batch_by_batch(raw, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.BATCH_PIXELS", 2 * 60 * 60)
    sizes = [len(found.points) for found in compare_patterns(raw, raw, np.arange(5))]
    assert sizes == [2, 4, 5]


def test_a_chunk_is_computed_once():
    computed = []

    def count(block):
        computed.append(len(block))
        return block

    patterns = np.random.default_rng(0).integers(0, 99, (40, 16, 16)).astype(np.uint8)
    lazy = da.from_array(patterns, chunks=(10, 16, 16)).map_blocks(count, meta=np.empty((0, 0, 0), np.uint8))
    first, second = Scan(patterns, Grid(4, 10)), Scan(lazy, Grid(4, 10), recipe="something was done")
    points = points_to_compare(first, second, 8)
    *_, found = compare_patterns(first, second, points)
    assert sum(computed) == 40
    assert len(found.points) == 8
    np.testing.assert_array_equal(found.first["noise share"], found.second["noise share"])


def test_the_table_has_a_line_for_each_pattern(raw):
    *_, found = compare_patterns(raw, raw, np.array([1, 5]))
    head, *lines = found.table(raw.grid)
    assert head[:4] == ["pattern", "row", "column", "image quality Q, A"]
    assert len(head) == 4 + 2 * len(FIGURES)
    assert [line[:3] for line in lines] == [["1", "0", "1"], ["5", "1", "2"]]
    assert all(len(line) == len(head) for line in lines)
    assert found.table(None)[0][:2] == ["pattern", "image quality Q, A"]


def test_scans_of_other_points_are_refused(raw, nickel):
    with pytest.raises(ScanError, match=r"9 patterns of 60x60 pixels, the other 4 patterns"):
        next(compare_patterns(raw, Scan(nickel[:4]), np.array([0])))
