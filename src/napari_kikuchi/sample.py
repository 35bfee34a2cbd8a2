"""Real patterns that come with the package."""

from importlib.resources import files
from pathlib import Path

from .scan import ScanError

__all__ = ["ATTRIBUTION", "sample_path"]

ATTRIBUTION = {
    "nickel": "Ånes et al., doi 10.5281/zenodo.3265037, CC BY 4.0",
    "silicon": "Ånes and Hjelen, NTNU 2021, CC BY 4.0",
}


def sample_path(name: str) -> Path:
    """The UP1 file of a sample, to open or to copy.

    Parameters
    ----------
    name : "nickel" or "silicon"
        A 3x3 map of recrystallised nickel, 60x60 pixels, step 1.5 µm; or one pattern of a silicon wafer, 480x480.
        Whose they are, and under what licence, is in `ATTRIBUTION`, which has to go with any copy.

    Raises
    ------
    ScanError
        If there is no such sample.
    """
    if name not in ATTRIBUTION:
        raise ScanError(f"There is no sample {name!r}; there are {', '.join(ATTRIBUTION)}.")
    return Path(str(files("napari_kikuchi") / "data" / f"{name}.up1"))
