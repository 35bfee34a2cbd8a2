"""Networks in a process of their own, as beside a window."""

import numpy as np
import pytest

from napari_kikuchi.autoencoder import remote
from napari_kikuchi.autoencoder.denoiser import import_keras, open_model
from napari_kikuchi.autoencoder.devices import summary
from napari_kikuchi.autoencoder.model import DEFAULT_MODEL, device_summary, load_model
from napari_kikuchi.scan import ScanError


@pytest.fixture
def apart(monkeypatch):
    """A process that shows windows, as far as the models can tell."""
    monkeypatch.setattr("napari_kikuchi.autoencoder.model._runs_apart", lambda: True)


def test_it_gives_what_the_network_gives_here(apart, nickel):
    patterns = nickel.astype(np.float32) / 255
    mask = np.ones((60, 60), bool)
    mask[:5] = False
    model = load_model(DEFAULT_MODEL)
    assert isinstance(model, remote.RemoteModel)
    assert model.card == open_model(DEFAULT_MODEL).card
    here = open_model(DEFAULT_MODEL).predict(patterns, mask)
    np.testing.assert_allclose(model.predict(patterns, mask), here, atol=1e-3)


def test_its_errors_arrive_as_they_would_here(apart, tmp_path):
    with pytest.raises(ScanError, match="There is no model 'no-such'"):
        load_model("no-such")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ScanError, match="--trust-model"):
        load_model(tmp_path)


def test_a_process_that_died_is_said_and_started_again(apart):
    model = load_model(DEFAULT_MODEL)
    remote._process._process.kill()
    remote._process._process.wait()
    patterns = np.random.default_rng(0).random((1, 60, 60), dtype=np.float32)
    assert model.predict(patterns).shape == (1, 60, 60)


def test_one_that_dies_at_work_is_an_error_that_says_so(apart, monkeypatch):
    load_model(DEFAULT_MODEL)

    def die(pipe, message):
        remote._process._process.kill()
        remote._process._process.wait()
        raise BrokenPipeError

    monkeypatch.setattr(remote, "_send", die)
    with pytest.raises(ScanError, match="ended unexpectedly"):
        load_model(DEFAULT_MODEL)


def test_it_tells_what_it_computes_on(apart):
    import_keras()
    assert device_summary() == summary()
