import pytest


@pytest.mark.parametrize(("key", "shape"), [("nickel", (3, 3, 60, 60)), ("silicon", (1, 1, 480, 480))])
def test_samples_open_with_their_attribution(make_napari_viewer, key, shape):
    viewer = make_napari_viewer()
    viewer.open_sample("napari-kikuchi", key)
    (layer,) = viewer.layers
    assert layer.data.shape == shape
    assert "CC BY 4.0" in layer.metadata["attribution"]
