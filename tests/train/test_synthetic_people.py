"""The population as groups: it is the identity prior, told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from face3d import load_head
from face3d.measure import head_dimensions
from face3d.train.synthetic import sample_look, sample_person, sample_state
from face3d.train.synthetic.people import population_groups


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    return [sample_person(rng) for _ in range(3000)]


def test_the_mixture_has_the_moments_of_the_prior():
    groups = population_groups()
    assert groups.share.sum() == pytest.approx(1.0)
    assert np.abs(groups.share @ groups.mean).max() < 1e-6
    between = np.einsum("g,gi,gj->ij", groups.share, groups.mean, groups.mean)
    assert np.abs(groups.within @ groups.within.T + between - np.eye(groups.mean.shape[1])).max() < 1e-9


def test_drawn_people_are_distributed_as_the_prior(people):
    identities = np.stack([person.identity for person in people])
    assert np.abs(identities.mean(axis=0)).max() < 5 / np.sqrt(len(people))
    spread = identities.std(axis=0)
    # People of mixed ancestry lie between the groups, which narrows the whole a little.
    assert spread.min() > 0.9
    assert spread.max() < 1.1
    correlation = np.corrcoef(identities.T) - np.eye(identities.shape[1])
    assert np.abs(correlation).max() < 0.12


def test_men_have_larger_heads_and_groups_differ_as_the_survey_says(people):
    model = load_head()
    identities = torch.tensor(np.stack([person.identity for person in people]), dtype=torch.float32)
    sizes = head_dimensions(model, identities[:1500])
    male = np.array([person.sex == "male" for person in people[:1500]])
    circumference = sizes["head_circumference"].numpy()
    # NIOSH 2003: 575.7 mm for men, 554.9 mm for women.
    assert 0.010 < circumference[male].mean() - circumference[~male].mean() < 0.032
    nose = sizes["nose_breadth"].numpy()
    ancestry = np.array([person.ancestry for person in people[:1500]])
    assert nose[ancestry == "black"].mean() - nose[ancestry == "white"].mean() > 0.004


def test_shares_are_those_of_the_open_head(people):
    ancestry = [person.ancestry for person in people]
    for name, share in {"white": 0.50, "black": 0.15, "hispanic": 0.15, "other": 0.20}.items():
        assert ancestry.count(name) / len(people) == pytest.approx(share, abs=0.05)
    assert sum(person.sex == "male" for person in people) / len(people) == pytest.approx(0.5, abs=0.03)


def test_every_tone_of_skin_occurs(people):
    rng = np.random.default_rng(1)
    tones = [sample_look(person, rng).skin.tone for person in people[:600]]
    for tone in ("very light", "light", "intermediate", "tan", "brown", "dark"):
        assert tones.count(tone) > 20


def test_the_gaze_goes_where_the_lids_go(people):
    rng = np.random.default_rng(2)
    from face3d.train.synthetic import open_head

    names = open_head().arrays.expression_names
    down = names.index("eyeLookDownLeft"), names.index("eyeLookUpLeft")
    for person in people[:40]:
        state, _ = sample_state(person.identity, rng)
        turn = state.eyes[0]
        if abs(turn) > 0.02:
            # Positive x turns +z towards -y: down.
            assert state.expression[down[0] if turn > 0 else down[1]] > 0
            assert state.expression[down[1] if turn > 0 else down[0]] == 0
