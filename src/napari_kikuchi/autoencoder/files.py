"""Model files that users hold: `.keras`, `.h5`, and SavedModel folders. None of them gets to run code unasked."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .card import ModelCard
from .devices import device_scope

__all__ = ["compiled", "open_model_file"]

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def open_model_file(path: Path, trust: bool) -> tuple[ModelCard, Callable[[tuple[int, int]], Compute]]:
    """Open a model file of the user's.

    Parameters
    ----------
    path : Path
        Of a `.keras` or `.h5` file or a SavedModel folder.
    trust : bool
        Whether a SavedModel may be opened.

    Returns
    -------
    card : ModelCard
        From `NAME.card.json` beside the file, or else from the network's input.
    network_for : callable
        Gives the function from (n, height, width, channels) to (n, height, width) for a size.

    Raises
    ------
    ScanError
        If the file is none of these, would run code, or does not make images of images.
    """
    if path.is_dir():
        network, size = _saved_model(path, trust)
    elif path.suffix.lower() in (".keras", ".h5", ".hdf5"):
        network = _keras_file(path)
        size = _image_size(path, network)
    else:
        raise ScanError(f"{path} is no model: a .keras or .h5 file or a TensorFlow SavedModel folder is expected.")
    card = _card(path, size)
    compute = compiled(network)
    return card, lambda _size: compute


def compiled(network: Any) -> Compute:
    """The network as a function of arrays, as fast as the backend can make it.

    Parameters
    ----------
    network : callable on tensors
    """
    return _COMPILERS.get(keras.backend.backend(), _by_keras)(network)


def _by_tensorflow(network: Any) -> Compute:
    import tensorflow as tf

    graph = tf.function(lambda inputs: network(inputs))
    graphs: dict[tuple[int, ...], Any] = {}

    def run(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        # One graph for any number of patterns, so that the last few of a scan need no new one.
        shape = inputs.shape[1:]
        if shape not in graphs:
            graphs[shape] = graph.get_concrete_function(tf.TensorSpec((None, *shape), tf.float32))
        return _image(graphs[shape](tf.constant(inputs)))

    return run


def _by_torch(network: Any) -> Compute:
    torch: Any = import_module("torch")

    def run(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        with device_scope(), torch.inference_mode():
            return _image(network(inputs, training=False))

    return run


def _by_keras(network: Any) -> Compute:
    """With jax this compiles the network anew for each number of patterns, of which a scan has two or three."""

    def run(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        with device_scope():
            return _image(network.predict_on_batch(inputs))

    return run


_COMPILERS = {"tensorflow": _by_tensorflow, "torch": _by_torch}


def _image(outputs: Any) -> NDArray[np.float32]:
    if isinstance(outputs, dict):
        outputs = next(iter(outputs.values()))
    return np.asarray(keras.ops.convert_to_numpy(outputs), dtype=np.float32)[..., 0]


def _card(path: Path, size: tuple[int, int] | None) -> ModelCard:
    for beside in (path.with_name(f"{path.name}.card.json"), path.with_name(f"{path.stem}.card.json")):
        if beside.exists():
            return ModelCard.load(beside)
    # Patterns of any size go through two or three halvings in the usual autoencoder, which eights survive.
    return ModelCard(name=path.stem, title=path.name, size=size, multiple=1 if size else 8)


def _saved_model(path: Path, trust: bool) -> tuple[Any, tuple[int, int] | None]:
    if not (path / "saved_model.pb").exists():
        raise ScanError(f"{path} is no TensorFlow SavedModel: it holds no saved_model.pb.")
    if not trust:
        raise ScanError(
            f"{path} is a TensorFlow SavedModel, whose graph can read and write files: if you know where it comes "
            "from, open it with --trust-model (trust=True in Python)."
        )
    if keras.backend.backend() != "tensorflow":
        raise ScanError(
            f"{path} is a TensorFlow SavedModel; it needs the backend tensorflow (--backend tensorflow) to open."
        )
    import tensorflow as tf

    try:
        found = tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise ScanError(f"{path} cannot be opened as a TensorFlow SavedModel: {_first_line(error)}") from error
    endpoint = next((name for name in ("serving_default", "serve") if name in found.signatures), None)
    if endpoint is None:
        raise ScanError(f"{path} has neither of the endpoints serving_default and serve; export the model again.")
    signature = found.signatures[endpoint]
    given = {name: tuple(entry.shape) for name, entry in signature.structured_input_signature[1].items()}
    made = [tuple(entry.shape) for entry in signature.structured_outputs.values()]
    size = _checked_size(path, _only(list(given.values())), _only(made))
    # Only the folder's graph keeps its variables alive, hence the layer rather than the bare signature.
    return keras.layers.TFSMLayer(str(path), call_endpoint=endpoint), size


def _only(shapes: list[tuple[Any, ...]]) -> Any:
    return shapes[0] if len(shapes) == 1 else shapes


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _keras_file(path: Path) -> Any:
    config = _configuration(path)
    for kind in _code_kinds(config):
        raise ScanError(
            f"{path} contains {kind}, which can run code or read files that came with the model; save it again with "
            "plain layers only."
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError, NotImplementedError) as error:
        raise ScanError(f"{path} cannot be opened as a Keras model: {_first_line(error)}") from error


def _configuration(path: Path) -> Any:
    """The layers that a file says it is made of, read without building any."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        import h5py  # type: ignore[import-untyped]

        with h5py.File(path, "r") as file:
            text = file.attrs["model_config"]
            return json.loads(text if isinstance(text, str) else text.decode())
    except (OSError, KeyError, ValueError) as error:
        raise ScanError(
            f"{path} holds no Keras model with its layers (weights alone do not say what they belong to)."
        ) from error


# Keras' own layers that run what comes with them, or read files that they name.
_REFUSED = {
    "Lambda",
    "__lambda__",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
}
# Modules whose classes a configuration may name: those that define layers and what these are made of.
_PLAIN = re.compile(
    r"builtins|keras|keras\.(src\.)?(layers|models|initializers|regularizers|constraints|activations|ops|dtype_policies)"
    r"(\..*)?|napari_kikuchi(\..*)?"
)
_OURS = ("napari_kikuchi>",)


def _code_kinds(config: Any) -> Iterator[str]:
    """What in a configuration can run code or read files, by name."""
    if isinstance(config, list):
        for entry in config:
            yield from _code_kinds(entry)
    if not isinstance(config, dict):
        return
    name, module, registered = (config.get(key) for key in ("class_name", "module", "registered_name"))
    if name in _REFUSED:
        yield f"a {name} layer"
    elif module is not None and not _PLAIN.fullmatch(str(module)):
        yield f"{module}.{name}"
    elif ">" in str(registered) and not str(registered).startswith(_OURS):
        yield f"the custom class {registered}"
    for key, entry in config.items():
        # How it was trained is not opened.
        if key != "compile_config":
            yield from _code_kinds(entry)


def _image_size(path: Path, network: Any) -> tuple[int, int] | None:
    return _checked_size(path, getattr(network, "input_shape", None), getattr(network, "output_shape", None))


def _checked_size(path: Path, given: Any, made: Any) -> tuple[int, int] | None:
    """Size of the one grey image that goes in and comes out, None for any."""
    for shape, verb in ((given, "takes"), (made, "makes")):
        if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] != 1:
            raise ScanError(
                f"{path} {verb} {shape}; a model that makes one grey image (height, width, 1) of another is needed."
            )
    if given[1:3] != made[1:3]:
        raise ScanError(
            f"{path} makes images of {made[1]}x{made[2]} from {given[1]}x{given[2]} pixels; sizes have to agree."
        )
    if given[1] is None or given[2] is None:
        return None
    return int(given[1]), int(given[2])
