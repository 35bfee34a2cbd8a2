"""Commands for networks of one's own, as a user meets them; what they compute is tested elsewhere."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi.autoencoder import denoiser, devices, learning_curve, training
from napari_kikuchi.autoencoder.learning_curve import Progress
from napari_kikuchi.cli import app
from napari_kikuchi.cli import training as commands


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

    monkeypatch.setattr(commands, "find_adapter", lambda: None)
    monkeypatch.setattr(commands, "simulate_master_pattern", simulate)
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


@pytest.fixture
def masters(tmp_path):
    """A folder of one master pattern, of noise."""
    hemispheres = np.random.default_rng(1).random((1, 61, 61)).astype(np.float32)
    (tmp_path / "masters").mkdir()
    nk.MasterPattern("ni", hemispheres, 225, (3.5, 3.5)).save(tmp_path / "masters" / "ni.npz")
    return tmp_path / "masters"


@pytest.fixture
def settings(masters, tmp_path):
    """A configuration of a run of some seconds; the weights' folder is `run`."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'master_patterns = "masters"\noutput = "run"\nnetwork = "andrews2023"\nname = "mine"\nbatch = 2\n'
        "steps = 3000\nvalidation = 2\ncheckpoint_steps = 2\n[pairs]\nwindow = 32\nsizes = [32, 64]\n"
    )
    return path


@pytest.fixture
def trained(monkeypatch):
    """The configurations trained with; a training reports two checkpoints and writes empty weights, at once."""
    asked = []

    def train_on(pairs, config, progress):
        asked.append(config)
        progress(Progress(1000, 3000, 1.0, float("nan")))
        progress(Progress(1500, 3000, 2.0, 0.5, 0.75, 0.25))
        output = tmp_folder(config)
        for name in (f"{config.name}.weights.h5", "learning-curve.csv"):
            (output / name).touch()
        return output / f"{config.name}.weights.h5"

    def tmp_folder(config):
        folder = commands.Path(config.output)
        folder.mkdir(exist_ok=True)
        return folder

    monkeypatch.setattr(training, "train_on", train_on)
    monkeypatch.setattr(denoiser, "import_keras", lambda: None)
    monkeypatch.setattr(devices, "summary", lambda: "tensorflow on nothing")
    return asked


def test_train_teaches(run):
    answer = run("train", "--help")
    assert answer.exit_code == 0
    assert "napari-kikuchi train mine.toml" in answer.stdout.split("Examples:")[1]


def test_train_says_what_it_learns_from_where_it_writes_and_how_to_go_on(run, settings, trained, tmp_path):
    answer = run("train", settings)
    assert answer.exit_code == 0, answer.stderr
    for said in (
        "Training andrews2023 on ni; held out: nothing.",
        f"Loaded; tensorflow on nothing. Writing to {tmp_path / 'run'}.",
        "Going on after step 1000.",
        "step 1500 of 3000, 2 minutes left: loss 0.500; held out: loss 0.750, correlation 0.250",
    ):
        assert said in answer.stderr.replace("\n", " ")
    assert answer.stdout.splitlines() == [
        f"Wrote {tmp_path / 'run' / 'mine.weights.h5'}, its card mine.json, and learning-curve.csv.",
        f"Use it: napari-kikuchi denoise IN OUT --model {tmp_path / 'run' / 'mine.weights.h5'}",
    ]


def test_options_of_train_go_before_the_file(run, settings, trained, tmp_path, nickel, write_up):
    fast, slow = (
        write_up(tmp_path / f"{name}.up1", np.tile(nickel, (2, 1, 1)), version=1) for name in ("fast", "slow")
    )
    answer = run(
        *("train", settings, "--noisy", fast, "--clean", slow),
        *("--start", "x.weights.h5", "--output", tmp_path / "other", "--minutes", 7),
    )
    assert answer.exit_code == 0, answer.stderr
    (config,) = trained
    assert (config.scans, config.master_patterns) == ((nk.ScanPair(str(fast), str(slow)),), "")
    assert (config.start, config.output, config.minutes) == ("x.weights.h5", str(tmp_path / "other"), 7)
    assert "It starts from x.weights.h5." in answer.stderr


def test_train_says_that_it_cannot_draw(run, settings, trained, monkeypatch):
    monkeypatch.setattr(learning_curve, "find_spec", lambda name: None)
    assert 'pip install "napari-kikuchi[train]" draws it' in run("train", settings).stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("absent.toml",), 1, "There is no training configuration absent.toml."),
        (("mine.toml", "--noisy", "fast.up2"), 2, "both --noisy and --clean"),
        (("mine.toml", "--noisy", "a", "--clean", "b", "--master-patterns", "c"), 2, "a training has one source"),
        (("mine.toml", "--noisy", "a.up2", "--clean", "b.up2"), 1, "a.up2 does not exist"),
        (("mine.toml", "--master-patterns", "."), 1, ". holds no master pattern"),
        (("mine.toml", "--minutes", "-1"), 2, "--minutes"),
    ],
)
def test_bad_input_to_train_is_one_sentence(run, settings, trained, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    answer = run("train", *words)
    assert answer.exit_code == code
    assert says in " ".join(answer.stderr.replace("│", " ").split())
    assert code == 2 or answer.stderr.count("\n") == 1
    assert not trained


def test_reading_a_configuration_and_its_source_imports_no_keras(settings):
    script = (
        "import sys\nfrom napari_kikuchi.autoencoder import training\n"
        "training.open_pairs(training.TrainingConfig.load(sys.argv[1]))\n"
        "sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script, settings], check=False).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
def test_train_goes_on_after_a_kill_and_after_ctrl_c(settings, tmp_path):
    checkpoint = tmp_path / "run" / "checkpoint.npz"
    words = [sys.executable, "-m", "napari_kikuchi", "train", str(settings)]
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)

    def stopped_by(number):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hearing)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def step():
        with np.load(checkpoint) as saved:
            return json.loads(str(saved["state"]))["step"]

    assert stopped_by(signal.SIGKILL)[0] == -signal.SIGKILL
    killed = step()
    assert killed >= 2
    code, said = stopped_by(signal.SIGINT)
    assert code == 130
    assert f"Going on after step {killed}." in said
    assert f"Stopped after step {step()}; the same command goes on from there." in said
    assert "Traceback" not in said
    assert step() > killed
