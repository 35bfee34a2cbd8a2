"""What networks compute on is chosen once, reaches other processes, and is said with its reason."""

import json
import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from napari_kikuchi.autoencoder import devices as room
from napari_kikuchi.autoencoder.card import DEFAULT_MODEL
from napari_kikuchi.autoencoder.denoiser import open_model, trained_network
from napari_kikuchi.autoencoder.devices import Device, FoundDevice, devices, precision, why_no_gpu
from napari_kikuchi.autoencoder.model import device_summary, use_device
from napari_kikuchi.autoencoder.normalise import CLIP
from napari_kikuchi.scan import ScanError

OTHERS = [backend for backend in ("torch", "jax", "tensorflow") if backend != keras.backend.backend()]


@pytest.fixture(autouse=True)
def unchanged(monkeypatch):
    """The environment as it was before, whatever a test chose; and no screen, so that networks run in this process."""
    for variable in ("KERAS_BACKEND", room.DEVICE_VARIABLE, room.PRECISION_VARIABLE, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(variable, "auto")
        monkeypatch.delenv(variable)
    monkeypatch.setattr("napari_kikuchi.autoencoder.model._runs_apart", lambda: False)


@pytest.fixture
def patterns():
    return np.random.default_rng(1).uniform(0.2, 1, (5, 60, 60)).astype(np.float32)


def test_a_choice_is_inherited_by_other_processes():
    chosen = use_device("cpu", precision="mixed")
    assert Device.current() == chosen == Device(name="cpu", precision="mixed")
    code = "from napari_kikuchi.autoencoder.devices import Device; print(Device.current())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == str(chosen)
    use_device()
    assert Device.current() == Device()


def test_a_choice_can_be_sent_to_a_worker_and_used_there():
    sent = pickle.dumps(Device(name="cpu", precision="float32"))
    pickle.loads(sent).use()
    assert Device.current().precision == "float32"


def test_refuses_what_there_is_not():
    for name in ("gpu", "gpu:one", "tpu", "cuda:0"):
        with pytest.raises(ScanError, match=f"no device '{name}': give auto, cpu, or gpu:0"):
            Device(name=name)
    with pytest.raises(ScanError, match="no backend 'numpy': give one of auto, tensorflow, torch, jax"):
        Device("numpy")
    with pytest.raises(ScanError, match="no precision 'half'"):
        Device(precision="half")


def test_a_backend_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(ScanError, match="torch is not installed: install it as"):
        use_device(backend="torch")


def test_a_process_keeps_the_backend_that_it_loaded(monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: True)
    with pytest.raises(ScanError, match=f"runs on {keras.backend.backend()} in this process already, .* {OTHERS[0]}"):
        use_device(backend=OTHERS[0])
    use_device(backend=keras.backend.backend())


def test_says_what_is_used_and_why_it_is_no_gpu(monkeypatch):
    monkeypatch.setattr(room, "gpus_of", lambda backend: [])
    monkeypatch.setattr(room, "_has_nvidia_driver", lambda: False)
    backend = keras.backend.backend()
    use_device(precision="float32")
    assert device_summary() == f"{backend} on the CPU (there is no NVIDIA driver on this machine), in float32"
    use_device("cpu", precision="mixed")
    assert device_summary() == f"{backend} on the CPU (as chosen), in bfloat16 mixed with float32"
    use_device("gpu:0")
    with pytest.raises(ScanError, match="no gpu:0: there is no NVIDIA driver"):
        device_summary()


def test_says_which_gpu_is_used(monkeypatch):
    monkeypatch.setattr(room, "gpus_of", lambda backend: ["First", "Second"])
    use_device()
    assert device_summary() == f"{keras.backend.backend()} on gpu:0 (First), in float16 mixed with float32"
    use_device("gpu:1", precision="float32")
    assert device_summary().endswith("on gpu:1 (Second), in float32")
    use_device("gpu:2")
    with pytest.raises(ScanError, match=r"no gpu:2: .* finds 2 of them"):
        device_summary()


def test_the_reasons_tell_what_to_do(monkeypatch):
    monkeypatch.setattr(room, "_has_nvidia_driver", lambda: True)
    monkeypatch.setattr(room.sys, "platform", "linux")
    assert 'pip install "tensorflow[and-cuda]"' in why_no_gpu("tensorflow")
    monkeypatch.setattr(room.sys, "platform", "win32")
    assert "uses no GPU on Windows; install torch" in why_no_gpu("tensorflow")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert why_no_gpu("torch") == "CUDA_VISIBLE_DEVICES=-1 hides them all"


def test_lists_every_backend_with_a_device_or_a_reason():
    found = devices()
    assert list(dict.fromkeys(one.backend for one in found)) == ["tensorflow", "torch", "jax"]
    assert all(bool(one.title) != bool(one.reason) for one in found)
    for backend in ("tensorflow", "torch", "jax"):
        assert any(one.backend == backend and one.title for one in found) == (find_spec(backend) is not None)


def test_what_a_backend_answers_is_listed():
    assert room._listed("torch", b'noise\n[["A", "B"], ""]\n')[1:] == [
        FoundDevice("torch", "gpu:0", "A"),
        FoundDevice("torch", "gpu:1", "B"),
    ]
    assert room._listed("jax", json.dumps([[], "too old"]).encode())[1] == FoundDevice("jax", "gpu", reason="too old")
    assert "does not load" in room._listed("jax", b"")[0].reason


def test_auto_is_mixed_where_that_is_faster(monkeypatch):
    monkeypatch.setattr(room, "_cpuinfo", lambda: [("flags", "fpu avx512_bf16")])
    assert Device().policy("tensorflow", on_gpu=False) == "mixed_bfloat16"
    assert Device(precision="float32").policy("tensorflow", on_gpu=True) == "float32"
    monkeypatch.setattr(room, "_cpuinfo", lambda: [("flags", "fpu avx2")])
    assert Device().policy("tensorflow", on_gpu=False) == "float32"
    assert Device(precision="mixed").policy("tensorflow", on_gpu=False) == "mixed_bfloat16"
    assert Device().policy("torch", on_gpu=True) == "mixed_float16"


def test_mixed_precision_changes_little(patterns):
    use_device(precision="float32")
    exact = open_model().predict(patterns)
    use_device(precision="mixed")
    model = open_model()
    mixed = model.predict(patterns)
    assert np.sqrt(np.mean((mixed - exact) ** 2)) < 0.03 * exact.std()
    assert not np.array_equal(mixed, exact)
    # Nor do blocks: rounding to 16 bits is the same however many patterns there are.
    spread = np.ptp(mixed)
    for batch in (1, 2, 3):
        np.testing.assert_allclose(model.predict(patterns, batch=batch), mixed, atol=spread / 255)


def test_the_precision_of_gpus_overflows_nowhere():
    with precision("mixed_float16"):
        network = trained_network(DEFAULT_MODEL, (64, 64))
    hot = np.random.default_rng(0).choice([-CLIP, CLIP], (2, 64, 64, 3)).astype(np.float32)
    for inputs in (hot, np.abs(hot)):
        assert np.isfinite(keras.ops.convert_to_numpy(network(inputs))).all()


@pytest.mark.parametrize("backend", OTHERS)
def test_every_backend_gives_the_same(backend, patterns, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    use_device(precision="float32")
    np.save(tmp_path / "in.npy", patterns)
    code = (
        "import sys, numpy as np, napari_kikuchi as nk\n"
        f"nk.use_device('cpu', backend={backend!r}, precision='float32')\n"
        "from napari_kikuchi.autoencoder.denoiser import open_model\n"
        "from napari_kikuchi.autoencoder.devices import loaded_backend, summary\n"
        "np.save(sys.argv[2], open_model().predict(np.load(sys.argv[1])))\n"
        "print(loaded_backend(), summary())"
    )
    files = [str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{backend} {backend} on the CPU (as chosen), in float32"
    expected = open_model().predict(patterns)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=np.ptp(expected) / 255)
