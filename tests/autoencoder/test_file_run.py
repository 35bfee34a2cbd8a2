"""Networks from file to file: the same bytes in one go and in two, and none from other weights."""

import shutil
from itertools import islice

import numpy as np
import pytest

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.card import DEFAULT_MODEL, WEIGHTS
from napari_kikuchi.formats import partial as partial_files
from napari_kikuchi.pipeline import blocks, file_run


@pytest.fixture
def scan(monkeypatch, nickel_up1):
    """A map of 3x3 patterns that is computed in nine blocks."""
    monkeypatch.setattr(blocks, "BLOCK_PIXELS", 60 * 60)
    monkeypatch.setattr(partial_files, "SECONDS", 0.0)
    return nk.open_scan(nickel_up1)


def begun(scan, target, recipe):
    run = file_run.process_to_file(scan, target, recipe)
    list(islice(run, 5))
    run.close()
    assert partial_files.partial_path(target).exists()


@pytest.mark.parametrize("neighbours", ["none", "3x3"])
def test_a_network_goes_on_to_the_same_bytes(scan, tmp_path, neighbours):
    recipe = nk.Recipe.denoising(neighbours=neighbours)
    whole, stopped = tmp_path / "whole.up1", tmp_path / "stopped.up1"
    assert list(file_run.process_to_file(scan, whole, recipe)) == list(range(10))
    begun(scan, stopped, recipe)
    assert next(iter(list(file_run.process_to_file(scan, stopped, recipe)))) > 0
    assert stopped.read_bytes() == whole.read_bytes()
    at_once = np.asarray(nk.apply(np.asarray(scan.as_map()), recipe)).astype(int)
    assert np.abs(at_once - nk.open_scan(whole).as_map()).max() <= 1


def test_the_cut_into_blocks_changes_a_network_s_result_by_one_count_at_most(scan, tmp_path, monkeypatch):
    recipe = nk.Recipe.denoising(neighbours="3x3", clahe="before")
    whole = np.asarray(nk.apply(np.asarray(scan.as_map()), recipe)).astype(int)
    for block in (1, 2, 4, 9):
        monkeypatch.setattr(blocks, "BLOCK_PIXELS", block * 60 * 60)
        target = tmp_path / f"{block}.up1"
        list(file_run.process_to_file(scan, target, recipe))
        assert np.abs(whole - nk.open_scan(target).as_map()).max() <= 1


def test_other_weights_or_another_precision_are_refused(scan, tmp_path, monkeypatch):
    for ending in (".weights.h5", ".json"):
        shutil.copy(WEIGHTS / f"{DEFAULT_MODEL}{ending}", tmp_path / f"mine{ending}")
    mine, target = tmp_path / "mine.weights.h5", tmp_path / "out.up1"
    recipe = nk.Recipe.denoising(str(mine), neighbours="none")
    begun(scan, target, recipe)
    with monkeypatch.context() as patched:
        patched.setenv("NAPARI_KIKUCHI_PRECISION", "mixed")
        with pytest.raises(nk.ScanError, match="The model or what it runs on"):
            list(file_run.process_to_file(scan, target, recipe))
    card = tmp_path / "mine.json"
    card.write_text(card.read_text() + " ")
    with pytest.raises(nk.ScanError, match="The model or what it runs on"):
        list(file_run.process_to_file(scan, target, recipe))
