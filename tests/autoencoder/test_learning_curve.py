"""Learning curves are written, read again and drawn."""

import math
from pathlib import Path

import pytest

from napari_kikuchi.autoencoder.learning_curve import (
    Progress,
    draw_learning_curve,
    read_learning_curve,
    write_learning_curve,
)
from napari_kikuchi.opencv import cv2
from napari_kikuchi.scan import ScanError

TRAINING = Path(__file__).parents[2] / "benchmarks" / "training"
CURVE = [Progress(5, 20, 0.5, 1.25, 1.5, 0.25), Progress(10, 20, 1.0, 1.0, 1.25, 0.5)]


def test_a_curve_comes_back_as_it_was_written(tmp_path):
    write_learning_curve(CURVE, tmp_path / "curve.csv")
    assert read_learning_curve(tmp_path / "curve.csv") == CURVE


@pytest.mark.parametrize("curve", [CURVE, CURVE[:1], [], [Progress(0, 20, 0.0, math.nan, 1.0, math.nan)]])
def test_a_curve_of_any_length_is_drawn(curve, tmp_path):
    draw_learning_curve(curve, tmp_path / "curve.png", "mine")
    assert cv2.imread(str(tmp_path / "curve.png")).shape[1] > 800


@pytest.mark.parametrize("path", sorted(TRAINING.glob("*-learning-curve.csv")), ids=lambda path: path.stem)
def test_the_committed_ones_can_be_read(path):
    assert read_learning_curve(path)[-1].validation_loss < 1.1


def test_says_that_a_file_is_none(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ScanError, match=r"other\.csv cannot be read as a learning curve"):
        read_learning_curve(tmp_path / "other.csv")
    with pytest.raises(ScanError, match=r"absent\.csv cannot be read as a learning curve"):
        read_learning_curve(tmp_path / "absent.csv")
