"""One way in and one way out."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from napari_kikuchi.formats import check_target, open_scan, recipe_path, save_scan
from napari_kikuchi.scan import Grid, ScanError, ScanWarning


def test_a_file_and_a_folder_open_alike(nickel_up1, nickel, tmp_path):
    scan = open_scan(nickel_up1)
    folder = save_scan(tmp_path / "out", scan)
    for other in (scan, open_scan(folder, grid=(3, 3)), open_scan(folder, like=nickel_up1)):
        assert other.grid == Grid(3, 3)
        np.testing.assert_array_equal(other.patterns, nickel)


def test_only_folders_are_like_a_file(nickel_up1, nickel_up2):
    with pytest.raises(ScanError, match="no folder of images"):
        open_scan(nickel_up1, like=nickel_up2)


def test_another_depth_is_converted_and_said(nickel_up1, nickel_up2, tmp_path):
    with pytest.warns(ScanWarning, match=r"a\.up2: the uint8 patterns were converted"):
        path = save_scan(tmp_path / "a.up2", open_scan(nickel_up1))
    assert path.read_bytes() == nickel_up2.read_bytes()


@pytest.mark.parametrize("name", ["a.h5", "a.tif", "a.png"])
def test_other_names_are_refused(nickel_up1, tmp_path, name):
    scan = open_scan(nickel_up1)
    for refuse in (lambda path: save_scan(path, scan), lambda path: check_target(path, scan)):
        with pytest.raises(ScanError, match=r"end it in \.up1 or \.up2, or name a folder"):
            refuse(tmp_path / name)


@pytest.mark.parametrize("name", ["a.up1", "a"])
def test_a_target_is_checked_before_the_work(nickel_up1, tmp_path, name):
    scan = open_scan(nickel_up1)
    path = tmp_path / name
    check_target(path, scan)
    assert not path.exists()
    save_scan(path, scan)
    with pytest.raises(ScanError, match="exists already"):
        check_target(path, scan)
    check_target(path, scan, overwrite=True)
    with pytest.raises(ScanError, match="read from"):
        check_target(path, open_scan(path), overwrite=True)


@pytest.mark.parametrize("name", ["a.up1", "a"])
def test_the_recipe_lies_beside_the_output_that_it_made(nickel_up1, tmp_path, name):
    scan = open_scan(nickel_up1)
    path = save_scan(tmp_path / name, replace(scan, recipe="steps = 'µ'\n"))
    assert recipe_path(path).read_bytes() == "steps = 'µ'\n".encode()
    save_scan(path, scan, overwrite=True)
    assert not recipe_path(path).exists()


def test_opening_a_file_imports_nothing_heavy(nickel_up1):
    script = (
        "import sys, napari_kikuchi.formats as formats\n"
        "formats.open_scan(sys.argv[1])\n"
        "print(*{'cv2', 'dask', 'keras', 'napari', 'qtpy', 'tensorflow', 'tifffile'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script, nickel_up1], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
