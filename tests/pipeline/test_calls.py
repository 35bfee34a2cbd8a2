"""A recipe over arrays, scans and files: whatever the way and the size of the blocks, the same patterns."""

from typing import ClassVar

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_kikuchi as nk
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.opencv import cv2
from napari_kikuchi.pipeline import blocks, calls

EQUALISE = nk.Recipe([nk.Clahe(2.0, (4, 4))])


@pytest.fixture(params=[np.uint8, np.uint16])
def patterns(request, nickel):
    """The nickel patterns with 8 and with 16 bits, these off the 8-bit levels."""
    if request.param is np.uint8:
        return nickel
    noise = np.random.default_rng(0).integers(-128, 129, nickel.shape)
    return np.clip(nickel.astype(np.int64) * 257 + noise, 0, 65535).astype(np.uint16)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of four patterns, so that nine make three."""
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 4 * 60 * 60 + 1)


def recipes():
    both = nk.Recipe([nk.Clahe(), nk.Rescale(True, 256), nk.Clahe(5.0)], "stretch")
    masked = nk.Recipe([nk.Clahe()], "stretch", nk.CircularMask(radius=0.4))
    return [EQUALISE, both, masked, nk.Recipe.denoising(clahe="before")]


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.title)
def test_a_block_of_one_equals_one_of_a_block(patterns, recipe):
    whole = recipe(patterns)
    alone = np.concatenate([recipe(pattern[None]) for pattern in patterns])
    assert np.abs(whole.astype(int) - alone).max() <= rounding(recipe, patterns)


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.title)
def test_chunked_equals_whole(patterns, recipe, small_blocks):
    whole = recipe.fit(nk.Scan(patterns))(patterns)
    scan = calls.apply(nk.Scan(patterns), recipe)
    assert scan.patterns.chunks[0] == (4, 4, 1)
    for chunked in (
        np.asarray(scan.patterns),
        calls.apply(patterns, recipe),
        np.asarray(calls.apply(da.from_array(patterns, (2, 60, 30)), recipe)),
        np.concatenate([block for _, block in calls.in_blocks(nk.Scan(patterns), recipe)]),
    ):
        assert chunked.dtype == patterns.dtype
        assert np.abs(chunked.astype(int) - whole).max() <= rounding(recipe, patterns)


def rounding(recipe, patterns):
    """Levels by which results may differ: none, but for a network's sums, whose order depends on the block's size."""
    return np.iinfo(patterns.dtype).max // 255 if "autoencoder" in recipe.title else 0


@pytest.mark.parametrize("shape", [(60, 60), (9, 60, 60), (3, 3, 60, 60)])
def test_arrays_come_back_as_they_came(nickel, shape):
    given = nickel[0] if len(shape) == 2 else nickel.reshape(shape)
    before = given.copy()
    done = nk.clahe(given, 2.0, (4, 4))
    assert isinstance(done, np.ndarray)
    assert (done.shape, done.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(given, before)
    expected = cv2.createCLAHE(2.0, (4, 4)).apply(np.ascontiguousarray(nickel[0]))
    np.testing.assert_array_equal(done.reshape(-1, 60, 60)[0], expected)


def test_a_dask_array_stays_lazy(nickel):
    lazy = da.from_array(nickel.reshape(3, 3, 60, 60))
    done = nk.clahe(lazy)
    assert isinstance(done, da.Array)
    np.testing.assert_array_equal(done, nk.clahe(nickel).reshape(3, 3, 60, 60))


def test_a_scan_stays_lazy_and_keeps_its_map(nickel_up2):
    scan = nk.open_scan(nickel_up2)
    done = nk.clahe(scan)
    assert isinstance(done.patterns, da.Array)
    assert (done.grid, done.step, done.source, done.pixel_type) == (scan.grid, scan.step, scan.source, scan.pixel_type)
    assert nk.Recipe.from_toml(done.recipe) == nk.Recipe([nk.Clahe()])


class Watched:
    """Patterns that remember what was read of them."""

    read: ClassVar[list[slice]] = []
    shape, ndim, dtype = (9, 60, 60), 3, np.dtype(np.uint8)

    def __getitem__(self, index):
        self.read.append(index)
        return np.zeros(self.shape, dtype=self.dtype)[index]


def test_only_what_is_looked_at_is_read(small_blocks):
    Watched.read.clear()
    done = nk.clahe(nk.Scan(Watched()))
    assert not any(part.stop > part.start for part in Watched.read)
    Watched.read.clear()
    np.asarray(done.patterns[5])
    assert [(part.start, part.stop) for part in Watched.read] == [(5, 6)]


def test_one_recipe_after_the_other_remembers_both_and_can_be_run_again(patterns):
    scan = nk.Scan(patterns)
    twice = nk.clahe(nk.apply(scan, nk.Recipe([nk.Clahe(2.0)], "stretch")), 5.0)
    recipe = nk.Recipe.from_toml(twice.recipe)
    assert [step.kind for step in recipe.steps] == ["clahe", "rescale", "clahe"]
    np.testing.assert_array_equal(nk.apply(scan, recipe).patterns, twice.patterns)


@pytest.mark.parametrize("shape", [(60,), (0, 60, 60), (9, 0, 60)])
def test_an_array_without_patterns_is_refused(shape):
    with pytest.raises(nk.ScanError, match="shape is"):
        nk.clahe(np.zeros(shape, dtype=np.uint8))


def test_values_out_of_range_are_refused_before_any_work(nickel):
    with pytest.raises(nk.ScanError, match="above its maximum"):
        nk.clahe(nickel, clip_limit=101)
    with pytest.raises(nk.ScanError, match="There is no model 'no-such'"):
        nk.denoise(nk.Scan(nickel), "no-such")


def test_file_to_file(nickel_up2, tmp_path):
    told = []
    target = nk.process_file(
        nickel_up2, tmp_path / "out.up2", EQUALISE, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (9, 9)
    done, raw = nk.open_scan(target), nk.open_scan(nickel_up2)
    assert done.source.header == raw.source.header
    np.testing.assert_array_equal(done.patterns, EQUALISE(np.asarray(raw.patterns)))
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == EQUALISE


def test_a_file_that_is_there_is_left_alone(nickel_up1, tmp_path):
    target = tmp_path / "out.up1"
    target.write_bytes(b"mine")
    with pytest.raises(nk.ScanError, match="exists already"):
        nk.process_file(nickel_up1, target, EQUALISE)
    assert target.read_bytes() == b"mine"
    nk.process_file(nickel_up1, target, EQUALISE, overwrite=True)
    with pytest.raises(nk.ScanError, match="read from"):
        nk.process_file(nickel_up1, nickel_up1, EQUALISE, overwrite=True)


def test_a_folder_that_fails_half_way_leaves_nothing(nickel_up1, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        nk.process_file(nickel_up1, tmp_path / "out", EQUALISE, progress=stop)
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_model_is_noticed_before_anything_is_written(nickel_up1, tmp_path):
    with pytest.raises(nk.ScanError, match="no-such"):
        nk.process_file(nickel_up1, tmp_path / "out.up1", nk.Recipe([nk.Autoencoder("no-such")]))
    assert not (tmp_path / "out.up1").exists()


def test_the_grid_can_be_told(nickel, tmp_path, write_up):
    plain = write_up(tmp_path / "plain.up1", nickel, version=1)
    with pytest.raises(nk.ScanError, match="9 patterns"):
        nk.process_file(plain, tmp_path / "map.up1", EQUALISE, grid=(2, 3))
    target = nk.process_file(plain, tmp_path / "images", EQUALISE, grid=(3, 3))
    assert len(list(target.glob("*.png"))) == 9


ON_A_MAP = [
    nk.Recipe([nk.NeighbourAverage()]),
    nk.Recipe([nk.NeighbourAverage(5, "similar"), nk.DynamicBackground()], mask=nk.CircularMask(radius=0.4)),
    nk.Recipe([nk.NeighbourAverage(5, "uniform"), nk.Clahe(), nk.NeighbourAverage()], "stretch"),
    nk.Recipe([nk.DynamicBackground(), nk.NeighbourAverage(), nk.StaticBackground("subtract")]),
    nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage(), nk.Rescale(True, 256), nk.StaticBackground()], "keep"),
    nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage(9)], mask=nk.CircularMask(radius=0.4)),
]


@pytest.fixture(scope="module")
def large_map():
    """A map of 7x8 noisy patterns of 16x20 pixels, with their grid: large enough to learn a background from."""
    y, x = np.mgrid[:16, :20]
    patterns = np.random.default_rng(3).poisson(60 + 3 * x + 2 * y, (56, 16, 20)).astype(np.uint8)
    return nk.Scan(patterns, nk.Grid(7, 8))


@pytest.mark.parametrize("recipe", ON_A_MAP, ids=lambda recipe: recipe.title)
@settings(max_examples=15)
@given(st.integers(1, 60))
def test_the_size_of_blocks_never_changes_a_result(large_map, recipe, length):
    scan = large_map
    whole = nk.apply(scan.as_map(), recipe)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK_PIXELS", length * 16 * 20)
        for again in (
            np.concatenate([block for _, block in calls.in_blocks(scan, recipe)]),
            np.asarray(nk.apply(scan, recipe).patterns),
            np.asarray(nk.apply(da.from_array(scan.as_map(), (2, 3, 16, 20)), recipe)),
        ):
            np.testing.assert_array_equal(again.reshape(whole.shape), whole)


@pytest.mark.parametrize("second", ON_A_MAP, ids=lambda recipe: recipe.title)
def test_backgrounds_and_neighbours_one_after_the_other_can_be_run_again(large_map, second):
    first = nk.Recipe([nk.StaticBackground("subtract"), nk.NeighbourAverage()], mask=second.mask)
    twice = nk.apply(nk.apply(large_map, first), second)
    again = nk.apply(large_map, nk.Recipe.from_toml(twice.recipe))
    np.testing.assert_array_equal(again.patterns, twice.patterns)


def test_of_a_map_only_what_is_looked_at_and_its_neighbours_are_read(monkeypatch):
    # Blocks of four patterns: three times as large where there is a rim of one.
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 4 * 60 * 60 // 3 + 1)
    Watched.read.clear()
    done = nk.average_neighbours(nk.Scan(Watched(), nk.Grid(9, 1)))
    assert not any(part.stop > part.start for part in Watched.read)
    Watched.read.clear()
    np.asarray(done.patterns[8])
    assert [(part.start, part.stop) for part in Watched.read] == [(7, 9)]


def test_backgrounds_are_removed_from_scans_and_arrays(large_map):
    scan = large_map
    done = nk.remove_background(scan, "subtract", "none")
    assert isinstance(done.patterns, da.Array)
    assert nk.Recipe.from_toml(done.recipe) == nk.Recipe([nk.StaticBackground("subtract")])
    floats = scan.patterns / np.float32(255)
    raw = floats - floats.mean(axis=0)
    for pattern, left in zip(np.asarray(done.patterns).astype(float), raw, strict=True):
        assert np.corrcoef(pattern.ravel(), left.ravel())[0, 1] > 0.999
        assert (pattern.min(), pattern.max()) == (0, 255)
    np.testing.assert_array_equal(
        nk.remove_background(scan.as_map(), "subtract", "none").reshape(-1, 16, 20), done.patterns
    )


def test_an_own_background_is_used(large_map):
    own = np.full((16, 20), 0.5)
    done = nk.remove_background(large_map, "divide", "none", background=own)
    np.testing.assert_array_equal(done.patterns, nk.Recipe([], "stretch")(large_map.patterns))
    with pytest.raises(nk.ScanError, match="give it again"):
        nk.apply(large_map, nk.Recipe.from_toml(done.recipe))


def test_neighbours_are_averaged_with_their_intensities(large_map):
    even = np.full((3, 4, 5, 6), 77, dtype=np.uint16)
    np.testing.assert_array_equal(nk.average_neighbours(even), even)
    noisy, smooth = np.asarray(large_map.patterns), np.asarray(nk.average_neighbours(large_map).patterns)
    assert smooth.mean() == pytest.approx(noisy.mean(), rel=0.01)
    assert smooth.std(axis=0).mean() < 0.5 * noisy.std(axis=0).mean()


@pytest.mark.parametrize("shape", [(16, 20), (56, 16, 20)])
def test_without_a_map_there_are_no_neighbours(large_map, shape):
    with pytest.raises(nk.ScanError, match="there is no map here"):
        nk.average_neighbours(large_map.patterns.reshape(-1)[: np.prod(shape)].reshape(shape))
    with pytest.raises(nk.ScanError, match="there is no map here"):
        list(calls.in_blocks(nk.Scan(large_map.patterns), ON_A_MAP[0]))


def test_backgrounds_and_neighbours_from_file_to_file(large_map, tmp_path):
    source = nk.save_scan(tmp_path / "scan.up1", large_map)
    recipe = nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage()])
    target = nk.process_file(source, tmp_path / "out.up1", recipe)
    np.testing.assert_array_equal(nk.open_scan(target).patterns, nk.apply(large_map, recipe).patterns)
    folder = nk.export_images(large_map, tmp_path / "images")
    with pytest.raises(nk.ScanError, match="there is no map here"):
        nk.process_file(folder, tmp_path / "none.up1", recipe)
    assert not (tmp_path / "none.up1").exists()
    images = nk.process_file(folder, tmp_path / "done", recipe, grid=(7, 8))
    np.testing.assert_array_equal(nk.open_scan(images).patterns, nk.open_scan(target).patterns)


def test_what_lies_in_the_shadow_of_a_round_screen_comes_out_black(silicon_up1):
    raw = nk.open_scan(silicon_up1)
    denoised = np.asarray(nk.denoise(raw).patterns[0])
    shadow = np.asarray(raw.patterns[0]) < 10
    assert shadow.mean() > 0.1
    assert (denoised[shadow] == 0).all()
    everywhere = nk.apply(raw, nk.Recipe([nk.Autoencoder(find_screen=False)]))
    assert (np.asarray(everywhere.patterns[0])[shadow] > 0).any()


def test_a_mask_of_the_user_goes_before_the_screen_that_was_found(silicon_up1):
    raw = nk.open_scan(silicon_up1)
    mask = nk.CircularMask(0.5, 0.5, 0.3)
    denoised = np.asarray(nk.denoise(raw, mask=mask).patterns[0])
    outside = ~mask.inside(480, 480)
    np.testing.assert_array_equal(denoised[outside], np.asarray(raw.patterns[0])[outside])


@pytest.mark.parametrize("sample", ["nickel", "silicon"])
def test_real_patterns_are_opened_denoised_and_saved_by_a_script(sample, tmp_path):
    raw = nk.open_scan(nk.sample_path(sample))
    target = nk.save_scan(tmp_path / "denoised.up1", nk.denoise(raw))
    done = nk.open_scan(target)
    assert done.source.header == raw.source.header
    assert done.patterns.shape == raw.patterns.shape
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == nk.Recipe.denoising(neighbours="none")
