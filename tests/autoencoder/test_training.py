"""A short run learns, writes what is needed to use it, and goes on after a kill as if nothing had happened."""

import csv
import json
import signal
from dataclasses import replace

import numpy as np
import pytest

from napari_kikuchi.autoencoder.card import ModelCard
from napari_kikuchi.autoencoder.denoiser import open_model, trained_network
from napari_kikuchi.autoencoder.learning_curve import read_learning_curve
from napari_kikuchi.autoencoder.training import train
from napari_kikuchi.autoencoder.training_config import PairSettings, ScanPair, TrainingConfig
from napari_kikuchi.scan import ScanError

QUICK = PairSettings(window=32, sizes=(32, 40), electrons=(200.0, 500.0), contrast=(0.06, 0.08), empty=0.0)


class Killed(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.fixture
def config(masters_folder, tmp_path):
    """Twelve steps with two checkpoints, of the network that is ready first."""
    return TrainingConfig(
        master_patterns=str(masters_folder),
        output=str(tmp_path / "run"),
        network="andrews2023",
        held_out=("two",),
        batch=4,
        steps=12,
        warmup=2,
        learning_rate=3e-3,
        checkpoint_steps=6,
        validation=8,
        pairs=QUICK,
    )


def at_checkpoints(reports):
    return [report for report in reports if report.validation_loss is not None]


@pytest.fixture
def ours(config):
    """The same of the network that is shipped."""
    return replace(config, network="kikuchi-unet")


def test_learns_and_goes_on_after_a_kill(ours, tmp_path):
    config, reports = ours, []
    weights = train(config, reports.append)
    assert [report.step for report in reports] == list(range(13))
    first, last = at_checkpoints(reports)
    assert (first.step, last.step) == (6, 12)
    assert last.validation_loss < first.validation_loss < 2
    assert last.loss < first.loss
    assert last.correlation > 0

    def kill(report):
        if report.step == 8:
            raise Killed

    broken = replace(config, output=str(tmp_path / "broken"))
    with pytest.raises(Killed):
        train(broken, kill)
    resumed = []
    train(broken, resumed.append)
    assert [report.step for report in resumed] == [*range(6, 13)]
    assert at_checkpoints(resumed)[-1].validation_loss == pytest.approx(last.validation_loss, rel=0.02)
    assert at_checkpoints(resumed)[-1].loss == pytest.approx(last.loss, rel=0.02)

    written = {path.name for path in weights.parent.iterdir()}
    assert written == {"checkpoint.npz", "learning-curve.csv", "learning-curve.png", "my-model.json", weights.name}
    with (tmp_path / "broken" / "learning-curve.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [6, 12]
    assert read_learning_curve(weights.parent / "learning-curve.csv") == [first, last]


def test_the_card_tells_how_to_use_the_weights(config, tmp_path):
    weights = train(config)
    card = ModelCard.load(weights.with_name("my-model.json"))
    assert (card.trained_on, card.held_out, card.network) == ("one", "two", "andrews2023")
    assert (card.normalisation, card.sides, card.multiple, card.window) == ("stretched", (32, 40), 4, 0)
    assert card.training["held_out"] == ["two"]
    assert "12 steps of 4 patterns of 32x32 pixels" in card.training_time
    assert str(tmp_path) not in weights.with_name("my-model.json").read_text()
    patterns = np.random.default_rng(1).uniform(0, 1, (2, 40, 50)).astype(np.float32)
    assert open_model(weights).predict(patterns).shape == (2, 40, 50)


@pytest.fixture
def hearing():
    """Hear Ctrl-C as in a terminal, also where the tests run in a shell's background, which is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hearing")
def test_ctrl_c_waits_for_the_step_and_leaves_a_checkpoint(config):
    def interrupt(report):
        if report.step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config, interrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = []
    train(config, resumed.append)
    assert [report.step for report in resumed] == [*range(3, 13)]
    assert [report.step for report in at_checkpoints(resumed)] == [6, 12]
    # The loss before the interruption counts in the first checkpoint's.
    assert np.isfinite(resumed[0].loss)


def test_a_run_that_is_finished_is_left_as_it_is(config):
    weights = train(config)
    before = trained_network(weights, (32, 32)).get_weights()
    reports = []
    assert train(config, reports.append) == weights
    assert [report.step for report in reports] == [12]
    for one, other in zip(trained_network(weights, (32, 32)).get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_minutes_end_a_run(config):
    reports = []
    train(replace(config, steps=10**6, minutes=1e-4), reports.append)
    assert reports[-1].step < 10
    assert reports[-1].validation_loss is not None


def test_the_run_of_another_configuration_is_refused(config, tmp_path):
    short = replace(config, steps=1)
    train(short)
    for change, said in (
        ({"learning_rate": 1e-4}, "learning_rate 0.003 there, 0.0001 here"),
        ({"network": "kikuchi-unet"}, "network 'andrews2023' there, 'kikuchi-unet' here"),
        ({"pairs": replace(QUICK, rim=0.5)}, "rim 0.14"),
    ):
        with pytest.raises(ScanError, match=f"run holds a run of another configuration .{said}.*another output folder"):
            train(replace(short, **change))
    moved = replace(short, output=str(tmp_path / "moved"))
    (tmp_path / "run").rename(tmp_path / "moved")
    train(moved)


def test_weights_from_elsewhere_are_not_replaced(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "my-model.weights.h5").write_text("mine")
    with pytest.raises(ScanError, match=r"my-model\.weights\.h5 exists already"):
        train(config)


def test_a_damaged_checkpoint_is_said_to_be_one(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.npz").write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(ScanError, match=r"checkpoint\.npz cannot be read as a checkpoint.*take it away"):
        train(config)


def test_fine_tuning_starts_from_what_the_weights_knew(config, tmp_path):
    weights = train(config)
    tuned = replace(config, output=str(tmp_path / "tuned"), start=str(weights), steps=1, learning_rate=1e-9)
    ours = trained_network(train(tuned), (32, 32)).get_weights()
    theirs = trained_network(weights, (32, 32)).get_weights()
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_another_network_takes_over_what_fits(ours, tmp_path):
    weights = train(replace(ours, steps=1))
    more = replace(
        ours,
        output=str(tmp_path / "map"),
        network="kikuchi-unet-map",
        start=str(weights),
        steps=1,
        learning_rate=1e-9,
    )
    found = open_model(train(more))
    assert found.card.window == 5
    patterns = np.random.default_rng(1).uniform(0, 1, (2, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(found.predict(patterns), open_model(weights).predict(patterns), atol=1e-3)


def test_a_start_that_does_not_fit_is_refused(config):
    with pytest.raises(ScanError, match="There are no weights 'nowhere'"):
        train(replace(config, start="nowhere"))
    with pytest.raises(
        ScanError, match="kikuchi-unet-map is of the network kikuchi-unet-map, no layer of which fits andrews2023"
    ):
        train(replace(config, start="kikuchi-unet-map"))


def test_the_published_network_learns_and_is_used_as_it_was_trained(config):
    reports = []
    model = open_model(train(config, reports.append))
    first, last = at_checkpoints(reports)
    assert last.validation_loss < first.validation_loss < 0.3
    patterns = np.random.default_rng(1).uniform(0.3, 0.6, (2, 40, 40)).astype(np.float32)
    np.testing.assert_allclose(model.predict(patterns), model.predict(patterns / 2), atol=1e-4)


def test_trains_on_two_exposures(config, exposures, tmp_path):
    fast, slow = exposures
    pairs = replace(config, master_patterns="", held_out=(), scans=(ScanPair(str(fast), str(slow)),))
    weights = train(replace(pairs, network="kikuchi-unet-map", batch=2, steps=2, validation=2))
    card = ModelCard.load(weights.with_name("my-model.json"))
    assert card.trained_on == "90 points of fast.up2, with slow.up2 as their target"
    assert (card.held_out, card.noise) == ("the last tenth of the points", "that of fast.up2")
    kept = json.dumps(card.training)
    assert "fast.up2" in kept
    assert str(tmp_path) not in kept
