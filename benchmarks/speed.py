"""How many patterns a second: the published network as its users run it and batched, and ours, in one run.

    python benchmarks/speed.py [--model NAME] [--threads N]
    python benchmarks/speed.py --runtimes
    python benchmarks/speed.py --docs

The first writes results/speed.csv beside this file, the second, which compares ways of computing our network,
results/speed-runtimes.csv; the third makes the section of docs/quality.md from both. Nothing else may run meanwhile.

The published network (Andrews et al. 2023, doi 10.1016/j.ultramic.2023.113810) has random weights here, which cost the
same time as trained ones. Its users read a JPG, call Keras' predict on that one image, and write a JPG. ONNX Runtime
and LiteRT are compared if they are installed (pip install onnxruntime onnx tf2onnx ai-edge-litert).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.card import DEFAULT_MODEL, WEIGHTS, ModelCard, shipped_models
from napari_kikuchi.autoencoder.projection import MasterPattern
from page import write_section
from simulated import camera, random_points, write

HERE = Path(__file__).parent
RESULTS, RUNTIME_RESULTS = HERE / "results" / "speed.csv", HERE / "results" / "speed-runtimes.csv"
NICKEL = HERE / "nickel.npz"
SIZE, ELECTRONS = 236, 8.0
ROUNDS = 5
USERS, PUBLISHED_BATCHES = "published, image by image as its users run it", (16, 32)
ONE, STACK = "ours, one pattern a call", "ours, a stack"
BATCHES = (1, 8, 16, 64)
# Runtimes are also judged by indexing, where few electrons tell them apart.
JUDGED, JUDGED_ELECTRONS = 100, 2.0
SHIPPED = "TensorFlow graph, as shipped"
Images = NDArray[np.float32]
Compute = Callable[[Images], Any]
Build = Callable[[], Any]
# A runtime is made of a function that builds the network with its weights, and of inputs to be expected.
Maker = Callable[[Build, Images], Compute]


@dataclass(frozen=True)
class Machine:
    """What the figures hold for. The load is that of one minute before the start: 0 if nothing else ran."""

    cpu: str
    threads: int
    load: float
    tensorflow: str


@dataclass(frozen=True)
class Way:
    """One way to denoise so many patterns."""

    name: str
    patterns: int
    run: Callable[[], Any]


@dataclass(frozen=True)
class Speed:
    """Patterns a second: the median of the rounds, the slowest and the fastest. The memory is the peak, MiB."""

    way: str
    patterns: int
    per_second: float
    slowest: float
    fastest: float
    memory: float = np.nan


@dataclass(frozen=True)
class Runtime:
    """A way to compute our network, and the environment variables that it needs."""

    name: str
    make: Maker
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RuntimeSpeed:
    """One way to compute our network at one number of patterns at once.

    Attributes
    ----------
    runtime : str
    batch : int
    per_second : float
        Patterns, of the network alone.
    difference : float
        Root mean square, of the outputs from those of the runtime that is shipped, relative to their own.
    within2 : float
        Share of patterns at 2 electrons that index within 2 degrees.
    """

    runtime: str
    batch: int
    per_second: float
    difference: float
    within2: float


def patterns_of(n: int, electrons: float = ELECTRONS) -> NDArray[np.uint16]:
    """Simulated patterns, eight different ones over and over, shape (n, 236, 236)."""
    eight = camera(random_points(MasterPattern.load(NICKEL), 8, SIZE).intensity, electrons)
    return np.resize(eight, (n, SIZE, SIZE))


def published(folder: Path) -> list[Way]:
    """The published network: from JPG to JPG one by one, and in batches from array to array."""
    from napari_kikuchi.autoencoder.networks import build_network
    from napari_kikuchi.opencv import cv2

    network = build_network("andrews2023", (SIZE, SIZE))
    images = (patterns_of(64) // 257).astype(np.uint8)
    names = [f"{number}.jpg" for number in range(16)]
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for name, image in zip(names, images, strict=False):
        cv2.imwrite(str(folder / "in" / name), image)

    def one_by_one() -> None:
        for name in names:
            image = cv2.imread(str(folder / "in" / name), cv2.IMREAD_GRAYSCALE)
            denoised = network.predict(image[None, ..., None] / np.float32(255), verbose=0)[0, ..., 0]
            cv2.imwrite(str(folder / "out" / name), np.rint(255 * denoised).astype(np.uint8))

    stack = (images / np.float32(255))[..., None]
    batched = [
        Way(
            f"published, batches of {batch}",
            len(stack),
            lambda batch=batch: network.predict(stack, batch_size=batch, verbose=0),
        )
        for batch in PUBLISHED_BATCHES
    ]
    return [Way(USERS, len(names), one_by_one), *batched]


def ours(model_name: str, folder: Path) -> list[Way]:
    """Our network: on arrays one by one and as a stack, and from file to file, block by block."""
    from napari_kikuchi.autoencoder.denoiser import DenoisingModel, open_model

    model = open_model(model_name)
    idle = DenoisingModel(model.card, lambda size: lambda inputs: inputs[..., 0])
    pixels = patterns_of(256)
    stack = (pixels / np.float32(65535)).astype(np.float32)
    source, recipe = write(folder / "scan.up2", pixels, None), nk.Recipe([nk.Autoencoder(model_name)])
    return [
        Way(ONE, 64, lambda: [model.predict(one[None]) for one in stack[:64]]),
        Way(STACK, len(stack), lambda: model.predict(stack)),
        Way("ours, a stack, all but the network", len(stack), lambda: idle.predict(stack)),
        Way(
            "ours, from file to file",
            len(stack),
            lambda: nk.process_file(source, folder / "denoised.up2", recipe, overwrite=True),
        ),
    ]


def timed(ways: list[Way]) -> list[Speed]:
    """Run all ways in turn, once for nothing and then ROUNDS times, so that a disturbance hits all alike."""
    for way in ways:
        way.run()
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(ROUNDS):
        for way in ways:
            started = time.perf_counter()
            way.run()
            seconds[way.name].append(time.perf_counter() - started)
    return [
        Speed(way.name, way.patterns, *(way.patterns / float(of(seconds[way.name])) for of in (np.median, max, min)))
        for way in ways
    ]


# The kernel's own account of a process counts what the process was forked from too, which here holds a large network.
COMMAND_LINE = """
import atexit
from pathlib import Path
from napari_kikuchi.cli import main
status = Path("/proc/self/status")
atexit.register(lambda: print([line for line in status.read_text().splitlines() if line.startswith("VmHWM")][0]))
main()
"""


def command_line(model_name: str, folder: Path, n: int) -> Speed:
    """`napari-kikuchi denoise` in a process of its own, with its start, and the most memory that it took."""
    source = write(folder / f"{n}.up2", patterns_of(n), None)
    arguments = ["denoise", "--overwrite", "--model", model_name, str(source), str(folder / "out.up2")]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", COMMAND_LINE, *arguments], capture_output=True, text=True, check=False)
    speed = n / (time.perf_counter() - started)
    if done.returncode:
        raise RuntimeError(f"napari-kikuchi {' '.join(arguments)} failed: {done.stderr}")
    memory = float(done.stdout.splitlines()[-1].split()[1]) / 1024
    return Speed(f"ours, the command line with its start, {n} patterns", n, speed, speed, speed, memory)


def threads() -> int:
    """Of TensorFlow and the other runtimes."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS", os.cpu_count() or 1))


def this_machine() -> Machine:
    """Where this runs, with a warning if other programs run too."""
    import tensorflow as tf

    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    machine = Machine(names[0].partition(": ")[2], threads(), os.getloadavg()[0], tf.__version__)
    print(machine)
    if machine.load > 0.3:
        print("Other programs are running: do not trust these figures.")
    return machine


def measure(options: argparse.Namespace) -> None:
    """Time all ways, print the ratios, and write the results."""
    machine = this_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speeds = timed([*published(folder), *ours(options.model, folder)])
        speeds += [command_line(options.model, folder, n) for n in (256, 1024)]
    users, batched = bases(speeds)
    for speed in speeds:
        print(
            f"{speed.way:<56}{speed.per_second:8.1f}/s ({speed.slowest:.1f} to {speed.fastest:.1f})"
            f"{speed.per_second / users:8.1f} x users'{speed.per_second / batched:8.1f} x batched"
            + (f", {speed.memory:.0f} MiB" if np.isfinite(speed.memory) else "")
        )
    save(RESULTS, [asdict(speed) | asdict(machine) for speed in speeds])


def bases(speeds: list[Speed]) -> tuple[float, float]:
    """Patterns a second of the published network: as its users run it, and in the faster kind of batches."""
    rates = {speed.way: speed.per_second for speed in speeds}
    return rates[USERS], max(rates[f"published, batches of {batch}"] for batch in PUBLISHED_BATCHES)


def save(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()})


def weights_and_card(model: str) -> tuple[Path, ModelCard]:
    """The file of a model's weights, shipped or trained by `training.train`, and its card."""
    path = WEIGHTS / f"{model}.weights.h5" if model in shipped_models() else Path(model)
    return path, ModelCard.load(path.with_name(path.name.removesuffix(".weights.h5") + ".json"))


def graph(build: Build, inputs: Images) -> Compute:
    """What `autoencoder.files.compiled` does."""
    import tensorflow as tf

    network = build()
    signature = tf.TensorSpec((None, *inputs.shape[1:]), tf.float32)
    compiled = tf.function(lambda x: network(x)).get_concrete_function(signature)
    return lambda x: compiled(tf.constant(x)).numpy()


def eager(build: Build, inputs: Images) -> Compute:
    """Layer by layer."""
    network = build()
    return lambda x: network(x).numpy()


def xla(build: Build, inputs: Images) -> Compute:
    """Compiled by XLA, anew for each number of patterns."""
    import tensorflow as tf

    network = build()
    compiled = tf.function(lambda x: network(x), jit_compile=True)
    return lambda x: compiled(tf.constant(x)).numpy()


def bfloat16(maker: Maker) -> Maker:
    """The same in Keras' mixed precision."""

    def made(build: Build, inputs: Images) -> Compute:
        import keras

        keras.config.set_dtype_policy("mixed_bfloat16")
        return maker(build, inputs)

    return made


def onnx(build: Build, inputs: Images) -> Compute:
    """ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        return onnx_session(exported(build, folder, "onnx"))


def onnx_int8(build: Build, inputs: Images) -> Compute:
    """ONNX Runtime, its convolutions in 8 bits with ranges from the inputs."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.left = [{name: inputs[start : start + 4]} for start in range(0, 32, 4)]

        def get_next(self) -> dict[str, Images] | None:
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder:
        source, target = exported(build, folder, "onnx"), Path(folder) / "int8.onnx"
        name = onnxruntime_session(source).get_inputs()[0].name
        quantize_static(source, target, Reader(name), per_channel=True, op_types_to_quantize=["Conv"])
        return onnx_session(target)


def litert(build: Build, inputs: Images) -> Compute:
    """LiteRT, which was TensorFlow Lite, with XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder:
        interpreter = Interpreter(model_content=exported(build, folder, "litert").read_bytes(), num_threads=threads())
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    shapes: list[tuple[int, ...]] = []

    def run(x: Images) -> Images:
        if shapes[-1:] != [x.shape]:
            interpreter.resize_tensor_input(into, x.shape)
            interpreter.allocate_tensors()
            shapes.append(x.shape)
        interpreter.set_tensor(into, x)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return run


def exported(build: Build, folder: str, kind: str) -> Path:
    """The network as another runtime's file."""
    path = Path(folder) / f"network.{'tflite' if kind == 'litert' else kind}"
    build().export(path, format=kind, verbose=False)
    return path


def onnx_session(path: Path) -> Compute:
    """A network in ONNX Runtime, as a function."""
    session = onnxruntime_session(path)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def onnxruntime_session(path: Path) -> Any:
    """A network in ONNX Runtime."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads()
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime(SHIPPED, graph),
        Runtime("Keras, layer by layer", eager),
        Runtime("XLA", xla),
        Runtime("graph, oneDNN switched off", graph, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
        Runtime("graph, mixed bfloat16", bfloat16(graph)),
        Runtime("XLA, mixed bfloat16", bfloat16(xla)),
        Runtime("ONNX Runtime", onnx),
        Runtime("ONNX Runtime, 8-bit convolutions", onnx_int8),
        Runtime("LiteRT", litert),
    )
}


def compare_runtimes(options: argparse.Namespace) -> None:
    """Time our network in each runtime, each in a process of its own, and index what it makes."""
    from indexing import Judge

    machine = this_machine()
    master = MasterPattern.load(NICKEL)
    judge, points = Judge(master, SIZE), random_points(master, JUDGED, SIZE)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        noisy, shipped = Path(folder) / "noisy.npy", Path(folder) / f"{SHIPPED}.npy"
        np.save(noisy, camera(points.intensity, JUDGED_ELECTRONS) / np.float32(65535))
        for runtime in RUNTIMES.values():
            output = Path(folder) / f"{runtime.name}.npy"
            command = [sys.executable, __file__, "--model", options.model, "--runtime", runtime.name, str(noisy)]
            environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | runtime.environment
            done = subprocess.run([*command, str(output)], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{runtime.name}: left out: {done.stderr.strip().splitlines()[-1]}")
                continue
            denoised, expected = np.load(output), np.load(shipped)
            difference = float(np.sqrt(np.mean((denoised - expected) ** 2)) / expected.std())
            within2 = float(np.mean(judge.index(denoised, points.rotations).errors < 2))
            for batch, per_second in json.loads(done.stdout.splitlines()[-1]).items():
                rows.append(RuntimeSpeed(runtime.name, int(batch), per_second, difference, within2))
                print(rows[-1])
    save(RUNTIME_RESULTS, [asdict(row) | asdict(machine) for row in rows])


def one_runtime(model: str, runtime: str, source: Path, target: Path) -> None:
    """In a process of its own: print patterns a second by batch as JSON, and denoise an array of patterns."""
    from napari_kikuchi.autoencoder.denoiser import DenoisingModel
    from napari_kikuchi.autoencoder.networks import build_network

    weights, card = weights_and_card(model)
    patterns = np.load(source)
    seen: list[Images] = []

    def look(inputs: Images) -> Images:
        seen.append(inputs)
        return inputs[..., 0]

    DenoisingModel(card, lambda size: look).predict(patterns, batch=len(patterns))

    def build() -> Any:
        network = build_network(card.network, seen[0].shape[1:3])
        network.load_weights(weights)
        # Keras exports only what was called.
        network(seen[0][:1])
        return network

    compute = RUNTIMES[runtime].make(build, seen[0])

    def as_image(inputs: Images) -> Images:
        return np.asarray(compute(inputs), dtype=np.float32)[..., 0]

    rates = {batch: rate(compute, seen[0][:batch]) for batch in BATCHES}
    np.save(target, DenoisingModel(card, lambda size: as_image).predict(patterns))
    print(json.dumps(rates))


def rate(compute: Compute, inputs: Images) -> float:
    """Patterns a second: the median of as many calls as fit into three seconds, and at least five, after two."""
    compute(inputs)
    compute(inputs)
    seconds: list[float] = []
    while len(seconds) < 5 or sum(seconds) < 3:
        started = time.perf_counter()
        compute(inputs)
        seconds.append(time.perf_counter() - started)
    return len(inputs) / float(np.median(seconds))


SECTION = """## Speed

Patterns of {size}x{size} pixels on {cpu}, {threads:.0f} threads, TensorFlow {tensorflow}; medians of {rounds} rounds in
one run, in brackets the slowest and the fastest. *As its users run it*: a JPG is read, Keras' `predict` called on that
one image, a JPG written. The published network's time does not depend on its weights, which are random here.

| | patterns a second | times users' | times batched |
|---|---:|---:|---:|
{speeds}

The command line took at most {small[memory]:.0f} MiB for {small[patterns]:.0f} patterns and {large[memory]:.0f} MiB for
{large[patterns]:.0f}, the pages of the mapped file among them.

### Runtimes

Our network alone, on {runtimes_cpu}, patterns a second by the number computed at once. *Difference*: root mean square
of its output from
that of the first row, relative to it. *Indexed*: share of {judged} simulated nickel patterns of {size}x{size} pixels at
{electrons:g} electrons that index within 2° of the truth after denoising.

{runtimes}

Made by `python benchmarks/speed.py`, `python benchmarks/speed.py --runtimes` and, from their results, `python
benchmarks/speed.py --docs`."""


def document() -> None:
    """Write the section of docs/quality.md from the results."""
    speeds, runtimes = load(RESULTS), load(RUNTIME_RESULTS)
    users, batched = bases([Speed(*(row[field.name] for field in fields(Speed))) for row in speeds])
    small, large = (row for row in speeds if np.isfinite(row["memory"]))
    lines = []
    for row in speeds:
        spread = "" if np.isfinite(row["memory"]) else f" ({row['slowest']:.3g}–{row['fastest']:.3g})"
        ratios = f"{row['per_second'] / users:.3g} | {row['per_second'] / batched:.3g}"
        lines.append(f"| {row['way']} | {row['per_second']:.3g}{spread} | {ratios} |")
    text = SECTION.format(
        size=SIZE,
        cpu=speeds[0]["cpu"],
        threads=speeds[0]["threads"],
        tensorflow=speeds[0]["tensorflow"],
        rounds=ROUNDS,
        speeds="\n".join(lines),
        small=small,
        large=large,
        judged=JUDGED,
        electrons=JUDGED_ELECTRONS,
        runtimes=runtime_table(runtimes),
        runtimes_cpu=runtimes[0]["cpu"],
    )
    write_section("speed", text)


def runtime_table(rows: list[dict[str, Any]]) -> str:
    """Runtimes down, batches across."""
    rates = {(row["runtime"], row["batch"]): row["per_second"] for row in rows}
    lines = [
        "| | " + " | ".join(map(str, BATCHES)) + " | difference | indexed |",
        "|---|" + "---:|" * (len(BATCHES) + 2),
    ]
    for row in (row for row in rows if row["batch"] == BATCHES[0]):
        cells = " | ".join(f"{rates[row['runtime'], batch]:.3g}" for batch in BATCHES)
        lines.append(f"| {row['runtime']} | {cells} | {row['difference']:.1e} | {row['within2']:.0%} |")
    return "\n".join(lines)


def load(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV, numbers as numbers."""
    words = ("part", "way", "unit", "runtime", "cpu", "tensorflow", "device")
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {key: value if key in words else float(value) for key, value in row.items()} for row in csv.DictReader(file)
        ]


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a model, or path of its .weights.h5")
    parser.add_argument("--threads", type=int, help="of TensorFlow; as many as there are processors without it")
    parser.add_argument("--runtimes", action="store_true", help="compare ways of computing our network")
    parser.add_argument("--runtime", nargs=3, metavar=("NAME", "SOURCE", "TARGET"), help="time one of these ways alone")
    parser.add_argument("--docs", action="store_true", help="write the section of docs/quality.md from the results")
    options = parser.parse_args()
    # Beside a display the network would run in another process, and patterns go there by pipe.
    os.environ.pop("DISPLAY", None)
    if options.threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.docs:
        document()
    elif options.runtime:
        name, source, target = options.runtime
        one_runtime(options.model, name, Path(source), Path(target))
    elif options.runtimes:
        compare_runtimes(options)
    else:
        measure(options)


if __name__ == "__main__":
    main()
