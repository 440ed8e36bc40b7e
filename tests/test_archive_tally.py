from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from archives import made_store
from lipaccord.archive.filters import chosen_method
from lipaccord.archive.store import open_store
from lipaccord.archive.tally import SCHEMA, expectations, tally
from lipaccord.errors import ArchiveError
from made_archives import LACKING, OTHER, Made, decide, failed, gist, store_of, unrelated

REACHED: dict[str, Any] = {"suspicious": 0.9, "innocent": 0.02, "groups": [7, 99]}
NOT_REACHED: list[Any] = [None, {}, {"innocent": "many", "groups": [1, 2]}, {"innocent": 0.1, "groups": [1]}]


def tallied(path: Path, base_rate: float | None = None) -> dict[str, Any]:
    with open_store(path) as store:
        return tally(store, None, base_rate)


def expected(path: Path, base_rate: float) -> dict[str, Any]:
    with open_store(path) as store:
        return expectations(store, chosen_method(store, None), base_rate)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_of(
        tmp_path / "archive.db",
        Made([unrelated(1.0)], carried={"speaker": "Ada"}),
        Made([gist(0.1), gist(0.2)], carried={"speaker": "Ada"}),
        Made([LACKING], carried={"speaker": "Mary"}),
        failed(),
        Made(),
    )


def test_every_clip_counts_once_whatever_came_of_it(path: Path) -> None:
    found = tallied(path)
    assert found["schema"] == SCHEMA
    assert found["clips"] == 5
    assert found["statuses"] == {"examined": 2, "not_examinable": 1, "failed": 1, "waiting": 1}
    sync = found["findings"]["sync"]
    assert sync == {"statuses": {"inconclusive": 1, "not_examinable": 1, "unrelated": 1}, "judged": 2}
    assert found["errors"] == {"UnreadableMedia": 1}
    assert found["reasons"] == {"no_face": 1}
    assert found["footage_s"] == 30.0
    assert found["base_rate"] is found["expected"] is None


def test_speakers_are_counted_and_those_with_most_clips_named(path: Path) -> None:
    assert tallied(path)["speakers"] == {
        "number": 2,
        "most": [
            {"speaker": "Ada", "clips": 2, "examined": 2, "claimed": 1},
            {"speaker": "Mary", "clips": 1, "examined": 0, "claimed": 0},
        ],
    }


def test_a_clip_that_changed_waits(path: Path) -> None:
    with open_store(path) as store, store.change() as connection:
        connection.execute("UPDATE clip SET mark = 'new' WHERE id = 1")
    found = tallied(path)
    assert found["statuses"]["waiting"] == 2
    assert "unrelated" not in found["findings"]["sync"]["statuses"]


def test_work_of_a_content_that_two_clips_have_counts_once(tmp_path: Path) -> None:
    same = "ab" * 32
    path = store_of(tmp_path / "a.db", Made([gist()], sha256=same), Made([gist()], sha256=same))
    found = tallied(path)
    assert (found["footage_s"], found["work"]["work_s"], found["work"]["footage_per_work"]) == (20.0, 5.0, 2.0)


def test_decisions_are_counted_by_what_they_say(path: Path) -> None:
    with open_store(path) as store:
        decide(store, 1, "confirm", "sound")
        decide(store, 2, "dismiss")
        decide(store, 3, "dismiss")
    assert tallied(path)["decisions"] == {"dismiss": 2, "confirm sound": 1}


def test_the_newest_method_is_counted(path: Path) -> None:
    store_of(path, Made([gist()]), method=OTHER)
    found = tallied(path)
    assert found["method"]["digest"] == OTHER.digest
    assert found["statuses"] == {"examined": 1, "not_examinable": 0, "failed": 0, "waiting": 4}


def test_a_store_of_failures_only_has_figures(tmp_path: Path) -> None:
    found = tallied(store_of(tmp_path / "a.db", failed(), failed()), 0.01)
    assert found["statuses"]["failed"] == 2
    assert found["work"]["footage_per_work"] is None
    assert found["expected"]["sync"]["judged"] == {"clips": 0, "turns": 0, "altered": 0.0, "authentic": 0.0}
    assert found["expected"]["sync"]["false_claims"] is None


def test_an_empty_store_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db", create=True) as store, pytest.raises(ArchiveError, match="archive score"):
        tally(store)


def test_one_clip_has_the_posterior_of_its_ratio(tmp_path: Path) -> None:
    found = expected(store_of(tmp_path / "a.db", Made([unrelated(2.0)])), 0.01)["sync"]
    assert found["judged"]["altered"] == pytest.approx(0.01 * 100 / (0.99 + 0.01 * 100))
    assert found["judged"] == found["claimed"] == found["first"]
    assert found["judged"]["altered"] + found["judged"]["authentic"] == pytest.approx(1)


def test_a_clip_counts_with_the_mean_ratio_of_its_turns(tmp_path: Path) -> None:
    turns = [gist(-1.0, sync_log10_lr=-1.0), unrelated(2.0), gist(0.0), LACKING]
    found = expected(store_of(tmp_path / "a.db", Made(turns)), 0.01)["sync"]
    ratio = (0.1 + 100 + 1) / 3
    assert found["claimed"]["altered"] == pytest.approx(0.01 * ratio / (0.99 + 0.01 * ratio))
    assert (found["judged"]["clips"], found["judged"]["turns"], found["claims"]) == (1, 3, 1)


def test_a_claim_in_any_turn_counts_and_not_only_in_the_one_that_leads(tmp_path: Path) -> None:
    turns = [unrelated(0.8, triage=0.1), gist(3.0, resynthesis_log10_lr=3.0, resynthesis_status="resynthesised")]
    found = expected(store_of(tmp_path / "a.db", Made(turns)), 0.01)
    assert [found[name]["claimed"]["clips"] for name in ("sync", "resynthesis")] == [1, 1]


def test_offsets_and_stretches_are_no_claim_of_the_ratio(tmp_path: Path) -> None:
    turns = [gist(0.0, sync_status="offset"), gist(0.0, sync_status="partly_unrelated")]
    assert expected(store_of(tmp_path / "a.db", Made(turns)), 0.01)["sync"]["claimed"]["clips"] == 0


def test_every_turn_is_one_more_chance_of_a_false_claim(tmp_path: Path) -> None:
    made = {"findings": {"sync": {"reached_by": REACHED}}}
    path = store_of(tmp_path / "a.db", Made([gist(), gist(), unrelated(1.2), unrelated(0.9)], analysis=made))
    false = expected(path, 0.1)["sync"]["false_claims"]
    assert (false["log10_lr"], false["share"], false["groups"]) == (0.9, 0.02, 99)
    assert false["turns"] == pytest.approx(0.02 * 4 * 0.9)
    assert false["turns_at_most"] == pytest.approx((0.02 * 99 + 1) / 100 * 4 * 0.9)


@pytest.mark.parametrize("reached", NOT_REACHED)
def test_an_analysis_that_does_not_say_what_was_reached_gives_no_false_claims(tmp_path: Path, reached: Any) -> None:
    made = {"findings": {"sync": {"reached_by": reached}}}
    path = store_of(tmp_path / "a.db", Made([unrelated(1.0)], analysis=made))
    assert expected(path, 0.1)["sync"]["false_claims"] is None


def test_expected_numbers_are_right_where_the_ratios_are(tmp_path: Path) -> None:
    # 2 of 22 are altered: a measurement of ratio 10 comes from 1 of the 2 and 1 of the 20, one of 10/19 from the rest
    clips = [*[Made([unrelated(1.0)])] * 2, *[Made([gist(0.0, sync_log10_lr=math.log10(10 / 19))])] * 20]
    found = expected(store_of(tmp_path / "a.db", *clips), 2 / 22)["sync"]
    assert found["claimed"]["altered"] == pytest.approx(1)
    assert found["judged"]["altered"] == pytest.approx(2)


def test_a_ratio_beyond_all_bounds_is_no_trouble(tmp_path: Path) -> None:
    path = store_of(tmp_path / "a.db", Made([unrelated(1e300)]))
    assert expected(path, 0.001)["sync"]["judged"]["altered"] == pytest.approx(1)


def test_shares_of_a_large_store_are_those_that_were_made(tmp_path: Path) -> None:
    found = tallied(made_store(tmp_path / "a.db", 1000), 0.001)
    assert found["statuses"] == {"examined": 750, "not_examinable": 200, "failed": 50, "waiting": 0}
    assert found["expected"]["sync"]["judged"]["clips"] == 750
    assert found["expected"]["sync"]["first"]["clips"] == 100
