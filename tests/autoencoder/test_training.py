"""A short run learns, and goes on after a kill as if nothing had happened."""

import csv

import numpy as np
import pytest

from napari_kikuchi.autoencoder.card import ModelCard
from napari_kikuchi.autoencoder.denoiser import open_model
from napari_kikuchi.autoencoder.simulation import PairSettings
from napari_kikuchi.autoencoder.training import TrainingConfig, train
from napari_kikuchi.scan import ScanError

QUICK = PairSettings(window=32, sizes=(32, 40), electrons=(200.0, 500.0), contrast=(0.06, 0.08), empty=0.0)


class Killed(Exception):
    """Stands for a kill in the middle of a run."""


def config(masters_folder, output, **changes):
    return TrainingConfig(
        **{
            "master_patterns": str(masters_folder),
            "output": str(output),
            "held_out": ("two",),
            "batch": 4,
            "steps": 12,
            "warmup": 2,
            "learning_rate": 3e-3,
            "checkpoint_steps": 6,
            "validation": 8,
            "pairs": QUICK,
            **changes,
        }
    )


def test_learns_and_resumes(masters_folder, tmp_path):
    reports = []
    weights = train(config(masters_folder, tmp_path / "whole"), reports.append)
    assert [report.step for report in reports] == [6, 12]
    assert reports[-1].validation_loss < reports[0].validation_loss < 2
    assert reports[-1].loss < reports[0].loss

    def kill(report):
        raise Killed

    broken = config(masters_folder, tmp_path / "broken")
    with pytest.raises(Killed):
        train(broken, kill)
    resumed = []
    train(broken, resumed.append)
    assert [report.step for report in resumed] == [12]
    assert resumed[-1].validation_loss == pytest.approx(reports[-1].validation_loss, rel=0.02)

    card = ModelCard.load(weights.with_name("kikuchi-unet.json"))
    assert (card.trained_on, card.held_out, card.network) == ("one", "two", "kikuchi-unet")
    assert str(tmp_path) not in weights.with_name("kikuchi-unet.json").read_text()
    with (tmp_path / "whole" / "learning-curve.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [6, 12]
    patterns = np.random.default_rng(1).uniform(0, 1, (2, 40, 50)).astype(np.float32)
    assert open_model(weights).predict(patterns).shape == (2, 40, 50)


def test_a_configuration_is_read_from_toml(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('output = "here"\nheld_out = ["ni"]\nsteps = 7\n[pairs]\nsizes = [60, 90]\n')
    read = TrainingConfig.load(path, master_patterns="there")
    assert (read.output, read.master_patterns, read.held_out, read.steps) == ("here", "there", ("ni",), 7)
    assert read.pairs.sizes == (60, 90)


def test_says_what_is_wrong_with_a_configuration(masters_folder, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('output = "here"\nbatches = 7\n')
    with pytest.raises(ScanError, match="'batches', which means nothing in training; known are master_patterns"):
        TrainingConfig.load(path)
    path.write_text('output = "here"\n')
    with pytest.raises(ScanError, match="does not say master_patterns"):
        TrainingConfig.load(path)
    with pytest.raises(ScanError, match="There is no training configuration"):
        TrainingConfig.load(tmp_path / "absent.toml")
    with pytest.raises(ScanError, match="steps of at least 1, not 0"):
        config(masters_folder, tmp_path, steps=0)
    with pytest.raises(ScanError, match=r"lacks the held-out master pattern ni.npz; it holds one, two"):
        train(config(masters_folder, tmp_path, held_out=("ni",)))
    with pytest.raises(ScanError, match="holds no master pattern"):
        train(config(tmp_path, tmp_path, held_out=()))
