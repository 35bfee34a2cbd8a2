"""A file that grows beside its final name, with a journal of what is in it, so that whoever was stopped can go on.

`OUT.partial` holds the blocks at the places that they have in the whole file. `OUT.partial.journal` is text: the first
line says, as JSON, what the output is made from; then comes the number of every block that is on disk, one a line; and
at the very end, `whole`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from ..scan import ScanError
from .targets import check_free, write_recipe, writing

__all__ = ["PartialFile", "check_free_or_begun", "discard_partial", "partial_path"]

# Between two waits for the disk: what a power cut can cost, and seldom enough to cost nothing.
SECONDS = 1.0

_LINE = re.compile(rb"(\d+)\n|whole\n")


def partial_path(target: Path) -> Path:
    """Where an output grows until it is whole: beside it, `.partial` added to its name."""
    return target.with_name(f"{target.name}.partial")


def _journal_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial.journal")


def discard_partial(target: str | Path) -> None:
    """Remove what a run that was stopped left beside an output, so that the next one begins anew.

    Raises
    ------
    ScanError
        If another process is writing it just now.
    """
    target = Path(target)
    if _journal_path(target).exists():
        journal = _locked(target)
        partial_path(target).unlink(missing_ok=True)
        _remove(journal, _journal_path(target))
    partial_path(target).unlink(missing_ok=True)


def check_free_or_begun(target: Path, *, overwrite: bool = False) -> None:
    """As `check_free`, but lets pass an output whose run was stopped between giving it its name and writing its recipe.

    Raises
    ------
    ScanError
        As `check_free`.
    """
    if partial_path(target).exists() or not _journal_path(target).exists():
        check_free(target, overwrite=overwrite)


class PartialFile:
    """An output that is being written, begun or gone on with; a context that leaves it ready to be gone on with.

    Where nothing is finished when the context ends, nothing is left.

    Parameters
    ----------
    target : Path
        The final name.
    origin : mapping of str to str
        All that the bytes of the output hang on, by what errors call it.
    ends : sequence of int
        For each block, the byte after its last one.
    size : int
        Bytes of the whole file.
    overwrite : bool
        Replace, at the end, an existing target.

    Attributes
    ----------
    done : set of int
        Numbers of the blocks that are there already.

    Raises
    ------
    ScanError
        If what is there was begun from something else, another process is writing it, or the name is taken.
    """

    def __init__(
        self,
        target: Path,
        origin: Mapping[str, str],
        ends: Sequence[int],
        size: int,
        *,
        overwrite: bool = False,
    ) -> None:
        self._target, self._size, self._overwrite = target, size, overwrite
        self._partial = partial_path(target)
        check_free_or_begun(target, overwrite=overwrite)
        with writing(target):
            self._journal = _locked(target)
        try:
            self._open(origin, ends)
        except BaseException:
            self._journal.close()
            raise
        self._written: list[int] = []
        self._flusher = ThreadPoolExecutor(1, "kikuchi-flusher")
        self._flushing: Future[None] | None = None
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Leave what is finished, and the journal that tells it, on the disk; nothing if nothing is."""
        if self._journal.closed:
            return
        try:
            self._flush()
        except ScanError:
            # What stopped the run before goes first.
            if error is None:
                raise
        finally:
            self._flusher.shutdown()
            self._close()
            if self.done:
                self._journal.close()
            else:
                self._partial.unlink(missing_ok=True)
                _remove(self._journal, _journal_path(self._target))

    def write(self, at: int, data: memoryview | bytes) -> None:
        """Write bytes at their place; not from several threads at once.

        Raises
        ------
        ScanError
            If that fails, as on a full disk. What is finished stays.
        """
        if self._landed or not memoryview(data).nbytes:
            return
        left = memoryview(data).cast("B")
        with self._kept():
            self._file.seek(at)
            while left:
                left = left[self._file.write(left) :]

    def record(self, block: int) -> None:
        """Enter a block, whose bytes are all written, into the journal as soon as they are on the disk.

        Raises
        ------
        ScanError
            If bringing blocks to the disk failed.
        """
        self._written.append(block)
        if self._flushing is not None and self._flushing.done():
            self._settle()
        if self._flushing is None and time.monotonic() - self._flushed >= SECONDS:
            self._start_flush()

    def finish(self, recipe: str) -> None:
        """Give the file, now that it is whole, its name, write its recipe beside it, and remove the journal.

        Raises
        ------
        ScanError
            If it is not whole, or the name is taken meanwhile. What is finished stays.
        """
        self._flush()
        if not self._landed:
            # Opened anew, since others may have written to it, on other machines.
            with self._partial.open("rb") as whole:
                size = whole.seek(0, os.SEEK_END)
            if size != self._size:
                raise ScanError(f"{self._partial} is not of the {self._size} bytes that the patterns were to take.")
            with self._kept():
                self._append(b"whole\n")
                check_free(self._target, overwrite=self._overwrite)
                self._close()
                self._partial.replace(self._target)
                _sync_folder(self._target.parent)
        write_recipe(self._target, recipe)
        self._flusher.shutdown()
        _remove(self._journal, _journal_path(self._target))

    def _open(self, origin: Mapping[str, str], ends: Sequence[int]) -> None:
        """Find out what is there, and open the file to go on with it, or to begin."""
        there = self._partial.stat().st_size if self._partial.exists() else 0
        first, self.done, whole, end = self._read()
        if there:
            self._check_origin(_origin(first), origin)
        # Renamed already, and stopped before its recipe was written.
        self._landed = whole and not there and _origin(first) == _as_json(origin) and self._target.exists()
        if self._landed:
            return
        check_free(self._target, overwrite=self._overwrite)
        with writing(self._target):
            if not there:
                end = 0
                self.done = set()
            elif any(ends[block] > there for block in self.done):
                end = len(first)
                self.done = {block for block in self.done if ends[block] <= there}
            self._journal.truncate(end)
            lines = "".join(f"{block}\n" for block in sorted(self.done)) if end <= len(first) else ""
            self._append(("" if end else f"{json.dumps(_as_json(origin))}\n").encode() + lines.encode())
            self._file = self._partial.open("r+b" if there else "wb", buffering=0)
            _sync_folder(self._target.parent)

    def _read(self) -> tuple[bytes, set[int], bool, int]:
        """The journal's first line, the blocks that it tells, whether it says `whole`, and where sense ends.

        What a power cut tore, and all that follows, is done again.
        """
        self._journal.seek(0)
        first = self._journal.readline()
        done: set[int] = set()
        end = len(first)
        for line in self._journal:
            match = _LINE.fullmatch(line)
            if match is None:
                break
            if match[1] is None:
                return first, done, True, end
            done.add(int(match[1]))
            end += len(line)
        return first, done, False, end

    def _check_origin(self, begun: dict[str, Any] | None, origin: Mapping[str, str]) -> None:
        if begun is None:
            raise ScanError(
                f"{self._partial} is there, without a journal that tells what is in it: remove it, or {_ANEW}."
            )
        for what in origin:
            if begun.get(what) != origin[what]:
                raise ScanError(
                    f"{what[0].upper()}{what[1:]} is not what it was when {self._partial} was begun: put that right to "
                    f"go on, or {_ANEW}."
                )

    def _append(self, data: bytes) -> None:
        self._journal.write(data)
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _start_flush(self) -> None:
        blocks, self._written = self._written, []
        self._flushing = self._flusher.submit(self._to_disk, blocks)
        self._flushed = time.monotonic()

    def _settle(self) -> None:
        """Wait for the flush that is under way."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            with self._kept():
                flushing.result()

    def _flush(self) -> None:
        self._settle()
        if self._written:
            self._start_flush()
            self._settle()

    def _to_disk(self, blocks: list[int]) -> None:
        os.fsync(self._file.fileno())
        self._append("".join(f"{block}\n" for block in blocks).encode())
        self.done.update(blocks)

    def _close(self) -> None:
        if not self._landed:
            self._file.close()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """What goes wrong while writing, said together with what becomes of what is done."""
        try:
            yield
        except OSError as error:
            raise ScanError(
                f"{self._target} cannot be written: {error.strerror or error}. What is finished stays in "
                f"{self._partial.name}; when that is put right, the same command goes on from there."
            ) from error


_ANEW = "begin anew, with --restart or discard_partial in a script"


def _as_json(origin: Mapping[str, str]) -> dict[str, Any]:
    return {"journal": 1, **origin}


def _origin(line: bytes) -> dict[str, Any] | None:
    """What the first line of a journal says; None if nothing."""
    try:
        origin = json.loads(line)
    except ValueError:
        return None
    return origin if line.endswith(b"\n") and isinstance(origin, dict) and origin.get("journal") == 1 else None


def _locked(target: Path) -> IO[bytes]:
    """The journal, opened or begun, which no other process has until it is closed or this process ends, however.

    Raises
    ------
    ScanError
        If another process has it.
    """
    path = _journal_path(target)
    while True:
        journal = path.open("a+b")
        try:
            _lock(journal.fileno())
        except OSError as error:
            # Some network file systems know no locks.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                journal.close()
                raise ScanError(
                    f"Another process is writing {partial_path(target)} just now: wait for it, or choose another name."
                ) from error
        # Whoever had it may have finished, and removed it, between the two.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(journal.fileno()), path.stat()):
                return journal
        journal.close()


def _remove(journal: IO[bytes], path: Path) -> None:
    """Remove the journal, where that can be before it is closed, and so unlocked."""
    if sys.platform == "win32":
        journal.close()
    path.unlink(missing_ok=True)
    journal.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        # A byte far behind the text, since what is locked cannot be read by others.
        os.lseek(file, 2**30, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _sync_folder(folder: Path) -> None:
        """Windows brings names to the disk by itself."""
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _sync_folder(folder: Path) -> None:
        """Bring the names in a folder to the disk."""
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
