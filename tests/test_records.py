from __future__ import annotations

import dataclasses

import pytest

from lipaccord.records import Evidence, Finding, Reason

SMALL = Reason("too_small", "The eyes are 19 pixels apart.", "use a larger copy")


def abstaining(*reasons: Reason) -> Evidence:
    return Evidence("blur", "1", "resynthesis", None, "Nothing was measured.", abstained=reasons)


def finding(status: str, *reasons: Reason) -> Finding:
    return Finding("resynthesis", status, None, None, None, reasons, ())


def test_a_reason_reads_as_its_text() -> None:
    assert str(SMALL) == SMALL.text
    assert Reason("agreement", "the mouth follows the speech").remedy == ""


@pytest.mark.parametrize("remedy", ["", " "])
def test_an_abstention_without_a_remedy_is_refused(remedy: str) -> None:
    bare = dataclasses.replace(SMALL, remedy=remedy)
    assert abstaining(SMALL).abstained == (SMALL,)
    with pytest.raises(ValueError, match="cue blur: the abstention too_small must have a remedy"):
        abstaining(SMALL, bare)
    assert finding("not_examinable", SMALL).reasons == (SMALL,)
    with pytest.raises(ValueError, match="finding resynthesis: the abstention too_small must have a remedy"):
        finding("not_examinable", SMALL, bare)


def test_a_finding_that_could_not_be_examined_says_why() -> None:
    with pytest.raises(ValueError, match="finding resynthesis: an abstention must have a reason"):
        finding("not_examinable")


def test_what_was_examined_needs_no_remedy() -> None:
    texture = Reason("texture", "nothing departs further than usual")
    assert finding("inconclusive", texture).reasons == (texture,)
    assert finding("inconclusive").reasons == ()


def test_a_score_and_an_abstention_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        dataclasses.replace(abstaining(SMALL), score=1.0)
    with pytest.raises(ValueError, match="exclude each other"):
        abstaining()


def ratio(log10_lr: float | None, bounds: tuple[float, float] | None) -> Finding:
    return Finding("resynthesis", "inconclusive", 1.0, log10_lr, bounds, (), ())


@pytest.mark.parametrize("log10_lr", [-2.0, 0.25, 1.5])
def test_a_ratio_lies_within_its_bounds(log10_lr: float) -> None:
    assert ratio(log10_lr, (-2.0, 1.5)).log10_lr == log10_lr


@pytest.mark.parametrize("log10_lr", [-2.01, 1.51, float("nan")])
def test_a_ratio_outside_of_its_bounds_is_refused(log10_lr: float) -> None:
    with pytest.raises(ValueError, match=r"finding resynthesis: .* lies outside of the bounds -2\.0 and 1\.5"):
        ratio(log10_lr, (-2.0, 1.5))


@pytest.mark.parametrize(("log10_lr", "bounds"), [(1.0, None), (None, (-2.0, 1.5))])
def test_a_ratio_and_its_bounds_go_together(log10_lr: float | None, bounds: tuple[float, float] | None) -> None:
    with pytest.raises(ValueError, match="finding resynthesis: a likelihood ratio and its bounds go together"):
        ratio(log10_lr, bounds)
    assert ratio(None, None).bounds is None


def test_explanations_are_no_reasons_and_need_no_remedy() -> None:
    dubbed = Reason("dubbing", "it was dubbed openly")
    made = dataclasses.replace(finding("not_examinable", SMALL), explanations=(dubbed,))
    assert (made.reasons, made.explanations) == ((SMALL,), (dubbed,))
    assert finding("inconclusive").explanations == ()
