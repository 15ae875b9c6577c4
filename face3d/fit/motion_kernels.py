"""Compiled loops of a motion's evidence: landmarks and other points of a posed head, frame by frame.

What is written for a frame depends on that frame alone, so that its bits are the same however frames are shared out.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.compiled import compiled

__all__ = ["compare_landmarks", "fill_jacobian", "follow_surface", "pull_back", "rotation_vectors"]

WIDEST_BIAS = 0.87
"""Radians of yaw and pitch up to which the detector's bias is known; beyond, it stays as it is there."""


@compiled
def compare_landmarks(  # type: ignore[no-untyped-def]
    points, by_turns, slots, rotation, translation, pixels, weights, focal, centre, bias, offset, sigma, knots,
    residual, by_head, others,
):  # fmt: skip
    """What landmarks miss, and how the misses move with the points and with everything but the expression.

    Observed minus modelled, metres at the head's distance in the image plane turned upright with the head, times the
    landmarks' weights over their standard deviations.

    Args:
        points: (T, N, 3) head frame; by_turns: (T, M, 3, J) of those that joints carry; slots: (N,) number among the M,
            or -1.
        rotation, translation: (T, 3, 3), (T, 3).
        pixels, weights: (T, N, 2), (T, N).
        focal, centre: (2,) of the camera.
        bias: (N, 2, 6) the detector's, by 1, yaw, pitch and their products.
        offset: (N, 2) of the person.
        sigma, knots: (Y, N, 2) standard deviations at (Y,) yaws.
        residual, by_head, others: (T, N, 2), (T, N, 2, 3), (T, N, 2, J + 6) are filled.
    """
    turning = by_turns.shape[3]
    angles = np.empty((2, 6))
    terms, by_yaw, by_pitch = np.empty(6), np.empty(6), np.empty(6)
    miss, bias_slope = np.empty(2), np.empty(6)
    upright = np.empty((2, 2))
    for t in range(len(points)):
        turn, place = rotation[t], translation[t]
        yaw, pitch = _view(turn, place, angles)
        roll = math.atan2(turn[1, 0], turn[0, 0])
        upright[0, 0], upright[0, 1] = math.cos(roll), math.sin(roll)
        upright[1, 0], upright[1, 1] = -upright[0, 1], upright[0, 0]
        low, share = _between(yaw, knots)
        high = min(low + 1, len(knots) - 1)
        _bias_terms(yaw, pitch, terms, by_yaw, by_pitch)
        # Metres per pixel at the head: held while a step is looked for, so that no residual shrinks by moving away.
        scale = place[2] / focal[0]
        for n in range(points.shape[1]):
            x, y, z = points[t, n, 0], points[t, n, 1], points[t, n, 2]
            arm_x = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
            arm_y = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
            arm_z = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
            depth = arm_z + place[2]
            across, down = (arm_x + place[0]) / depth, (arm_y + place[1]) / depth
            off_x = (pixels[t, n, 0] - centre[0]) * scale - across * focal[0] * scale
            off_y = (pixels[t, n, 1] - centre[1]) * scale - down * focal[1] * scale
            miss[0] = upright[0, 0] * off_x + upright[0, 1] * off_y
            miss[1] = upright[1, 0] * off_x + upright[1, 1] * off_y
            slot = slots[n]
            for i in range(2):
                own, change_yaw, change_pitch = 0.0, 0.0, 0.0
                for k in range(6):
                    own += bias[n, i, k] * terms[k]
                    change_yaw += bias[n, i, k] * by_yaw[k]
                    change_pitch += bias[n, i, k] * by_pitch[k]
                for k in range(6):
                    bias_slope[k] = change_yaw * angles[0, k] + change_pitch * angles[1, k]
                weight = weights[t, n] / ((1 - share) * sigma[low, n, i] + share * sigma[high, n, i])
                residual[t, n, i] = weight * (miss[i] - own - offset[n, i])
                gain_x = -upright[i, 0] * focal[0] * scale / depth
                gain_y = -upright[i, 1] * focal[1] * scale / depth
                slope_x, slope_y, slope_z = gain_x, gain_y, -gain_x * across - gain_y * down
                for k in range(3):
                    by_head[t, n, i, k] = weight * (slope_x * turn[0, k] + slope_y * turn[1, k] + slope_z * turn[2, k])
                for k in range(turning):
                    others[t, n, i, k] = 0.0
                    if slot >= 0:
                        for c in range(3):
                            others[t, n, i, k] += by_head[t, n, i, c] * by_turns[t, slot, c, k]
                # Rolling the head also turns the upright frame that misses are measured in.
                rolled = miss[1] if i == 0 else -miss[0]
                others[t, n, i, turning] = weight * (slope_z * arm_y - slope_y * arm_z - bias_slope[0])
                others[t, n, i, turning + 1] = weight * (slope_x * arm_z - slope_z * arm_x - bias_slope[1])
                others[t, n, i, turning + 2] = weight * (slope_y * arm_x - slope_x * arm_y - bias_slope[2] + rolled)
                others[t, n, i, turning + 3] = weight * (slope_x - bias_slope[3])
                others[t, n, i, turning + 4] = weight * (slope_y - bias_slope[4])
                others[t, n, i, turning + 5] = weight * (slope_z - bias_slope[5])


@compiled
def _view(turn, place, slopes):  # type: ignore[no-untyped-def]
    """Yaw and pitch as `face3d.fit.landmark_problem.view_angles`; `slopes` (2, 6) by left rotation and translation."""
    x = -(turn[0, 0] * place[0] + turn[1, 0] * place[1] + turn[2, 0] * place[2])
    y = -(turn[0, 1] * place[0] + turn[1, 1] * place[1] + turn[2, 1] * place[2])
    z = -(turn[0, 2] * place[0] + turn[1, 2] * place[1] + turn[2, 2] * place[2])
    flat = x * x + z * z
    length = math.sqrt(flat)
    squared = flat + y * y
    for angle in range(2):
        if angle == 0:
            by_x, by_y, by_z = z / flat, 0.0, -x / flat
        else:
            by_x, by_y, by_z = -x * y / (squared * length), flat / (squared * length), -z * y / (squared * length)
        # Moving by v takes R^T t to R^T (t + v); turning by w to R^T (t + t x w).
        for k in range(3):
            slopes[angle, 3 + k] = -(by_x * turn[k, 0] + by_y * turn[k, 1] + by_z * turn[k, 2])
        slopes[angle, 0] = slopes[angle, 4] * place[2] - slopes[angle, 5] * place[1]
        slopes[angle, 1] = slopes[angle, 5] * place[0] - slopes[angle, 3] * place[2]
        slopes[angle, 2] = slopes[angle, 3] * place[1] - slopes[angle, 4] * place[0]
    return math.atan2(x, z), math.atan2(y, length)


@compiled
def _between(value, knots):  # type: ignore[no-untyped-def]
    """The knot below a value, and how far it is towards the next; ends hold beyond them."""
    last = len(knots) - 1
    if last == 0 or value <= knots[0]:
        return 0, 0.0
    if value >= knots[last]:
        return last - 1, 1.0
    low = 0
    while knots[low + 1] <= value:
        low += 1
    return low, (value - knots[low]) / (knots[low + 1] - knots[low])


@compiled
def _bias_terms(yaw, pitch, terms, by_yaw, by_pitch):  # type: ignore[no-untyped-def]
    """1, yaw, pitch, their squares and product, and the slopes of these."""
    turned, nodded = abs(yaw) < WIDEST_BIAS, abs(pitch) < WIDEST_BIAS
    yaw = min(max(yaw, -WIDEST_BIAS), WIDEST_BIAS)
    pitch = min(max(pitch, -WIDEST_BIAS), WIDEST_BIAS)
    terms[0], terms[1], terms[2] = 1.0, yaw, pitch
    terms[3], terms[4], terms[5] = yaw * yaw, yaw * pitch, pitch * pitch
    by_yaw[:] = 0.0
    by_pitch[:] = 0.0
    if turned:
        by_yaw[1], by_yaw[3], by_yaw[4] = 1.0, 2 * yaw, pitch
    if nodded:
        by_pitch[2], by_pitch[4], by_pitch[5] = 1.0, yaw, 2 * pitch


@compiled
def pull_back(by_head, residual, owners, joints, turns, out):  # type: ignore[no-untyped-def]
    """What residuals, (T, N, 2), ask of the parts that points are made of: (T, S, 3).

    Part s belongs to point `owners[s]` and turns with joint `joints[s]`, -1 for none, whose turns are (T, K, 3, 3).
    """
    asked = np.empty((by_head.shape[1], 3))
    for t in range(len(by_head)):
        for n in range(by_head.shape[1]):
            for k in range(3):
                asked[n, k] = by_head[t, n, 0, k] * residual[t, n, 0] + by_head[t, n, 1, k] * residual[t, n, 1]
        for s in range(len(owners)):
            own, joint = asked[owners[s]], joints[s]
            for k in range(3):
                if joint < 0:
                    out[t, s, k] = own[k]
                else:
                    turn = turns[t, joint]
                    out[t, s, k] = own[0] * turn[0, k] + own[1] * turn[1, k] + own[2] * turn[2, k]


@compiled
def fill_jacobian(by_head, others, owners, joints, turns, basis, out):  # type: ignore[no-untyped-def]
    """Slopes of all residuals by the expression and everything else, into (T, 2 N, E + J + 6).

    Args:
        by_head, others: (T, N, 2, 3), (T, N, 2, J + 6) of `compare_landmarks`.
        owners, joints, turns: of the parts that points are made of, as for `pull_back`.
        basis: (S, 3, E) how the parts move with the expression.
    """
    size = basis.shape[2]
    for t in range(len(by_head)):
        for n in range(by_head.shape[1]):
            for i in range(2):
                row = out[t, 2 * n + i]
                row[:size] = 0
                for k in range(others.shape[3]):
                    row[size + k] = others[t, n, i, k]
        for s in range(len(owners)):
            joint, first, second, third = joints[s], basis[s, 0], basis[s, 1], basis[s, 2]
            for i in range(2):
                slope = by_head[t, owners[s], i]
                x, y, z = slope[0], slope[1], slope[2]
                if joint >= 0:
                    turn = turns[t, joint]
                    x = slope[0] * turn[0, 0] + slope[1] * turn[1, 0] + slope[2] * turn[2, 0]
                    y = slope[0] * turn[0, 1] + slope[1] * turn[1, 1] + slope[2] * turn[2, 1]
                    z = slope[0] * turn[0, 2] + slope[1] * turn[1, 2] + slope[2] * turn[2, 2]
                row = out[t, 2 * owners[s] + i]
                for e in range(size):
                    row[e] += x * first[e] + y * second[e] + z * third[e]


@compiled
def follow_surface(which, direction, basis, slots, by_expression, by_turns, out):  # type: ignore[no-untyped-def]
    """How places of points along directions follow expression and turns, into (T, R, E + J).

    Args:
        which, direction: (T, R) which points, (T, R, 3) head frame.
        basis: (P, 3, E) how points move.
        slots: (P,) number among the M points that joints carry, -1 for the others.
        by_expression, by_turns: (T, M, 3, E), (T, M, 3, J) of those.
    """
    size = basis.shape[2]
    for t in range(len(which)):
        for r in range(which.shape[1]):
            x, y, z = direction[t, r, 0], direction[t, r, 1], direction[t, r, 2]
            slot, row = slots[which[t, r]], out[t, r]
            moves = basis[which[t, r]] if slot < 0 else by_expression[t, slot]
            for e in range(size):
                row[e] = x * moves[0, e] + y * moves[1, e] + z * moves[2, e]
            for k in range(by_turns.shape[3]):
                row[size + k] = 0.0
                if slot >= 0:
                    turned = by_turns[t, slot]
                    row[size + k] = x * turned[0, k] + y * turned[1, k] + z * turned[2, k]


@compiled
def rotation_vectors(matrices, out):  # type: ignore[no-untyped-def]
    """The rotation vectors, (T, 3), of rotation matrices, (T, 3, 3), by their quaternions (Shepperd 1978)."""
    quaternion = np.empty(4)
    for t in range(len(matrices)):
        turn = matrices[t]
        trace = turn[0, 0] + turn[1, 1] + turn[2, 2]
        # The largest element is found from the diagonal, the others from it.
        largest, most = 3, trace
        for i in range(3):
            if turn[i, i] > most:
                largest, most = i, turn[i, i]
        if largest == 3:
            quaternion[0], quaternion[1] = turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0]
            quaternion[2], quaternion[3] = turn[1, 0] - turn[0, 1], 1 + trace
        else:
            i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
            quaternion[i], quaternion[j] = 1 - trace + 2 * turn[i, i], turn[j, i] + turn[i, j]
            quaternion[k], quaternion[3] = turn[k, i] + turn[i, k], turn[k, j] - turn[j, k]
        length = math.sqrt(quaternion[0] ** 2 + quaternion[1] ** 2 + quaternion[2] ** 2)
        # The shorter way round; for a small angle the ratio has its limit.
        angle = 2 * math.atan2(length, abs(quaternion[3]))
        factor = angle / length if length > 0.0 else 0.0
        if quaternion[3] < 0.0:
            factor = -factor
        for i in range(3):
            out[t, i] = factor * quaternion[i]
