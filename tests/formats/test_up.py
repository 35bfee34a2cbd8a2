"""UP1 and UP2 files: what is read, and that it is written again as it was."""

import os
import shutil
import struct
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.formats import open_up, pixels, read_header, save_up
from napari_kikuchi.scan import Grid, Scan, ScanError, ScanWarning


def raw_patterns(path, n, side=60):
    kind = {".up1": "u1", ".up2": "<u2"}[path.suffix.lower()]
    offset = struct.unpack_from("<I", path.read_bytes(), 12)[0]
    return np.frombuffer(path.read_bytes(), kind, n * side * side, offset).reshape(n, side, side)


@st.composite
def up_files(draw):
    """A whole file of any kind: its extension, and what `write_up` takes."""
    extension = draw(st.sampled_from([".up1", ".up2"]))
    version = draw(st.sampled_from([1, 2, 3, 3, 4, 7, 1000]))
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(2, 5))
    hexagonal = version > 1 and draw(st.booleans())
    extra = draw(st.integers(0, 1))
    n = rows * columns
    if hexagonal:
        n = draw(st.sampled_from([n, n - rows // 2, n - (rows + 1) // 2]))
    shape = (n, draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    seed = draw(st.integers(0, 2**32 - 1))
    patterns = np.random.default_rng(seed).integers(0, 256 if extension == ".up1" else 65536, shape)
    step = draw(st.tuples(st.floats(), st.floats()))
    filler = draw(st.binary(max_size=30))
    fields = {"version": version, "grid": (rows, columns), "hexagonal": int(hexagonal)}
    return extension, patterns, fields | {"extra": extra, "step": step, "filler": filler}


class TestOpening:
    def test_the_real_nickel_map(self, nickel_file, nickel):
        scan = open_up(nickel_file)
        assert scan.grid == Grid(3, 3)
        assert scan.step == (1.5, 1.5)
        assert scan.pixel_type == np.uint8
        np.testing.assert_array_equal(scan.patterns, nickel)

    def test_the_real_silicon_pattern(self, silicon_file):
        scan = open_up(silicon_file)
        assert scan.patterns.shape == (1, 480, 480)
        assert scan.grid == Grid(1, 1)

    def test_patterns_are_mapped_and_safe_from_writing(self, nickel_file):
        patterns = open_up(nickel_file).patterns
        assert isinstance(patterns, np.memmap)
        assert not patterns.flags.writeable

    def test_every_header_kind_gives_its_patterns(self, up_file):
        scan = open_up(up_file)
        np.testing.assert_array_equal(scan.patterns, raw_patterns(up_file, scan.n))

    def test_the_header_is_read_as_written(self, nickel_up2):
        header = read_header(nickel_up2)
        assert (header.version, header.width, header.height, header.offset) == (3, 60, 60, 42)
        assert (header.rows, header.columns, header.hexagonal, header.extra) == (3, 3, False, 0)
        assert (header.step_x, header.step_y) == (1.5, 1.5)

    def test_rows_come_before_columns(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel[:8, :30], grid=(2, 4))
        scan = open_up(path)
        assert scan.as_map().shape == (2, 4, 30, 60)
        np.testing.assert_array_equal(scan.as_map()[1, 0], nickel[4, :30])

    def test_a_step_that_is_none_is_unknown(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, grid=(3, 3), step=(float("nan"), -1.0))
        assert open_up(path).step == (0.0, 0.0)

    @pytest.mark.skipif(sys.platform == "win32", reason="files are not sparse there unless asked")
    def test_more_than_4_gib_open_at_once(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up2", nickel[:1], grid=(1000, 695))
        size = 42 + 695_000 * 7200
        os.truncate(path, size)
        scan = open_up(path)
        assert size > 2**32
        assert (scan.n, scan.missing) == (695_000, 0)
        assert scan.patterns[-1].max() == 0
        path.unlink()


class TestHexagonalGrids:
    @pytest.mark.parametrize(
        ("n", "extra", "short_first", "points", "padding"),
        [(8, 0, False, 8, 0), (9, 1, False, 8, 1), (9, 0, False, 8, 1), (8, 1, False, 8, 0), (7, 0, True, 7, 0)],
    )
    def test_the_file_size_decides(self, tmp_path, write_up, nickel, n, extra, short_first, points, padding):
        path = write_up(tmp_path / "a.up1", nickel[:n], grid=(3, 3), hexagonal=1, extra=extra)
        scan = open_up(path)
        assert scan.grid == Grid(3, 3, hexagonal=True, short_first=short_first)
        assert scan.n == points
        assert (0 if scan.source.padding is None else len(scan.source.padding)) == padding
        assert not scan.is_map

    def test_a_short_first_row_is_not_taken_for_a_file_cut_within_a_pattern(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel[:8], grid=(3, 3), hexagonal=1)
        os.truncate(path, path.stat().st_size - 1)
        with pytest.warns(ScanWarning, match="1 of the 8 patterns"):
            scan = open_up(path)
        assert scan.grid == Grid(3, 3, hexagonal=True)

    def test_padding_that_is_cut_short_is_nothing_missing(self, tmp_path, write_up, nickel):
        # 4 rows of 2, 1, 2, 1 points, and one of two padding patterns.
        path = write_up(tmp_path / "a.up1", nickel[:7], grid=(4, 2), hexagonal=1, extra=1)
        scan = open_up(path)
        assert (scan.n, scan.missing, len(scan.source.padding)) == (6, 0, 1)
        assert save_up(tmp_path / "b.up1", scan).read_bytes() == path.read_bytes()

    def test_a_map_that_cannot_be_opens_as_a_sequence(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, grid=(9, 1), hexagonal=1)
        with pytest.warns(ScanWarning, match="plain sequence"):
            assert open_up(path).grid is None


class TestVersions:
    def test_version_2_is_read_as_3_only_where_its_map_fits(self, tmp_path, write_up, nickel):
        assert open_up(write_up(tmp_path / "a.up1", nickel, version=2, grid=(3, 3))).grid == Grid(3, 3)
        assert open_up(write_up(tmp_path / "b.up1", nickel, version=2, grid=(3, 4))).grid is None

    def test_version_2_with_pixels_in_the_place_of_a_map(self, tmp_path, nickel):
        path = tmp_path / "a.up1"
        path.write_bytes(struct.pack("<4I", 2, 60, 60, 16) + nickel.tobytes())
        scan = open_up(path)
        assert scan.grid is None
        np.testing.assert_array_equal(scan.patterns, nickel)

    def test_version_4_with_another_map_opens_as_a_sequence_and_says_so(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=4, grid=(3, 4))
        with pytest.warns(ScanWarning, match="3 rows x 4 columns.*9 patterns.*plain sequence"):
            scan = open_up(path)
        assert (scan.grid, scan.n, scan.step) == (None, 9, (0.0, 0.0))

    def test_version_3_with_an_offset_before_its_map_has_none(self, tmp_path, nickel):
        path = tmp_path / "a.up1"
        path.write_bytes(struct.pack("<4I", 3, 60, 60, 16) + nickel.tobytes())
        with pytest.warns(ScanWarning, match="plain sequence"):
            scan = open_up(path)
        np.testing.assert_array_equal(scan.patterns, nickel)


class TestWhatIsMissingOrLeftOver:
    @given(cut=st.integers(1, 42 + 9 * 6 * 5 * 2))
    def test_a_file_cut_anywhere_opens_with_the_whole_patterns_that_are_there(self, cut, write_up):
        patterns = np.arange(9 * 6 * 5).reshape(9, 6, 5)
        with tempfile.TemporaryDirectory() as folder:
            path = write_up(Path(folder, "a.up2"), patterns, grid=(3, 3))
            size = path.stat().st_size - cut
            os.truncate(path, size)
            whole, rest = divmod(size - 42, 60)
            if whole < 1:
                with pytest.raises(ScanError):
                    open_up(path)
                return
            if (whole, rest) == (4, 30):
                # Half of the bytes: nine whole patterns of 8 bits.
                with pytest.raises(ScanError, match=r"rename it to \.up1"):
                    open_up(path)
                return
            with pytest.warns(ScanWarning, match=f"{9 - whole} of the 9 patterns") as caught:
                scan = open_up(path)
            assert len(caught) == 1
            assert (f"{rest} bytes after" in str(caught[0].message)) == (rest > 0)
            assert (scan.n, scan.missing, scan.grid) == (whole, 9 - whole, Grid(3, 3))
            np.testing.assert_array_equal(scan.patterns, patterns[:whole])
            again = save_up(Path(folder, "b.up2"), scan)
            assert again.read_bytes() == path.read_bytes()[: size - rest]
            with pytest.warns(ScanWarning, match="missing"):
                assert open_up(again).grid == scan.grid
            del scan

    def test_a_sequence_of_unknown_length_misses_nothing(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=1)
        os.truncate(path, path.stat().st_size - 1)
        with pytest.warns(ScanWarning, match="3599 bytes after the last whole pattern were ignored"):
            assert open_up(path).n == 8

    def test_more_patterns_than_points_are_left_out_and_named(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, grid=(2, 3))
        with pytest.warns(ScanWarning, match="3 patterns after the 6 of its map"):
            scan = open_up(path)
        np.testing.assert_array_equal(scan.patterns, nickel[:6])
        assert save_up(tmp_path / "b.up1", scan).read_bytes() == path.read_bytes()[: 42 + 6 * 3600]

    def test_so_are_those_after_the_padding(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, grid=(3, 2), hexagonal=1, extra=1)
        with pytest.warns(ScanWarning, match="3 patterns after the 5 of its map"):
            scan = open_up(path)
        assert len(scan.source.padding) == 1

    def test_a_hexagonal_file_without_the_flag_has_no_partial_padding(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel[:7], grid=(4, 2), hexagonal=1)
        with pytest.warns(ScanWarning, match="1 patterns after the 6 of its map"):
            assert open_up(path).source.padding is None


class TestErrors:
    @pytest.mark.parametrize("version", [3, 4])
    @pytest.mark.parametrize(("name", "levels", "right"), [("a.up1", "<u2", "up2"), ("a.up2", "u1", "up1")])
    def test_a_renamed_file_is_found_out(self, tmp_path, nickel, write_up, name, levels, right, version):
        path = write_up(tmp_path / f"b.{right}", nickel, version=version, grid=(3, 3)).rename(tmp_path / name)
        with pytest.raises(ScanError, match=f"rename it to .{right}"):
            open_up(path)

    def test_even_one_that_holds_half_a_pattern_by_its_name(self, tmp_path, silicon_up1):
        with pytest.raises(ScanError, match=r"rename it to \.up1"):
            open_up(silicon_up1.rename(tmp_path / "silicon.up2"))

    @pytest.mark.parametrize(
        ("head", "message"),
        [
            (b"", "0 bytes, fewer than the 16"),
            (bytes(15), "15 bytes, fewer than the 16"),
            (struct.pack("<4I", 3, 4, 4, 42), "16 bytes, fewer than the 42"),
            (struct.pack("<4I", 0, 4, 4, 16) + bytes(99), "version 0"),
            (struct.pack("<4I", 1001, 4, 4, 16) + bytes(99), "version 1001"),
            (struct.pack("<4I", 1, 0, 4, 16) + bytes(99), "pattern width 0"),
            (struct.pack("<4I", 1, 4, 8193, 16) + bytes(99), "pattern height 8193"),
            (struct.pack("<4I", 1, 4, 4, 116) + bytes(99), "at byte 116 by its header, beyond its end at 115"),
            (struct.pack("<4I", 1, 4, 4, 12) + bytes(99), "at byte 12 by its header, inside the header"),
            (struct.pack("<4I", 1, 4, 4, 16) + bytes(15), "not one whole pattern"),
            (struct.pack("<4I", 1, 4, 4, 16), "not one whole pattern"),
        ],
    )
    def test_a_header_that_makes_no_sense_is_named(self, tmp_path, head, message):
        path = tmp_path / "odd.up1"
        path.write_bytes(head)
        with pytest.raises(ScanError, match=message) as caught:
            open_up(path)
        assert str(path) in str(caught.value)

    def test_neither_a_folder_nor_nothing_is_a_file(self, tmp_path):
        with pytest.raises(ScanError, match="does not exist"):
            open_up(tmp_path / "nothing.up2")
        (tmp_path / "folder.up2").mkdir()
        with pytest.raises(ScanError, match="is a folder"):
            open_up(tmp_path / "folder.up2")

    @pytest.mark.parametrize("name", ["scan.h5", "scan", "scan.up3", "up2"])
    def test_other_extensions_are_refused(self, name):
        with pytest.raises(ScanError, match=r"expected the extension \.up1 or \.up2"):
            open_up(name)
        with pytest.raises(ScanError, match=r"expected the extension \.up1 or \.up2"):
            save_up(name, Scan(np.zeros((1, 2, 2), np.uint8)))


class TestGridFromTheCaller:
    def test_it_gives_a_version_1_file_its_map(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=1)
        scan = open_up(path, grid=(3, 3))
        assert scan.is_map
        # The header that the indexing software knows is kept.
        assert save_up(tmp_path / "b.up1", scan).read_bytes() == path.read_bytes()

    def test_it_overrides_a_header(self, nickel_up1, tmp_path):
        scan = open_up(nickel_up1, grid=(1, 9))
        assert scan.grid == Grid(1, 9)
        assert read_header(save_up(tmp_path / "b.up1", scan)).columns == 9

    def test_it_may_be_hexagonal_and_padded(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=1)
        scan = open_up(path, grid=Grid(3, 3, hexagonal=True))
        assert (scan.n, len(scan.source.padding)) == (8, 1)
        assert save_up(tmp_path / "b.up1", scan).read_bytes() == path.read_bytes()

    def test_one_that_does_not_fit_is_refused_with_the_numbers(self, nickel_up1):
        with pytest.raises(ScanError, match="9 patterns, but a grid of 3 rows x 4 columns, square has 12 points"):
            open_up(nickel_up1, grid=(3, 4))

    def test_the_grid_of_a_file_cut_short_may_be_said_again(self, nickel_up1):
        os.truncate(nickel_up1, 42 + 5 * 3600)
        with pytest.warns(ScanWarning, match="4 of the 9"):
            assert open_up(nickel_up1, grid=(3, 3)).missing == 4


ANG = "# GRID: {grid}\n# XSTEP: 1.5\n# YSTEP: 1.25\n# NCOLS_ODD: {odd}\n# NCOLS_EVEN: {even}\n# NROWS: {rows}\n"


class TestSiblingAng:
    @pytest.fixture
    def v1(self, tmp_path, write_up, nickel):
        return write_up(tmp_path / "scan.up1", nickel, version=1)

    @pytest.mark.parametrize("name", ["scan.ang", "scan.ANG"])
    def test_it_gives_a_version_1_file_its_map(self, v1, name, tmp_path):
        v1.with_name(name).write_text(ANG.format(grid="SqrGrid", odd=3, even=3, rows=3))
        scan = open_up(v1)
        assert (scan.grid, scan.step) == (Grid(3, 3), (1.5, 1.25))
        assert save_up(tmp_path / "b.up1", scan).read_bytes() == v1.read_bytes()

    def test_it_may_be_hexagonal(self, v1):
        v1.with_suffix(".ang").write_text(ANG.format(grid="HexGrid", odd=4, even=5, rows=2))
        assert open_up(v1).grid == Grid(2, 5, hexagonal=True, short_first=True)

    def test_a_map_too_small_is_left_and_named(self, v1):
        v1.with_suffix(".ang").write_text(ANG.format(grid="SqrGrid", odd=2, even=2, rows=3))
        with pytest.warns(ScanWarning, match=r"9 patterns where scan\.ang names 6 points"):
            assert open_up(v1).grid is None

    def test_a_larger_map_tells_that_the_file_was_cut_short(self, v1):
        v1.with_suffix(".ang").write_text(ANG.format(grid="SqrGrid", odd=3, even=3, rows=4))
        with pytest.warns(ScanWarning, match="3 of the 12 patterns"):
            assert open_up(v1).grid == Grid(4, 3)

    def test_one_without_a_map_is_named(self, v1):
        v1.with_suffix(".ang").write_text("# nothing\n")
        with pytest.warns(ScanWarning, match=r"without a map, since .*scan\.ang names no GRID"):
            assert open_up(v1).grid is None

    def test_the_caller_and_version_3_come_before_it(self, v1, nickel_up1):
        for path in (v1, nickel_up1):
            path.with_suffix(".ang").write_text(ANG.format(grid="SqrGrid", odd=1, even=1, rows=9))
        assert open_up(v1, grid=(3, 3)).grid == Grid(3, 3)
        assert open_up(nickel_up1).grid == Grid(3, 3)


class TestWritingAgain:
    def test_every_header_kind_comes_back_byte_for_byte(self, up_file, tmp_path):
        again = save_up(tmp_path / f"again{up_file.suffix}", open_up(up_file))
        assert again.read_bytes() == up_file.read_bytes()

    @given(file=up_files(), block=st.integers(1, 99))
    def test_and_so_does_any_file_in_blocks_of_any_size(self, file, block, write_up):
        extension, patterns, fields = file
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixels, "BLOCK_BYTES", block)
            path = write_up(Path(folder, f"a{extension}"), patterns, **fields)
            scan = open_up(path)
            again = save_up(Path(folder, f"b{extension}"), scan)
            assert again.read_bytes() == path.read_bytes()
            del scan

    @given(chunks=st.lists(st.integers(1, 4), min_size=1), block=st.integers(1, 20))
    def test_dask_chunks_do_not_show(self, chunks, block):
        patterns = np.arange(sum(chunks) * 4, dtype=np.uint16).reshape(-1, 2, 2)
        lazy = da.from_array(patterns, chunks=(tuple(chunks), 2, 2))
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixels, "BLOCK_BYTES", 8 * block)
            path = save_up(Path(folder, "a.up2"), Scan(lazy))
            assert path.read_bytes()[16:] == patterns.tobytes()

    def test_a_chunk_is_computed_once(self, tmp_path):
        computed = []

        def count(block):
            computed.append(len(block))
            return block

        lazy = da.zeros((10, 2, 2), dtype=np.uint8, chunks=(3, 2, 2)).map_blocks(count, meta=np.empty((0, 0, 0), "u1"))
        save_up(tmp_path / "a.up1", Scan(lazy))
        assert sorted(computed) == [1, 3, 3, 3]

    def test_blocks_are_bounded(self, monkeypatch):
        monkeypatch.setattr(pixels, "BLOCK_BYTES", 100)
        patterns = np.zeros((50, 4, 4), np.uint8)
        lazy = da.from_array(patterns, chunks=(4, 4, 4))
        assert {len(block) for _, block in pixels.read_blocks(patterns)} == {6, 2}
        # Whole chunks only: the last two are 4 and 2.
        assert {len(block) for _, block in pixels.read_blocks(lazy)} == {4, 6}

    def test_the_header_stays_under_other_patterns(self, up_file, tmp_path):
        scan = open_up(up_file)
        other = save_up(tmp_path / f"b{up_file.suffix}", scan.with_patterns(scan.patterns[::-1] // 2))
        offset = read_header(up_file).offset
        assert other.stat().st_size == up_file.stat().st_size
        assert other.read_bytes()[:offset] == up_file.read_bytes()[:offset]


class TestNewHeaders:
    def test_a_known_map_is_written_as_version_3(self, tmp_path, nickel):
        path = save_up(tmp_path / "a.up1", Scan(nickel, Grid(3, 3), (0.5, 0.25)))
        assert path.read_bytes()[:42] == struct.pack("<4IB2IB2d", 3, 60, 60, 42, 0, 3, 3, 0, 0.5, 0.25)

    def test_an_unknown_one_as_version_1(self, tmp_path, nickel):
        path = save_up(tmp_path / "a.up1", Scan(nickel))
        assert path.read_bytes() == struct.pack("<4I", 1, 60, 60, 16) + nickel.tobytes()

    def test_a_cropped_or_thinned_scan_gets_a_new_header(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=4, grid=(3, 3), filler=b"old")
        scan = open_up(path)
        changed = {
            "smaller": replace(scan, patterns=scan.patterns[:, 10:50, 10:50]),
            "thinned": replace(scan, patterns=scan.patterns[::2], grid=Grid(1, 5)),
            "stopped": replace(scan, patterns=scan.patterns[:7]),
            "unmapped": replace(scan, grid=None),
            "other step": replace(scan, step=(3.0, 3.0)),
        }
        for name, other in changed.items():
            header = read_header(save_up(tmp_path / f"{name}.up1", other))
            assert header.version == (1 if name == "unmapped" else 3)
            assert header.offset == (16 if name == "unmapped" else 42)
            assert (header.width, header.height) == (other.width, other.height)

    def test_so_does_another_depth_without_its_padding(self, tmp_path, write_up, nickel):
        scan = open_up(write_up(tmp_path / "a.up1", nickel, grid=(3, 3), hexagonal=1, extra=1))
        with pytest.warns(ScanWarning, match="uint8 patterns were converted"):
            path = save_up(tmp_path / "b.up2", scan, convert=True)
        other = open_up(path)
        assert (other.grid, other.n, other.source.padding) == (scan.grid, 8, None)
        assert read_header(path).extra == 0
        np.testing.assert_array_equal(other.patterns, nickel[:8] * np.uint16(257))

    def test_a_scan_cut_short_is_still_so_in_another_depth(self, nickel_up1, tmp_path):
        os.truncate(nickel_up1, 42 + 5 * 3600)
        with pytest.warns(ScanWarning, match="missing"):
            scan = open_up(nickel_up1)
        with pytest.warns(ScanWarning, match="converted"):
            path = save_up(tmp_path / "b.up2", scan, convert=True)
        with pytest.warns(ScanWarning, match="4 of the 9"):
            assert open_up(path).grid == Grid(3, 3)

    @pytest.mark.parametrize("short_first", [False, True])
    def test_hexagonal_maps_come_back(self, tmp_path, nickel, short_first):
        grid = Grid(3, 3, hexagonal=True, short_first=short_first)
        path = save_up(tmp_path / "a.up1", Scan(nickel[: grid.size], grid))
        assert open_up(path).grid == grid

    def test_a_map_that_the_format_cannot_tell_is_said(self, tmp_path, nickel):
        with pytest.warns(ScanWarning, match=r"cannot tell that its map .*beginning with a short row"):
            save_up(tmp_path / "a.up1", Scan(nickel[:6], Grid(4, 2, hexagonal=True, short_first=True)))

    def test_so_is_one_that_was_cut_to_the_size_of_another(self, tmp_path, nickel):
        with pytest.warns(ScanWarning, match=r"will be read as .*beginning with a short row"):
            save_up(tmp_path / "a.up1", Scan(nickel[:7], Grid(3, 3, hexagonal=True)))

    def test_and_one_that_the_old_header_denies(self, tmp_path, write_up, nickel):
        path = write_up(tmp_path / "a.up1", nickel, version=4, grid=(3, 4))
        scan = open_up(path, grid=(3, 3))
        with pytest.warns(ScanWarning, match="will be read as a plain sequence"):
            assert save_up(tmp_path / "b.up1", scan).read_bytes() == path.read_bytes()


class TestPixelTypes:
    def test_another_depth_is_refused_unless_asked_for(self, tmp_path, nickel):
        with pytest.raises(ScanError, match="holds uint16 patterns, not uint8"):
            save_up(tmp_path / "a.up2", Scan(nickel))
        assert not list(tmp_path.iterdir())

    def test_big_endian_pixels_are_written_little_endian(self, tmp_path, nickel):
        patterns = (nickel * np.uint16(257)).astype(">u2")
        path = save_up(tmp_path / "a.up2", Scan(patterns))
        np.testing.assert_array_equal(open_up(path).patterns, patterns)

    def test_a_conversion_says_its_range(self, tmp_path, nickel):
        patterns = (nickel / 100).astype(np.float32)
        expected = f"float32 patterns were converted, {patterns.min():.6g}..{patterns.max():.6g} was laid over 0..65535"
        with pytest.warns(ScanWarning, match=expected):
            path = save_up(tmp_path / "a.up2", Scan(patterns), convert=True)
        written = open_up(path).patterns
        assert (written.min(), written.max()) == (0, 65535)

    def test_all_blocks_get_one_scaling(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pixels, "BLOCK_BYTES", 16)
        patterns = np.array([0.0, 2.0, 4.0, 10.0]).reshape(4, 1, 1)
        with pytest.warns(ScanWarning):
            path = save_up(tmp_path / "a.up1", Scan(da.from_array(patterns, chunks=1)), convert=True)
        assert path.read_bytes()[16:] == bytes([0, 51, 102, 255])


class TestTheNameAppearsOnlyWhenTheFileIsWhole:
    @pytest.fixture
    def scan(self, nickel):
        return Scan(nickel, Grid(3, 3))

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
    def test_an_interrupted_write_leaves_nothing(self, tmp_path, scan, error):
        def stop(done, total):
            assert not (tmp_path / "a.up1").exists()
            raise error

        with pytest.raises(error):
            save_up(tmp_path / "a.up1", scan, progress=stop)
        assert not list(tmp_path.iterdir())

    def test_nor_does_it_touch_what_was_there(self, tmp_path, scan, monkeypatch):
        path = tmp_path / "a.up1"
        path.write_bytes(b"before")

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            save_up(path, scan, overwrite=True, progress=stop)
        assert path.read_bytes() == b"before"
        assert list(tmp_path.iterdir()) == [path]

    def test_patterns_fewer_than_declared_are_no_file(self, tmp_path):
        lazy = da.zeros((4, 2, 2), dtype=np.uint8, chunks=2).map_blocks(
            lambda block: block[:1], dtype=np.uint8, chunks=((2, 2), 2, 2), meta=np.empty((0, 0, 0), np.uint8)
        )
        with pytest.raises(ScanError, match="not of the number and size"):
            save_up(tmp_path / "a.up1", Scan(lazy))
        assert not list(tmp_path.iterdir())

    def test_a_name_that_is_taken_is_kept_unless_asked(self, tmp_path, scan):
        path = save_up(tmp_path / "a.up1", scan)
        before = path.read_bytes()
        with pytest.raises(ScanError, match="exists already"):
            save_up(path, scan.with_patterns(scan.patterns // 2))
        assert path.read_bytes() == before
        save_up(path, scan.with_patterns(scan.patterns // 2), overwrite=True)
        assert path.read_bytes() != before

    def test_one_taken_meanwhile_is_kept_too(self, tmp_path, scan):
        path = tmp_path / "a.up1"
        with pytest.raises(ScanError, match="exists already"):
            save_up(path, scan, progress=lambda done, total: path.write_bytes(b"other"))
        assert path.read_bytes() == b"other"

    def test_the_scans_own_file_is_never_written(self, nickel_up1, tmp_path):
        scan = open_up(nickel_up1)
        link = tmp_path / "link.up1"
        link.hardlink_to(nickel_up1)
        elsewhere = replace(scan, source=None)
        for path, same in ((nickel_up1, scan), (link, scan), (nickel_up1, elsewhere)):
            with pytest.raises(ScanError, match="read from"):
                save_up(path, same, overwrite=True)

    def test_a_full_disk_is_told_beforehand(self, tmp_path, scan, monkeypatch):
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(ScanError, match="GiB are free"):
            save_up(tmp_path / "a.up1", scan)

    def test_a_file_that_cannot_be_replaced_is_told(self, tmp_path, scan, monkeypatch):
        def refuse(self, target):
            raise PermissionError

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(ScanError, match="open in another program or as a layer"):
            save_up(tmp_path / "a.up1", scan)
        assert not list(tmp_path.iterdir())

    def test_there_has_to_be_a_folder(self, tmp_path, scan):
        with pytest.raises(ScanError, match="no folder"):
            save_up(tmp_path / "nowhere" / "a.up1", scan)
        (tmp_path / "a.up1").mkdir()
        with pytest.raises(ScanError, match="is a folder"):
            save_up(tmp_path / "a.up1", scan, overwrite=True)

    @pytest.mark.parametrize("shape", [(0, 4, 4), (1, 0, 4), (1, 1, 8193)])
    def test_sizes_that_could_not_be_read_are_not_written(self, tmp_path, shape):
        with pytest.raises(ScanError, match="one pattern at least"):
            save_up(tmp_path / "a.up1", Scan(np.zeros(shape, np.uint8)))

    def test_progress_counts_patterns(self, tmp_path, scan, monkeypatch):
        monkeypatch.setattr(pixels, "BLOCK_BYTES", 4 * 3600)
        told = []
        save_up(tmp_path / "a.up1", scan, progress=lambda done, total: told.append((done, total)))
        assert told == [(4, 9), (8, 9), (9, 9)]


class TestPyEBSDIndex:
    """Another reader of the format; it takes a hexagonal map for a rectangle, so that it is asked by number."""

    @pytest.mark.parametrize("extension", [".up1", ".up2"])
    @pytest.mark.parametrize(
        "grid", [None, Grid(3, 3), Grid(1, 9), Grid(3, 3, hexagonal=True), Grid(3, 3, hexagonal=True, short_first=True)]
    )
    def test_reads_what_we_write(self, tmp_path, nickel, extension, grid):
        with warnings.catch_warnings():
            # Of its own imports.
            warnings.simplefilter("ignore")
            ebsd_pattern = pytest.importorskip("pyebsdindex.ebsd_pattern")
        n = 9 if grid is None else grid.size
        patterns = nickel[:n] * np.uint16(257) if extension == ".up2" else nickel[:n]
        path = save_up(tmp_path / f"a{extension}", Scan(patterns, grid, (1.5, 1.25)))
        file = ebsd_pattern.UPFile(str(path))
        file.read_header()
        read, _ = file.pat_reader(0, n)
        np.testing.assert_array_equal(read, patterns)
        if grid is not None:
            assert (file.nRows, file.nCols, file.hexflag) == (grid.rows, grid.columns, grid.hexagonal)
            assert (file.xStep, file.yStep) == (1.5, 1.25)
