"""The same blocks on the workers of a cluster: the same bytes, whoever dies meanwhile."""

import json
import os
import signal
import time

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.formats import partial as partial_files
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.pipeline import blocks, file_run

pytest.importorskip("distributed", reason="the extra cluster is not installed")

from napari_kikuchi.pipeline import cluster

RECIPE = nk.Recipe([nk.StaticBackground(), nk.NeighbourAverage(), nk.Clahe(2.0, (4, 4))])


@pytest.fixture(scope="module")
def client():
    """Two real worker processes."""
    with cluster.local_workers(2) as client:
        yield client


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 8 * 16 * 20)
    monkeypatch.setattr(partial_files, "SECONDS", 0.0)
    # A block is a task of its own, so that there are many.
    monkeypatch.setattr(cluster, "BLOCKS", 1)


@pytest.fixture
def source(tmp_path):
    """A map of 60x40 noisy patterns of 16x20 pixels, in a file."""
    y, x = np.mgrid[:16, :20]
    patterns = np.random.default_rng(3).poisson(60 + 3 * x + 2 * y, (2400, 16, 20)).astype(np.uint8)
    return nk.save_scan(tmp_path / "scan.up1", nk.Scan(patterns, nk.Grid(60, 40), (1.5, 1.5)))


@pytest.fixture
def expected(source, tmp_path):
    """The bytes that one process writes."""
    target = nk.process_file(source, tmp_path / "here.up1", RECIPE)
    data = target.read_bytes()
    target.unlink()
    return data


def test_workers_write_the_same_file(client, source, expected, tmp_path):
    told = []
    target = nk.process_file(
        source, tmp_path / "out.up1", RECIPE, client=client, progress=lambda done, _: told.append(done)
    )
    assert target.read_bytes() == expected
    assert told == sorted(set(told))
    assert (told[0], told[-1]) == (0, 2400)
    assert nk.Recipe.from_toml(recipe_path(target).read_text()) == RECIPE
    computed_in = client.run(os.getpid)
    assert os.getpid() not in computed_in.values()


def test_another_pixel_type_and_images_as_a_source(client, source, tmp_path):
    with pytest.warns(nk.ScanWarning, match="converted"):
        here = nk.process_file(source, tmp_path / "here.up2", RECIPE)
    with pytest.warns(nk.ScanWarning, match="converted"):
        spread = nk.process_file(source, tmp_path / "spread.up2", RECIPE, client=client)
    assert spread.read_bytes() == here.read_bytes()
    scan = nk.open_scan(source)
    few = nk.export_images(nk.Scan(scan.patterns[:40], nk.Grid(5, 8)), tmp_path / "images")
    here = nk.process_file(few, tmp_path / "few.up1", nk.Recipe([nk.Clahe()]), grid=(5, 8))
    spread = nk.process_file(few, tmp_path / "spread.up1", nk.Recipe([nk.Clahe()]), grid=(5, 8), client=client)
    assert spread.read_bytes() == here.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal on Windows")
def test_the_blocks_of_a_worker_that_is_killed_are_done_again(client, source, expected, tmp_path, monkeypatch):
    written = []
    record = partial_files.PartialFile.record
    monkeypatch.setattr(
        partial_files.PartialFile, "record", lambda self, block: (written.append(block), record(self, block))[1]
    )
    victim = next(iter(client.run(os.getpid).values()))
    target = tmp_path / "out.up1"
    run = file_run.process_to_file(nk.open_scan(source), target, RECIPE, client=client)
    for done in run:
        if done > 200 and victim:
            os.kill(victim, signal.SIGKILL)
            victim = None
    assert victim is None
    assert target.read_bytes() == expected
    assert len(written) == len(set(written))
    deadline = time.monotonic() + 60
    while len(client.nthreads()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(client.nthreads()) == 2


def test_a_run_goes_on_here_after_workers_and_on_workers_after_here(client, source, expected, tmp_path):
    target = tmp_path / "out.up1"
    for step, on in enumerate((client, None, client)):
        run = file_run.process_to_file(nk.open_scan(source), target, RECIPE, client=on)
        told = [next(run)]
        assert bool(told[0]) == bool(step)
        while step < 2 and told[-1] < 800 * (step + 1):
            told.append(next(run))
        told += list(run) if step == 2 else []
        run.close()
    assert target.read_bytes() == expected


def test_what_is_wrong_on_a_worker_is_told(client, source, tmp_path, monkeypatch):
    scan = nk.open_scan(source)
    target = tmp_path / "out.up1"
    with pytest.raises(nk.ScanError, match=r"not those in .*save them"):
        list(file_run.process_to_file(scan.with_patterns(scan.patterns[::-1]), target, RECIPE, client=client))
    with pytest.raises(nk.ScanError, match="save this one first"):
        list(file_run.process_to_file(nk.Scan(np.asarray(scan.patterns), scan.grid), target, RECIPE, client=client))
    with pytest.raises(nk.ScanError, match="several workers write"):
        nk.process_file(source, tmp_path / "images", RECIPE, client=client)

    monkeypatch.setattr(cluster, "told_apart", lambda _: "another file")
    with pytest.raises(nk.ScanError, match="A worker sees another file"):
        list(file_run.process_to_file(scan, target, RECIPE, client=client))
    assert not target.exists()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system holds no process on some cores")
def test_workers_have_cores_of_their_own(client):
    cores = client.run(lambda: sorted(os.sched_getaffinity(0)))
    assert len(cores) == 2
    assert all(len(own) == max(1, len(os.sched_getaffinity(0)) // 2) for own in cores.values())


@pytest.mark.parametrize(
    ("visible", "own"), [("0,1", ["0", "1", "0"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b", "GPU-a"]), ("3", [None] * 3)]
)
def test_workers_have_graphics_cards_of_their_own(monkeypatch, visible, own):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [cluster._own_gpu(worker) for worker in range(3)] == own


def test_a_scheduler_is_found_by_its_address_or_by_the_file_that_holds_it(client, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"type": "Scheduler", "address": client.scheduler.address}))
    for address in (client.scheduler.address, str(file)):
        with cluster.connected(address) as found:
            assert len(found.nthreads()) == 2


def test_no_scheduler_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with pytest.raises(nk.ScanError, match="no dask scheduler at tcp"), cluster.connected("tcp://127.0.0.1:9"):
        pass
    none = str(tmp_path / "none.json")
    with pytest.raises(nk.ScanError, match="does not tell the address"), cluster.connected(none):
        pass
