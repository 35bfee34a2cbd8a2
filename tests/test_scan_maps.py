"""Maps of whole scans, and maps that grow."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_kikuchi as nk
from napari_kikuchi.processing.maps import Region
from napari_kikuchi.scan import Grid, Scan, ScanError
from napari_kikuchi.scan_maps import FIRST, GrowingMap, is_on_demand, map_of, spread_points


def numbered(n):
    """Patterns whose mean intensity is their number."""
    return np.broadcast_to(np.arange(n, dtype=np.uint16)[:, None, None], (n, 2, 2))


@st.composite
def scans(draw):
    hexagonal = draw(st.booleans())
    grid = Grid(draw(st.integers(1, 50)), draw(st.integers(2, 50)), hexagonal, hexagonal and draw(st.booleans()))
    return Scan(numbered(draw(st.integers(1, grid.size))), grid)


@given(scans())
def test_a_map_that_has_grown_is_the_map(scan):
    growing = GrowingMap(scan, "mean-intensity", Region())
    seen = list(growing.grow())
    assert seen == sorted(set(seen))
    assert growing.whole
    expected = map_of(scan, "mean-intensity")
    np.testing.assert_array_equal(growing.values, expected)
    np.testing.assert_array_equal(growing.picture, expected)
    np.testing.assert_array_equal(expected, scan.grid.place(np.arange(scan.n)))


@given(scans(), st.integers(1, 40))
def test_it_can_be_stopped_and_goes_on(scan, batch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_kikuchi.scan_maps.BATCH_PIXELS", 4 * batch)
        growing = GrowingMap(scan, "mean-intensity", Region())
        first = growing.grow()
        next(first)
        first.close()
        assert growing.known == np.isfinite(growing.values).sum() <= max(batch, 1)
        list(growing.grow())
    np.testing.assert_array_equal(growing.values, map_of(scan, "mean-intensity"))


@pytest.mark.parametrize("grid", [Grid(300, 400), Grid(300, 400, hexagonal=True), Grid(3, 40_000)])
def test_the_first_sample_is_small_and_covers_the_map(grid, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.BATCH_PIXELS", 4 * FIRST)
    growing = GrowingMap(Scan(numbered(grid.size), grid), "mean-intensity", Region())
    known = next(growing.grow())
    assert known <= FIRST
    inside = np.isfinite(grid.place(np.zeros(grid.size)))
    assert np.isfinite(growing.picture[inside]).mean() > 0.95
    assert not np.isfinite(growing.picture[~inside]).any()


@pytest.mark.parametrize("chunks", [1, 7, 100])
def test_a_chunk_of_a_lazy_scan_is_computed_once(chunks):
    computed = []

    def count(block):
        computed.append(len(block))
        return block

    lazy = da.from_array(numbered(60), chunks=(chunks, 2, 2)).map_blocks(count, meta=np.empty((0, 0, 0), np.uint16))
    growing = GrowingMap(Scan(lazy, Grid(6, 10)), "mean-intensity", Region())
    list(growing.grow())
    assert sum(computed) == 60
    np.testing.assert_array_equal(growing.values.ravel(), np.arange(60))


def on_demand(n, chunk):
    lazy = da.from_array(numbered(n), chunks=(chunk, 2, 2))
    return Scan(lazy, Grid(n // 10, 10), recipe="something was done")


def test_what_is_computed_on_demand_is_sampled_until_asked_for(monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.ON_DEMAND", 50)
    growing = GrowingMap(on_demand(400, 20), "mean-intensity", Region())
    list(growing.grow())
    assert (growing.known, growing.sampled, growing.whole) == (60, 50, False)
    assert list(growing.grow()) == []
    rows = np.flatnonzero(np.isfinite(growing.values).all(axis=1))
    assert np.ptp(rows) > 20
    list(growing.grow(beyond_sample=True))
    np.testing.assert_array_equal(growing.values.ravel(), np.arange(400))


def test_of_a_lazy_scan_few_patterns_are_computed_for_a_sample_and_all_when_asked_for(nickel, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.scan_maps.ON_DEMAND", 9)
    computed = []
    patterns = np.concatenate([nickel] * 40)[:, :16, :16]
    scan = Scan(patterns, Grid(18, 20))
    monkeypatch.setattr(
        "napari_kikuchi.recipe.Recipe.__call__", lambda recipe, block, patch=None: computed.append(len(block)) or block
    )
    lazy = nk.apply(scan, nk.Recipe([nk.Clahe()], output="keep"))
    monkeypatch.setattr("napari_kikuchi.scan_maps.FIRST", 9)
    growing = GrowingMap(lazy, "mean-intensity", Region())
    list(growing.grow())
    assert sum(computed) == growing.known
    assert growing.known < 30
    assert np.isfinite(growing.picture).all()
    list(growing.grow(beyond_sample=True))
    np.testing.assert_allclose(growing.values, map_of(lazy, "mean-intensity"))


def test_points_are_spread_but_over_few_chunks_where_these_cost_something():
    grid = Grid(40, 10)
    assert spread_points(Scan(numbered(400), grid), 5).tolist() == [0, 100, 200, 299, 399]
    lazy = on_demand(400, 20)
    assert is_on_demand(lazy)
    points = spread_points(lazy, 12)
    assert len(points) == 12
    assert len(set(points // 20)) == 4
    assert spread_points(Scan(numbered(3), Grid(1, 3)), 12).tolist() == [0, 1, 2]


def test_without_a_map_it_says_so(nickel):
    with pytest.raises(ScanError, match="rows and columns"):
        nk.map_of(Scan(nickel))
    with pytest.raises(ScanError, match="rows and columns"):
        GrowingMap(Scan(nickel), "image-quality", Region())


def test_progress_is_told_and_regions_are_taken_as_numbers(nickel_up2):
    told = []
    scan = nk.open_scan(nickel_up2)
    found = nk.map_of(scan, "virtual-backscatter", region=(0, 0, 1, 1), progress=lambda *done: told.append(done))
    assert told[-1] == (9, 9)
    np.testing.assert_allclose(found, nk.map_of(scan, "mean-intensity"))
