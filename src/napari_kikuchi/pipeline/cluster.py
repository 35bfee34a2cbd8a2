"""The blocks of a file spread over the workers of a dask cluster, on one machine or many that see the same files.

Each worker opens the source itself, loads the model once, and writes what it computes at its place in the growing
output; only the journal is left to the process that asked for it. A task holds many blocks, so that a GPU is kept busy
and the scheduler has little to do. The blocks of a worker that is lost are computed again by another, to the same bytes
at the same places.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import shutil
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import dask

from .. import __version__
from ..autoencoder.model import Device, shipped_models
from ..formats import open_scan
from ..formats.targets import writing
from ..formats.up_writing import UPTarget
from ..recipe import Autoencoder, Recipe, Step
from ..scan import Grid, Scan, ScanError, ScanWarning
from .block_writer import BlockWriter, told_apart
from .blocks import Block, usable_cores

try:
    from distributed import Client, LocalCluster, WorkerPlugin, as_completed
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise ScanError(
        'Several workers need the package distributed, which is not installed: pip install "napari-kikuchi[cluster]".'
    ) from error

__all__ = ["connected", "local_workers", "spread"]

# Blocks of one task: some hundred MiB of patterns, so that a GPU is kept busy and little is lost with a worker.
BLOCKS = 32
# Tasks that each worker has in a whole run, at the least: what is lost with one, or when the run is stopped, is little.
TASKS = 16
# Tasks that each worker has at hand.
AHEAD = 2
# Seconds to wait for a scheduler, and for the first of its workers.
PATIENCE = 60


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """So many worker processes on this machine, each with its share of the cores, for as long as the context lasts."""
    # Pages of a mapped file count as memory of a process, though they are the system's to take back: no limit.
    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=":0",
        # What it has to say of being stopped is nothing to a user, and what goes wrong is told by `spread`.
        silence_logs=logging.CRITICAL,
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        client.register_plugin(_OwnCores(count))
        yield client


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """The workers of a scheduler, of which there has to be one at least before long.

    Parameters
    ----------
    address : str
        Such as `tcp://node1:8786`, or the `.json` file that a scheduler writes its address into.

    Raises
    ------
    ScanError
        If there is no scheduler, or no worker.
    """
    if address.endswith(".json"):
        address = _written_in(Path(address))
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ScanError(f"There is no dask scheduler at {address}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ScanError(
                f"The dask scheduler at {address} has no workers; start some with: dask worker {address}"
            ) from error
        yield client


def _written_in(file: Path) -> str:
    """The address that a scheduler, which may still be starting, writes into a file."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if time.monotonic() > deadline:
                raise ScanError(f"{file} does not tell the address of a dask scheduler: {error}.") from error
        time.sleep(0.2)


def spread(
    client: Client, writer: BlockWriter, partial: Path, blocks: Mapping[int, Block]
) -> Generator[int, None, None]:
    """Compute and write blocks on the workers of a client; closing the iterator early calls them back.

    Parameters
    ----------
    client : distributed.Client
    writer : BlockWriter
        Its scan has to be as it was opened from a path that all workers see.
    partial : Path
        The growing output, which is there.
    blocks : mapping of int to Block

    Yields
    ------
    int
        Number of each block that is on the disk.

    Raises
    ------
    ScanError
        If a worker cannot do it, or the workers are lost.
    """
    order = pickle.dumps(_Order.of(writer, partial))
    waiting = iter(_tasks(blocks, len(client.nthreads())))

    def some() -> list[Any]:
        wanted = AHEAD * max(1, len(client.nthreads())) - len(under_way)
        tasks = [client.submit(_work, order, task, pure=False) for task in islice(waiting, max(wanted, 0))]
        under_way.update(tasks)
        return tasks

    under_way: set[Any] = set()
    try:
        finished = as_completed(some(), loop=client.loop)
        for future in finished:
            under_way.discard(future)
            done = future.result()
            finished.update(some())
            yield from done
    except KilledWorker as error:
        raise ScanError(
            f"{partial} cannot be written: workers died, several times at the same patterns, most often for want of "
            "memory. Give each more of it (dask worker --memory-limit 0), and go on with the same command."
        ) from error
    except OSError as error:
        raise ScanError(f"{partial} cannot be written, since the workers are out of reach: {error}.") from error
    finally:
        client.cancel(list(under_way))


def _tasks(blocks: Mapping[int, Block], workers: int) -> Iterator[dict[int, Block]]:
    """Blocks in tasks, small enough that all workers have several of them."""
    length = max(1, min(BLOCKS, math.ceil(len(blocks) / (TASKS * max(1, workers)))))
    numbered = iter(blocks.items())
    while task := dict(islice(numbered, length)):
        yield task


@dataclass(frozen=True)
class _Order:
    """What a worker has to know to open the source and to write blocks."""

    path: Path
    grid: Grid | None
    source: str
    recipe: Recipe
    target: UPTarget
    scaling: Any
    partial: Path
    device: Device
    version: str

    @classmethod
    def of(cls, writer: BlockWriter, partial: Path) -> Self:
        scan, target = writer.scan, writer.target
        if scan.source is None:
            raise ScanError("Workers compute only scans that were opened from a file or folder: save this one first.")
        path = scan.source.path.absolute()
        told = told_apart(scan)
        if told_apart(_opened(path, scan.grid)) != told:
            raise ScanError(
                f"These patterns are not those in {path} any more, which the workers open: save them to a file first."
            )
        device = Device.current()
        # The padding is the other side's to write, and would be sent along with each task.
        target = replace(target, padding=target.padding[:0])
        return cls(
            path, scan.grid, told, writer.recipe, target, writer.scaling, partial.absolute(), device, __version__
        )


def _with_whole_path(step: Step) -> Step:
    """The step, with a model that is a file named so that it is found from any folder."""
    if isinstance(step, Autoencoder) and step.model not in shipped_models() and Path(step.model).exists():
        return replace(step, model=str(Path(step.model).absolute()))
    return step


def _opened(path: Path, grid: Grid | None) -> Scan:
    with warnings.catch_warnings():
        # What is odd with the file was said when it was opened first.
        warnings.simplefilter("ignore", ScanWarning)
        return open_scan(path, grid=grid)


# A worker of several threads does one task at a time all the same: each uses all of its cores, and the model's memory.
_one_at_a_time = threading.Lock()


def _work(order: bytes, blocks: dict[int, Block]) -> list[int]:
    """On a worker: compute and write blocks; their numbers."""
    # What reads images is a dask array itself; a task that left it to the other workers would wait for them.
    with _one_at_a_time, dask.config.set(scheduler="threads"):
        writer, partial = _ready(order)
        with _Places(partial) as file:
            done = list(writer.write(blocks, file.put))
        _let_go(writer.scan)
    return done


@lru_cache(maxsize=1)
def _ready(order: bytes) -> tuple[BlockWriter, Path]:
    """The source opened and the model loaded, once for all tasks of a run."""
    told: _Order = pickle.loads(order)
    if told.version != __version__:
        raise ScanError(f"A worker has napari-kikuchi {__version__}, where {told.version} is needed: install that.")
    told.device.use()
    scan = _opened(told.path, told.grid)
    if told_apart(scan) != told.source:
        raise ScanError(f"A worker sees another file under {told.path} than was opened here: check its folders.")
    told.recipe.prepare()
    return BlockWriter(scan, told.recipe, told.target, told.scaling), told.partial


class _Places:
    """A file that others write to as well, each at places of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        # What is written at once goes to the disk as it is. Otherwise a network file system would bring whole pages
        # there, and with them, at the ends of a block, old bytes of what another machine has written meanwhile.
        with writing(self._path):
            flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_DSYNC", 0)
            self._file = os.fdopen(os.open(self._path, flags), "r+b", buffering=0)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                with writing(self._path):
                    os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def put(self, at: int, data: memoryview) -> None:
        left = data.cast("B")
        with writing(self._path):
            self._file.seek(at)
            while left:
                left = left[self._file.write(left) :]


def _let_go(scan: Scan) -> None:
    """Give the pages of a mapped file back, which a worker's memory limit would count in."""
    mapped = getattr(scan.patterns, "_mmap", None)
    if mapped is not None and hasattr(mapped, "madvise"):
        import mmap

        mapped.madvise(mmap.MADV_DONTNEED)


class _OwnCores(WorkerPlugin):  # type: ignore[misc]
    """Gives each of several workers on one machine cores, and a graphics card, of its own."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def setup(self, worker: Any) -> None:
        """Before the first task, and so before any library has started its threads."""
        # Ctrl-C reaches the workers too; the process that was meant ends them.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        share = max(1, usable_cores() // self._workers)
        # What libraries for arrays and networks go by, where there is no way to hold a process on some cores.
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ[name] = str(share)
        if gpu := _own_gpu(int(worker.name)):
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        if hasattr(os, "sched_setaffinity"):
            cores: Sequence[int] = sorted(os.sched_getaffinity(0))
            first = int(worker.name) * share % len(cores)
            # A thread at a time: those that there are, and those that they start.
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores[first : first + share])


def _own_gpu(worker: int) -> str | None:
    """Which of this machine's NVIDIA graphics cards is a worker's; None if there are not several to choose from."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        lister = shutil.which("nvidia-smi")
        listed = subprocess.run([lister, "-L"], capture_output=True, text=True, check=False).stdout if lister else ""
        gpus = [str(number) for number in range(listed.count("GPU "))]
    else:
        gpus = [gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    return gpus[worker % len(gpus)] if len(gpus) > 1 else None
