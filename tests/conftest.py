"""Real patterns for every test: those that come with the package, and files of every header kind made from them."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import napari_kikuchi

# The first example of a test may import a library, and disks of test machines are slow: time says nothing here.
# The same examples in every run, so that a change is judged by what it changes. To look for others:
# make test PYTEST_ARGS="--hypothesis-profile searching"
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=2000)
settings.load_profile("same")

DATA = Path(napari_kikuchi.__file__).parent / "data"


@pytest.fixture
def nickel_file():
    """A 3x3 map of nickel: UP1, 8 bits, 60x60 pixels."""
    return DATA / "nickel.up1"


@pytest.fixture
def silicon_file():
    """One pattern of silicon: UP1, 8 bits, 480x480 pixels."""
    return DATA / "silicon.up1"


@pytest.fixture
def nickel(nickel_file):
    """The nickel patterns, (9, 60, 60) uint8, read without the package's own reader."""
    return np.frombuffer(nickel_file.read_bytes()[-9 * 60 * 60 :], dtype=np.uint8).reshape(9, 60, 60)


@pytest.fixture(scope="session")
def write_up():
    """A writer of UP files of any header kind that shares no line with the package's own."""
    return _write_up


def _write_up(path, patterns, version=3, grid=(0, 0), hexagonal=0, extra=0, step=(1.5, 1.299), filler=b""):
    """Write `patterns` (n, height, width); `filler` goes between the header's fields and the first pattern."""
    _, height, width = patterns.shape
    fields = b"" if version == 1 else struct.pack("<B2IB2d", extra, grid[1], grid[0], hexagonal, *step)
    offset = 16 + len(fields) + len(filler)
    pixels = patterns.astype({".up1": "u1", ".up2": "<u2"}[path.suffix.lower()])
    path.write_bytes(struct.pack("<4I", version, width, height, offset) + fields + filler + pixels.tobytes())
    return path


@pytest.fixture
def nickel_up1(tmp_path, nickel):
    """A copy of the nickel map that may be changed: UP1, version 3."""
    return _write_up(tmp_path / "nickel.up1", nickel, grid=(3, 3), step=(1.5, 1.5))


@pytest.fixture
def nickel_up2(tmp_path, nickel):
    """The nickel map with 16 bits: UP2, version 3."""
    return _write_up(tmp_path / "nickel.up2", nickel.astype("u2") * 257, grid=(3, 3), step=(1.5, 1.5))


@pytest.fixture
def silicon_up1(tmp_path, silicon_file):
    """A copy of the silicon pattern that may be changed: UP1, version 3."""
    path = tmp_path / "silicon.up1"
    path.write_bytes(silicon_file.read_bytes())
    return path


# For each header kind: the file's name, its number of patterns, and what its header says.
HEADER_KINDS = {
    "version 1, 8 bit": ("v1.up1", 9, {"version": 1}),
    "version 1, 16 bit": ("v1.up2", 9, {"version": 1}),
    "version 1, upper case, far offset": ("V1.UP2", 9, {"version": 1, "filler": b"unknown"}),
    "version 2 like 1": ("v2-plain.up1", 9, {"version": 2, "grid": (70, 3)}),
    "version 2 like 3": ("v2-map.up1", 9, {"version": 2, "grid": (3, 3)}),
    "version 3, 8 bit": ("v3.up1", 9, {"grid": (3, 3)}),
    "version 3, 16 bit": ("v3.up2", 9, {"grid": (3, 3)}),
    "version 3, not square": ("v3-flat.up2", 8, {"grid": (2, 4)}),
    "version 3, unknown bytes": ("v3-far.up2", 9, {"grid": (3, 3), "filler": bytes(range(99))}),
    "version 3, step unknown": ("v3-step.up2", 9, {"grid": (3, 3), "step": (0.0, float("nan"))}),
    "hexagonal": ("hex.up2", 8, {"grid": (3, 3), "hexagonal": 1}),
    "hexagonal, short row first": ("hex-short.up2", 7, {"grid": (3, 3), "hexagonal": 1}),
    "hexagonal, padded": ("hex-extra.up2", 9, {"grid": (3, 3), "hexagonal": 1, "extra": 1}),
    "version 4": ("v4.up2", 9, {"version": 4, "grid": (3, 3), "filler": b"more"}),
}


@pytest.fixture(params=HEADER_KINDS)
def up_file(request, tmp_path, nickel):
    """A file of each header kind in turn, made of the nickel patterns; none of them gives cause for a warning."""
    name, n, fields = HEADER_KINDS[request.param]
    levels = 257 if name.lower().endswith("2") else 1
    return _write_up(tmp_path / name, nickel[:n].astype("u2") * levels, **fields)


def pytest_collection_finish(session):
    """Say so where the tests of networks and those of windows are to run in one process, which would crash."""
    rooms = {item.path.relative_to(session.config.rootpath).parts[1] for item in session.items}
    if sys.platform == "linux" and {"autoencoder", "plugin"} <= rooms:
        raise pytest.UsageError(
            "On Linux TensorFlow and a window cannot share a process: run `make test`, "
            "or pytest once for tests/autoencoder and once with --ignore=tests/autoencoder."
        )
