import npe2
import pytest


@pytest.fixture(scope="session", autouse=True)
def discovered():
    """What napari does when it starts, for tests that save a layer without a window."""
    npe2.PluginManager.instance().discover()


@pytest.fixture
def viewer(make_napari_viewer, nickel_up2):
    """A real window with the nickel map opened from a UP2 file."""
    viewer = make_napari_viewer()
    viewer.open(nickel_up2, plugin="napari-kikuchi")
    return viewer
