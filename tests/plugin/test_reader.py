import subprocess
import sys

import numpy as np
import pytest

from napari_kikuchi.plugin.layers import contrast_limits
from napari_kikuchi.plugin.reader import get_reader
from napari_kikuchi.scan import ScanError, ScanWarning


def test_only_pattern_files_are_claimed(nickel_up2):
    assert get_reader("map.tif") is None
    assert get_reader([str(nickel_up2), "map.tif"]) is None
    assert get_reader(str(nickel_up2)) is not None
    assert get_reader("MAP.UP1") is not None


def test_a_square_map_arrives_as_rows_and_columns(nickel_up2):
    ((data, arguments, kind),) = get_reader(str(nickel_up2))(str(nickel_up2))
    assert kind == "image"
    assert data.shape == (3, 3, 60, 60)
    assert isinstance(data, np.memmap)
    assert arguments["name"] == nickel_up2.stem
    assert arguments["axis_labels"] == ("row", "column", "y", "x")
    assert arguments["scale"] == (1.5, 1.5, 1, 1)
    assert arguments["units"] == ("um", "um", "pixel", "pixel")
    assert arguments["metadata"]["napari_kikuchi"]["grid"].shape == (3, 3)


def test_several_files_become_a_layer_each(nickel_up1, nickel_up2):
    paths = [str(nickel_up1), str(nickel_up2)]
    assert [layer[0].dtype for layer in get_reader(paths)(paths)] == [np.uint8, np.uint16]


def test_a_cut_short_map_opens_as_a_sequence_that_remembers_its_grid(nickel_up1):
    whole = nickel_up1.read_bytes()
    nickel_up1.write_bytes(whole[: 42 + 5 * 3600])
    with pytest.warns(ScanWarning, match="4"):
        ((data, arguments, _),) = get_reader(str(nickel_up1))(str(nickel_up1))
    assert data.shape == (5, 60, 60)
    assert arguments["axis_labels"] == ("pattern", "y", "x")
    assert arguments["scale"] == (1, 1, 1)
    assert arguments["metadata"]["napari_kikuchi"]["grid"].shape == (3, 3)


def test_trouble_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "broken.up2"
    path.write_bytes(b"\x03\x00")
    with pytest.raises(ScanError, match=r"broken\.up2"):
        get_reader(str(path))(str(path))


def test_hot_pixels_do_not_spoil_the_contrast():
    patterns = np.random.default_rng(0).integers(100, 200, (50, 60, 60)).astype(np.uint16)
    patterns[:, 0, 0] = 65535
    low, high = contrast_limits(patterns)
    assert 100 <= low < high <= 200


def test_flat_patterns_have_contrast_limits_that_napari_takes():
    low, high = contrast_limits(np.zeros((1, 8, 8), dtype=np.uint8))
    assert low < high


def test_opening_a_file_imports_neither_a_network_nor_opencv(nickel_up2):
    code = (
        "import sys\n"
        "from napari_kikuchi.plugin.reader import get_reader\n"
        f"get_reader({str(nickel_up2)!r})({str(nickel_up2)!r})\n"
        "assert not {'tensorflow', 'keras', 'torch', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
