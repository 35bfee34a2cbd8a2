"""One command, many scans: which outputs, what goes on, what came of it, and how it ends."""

import os
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi.cli import app, output
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.pipeline import file_run


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def scans(nickel_up1, tmp_path):
    """A folder of three scans and something else."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.up1", "b.up1", "c.up1"):
        shutil.copy(nickel_up1, folder / name)
    (folder / "a.osc").write_bytes(b"")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


ALL = sorted(f"{name}.up1{ending}" for name in "abc" for ending in ("", ".recipe.toml"))


@pytest.mark.parametrize("given", [("",), ("a.up1", "b.up1", "c.up1"), ("?.up1",), ("a.up1", "[bc].up*")])
def test_files_folders_and_patterns_of_names(run, scans, nickel, tmp_path, given):
    out = tmp_path / "out"
    answer = run("clahe", *(scans / name for name in given), "--output", out)
    assert answer.exit_code == 0, answer.stderr
    assert names(out) == ALL
    np.testing.assert_array_equal(nk.open_scan(out / "b.up1").patterns, nk.clahe(nickel))
    lines = answer.stdout.splitlines()
    assert len(lines) == 3
    assert all(re.search(r"[abc]\.up1 +9 patterns in \d+ s$", line) for line in lines)


def test_one_that_fails_does_not_stop_the_others(run, scans, tmp_path):
    (scans / "b.up1").write_bytes(b"short")
    out = tmp_path / "out"
    answer = run("background", scans, "--static", "none", "--output", out)
    assert answer.exit_code == 1
    assert "Traceback" not in answer.stderr
    assert names(out) == [name for name in ALL if name[0] != "b"]
    assert "b.up1  failed: " in answer.stdout
    assert "fewer than the 16 of an UP header" in answer.stdout
    assert answer.stderr.splitlines()[-1] == "1 of 3 failed."


def test_the_same_command_again_does_what_is_left(run, scans, tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = ("average", scans, "--output", out)
    assert run(*words).exit_code == 0
    before = (out / "a.up1").stat().st_mtime_ns
    (out / "b.up1").unlink()
    answer = run(*words)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.count("was there already") == 2
    assert (out / "a.up1").stat().st_mtime_ns == before
    other = run("average", scans, "--output", out, "--window", 5)
    assert other.exit_code == 1
    assert other.stdout.count("exists already") == 3
    assert run("average", scans, "--output", out, "--window", 5, "--overwrite").exit_code == 0
    assert nk.Recipe.from_toml(recipe_path(out / "a.up1").read_text()) == nk.Recipe([nk.NeighbourAverage(5)])


def test_a_network_is_loaded_once_and_what_it_left_open_is_no_other_recipe(run, scans, tmp_path):
    out = tmp_path / "out"
    answer = run("denoise", scans, "--output", out)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stderr.count("Loading the model") == 1
    again = run("denoise", scans, "--output", out)
    assert again.stdout.count("was there already") == 3
    assert run("denoise", scans, "--output", out, "--clahe", "after").exit_code == 1


def test_a_run_that_was_stopped_is_gone_on_with_or_begun_anew(run, nickel_up1, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_kikuchi.pipeline.blocks.BLOCK_PIXELS", 60 * 60)
    out = tmp_path / "out.up1"

    def stopped(recipe):
        begun = file_run.process_to_file(nk.open_scan(nickel_up1), out, recipe)
        while next(begun) < 4:
            pass
        begun.close()

    stopped(nk.Recipe([nk.Clahe()]))
    answer = run("clahe", nickel_up1, out)
    assert answer.exit_code == 0
    assert "Going on with out.up1, of which 4 of 9 patterns are done." in answer.stderr
    out.unlink()
    stopped(nk.Recipe([nk.Clahe(5.0)]))
    refused = run("clahe", nickel_up1, out)
    assert refused.exit_code == 1
    assert "The recipe is not what it was" in refused.stderr
    assert "--restart" in refused.stderr
    anew = run("clahe", nickel_up1, out, "--restart")
    assert anew.exit_code == 0
    assert "Going on" not in anew.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("clahe", "{scans}/a.up1"), "there are 1 names"),
        (("clahe", "{scans}/a.up1", "{scans}/b.up1", "{scans}/c.up1"), "there are 3 names"),
        (("clahe", "{scans}/a.up1", "{scans}/../nickel.up1", "{scans}/../twice/a.up1", "--output", "{out}"), "both be"),
        (("clahe", "{scans}/x*.up1", "--output", "{out}"), "nothing of the name"),
        (("clahe", "{scans}/a.up1", "{out}", "--workers", "2", "--scheduler", "tcp://a:1"), "workers of its own"),
        (("clahe", "{scans}/a.up1", "{out}", "--workers", "0"), "greater than or equal to 1"),
    ],
)
def test_names_that_make_no_sense_are_bad_usage(run, scans, tmp_path, words, says):
    (tmp_path / "twice").mkdir()
    shutil.copy(scans / "a.up1", tmp_path / "twice")
    answer = run(*(word.format(scans=scans, out=tmp_path / "out") for word in words))
    assert answer.exit_code == 2
    assert says in " ".join(answer.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_outputs_do_not_go_onto_their_inputs(run, scans):
    answer = run("clahe", scans, "--output", scans, "--overwrite")
    assert answer.exit_code == 1
    assert answer.stdout.count("read from") == 3
    assert names(scans) == ["a.osc", "a.up1", "b.up1", "c.up1"]


def test_workers_write_what_one_process_writes(run, scans, tmp_path):
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    here, there = tmp_path / "here", tmp_path / "there"
    assert run("average", scans, "--output", here).exit_code == 0
    answer = run("average", scans, "--output", there, "--workers", 1)
    assert answer.exit_code == 0, answer.stderr
    assert names(there) == ALL
    assert all((there / name).read_bytes() == (here / name).read_bytes() for name in ALL)
    images = run("clahe", scans / "a.up1", tmp_path / "images", "--workers", 1)
    assert images.exit_code == 1
    assert "several workers write .up1 and .up2 files only" in images.stderr


def test_without_the_package_for_workers_it_is_named(run, scans, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    monkeypatch.delitem(__import__("sys").modules, "napari_kikuchi.pipeline.cluster", raising=False)
    answer = run("clahe", scans / "a.up1", tmp_path / "out.up1", "--workers", 2)
    assert answer.exit_code == 1
    assert "napari-kikuchi[cluster]" in answer.stderr


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_pace_is_that_of_the_last_minutes_and_not_of_an_earlier_run():
    clock = Clock()
    pace = output.Pace(clock)
    assert pace.tell(5000, 20_000) == ""
    clock.now = 10
    assert pace.tell(6000, 20_000) == "100 patterns/s, 2 min left"
    for second in range(20, 400, 10):
        clock.now = second
        said = pace.tell(6000 + second, 20_000)
    assert said == "1 patterns/s, 3 h 47 min left"
    clock.now = 401
    assert "left" not in pace.tell(20_000, 20_000)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (6000, "1 h 40 min"), (200_000, "2 d 8 h")],
)
def test_times_are_said_as_people_do(seconds, said):
    assert output.duration(seconds) == said


def test_where_there_is_no_terminal_a_line_is_written_now_and_then(capfd, monkeypatch):
    monkeypatch.setattr(output._Lines, "FIRST", -1.0)
    monkeypatch.setattr(output.Pace, "tell", lambda *_: "35 patterns/s, 2 min left")
    with output.progress_bar("clahe", 100) as progress:
        for done in range(10, 60, 10):
            progress(done, 100)
    assert capfd.readouterr().err == f"clahe: 10 of 100 patterns, 35 patterns/s, 2 min left{os.linesep}"
