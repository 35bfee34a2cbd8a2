import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi.cli import app


@pytest.fixture
def run():
    """Run a command in this process; the answer has `exit_code`, `stdout` and `stderr`."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


def test_a_rectangle_is_cut_out(run, nickel_up2, tmp_path):
    answer = run("crop", nickel_up2, tmp_path / "part.up2", "--rows", "1:3", "--columns", "0:2")
    assert answer.exit_code == 0
    part = nk.open_scan(tmp_path / "part.up2")
    assert part.grid.shape == (2, 2)
    np.testing.assert_array_equal(part.patterns, np.asarray(nk.open_scan(nickel_up2).patterns)[[3, 4, 6, 7]])


def test_a_map_is_thinned(run, nickel_up2, tmp_path):
    assert run("crop", nickel_up2, tmp_path / "part.up2", "--every", 2).exit_code == 0
    part = nk.open_scan(tmp_path / "part.up2")
    assert (part.grid.shape, part.step) == ((2, 2), (3.0, 3.0))


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [(["--rows", "2:9"], 1, "rows 0 to 2"), (["--rows", "2-3"], 2, "FIRST:END"), (["--every", "0"], 2, "every")],
)
def test_what_is_no_part_of_the_map_is_refused(run, nickel_up2, tmp_path, options, code, says):
    answer = run("crop", nickel_up2, tmp_path / "part.up2", *options)
    assert answer.exit_code == code
    assert says in answer.stderr
    assert not (tmp_path / "part.up2").exists()


@pytest.mark.parametrize("command", ["crop", "clahe"])
def test_the_indexing_softwares_files_are_copied_if_asked_for(run, nickel_up2, tmp_path, command):
    nickel_up2.with_suffix(".osc").write_bytes(b"scan")
    assert "new.osc" in run(command, nickel_up2, tmp_path / "new.up2").stderr
    assert not (tmp_path / "new.osc").exists()
    answer = run(command, nickel_up2, tmp_path / "new.up2", "--copy-sidecars", "--overwrite")
    assert "Copied nickel.osc as new.osc." in answer.stdout
    assert (tmp_path / "new.osc").read_bytes() == b"scan"
    again = run(command, nickel_up2, tmp_path / "new.up2", "--copy-sidecars", "--overwrite")
    assert again.exit_code == 0
