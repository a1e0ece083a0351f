"""The rules against a model that counts half seconds one by one, and what must hold whatever the rules are."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from encoder.grid import SAMPLE_RATE
from stream_monitor.intervals import Interval, union
from stream_monitor.verdict_policy import STRICTNESS, Action, Found, VerdictRule, VerdictSettings

UNIT = SAMPLE_RATE // 2
"""The model's grain: half a second."""
UNITS = 40

span = st.tuples(st.integers(0, UNITS), st.integers(0, UNITS)).map(lambda pair: (min(pair), max(pair)))
plays = st.lists(
    st.builds(
        lambda track, match_type, confidence, span: Found(
            track_id=f"t{track}", work_id=f"w{track // 2}", match_type=match_type, confidence=confidence, span=span
        ),
        track=st.integers(0, 3),
        match_type=st.sampled_from(("recording", "version", "unknown")),
        confidence=st.sampled_from((0.2, 0.5, 0.9, 1.0)),
        span=span,
    ),
    max_size=5,
)
"""In units."""
named = st.sampled_from(("t0", "t1", "t2", "w0", "w1"))
rules = st.builds(
    lambda action, min_confidence, match_types, tracks, matched, min_share: VerdictRule(
        name="r", action=action, min_confidence=min_confidence, match_types=match_types, tracks=tracks,
        min_matched_s=matched / 2, min_share=min_share,
    ),
    action=st.sampled_from(("review", "block")),
    min_confidence=st.sampled_from((0.0, 0.5, 0.9)),
    match_types=st.none() | st.just(("recording",)) | st.just(("version", "unknown")),
    tracks=st.none() | st.lists(named, min_size=1, max_size=2).map(tuple),
    matched=st.integers(0, UNITS // 2),
    min_share=st.sampled_from((0.0, 0.25, 0.5, 1.0)),
)  # fmt: skip
policies = st.builds(
    lambda made, allowed, incomplete: VerdictSettings(
        rules=tuple(rule.model_copy(update={"name": f"r{place}"}) for place, rule in enumerate(made)),
        allowed_tracks=tuple(allowed),
        incomplete=incomplete,
    ),
    made=st.lists(rules, max_size=4),
    allowed=st.lists(named, max_size=1),
    incomplete=st.sampled_from(("review", "block")),
)


def in_samples(found: list[Found]) -> list[Found]:
    """The plays as the policy gets them."""
    return [
        Found(
            track_id=play.track_id,
            work_id=play.work_id,
            match_type=play.match_type,
            confidence=play.confidence,
            span=(play.span[0] * UNIT, play.span[1] * UNIT),
        )
        for play in found
    ]


def heard_samples(heard: set[int]) -> list[Interval]:
    """What was heard, as the policy gets it."""
    return union((unit * UNIT, (unit + 1) * UNIT) for unit in heard)


def model(
    policy: VerdictSettings, found: list[Found], heard: set[int], duration: int | None, whole: bool
) -> tuple[Action, tuple[str, ...]]:
    """What the settings' docstrings say, as slowly as that."""
    holding = []
    for rule in policy.rules:
        covered: set[int] = set()
        fitting = 0
        for play in found:
            names = {play.track_id, play.work_id}
            if names & set(policy.allowed_tracks) or play.confidence < rule.min_confidence:
                continue
            if rule.match_types is not None and play.match_type not in rule.match_types:
                continue
            if rule.tracks is not None and not names & set(rule.tracks):
                continue
            fitting += 1
            covered |= set(range(*play.span)) & heard
        long_enough = Fraction(len(covered), 2) >= Fraction(rule.min_matched_s)
        if rule.min_share:
            share = Fraction(len(covered), duration) if duration else Fraction(0)
            long_enough = long_enough and share >= Fraction(rule.min_share)
        if fitting and long_enough:
            holding.append(rule)
    actions: list[Action] = ["allow" if whole else policy.incomplete, *(rule.action for rule in holding)]
    return max(actions, key=lambda action: STRICTNESS[action]), tuple(rule.name for rule in holding)


@given(policies, plays, st.sets(st.integers(0, UNITS - 1)), st.none() | st.just(UNITS), st.booleans())
def test_the_policy_is_what_its_words_say(
    policy: VerdictSettings, found: list[Found], heard: set[int], duration: int | None, whole: bool
) -> None:
    """Whatever plays overlap, however little was heard, early and at the end."""
    judged = policy.judge(
        in_samples(found),
        heard_samples(heard),
        duration_samples=None if duration is None else duration * UNIT,
        whole=whole,
    )
    assert judged == model(policy, found, heard, duration, whole)


@given(policies, plays, plays, st.sets(st.integers(0, UNITS - 1)), st.sets(st.integers(0, UNITS - 1)), st.booleans())
def test_more_is_never_milder(
    policy: VerdictSettings, found: list[Found], more: list[Found], heard: set[int], later: set[int], whole: bool
) -> None:
    """What held early holds at the end, when more was found and heard and the length is known."""
    early, holding = policy.judge(in_samples(found), heard_samples(heard), duration_samples=None, whole=True)
    last, still = policy.judge(
        in_samples(found + more), heard_samples(heard | later), duration_samples=UNITS * UNIT, whole=whole
    )
    assert STRICTNESS[last] >= STRICTNESS[early]
    assert set(holding) <= set(still)
