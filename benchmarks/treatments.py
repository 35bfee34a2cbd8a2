"""What is done to patterns before they are indexed: each treatment goes from file to file, as a user would do it."""

from __future__ import annotations

import hashlib
import io
import shutil
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import napari_kikuchi as nk
from napari_kikuchi.autoencoder.model import DEFAULT_MODEL

# Raised where the same command came to do something else, so that --resume judges it again. 2: neighbours are told by
# comparing groups of patterns.
REVISIONS = {"similar": 2, "ours 3x3": 2, "ours 5x5": 2}
LARGER = "kikuchi-unet-large"


@dataclass(frozen=True)
class Treatment:
    """One way to treat patterns.

    Attributes
    ----------
    name : str
    command : tuple of str
        Arguments of `napari-kikuchi` besides the files; none if something else does it.
    needs_map : bool
        Whether it sees a pattern's neighbours.
    keeps_background : bool
        Whether the background is still in what comes out.
    model : str
        Name or path of the network; empty if there is none.
    """

    name: str
    command: tuple[str, ...] = ()
    needs_map: bool = False
    keeps_background: bool = False
    model: str = ""

    def __call__(self, source: Path, target: Path) -> float:
        """Treat the patterns of one UP2 file and write them to another; gives the seconds that it took."""
        started = time.perf_counter()
        if self.command:
            command_line(*self.command, str(source), str(target))
        elif self.name == "nlpar":
            nlpar(source, target)
        else:
            shutil.copyfile(source, target)
        return time.perf_counter() - started

    @property
    def digest(self) -> str:
        """Changes when the same command would do something else."""
        told = " ".join([self.name, *self.command]) + (weights_digest(self.model) if self.model else "")
        if self.name in REVISIONS:
            told += f" {REVISIONS[self.name]}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]


def treatments(model: str | None, published: str | None) -> dict[str, Treatment]:
    """All treatments by name.

    Parameters
    ----------
    model : str or None
        Name or path of the model under test; the shipped default without it. One that sees patterns alone has no
        treatments with neighbours. Beside the default, the larger one that is shipped is judged, too.
    published : str or None
        Path of the published network's weights; without it that treatment is left out.
    """
    name = model or DEFAULT_MODEL
    alone = _denoise(name, "none")
    similar = ("average", "--window", "5", "--weights", "similar")
    found = [
        Treatment("raw", keeps_background=True),
        Treatment("clahe", ("clahe",)),
        Treatment("background", ("background",)),
        Treatment("average", ("average",), needs_map=True, keeps_background=True),
        Treatment("similar", similar, needs_map=True, keeps_background=True),
        Treatment("nlpar", needs_map=True, keeps_background=True),
        Treatment("ours", alone, model=name),
        Treatment("ours careful", (*alone, "--careful"), model=name),
        Treatment("clahe, ours", (*alone, "--clahe", "before"), model=name),
        Treatment("ours, clahe", (*alone, "--clahe", "after"), model=name),
    ]
    if nk.load_model(name, trust=True).card.window:
        found += _with_neighbours("ours", name)
    if model is None:
        found += [
            Treatment("larger", _denoise(LARGER, "none"), model=LARGER),
            Treatment("larger careful", (*_denoise(LARGER, "none"), "--careful"), model=LARGER),
            *_with_neighbours("larger", LARGER),
        ]
    if published is not None:
        found.append(Treatment("published", _denoise(published, "none"), model=published))
    return {treatment.name: treatment for treatment in found}


def _denoise(model: str, neighbours: str) -> tuple[str, ...]:
    return "denoise", "--model", model, "--trust-model", "--neighbours", neighbours


def _with_neighbours(name: str, model: str) -> list[Treatment]:
    return [
        Treatment(f"{name} {window}", _denoise(model, window), needs_map=True, model=model) for window in ("3x3", "5x5")
    ]


def command_line(*arguments: str) -> None:
    """Run `napari-kikuchi` in this process, where a network stays loaded from one call to the next."""
    from napari_kikuchi.cli import app

    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        exit_code = app(list(arguments), standalone_mode=False)
    if exit_code:
        raise RuntimeError(f"napari-kikuchi {' '.join(arguments)} failed: {said.getvalue()}")


def nlpar(source: Path, target: Path) -> None:
    """Non-local averaging as PyEBSDIndex does it by default, with the lambda that it finds best for the file."""
    from pyebsdindex.nlpar import NLPAR

    with redirect_stdout(io.StringIO()):
        averaging = NLPAR(filename=str(source))
        averaging.opt_lambda()
        averaging.calcnlpar(fileout=str(target))


@lru_cache
def weights_digest(model: str) -> str:
    """Digest of the weights of a model, given by the name of a shipped one or by path."""
    path, shipped = Path(model), Path(nk.__file__).parent / "autoencoder" / "weights"
    if path.exists():
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
    else:
        files = [shipped / f"{model}.weights.h5"]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
