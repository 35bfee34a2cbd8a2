import pytest


@pytest.fixture
def viewer(make_napari_viewer, nickel_up2):
    """A real window with the nickel map opened from a UP2 file."""
    viewer = make_napari_viewer()
    viewer.open(nickel_up2, plugin="napari-kikuchi")
    return viewer
