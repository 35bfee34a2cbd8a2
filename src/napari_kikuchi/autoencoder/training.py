"""Train a network on simulated patterns: from a configuration to weights, a learning curve and a model card."""

from __future__ import annotations

import csv
import json
import math
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..scan import ScanError
from .denoiser import trained_network
from .networks import NETWORKS, build_network
from .simulation import MasterPattern, PairSettings, training_batch

__all__ = ["Progress", "TrainingConfig", "denoising_loss", "train"]


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run, as read from TOML.

    Attributes
    ----------
    master_patterns : str
        Folder of master patterns (.npz).
    output : str
        Folder for checkpoints, the learning curve, the weights and the card; a run found there is continued.
    name : str
        Of the model.
    network : str
        A key of `networks.NETWORKS`.
    start : str
        A shipped model's name, or the path of a `.weights.h5` file, to start from instead of from chance. Of another
        network it may be: layers of the same name take over what fits, and what they have in addition starts at zero.
    held_out : tuple of str
        Master patterns, by name without ending, that are kept from training. The learning curve's validation uses them.
    batch : int
        Patterns per step.
    steps : int
        Steps of the whole run.
    minutes : float
        The run is shortened to this time; 0 sets no limit.
    learning_rate : float
        Highest of the cosine schedule, reached after `warmup` steps.
    warmup : int
    correlation : float
        Weight of the correlation term in the loss.
    precision : str
        Keras dtype policy, "float32" or "mixed_bfloat16". Weights are kept in float32 in either.
    checkpoint_steps : int
        Steps between two checkpoints, each with a validation.
    validation : int
        Patterns in the validation.
    seed : int
    pairs : PairSettings
        From what patterns are drawn; the table [pairs] of the TOML file.
    """

    master_patterns: str
    output: str
    name: str = "kikuchi-unet"
    network: str = "kikuchi-unet"
    start: str = ""
    held_out: tuple[str, ...] = ()
    batch: int = 16
    steps: int = 20000
    minutes: float = 0.0
    learning_rate: float = 1e-3
    warmup: int = 200
    correlation: float = 0.5
    precision: str = "float32"
    checkpoint_steps: int = 500
    validation: int = 96
    seed: int = 1
    pairs: PairSettings = field(default_factory=PairSettings)

    @classmethod
    def load(cls, path: str | Path, **changes: Any) -> TrainingConfig:
        """Read a TOML file; `changes` replace what it says.

        Raises
        ------
        ScanError
            If the file is missing, is not TOML, or has a key that means nothing here.
        """
        try:
            with Path(path).open("rb") as file:
                found = {**tomllib.load(file), **changes}
        except FileNotFoundError:
            raise ScanError(f"There is no training configuration {path}.") from None
        except tomllib.TOMLDecodeError as error:
            raise ScanError(f"{path} is not valid TOML: {error}.") from error
        pairs = _known(path, PairSettings, found.pop("pairs", {}))
        found = _known(path, cls, found)
        missing = {"master_patterns", "output"} - set(found)
        if missing:
            raise ScanError(f"{path} does not say {' and '.join(sorted(missing))}; add a line, or give it in the call.")
        return cls(**found, pairs=PairSettings(**pairs))

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ScanError(f"There is no network named {self.network!r}; there are {', '.join(sorted(NETWORKS))}.")
        for name in ("batch", "steps", "checkpoint_steps"):
            if getattr(self, name) < 1:
                raise ScanError(f"A training needs {name} of at least 1, not {getattr(self, name)}.")


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever watches.

    Attributes
    ----------
    step, steps : int
    minutes : float
        Training time so far, earlier parts of an interrupted run counted in.
    loss : float
        Mean since the last report.
    validation_loss, correlation : float or None
        On the held-out patterns, at checkpoints.
    """

    step: int
    steps: int
    minutes: float
    loss: float
    validation_loss: float | None = None
    correlation: float | None = None


def train(config: TrainingConfig, progress: Callable[[Progress], None] | None = None) -> Path:
    """Train, or go on with a run that was interrupted.

    Parameters
    ----------
    config : TrainingConfig
    progress : callable, optional
        Called at every checkpoint.

    Returns
    -------
    Path
        The weights, `NAME.weights.h5` in the output folder, with `NAME.json`, the model card, and `learning-curve.csv`
        beside them.

    Raises
    ------
    ScanError
        If there are no master patterns to train on, or a held-out one is not there.
    """
    masters, held_out = load_masters(config)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    run = _Run(config, output)
    run.resume()
    validation = training_batch(held_out or masters, config.pairs, config.validation, [config.seed, 0])
    losses: list[float] = []
    started = time.monotonic() - 60 * run.minutes
    for inputs, targets in _ahead(masters, config, run.step):
        share = max(run.step / config.steps, run.minutes / config.minutes if config.minutes else 0.0)
        if share >= 1:
            break
        run.model.optimizer.learning_rate = config.learning_rate * _schedule(share, run.step, config.warmup)
        losses.append(float(run.model.train_on_batch(_channels(inputs, config), targets)))
        run.step += 1
        run.minutes = (time.monotonic() - started) / 60
        if run.step % config.checkpoint_steps == 0:
            _report(run, float(np.mean(losses)), validation, progress)
            losses.clear()
    _report(run, float(np.mean(losses)) if losses else math.nan, validation, progress)
    return run.finish([master.name for master in masters], [master.name for master in held_out])


def load_masters(config: TrainingConfig) -> tuple[list[MasterPattern], list[MasterPattern]]:
    """The master patterns to train on, and those held out.

    Raises
    ------
    ScanError
        If there are none to train on, or a held-out one is not there.
    """
    paths = {path.stem: path for path in sorted(Path(config.master_patterns).glob("*.npz"))}
    absent = [name for name in config.held_out if name not in paths]
    if absent:
        raise ScanError(
            f"{config.master_patterns} lacks the held-out master pattern {absent[0]}.npz; it holds "
            f"{', '.join(paths) or 'none'}."
        )
    masters = [MasterPattern.load(path) for name, path in paths.items() if name not in config.held_out]
    if not masters:
        raise ScanError(f"{config.master_patterns} holds no master pattern (.npz) to train on.")
    return masters, [MasterPattern.load(paths[name]) for name in config.held_out]


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


class _Run:
    """The network in training, with what a checkpoint keeps."""

    def __init__(self, config: TrainingConfig, output: Path) -> None:
        self.config = config
        self.output = output
        self.step = 0
        self.minutes = 0.0
        self.curve: list[Progress] = []
        keras.utils.set_random_seed(config.seed)
        with _precision(config.precision):
            self.model = build_network(config.network, (config.pairs.window, config.pairs.window))
        if config.start:
            _take_over(self.model, config.start, (config.pairs.window, config.pairs.window))
        optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=1e-4, clipnorm=1.0)
        # XLA on a CPU runs convolutions several times slower than oneDNN.
        self.loss = denoising_loss(config.correlation)
        self.model.compile(optimizer, loss=self.loss, jit_compile=False)
        optimizer.build(self.model.trainable_variables)

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoint.npz"

    def _state(self) -> list[Any]:
        return [*self.model.trainable_variables, *self.model.optimizer.variables]

    def save(self) -> None:
        """Write the checkpoint beside the last one, then replace it, so that a kill leaves one of them whole."""
        arrays = {f"v{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(self._state())}
        state = {"step": self.step, "minutes": self.minutes, "curve": [asdict(entry) for entry in self.curve]}
        fresh = self.output / "checkpoint.new.npz"
        np.savez(fresh, state=np.array(json.dumps(state)), **arrays)
        fresh.replace(self.checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        with np.load(self.checkpoint) as saved:
            state = json.loads(str(saved["state"]))
            variables = self._state()
            if len(saved.files) != len(variables) + 1:
                raise ScanError(
                    f"{self.checkpoint} belongs to another network than {self.config.network}; give another output "
                    "folder."
                )
            for index, variable in enumerate(variables):
                variable.assign(saved[f"v{index}"])
        self.step, self.minutes = state["step"], state["minutes"]
        self.curve = [Progress(**entry) for entry in state["curve"]]

    def validate(self, pairs: tuple[NDArray[np.float32], NDArray[np.float32]]) -> tuple[float, float]:
        """Loss and mean correlation on pairs that training never saw."""
        losses, correlations = [], []
        batch = self.config.batch
        # Whole batches only: another shape would compile a second graph.
        for start in range(0, len(pairs[0]) - batch + 1, batch):
            inputs, targets = (part[start : start + batch] for part in pairs)
            found = keras.ops.convert_to_numpy(self.model.predict_on_batch(_channels(inputs, self.config)))
            losses.append(float(self.loss(keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(found))))
            for one, wanted in zip(found, targets, strict=True):
                inside = wanted[..., 1] > 0
                pair = one[inside, 0].astype(np.float64), wanted[inside, 0].astype(np.float64)
                if min(pair[0].std(), pair[1].std()) > 0:
                    correlations.append(np.corrcoef(*pair)[0, 1])
        return float(np.mean(losses)) if losses else math.nan, float(
            np.mean(correlations)
        ) if correlations else math.nan

    def finish(self, phases: list[str], held_out: list[str]) -> Path:
        """Write the weights, the learning curve and the card."""
        config = self.config
        weights = self.output / f"{config.name}.weights.h5"
        # A fresh network takes them, since the trained one would save its optimiser, too.
        plain = build_network(config.network, (config.pairs.window, config.pairs.window))
        for ours, theirs in zip(plain.trainable_variables, self.model.trainable_variables, strict=True):
            ours.assign(theirs)
        plain.save_weights(weights)
        with (self.output / "learning-curve.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([entry.name for entry in fields(Progress)])
            writer.writerows(asdict(entry).values() for entry in self.curve)
        network = NETWORKS[config.network]
        card = {
            "name": config.name,
            "title": config.name,
            "network": config.network,
            "size": list(network.size) if network.size else None,
            "sides": None if network.size else list(config.pairs.sizes),
            "normalisation": "unit" if network.channels == 1 else "background",
            "multiple": network.multiple,
            "trained_on": ", ".join(phases),
            "held_out": ", ".join(held_out),
            "noise": f"{config.pairs.electrons[0]:g} to {config.pairs.electrons[1]:g} electrons per pixel",
            "training_time": f"{self.minutes:.0f} minutes, {self.step} steps of {config.batch} patterns",
            "training": {
                **asdict(config),
                "master_patterns": Path(config.master_patterns).name,
                "output": self.output.name,
            },
        }
        (self.output / f"{config.name}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        return weights


def _take_over(model: Any, start: str, size: tuple[int, int]) -> None:
    """Copy a trained network's weights into another one's layers of the same names."""
    trained = trained_network(start, size)
    known = {layer.name: layer for layer in trained.layers}
    for layer in model.layers:
        if layer.name not in known:
            continue
        for ours, theirs in zip(layer.trainable_variables, known[layer.name].trainable_variables, strict=True):
            values = np.zeros(ours.shape, np.float32)
            part = tuple(slice(0, min(pair)) for pair in zip(ours.shape, theirs.shape, strict=True))
            values[part] = keras.ops.convert_to_numpy(theirs)[part]
            ours.assign(values)


def _report(
    run: _Run,
    loss: float,
    validation: tuple[NDArray[np.float32], NDArray[np.float32]],
    progress: Callable[[Progress], None] | None,
) -> None:
    validation_loss, correlation = run.validate(validation)
    entry = Progress(run.step, run.config.steps, round(run.minutes, 2), loss, validation_loss, correlation)
    if run.curve and run.curve[-1].step == run.step:
        return
    run.curve.append(entry)
    run.save()
    if progress is not None:
        progress(entry)


def _schedule(share: float, step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / max(warmup, 1)) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def _channels(inputs: NDArray[np.float32], config: TrainingConfig) -> NDArray[np.float32]:
    return inputs[..., : NETWORKS[config.network].channels]


def _ahead(
    masters: list[MasterPattern], config: TrainingConfig, start: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Batches from the given step on, simulated in the background while the network learns."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [
            pool.submit(training_batch, masters, config.pairs, config.batch, [config.seed, 1, step])
            for step in range(start, start + 3)
        ]
        step = start + 3
        while True:
            yield waiting.pop(0).result()
            waiting.append(pool.submit(training_batch, masters, config.pairs, config.batch, [config.seed, 1, step]))
            step += 1


def _known(path: str | Path, kind: type, found: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a dataclass: lists as tuples, nothing that it does not know."""
    names = [entry.name for entry in fields(kind)]
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise ScanError(f"{path} says {unknown[0]!r}, which means nothing in training; known are {', '.join(names)}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
