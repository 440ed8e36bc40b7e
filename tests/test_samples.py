from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lipaccord.bundle import Bundle, load_bundle
from lipaccord.calibration import CONDITIONS, SCALES
from lipaccord.fitting import calibrate
from lipaccord.manifest import group_key
from lipaccord.matching import ORIGINAL, Choice
from lipaccord.records import Finding
from lipaccord.samples import Labelled, resynthesis_sample, sync_sample
from lipaccord.survey import Survey
from made_survey import (
    CONDITIONS as MEASURED,
)
from made_survey import (
    WHY,
    crossed,
    examined,
    heard,
    labelled,
    population,
    seen,
    survey_of,
)

ANNA, BERTA = labelled("anna.mp4", "anna"), labelled("berta.mp4", "berta")
FAKE = labelled("fake.mp4", "anna", "synthesised", "driven", "Paint")
DUBBED = labelled("dubbed.mp4", "carla", "camera", "apart", "Dub")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


def taken(found: Labelled | None) -> Labelled:
    assert found is not None
    return found


def matched(survey: Survey, **rungs: str) -> Survey:
    """Return the survey with a rung chosen for each method."""
    return dataclasses.replace(survey, choices={name: Choice(rung, {}, "same groups") for name, rung in rungs.items()})


def no_face(name: Any) -> Finding:
    """Return what stands for a finding where no face was found."""
    return Finding(name, "not_examinable", None, None, None, (WHY,), ())


def test_windows_and_clips_labelled_apart_give_both_classes() -> None:
    survey = survey_of(
        examined(ANNA, seen(0.0), heard(-6.0)),
        examined(DUBBED, seen(0.0), heard(-0.25)),
        windows=(crossed(ANNA, ANNA, -5.0), crossed(ANNA, BERTA, -0.5), crossed(BERTA, ANNA, -0.75)),
    )
    found = taken(sync_sample(survey))
    assert found.places == (("crossed", 0), ("crossed", 1), ("crossed", 2), ("examined", 1))
    assert found.sample.scores.tolist() == [-5.0, -0.5, -0.75, -0.25]
    assert found.sample.truth.tolist() == [0, 1, 1, 1]
    assert found.sample.groups.tolist() == ["anna", "anna", "berta", "carla"]
    assert found.sample.weights.tolist() == [1, 1, 1, 1]
    assert found.rescore is None
    assert found.population == {
        "suspicious_clips": 3,
        "suspicious_groups": 3,
        "suspicious_scores": 3,
        "innocent_clips": 1,
        "innocent_groups": 1,
        "innocent_scores": 1,
        "methods": {"Dub": 1, "another clip's sound": 2},
        "groups": sorted(map(group_key, ("anna", "berta", "carla"))),
    }


def test_conditions_are_put_on_their_scales() -> None:
    window = crossed(ANNA, ANNA, -5.0, {"speech_s": 4.0, "eyes_px": 50.0})
    found = taken(sync_sample(survey_of(examined(DUBBED, heard(-0.5)), windows=(window,))))
    for name in CONDITIONS["sync"]:
        values = [window.row["conditions"][name], MEASURED[name]]
        assert found.sample.conditions[name] == pytest.approx([SCALES[name](value) for value in values])


@pytest.mark.parametrize("conditions", [{}, {"speech_s": 4.0}, {"eyes_px": 50.0}])
def test_what_abstains_or_lacks_a_condition_is_no_sample(conditions: dict[str, float]) -> None:
    windows = (crossed(ANNA, BERTA, None), crossed(ANNA, BERTA, -1.0, conditions))
    unsure = examined(DUBBED, seen(None), heard(None))
    lacking = examined(dataclasses.replace(DUBBED, name="other.mp4"), heard(-0.5, conditions))
    nothing = examined(labelled("no.mp4", "carla", "unknown", "apart"), no_face("sync"), no_face("resynthesis"))
    broken = examined(labelled("broken.mp4", "carla", "camera", "apart"))
    assert sync_sample(survey_of(unsure, lacking, nothing, broken, windows=windows)) is None


def test_whole_clips_count_as_they_came_and_only_where_labelled_apart(bundle: Bundle) -> None:
    clips = [examined(DUBBED, heard(-0.5), rung="crf24"), examined(ANNA, heard(-6.0)), examined(FAKE, heard(-4.0))]
    assert sync_sample(survey_of(*clips)) is None
    assert resynthesis_sample(survey_of(*clips), bundle) is None


def test_a_clip_without_a_method_is_named_by_its_label() -> None:
    found = taken(sync_sample(survey_of(examined(dataclasses.replace(DUBBED, method=""), heard(-0.5)))))
    assert found.population["methods"] == {"labelled apart": 1}


def test_clips_of_both_classes_as_they_came(bundle: Bundle) -> None:
    survey = survey_of(examined(ANNA, seen(0.25)), examined(FAKE, seen(2.5)), examined(DUBBED, seen(-0.5)))
    found = taken(resynthesis_sample(survey, bundle))
    assert found.places == (("examined", 0), ("examined", 1), ("examined", 2))
    assert found.sample.scores.tolist() == [0.25, 2.5, -0.5]
    assert found.sample.truth.tolist() == [0, 1, 0]
    assert found.sample.groups.tolist() == ["anna", "anna", "carla"]
    for name in CONDITIONS["resynthesis"]:
        assert found.sample.conditions[name] == pytest.approx([SCALES[name](MEASURED[name])] * 3)
    expected = {"suspicious_clips": 1, "suspicious_groups": 1, "suspicious_scores": 1}
    expected |= {"innocent_clips": 2, "innocent_groups": 2, "innocent_scores": 2}
    assert found.population == {
        **expected,
        "methods": {"Paint": 1},
        "groups": sorted(map(group_key, ("anna", "carla"))),
    }


def test_authentic_clips_enter_at_the_rungs_with_the_weight_of_what_is_matched(bundle: Bundle) -> None:
    harsh = [labelled(f"harsh{n}.mp4", "berta", "synthesised", "driven", "Harsh") for n in range(3)]
    survey = survey_of(
        examined(ANNA, seen(0.0)),
        examined(FAKE, seen(2.0)),
        *(examined(one, seen(3.0)) for one in harsh),
        examined(ANNA, seen(0.5), rung="crf24"),
        examined(ANNA, seen(0.75), rung="crf31"),
    )
    found = taken(resynthesis_sample(matched(survey, Paint="crf24", Harsh="crf31"), bundle))
    assert [place for _, place in found.places] == [1, 2, 3, 4, 5, 6]  # not as the authentic clip came
    assert found.sample.weights.tolist() == [1, 1, 1, 1, 1, 3]
    assert found.population["innocent_clips"] == 1
    assert found.population["innocent_scores"] == 2
    assert found.population["methods"] == {"Harsh": 3, "Paint": 1}


def test_unknown_mouths_and_encodes_of_painted_ones_are_no_sample(bundle: Bundle) -> None:
    unknown = labelled("unknown.mp4", "dora", "unknown")
    survey = survey_of(examined(unknown, seen(1.0)), examined(FAKE, seen(2.0)), examined(FAKE, seen(2.5), rung="crf24"))
    assert [place for _, place in taken(resynthesis_sample(survey, bundle)).places] == [1]


def test_what_could_not_be_judged_is_no_sample(bundle: Bundle) -> None:
    lacking = {name: value for name, value in MEASURED.items() if name != "detail"}
    survey = survey_of(
        examined(ANNA, seen(None)),
        examined(BERTA, seen(0.5, lacking)),
        examined(dataclasses.replace(ANNA, name="broken.mp4")),
        examined(FAKE, seen(2.0)),
    )
    assert [place for _, place in taken(resynthesis_sample(survey, bundle)).places] == [3]


def test_a_clip_without_a_face_is_no_sample(bundle: Bundle) -> None:
    empty = examined(ANNA, no_face("sync"), no_face("resynthesis"), forehead=None)
    assert resynthesis_sample(survey_of(empty), bundle) is None
    found = taken(resynthesis_sample(survey_of(empty, examined(FAKE, seen(2.0))), bundle))
    assert found.places == (("examined", 1),)


def test_a_rung_that_nothing_is_matched_to_counts_nothing(bundle: Bundle) -> None:
    unsure = labelled("unsure.mp4", "berta", "synthesised", "driven", "Harsh")
    survey = survey_of(
        examined(FAKE, seen(2.0)),
        examined(unsure, seen(None)),
        examined(ANNA, seen(0.5), rung="crf24"),
        examined(BERTA, seen(None), rung="crf24"),
        examined(BERTA, seen(0.75), rung="crf31"),
    )
    found = taken(resynthesis_sample(matched(survey, Paint="crf24", Harsh="crf31"), bundle))
    assert np.isfinite(found.sample.equal).all()
    assert found.population["innocent_groups"] == 1


def acquainted(bundle: Bundle, *groups: str) -> Bundle:
    """Return the bundle as if its cues had been weighed on clips of these groups."""
    return dataclasses.replace(bundle, resynthesis=bundle.resynthesis | {"groups": list(map(group_key, groups))})


def test_scores_are_made_anew_only_where_groups_are_acquainted(bundle: Bundle) -> None:
    survey = population()
    assert taken(resynthesis_sample(survey, acquainted(bundle, "somebody", "p99"))).rescore is None
    found = taken(resynthesis_sample(survey, acquainted(bundle, "somebody", "p3")))
    assert found.rescore is not None
    assert taken(sync_sample(survey)).rescore is None


def test_scores_made_anew_have_seen_nothing_of_the_group(bundle: Bundle) -> None:
    survey = population(20)
    found = taken(resynthesis_sample(survey, acquainted(bundle, "p3")))
    assert found.rescore is not None
    everyone = np.ones(len(found.sample.scores), bool)
    first = found.rescore(everyone)
    assert np.isfinite(first).all()
    assert first[found.sample.truth == 1].mean() > first[found.sample.truth == 0].mean() + 0.5
    outside = ~np.isin(found.sample.groups, ["p3", "p4"])
    # Whatever the clips that are not seen scored, the others are scored alike.
    moved = [
        dataclasses.replace(one, findings=examined(one.clip, seen(9.0)).findings)
        if one.clip.group in {"p3", "p4"}
        else one
        for one in survey.examined
    ]
    other = taken(resynthesis_sample(dataclasses.replace(survey, examined=tuple(moved)), acquainted(bundle, "p3")))
    assert other.rescore is not None
    assert other.rescore(outside)[outside] == pytest.approx(found.rescore(outside)[outside])
    assert other.rescore(everyone)[outside] != pytest.approx(first[outside])


def test_a_sample_can_be_calibrated(bundle: Bundle) -> None:
    survey = population()
    for name, found in (("sync", sync_sample(survey)), ("resynthesis", resynthesis_sample(survey, bundle))):
        labels = taken(found)
        made, ratios = calibrate(labels.sample, name, labels.population)  # type: ignore[arg-type]
        assert len(ratios) == len(labels.places) == 24
        assert made.population["suspicious_groups"] == made.population["innocent_groups"] == 12
        assert made.figures["auc"] > 0.9


def test_the_rung_of_what_was_not_matched_is_the_original() -> None:
    assert survey_of(examined(ANNA, seen(0.0)), examined(FAKE, seen(2.0))).rungs == {"Paint": ORIGINAL}
