"""Open EBSD scans, make their Kikuchi patterns better, and hand them back to the indexing software."""

__version__ = "0.1.0"
