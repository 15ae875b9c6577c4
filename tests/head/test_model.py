import copy
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.head import HeadModel, load_flame
from face3d.head.skinning import rotations_from_axis_angles
from tests.head.golden import FLAME, golden, largest_error
from tests.head.random_heads import random_arrays, random_parameters

WIDTHS = {"identity": 7, "expression": 4, "root": 3, "neck": 3, "jaw": 3, "eyes": 6, "translation": 3}
TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-6}


def as_tensors(dtype, **arrays):
    return {name: torch.tensor(array, dtype=dtype) for name, array in arrays.items()}


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def published(dtype):
    return load_flame(FLAME, dtype=dtype)


def test_flame_with_every_parameter_is_the_published_layer(published, dtype):
    expected = golden("flame/flame_full")
    geometry = published(
        **as_tensors(
            dtype,
            identity=expected["betas"],
            expression=expected["expression"],
            root=expected["pose_global"],
            neck=expected["pose_neck"],
            jaw=expected["pose_jaw"],
            eyes=expected["pose_eyes"],
            translation=expected["transl"],
        )
    )
    tolerance = TOLERANCE[dtype]
    assert largest_error(geometry.vertices, expected["vertices"]) < tolerance
    assert largest_error(geometry.joints, expected["joints_posed"] + expected["transl"][:, None]) < tolerance
    assert largest_error(published.points("ibug_68", geometry), expected["landmarks68_plus_yaw"]) < tolerance
    assert largest_error(published.points("ibug_68_fixed", geometry), expected["landmarks68_fixed"]) < tolerance
    other = load_flame(FLAME, contour="smplx", dtype=dtype)
    assert largest_error(other.points("ibug_68", geometry), expected["landmarks68_minus_yaw"]) < tolerance
    rest = published(**as_tensors(dtype, identity=expected["betas"], expression=expected["expression"]))
    assert largest_error(rest.joints, expected["joints_rest"]) < tolerance


def test_flame_with_short_vectors_is_decas_layer(published, dtype):
    expected = golden("flame/flame_deca")
    parameters = as_tensors(
        dtype,
        identity=expected["shape"],
        expression=expected["exp"],
        root=expected["pose"][:, :3],
        jaw=expected["pose"][:, 3:],
    )
    geometry = published(**parameters)
    tolerance = TOLERANCE[dtype]
    assert largest_error(geometry.vertices, expected["vertices"]) < tolerance
    assert largest_error(published.points("ibug_68", geometry), expected["landmarks2d"]) < tolerance
    assert largest_error(published.points("ibug_68_fixed", geometry), expected["landmarks3d"]) < tolerance
    looking = published(**parameters, **as_tensors(dtype, eyes=expected["eye_pose"]))
    assert largest_error(looking.vertices, expected["vertices_with_eye_pose"]) < tolerance


def test_flame_at_rest_is_micas_layer(published, dtype):
    expected = golden("flame/flame_mica")
    geometry = published(**as_tensors(dtype, identity=expected["shape"]))
    tolerance = 1e-15 if dtype == torch.float64 else 1e-6
    assert largest_error(geometry.vertices, expected["vertices"]) < tolerance
    assert largest_error(published.points("ibug_68", geometry), expected["landmarks2d"]) < tolerance
    assert largest_error(published.points("ibug_68_fixed", geometry), expected["landmarks3d"]) < tolerance
    assert largest_error(1000 * published.points("now_7", geometry), expected["kpt7_from_full68_mm"]) < 1000 * tolerance


@settings(deadline=None)
@given(st.integers(0, 3), st.dictionaries(st.sampled_from(sorted(WIDTHS)), st.booleans()))
def test_any_parameters_in_any_batch_give_one_head_each(batch, shared):
    model = HeadModel(random_arrays(), dtype=torch.float64)
    full = random_parameters(model, batch)
    chosen = {name: full[name] for name in shared}
    for name, one in shared.items():
        if one:
            chosen[name] = random_parameters(model, 1)[name]
    heads = batch if not all(shared.values()) else 1
    geometry = model(**chosen)
    assert geometry.vertices.shape == (heads, 40, 3)
    assert geometry.joints.shape == (heads, 5, 3)
    for name in model.point_sets:
        assert model.points(name, geometry).shape == (heads, len(model.point_sets[name]), 3)
    for row in range(heads):
        alone = model(**{name: value[:1] if shared[name] else value[row : row + 1] for name, value in chosen.items()})
        assert torch.allclose(geometry.vertices[row], alone.vertices[0], atol=1e-13)
        assert torch.allclose(geometry.joints[row], alone.joints[0], atol=1e-13)


def test_missing_coefficients_are_zeros(head):
    parameters = random_parameters(head, 2)
    short = head(identity=parameters["identity"][:, :3], expression=parameters["expression"][:, :0])
    padded = parameters["identity"].clone()
    padded[:, 3:] = 0
    assert torch.allclose(short.vertices, head(identity=padded).vertices, atol=1e-15)


def test_zero_rotations_change_nothing(head):
    identity = random_parameters(head, 2)["identity"]
    zeros = {name: torch.zeros(2, WIDTHS[name]) for name in ("root", "neck", "jaw", "eyes", "translation")}
    at_rest, posed = head(identity=identity), head(identity=identity, **zeros)
    assert torch.allclose(at_rest.vertices, posed.vertices, atol=1e-15)
    assert torch.allclose(at_rest.joints, posed.joints, atol=1e-15)


def test_vectors_without_batch_and_arrays_are_accepted(head):
    parameters = random_parameters(head, 1)
    expected = head(**parameters).vertices
    assert torch.equal(head(**{name: value[0] for name, value in parameters.items()}).vertices, expected)
    assert torch.equal(head(**{name: value.numpy() for name, value in parameters.items()}).vertices, expected)


def test_turning_the_root_turns_the_head_rigidly_about_its_joint(head):
    parameters = random_parameters(head, 3)
    turn, shift = parameters.pop("root"), parameters.pop("translation")
    still = head(**parameters)
    moved = head(**parameters, root=turn, translation=shift)
    rotation, pivot = rotations_from_axis_angles(turn), still.joints[:, :1]
    for name in ("vertices", "joints"):
        expected = (getattr(still, name) - pivot) @ rotation.transpose(1, 2) + pivot + shift[:, None]
        assert torch.allclose(getattr(moved, name), expected, atol=1e-12)
    assert torch.allclose(moved.rotations, rotation[:, None] @ still.rotations, atol=1e-12)


def test_gradients_are_right_everywhere(head):
    for scale in (0.0, 1.0):
        parameters = {name: scale * value for name, value in random_parameters(head, 2).items()}
        names, values = list(parameters), [value.requires_grad_() for value in parameters.values()]

        def evaluate(*values, names=names):
            geometry = head(**dict(zip(names, values, strict=True)))
            return geometry.joints, head.points("turning", geometry), geometry.vertices[:, :5]

        assert torch.autograd.gradcheck(evaluate, values, atol=1e-5)


def test_eyes_are_given_left_first(flame):
    at_rest = flame()
    looking = flame(eyes=torch.tensor([[0.3, 0, 0, 0, 0, 0]]))
    left, right = (flame.joint_names.index(name) for name in ("left_eye", "right_eye"))
    assert not torch.equal(looking.rotations[:, left], at_rest.rotations[:, left])
    assert torch.equal(looking.rotations[:, right], at_rest.rotations[:, right])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"identity": torch.zeros(2, 8)}, "identity has shape (2, 8), expected (B, 7) with at most"),
        ({"expression": torch.zeros(2, 3, 4)}, "expression has shape (2, 3, 4), expected (B, 4) with at most"),
        ({"jaw": torch.zeros(2, 6)}, "jaw has shape (2, 6), expected (B, 3)"),
        ({"eyes": torch.zeros(5)}, "eyes has shape (5,), expected (B, 6)"),
        ({"root": torch.zeros(2, 3), "neck": torch.zeros(3, 3)}, "batch sizes differ: root 2, neck 3"),
        ({"jaw": "open"}, "jaw is no array of numbers but a str"),
    ],
)
def test_wrong_shapes_are_named(head, parameters, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        head(**parameters)


def test_wrong_names_and_geometries_are_named(head, flame):
    with pytest.raises(ArgumentError, match="no point set 'nose_tip'; it has: five, turning, turning_fixed"):
        head.points("nose_tip", head())
    with pytest.raises(ArgumentError, match=r"expected \(B, 40, 3\)"):
        head.points("five", flame())
    with pytest.raises(ArgumentError, match=r"camera_from_head has shape \(4, 4\)"):
        head.points("turning", head(), camera_from_head=torch.eye(4))


def test_a_head_lacking_a_joint_says_so():
    arrays = replace(random_arrays(), joint_names=("root", "spine", "jaw", "left_eye", "right_eye"))
    with pytest.raises(ArgumentError, match="no joint 'neck', only root, spine"):
        HeadModel(arrays)(neck=torch.zeros(1, 3))


def test_the_model_holds_no_parameters_and_no_state(head):
    assert not list(head.parameters())
    assert not head.state_dict()
    before = head.template.clone()
    head().vertices.add_(1)
    assert torch.equal(head.template, before)
    with pytest.raises(TypeError):
        head.regions["face"] = torch.zeros(1)


def test_the_model_changes_precision_as_modules_do():
    model = HeadModel(random_arrays(dtype=np.float32))
    parameters = random_parameters(model, 2)
    single = model(**parameters)
    assert single.vertices.dtype == torch.float32
    model = model.double()
    double = model(**parameters)
    assert double.vertices.dtype == torch.float64
    assert model.triangles.dtype == torch.int64
    assert torch.allclose(single.vertices.double(), double.vertices, atol=1e-6)
    assert model.points("turning", double).dtype == torch.float64


def test_the_model_can_be_copied_and_sent_to_another_process(head):
    parameters = random_parameters(head, 1)
    for twin in (copy.deepcopy(head), pickle.loads(pickle.dumps(head))):  # noqa: S301
        assert torch.equal(twin(**parameters).vertices, head(**parameters).vertices)


def test_description_of_the_model(head):
    assert "'random', vertices=40, triangles=60, identity=7, expression=4" in repr(head)
    assert (head.identity_size, head.expression_size) == (7, 4)
    assert head.expression_names == ("shape_0", "shape_1", "shape_2", "shape_3")
    assert head.expression_bounds.shape == (4, 2)
    assert head.regions["nose"].tolist() == [3, 1, 2]
    five = head.point_sets["five"]
    assert five.labels == ("a", "b", "c", "d", "e")
    assert five.sigma.shape == (5,)


def test_the_camera_chooses_the_contour_that_it_sees(head):
    angle = torch.tensor([[0.0, 0.5, 0.0]], dtype=torch.float64)
    camera = torch.eye(4, dtype=torch.float64)[None].clone()
    camera[:, :3, :3] = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    geometry = head()
    frontal = head.points("turning", geometry)
    assert torch.equal(head.points("turning", geometry, camera_from_head=camera), frontal)
    # A head turned before a still camera, and a still head seen by a camera moved the other way, show the same side.
    turned_head = head(root=angle)
    pivot = geometry.joints[:, :1]
    seen = (head.points("turning", turned_head) - pivot) @ rotations_from_axis_angles(angle)[0] + pivot
    camera[:, :3, :3] = camera[:, :3, :3] @ rotations_from_axis_angles(angle)
    by_camera = head.points("turning", geometry, camera_from_head=camera)
    assert torch.allclose(by_camera, seen, atol=1e-12)
    assert not torch.allclose(by_camera, frontal)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_gives_the_same_numbers(head):
    parameters = random_parameters(head, 4)
    expected = head(**parameters)
    on_gpu = HeadModel(random_arrays(), dtype=torch.float64).cuda()
    made = on_gpu(**{name: value.cuda() for name, value in parameters.items()})
    assert torch.allclose(made.vertices.cpu(), expected.vertices, atol=1e-12)
    assert torch.allclose(on_gpu.points("turning", made).cpu(), head.points("turning", expected), atol=1e-12)
    with pytest.raises(ArgumentError, match="identity lies on cpu, the head model on cuda"):
        on_gpu(identity=parameters["identity"])
