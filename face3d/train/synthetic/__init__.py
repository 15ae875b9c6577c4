"""Labelled synthetic heads: people of the open head, painted, lit and photographed by procedures, with the exact truth.

`render_sample` draws sample i of a seed, `write_dataset` many of them into shards, `read_shards` reads those.
`render_head_image` is the level below: one given head with a given look in a given scene, for clips and for heads that
the model cannot make.
"""

from face3d.train.synthetic.draw import Drawing, render_head_image
from face3d.train.synthetic.expressions import sample_state
from face3d.train.synthetic.heads import HeadState, open_head
from face3d.train.synthetic.kinds import CLASSES
from face3d.train.synthetic.labels import HeadLabel, LandmarkTruth, landmarks_of, measurements_of, vertices_of
from face3d.train.synthetic.look import Look
from face3d.train.synthetic.look_sampling import sample_look
from face3d.train.synthetic.paint import PaintedLook, paint_look
from face3d.train.synthetic.people import Person, sample_person
from face3d.train.synthetic.preview import preview
from face3d.train.synthetic.samples import Sample, SyntheticOptions, render_sample
from face3d.train.synthetic.scene import Scene, sample_scene
from face3d.train.synthetic.shards import read_shards, write_dataset

__all__ = [
    "CLASSES",
    "Drawing",
    "HeadLabel",
    "HeadState",
    "LandmarkTruth",
    "Look",
    "PaintedLook",
    "Person",
    "Sample",
    "Scene",
    "SyntheticOptions",
    "landmarks_of",
    "measurements_of",
    "open_head",
    "paint_look",
    "preview",
    "read_shards",
    "render_head_image",
    "render_sample",
    "sample_look",
    "sample_person",
    "sample_scene",
    "sample_state",
    "vertices_of",
    "write_dataset",
]
