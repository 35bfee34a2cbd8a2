"""Draw the learning curves that lie beside the training configurations, for the documentation.

python benchmarks/learning_curves.py
"""

from pathlib import Path

from napari_kikuchi.autoencoder.learning_curve import draw_learning_curve, read_learning_curve

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"

for path in sorted((HERE / "training").glob("*-learning-curve.csv")):
    name = path.stem.removesuffix("-learning-curve")
    target = IMAGES / f"learning-curve-{name}.png"
    draw_learning_curve(read_learning_curve(path), target, name)
    print(target.name)
