"""Models are found, opened safely, and give the same result however patterns come to them."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import napari_kikuchi
from napari_kikuchi.autoencoder.card import DEFAULT_MODEL, ModelCard, shipped_models
from napari_kikuchi.autoencoder.denoiser import BATCH_BYTES, DenoisingModel, open_model
from napari_kikuchi.autoencoder.normalise import normalise
from napari_kikuchi.autoencoder.simulation import Detector, broad_background, expose, kikuchi_signal, random_rotation
from napari_kikuchi.scan import ScanError


@pytest.fixture(scope="module")
def shipped():
    return open_model()


@pytest.fixture(scope="module")
def patterns():
    return np.random.default_rng(1).uniform(0, 1, (5, 61, 75)).astype(np.float32)


def smoother(size=(24, 32)):
    """A network that averages over 3x3 pixels."""
    network = keras.Sequential([keras.Input((*size, 1)), keras.layers.Conv2D(1, 3, padding="same", use_bias=False)])
    network.set_weights([np.full((3, 3, 1, 1), 1 / 9)])
    return network


def test_listing_models_imports_no_keras():
    code = (
        "import sys; from napari_kikuchi.autoencoder.model import *; print(list(shipped_models()));"
        "print([name for name in ('keras', 'tensorflow', 'cv2', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, imported = done.stdout.splitlines()
    assert DEFAULT_MODEL in names
    assert imported == "[]"


def test_shipped_models_say_what_they_are():
    card = shipped_models()[DEFAULT_MODEL]
    assert card.title
    assert card.trained_on
    assert "nickel" not in card.trained_on


@pytest.mark.parametrize("size", [(60, 60), (61, 75), (120, 120)])
def test_any_size_works(shipped, size):
    patterns = np.random.default_rng(2).uniform(0, 1, (2, *size)).astype(np.float32)
    denoised = shipped.predict(patterns)
    assert denoised.shape == patterns.shape
    assert denoised.dtype == np.float32
    assert np.isfinite(denoised).all()


def test_blocks_do_not_change_the_result(shipped, patterns):
    whole = shipped.predict(patterns)
    spread = np.ptp(whole)
    np.testing.assert_allclose(shipped.predict(patterns[3:4])[0], whole[3], atol=spread / 255)
    np.testing.assert_allclose(shipped.predict(patterns, batch=2), whole, atol=spread / 255)


@pytest.mark.parametrize(("values", "size", "n"), [(16, 64, 700), (16, 256, 40), (144, 64, 100), (144, 512, 2)])
def test_what_a_network_holds_at_once_is_bounded_and_shared_out_evenly(values, size, n):
    batches = []

    def network_for(shape):
        return lambda inputs: batches.append(len(inputs)) or inputs[..., 0]

    model = DenoisingModel(ModelCard("x"), network_for, values)
    model.predict(np.zeros((n, size, size), np.float32))
    assert sum(batches) == n
    assert max(batches) == 1 or 4 * values * size * size * max(batches) <= BATCH_BYTES
    assert max(batches) - min(batches) <= 1
    assert len(batches) == -(-n // max(1, BATCH_BYTES // (4 * values * size * size)))


@pytest.mark.parametrize(("size", "sides"), [((60, 60), None), ((64, 61), None), ((300, 260), (72, 200))])
def test_with_care_nothing_hangs_on_the_place_in_the_network(size, sides):
    def network_for(shape):
        rows, columns = np.indices(shape) % 4
        return lambda inputs: inputs[..., 0] + rows + 10 * columns

    model = DenoisingModel(ModelCard("x", sides=sides, normalisation="background", multiple=16), network_for)
    patterns = np.random.default_rng(0).uniform(0.5, 1, (3, *size)).astype(np.float32)
    exact = DenoisingModel(model.card, lambda shape: lambda inputs: inputs[..., 0]).predict(patterns)
    careful = model.predict(patterns, careful=True)
    assert careful.shape == patterns.shape
    np.testing.assert_allclose(careful, exact + 16.5, rtol=1e-4)
    assert np.ptp(model.predict(patterns) - exact) > 1


def test_what_lies_outside_the_mask_does_not_matter(shipped, patterns):
    y, x = np.mgrid[:61, :75]
    mask = (y - 30) ** 2 + (x - 37) ** 2 < 29**2
    denoised = shipped.predict(patterns, mask)
    assert not denoised[:, ~mask].any()
    np.testing.assert_allclose(shipped.predict(np.where(mask, patterns, 9), mask), denoised, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "seen"), [((60, 60), (128, 128)), ((30, 45), (64, 96)), ((120, 100), (128, 112)), ((480, 400), (240, 208))]
)
def test_patterns_of_unknown_size_are_brought_to_a_known_one(size, seen):
    asked = []

    def network_for(shape):
        asked.append(shape)
        return lambda inputs: inputs[..., 0]

    model = DenoisingModel(ModelCard("x", sides=(90, 256), normalisation="background", multiple=16), network_for)
    y, x = np.mgrid[: size[0], : size[1]]
    waves = (1 + 0.1 * np.sin(x / 4) * np.cos(y / 4)).astype(np.float32)
    denoised = model.predict(np.stack([waves, waves + 1]))
    assert asked == [seen]
    assert denoised.shape == (2, *size)
    assert np.corrcoef(denoised[0].ravel(), waves.ravel())[0, 1] > 0.95


def test_a_mask_that_hides_everything_leaves_nothing(shipped, patterns):
    assert not shipped.predict(patterns, np.zeros((61, 75), bool)).any()


def test_the_shipped_model_finds_bands_in_noise(shipped, master):
    random = np.random.default_rng(3)
    detector = Detector(120, 120)
    clean = np.stack([kikuchi_signal(master.project(random_rotation(random), detector)) for _ in range(6)])
    background = broad_background((120, 120), (0.5, 0.4), 0.5, 0.3)
    noisy = np.stack([expose(background * (1 + 0.4 * (one - 0.5)), 20, 3, random) for one in clean]) / 255
    denoised = shipped.predict(noisy)
    flat = noisy / background

    def likeness(images):
        return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, clean, strict=True)])

    assert likeness(denoised) > 1.5 * likeness(flat)


@pytest.fixture(scope="module")
def silicon():
    """A real pattern with a round screen, binned to 120x120, in 0..1."""
    data = (Path(napari_kikuchi.__file__).parent / "data" / "silicon.up1").read_bytes()
    pixels = np.frombuffer(data[-480 * 480 :], np.uint8).reshape(1, 120, 4, 120, 4)
    return (pixels.mean(axis=(2, 4)) / 255).astype(np.float32)


def test_few_electrons_show_the_bands_of_many(shipped, silicon):
    few = np.random.default_rng(5).poisson(silicon * (100 / silicon.mean())).astype(np.float32)

    def likeness(one, other):
        return np.corrcoef(one[0, 20:100, 20:100].ravel(), other[0, 20:100, 20:100].ravel())[0, 1]

    denoised = likeness(shipped.predict(few), shipped.predict(silicon))
    assert denoised > 0.6
    assert denoised > likeness(normalise(few), normalise(silicon)) + 0.1


def test_nothing_is_drawn_where_a_round_screen_ends(shipped, silicon):
    denoised = shipped.predict(silicon)[0]
    y, x = np.mgrid[:120, :120]
    distance = np.hypot(y - 59.5, x - 59.5)
    assert denoised[distance > 64].std() < 0.3 * denoised[distance < 45].std()


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_users_model_of_fixed_size_is_resized_to_and_back(tmp_path, ending):
    path = tmp_path / f"mine.{ending}"
    smoother().save(path)
    model = open_model(path)
    assert model.card.size == (24, 32)
    assert model.card.normalisation == "unit"
    smooth = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32), (3, 48, 1))
    denoised = model.predict(smooth)
    assert denoised.shape == (3, 48, 64)
    np.testing.assert_allclose(denoised[:, 4:-4, 4:-4], smooth[:, 4:-4, 4:-4], atol=0.01)


def test_a_card_beside_a_users_model_is_used(tmp_path):
    smoother().save(tmp_path / "mine.keras")
    ModelCard(name="mine", size=(24, 32), normalisation="unit", limits="none").save(tmp_path / "mine.card.json")
    assert open_model(tmp_path / "mine.keras").card.limits == "none"


def test_a_model_of_any_size_works_at_any(tmp_path, patterns):
    smoother((None, None)).save(tmp_path / "any.keras")
    denoised = open_model(tmp_path / "any.keras").predict(patterns)
    expected = patterns[:, :3, :3].mean(axis=(1, 2))
    np.testing.assert_allclose(denoised[:, 1, 1], expected, rtol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModels are TensorFlow's")
def test_a_saved_model_is_opened_only_when_trusted(tmp_path):
    import tensorflow as tf

    network = smoother()
    module = tf.Module()
    module.network = network
    tf.saved_model.save(
        module,
        str(tmp_path / "saved"),
        signatures=tf.function(lambda x: {"out": network(x)}).get_concrete_function(
            tf.TensorSpec((None, 24, 32, 1), tf.float32, name="x")
        ),
    )
    with pytest.raises(ScanError, match=r"can read and write files.*--trust-model"):
        open_model(tmp_path / "saved")
    model = open_model(tmp_path / "saved", trust=True)
    patterns = np.random.default_rng(4).uniform(0, 1, (3, 24, 32)).astype(np.float32)
    denoised = model.predict(patterns)
    np.testing.assert_allclose(denoised[:, 5, 5], patterns[:, 4:7, 4:7].mean(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_that_carry_code_are_refused(tmp_path, ending):
    path = tmp_path / f"evil.{ending}"
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: x)]).save(path)
    with pytest.raises(ScanError, match="contains a Lambda layer, which can run code"):
        open_model(path)


def test_classes_of_other_modules_are_refused(tmp_path):
    import zipfile

    path = tmp_path / "evil.keras"
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"layers": [{"module": "os", "class_name": "system"}]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises(ScanError, match=r"contains os.system"):
        open_model(path)


def test_models_that_do_not_make_images_of_images_are_refused(tmp_path):
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)]).save(tmp_path / "colour.keras")
    with pytest.raises(ScanError, match=r"takes \(None, 8, 8, 3\); a model that makes one grey image"):
        open_model(tmp_path / "colour.keras")
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 1, strides=2)]).save(tmp_path / "half.keras")
    with pytest.raises(ScanError, match="makes images of 4x4 from 8x8 pixels"):
        open_model(tmp_path / "half.keras")


def test_says_which_models_there_are(tmp_path):
    with pytest.raises(ScanError, match=rf"no model 'other': give one of {DEFAULT_MODEL}"):
        open_model("other")
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ScanError, match="is no model"):
        open_model(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match=r"holds no saved_model.pb"):
        open_model(tmp_path / "empty", trust=True)
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    with pytest.raises(ScanError, match=r"broken.keras holds no Keras model"):
        open_model(tmp_path / "broken.keras")


def test_says_what_is_wrong_with_a_card_or_a_block(shipped, patterns, tmp_path):
    (tmp_path / "card.json").write_text('{"name": "x", "colour": "red"}')
    with pytest.raises(ScanError, match="says 'colour', which no model card says"):
        ModelCard.load(tmp_path / "card.json")
    with pytest.raises(ScanError, match="at least one pattern, not 0"):
        shipped.predict(patterns, batch=0)
    with pytest.raises(ScanError, match="mask is 75x61 and the patterns are 61x75"):
        shipped.predict(patterns, np.ones((75, 61), bool))


def test_cards_come_back_as_they_were_written(tmp_path):
    card = ModelCard(name="x", size=(4, 6), figures={"8 e": 80.0}, experimental=True)
    card.save(tmp_path / "x.json")
    assert ModelCard.load(tmp_path / "x.json") == card


def test_models_are_opened_once(shipped):
    assert open_model(DEFAULT_MODEL) is shipped
