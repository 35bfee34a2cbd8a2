"""Scans as folders of images, one for each pattern: PNG, TIFF, JPG or BMP."""

from __future__ import annotations

import re
import struct
import uuid
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..scan import Grid, Scan, ScanError, ScanWarning, Source, as_grid
from .pixels import conversion, read_blocks, same_pixels
from .targets import Progress, check_free, refuse_own_input, whole_folder, write_recipe
from .up import open_up
from .up_writing import save_up

__all__ = [
    "FORMATS",
    "ImageFormat",
    "check_export_folder",
    "export_images",
    "open_images",
    "pack_images",
    "read_pattern",
]

ImageFormat = Literal["png", "tiff", "jpg", "bmp"]

# The extension written for each format; the formats that keep 16 bits; all extensions read.
FORMATS: dict[str, str] = {"png": ".png", "tiff": ".tif", "jpg": ".jpg", "bmp": ".bmp"}
DEEP = {".png", ".tif", ".tiff"}
EXTENSIONS = {*FORMATS.values(), ".tiff", ".jpeg"}

# One chunk of a lazy scan: enough to keep dask's overhead small, few enough that the next pattern comes at once.
CHUNK_BYTES = 2**22
CHUNK_IMAGES = 64


def open_images(folder: str | Path, grid: Grid | tuple[int, int] | None = None, like: str | Path | None = None) -> Scan:
    """Open a folder of images as a scan; an image is read when its pattern is looked at.

    Images are taken in the order of the numbers in their names, so that `10.jpg` follows `9.jpg`. They are grey, or
    have three equal channels, and all have one size and depth: the first, middle and last one are looked at here, the
    others when they are read.

    Parameters
    ----------
    folder : path
        With `.png`, `.tif`, `.tiff`, `.jpg`, `.jpeg` or `.bmp` files.
    grid : Grid or (rows, columns), optional
        The map.
    like : path, optional
        The UP file that the images were exported from: map, steps, header and padding are taken from it.

    Returns
    -------
    Scan
        With a dask array of shape (n, height, width), of the images' pixel type.

    Warns
    -----
    ScanWarning
        If files were skipped that are no images, or a number is missing among the names.

    Raises
    ------
    ScanError
        If there are no images, one cannot be read or differs in size or depth, or their number or size does not fit
        `grid` or `like`. An image that is found bad later raises it then.
    """
    folder = Path(folder)
    if grid is not None and like is not None:
        raise ScanError("Give either the grid or the file that the images are like: the file tells the grid.")
    names = _image_names(folder)
    n = len(names)
    first = _read_image(folder / names[0])
    reader = _Reader(folder, names, first.shape, first.dtype)
    reader(np.array([n // 2, n - 1]))
    patterns = _lazy(reader)
    if like is not None:
        return _like(patterns, folder, names, open_up(like))
    known = as_grid(grid)
    if known is not None and n != known.size:
        raise ScanError(f"{folder} has {n} images, but a grid of {known} has {known.size} points.")
    height, width = first.shape
    source = Source(folder, b"", first.dtype, n, height, width, known, names=names)
    return Scan(patterns, known, source=source)


def export_images(
    scan: Scan,
    folder: str | Path,
    format: ImageFormat | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a scan as a folder of images, one for each pattern.

    PNG and TIFF keep every level of 8- and 16-bit patterns; JPG, which also loses detail, and BMP hold 8 bits. The
    recipe that made the patterns, if there is one, is written beside the folder (`recipe_path`).

    Parameters
    ----------
    scan : Scan
    folder : path
        A new or empty folder. It gets this name only when all images are written.
    format : "png", "tiff", "jpg" or "bmp", optional
        Without it, that of the images the scan was opened from, else PNG.
    overwrite : bool
        Replace an existing folder, provided that nothing but images is in it; never the one that the scan was opened
        from.
    progress : callable, optional
        Called with the number of patterns written and in all.

    Returns
    -------
    Path
        The folder. The images are called `000000.png`, `000001.png`, ... in scanning order, or as the images that the
        scan was opened from.

    Warns
    -----
    ScanWarning
        If the format cannot hold the patterns' pixel type, so that they were converted as `to_pixel_type` does.

    Raises
    ------
    ScanError
        If the format is another one, the folder is taken, or writing fails. Nothing is left of it then.
    """
    folder = Path(folder)
    names = _names_to_write(scan, format)
    check_export_folder(folder, scan, overwrite=overwrite)
    pixel_type = _pixel_type_to_write(scan, names)
    with whole_folder(folder, overwrite=overwrite) as partial, ThreadPoolExecutor() as pool:
        scaling = conversion(scan.patterns, pixel_type, f"{folder.name} holds {pixel_type} images")
        for start, block in read_blocks(scan.patterns):
            pixels = scaling(block) if scaling else block
            stop = start + len(pixels)
            paths = [partial / name for name in names[start:stop]]
            for _ in pool.map(_write_image, paths, np.ascontiguousarray(pixels, dtype=pixel_type)):
                pass
            if progress is not None:
                progress(stop, scan.n)
    write_recipe(folder, scan.recipe)
    return folder


def pack_images(
    folder: str | Path,
    path: str | Path,
    *,
    grid: Grid | tuple[int, int] | None = None,
    like: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Pack a folder of images into an UP1 or UP2 file.

    Parameters
    ----------
    folder : path
        As for `open_images`.
    path : path
        With the extension `.up1` for 8-bit or `.up2` for 16-bit patterns; images of another depth are converted.
    grid : Grid or (rows, columns), optional
        The map. Without it and `like`, the file is of version 1, which has none.
    like : path, optional
        The UP file that the images were exported from: map, steps, header and padding are taken from it.
    overwrite : bool
        Replace an existing file; never `like`.
    progress : callable, optional
        Called with the number of patterns written and in all.

    Returns
    -------
    Path
        The file written.

    Warns
    -----
    ScanWarning
        As `open_images`; and if images were converted, saying how.

    Raises
    ------
    ScanError
        As `open_images` and `save_up`. Nothing is left under the name then, or what was there before.
    """
    scan = open_images(folder, grid, like)
    if like is not None:
        refuse_own_input(Path(path), scan, Path(like))
    return save_up(path, scan, overwrite=overwrite, convert=True, progress=progress)


def read_pattern(path: str | Path) -> NDArray[Any]:
    """Read a single pattern, such as a background: a grey image or a NumPy file.

    Parameters
    ----------
    path : path
        A `.png`, `.tif`, `.tiff`, `.jpg`, `.jpeg`, `.bmp` or `.npy` file.

    Returns
    -------
    array, shape (height, width)
        Of the pixel type that it has in the file.

    Raises
    ------
    ScanError
        If there is no such file, or it does not hold one grey image.
    """
    path = Path(path)
    if not path.is_file():
        raise ScanError(f"{path} does not exist." if not path.exists() else f"{path} is not a file.")
    if path.suffix.lower() != ".npy":
        return _read_image(path)
    try:
        pattern = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ScanError(f"{path} cannot be read as a NumPy file: {error}.") from error
    if pattern.ndim != 2 or pattern.size == 0 or pattern.dtype.kind not in "uif":
        raise ScanError(f"{path} is no single grey image, but has shape {pattern.shape} and type {pattern.dtype}.")
    return pattern


def check_export_folder(folder: Path, scan: Scan, *, overwrite: bool = False) -> None:
    """Refuse a folder that a scan may not be exported to.

    Raises
    ------
    ScanError
        If the scan was opened from it, there is no place for it, or it is taken: by anything, or with `overwrite` by
        anything but images.
    """
    refuse_own_input(folder, scan)
    check_free(folder, overwrite=overwrite, folder=True)
    if folder.is_dir():
        _, strays = _listed(folder)
        if strays:
            raise ScanError(f"{folder} is not replaced, since it holds more than images: {_some(strays)}.")


@dataclass(frozen=True)
class _Reader:
    """Reads the images of given numbers; sent to a cluster, it takes the names along and no pixels."""

    folder: Path
    names: tuple[str, ...]
    shape: tuple[int, ...]
    pixel_type: np.dtype[Any]

    def __call__(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        block = np.empty((len(numbers), *self.shape), dtype=self.pixel_type)
        for pattern, number in zip(block, numbers, strict=True):
            path = self.folder / self.names[number]
            image = _read_image(path)
            if image.shape != self.shape or image.dtype != self.pixel_type:
                raise ScanError(
                    f"{path} is {_described(image.shape, image.dtype)}, but {self.names[0]} is "
                    f"{_described(self.shape, self.pixel_type)}: all images of a scan have one size and depth."
                )
            pattern[...] = image
        return block


def _lazy(reader: _Reader) -> Any:
    import dask.array as da

    pattern_bytes = reader.shape[0] * reader.shape[1] * reader.pixel_type.itemsize
    numbers = da.arange(len(reader.names), chunks=min(CHUNK_IMAGES, max(1, CHUNK_BYTES // pattern_bytes)))
    return numbers.map_blocks(
        reader,
        # A name of its own spares dask the hashing of every file name.
        name=f"images-{uuid.uuid4().hex}",
        chunks=(numbers.chunks[0], *((side,) for side in reader.shape)),
        new_axis=[1, 2],
        dtype=reader.pixel_type,
        meta=np.empty((0, 0, 0), dtype=reader.pixel_type),
    )


def _like(patterns: Any, folder: Path, names: tuple[str, ...], like: Scan) -> Scan:
    if patterns.shape != like.patterns.shape or like.source is None:
        there, wanted = (
            f"{n} patterns of {width}x{height}" for n, height, width in (patterns.shape, like.patterns.shape)
        )
        raise ScanError(f"{folder} has {there} pixels, but the file they are to be like has {wanted}.")
    return replace(like, patterns=patterns, source=replace(like.source, path=folder, names=names))


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the images in a folder, and of what else is in it."""
    images: list[str] = []
    strays: list[str] = []
    try:
        for entry in folder.iterdir():
            is_image = entry.suffix.lower() in EXTENSIONS and not entry.name.startswith(".")
            (images if is_image else strays).append(entry.name)
    except FileNotFoundError:
        raise ScanError(f"{folder} does not exist.") from None
    except NotADirectoryError:
        raise ScanError(f"{folder} is not a folder of images.") from None
    except OSError as error:
        raise ScanError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return images, sorted(strays)


def _image_names(folder: Path) -> tuple[str, ...]:
    """Names of the images in a folder, in the order of the numbers in them."""
    names, strays = _listed(folder)
    if not names:
        raise ScanError(f"{folder} holds no images ({', '.join(sorted(EXTENSIONS))}).")
    order = sorted((_by_number(Path(name).stem), name) for name in names)
    if strays:
        warnings.warn(f"{folder}: skipped what is no image: {_some(strays)}.", ScanWarning, stacklevel=3)
    for (key, name), (next_key, next_name) in pairwise(order):
        if key == next_key:
            raise ScanError(f"{folder} holds the same pattern twice: {name} and {next_name}.")
    gap = _first_gap([key for key, _ in order])
    if gap is not None:
        warnings.warn(
            f"{folder}: no image has the number {gap}, so that the later ones move up in the scan.",
            ScanWarning,
            stacklevel=3,
        )
    return tuple(name for _, name in order)


def _by_number(stem: str) -> tuple[str | int, ...]:
    # Text and numbers alternate, beginning with text, so that like is compared with like.
    return tuple(int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", stem))


def _first_gap(keys: list[tuple[Any, ...]]) -> int | None:
    """The first number missing among names that differ in one number only."""
    if any(len(key) != 3 or (key[0], key[2]) != (keys[0][0], keys[0][2]) for key in keys):
        return None
    return next((int(a[1]) + 1 for a, b in pairwise(keys) if b[1] > a[1] + 1), None)


def _some(names: Iterable[str]) -> str:
    first, *others = names
    shown = [first, *others[:4]]
    more = len(others) + 1 - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _described(shape: tuple[int, ...], pixel_type: np.dtype[Any]) -> str:
    return f"{shape[1]}x{shape[0]} pixels of {pixel_type}"


def _read_image(path: Path) -> NDArray[Any]:
    """A grey image, shape (height, width), with the depth that it has in the file."""
    image = _read_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else _decode(path)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        # A fourth channel is transparency, which a pattern has no use for.
        grey = image[..., 0]
        if not (image[..., 1:3] == grey[..., None]).all():
            raise ScanError(f"{path} is coloured, and a pattern is grey.")
        image = np.ascontiguousarray(grey)
    if image.ndim != 2 or image.size == 0 or image.dtype.kind not in "uif":
        raise ScanError(f"{path} is no single grey image, but has shape {image.shape} and type {image.dtype}.")
    return image


def _decode(path: Path) -> NDArray[Any]:
    from ..opencv import cv2

    try:
        # OpenCV itself cannot open every path that Windows has.
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise ScanError(f"{path} cannot be read as an image.")
    return np.asarray(image)


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if len(file.pages) != 1:
                raise ScanError(f"{path} has {len(file.pages)} pages, and a pattern is a single image.")
            # tifffile by itself knows few compressions, LZW not among them; OpenCV knows it, but shows no second page.
            known = file.pages[0].compression in (1, 8, 32946)
            image = file.pages[0].asarray() if known else _decode(path)
    except (OSError, struct.error, tifffile.TiffFileError) as error:
        raise ScanError(f"{path} cannot be read as an image: {error}.") from error
    return np.asarray(image, dtype=image.dtype.newbyteorder("="))


def _write_image(path: Path, image: NDArray[Any]) -> None:
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(path, image, photometric="minisblack")
        return
    from ..opencv import cv2

    extension = path.suffix.lower()
    # JPG loses detail at any quality: least at the highest.
    options = [cv2.IMWRITE_JPEG_QUALITY, 100] if extension in (".jpg", ".jpeg") else []
    _, data = cv2.imencode(extension, image, options)
    path.write_bytes(data.tobytes())


def _names_to_write(scan: Scan, format: str | None) -> tuple[str, ...]:
    if format is not None and format not in FORMATS:
        raise ScanError(f"Images are written as {', '.join(FORMATS)}, not as {format}.")
    names = scan.source.names if scan.source is not None else ()
    if len(names) != scan.n:
        digits = max(6, len(str(scan.n - 1)))
        extension = FORMATS[format or "png"]
        return tuple(f"{number:0{digits}}{extension}" for number in range(scan.n))
    if format is None:
        return names
    return tuple(Path(name).stem + FORMATS[format] for name in names)


def _pixel_type_to_write(scan: Scan, names: tuple[str, ...]) -> np.dtype[Any]:
    """The scan's pixel type if the images can hold it, else the deepest that they can."""
    deep = all(Path(name).suffix.lower() in DEEP for name in names)
    if same_pixels(scan.pixel_type, np.uint8) or not deep:
        return np.dtype(np.uint8)
    from_bytes = scan.source is not None and same_pixels(scan.source.pixel_type, np.uint8)
    if from_bytes and not same_pixels(scan.pixel_type, np.uint16):
        return np.dtype(np.uint8)
    return np.dtype(np.uint16)
