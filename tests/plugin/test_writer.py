import numpy as np
import pytest
from napari.layers import Image
from napari.utils.notifications import notification_manager

from napari_kikuchi.plugin.reader import read
from napari_kikuchi.plugin.writer import write_up
from napari_kikuchi.scan import ScanError, ScanWarning


def opened(path):
    ((data, arguments, _),) = read(str(path))
    return Image(data, **arguments)


def test_what_was_opened_is_saved_to_the_byte(up_file, tmp_path):
    layer = opened(up_file)
    target = tmp_path / f"again{up_file.suffix}"
    assert layer.save(str(target), plugin="napari-kikuchi") == [str(target)]
    assert target.read_bytes() == up_file.read_bytes()


def test_a_layer_of_another_depth_is_converted_and_says_so(nickel_up1, nickel_up2, tmp_path):
    target = tmp_path / "deep.up2"
    with pytest.warns(ScanWarning, match="uint8"):
        opened(nickel_up1).save(str(target), plugin="napari-kikuchi")
    assert target.read_bytes()[42:] == nickel_up2.read_bytes()[42:]


def test_a_cropped_layer_gets_a_header_of_its_own(nickel_up2, tmp_path):
    data = opened(nickel_up2).data[:2]
    layer = Image(data, metadata=opened(nickel_up2).metadata, rgb=False)
    (path,) = layer.save(str(tmp_path / "cropped.up2"), plugin="napari-kikuchi")
    ((again, arguments, _),) = read(path)
    assert again.shape == (2, 3, 60, 60)
    assert arguments["scale"] == (1.5, 1.5, 1, 1)


def test_a_layer_is_never_written_over_the_file_it_is_mapped_from(nickel_up2):
    before = nickel_up2.read_bytes()
    with pytest.raises(ScanError, match="another name"):
        write_up(str(nickel_up2), *opened(nickel_up2).as_layer_data_tuple()[:2])
    assert nickel_up2.read_bytes() == before


def test_any_image_layer_of_patterns_can_be_saved(tmp_path):
    patterns = np.random.default_rng(0).integers(0, 255, (4, 20, 30)).astype(np.uint8)
    (path,) = Image(patterns, rgb=False).save(str(tmp_path / "made.up1"), plugin="napari-kikuchi")
    np.testing.assert_array_equal(read(path)[0][0], patterns)


def test_a_save_under_a_new_name_tells_of_the_indexing_softwares_files(viewer, nickel_up2, tmp_path):
    nickel_up2.with_suffix(".osc").write_bytes(b"scan")
    before = len(notification_manager.records)
    viewer.layers[0].save(str(tmp_path / "new.up2"), plugin="napari-kikuchi")
    (told,) = list(notification_manager.records)[before:]
    assert "new.osc" in told.message
    ((text, copy),) = told.actions
    assert text == "Copy nickel.osc as new.osc"
    copy(None)
    assert (tmp_path / "new.osc").read_bytes() == b"scan"
