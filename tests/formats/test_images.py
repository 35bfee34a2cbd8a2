"""Scans as folders of images."""

import cv2
import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_kikuchi.formats import export_images, images, open_images, open_up, pack_images, read_pattern
from napari_kikuchi.scan import Grid, Scan, ScanError, ScanWarning


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "images"
    path.mkdir()
    return path


def fill(folder, patterns, name="{}.png"):
    for number, pattern in enumerate(patterns):
        path = folder / name.format(number)
        path.write_bytes(cv2.imencode(path.suffix.lower(), pattern)[1].tobytes())
    return folder


class TestThereAndBack:
    @pytest.mark.parametrize("format", ["png", "tiff"])
    def test_every_header_kind_comes_back_byte_for_byte(self, up_file, tmp_path, format):
        folder = export_images(open_up(up_file), tmp_path / "images", format)
        again = pack_images(folder, tmp_path / f"again{up_file.suffix}", like=up_file)
        assert again.read_bytes() == up_file.read_bytes()

    def test_a_scan_cut_short_does_too(self, nickel_up2, tmp_path):
        nickel_up2.write_bytes(nickel_up2.read_bytes()[: 42 + 5 * 7200])
        with pytest.warns(ScanWarning, match="missing"):
            folder = export_images(open_up(nickel_up2), tmp_path / "images")
        with pytest.warns(ScanWarning, match="missing"):
            again = pack_images(folder, tmp_path / "again.up2", like=nickel_up2)
        assert again.read_bytes() == nickel_up2.read_bytes()

    @pytest.mark.parametrize("format", ["jpg", "bmp"])
    def test_8_bit_formats_say_what_they_take(self, nickel_up2, nickel, tmp_path, format):
        with pytest.warns(ScanWarning, match="holds uint8 images: the uint16 patterns were converted"):
            folder = export_images(open_up(nickel_up2), tmp_path / "images", format)
        scan = open_images(folder)
        assert scan.pixel_type == np.uint8
        difference = np.abs(np.asarray(scan.patterns).astype(int) - nickel)
        assert difference.max() <= (3 if format == "jpg" else 0)

    def test_8_bit_images_pack_into_a_16_bit_file_and_say_so(self, nickel_up1, nickel_up2, tmp_path):
        folder = export_images(open_up(nickel_up1), tmp_path / "images")
        with pytest.warns(ScanWarning, match="uint8 patterns were converted, 0..255 was laid over 0..65535"):
            again = pack_images(folder, tmp_path / "again.up2", like=nickel_up2)
        assert again.read_bytes() == nickel_up2.read_bytes()

    def test_a_folder_goes_out_as_it_came_in(self, folder, nickel, tmp_path):
        names = ["7.PNG", "8.png", "9.tiff", "10.tif", "11.jpeg", "12.bmp"]
        for name, pattern in zip(names, nickel, strict=False):
            fill(folder, [pattern], name)
        out = export_images(open_images(folder), tmp_path / "out")
        assert sorted(path.name for path in out.iterdir()) == sorted(names)
        np.testing.assert_array_equal(np.asarray(open_images(out).patterns)[:4], nickel[:4])

    def test_another_format_keeps_the_names(self, folder, nickel, tmp_path):
        fill(folder, nickel, "map_{}_a.png")
        out = export_images(open_images(folder), tmp_path / "out", "tiff")
        assert {path.name for path in out.iterdir()} == {f"map_{number}_a.tif" for number in range(9)}

    def test_images_of_an_up_file_keep_their_own_names_too(self, folder, nickel, nickel_up1, tmp_path):
        fill(folder, nickel, "p{}.png")
        out = export_images(open_images(folder, like=nickel_up1), tmp_path / "out")
        assert (out / "p8.png").exists()

    def test_floats_fill_16_bits(self, tmp_path):
        patterns = np.linspace(0, 1, 32, dtype=np.float32).reshape(2, 4, 4)
        with pytest.warns(ScanWarning, match="float32 patterns were converted"):
            folder = export_images(Scan(patterns), tmp_path / "out")
        assert np.asarray(open_images(folder).patterns).max() == 65535

    def test_floats_of_an_8_bit_scan_fill_8(self, nickel_up1, tmp_path):
        scan = open_up(nickel_up1)
        with pytest.warns(ScanWarning, match="float32 patterns were converted"):
            folder = export_images(scan.with_patterns(scan.patterns.astype("f4")), tmp_path / "out")
        assert open_images(folder).pixel_type == np.uint8


class TestOpening:
    def test_images_are_taken_by_number(self, folder, nickel):
        fill(folder, [*nickel, *nickel], "{}.jpg")
        names = open_images(folder).source.names
        assert names[:3] == ("0.jpg", "1.jpg", "2.jpg")
        assert names[-9:] == tuple(f"{number}.jpg" for number in range(9, 18))

    def test_several_numbers_count_in_turn(self, folder, nickel):
        for row in (0, 10, 2):
            fill(folder, nickel[:3], f"row{row}_{{}}.png")
        assert [name.split("_")[0] for name in open_images(folder).source.names] == ["row0"] * 3 + ["row2"] * 3 + [
            "row10"
        ] * 3

    def test_patterns_are_lazy(self, folder, nickel, monkeypatch):
        monkeypatch.setattr(images, "CHUNK_IMAGES", 1)
        fill(folder, nickel)
        scan = open_images(folder, grid=(3, 3))
        assert isinstance(scan.patterns, da.Array)
        assert scan.as_map().shape == (3, 3, 60, 60)
        (folder / "5.png").unlink()
        np.testing.assert_array_equal(scan.patterns[0], nickel[0])

    def test_a_chunk_is_no_larger_than_it_has_to_be(self, folder, nickel, monkeypatch):
        fill(folder, nickel)
        monkeypatch.setattr(images, "CHUNK_BYTES", 4 * 3600)
        assert open_images(folder).patterns.chunks[0] == (4, 4, 1)

    @pytest.mark.parametrize("channels", [3, 4])
    @pytest.mark.parametrize("name", ["{}.png", "{}.tif", "{}.jpg", "{}.bmp"])
    def test_equal_channels_are_grey(self, folder, nickel, channels, name):
        if channels == 4 and name in ("{}.jpg", "{}.bmp"):
            pytest.skip("no transparency in this format")
        fill(folder, [np.dstack([pattern] * channels) for pattern in nickel], name)
        scan = open_images(folder)
        assert scan.patterns.shape == (9, 60, 60)
        difference = np.asarray(scan.patterns).astype(int) - nickel
        assert np.abs(difference).max() <= (30 if name == "{}.jpg" else 0)

    def test_16_bits_stay(self, folder, nickel):
        deep = nickel * np.uint16(257) + np.uint16(1)
        fill(folder, deep)
        np.testing.assert_array_equal(open_images(folder).patterns, deep)

    @pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}])
    def test_tiffs_of_other_programs(self, folder, nickel, options):
        deep = nickel * np.uint16(257)
        for number, pattern in enumerate(deep):
            tifffile.imwrite(folder / f"{number}.tif", pattern, photometric="minisblack", **options)
        np.testing.assert_array_equal(open_images(folder).patterns, deep)

    def test_colours_are_refused(self, folder, nickel):
        fill(folder, [np.dstack([nickel[0], nickel[1], nickel[2]])])
        with pytest.raises(ScanError, match=r"0\.png is coloured"):
            open_images(folder)

    def test_what_is_no_image_is_named_and_skipped(self, folder, nickel):
        fill(folder, nickel)
        for name in ("Thumbs.db", "notes.txt", ".hidden.png"):
            (folder / name).write_bytes(b"")
        (folder / "more").mkdir()
        with pytest.warns(ScanWarning, match=r"\.hidden\.png, Thumbs\.db, more, notes\.txt"):
            assert open_images(folder).n == 9

    def test_many_strays_are_counted(self, folder, nickel):
        fill(folder, nickel)
        for number in range(8):
            (folder / f"{number}.txt").write_bytes(b"")
        with pytest.warns(ScanWarning, match=r"4\.txt and 3 more"):
            open_images(folder)

    def test_a_missing_number_is_told(self, folder, nickel):
        fill(folder, nickel, "p{}.png")
        (folder / "p4.png").unlink()
        with pytest.warns(ScanWarning, match="no image has the number 4"):
            assert open_images(folder).n == 8

    def test_one_number_twice_is_refused(self, folder, nickel):
        fill(folder, nickel)
        fill(folder, nickel[:1], "00.jpg")
        with pytest.raises(ScanError, match=r"the same pattern twice: (0\.png and 00\.jpg|00\.jpg and 0\.png)"):
            open_images(folder)

    def test_no_images_is_no_scan(self, folder):
        with pytest.raises(ScanError, match="holds no images"):
            open_images(folder)
        with pytest.raises(ScanError, match="does not exist"):
            open_images(folder / "nowhere")
        (folder / "file").write_bytes(b"")
        with pytest.raises(ScanError, match="not a folder"):
            open_images(folder / "file")

    @pytest.mark.parametrize(
        ("name", "content"), [("9.png", b"not a PNG"), ("9.png", b""), ("9.tif", b"II*\0"), ("9.tif", b"")]
    )
    def test_a_broken_image_is_named(self, folder, nickel, name, content):
        fill(folder, nickel)
        (folder / name).write_bytes(content)
        with pytest.raises(ScanError, match=rf"{name} cannot be read"):
            open_images(folder)

    def test_several_pages_are_no_pattern(self, folder, nickel):
        tifffile.imwrite(folder / "0.tif", nickel, photometric="minisblack")
        with pytest.raises(ScanError, match="9 pages"):
            open_images(folder)

    @pytest.mark.parametrize("place", [1, 4, 8])
    @pytest.mark.parametrize("change", [lambda pattern: pattern[:50], lambda pattern: pattern * np.uint16(257)])
    def test_another_size_or_depth_is_named_before_a_file_appears(self, folder, tmp_path, nickel, place, change):
        fill(folder, nickel)
        fill(folder, [change(nickel[place])], f"{place}.png")
        with pytest.raises(ScanError, match=rf"{place}\.png is 60x.. pixels of .*0\.png is 60x60 pixels of uint8"):
            pack_images(folder, tmp_path / "a.up1")
        assert not (tmp_path / "a.up1").exists()


class TestTheMap:
    def test_from_the_user(self, folder, nickel, tmp_path):
        path = pack_images(fill(folder, nickel), tmp_path / "a.up1", grid=(3, 3))
        assert open_up(path).grid == Grid(3, 3)

    def test_from_nobody(self, folder, nickel, tmp_path):
        path = pack_images(fill(folder, nickel), tmp_path / "a.up1")
        assert path.read_bytes()[:4] == b"\1\0\0\0"
        np.testing.assert_array_equal(open_up(path).patterns, nickel)

    def test_one_that_does_not_fit_is_refused(self, folder, nickel, nickel_up1, tmp_path):
        fill(folder, nickel[:8])
        with pytest.raises(ScanError, match=r"8 images, but a grid of .* has 9 points"):
            open_images(folder, grid=(3, 3))
        with pytest.raises(ScanError, match=r"8 patterns of 60x60 pixels.* has 9 patterns of 60x60"):
            open_images(folder, like=nickel_up1)
        with pytest.raises(ScanError, match="either the grid or the file"):
            open_images(folder, (3, 3), nickel_up1)

    def test_the_file_it_is_like_is_never_written(self, folder, nickel, nickel_up1):
        with pytest.raises(ScanError, match="read from"):
            pack_images(fill(folder, nickel), nickel_up1, like=nickel_up1, overwrite=True)


class TestTheFolderAppearsOnlyWhenItIsWhole:
    @pytest.fixture
    def scan(self, nickel):
        return Scan(nickel, Grid(3, 3))

    def test_names_sort_as_text_and_as_numbers(self, tmp_path, scan):
        names = sorted(path.name for path in export_images(scan, tmp_path / "out").iterdir())
        assert names == [f"00000{number}.png" for number in range(9)]

    def test_an_interrupted_export_leaves_nothing(self, tmp_path, scan):
        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_images(scan, tmp_path / "out", progress=stop)
        assert not list(tmp_path.iterdir())

    def test_an_empty_folder_is_free(self, folder, scan):
        assert len(list(export_images(scan, folder).iterdir())) == 9

    def test_a_full_one_only_if_asked_and_only_of_images(self, tmp_path, folder, scan):
        fill(folder, [np.zeros((2, 2), np.uint8)], "old.png")
        with pytest.raises(ScanError, match="exists already"):
            export_images(scan, folder)
        export_images(scan, folder, overwrite=True)
        assert not (folder / "old.png").exists()
        (folder / "thesis.docx").write_bytes(b"")
        with pytest.raises(ScanError, match=r"more than images: thesis\.docx"):
            export_images(scan, folder, overwrite=True)
        assert list(tmp_path.iterdir()) == [folder]

    def test_an_old_folder_stays_if_the_new_one_cannot_take_its_place(self, folder, scan, monkeypatch):
        fill(folder, [np.zeros((2, 2), np.uint8)], "old.png")
        rename = type(folder).rename

        def refuse(self, target):
            if self.name.endswith(".partial") and not (self / "old.png").exists():
                raise PermissionError
            return rename(self, target)

        monkeypatch.setattr(type(folder), "rename", refuse)
        with pytest.raises(ScanError, match="cannot be written"):
            export_images(scan, folder, overwrite=True)
        assert [path.name for path in folder.iterdir()] == ["old.png"]

    def test_the_scans_own_folder_is_never_written(self, folder, nickel):
        scan = open_images(fill(folder, nickel))
        with pytest.raises(ScanError, match="read from"):
            export_images(scan, folder, overwrite=True)

    def test_a_file_is_no_folder(self, nickel_up1, scan):
        with pytest.raises(ScanError, match="is a file, where a folder"):
            export_images(scan, nickel_up1, overwrite=True)

    def test_other_formats_are_named(self, tmp_path, scan):
        with pytest.raises(ScanError, match="png, tiff, jpg, bmp, not as gif"):
            export_images(scan, tmp_path / "out", "gif")

    def test_progress_counts_patterns(self, tmp_path, scan):
        told = []
        export_images(scan, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (9, 9)


class TestSinglePatterns:
    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    def test_an_image_and_an_array_keep_their_levels(self, tmp_path, kind):
        pattern = np.arange(12, dtype=kind).reshape(3, 4) * (np.iinfo(kind).max // 12)
        (path,) = fill(tmp_path, [pattern]).glob("*.png")
        np.save(tmp_path / "pattern.npy", pattern)
        for file in (path, tmp_path / "pattern.npy"):
            assert read_pattern(file).dtype == kind
            np.testing.assert_array_equal(read_pattern(str(file)), pattern)

    def test_what_is_no_single_grey_image_is_refused(self, tmp_path):
        np.save(tmp_path / "many.npy", np.zeros((2, 3, 4)))
        np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
        (tmp_path / "short.npy").write_bytes(b"")
        (tmp_path / "scan.up1").write_bytes(b"no image")
        for name, says in (
            ("many.npy", r"no single grey image, but has shape \(2, 3, 4\)"),
            ("objects.npy", "cannot be read as a NumPy file"),
            ("short.npy", "cannot be read as a NumPy file"),
            ("scan.up1", "cannot be read as an image"),
            ("none.npy", "does not exist"),
            ("", "is not a file"),
        ):
            with pytest.raises(ScanError, match=says):
                read_pattern(tmp_path / name)
