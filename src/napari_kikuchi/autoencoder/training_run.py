"""A network in training, with all that its checkpoints keep and that it leaves behind."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..formats.targets import check_free, whole_file
from ..scan import ScanError
from .architectures import find_network
from .card import ModelCard
from .denoiser import trained_network
from .devices import precision
from .exposures import WINDOWS
from .learning_curve import Progress, can_draw, draw_learning_curve, write_learning_curve
from .networks import build_network
from .pairs import PairSource
from .simulation import Batch
from .training_config import TrainingConfig

__all__ = ["TrainingRun", "denoising_loss"]


class TrainingRun:
    """A network in training.

    Parameters
    ----------
    config : TrainingConfig
    pairs : PairSource
        For what the card says of it.

    Attributes
    ----------
    step : int
    minutes : float
    curve : list of Progress
        The checkpoints so far.

    Raises
    ------
    ScanError
        If the network cannot start from the given weights.
    """

    def __init__(self, config: TrainingConfig, pairs: PairSource) -> None:
        self.config, self.pairs = config, pairs
        self.network = find_network(config.network)
        self.step, self.minutes = 0, 0.0
        self.curve: list[Progress] = []
        self._losses: list[float] = []
        keras.utils.set_random_seed(config.seed)
        with precision(config.precision):
            self.model = build_network(config.network, self._size)
        if config.start:
            _take_over(self.model, config, self._size)
        evened = self.network.normalisation == "background"
        self._loss = denoising_loss(config.correlation if evened else 0.0)
        adam = keras.optimizers.Adam
        rate = config.learning_rate
        self._optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0) if evened else adam(rate)
        # XLA on a CPU runs convolutions several times slower than oneDNN.
        self.model.compile(self._optimizer, loss=self._loss, jit_compile=False)
        self._optimizer.build(self.model.trainable_variables)

    @property
    def _size(self) -> tuple[int, int]:
        return self.config.pairs.window, self.config.pairs.window

    @property
    def _output(self) -> Path:
        return Path(self.config.output)

    @property
    def _checkpoint(self) -> Path:
        return self._output / "checkpoint.npz"

    @property
    def _weights(self) -> Path:
        return self._output / f"{self.config.name}.weights.h5"

    def learn(self, batch: Batch, learning_rate: float) -> None:
        """One step."""
        self._optimizer.learning_rate = learning_rate
        self._losses.append(float(self.model.train_on_batch(self._channels(batch[0]), batch[1])))
        self.step += 1

    def progress(self) -> Progress:
        """Where the run stands."""
        loss = float(np.mean(self._losses)) if self._losses else math.nan
        return Progress(self.step, self.config.steps, round(self.minutes, 2), loss)

    def checkpoint(self, validation: Batch) -> Progress:
        """Validate, and write all that it takes to go on from here, and the learning curve so far."""
        at = self.progress()
        loss, correlation = self._validate(validation)
        entry = Progress(at.step, at.steps, at.minutes, at.loss, loss, correlation)
        self.curve.append(entry)
        self._losses.clear()
        self.save()
        write_learning_curve(self.curve, self._output / "learning-curve.csv")
        if can_draw():
            draw_learning_curve(self.curve, self._output / "learning-curve.png", self.config.name)
        return entry

    def save(self) -> None:
        """Write the checkpoint, in one piece: a kill at any moment leaves this one or the last one whole."""
        state = {
            "config": self.config.record(),
            "step": self.step,
            "minutes": self.minutes,
            "losses": self._losses,
            "curve": [asdict(entry) for entry in self.curve],
        }
        arrays = {f"v{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(self._variables())}
        whole = io.BytesIO()
        np.savez(whole, state=np.array(json.dumps(state)), **arrays)
        _write(self._checkpoint, whole.getvalue())

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder; without one, make the folder.

        Raises
        ------
        ScanError
            If the checkpoint is that of another configuration or damaged, or there is none and weights of this name
            are there, which would be replaced.
        """
        self._output.mkdir(parents=True, exist_ok=True)
        if not self._checkpoint.exists():
            check_free(self._weights)
            return
        variables = self._variables()
        try:
            with self._checkpoint.open("rb") as file, np.load(file) as saved:
                state = json.loads(str(saved["state"]))
                _check_same(self._output, state["config"], self.config)
                for index, variable in enumerate(variables):
                    variable.assign(saved[f"v{index}"])
            self.step, self.minutes, self._losses = state["step"], state["minutes"], state["losses"]
            self.curve = [Progress(**entry) for entry in state["curve"]]
        except ScanError:
            raise
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ScanError(
                f"{self._checkpoint} cannot be read as a checkpoint of this training ({error}): take it away to begin "
                "anew, or give another output folder."
            ) from error

    def finish(self) -> Path:
        """Write the weights and the card."""
        # A fresh network takes them, since the trained one would save its optimiser, too.
        plain = build_network(self.config.network, self._size)
        for ours, theirs in zip(plain.trainable_variables, self.model.trainable_variables, strict=True):
            ours.assign(theirs)
        with tempfile.TemporaryDirectory() as folder:
            plain.save_weights(Path(folder) / self._weights.name)
            _write(self._weights, (Path(folder) / self._weights.name).read_bytes())
        card = json.dumps(asdict(self._card()), indent=2, ensure_ascii=False) + "\n"
        _write(self._output / f"{self.config.name}.json", card.encode())
        return self._weights

    def _card(self) -> ModelCard:
        config, last = self.config, self.curve[-1]
        seen = f"{self.step} steps of {config.batch} patterns of {config.pairs.window}x{config.pairs.window} pixels"
        # Not those of the line transform, which nobody trains.
        parameters = sum(math.prod(variable.shape) for variable in self.model.trainable_variables)
        return ModelCard(
            name=config.name,
            title=f"{config.network}, trained by its user",
            network=config.network,
            sides=config.pairs.sizes,
            normalisation=self.network.normalisation,
            window=max(WINDOWS) if self.network.with_neighbours else 0,
            multiple=self.network.multiple,
            trained_on=self.pairs.trained_on,
            held_out=self.pairs.held_out,
            noise=self.pairs.noise,
            training_time=f"{self.minutes:.0f} minutes; {seen}; {parameters:,} parameters",
            figures={
                "validation": f"loss {last.validation_loss:.3f}, correlation {last.correlation:.3f} with the target"
            },
            limits="Judge by indexing whether it helps.",
            training=config.record(),
        )

    def _variables(self) -> list[Any]:
        return [*self.model.trainable_variables, *self._optimizer.variables]

    def _channels(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return inputs[..., : self.network.channels]

    def _validate(self, pairs: Batch) -> tuple[float, float]:
        """Loss, and mean correlation of results with their targets, over whole batches of the pairs."""
        losses: list[float] = []
        correlations: list[float] = []
        batch = self.config.batch
        # Whole batches only: another shape would compile a second graph.
        for start in range(0, len(pairs[0]) - batch + 1, batch):
            inputs, targets = (part[start : start + batch] for part in pairs)
            found = keras.ops.convert_to_numpy(self.model.predict_on_batch(self._channels(inputs)))
            losses.append(float(self._loss(keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(found))))
            correlations += filter(math.isfinite, map(_correlation, found, targets))
        return float(np.mean(losses)), float(np.mean(correlations)) if correlations else math.nan


def denoising_loss(correlation: float) -> Callable[[Any, Any], Any]:
    """Mean squared error inside the mask, and what is missing in correlation.

    The error alone is ruled by patterns of many electrons: with few, the best guess is faint and gains little. The
    correlation of each pattern with its target counts alike at every noise level.

    Parameters
    ----------
    correlation : float
        Weight of the second term.
    """
    ops = keras.ops

    def loss(wanted: Any, found: Any) -> Any:
        target, counts = wanted[..., 0], wanted[..., 1]
        found = ops.cast(found[..., 0], "float32") * counts
        target = target * counts
        pixels = ops.maximum(ops.sum(counts, axis=(1, 2)), 1.0)
        error = ops.sum(ops.square(found - target), axis=(1, 2)) / pixels
        product = ops.sum(found * target, axis=(1, 2)) / pixels
        power = ops.sum(ops.square(found), axis=(1, 2)) * ops.sum(ops.square(target), axis=(1, 2)) / pixels**2
        return ops.mean(error + correlation * (1 - product / ops.sqrt(power + 1e-6)))

    return loss


def _correlation(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Of a result with its target inside the mask; NaN where one of them is flat."""
    inside = wanted[..., 1] > 0
    pair = found[inside, 0].astype(np.float64), wanted[inside, 0].astype(np.float64)
    flat = not inside.any() or min(pair[0].std(), pair[1].std()) == 0
    return math.nan if flat else float(np.corrcoef(*pair)[0, 1])


def _take_over(model: Any, config: TrainingConfig, size: tuple[int, int]) -> None:
    """Copy a trained network's weights into the layers of the same names, as far as they fit, and zeros beyond."""
    trained = trained_network(config.start, size)
    known = {layer.name: layer.trainable_variables for layer in trained.layers if layer.trainable_variables}
    shared = [layer for layer in model.layers if layer.name in known]
    if not shared:
        raise ScanError(
            f"{config.start} is of the network {trained.name}, no layer of which fits {config.network}: start from "
            "another model, or train another network."
        )
    for layer in shared:
        for ours, theirs in zip(layer.trainable_variables, known[layer.name], strict=True):
            values = np.zeros(ours.shape, np.float32)
            part = tuple(slice(0, min(pair)) for pair in zip(ours.shape, theirs.shape, strict=True))
            values[part] = keras.ops.convert_to_numpy(theirs)[part]
            ours.assign(values)


def _check_same(folder: Path, there: dict[str, Any], config: TrainingConfig) -> None:
    """Refuse to go on with a run of another configuration, saying what differs first."""
    here = json.loads(json.dumps(config.record()))
    for name, value in _flat(here):
        other = dict(_flat(there)).get(name)
        if other != value:
            raise ScanError(
                f"{folder} holds a run of another configuration ({name} {other!r} there, {value!r} here): go on with "
                "that one, or give another output folder."
            )


def _flat(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        yield from _flat(value) if isinstance(value, dict) else [(name, value)]


def _write(path: Path, data: bytes) -> None:
    with whole_file(path, len(data), overwrite=True) as file:
        file.write(data)
