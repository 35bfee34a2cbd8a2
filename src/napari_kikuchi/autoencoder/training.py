"""Train a network: from a configuration to weights, a learning curve and a model card. Keras is imported on the way."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .denoiser import import_keras
from .devices import device_scope
from .learning_curve import Progress
from .pairs import PairSource, open_pairs
from .simulation import Batch
from .training_config import TrainingConfig

__all__ = ["Progress", "TrainingConfig", "train", "train_on"]

# Batches that are made while the network learns from one before.
AHEAD = 3


def train(config: TrainingConfig, progress: Callable[[Progress], None] | None = None) -> Path:
    """Train a network, or go on with a run that was interrupted.

    At every checkpoint, and at Ctrl-C, all that it takes to go on is written to the output folder: the same call goes
    on from there, with the patterns that it would have seen.

    Parameters
    ----------
    config : TrainingConfig
    progress : callable, optional
        Called when the run starts and after every step; `validation_loss` is known at checkpoints.

    Returns
    -------
    Path
        The weights, `NAME.weights.h5` in the output folder, with `NAME.json`, the model card, and the learning curve
        beside them: `learning-curve.csv`, and `learning-curve.png` if Matplotlib is installed.

    Warns
    -----
    ScanWarning
        If two exposures do not look like those of the same points, or there are no neighbours for a network that looks
        at them.

    Raises
    ------
    ScanError
        If master patterns or scans are missing or do not fit, the folder holds the run of another configuration or
        weights from elsewhere, or the network to start from does not fit.

    Examples
    --------
    >>> import napari_kikuchi as nk
    >>> config = nk.TrainingConfig(master_patterns="masters", output="runs/mine", held_out=("ni",), minutes=60)
    >>> weights = nk.train(config, print)  # doctest: +SKIP
    """
    return train_on(open_pairs(config), config, progress)


def train_on(pairs: PairSource, config: TrainingConfig, progress: Callable[[Progress], None] | None = None) -> Path:
    """Train on pairs that were opened before; otherwise as `train`."""
    import_keras()
    with device_scope():
        return _train(pairs, config, progress or (lambda _: None))


def _train(pairs: PairSource, config: TrainingConfig, tell: Callable[[Progress], None]) -> Path:
    from .training_run import TrainingRun

    run = TrainingRun(config, pairs)
    run.resume()
    tell(run.progress())
    validation = pairs.validation(config.validation, [config.seed, 0])
    started = time.monotonic() - 60 * run.minutes
    with _interrupts_wait() as interrupted, _batches(pairs, config, run.step) as batches:
        while (share := config.share_done(run.step, run.minutes)) < 1:
            run.learn(next(batches), config.learning_rate * _schedule(share, run.step, config.warmup))
            run.minutes = (time.monotonic() - started) / 60
            at_checkpoint = run.step % config.checkpoint_steps == 0
            tell(run.checkpoint(validation) if at_checkpoint else run.progress())
            if interrupted.is_set():
                run.save()
                raise KeyboardInterrupt
        if not run.curve or run.curve[-1].step != run.step:
            tell(run.checkpoint(validation))
        return run.finish()


def _schedule(share: float, step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / max(warmup, 1)) * 0.5 * (1 + math.cos(math.pi * share))


@contextmanager
def _interrupts_wait() -> Iterator[threading.Event]:
    """Ctrl-C sets an event instead of ending a step half done; a second one ends it as ever."""
    heard = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    # Signals reach the main thread only; what a shell runs in its background is to stay deaf to this one.
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield heard
        return

    def hear(_number: int, _frame: FrameType | None) -> None:
        heard.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _batches(pairs: PairSource, config: TrainingConfig, first: int) -> Iterator[Iterator[Batch]]:
    """Batches from a step on, made in the background while the network learns."""
    pool = ThreadPoolExecutor(1)

    def made() -> Iterator[Batch]:
        waiting = [pool.submit(pairs.training, config.batch, [config.seed, 1, first + step]) for step in range(AHEAD)]
        step = first + AHEAD
        while True:
            yield waiting.pop(0).result()
            waiting.append(pool.submit(pairs.training, config.batch, [config.seed, 1, step]))
            step += 1

    try:
        yield made()
    finally:
        pool.shutdown(cancel_futures=True)
