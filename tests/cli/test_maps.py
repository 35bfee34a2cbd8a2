"""`napari-kikuchi map` as a user meets it."""

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi.cli import app


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


def test_a_map_is_that_of_the_scripted_api(run, nickel_up2, tmp_path):
    for of in ("image-quality", "mean-intensity", "virtual-backscatter"):
        answer = run("map", nickel_up2, tmp_path / f"{of}.tif", "--of", of)
        assert answer.exit_code == 0, answer.stderr
        assert "9 points (3 rows x 3 columns, square)" in answer.stdout
        expected = nk.map_of(nk.open_scan(nickel_up2), of).astype(np.float32)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"{of}.tif"), expected)


def test_the_region_is_in_fractions(run, nickel_up2, nickel, tmp_path):
    answer = run("map", nickel_up2, tmp_path / "m.tif", "--of", "virtual-backscatter", "--region", "0,0.5,0.5,0.5")
    assert answer.exit_code == 0, answer.stderr
    expected = nickel[:, 30:, :30].mean(axis=(1, 2)).reshape(3, 3) * 257
    np.testing.assert_allclose(tifffile.imread(tmp_path / "m.tif"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("out.tif", "--region", "0,0,1,1"), 2, "virtual-backscatter"),
        (("out.tif", "--of", "virtual-backscatter", "--region", "0,0,2,1"), 2, "within 0 to 1"),
        (("out.tif", "--of", "virtual-backscatter", "--region", "0,0"), 2, "X,Y,W,H"),
        (("out.jpg",), 2, ".tif"),
        (("nickel.up2",), 2, ".tif"),
    ],
)
def test_wrong_commands_say_why(run, nickel_up2, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    answer = run("map", nickel_up2, *words)
    assert answer.exit_code == code
    assert says in " ".join(answer.stderr.replace("│", " ").split())


def test_an_unknown_map_is_asked_for_and_taken(run, nickel, write_up, tmp_path):
    path = write_up(tmp_path / "v1.up1", nickel, version=1)
    answer = run("map", path, tmp_path / "out.png")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "--grid" in answer.stderr
    assert run("map", path, tmp_path / "out.png", "--grid", "3x3").exit_code == 0
    again = run("map", path, tmp_path / "out.png", "--grid", "3x3")
    assert again.exit_code == 1
    assert "exists already" in again.stderr
