"""Commands for networks of one's own, as a user meets them; what they compute is tested elsewhere."""

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi import cli_training
from napari_kikuchi.cli import app


@pytest.fixture
def run():
    """Run a command in this process; the answer has `exit_code`, `stdout` and `stderr`."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def simulated(monkeypatch):
    """What was asked of the simulation, which answers with noise at once."""
    asked = {}

    def simulate(crystal, *, progress, half_width, **settings):
        asked[crystal.name] = {"half_width": half_width, **settings}
        progress(1, 2)
        pattern = np.random.default_rng(1).random((1, 2 * half_width + 1, 2 * half_width + 1))
        pattern.flat[:2] = 0, 1
        lattice = crystal.cell[0], crystal.cell[2]
        return nk.MasterPattern(crystal.name, pattern.astype(np.float32), crystal.space_group, lattice)

    monkeypatch.setattr(cli_training, "find_adapter", lambda: None)
    monkeypatch.setattr(cli_training, "simulate_master_pattern", simulate)
    return asked


def test_help_teaches(run):
    answer = run("simulate", "--help")
    assert answer.exit_code == 0
    assert "napari-kikuchi simulate al" in answer.stdout.split("Examples:")[1]
    assert "simulate" in run("--help").stdout


def test_master_patterns_are_written_under_their_names(run, simulated, tmp_path):
    folder = tmp_path / "new" / "masters"
    answer = run("simulate", "al", "ti-hcp", "--output", folder, "--half-width", 12, "--voltage", 15)
    assert answer.exit_code == 0, answer.stderr
    assert [path.name for path in sorted(folder.iterdir())] == ["al.npz", "ti-hcp.npz"]
    assert f"Wrote {folder / 'al.npz'}, 25x25 pixels, in 0.0 minutes." in answer.stdout
    assert nk.MasterPattern.load(folder / "ti-hcp.npz").lattice == (2.9508, 4.6855)
    settings = {"voltage": 15.0, "tilt": 70.0, "smallest_spacing": 0.05, "half_width": 12, "energy_bin": 1.0}
    assert simulated == {"al": settings, "ti-hcp": settings}


def test_nothing_is_simulated_that_could_not_be_written(run, simulated, tmp_path):
    (tmp_path / "ni.npz").write_text("mine")
    answer = run("simulate", "al", "ni", "--output", tmp_path, "--half-width", 12)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(f"Error: {tmp_path / 'ni.npz'} exists already")
    assert not simulated
    assert run("simulate", "ni", "--output", tmp_path, "--half-width", 12, "--overwrite").exit_code == 0
    assert nk.MasterPattern.load(tmp_path / "ni.npz").space_group == 225


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("unobtainium",), 1, "There is no phase and no file unobtainium: give one of al, ni"),
        (("al", "al"), 1, "Two of these would be written to"),
        (("al", "--voltage", 1000), 2, "--voltage"),
        ((), 2, "CIF|NAME"),
    ],
)
def test_bad_input_is_one_sentence(run, simulated, tmp_path, words, code, says):
    answer = run("simulate", *words, "--output", tmp_path)
    assert answer.exit_code == code
    assert says in " ".join(answer.stderr.split())
    assert code == 2 or answer.stderr.count("\n") == 1
    assert not simulated
    assert not list(tmp_path.iterdir())
