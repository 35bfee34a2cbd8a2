"""What networks compute on: Keras' backend, the device, and the precision; what there is of them, and why not more.

The choice lives in the environment of the process, so that it reaches the processes which this one starts: the one that
networks run in beside windows, and the workers of a cluster. Reading it imports no network.

`python -m napari_kikuchi.autoencoder.devices BACKEND` prints, as JSON, what one backend finds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ..scan import ScanError

__all__ = [
    "BACKENDS",
    "DEVICE_VARIABLE",
    "PRECISION_VARIABLE",
    "Backend",
    "Device",
    "FoundDevice",
    "Precision",
    "device_scope",
    "devices",
    "gpus_of",
    "loaded_backend",
    "policy_here",
    "precision",
    "processor",
    "show_tensorflow_its_gpu",
    "summary",
    "why_no_gpu",
]

Backend = Literal["auto", "tensorflow", "torch", "jax"]
Precision = Literal["auto", "float32", "mixed"]
BACKENDS = tuple(name for name in get_args(Backend) if name != "auto")

_BACKEND, DEVICE_VARIABLE, PRECISION_VARIABLE = "KERAS_BACKEND", "NAPARI_KIKUCHI_DEVICE", "NAPARI_KIKUCHI_PRECISION"
# What a processor says of itself if it multiplies numbers of 16 bits faster than those of 32.
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Device:
    """What networks shall compute on.

    Parameters
    ----------
    backend : "auto", "tensorflow", "torch" or "jax"
        What Keras runs on. "auto": what `KERAS_BACKEND` or Keras' own settings say, else TensorFlow.
    name : str
        "auto", "cpu", or "gpu:0", "gpu:1", ... "auto": the first GPU if the backend finds any, else the CPU.
    precision : "auto", "float32" or "mixed"
        Of a network's arithmetic; "mixed" has 16 bits in most layers. "auto": mixed on a GPU, and on a CPU that is
        faster so (with TensorFlow, where Linux says so), else float32. Models that users hold have their own.

    Raises
    ------
    ScanError
        If it is none of these.
    """

    backend: Backend = "auto"
    name: str = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for what, value, choices in (
            ("backend", self.backend, get_args(Backend)),
            ("precision", self.precision, get_args(Precision)),
        ):
            if value not in choices:
                raise ScanError(f"There is no {what} {value!r}: give one of {', '.join(choices)}.")
        if not re.fullmatch(r"auto|cpu|gpu:\d+", self.name):
            raise ScanError(f"There is no device {self.name!r}: give auto, cpu, or gpu:0 for the first GPU.")

    @classmethod
    def current(cls) -> Device:
        """What was chosen for this process, or inherited by it."""
        backend, name, precision = (
            os.environ.get(variable) or "auto" for variable in (_BACKEND, DEVICE_VARIABLE, PRECISION_VARIABLE)
        )
        return cls(cast(Backend, backend), name, cast(Precision, precision))

    def use(self) -> None:
        """Choose it for this process and for those that it starts from now on.

        Raises
        ------
        ScanError
            If the backend is not installed, or Keras runs on another one in this process already.
        """
        if self.backend != "auto":
            if find_spec(self.backend) is None:
                raise ScanError(f"{self.backend} is not installed: {_HOW_TO_INSTALL[self.backend]}.")
            loaded = loaded_backend()
            if loaded not in (None, self.backend):
                raise ScanError(
                    f"Keras runs on {loaded} in this process already, and cannot change to {self.backend}: start "
                    "again, and choose the backend before the first network is loaded."
                )
            os.environ[_BACKEND] = self.backend
        os.environ[DEVICE_VARIABLE], os.environ[PRECISION_VARIABLE] = self.name, self.precision

    def gpu(self, backend: str, gpus: list[str]) -> int | None:
        """The number of its GPU among those that a backend finds; None for the CPU.

        Raises
        ------
        ScanError
            If it is a GPU that is not among them.
        """
        if not self.name.startswith("gpu:"):
            return 0 if self.name == "auto" and gpus else None
        number = int(self.name[4:])
        if number >= len(gpus):
            found = f"{backend} finds {len(gpus)} of them" if gpus else why_no_gpu(backend)
            raise ScanError(f"There is no {self.name}: {found}. `napari-kikuchi devices` lists what there is.")
        return number

    def policy(self, backend: str, on_gpu: bool) -> str:
        """Keras' name for the precision, on a backend and a kind of device."""
        if self.precision == "float32":
            return "float32"
        if on_gpu:
            return "mixed_float16"
        fast = backend == "tensorflow" and _fast_in_bfloat16()
        return "mixed_bfloat16" if fast or self.precision == "mixed" else "float32"


@dataclass(frozen=True)
class FoundDevice:
    """Something that networks can compute on, or the reason why they cannot.

    Attributes
    ----------
    backend : str
    name : str
        "cpu", or "gpu:0", "gpu:1", ...; "gpu" where there is none.
    title : str
        What the device calls itself.
    reason : str
        Why it cannot be used, and what to do; empty where it can.
    """

    backend: str
    name: str
    title: str = ""
    reason: str = ""


_HOW_TO_INSTALL = {
    "tensorflow": "pip install tensorflow",
    "torch": "install it as https://pytorch.org/get-started says for this machine's GPU",
    "jax": "install it as https://docs.jax.dev/en/latest/installation.html says for this machine's GPU",
}


def devices() -> list[FoundDevice]:
    """What networks can compute on here, backend by backend, and, where there is no GPU, why.

    Each backend is asked in a process of its own, so that none is loaded here; that takes some seconds.

    Returns
    -------
    list of FoundDevice
    """
    asked = {
        backend: subprocess.Popen(
            [sys.executable, "-m", __name__, backend],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)]),
            },
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        for backend in BACKENDS
        if find_spec(backend) is not None
    }
    found: list[FoundDevice] = []
    for backend in BACKENDS:
        if backend not in asked:
            found.append(FoundDevice(backend, "cpu", reason=f"it is not installed: {_HOW_TO_INSTALL[backend]}"))
            continue
        answer, _ = asked[backend].communicate()
        found += _listed(backend, answer)
    return found


def _listed(backend: str, answer: bytes) -> list[FoundDevice]:
    try:
        gpus, why = json.loads(answer.splitlines()[-1])
    except (ValueError, IndexError):
        return [
            FoundDevice(backend, "cpu", reason=f"it is installed, and does not load: try python -c 'import {backend}'")
        ]
    cpu = FoundDevice(backend, "cpu", processor())
    if not gpus:
        return [cpu, FoundDevice(backend, "gpu", reason=why)]
    return [cpu, *(FoundDevice(backend, f"gpu:{number}", title) for number, title in enumerate(gpus))]


def gpus_of(backend: str) -> list[str]:
    """What the GPUs that a backend finds in this process call themselves. Loads the backend."""
    if backend == "tensorflow":
        config = import_module("tensorflow").config
        found = config.list_physical_devices("GPU")
        return [str(config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in found]
    if backend == "torch":
        torch: Any = import_module("torch")
        if torch.backends.mps.is_available():
            return ["Apple GPU"]
        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = [device for device in import_module("jax").devices() if device.platform != "cpu"]
    return [str(device.device_kind) for device in found]


def why_no_gpu(backend: str) -> str:
    """The likeliest reason why a backend finds no GPU, and what to do."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={hidden} hides them all"
    if sys.platform == "win32" and backend != "torch":
        return f"{backend} uses no GPU on Windows; install torch, and choose the backend torch"
    if not _has_nvidia_driver():
        return "there is no NVIDIA driver on this machine"
    if backend == "tensorflow":
        return 'TensorFlow does not find its CUDA libraries; pip install "tensorflow[and-cuda]"'
    if backend == "torch" and import_module("torch").version.cuda is None:
        return f"this torch was built without CUDA; {_HOW_TO_INSTALL['torch']}"
    return f"{backend} cannot use the driver; {_HOW_TO_INSTALL[backend]}"


def _has_nvidia_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def loaded_backend() -> str | None:
    """The backend that Keras runs on in this process; None as long as it is not loaded."""
    keras = sys.modules.get("keras")
    return None if keras is None else str(keras.backend.backend())


@contextmanager
def device_scope() -> Iterator[None]:
    """Build and run networks on the chosen device, in the thread that enters it. Keras is loaded by then."""
    import keras

    name, backend = Device.current().name, loaded_backend()
    # TensorFlow was shown the chosen GPU alone, when it was loaded.
    if name == "auto" or backend == "tensorflow":
        yield
        return
    if backend == "torch" and name == "gpu:0" and import_module("torch").backends.mps.is_available():
        name = "mps"
    with keras.device("cpu:0" if name == "cpu" else name):
        yield


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build networks in one of Keras' precisions, in the thread that enters it. Keras is loaded by then."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def policy_here() -> str:
    """Keras' name for the precision of networks on the device that is chosen here. Keras is loaded by then.

    Raises
    ------
    ScanError
        If the device is not there.
    """
    backend, device = loaded_backend() or "", Device.current()
    return device.policy(backend, device.gpu(backend, gpus_of(backend)) is not None)


def show_tensorflow_its_gpu() -> None:
    """Let TensorFlow see the chosen GPU alone, and take memory as it needs it: else it takes all of every GPU.

    Raises
    ------
    ScanError
        If it has started already, with other devices.
    """
    config = import_module("tensorflow").config
    gpus, device = config.list_physical_devices("GPU"), Device.current()
    number = device.gpu("tensorflow", [gpu.name for gpu in gpus])
    if not gpus:
        return
    chosen = [] if number is None else [gpus[number]]
    try:
        config.set_visible_devices(chosen, "GPU")
        for gpu in chosen:
            config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        if device.name != "auto":
            raise ScanError(
                f"TensorFlow has started in this process already, and cannot change to {device.name}: start again, and "
                "choose the device before the first network is loaded."
            ) from error


def summary() -> str:
    """One line: the backend that is loaded here, the device, why it is no GPU, and the precision."""
    backend = loaded_backend() or ""
    device, gpus = Device.current(), gpus_of(backend)
    number = device.gpu(backend, gpus)
    policy = device.policy(backend, number is not None)
    bits = policy if policy == "float32" else f"{policy.removeprefix('mixed_')} mixed with float32"
    if number is not None:
        return f"{backend} on gpu:{number} ({gpus[number]}), in {bits}"
    why = "as chosen" if device.name == "cpu" else why_no_gpu(backend)
    return f"{backend} on the CPU ({why}), in {bits}"


def processor() -> str:
    """What the processor calls itself, and how many of its cores this process may use."""
    import platform

    names = [text for key, text in _cpuinfo() if key == "model name"]
    name = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def _fast_in_bfloat16() -> bool:
    flags = {flag for key, text in _cpuinfo() if key == "flags" for flag in text.split()}
    return bool(flags & _FAST_BFLOAT16)


def _cpuinfo() -> list[tuple[str, str]]:
    """What Linux says of its processors; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return []
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    return [(key.strip(), text.strip()) for key, _, text in pairs]


def _main() -> None:
    backend = sys.argv[1]
    gpus = gpus_of(backend)
    sys.stdout.write(f"{json.dumps([gpus, '' if gpus else why_no_gpu(backend)])}\n")


if __name__ == "__main__":
    _main()
