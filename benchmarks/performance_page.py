"""The page docs/performance.md and its plots, from the figures that performance.py measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["document"]

# Said where other programs took a part of the machine.
BUSY = """**Other programs were running meanwhile, about {load:.0f} of them on {threads:.0f} cores.** So absolute
figures are several times too low, and ratios are rough. A run on a quiet machine makes this page anew.

"""
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
# Load of one minute before the start, above which figures are not to be trusted. It fades slowly: what ended a minute
# before still counts for a third.
QUIET = 1.0
Rows = list[dict[str, Any]]
SCAN = 10_000_000
# For the estimate of what a GPU would take: NVIDIA's figure for an H100 in 16 bits, without sparsity; the share of it
# that networks of small convolutions reach; cores beside each GPU; and what a fast file system reads and writes.
GPU_TFLOPS, GPU_SHARE, GPU_CORES, DISK_GB = 990, 0.1, 16, 2.0

TEMPLATE = """# How fast is it, and how much memory does it take?

Everything on this page was measured by `python benchmarks/performance.py` on {cpu}, {threads:.0f} threads, no GPU,
TensorFlow {tensorflow}: medians of some rounds in one run, in brackets the slowest and the fastest. Compare ratios;
absolute figures hold for that machine, which is a small one. How good the result is, is told on [a page of its
own](quality.md), with the network's speed beside the published one's ([speed](quality.md#speed)).

{busy}## Opening a scan

A file of 10 GB, patterns of 240x240 pixels in 16 bits: until the first pattern is there, and the memory that this
adds.

{opening}

One pattern after the other at random places of that file, which the system holds in memory: {access}. What a disk
needs to find them comes on top.

## Classical steps

8-bit patterns from array to array, 384 of them (kikuchipy's CLAHE: 16), warm, beside
[kikuchipy](https://kikuchipy.org), which was run as its users run it, in memory, with its defaults. *Times*: how
often ours goes into it.

{steps}

![Classical steps](images/performance-steps.png)

Averages with those neighbours that show the same crystal, on a simulated map of 40x40 patterns of 120x120 pixels,
from file to file. PyEBSDIndex first searches the file for its lambda; ours learns from the file what is alike.

{neighbours}

## The default network

One pattern at a time (no neighbours), from array to array, on {device}. *All but the network*:
normalising patterns and bringing them back. *Share*: of the machine's rate of multiplying matrices,
{products}. Patterns of 60 pixels are seen enlarged and those of 236 and 480 reduced, so that all four are about the
same work.

{network}

From file to file, 2400 patterns of 236x236, against the network alone, fed in the same blocks with what was prepared
before:

{files}

Spread over workers of a local cluster, by the command line, without the start of the processes; the machine has two
cores, which a single process uses both:

{workers}

## Folders of images

{images}

## Memory

The largest anonymous memory of the command line, whatever the size of the file; mapped pages of the file, which the
system takes back when it needs them, are not counted. `denoise` of 20 GB was stopped after a minute.

{memory}

![Memory against file size](images/performance-memory.png)

## What a scan of 10 million patterns takes

From the rates above, 8-bit patterns, the default network without neighbours. With neighbours the time of the average
comes on top: {averaging}.

{ten_million}

*This machine* is measured: 10,000,000 / (patterns a second). **GPUs are not measured; none was at hand.** Their
columns are an estimate by arithmetic: the slowest of

- the network: {tflops} TFLOP/s (NVIDIA's figure for one H100 in 16 bits), of which such networks reach perhaps a
  tenth, over the GFLOP a pattern above;
- preparing patterns: *all but the network* above, per core, on {cores} cores beside each GPU;
- reading and writing every pattern once, at {disk:g} GB/s for all GPUs together.

Expect it to be wrong by a factor of two or three either way. It says what matters: on a GPU, cores and disks decide
rather than the network, and eight GPUs on one file system are bound by the file system for large patterns. How to run
several workers is told in [models](models.md#devices).
"""


def document(rows: Rows) -> None:
    """Write the page and its plots."""
    parts: dict[str, Rows] = {}
    for row in rows:
        parts.setdefault(row["part"], []).append(row)
    rates = {(row["way"], int(row["pixels"])): row["value"] for row in parts["network"]}
    products = {row["way"]: row["value"] for row in parts["network"] if row["way"].startswith("matrix")}
    # How much memory is taken does not hang on what else runs.
    load = max(row["load"] for row in rows if row["part"] != "memory")
    text = TEMPLATE.format(
        busy=BUSY.format(load=load, threads=rows[0]["threads"]) if load > QUIET else "",
        **{key: rows[0][key] for key in ("cpu", "threads", "tensorflow", "device")},
        opening=table(["", "measured"], ([row["way"], f"{number(row)} {row['unit']}"] for row in parts["opening"])),
        access=f"{parts['random access'][0]['value']:,.0f} a second",
        steps=steps_table(parts["steps"]),
        neighbours=plain(parts["similar neighbours"]),
        products=" and ".join(f"{value:.0f} GFLOP/s ({way.split(', ')[1]})" for way, value in products.items()),
        network=network_table(rates, products),
        files=plain(parts["file to file"]),
        workers=plain(parts["workers"]) if "workers" in parts else "Not measured yet.",
        images=plain(parts["images"]),
        memory=table(["", "MiB"], ([row["way"], f"{row['value']:.0f}"] for row in parts["memory"])),
        averaging="; ".join(
            f"{row['way'].removesuffix(', ours')} {hours(SCAN / row['value'])} at 120x120"
            for row in parts["similar neighbours"]
            if "ours" in row["way"]
        ),
        ten_million=ten_million_table(rates),
        tflops=GPU_TFLOPS,
        cores=GPU_CORES,
        disk=DISK_GB,
    )
    PAGE.write_text(text, encoding="utf-8")
    plot_steps(parts["steps"])
    plot_memory(parts["memory"])


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """A table of Markdown: words to the left, the rest to the right."""
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ruler, *lines))


def number(row: dict[str, Any]) -> str:
    """A value with its spread, to three digits."""
    value, low, high = (_digits(row[key]) for key in ("value", "slowest", "fastest"))
    return value if low == high else f"{value} ({low}–{high})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plain(rows: Rows) -> str:
    """Ways and their patterns a second, each against the first."""
    lines = ([row["way"], number(row), f"{row['value'] / rows[0]['value']:.2f}"] for row in rows)
    return table(["", "patterns a second", "times the first"], lines)


def steps_table(rows: Rows) -> str:
    """Steps down; ours, others, and how often one goes into the other."""
    lines = []
    for row in rows:
        step, who = row["way"].rsplit(", ", 1)
        ours = next(r for r in rows if r["way"] == f"{step}, ours" and r["pixels"] == row["pixels"])
        times = "" if who == "ours" else f"{ours['value'] / row['value']:.3g}"
        lines.append([f"{step}, {row['pixels']:.0f} pixels, {who}", number(row), times])
    return table(["", "patterns a second", "times"], sorted(lines))


def network_table(rates: dict[tuple[str, int], float], products: dict[str, float]) -> str:
    """By size: patterns a second, without the network, GFLOP a pattern, and the share of the machine's rate."""
    lines = []
    for side in sides(rates):
        whole, larger, idle, flop = (
            rates[way, side] for way in ("whole", "larger", "all but the network", "arithmetic")
        )
        alone = 1 / (1 / whole - 1 / idle)
        shares = " / ".join(
            f"{alone * flop / product:.0%} of {way.split(', ')[1]}" for way, product in products.items()
        )
        found = [f"{whole:.0f}", f"{idle:,.0f}", f"{flop:.2f}", f"{alone * flop:.0f}", shares, f"{larger:.0f}"]
        lines.append([f"{side}x{side}", *found])
    head = ["", "patterns a second", "all but the network", "GFLOP a pattern", "GFLOP/s of the network", "share"]
    head.append("patterns a second, kikuchi-unet-large")
    return table(head, lines)


def sides(rates: dict[tuple[str, int], float]) -> list[int]:
    """Sizes at which the network was measured."""
    return sorted(side for way, side in rates if way == "whole")


def ten_million_table(rates: dict[tuple[str, int], float]) -> str:
    """Hours for ten million patterns, by size: measured on this machine, estimated on GPUs."""
    lines = []
    for side in sides(rates):
        gigabytes = SCAN * side * side / 1e9
        network = rates["arithmetic", side] * SCAN / (GPU_TFLOPS * 1000 * GPU_SHARE)
        preparing = SCAN / rates["all but the network", side] / GPU_CORES
        disk = 2 * gigabytes / DISK_GB
        gpus = (max(network / count, preparing / count, disk) for count in (1, 8))
        here = (SCAN / rates[way, side] for way in ("whole", "larger"))
        lines.append([f"{side}x{side}", f"{gigabytes:,.0f}", *(hours(seconds) for seconds in (*here, *gpus))])
    head = ["", "GB", "this machine", "the same, kikuchi-unet-large", "one GPU (estimate)", "eight GPUs (estimate)"]
    return table(head, lines)


def hours(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 5400:
        return f"{max(1, seconds / 60):.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 36000 else f"{seconds / 3600:.0f} hours"


def plot_steps(rows: Rows) -> None:
    """Patterns a second of the classical steps at the largest size, on a logarithmic scale."""
    from matplotlib import pyplot as plt

    side = max(row["pixels"] for row in rows)
    rows = sorted((row for row in rows if row["pixels"] == side), key=lambda row: row["way"], reverse=True)
    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    colours = ["tab:blue" if row["way"].endswith("ours") else "tab:grey" for row in rows]
    bars = axis.barh([row["way"] for row in rows], [row["value"] for row in rows], color=colours)
    axis.bar_label(bars, [f" {_digits(row['value'])}" for row in rows], fontsize=8)
    axis.set(xscale="log", xlabel=f"patterns a second, {side:.0f}x{side:.0f} pixels, 8 bits")
    axis.set_xlim(1, 3 * max(row["value"] for row in rows))
    _save(figure, axis, "performance-steps.png")


def plot_memory(rows: Rows) -> None:
    """Anonymous memory against the size of the file."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for command, colour in (("clahe", "tab:grey"), ("denoise", "tab:blue")):
        found = [row for row in rows if row["way"].startswith(command)]
        sizes = [float(row["way"].split(", ")[1].removesuffix(" GB")) for row in found]
        axis.plot(sizes, [row["value"] for row in found], marker="o", color=colour, label=command)
    axis.set(xlabel="size of the file, GB", ylabel="anonymous memory, MiB", ylim=(0, None))
    axis.legend(frameon=False)
    _save(figure, axis, "performance-memory.png")


def _save(figure: Any, axis: Any, name: str) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(PAGE.parent / "images" / name, dpi=100)
