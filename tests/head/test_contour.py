import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError
from face3d.head.contour import contour_bins, contour_sign, yaw_degrees
from face3d.head.skinning import rotations_from_axis_angles
from tests.head.golden import golden, largest_error


def turned(degrees):
    vectors = np.deg2rad(np.asarray(degrees, np.float64))[:, None] * [0, 1, 0]
    return rotations_from_axis_angles(torch.tensor(vectors))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("sign", "column"), [(1, "plus"), (-1, "minus")])
def test_bins_are_the_published_ones(dtype, sign, column):
    table = golden("rotation/rotation")
    np.testing.assert_array_equal(
        contour_bins(turned(table["yaw_deg"]).to(dtype), sign).numpy(), table[f"yaw_bin_{column}"]
    )
    poses = [
        rotations_from_axis_angles(torch.tensor(table[f"pose_{joint}"], dtype=dtype)) for joint in ("global", "neck")
    ]
    relative = poses[0] @ poses[1]
    assert largest_error(yaw_degrees(relative), table["relative_yaw_deg"]) < (1e-5 if dtype == torch.float64 else 1e-4)
    np.testing.assert_array_equal(contour_bins(relative, sign).numpy(), table[f"relative_bin_{column}"])


def test_bins_of_known_yaws():
    yaws = [-90, -60, -40, -39, -1, 0, 1, 30, 39, 85]
    assert contour_bins(turned(yaws)).tolist() == [78, 78, 78, 78, 40, 0, 1, 30, 39, 39]
    assert contour_bins(turned([30]), -1).tolist() == [69]


def test_roll_does_not_change_the_yaw():
    rolled = rotations_from_axis_angles(torch.tensor([[0.0, 0.0, 1.1]], dtype=torch.float64)) @ turned([25])
    assert yaw_degrees(rolled).item() == pytest.approx(25, abs=1e-9)


def test_no_gradient_flows_through_the_choice():
    rotation = turned([10]).requires_grad_()
    assert not contour_bins(rotation).requires_grad


def test_signs_have_names():
    assert (contour_sign("deca"), contour_sign("smplx")) == (1, -1)
    with pytest.raises(ArgumentError, match="'flame' is unknown"):
        contour_sign("flame")
