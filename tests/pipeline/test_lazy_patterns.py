"""Patterns that are computed when they are looked at, and only those."""

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_kikuchi as nk
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.pipeline import blocks, lazy_patterns

RECIPES = [
    nk.Recipe([nk.Clahe(2.0, (4, 4))]),
    nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage(), nk.DynamicBackground()]),
    nk.Recipe([nk.NeighbourAverage(5, "similar"), nk.Clahe()], mask=nk.CircularMask(radius=0.4)),
]
SHAPE = (9, 7)


class Counted:
    """Patterns of a map that remember which of them were read."""

    def __init__(self, patterns):
        self.patterns, self.read = patterns, []
        self.shape, self.ndim, self.dtype = patterns.shape, patterns.ndim, patterns.dtype

    def __getitem__(self, index):
        self.read.extend(np.arange(len(self.patterns))[index].ravel().tolist())
        return self.patterns[index]


def noisy():
    y, x = np.mgrid[:16, :20]
    return np.random.default_rng(3).poisson(60 + 3 * x + 2 * y, (63, 16, 20)).astype(np.uint8)


@pytest.fixture(scope="module")
def large_map():
    return nk.Scan(noisy(), nk.Grid(*SHAPE))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 10 * 16 * 20)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_lazy_scan_is_what_applying_the_recipe_gives(large_map, recipe, small_blocks, tmp_path):
    whole = nk.apply(large_map.as_map(), recipe)
    lazy = nk.lazy(large_map, recipe)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (large_map.patterns.shape, large_map.pixel_type)
    np.testing.assert_array_equal(np.asarray(lazy).reshape(whole.shape), whole)
    np.testing.assert_array_equal(lazy.reshape(whole.shape), whole)
    np.testing.assert_array_equal(lazy.astype(float).mean(axis=(1, 2)).reshape(SHAPE), whole.mean(axis=(2, 3)))
    scan = large_map.with_patterns(lazy)
    np.testing.assert_array_equal(scan.as_map(), whole)
    target = nk.save_scan(tmp_path / "lazy.up1", scan)
    np.testing.assert_array_equal(nk.open_scan(target).as_map(), whole)
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == recipe


@pytest.mark.parametrize("fuse", [True, False, None], ids=["fused", "as in napari", "by default"])
def test_looking_at_a_pattern_reads_its_neighbours_and_looking_again_nothing(fuse):
    counted = Counted(noisy())
    scan = nk.Scan(counted, nk.Grid(*SHAPE))
    shown = scan.with_patterns(nk.lazy(scan, RECIPES[1]))
    for view, index in ((shown.patterns, (24,)), (shown.as_map(), (3, 3))):
        counted.read.clear()
        with dask.config.set({"optimization.fuse.active": fuse}):
            first = np.asarray(view[index])
            assert sorted(counted.read) == [16, 17, 18, 23, 24, 25, 30, 31, 32]
            counted.read.clear()
            np.testing.assert_array_equal(np.asarray(view[index]), first)
        assert counted.read == []


def test_only_so_much_is_kept(large_map, monkeypatch):
    monkeypatch.setattr(lazy_patterns, "CACHE_BYTES", 3 * 16 * 20)
    counted = Counted(noisy())
    lazy = nk.lazy(nk.Scan(counted), RECIPES[0])
    for point in (0, 1, 2, 3, 1):
        np.asarray(lazy[point])
    counted.read.clear()
    for point in (1, 3, 2):
        np.asarray(lazy[point])
    assert counted.read == []
    np.asarray(lazy[0])
    assert counted.read == [0]


def test_what_was_looked_at_cannot_be_changed(large_map):
    lazy = nk.lazy(large_map, RECIPES[0])
    first = np.asarray(lazy[5])
    expected = first.copy()
    if first.flags.writeable:
        first[:] = 0
    np.testing.assert_array_equal(lazy[5], expected)


def test_a_map_of_ten_million_patterns_is_there_at_once():
    class Endless:
        shape, ndim, dtype = (10_000_000, 16, 20), 3, np.dtype(np.uint8)

        def __getitem__(self, index):
            return np.ones((len(range(*index.indices(self.shape[0]))), 16, 20), np.uint8)

    scan = nk.Scan(Endless(), nk.Grid(5000, 2000))
    lazy = nk.lazy(scan, RECIPES[0])
    assert lazy.npartitions <= 10_000
    assert np.asarray(scan.with_patterns(lazy).as_map()[4321, 1234]).shape == (16, 20)


MAP_INDEX = st.tuples(*(st.one_of(st.integers(-extent, extent - 1), st.slices(extent)) for extent in (*SHAPE, 16, 20)))


@settings(max_examples=40)
@given(MAP_INDEX, st.integers(0, 4))
def test_a_map_is_indexed_as_an_array_is(large_map, index, given_axes):
    index = index[:given_axes]
    whole = nk.apply(large_map.as_map(), RECIPES[1])
    lazy = large_map.with_patterns(nk.lazy(large_map, RECIPES[1])).as_map()
    np.testing.assert_array_equal(lazy[index], whole[index])
    pixels = index[2:]
    if len(pixels) == 2:
        np.testing.assert_array_equal(lazy[(..., *pixels)], whole[(..., *pixels)])


@settings(max_examples=30)
@given(st.lists(st.integers(-63, 62), max_size=40))
def test_a_sequence_is_indexed_by_numbers(large_map, numbers):
    whole = np.asarray(nk.apply(large_map, RECIPES[0]).patterns)
    numbers = np.array(numbers, dtype=int)
    np.testing.assert_array_equal(nk.lazy(large_map, RECIPES[0])[numbers], whole[numbers])


def test_what_is_not_there_is_refused(large_map):
    lazy = large_map.with_patterns(nk.lazy(large_map, RECIPES[0])).as_map()
    with pytest.raises(IndexError, match="where there are 9"):
        lazy[9]
    with pytest.raises(IndexError, match="4 axes"):
        lazy[0, 0, 0, 0, 0]
    with pytest.raises(nk.ScanError, match="compute them first"):
        lazy.reshape(7, 9, 16, 20)
    np.testing.assert_array_equal(lazy.reshape(-1, 16, 20), nk.lazy(large_map, RECIPES[0]))


def test_a_lazy_scan_can_be_worked_on(large_map):
    first, second = RECIPES[0], RECIPES[1]
    twice = nk.apply(large_map.with_patterns(nk.lazy(large_map, first)), second)
    np.testing.assert_array_equal(twice.patterns, nk.apply(nk.apply(large_map, first), second).patterns)
    again = nk.lazy(large_map.with_patterns(nk.lazy(large_map, first)), second)
    np.testing.assert_array_equal(again, twice.patterns)
    assert again.recipe == twice.recipe
