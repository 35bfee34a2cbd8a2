"""A configuration is read from TOML, and what is wrong with one is said in a sentence."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from napari_kikuchi.autoencoder.training_config import PairSettings, ScanPair, TrainingConfig
from napari_kikuchi.scan import ScanError

ROOT = Path(__file__).parents[2]
WHOLE = 'output = "here"\nmaster_patterns = "masters"\n'


@pytest.fixture
def read(tmp_path):
    """Read a text as the file run.toml."""

    def read(text, **changes):
        (tmp_path / "run.toml").write_text(text)
        return TrainingConfig.load(tmp_path / "run.toml", **changes)

    return read


def test_paths_are_seen_from_the_file(read, tmp_path):
    found = read(
        WHOLE + 'start = "kikuchi-unet-map"\nheld_out = ["ni"]\nsteps = 7\nminutes = 2\n[pairs]\nsizes = [60, 90]\n'
    )
    assert (found.output, found.master_patterns) == (str(tmp_path / "here"), str(tmp_path / "masters"))
    assert (found.start, found.held_out, found.steps, found.minutes) == ("kikuchi-unet-map", ("ni",), 7, 2)
    assert found.pairs == PairSettings(sizes=(60, 90))
    scans = read('output = "/there"\nstart = "my.weights.h5"\n[[scans]]\nnoisy = "a.up1"\nclean = "b"\ngrid = [2, 3]\n')
    assert (scans.output, scans.start) == ("/there", str(tmp_path / "my.weights.h5"))
    assert scans.scans == (ScanPair(str(tmp_path / "a.up1"), str(tmp_path / "b"), (2, 3)),)


def test_what_the_caller_says_goes_before_the_file(read):
    found = read(WHOLE, output="there", scans=(ScanPair("a", "b"),), minutes=3.0)
    assert (found.output, found.master_patterns, found.minutes) == ("there", "", 3.0)
    assert found.scans == (ScanPair("a", "b"),)
    assert read('output = "here"\n[[scans]]\nnoisy = "a"\nclean = "b"', master_patterns="m").scans == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a folder to write to: give output"),
        ('output = "here"', "needs exactly one source"),
        (WHOLE + '[[scans]]\nnoisy = "a"\nclean = "b"', "needs exactly one source"),
        (WHOLE + "batches = 7", "'batches' means nothing in training; known are output, master_patterns"),
        (WHOLE + "[pairs]\nside = 7", "'side' means nothing in training; known are window, sizes"),
        (WHOLE + "pairs = 7", "7 was found where a table with window"),
        (WHOLE + 'steps = "many"', "steps is 'many', where a whole number was expected"),
        (WHOLE + "steps = 2.5", "steps is 2.5, where a whole number was expected"),
        (WHOLE + "steps = true", "steps is True, where a whole number was expected"),
        (WHOLE + "steps = 0", "steps is 0, where 1 or more was expected"),
        (WHOLE + "learning_rate = inf", "learning_rate is inf, where a number was expected"),
        (WHOLE + "learning_rate = 2", "learning_rate is 2, where 1e-09 to 1 was expected"),
        (WHOLE + 'held_out = "ni"', "held_out is 'ni', where a list of texts was expected"),
        (WHOLE + 'precision = "half"', "where one of float32, mixed_bfloat16 was expected"),
        (WHOLE + "name = '../ni'", "made of letters, digits, '-', '_' and '.', unlike '../ni'"),
        (WHOLE + "validation = 8", "at least a batch of 16 patterns, not 8"),
        (WHOLE + 'network = "unet"', "no network named 'unet'; there are andrews2023, kikuchi-unet"),
        (WHOLE + 'network = "andrews2023"', "knows no mask, so that patterns have to fill its window"),
        (WHOLE + "[pairs]\nwindow = 100", "window is 100, where kikuchi-unet needs a multiple of 16"),
        (WHOLE + "[pairs]\nsizes = [1, 2, 3]", "[pairs] sizes is [1, 2, 3], where 2 whole numbers was expected"),
        (WHOLE + "[pairs]\nsizes = [90, 80]", "sizes is [90, 80], where the smaller one comes first"),
        ('output = "here"\nscans = 1', "scans is 1, where tables [[scans]] was expected"),
        ('output = "here"\n[[scans]]\nnoisy = "a"', "needs both, noisy and clean"),
        ('output = "here"\n[[scans]]\nnoisy = "a"\nclean = "b"\ngrid = [3]', "[3], where [rows, columns] was expected"),
        (
            'output = "here"\nheld_out = ["a"]\n[[scans]]\nnoisy = "a"\nclean = "b"',
            "the last tenth of the points is held out",
        ),
    ],
)
def test_says_what_is_wrong(read, tmp_path, text, said):
    with pytest.raises(ScanError, match=re.escape(said)) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / 'run.toml'}: ")


def test_says_that_a_file_is_none(read, tmp_path):
    with pytest.raises(ScanError, match="There is no training configuration"):
        TrainingConfig.load(tmp_path / "absent.toml")
    with pytest.raises(ScanError, match=r"run\.toml cannot be read as a training configuration \(TOML\)"):
        read("= 7")


def test_the_run_ends_by_steps_or_by_minutes(read):
    found = read(WHOLE + "steps = 10\nminutes = 4")
    assert (found.share_done(5, 1), found.share_done(1, 3), found.share_done(11, 0)) == (0.5, 0.75, 1)
    assert read(WHOLE + "steps = 10").share_done(5, 100) == 0.5


def test_what_is_kept_tells_no_folders(read):
    kept = read('output = "here"\nstart = "my.weights.h5"\n[[scans]]\nnoisy = "a.up1"\nclean = "b"').record()
    assert (kept["start"], kept["scans"], "output" in kept) == (
        "my.weights.h5",
        [{"noisy": "a.up1", "clean": "b", "grid": ()}],
        False,
    )


def test_reading_one_needs_no_keras():
    code = "import sys, napari_kikuchi; napari_kikuchi.TrainingConfig; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "training").glob("*.toml")), ids=lambda path: path.stem)
def test_the_committed_ones_are_valid(path):
    TrainingConfig.load(path, master_patterns="masters", output="runs")


@pytest.mark.parametrize("kind", [TrainingConfig, ScanPair, PairSettings])
def test_the_documentation_has_every_key_with_its_default_and_meaning(kind):
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for spec in fields(kind):
        if spec.name == "pairs":
            continue
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        shown = {"": "", "[]": ""}.get(str(default), f"{default:.4g}" if isinstance(default, float) else str(default))
        assert f"| `{spec.name}` | {shown} | {spec.metadata['help']} |" in text
