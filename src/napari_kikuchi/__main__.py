"""`python -m napari_kikuchi`."""

from .cli import main

if __name__ == "__main__":
    main()
