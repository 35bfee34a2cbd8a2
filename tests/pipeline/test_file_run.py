"""Scans to UP files in bounded memory, stopped by whatever there is, and gone on with."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_kikuchi as nk
from napari_kikuchi.formats import partial as partial_files
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.pipeline import blocks, file_run

EQUALISE = nk.Recipe([nk.Clahe(2.0, (4, 4))])
ON_A_MAP = nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage(), nk.DynamicBackground()])


@pytest.fixture(autouse=True)
def blocks_of_four_rows(monkeypatch):
    """Small blocks, each brought to the disk by itself."""
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 8 * 16 * 20)
    monkeypatch.setattr(partial_files, "SECONDS", 0.0)


@pytest.fixture
def source(tmp_path):
    """A map of 12x8 noisy patterns of 16x20 pixels, in a file."""
    y, x = np.mgrid[:16, :20]
    patterns = np.random.default_rng(3).poisson(60 + 3 * x + 2 * y, (96, 16, 20)).astype(np.uint8)
    return nk.save_scan(tmp_path / "scan.up1", nk.Scan(patterns, nk.Grid(12, 8), (1.5, 1.5)))


@pytest.fixture
def target(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "done.up1"


def run(source, target, recipe, **more):
    """What a run tells of patterns done."""
    return list(file_run.process_to_file(nk.open_scan(source), target, recipe, **more))


def whole(source, recipe, folder):
    """The bytes of an uninterrupted run."""
    target = folder / "whole.up1"
    run(source, target, recipe)
    data = target.read_bytes()
    target.unlink()
    recipe_path(target).unlink()
    return data


def begun(source, target, recipe=ON_A_MAP, steps=4):
    """A run that is stopped after some blocks; how many patterns were done."""
    stopped = file_run.process_to_file(nk.open_scan(source), target, recipe)
    done = list(islice(stopped, steps))[-1]
    stopped.close()
    return done


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("recipe", [EQUALISE, ON_A_MAP], ids=lambda recipe: recipe.title)
def test_the_file_is_what_the_recipe_makes_of_the_scan(source, target, recipe):
    scan = nk.open_scan(source)
    told = list(file_run.process_to_file(scan, target, recipe))
    assert (told[0], told[-1]) == (0, 96)
    assert told == sorted(set(told))
    done = nk.open_scan(target)
    assert (done.source.header, done.grid, done.step) == (scan.source.header, scan.grid, scan.step)
    np.testing.assert_array_equal(done.as_map(), nk.apply(np.asarray(scan.as_map()), recipe))
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == recipe
    assert names(target.parent) == ["done.up1", "done.up1.recipe.toml"]


CLASSICAL = [
    nk.Recipe([nk.StaticBackground("subtract"), nk.Clahe(5.0), nk.DynamicBackground(0.2)], "stretch"),
    nk.Recipe([nk.NeighbourAverage(5, "similar"), nk.DynamicBackground()]),
    nk.Recipe(
        [nk.StaticBackground(), nk.NeighbourAverage(3, "uniform"), nk.Rescale(True, 256), nk.Clahe()],
        mask=nk.CircularMask(radius=0.4),
    ),
]


@pytest.mark.parametrize("recipe", CLASSICAL, ids=lambda recipe: recipe.title)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block=st.integers(3, 120), tile=st.integers(1, 6), cores=st.integers(1, 4))
def test_the_cut_into_blocks_and_the_number_of_cores_never_change_a_byte(source, target, recipe, block, tile, cores):
    expected = nk.apply(np.asarray(nk.open_scan(source).as_map()), recipe)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK_PIXELS", block * 16 * 20)
        patched.setattr(blocks, "TILE", tile)
        patched.setattr(blocks, "usable_cores", lambda: cores)
        # Waiting for the disk at each block would be all that takes time here.
        patched.setattr(partial_files, "SECONDS", 3600.0)
        run(source, target, recipe, overwrite=True)
    np.testing.assert_array_equal(nk.open_scan(target).as_map(), expected)


def test_every_kind_of_file_keeps_its_header_and_its_padding(up_file, tmp_path):
    target = tmp_path / f"again{up_file.suffix}"
    list(file_run.process_to_file(nk.open_scan(up_file), target, nk.Recipe()))
    assert target.read_bytes() == up_file.read_bytes()


def test_another_depth_and_floats_are_converted_as_saving_does(source, tmp_path, recwarn):
    scan = nk.open_scan(source)
    floats = nk.Scan(np.asarray(scan.patterns) * 3.7 - 20, scan.grid)
    for number, raw in enumerate((scan, floats)):
        expected = nk.save_scan(tmp_path / "expected.up2", nk.apply(raw, ON_A_MAP), overwrite=True)
        target = tmp_path / f"{number}.up2"
        list(file_run.process_to_file(raw, target, ON_A_MAP))
        assert target.read_bytes() == expected.read_bytes()
    assert "converted" in str(recwarn.list[-1].message)


def test_what_was_done_before_is_in_the_recipe(source, target):
    scan = nk.clahe(nk.open_scan(source))
    list(file_run.process_to_file(scan, target, ON_A_MAP))
    recipe = nk.Recipe.from_toml(recipe_path(target).read_text())
    assert [step.kind for step in recipe.steps][:2] == ["clahe", "rescale"]


def test_a_run_that_was_stopped_is_gone_on_with(source, target, tmp_path):
    expected = whole(source, ON_A_MAP, tmp_path)
    stopped = begun(source, target)
    assert 0 < stopped < 96
    assert names(target.parent) == ["done.up1.partial", "done.up1.partial.journal"]
    told = run(source, target, ON_A_MAP)
    assert told[0] == stopped
    assert told[-1] == 96
    assert target.read_bytes() == expected
    assert names(target.parent) == ["done.up1", "done.up1.recipe.toml"]


def test_what_was_stopped_before_anything_was_done_leaves_nothing(source, target):
    begun(source, target, steps=1)
    assert names(target.parent) == []


def test_what_was_stopped_can_be_discarded(source, target):
    begun(source, target)
    file_run.discard_partial(target)
    assert names(target.parent) == []
    file_run.discard_partial(target)
    begun(source, target)
    nk.process_file(source, target, EQUALISE, restart=True)
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == EQUALISE


CHILD = """
import itertools, sys, time
from napari_kikuchi import Clahe, Recipe, open_scan
from napari_kikuchi.pipeline import blocks, file_run
from napari_kikuchi.formats import partial
blocks.BLOCK_PIXELS, partial.SECONDS = 8 * 16 * 20, 0.0
for done in file_run.process_to_file(open_scan(sys.argv[1]), sys.argv[2], Recipe([Clahe(2.0, (4, 4))])):
    print(done, flush=True)
    if done > 40:
        time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers Ctrl-C to whole process groups only")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=lambda end: end.name)
def test_a_process_that_is_killed_is_gone_on_with(source, target, tmp_path, end):
    expected = whole(source, EQUALISE, tmp_path)
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    words = [sys.executable, "-c", textwrap.dedent(CHILD), source, target]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, preexec_fn=hearing
    ) as child:
        while int(child.stdout.readline()) <= 40:
            pass
        while len(journal_of(target).read_bytes().splitlines()) < 2:
            time.sleep(0.01)
        with pytest.raises(nk.ScanError, match="Another process is writing"):
            run(source, target, EQUALISE)
        with pytest.raises(nk.ScanError, match="Another process is writing"):
            file_run.discard_partial(target)
        child.send_signal(end)
        child.wait(60)
    assert names(target.parent) == ["done.up1.partial", "done.up1.partial.journal"]
    told = run(source, target, EQUALISE)
    assert 0 < told[0] < 96
    assert target.read_bytes() == expected


def journal_of(target):
    return target.with_name(f"{target.name}.partial.journal")


@pytest.mark.parametrize("torn", [b"3", b"", b"\0\0\0\0\0\0", b"2\n\0\0"])
def test_a_torn_journal_is_believed_up_to_where_it_is_torn(source, target, tmp_path, torn):
    expected = whole(source, EQUALISE, tmp_path)
    stopped = begun(source, target, EQUALISE)
    lines = journal_of(target).read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + stopped // 8
    journal_of(target).write_bytes(b"".join(lines[:-1]) + torn)
    if b"\n" in torn:
        # A block that the journal tells of, but that the file does not reach: the power went in between.
        partial_files.partial_path(target).write_bytes(partial_files.partial_path(target).read_bytes()[:3000])
    told = run(source, target, EQUALISE)
    assert told[0] < stopped
    assert target.read_bytes() == expected


def test_blocks_that_the_file_does_not_reach_are_told_no_more(source, target, tmp_path):
    expected = whole(source, EQUALISE, tmp_path)
    begun(source, target, EQUALISE, steps=6)
    partial_files.partial_path(target).write_bytes(partial_files.partial_path(target).read_bytes()[:3000])
    again = file_run.process_to_file(nk.open_scan(source), target, EQUALISE)
    assert next(again) == 8
    again.close()
    assert len(journal_of(target).read_text().splitlines()) == 2
    assert run(source, target, EQUALISE)[0] == 8
    assert target.read_bytes() == expected


def test_a_file_without_its_journal_is_not_believed(source, target):
    begun(source, target, EQUALISE)
    for content in (b"", b"{}\n", b"\0" * 20):
        journal_of(target).write_bytes(content)
        with pytest.raises(nk.ScanError, match=r"without a journal.*--restart"):
            run(source, target, EQUALISE)
    journal_of(target).unlink()
    with pytest.raises(nk.ScanError, match="without a journal"):
        run(source, target, EQUALISE)


def test_a_journal_without_its_file_is_begun_anew(source, target):
    begun(source, target, EQUALISE)
    partial_files.partial_path(target).unlink()
    assert run(source, target, ON_A_MAP)[0] == 0


def test_another_source_recipe_or_version_is_refused(source, target, monkeypatch):
    begun(source, target)
    with pytest.raises(nk.ScanError, match=r"The recipe is not what it was when .*partial was begun.*--restart"):
        run(source, target, EQUALISE)
    scan = nk.open_scan(source)
    with pytest.raises(nk.ScanError, match="The source is not"):
        list(file_run.process_to_file(scan.with_patterns(scan.patterns[::-1]), target, ON_A_MAP))
    with monkeypatch.context() as patched:
        patched.setattr(file_run, "__version__", "99")
        with pytest.raises(nk.ScanError, match="The version of napari-kikuchi is not"):
            list(file_run.process_to_file(scan, target, ON_A_MAP))
    with monkeypatch.context() as patched:
        patched.setattr(blocks, "BLOCK_PIXELS", 16 * 16 * 20)
        with pytest.raises(nk.ScanError, match="The cut into blocks is not"):
            list(file_run.process_to_file(scan, target, ON_A_MAP))
    os.utime(source, ns=(1, 1))
    with pytest.raises(nk.ScanError, match="The source is not"):
        run(source, target, ON_A_MAP)
    assert names(target.parent) == ["done.up1.partial", "done.up1.partial.journal"]


def test_another_background_of_ones_own_is_refused(source, target):
    own = [nk.Recipe([nk.StaticBackground(background=np.full((16, 20), level))]) for level in (0.4, 0.5)]
    begun(source, target, own[0])
    with pytest.raises(nk.ScanError, match="background of the recipe is not"):
        run(source, target, own[1])


def test_images_that_were_changed_are_refused(source, target, tmp_path):
    folder = nk.export_images(nk.open_scan(source), tmp_path / "images")
    begun(folder, target, EQUALISE)
    (folder / "000050.png").write_bytes((folder / "000051.png").read_bytes())
    with pytest.raises(nk.ScanError, match="The source is not"):
        run(folder, target, EQUALISE)


def test_a_name_that_is_taken_is_noticed_first_and_last(source, target):
    target.write_bytes(b"mine")
    with pytest.raises(nk.ScanError, match="exists already"):
        next(file_run.process_to_file(nk.open_scan(source), target, EQUALISE))
    target.unlink()
    late = file_run.process_to_file(nk.open_scan(source), target, EQUALISE)
    next(late)
    target.write_bytes(b"mine")
    with pytest.raises(nk.ScanError, match="exists already"):
        list(late)
    assert target.read_bytes() == b"mine"
    assert run(source, target, EQUALISE, overwrite=True) == [96]
    assert nk.open_scan(target).n == 96
    with pytest.raises(nk.ScanError, match="read from"):
        next(file_run.process_to_file(nk.open_scan(source), source, EQUALISE, overwrite=True))


def test_a_power_cut_between_the_name_and_the_recipe_is_made_good(source, target, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(partial_files, "write_recipe", cut)
        with pytest.raises(KeyboardInterrupt):
            run(source, target, EQUALISE)
    assert names(target.parent) == ["done.up1", "done.up1.partial.journal"]
    assert run(source, target, EQUALISE) == [96]
    assert names(target.parent) == ["done.up1", "done.up1.recipe.toml"]
    with pytest.raises(nk.ScanError, match="exists already"):
        run(source, target, EQUALISE)


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits on Windows")
def test_a_full_disk_is_said_and_what_is_done_is_kept(source, target, tmp_path):
    import resource

    expected = whole(source, EQUALISE, tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(nk.ScanError, match=r"cannot be written.*stays in done.up1.partial.*same command goes on"):
            run(source, target, EQUALISE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = run(source, target, EQUALISE)
    assert told[0] == 56
    assert target.read_bytes() == expected


def test_too_little_space_is_noticed_before_any_work(source, target, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.formats.targets.shutil.disk_usage", lambda _: type("", (), {"free": 20_000}))
    with pytest.raises(nk.ScanError, match="GiB are free"):
        next(file_run.process_to_file(nk.open_scan(source), target, EQUALISE))
    assert names(target.parent) == []


def test_only_a_bounded_number_of_blocks_is_in_memory(source, monkeypatch):
    scan = nk.open_scan(source)
    counted, lock, under_way = [], threading.Lock(), set()

    class Watched:
        shape, ndim, dtype = scan.patterns.shape, 3, scan.patterns.dtype

        def __getitem__(self, index):
            with lock:
                under_way.add(index.start)
                counted.append(len(under_way))
            return scan.patterns[index]

    monkeypatch.setattr(blocks, "usable_cores", lambda: 3)
    watched = nk.Scan(Watched(), scan.grid)
    for block, patterns in blocks.compute(watched, EQUALISE, blocks.cut(watched)):
        assert len(patterns) == block.stop - block.start
        with lock:
            under_way.discard(block.start)
    assert len(counted) == 12
    assert max(counted) <= 5
