"""What a face does: its expression from clips of video, and the networks and losses that judge it."""

from __future__ import annotations

from face3d.expression.chunks import Chunk, chunk_plan
from face3d.expression.coarse_encoder import CoarseCodes, CoarseEncoder, read_deca, split_codes
from face3d.expression.emotion import EmotionNetwork, emotion_loss, read_emotion_network
from face3d.expression.landmark_losses import landmark_loss, lip_landmark_loss, relative_landmark_loss
from face3d.expression.mouth_crops import fill_missing, mouth_crops, mouth_windows
from face3d.expression.regularisers import expression_regulariser, jaw_regulariser
from face3d.expression.spectre import (
    ClipEstimate,
    ExpressionEncoder,
    Spectre,
    TemporalHead,
    estimate_clip,
    read_spectre,
    require_spectre_head,
    spectre_for,
)
from face3d.expression.visual_front_end import VisualFrontEnd, lipread_loss, read_visual_front_end
from face3d.expression.weak_pose import metric_poses

__all__ = [
    "Chunk",
    "ClipEstimate",
    "CoarseCodes",
    "CoarseEncoder",
    "EmotionNetwork",
    "ExpressionEncoder",
    "Spectre",
    "TemporalHead",
    "VisualFrontEnd",
    "chunk_plan",
    "emotion_loss",
    "estimate_clip",
    "expression_regulariser",
    "fill_missing",
    "jaw_regulariser",
    "landmark_loss",
    "lip_landmark_loss",
    "lipread_loss",
    "metric_poses",
    "mouth_crops",
    "mouth_windows",
    "read_deca",
    "read_emotion_network",
    "read_spectre",
    "read_visual_front_end",
    "relative_landmark_loss",
    "require_spectre_head",
    "spectre_for",
    "split_codes",
]
