"""Recipes as data: to TOML and back, joined, and refused where they make no sense."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_kikuchi.patches import Patch
from napari_kikuchi.processing.rescale import to_levels
from napari_kikuchi.recipe import (
    STEPS,
    Autoencoder,
    CircularMask,
    Clahe,
    DynamicBackground,
    NeighbourAverage,
    Recipe,
    Rescale,
    StaticBackground,
)
from napari_kikuchi.scan import Grid, Scan, ScanError

CLAHES = st.builds(Clahe, st.floats(0.1, 100), st.tuples(st.integers(1, 64), st.integers(1, 64)))
AUTOENCODERS = st.builds(Autoencoder, st.text(st.characters(exclude_categories=["Cs"])))
RESCALES = st.builds(Rescale, st.booleans(), st.integers(0, 65536))
OPERATIONS = st.sampled_from(["divide", "subtract"])
BACKGROUNDS = st.builds(StaticBackground, OPERATIONS, st.booleans()) | st.builds(
    DynamicBackground, st.floats(0.01, 1), OPERATIONS
)
AVERAGES = st.builds(
    NeighbourAverage, st.integers(1, 7).map(lambda n: 2 * n + 1), st.sampled_from(["gaussian", "uniform"])
)
FRACTIONS = st.floats(-1, 2)
MASKS = st.builds(CircularMask, FRACTIONS, FRACTIONS, st.floats(1e-3, 2))
RECIPES = st.builds(
    Recipe,
    st.lists(st.one_of(CLAHES, AUTOENCODERS, RESCALES, BACKGROUNDS, AVERAGES), max_size=5),
    st.sampled_from(["auto", "stretch", "keep"]),
    st.none() | MASKS,
)


@given(RECIPES)
def test_a_recipe_comes_back_from_its_toml(recipe):
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_what_one_user_allowed_is_not_written_for_the_next():
    recipe = Recipe([Autoencoder("some/folder", trust_model=True)])
    assert "trust" not in recipe.to_toml()
    assert Recipe.from_toml(recipe.to_toml()).steps == (Autoencoder("some/folder"),)


def test_a_recipe_file_may_leave_defaults_out_and_write_whole_numbers():
    recipe = Recipe.from_toml('[[steps]]\nstep = "clahe"\nclip_limit = 2')
    assert recipe == Recipe([Clahe(2.0)])
    assert isinstance(recipe.steps[0].clip_limit, float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = [", "scan.toml is not a TOML file"),
        ("colour = 1", "unknown entry: colour"),
        ("version = 2", "has version 2"),
        ('steps = "clahe"', "[[steps]] tables"),
        ("steps = [1]", "[[steps]] tables"),
        ('[[steps]]\nstep = "sharpen"', "'sharpen'; the known steps are static-background, dynamic-background, "),
        ("[[steps]]\nclip_limit = 2.0", "has a step None"),
        ('[[steps]]\nstep = "clahe"\nclip = 2.0', "the step clahe has no 'clip'; it has clip_limit, tiles"),
        ('[[steps]]\nstep = "clahe"\ntiles = 8', "tiles is 8, where a value like (8, 8) was expected"),
        ('[[steps]]\nstep = "clahe"\ntiles = [8, 8, 8]', "where a value like (8, 8) was expected"),
        ('[[steps]]\nstep = "clahe"\nclip_limit = "high"', "where a value like 3.0 was expected"),
        ('[[steps]]\nstep = "clahe"\nclip_limit = 1000.0', "above its maximum of 100.0"),
        ('[[steps]]\nstep = "clahe"\nclip_limit = nan', "not a finite number"),
        ('[[steps]]\nstep = "clahe"\ntiles = [0, 8]', "below its minimum of 1"),
        ('[[steps]]\nstep = "autoencoder"\ntrust_model = true', "has no 'trust_model'"),
        (
            '[[steps]]\nstep = "static-background"\noperation = "add"',
            "'add', where one of divide, subtract was expected",
        ),
        ('[[steps]]\nstep = "static-background"\nbackground = [1]', "has no 'background'; it has operation, own."),
        ('[[steps]]\nstep = "dynamic-background"\nsigma = 0', "sigma is 0.0, below its minimum of 0.01"),
        ('[[steps]]\nstep = "neighbour-average"\nwindow = 4', "window is 4, where an odd number was expected"),
        ('[[steps]]\nstep = "neighbour-average"\nwindow = 1', "below its minimum of 3"),
        ('[[steps]]\nstep = "neighbour-average"\nweights = "flat"', "'flat', where one of gaussian, uniform"),
        ('output = "sideways"', "not 'sideways'"),
        ("mask = 0.5", "[mask] table"),
        ("[mask]\nradius = 0.0", "where a positive number was expected"),
        ("[mask]\nz = 1.0", "the mask has no 'z'; it has x, y, radius"),
        ('[mask]\nx = "left"', "mask: x is 'left'"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(text, says):
    with pytest.raises(ScanError) as caught:
        Recipe.from_toml(text, "scan.toml")
    assert says in str(caught.value)


@pytest.mark.parametrize("step", STEPS.values())
def test_every_parameter_says_what_it_is_and_has_a_default_within_its_range(step):
    for spec in fields(step):
        assert spec.metadata["label"]
        assert spec.metadata["help"].endswith(".")
    assert step() == step(**{spec.name: spec.default for spec in fields(step)})


@pytest.mark.parametrize(
    ("placement", "kinds"),
    [
        ("none", ["autoencoder"]),
        ("before", ["clahe", "autoencoder"]),
        ("after", ["autoencoder", "clahe"]),
        ("both", ["clahe", "autoencoder", "clahe"]),
    ],
)
def test_denoising_puts_clahe_where_it_is_asked_for(placement, kinds):
    recipe = Recipe.denoising(
        "default", clahe=placement, clip_limit=2.0, tiles=(4, 4), mask=CircularMask(), trust_model=True
    )
    assert [step.kind for step in recipe.steps] == kinds
    assert all(step == Clahe(2.0, (4, 4)) for step in recipe.steps if step.kind == "clahe")
    assert Autoencoder("default", trust_model=True) in recipe.steps
    assert recipe.mask == CircularMask()
    assert recipe.title == " + ".join(kinds)


def test_denoising_refuses_another_place():
    with pytest.raises(ScanError, match="'beside', where one of none, before, after, both"):
        Recipe.denoising(clahe="beside")


@pytest.mark.parametrize(
    ("static", "dynamic", "kinds"),
    [
        ("divide", "divide", ["static-background", "dynamic-background"]),
        ("subtract", "none", ["static-background"]),
        ("none", "subtract", ["dynamic-background"]),
    ],
)
def test_removing_a_background_does_what_is_asked_for(static, dynamic, kinds):
    recipe = Recipe.removing_background(static, dynamic, 0.2, mask=CircularMask())
    assert [step.kind for step in recipe.steps] == kinds
    assert [step.operation for step in recipe.steps] == [how for how in (static, dynamic) if how != "none"]
    assert recipe.mask == CircularMask()


@pytest.mark.parametrize(
    ("static", "dynamic", "says"), [("none", "none", "choose at least one"), ("add", "none", "static is 'add'")]
)
def test_removing_no_background_is_refused(static, dynamic, says):
    with pytest.raises(ScanError, match=says):
        Recipe.removing_background(static, dynamic)


@pytest.mark.parametrize(
    ("steps", "output", "stretches"),
    [
        ([], "auto", False),
        ([Clahe()], "auto", False),
        ([Autoencoder()], "auto", True),
        ([Autoencoder(), Clahe()], "auto", False),
        ([Clahe(), Autoencoder()], "auto", True),
        ([Clahe()], "stretch", True),
        ([Autoencoder()], "keep", False),
        ([StaticBackground()], "auto", True),
        ([DynamicBackground()], "auto", True),
        ([NeighbourAverage()], "auto", False),
        ([DynamicBackground(), NeighbourAverage()], "auto", True),
    ],
)
def test_patterns_are_stretched_where_a_step_lost_their_scale(steps, output, stretches):
    assert Recipe(steps, output).stretches is stretches


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_empty_recipe_changes_nothing(nickel, kind):
    patterns = nickel.astype(kind)
    done = Recipe()(patterns)
    assert done.dtype == kind
    np.testing.assert_array_equal(done, patterns)
    assert Recipe().title == "unchanged"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_stretch_fills_the_pixel_type_whatever_it_is(nickel, kind):
    dim = (nickel // 4).astype(kind)
    done = Recipe(output="stretch")(dim)
    assert done.dtype == kind
    assert (done.min(axis=(1, 2)) == 0).all()
    assert (done.max(axis=(1, 2)) == np.iinfo(kind).max).all()


def test_pixels_outside_the_mask_come_out_as_they_went_in(nickel):
    mask = CircularMask(0.5, 0.5, 0.4)
    inside = mask.inside(60, 60)
    deep = nickel.astype(np.uint16) * 257 + 3
    for patterns in (nickel, deep):
        done = Recipe([Clahe()], "stretch", mask)(patterns)
        np.testing.assert_array_equal(done[:, ~inside], patterns[:, ~inside])
        assert (done[:, inside] != patterns[:, inside]).any()


def test_the_mask_is_a_circle_in_widths_and_heights():
    inside = CircularMask(0.25, 0.5, 0.25).inside(40, 80)
    assert inside.sum() == pytest.approx(np.pi * 20**2, rel=0.02)
    rows, columns = np.nonzero(inside)
    assert (rows.mean(), columns.mean()) == pytest.approx((19.5, 19.5))


def test_a_mask_beside_the_pattern_is_refused():
    with pytest.raises(ScanError, match="holds no pixel of a pattern of 40x80"):
        CircularMask(5, 5, 0.1).inside(40, 80)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("first", [Recipe([Clahe(2.0)]), Recipe([Clahe(2.0)], "stretch"), Recipe([], "stretch")])
@pytest.mark.parametrize("second", [Recipe([Clahe(5.0, (4, 4))]), Recipe([Clahe()], "stretch"), Recipe([], "stretch")])
def test_joined_recipes_give_the_same_bytes_as_one_after_the_other(nickel, kind, first, second):
    patterns = nickel.astype(kind) * (257 if kind is np.uint16 else 1)
    one_after_the_other = second(first(patterns))
    joined = first.then(second, np.dtype(kind))
    np.testing.assert_array_equal(joined(patterns), one_after_the_other)
    np.testing.assert_array_equal(Recipe.from_toml(joined.to_toml())(patterns), one_after_the_other)


def test_joined_recipes_keep_floating_point_between_them(nickel):
    patterns = nickel.astype(np.float32) / 255
    first, second = Recipe([Clahe(2.0)], "stretch"), Recipe([Clahe(5.0)])
    np.testing.assert_allclose(first.then(second, patterns.dtype)(patterns), second(first(patterns)), atol=1e-6)


def test_after_nothing_a_recipe_is_itself():
    assert Recipe().then(Recipe([Clahe()]), np.dtype(np.uint8)) == Recipe([Clahe()])


def test_recipes_with_different_masks_cannot_be_joined():
    with pytest.raises(ScanError, match="were made with the mask"):
        Recipe([Clahe()], mask=CircularMask()).then(Recipe([Clahe()]), np.dtype(np.uint8))


def test_a_block_alone_has_no_neighbours(nickel):
    with pytest.raises(ScanError, match=r"neighbour-average: .* there is no map here"):
        Recipe([NeighbourAverage()])(nickel[:1])


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        (None, "there is no map here"),
        (Grid(2, 5, hexagonal=True), "this one is hexagonal"),
        (Grid(3, 4), "in this one 3 patterns are missing"),
    ],
)
def test_neighbours_need_a_complete_square_map(nickel, grid, says):
    with pytest.raises(ScanError, match=says):
        Recipe([Clahe(), NeighbourAverage()]).fit(Scan(nickel, grid))


def test_the_rims_of_steps_add_up():
    assert Recipe([NeighbourAverage(), Clahe(), NeighbourAverage(5)]).rim == 3
    assert Recipe([Clahe()]).rim == 0


@pytest.mark.filterwarnings("ignore:The static background is the mean:napari_kikuchi.ScanWarning")
@pytest.mark.parametrize("before", [DynamicBackground(), NeighbourAverage()])
def test_a_step_learns_from_what_those_before_it_leave(nickel, before):
    scan = Scan(nickel, Grid(3, 3))
    _, static = Recipe([before, StaticBackground()]).fit(scan).steps
    floats = nickel.astype(np.float32) / np.float32(255)
    whole = Patch(scan.grid, (0, 3), (0, 3), 1)
    left = before(floats, None, whole) if before.kind == "neighbour-average" else before(floats)
    np.testing.assert_allclose(static.learnt, left.mean(axis=0), rtol=1e-6)


def test_8_bit_patterns_are_equalised_as_they_would_be_by_way_of_floating_point():
    patterns = np.random.default_rng(3).integers(0, 256, (3, 40, 50)).astype(np.uint8)
    recipe = Recipe([Clahe(2.0, (4, 5))])
    np.testing.assert_array_equal(recipe(patterns), to_levels(recipe.floats(patterns), np.dtype(np.uint8)))
