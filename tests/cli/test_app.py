"""The command line as a user meets it: what it prints, what it writes, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_kikuchi as nk
from napari_kikuchi.cli import app
from napari_kikuchi.formats import recipe_path
from napari_kikuchi.opencv import cv2

WRITING = ["background", "average", "clahe", "denoise", "export", "pack"]


@pytest.fixture
def run():
    """Run a command in this process; the answer has `exit_code`, `stdout` and `stderr`."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def folder(nickel_up1, tmp_path):
    """The nickel patterns as JPG images with names of their own, not in the alphabet's order."""
    folder = tmp_path / "images"
    nk.export_images(nk.open_scan(nickel_up1), folder, "jpg")
    for number, image in enumerate(sorted(folder.iterdir())):
        image.rename(folder / f"ni_{number + 5}.jpg")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def arguments(command, nickel_up1, folder, out):
    """A command that writes, complete but for options."""
    return {
        "background": ("background", nickel_up1, f"{out}.up1", "--static", "none"),
        "average": ("average", nickel_up1, f"{out}.up1"),
        "clahe": ("clahe", nickel_up1, f"{out}.up1"),
        "denoise": ("denoise", nickel_up1, f"{out}.up1"),
        "export": ("export", nickel_up1, out),
        "pack": ("pack", folder, f"{out}.up1"),
    }[command]


def fails(answer, code, *says):
    """It ended with this code, one sentence on standard error, and nothing else."""
    assert answer.exit_code == code
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    if code == 1:
        assert answer.stderr.startswith("Error: ")
        assert answer.stderr.count("\n") == 1
    for text in says:
        assert text in " ".join(answer.stderr.replace("│", " ").split())
    return True


def test_version(run):
    answer = run("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"napari-kikuchi {nk.__version__}\n")


def test_help_teaches(run):
    for command in ("info", *WRITING, "models", "demo"):
        answer = run(command, "--help")
        assert answer.exit_code == 0
        assert f"napari-kikuchi {command}" in answer.stdout.split("Examples:")[1]


def test_help_shows_the_steps_own_defaults_and_ranges():
    text = subprocess.run(
        [sys.executable, "-m", "napari_kikuchi", "denoise", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    for shown in ("[default: 3.0]", "[default: 8x8]", "0.1<=x<=100.0", f"[default: {nk.Autoencoder.model}]", "1 to 64"):
        assert shown in text


@pytest.mark.parametrize("words", [("--help",), ("info", "{file}"), ("models",), ("denoise", "--help")])
def test_nothing_heavy_is_imported_until_it_is_needed(words, nickel_up1):
    script = (
        "import sys, napari_kikuchi.cli as cli\n"
        "try: cli.app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'cv2', 'dask', 'keras', 'napari', 'qtpy', 'tensorflow', 'tifffile', 'torch'}\n"
        "print('imported:', *heavy & set(sys.modules))"
    )
    words = [word.format(file=nickel_up1) for word in words]
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "imported:"


def test_info(run, nickel_up1):
    answer = run("info", nickel_up1)
    assert answer.exit_code == 0
    for text in ("UP1, version 3", "9 of 60 x 60 pixels", "uint8", "3 rows x 3 columns, square", "1.5 um", "42 bytes"):
        assert text in answer.stdout


def test_info_for_scripts(run, nickel_up2, folder, tmp_path, write_up, nickel):
    facts = json.loads(run("info", nickel_up2, "--json").stdout)
    assert facts == {
        "path": str(nickel_up2),
        "format": "UP2",
        "version": 3,
        "pixel_type": "uint16",
        "patterns": 9,
        "height": 60,
        "width": 60,
        "grid": {"rows": 3, "columns": 3, "hexagonal": False, "short_first": False},
        "step": [1.5, 1.5],
        "missing": 0,
        "header_bytes": 42,
    }
    images = json.loads(run("info", folder, "--json").stdout)
    assert (images["format"], images["version"], images["grid"], images["patterns"]) == ("images", None, None, 9)
    plain = write_up(tmp_path / "plain.up1", nickel, version=1)
    assert json.loads(run("info", plain, "--json").stdout)["grid"] is None
    assert json.loads(run("info", plain, "--json", "--grid", "1x9").stdout)["grid"]["columns"] == 9


def test_what_is_odd_with_a_file_is_a_note_and_not_a_python_warning(run, nickel_up1):
    nickel_up1.write_bytes(nickel_up1.read_bytes()[:-5000])
    answer = run("info", nickel_up1)
    assert answer.exit_code == 0
    assert "2 patterns at the end" in answer.stdout
    (line,) = answer.stderr.splitlines()
    assert line.startswith("Note: ")
    assert "ScanWarning" not in line


def test_clahe_is_opencvs(run, nickel_up1, nickel, tmp_path):
    out = tmp_path / "out.up1"
    answer = run("clahe", nickel_up1, out, "--clip-limit", 2, "--tiles", "4x5")
    assert answer.exit_code == 0
    assert str(out) in answer.stdout
    equaliser = cv2.createCLAHE(2.0, (5, 4))
    np.testing.assert_array_equal(nk.open_scan(out).patterns, [equaliser.apply(pattern) for pattern in nickel.copy()])
    assert out.read_bytes()[:42] == nickel_up1.read_bytes()[:42]
    assert nk.Recipe.from_toml(recipe_path(out).read_text()) == nk.Recipe([nk.Clahe(2.0, (4, 5))])


def test_clahe_keeps_what_lies_outside_the_mask(run, nickel_up2, tmp_path):
    out = tmp_path / "out.up2"
    assert run("clahe", nickel_up2, out, "--mask", "0.5,0.5,0.4").exit_code == 0
    inside = nk.CircularMask(0.5, 0.5, 0.4).inside(60, 60)
    raw, done = (np.asarray(nk.open_scan(path).patterns) for path in (nickel_up2, out))
    np.testing.assert_array_equal(raw[:, ~inside], done[:, ~inside])
    assert (raw[:, inside] != done[:, inside]).mean() > 0.5


@pytest.mark.filterwarnings("ignore:The static background is the mean:napari_kikuchi.ScanWarning")
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ((), [nk.StaticBackground(), nk.DynamicBackground()]),
        (("--static", "subtract", "--dynamic", "none"), [nk.StaticBackground("subtract")]),
        (("--static", "none", "--dynamic", "subtract", "--sigma", 0.2), [nk.DynamicBackground(0.2, "subtract")]),
    ],
)
def test_backgrounds_are_removed(run, nickel_up2, tmp_path, options, steps):
    out = tmp_path / "out.up2"
    answer = run("background", nickel_up2, out, *options)
    assert answer.exit_code == 0, answer.stderr
    assert ("mean of 9 patterns only" in answer.stderr) == (steps[0].kind == "static-background")
    assert nk.Recipe.from_toml(recipe_path(out).read_text()) == nk.Recipe(steps)
    np.testing.assert_array_equal(
        nk.open_scan(out).patterns, nk.apply(nk.open_scan(nickel_up2), nk.Recipe(steps)).patterns
    )


def test_an_own_background_is_read_from_an_image_or_an_array(run, nickel_up1, nickel, tmp_path):
    own = nickel.max(axis=0)
    np.save(tmp_path / "own.npy", own)
    (tmp_path / "own.png").write_bytes(cv2.imencode(".png", own)[1].tobytes())
    for name in ("own.npy", "own.png"):
        out = tmp_path / f"{name}.up1"
        answer = run("background", nickel_up1, out, "--dynamic", "none", "--background", tmp_path / name)
        assert answer.exit_code == 0, answer.stderr
        np.testing.assert_array_equal(
            nk.open_scan(out).patterns, nk.remove_background(nickel, dynamic="none", background=own)
        )
        again = run("denoise", nickel_up1, tmp_path / "again.up1", "--recipe", recipe_path(out))
        assert fails(again, 1, "own = true", "give it again")


def test_neighbours_are_averaged(run, nickel_up1, nickel, folder, tmp_path):
    out = tmp_path / "out.up1"
    answer = run("average", nickel_up1, out, "--window", 5, "--weights", "uniform", "--mask", "0.5,0.5,0.4")
    assert answer.exit_code == 0, answer.stderr
    expected = nk.average_neighbours(nickel.reshape(3, 3, 60, 60), 5, "uniform", mask=nk.CircularMask(radius=0.4))
    np.testing.assert_array_equal(nk.open_scan(out).as_map(), expected)
    assert run("average", folder, tmp_path / "done", "--grid", "3x3").exit_code == 0
    assert fails(run("average", folder, tmp_path / "none.up1"), 1, "give the rows and columns")
    assert not (tmp_path / "none.up1").exists()


def test_the_real_files_are_denoised(run, nickel_file, silicon_file, tmp_path):
    for source in (nickel_file, silicon_file):
        out = tmp_path / source.name
        answer = run("denoise", source, out)
        assert answer.exit_code == 0, answer.stderr
        assert nk.Autoencoder.model in answer.stderr
        assert "CPU" in answer.stderr or "GPU" in answer.stderr
        raw, done = nk.open_scan(source), nk.open_scan(out)
        assert (done.grid, done.step, done.source.header) == (raw.grid, raw.step, raw.source.header)
        expected = np.asarray(nk.denoise(raw).patterns).astype(int)
        assert np.abs(expected - done.patterns).max() <= 1
        assert nk.Recipe.from_toml(recipe_path(out).read_text()) == nk.Recipe.denoising(neighbours="none")


def test_16_bits_are_denoised_with_clahe_around(run, nickel_up2, tmp_path):
    out = tmp_path / "nickel-both.up2"
    answer = run("denoise", nickel_up2, out, "--clahe", "both", "--clip-limit", 2, "--tiles", "4x4")
    assert answer.exit_code == 0, answer.stderr
    done = nk.open_scan(out)
    assert done.pixel_type == np.uint16
    assert len(np.unique(done.patterns)) > 1000
    assert nk.Recipe.from_toml(recipe_path(out).read_text()) == nk.Recipe.denoising(
        neighbours="none", clahe="both", clip_limit=2.0, tiles=(4, 4)
    )


def test_a_folder_is_denoised_to_a_folder_with_the_same_names_and_format(run, folder, tmp_path):
    out = tmp_path / "denoised"
    answer = run("denoise", folder, out)
    assert answer.exit_code == 0, answer.stderr
    assert names(out) == names(folder)
    assert all(image.read_bytes()[:2] == b"\xff\xd8" for image in out.iterdir())
    assert recipe_path(out).exists()


def test_stray_files_in_a_folder_are_named_and_skipped(run, folder, tmp_path):
    (folder / "Thumbs.db").write_bytes(b"")
    answer = run("clahe", folder, tmp_path / "out")
    assert answer.exit_code == 0
    assert "Note: " in answer.stderr
    assert "Thumbs.db" in answer.stderr
    assert len(names(tmp_path / "out")) == 9


def test_an_image_that_is_found_bad_half_way_is_named_and_leaves_nothing(run, folder, tmp_path):
    (folder / "ni_7.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((50, 60), dtype=np.uint8))[1].tobytes())
    before = names(tmp_path)
    for out in ("out", "out.up1"):
        assert fails(run("clahe", folder, tmp_path / out), 1, "ni_7.jpg", "60x50")
    assert names(tmp_path) == before


def test_a_recipe_does_the_same_again(run, nickel_up1, nickel_up2, tmp_path):
    first, again = tmp_path / "first.up1", tmp_path / "again.up1"
    run("clahe", nickel_up1, first, "--clip-limit", 7)
    answer = run("denoise", nickel_up1, again, "--recipe", recipe_path(first))
    assert answer.exit_code == 0
    assert "model" not in answer.stderr
    assert again.read_bytes() == first.read_bytes()
    assert recipe_path(again).read_bytes() == recipe_path(first).read_bytes()


@pytest.mark.parametrize(
    "others", [("--clahe", "none"), ("--model", "kikuchi-unet-map"), ("--tiles", "8x8"), ("--mask", "1,1,1")]
)
def test_a_recipe_says_all_steps(run, nickel_up1, tmp_path, others):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(nk.Recipe([nk.Clahe()]).to_toml())
    answer = run("denoise", nickel_up1, tmp_path / "out.up1", "--recipe", recipe, *others)
    assert fails(answer, 2, f"{others[0]} cannot be given with it")


def test_a_trusted_model_can_be_named_in_a_recipe(run, nickel_up1, tmp_path, monkeypatch):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(nk.Recipe([nk.Autoencoder("somewhere")]).to_toml())
    asked = []

    def load_model(name, trust):
        asked.append((name, trust))
        raise nk.ScanError("Enough.")

    monkeypatch.setattr("napari_kikuchi.autoencoder.model.load_model", load_model)
    answer = run("denoise", nickel_up1, tmp_path / "a.up1", "--recipe", recipe, "--trust-model")
    assert (answer.exit_code, answer.stderr.splitlines()[-1]) == (1, "Error: Enough.")
    assert asked == [("somewhere", True)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"steps = [", "not a TOML file"),
        (b'[[steps]]\nstep = "sharpen"', "'sharpen'"),
        (b"\xff\xfe\x00", "no text"),
        (None, "No such file"),
    ],
)
def test_a_wrong_recipe_file(run, nickel_up1, tmp_path, content, says):
    recipe = tmp_path / "recipe.toml"
    if content is not None:
        recipe.write_bytes(content)
    answer = run("denoise", nickel_up1, tmp_path / "out.up1", "--recipe", recipe)
    assert fails(answer, 1, str(recipe), says)


def test_export_and_pack_bring_the_same_bytes_back(run, nickel_up2, tmp_path):
    folder, again = tmp_path / "patterns", tmp_path / "again.up2"
    assert run("export", nickel_up2, folder).exit_code == 0
    assert names(folder) == [f"{number:06}.png" for number in range(9)]
    answer = run("pack", folder, again, "--like", nickel_up2)
    assert answer.exit_code == 0
    assert again.read_bytes() == nickel_up2.read_bytes()
    assert "again.osc" in answer.stderr


@pytest.mark.parametrize(("format", "extension"), [("png", "png"), ("tiff", "tif"), ("jpg", "jpg"), ("bmp", "bmp")])
def test_export_formats(run, nickel_up2, tmp_path, format, extension):
    answer = run("export", nickel_up2, tmp_path / "out", "--format", format)
    assert answer.exit_code == 0
    assert names(tmp_path / "out")[0] == f"000000.{extension}"
    assert ("Note: " in answer.stderr) == (format in ("jpg", "bmp"))


def test_pack_with_and_without_a_grid(run, folder, tmp_path):
    for grid, version in (((), 1), (("--grid", "3x3"), 3)):
        out = tmp_path / f"v{version}.up1"
        answer = run("pack", folder, out, *grid)
        assert answer.exit_code == 0
        assert f"version {version}" in answer.stdout
        assert nk.open_scan(out).n == 9


def test_a_scan_that_is_replaced_takes_its_recipe_along(run, nickel_up1, folder, tmp_path):
    for command, out in (("export", tmp_path / "out"), ("pack", tmp_path / "out.up1")):
        assert run("clahe", nickel_up1, out).exit_code == 0
        assert recipe_path(out).exists()
        answer = run(*arguments(command, nickel_up1, folder, tmp_path / "out"), "--overwrite")
        assert answer.exit_code == 0, answer.stderr
        assert not recipe_path(out).exists()
        assert "recipe" not in answer.stdout


@pytest.mark.parametrize("command", WRITING)
def test_nothing_is_overwritten_unless_asked(run, nickel_up1, folder, tmp_path, command):
    words = arguments(command, nickel_up1, folder, tmp_path / "out")
    assert run(*words).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert fails(run(*words), 1, "exists already")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert run(*words, "--overwrite").exit_code == 0


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_nothing_is_written_onto_its_own_input(run, nickel_up1, folder, tmp_path, overwrite):
    packed = run("pack", folder, nickel_up1, "--like", nickel_up1, *overwrite)
    onto_file = run("denoise", nickel_up1, tmp_path / "." / nickel_up1.name, *overwrite)
    onto_folder = run("clahe", folder, folder, *overwrite)
    exported = run("export", folder, folder, *overwrite)
    before = nickel_up1.read_bytes()
    for answer in (packed, onto_file, onto_folder, exported):
        assert fails(answer, 1)
    assert nickel_up1.read_bytes() == before
    assert len(names(folder)) == 9


@pytest.mark.parametrize(
    "words",
    [
        ("sharpen",),
        ("info",),
        ("info", "{file}", "--grid", "3"),
        ("info", "{file}", "--grid", "0x3"),
        ("info", "{file}", "--colour"),
        ("clahe", "{file}"),
        ("clahe", "{file}", "{out}", "--tiles", "8"),
        ("clahe", "{file}", "{out}", "--tiles", "8x65"),
        ("clahe", "{file}", "{out}", "--clip-limit", "0"),
        ("clahe", "{file}", "{out}", "--clip-limit", "101"),
        ("clahe", "{file}", "{out}", "--clip-limit", "nan"),
        ("clahe", "{file}", "{out}", "--mask", "0.5,0.5"),
        ("clahe", "{file}", "{out}", "--mask", "0.5,0.5,-1"),
        ("background", "{file}", "{out}", "--static", "add"),
        ("background", "{file}", "{out}", "--static", "none", "--dynamic", "none"),
        ("background", "{file}", "{out}", "--static", "none", "--background", "{file}"),
        ("background", "{file}", "{out}", "--dynamic", "none", "--sigma", "0.2"),
        ("background", "{file}", "{out}", "--sigma", "2"),
        ("average", "{file}", "{out}", "--window", "4"),
        ("average", "{file}", "{out}", "--window", "1"),
        ("average", "{file}", "{out}", "--weights", "flat"),
        ("denoise", "{file}", "{out}", "--clahe", "beside"),
        ("denoise", "{file}", "{out}", "--tiles", "4x4"),
        ("denoise", "{file}", "{out}", "--clip-limit", "2"),
        ("export", "{file}", "{out}", "--format", "gif"),
        ("pack", "{out}", "{out}", "--grid", "3x3", "--like", "{file}"),
    ],
)
def test_bad_usage_ends_with_2(run, nickel_up1, tmp_path, words):
    answer = run(*(word.format(file=nickel_up1, out=tmp_path / "out.up1") for word in words))
    assert fails(answer, 2)
    assert not (tmp_path / "out.up1").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("info", "{tmp}/none.up1"), "does not exist"),
        (("info", "{tmp}/none"), "no pattern file by its name"),
        (("info", "{tmp}"), "no images"),
        (("info", "{file}", "--grid", "3x4"), "9 patterns"),
        (("clahe", "{tmp}/none.up2", "{tmp}/out.up2"), "does not exist"),
        (("clahe", "{file}", "{tmp}/out.h5"), "end it in .up1 or .up2"),
        (("clahe", "{file}", "{tmp}/none/out.up1"), "no folder"),
        (("background", "{file}", "{tmp}/out.up1", "--background", "{tmp}/none.png"), "none.png does not exist"),
        (("background", "{file}", "{tmp}/out.up1", "--background", "{file}"), "cannot be read as an image"),
        (("denoise", "{file}", "{tmp}/out.up1", "--model", "no-such"), "no model 'no-such'"),
        (("denoise", "{file}", "{tmp}/out.up1", "--mask", "9,9,0.1"), "holds no pixel"),
        (("export", "{tmp}/none.up1", "{tmp}/out"), "does not exist"),
        (("pack", "{tmp}/none", "{tmp}/out.up1"), "does not exist"),
        (("pack", "{images}", "{tmp}/out.tif"), ".up1 or .up2"),
        (("pack", "{images}", "{tmp}/out.up1", "--grid", "2x2"), "9 images"),
        (("pack", "{images}", "{tmp}/out.up1", "--like", "{tmp}/none.up1"), "does not exist"),
    ],
)
def test_bad_input_ends_with_1_and_one_sentence(run, nickel_file, folder, tmp_path, words, says):
    places = {"file": nickel_file, "tmp": tmp_path / "empty", "images": folder}
    (tmp_path / "empty").mkdir()
    answer = run(*(word.format(**places) for word in words))
    answer_lines = answer.stderr.splitlines()
    assert answer.exit_code == 1
    assert answer_lines[-1].startswith("Error: ")
    assert says in answer_lines[-1]
    assert "Traceback" not in answer.stderr
    assert names(tmp_path / "empty") == []


def test_the_indexing_softwares_pairing_is_said_for_a_new_name_only(run, nickel_up1, folder, tmp_path):
    assert "nickel.osc or nickel.ang to new.osc or new.ang" in run("clahe", nickel_up1, tmp_path / "new.up1").stderr
    (tmp_path / "other").mkdir()
    assert run("clahe", nickel_up1, tmp_path / "other" / "nickel.up1").stderr == ""
    assert "osc" not in run("clahe", folder, tmp_path / "packed.up1").stderr
    assert "osc" not in run("clahe", nickel_up1, tmp_path / "images-out").stderr


def test_another_depth_is_converted_and_said(run, nickel_up1, tmp_path):
    answer = run("clahe", nickel_up1, tmp_path / "nickel.up2")
    assert answer.exit_code == 0
    assert "Note: " in answer.stderr
    assert "converted" in answer.stderr


def test_models(run):
    answer = run("models")
    assert answer.exit_code == 0
    assert answer.stdout.startswith(nk.Autoencoder.model)
    cards = json.loads(run("models", "--json").stdout)
    assert [card["name"] for card in cards] == list(nk.shipped_models())


def test_an_unreadable_disk_is_one_sentence(run, nickel_up1, monkeypatch):
    def broken(*_, **__):
        raise OSError(5, "Input/output error", "nickel.up1")

    monkeypatch.setattr("napari_kikuchi.formats.open_scan", broken)
    assert fails(run("info", nickel_up1), 1, "nickel.up1: Input/output error.")


def test_too_little_memory_is_one_sentence(run, nickel_up1, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("napari_kikuchi.formats.open_scan", full)
    assert fails(run("info", nickel_up1), 1, "memory")


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers Ctrl-C to whole process groups only")
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path):
    patterns = np.random.default_rng(0).integers(0, 256, (3000, 240, 240), dtype=np.uint8)
    source = nk.save_scan(tmp_path / "big.up1", nk.Scan(patterns))
    # With a mask, which OpenCV does not know, it takes some seconds.
    words = [sys.executable, "-m", "napari_kikuchi", "clahe", source, tmp_path / "out.up1", "--mask", "0.5,0.5,0.5"]
    # A shell starts what runs in its background deaf to Ctrl-C, and so would be this test's child.
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hearing)
    journal = tmp_path / "out.up1.partial.journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 1) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert names(tmp_path) == ["big.up1", "out.up1.partial", "out.up1.partial.journal"]
