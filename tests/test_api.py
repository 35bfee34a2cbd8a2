import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest

import napari_kikuchi as nk


def test_importing_the_package_costs_nothing():
    code = (
        "import sys, napari_kikuchi\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'cv2', 'qtpy', 'napari', 'dask', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", nk.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(nk, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = nk.nothing_like_this


@pytest.mark.parametrize("room", ["", ".recipe", ".pipeline.calls", ".scan_maps"])
def test_examples_in_docstrings_run(room):
    module = importlib.import_module(f"napari_kikuchi{room}")
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("shape", [(60, 60), (9, 60, 60), (3, 3, 60, 60)])
def test_arrays_come_back_as_they_came(shape):
    patterns = np.asarray(nk.open_scan(nk.sample_path("nickel")).patterns).reshape(3, 3, 60, 60)
    patterns = patterns[(0,) * (4 - len(shape))] if len(shape) == 2 else patterns.reshape(shape)
    before = patterns.copy()
    equalised = nk.clahe(patterns)
    assert isinstance(equalised, np.ndarray)
    assert (equalised.shape, equalised.dtype) == (patterns.shape, patterns.dtype)
    np.testing.assert_array_equal(patterns, before)


def test_a_scan_stays_lazy_until_it_is_looked_at():
    scan = nk.clahe(nk.open_scan(nk.sample_path("nickel")))
    assert not isinstance(scan.patterns, np.ndarray)
    assert scan.grid.shape == (3, 3)
    assert np.asarray(scan.patterns[4]).shape == (60, 60)


def test_an_unknown_sample_is_named():
    with pytest.raises(nk.ScanError, match="copper"):
        nk.sample_path("copper")
