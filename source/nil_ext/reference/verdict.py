# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What the numbers of a clip mean: findings by name, a verdict, and the refusal of what cannot be imitated.

Every limit lies between the four real clips of ``docs/references.md`` as they are and copies that were damaged on
purpose (``damages``); the table there shows on which side each cell falls.
"""

from __future__ import annotations

import numpy as np

from nil_ext.errors import ClipError
from nil_ext.reference.quality import MIN_REACHABLE, reachable_numbers

USE, CARE, REFUSE = "use", "use with care", "do not use"

MAX_CUT = 0.1
"""Share of frames in which the robot may touch the picture's rim (ours); above MAX_TOUCH care is advised."""

MAX_TOUCH = 0.02
"""See MAX_CUT."""

MAX_EMPTY = 0.02
"""Share of frames without a robot (ours)."""

MAX_SECOND = 0.3
"""Area of a second figure, as a share of the robot's, above which it is another robot (ours)."""

MAX_EXTRA = 0.03
"""Area of the largest thing beside the robot that is not mentioned (ours; the A1 clip's marker has 0.06)."""

MAX_ASPECT = 2.5
"""Factor by which width over height may differ from the start pose's (ours): a stride is wide, lying is wider."""

MAX_TURNED = 0.05
"""IoU by which the start pose turned over may fit the clip better than as it is (ours). The right way round wins by
0.10 for the real H1 clip, whose gait is not the start pose's, and by 0.6 for the sketch."""

MIN_SLIDE = 0.06
"""Speed of the standing foot in the picture that tells where the robot walks [sizes/s] (ours: 0.18 to 0.48 in the real
clips, 0.08 in the slowest slowed one)."""

MIN_FIT = 0.3
"""IoU with the start pose that the best frame must reach (ours): the real H1 clip has 0.48, the sketch 0.99, the sketch
upside down 0.24."""

AREA_RANGE = (0.6, 1.4)
"""Area of the figure relative to the start pose's (ours): 1.04 for the real H1 clip; 1.5 for a G1's and 1.75 for a
Talos's brought to the H1's height."""

MIN_KEPT = 0.95
"""Share of the robot's area that the camera's picture must hold in the median frame (ours)."""

MAX_FADED = (0.15, 0.6)
"""Change of the robot's contrast: care, refusal (real clips 0.01, faded ones 0.42 to 0.45)."""

MAX_ZOOM = (0.1, 0.4)
"""Change of its height: care, refusal (real clips 0.05, zoomed ones 0.15 to 0.22)."""

MAX_NARROWED = (0.15, 0.11)
"""Change of its stride's width and of its area, both against its height (real clips 0.09 and 0.02, turned ones 0.20 to
0.25 and 0.20 to 0.26; fading takes up to 0.06 of the area)."""

MAX_IDENTITY = 20.0
"""Change of the colours of its bands [8-bit levels] (real clips 1 to 5, faded ones 9; no other look was tried)."""

MAX_AREA_JUMP = 0.35
"""Change of the area in one step (real clips 0.14, the shadowed ones 0.28)."""

MAX_SHADOW = 0.3
"""Length of the strip that stays dark under the robot (real clips 0.00, shadowed ones 0.55 to 0.68)."""

MAX_JITTER = 0.015
"""Jitter of its trunk (real clips 0.005; 0.05 of the size is a leg's width)."""

MAX_REPEATED = (0.1, 0.5)
"""Share of repeated frames: care, refusal (the A1 clip repeats every fifth: 0.22; the others 0.01)."""

MAX_FROZEN = 0.25
"""Longest standstill in a clip that moves [s] (real clips 0.07, frozen ones 1.0)."""

MAX_GAPS = 0.06
"""Share of frames that follow a gap (real clips 0.00, the A1 clip 0.04; a seventh of the frames lost: 0.07 to 0.10)."""

GAIT_PERIODS = {"H1": 0.51, "G1": 0.45, "Talos": 0.53, "A1": 0.95}
"""Expected period [s]: one step of a biped, 0.545 s (110 steps/min) for a human leg of 0.9 m and going with the square
root of the leg's length (0.8, 0.6, 0.85 m); for the A1 a stride, from what its real clip does. A prior: one clip alone
cannot tell a slow walk from slow motion."""

MAX_PACE = 1.6
"""Factor by which the period may differ from the expected one (ours)."""


MIN_MEDIAN_REACHABLE = 0.7
"""IoU with the best pose found that half of the frames must reach (ours: 0.75 to 0.88 in the real clips, 0.58 for a
Talos taken for an H1). Below it the mask IoU of no policy can be good."""

MAX_UNREACHED = 0.02
"""Share of frames that may look like no pose found (ours: none in the real clips, nor where RIFE has drawn
frames between the H1's; 4.0 % in its turned copy)."""

MIN_SUPPORTED = 0.7
"""Share of frames in which at least half of the feet must be on the ground (ours: 1.00 in the four sketches, 0.85 in
two strides of the A1's once lifted, 0.96 in the H1's real clip, 0.49 in the A1's, whose legs hover). Running has
fewer."""

_REACHABLE, _HOVERING = "reachable IoU", "hovering feet"


def refuse_clip(path: str, numbers: dict) -> None:
    """Refuse a segmented clip that cannot be aligned, with the reason and the remedy."""
    if numbers["empty_frames"] > MAX_EMPTY:
        raise ClipError(
            f"{path}: no robot found in {numbers['empty_frames']:.0%} of the frames: give a clip of one robot that "
            "stands out from a plain background."
        )
    if numbers["second_figure"] > MAX_SECOND:
        raise ClipError(
            f"{path}: a second figure of {numbers['second_figure']:.0%} of the robot's size: give a clip of one robot."
        )
    aspect = numbers["aspect"]
    if not 1 / MAX_ASPECT < aspect < MAX_ASPECT:
        raise ClipError(
            f"{path}: the figure's width to height is {aspect:.1f} times that of the robot at its start pose (lying, "
            "or another robot): give an upright side view of the task's robot."
        )


def refuse_framing(path: str, numbers: dict) -> None:
    """Refuse an aligned clip of which some frames show nothing of the robot: no more can be said of it."""
    if numbers["kept"] == 0.0:
        raise ClipError(f"{path}: {_cut(numbers) if numbers['cut_frames'] > MAX_CUT else _leaves(numbers)}")


def _leaves(numbers: dict) -> str:
    return (
        f"scaled to the task's robot, the figure leaves the camera's picture ({numbers['kept']:.0%} of it remains): "
        "give a clip whose camera follows the robot at a fixed distance."
    )


def _cut(numbers: dict) -> str:
    return (
        f"the picture cuts the robot ({', '.join(numbers['cut_sides']) or 'rim'}) in {numbers['cut_frames']:.0%} of "
        "the frames: give a clip that shows all of it with a margin."
    )


def faces_left(numbers: dict) -> bool:
    """Whether the clip is mirrored.

    So it is where the mirror image of the start pose fits it better, and no walk to the right speaks against it.

    The foot that stands slides against the walk. Where it slides to the left the robot walks to the right and is not
    mirrored; where it slides to the right any better fit of the mirror image will do; else the fit must be clear.
    """
    slide = numbers["foot_slide"]
    if slide < -MIN_SLIDE:
        return False
    margin = 0.0 if slide > MIN_SLIDE else MAX_TURNED
    return numbers["best_iou_mirrored"] > numbers["best_iou"] + margin


def judge(numbers: dict, robot: str) -> dict:
    """Findings and verdict.

    Args:
        numbers: of ``quality`` and ``measurements``.
        robot: name of the task's robot.

    Returns:
        ``verdict``, and ``findings`` as [name, level, text].
    """
    findings = [*_wrong_figure(numbers), *_slow_changes(numbers), *_other_things(numbers), *_time(numbers, robot)]
    return {"verdict": _worst(findings), "findings": findings}


def with_lift(quality: dict, iou: np.ndarray, supported: float, speed: float, rate: float) -> dict:
    """A report with what is known once the clip was lifted, and what follows from it.

    Args:
        quality: the report so far.
        iou: (T,) of each mask with the silhouette of the pose found for it.
        supported: share of frames in which at least half of the feet are on the ground.
        speed: mean forward speed [m/s].
        rate: frames per second [Hz].
    """
    numbers = reachable_numbers(iou, rate)
    findings = [finding for finding in quality["findings"] if finding[0] not in (_REACHABLE, _HOVERING)]
    lost = np.array(numbers["unreached"], dtype=int)
    if len(lost) > MAX_UNREACHED * len(iou):
        text = (
            f"in {len(lost)} of {len(iou)} frames ({times_of(lost, rate)}) no pose of this robot that was found looks "
            f"like the mask (IoU below {MIN_REACHABLE:g})."
        )
        findings.append([_REACHABLE, CARE, text])
    elif numbers["median"] < MIN_MEDIAN_REACHABLE:
        text = f"no pose of this robot that was found looks much like the masks (median IoU {numbers['median']:.2f})."
        findings.append([_REACHABLE, CARE, text])
    if supported < MIN_SUPPORTED:
        text = (
            f"in {1.0 - supported:.0%} of the frames fewer than half of the feet are on the ground: no walk on flat "
            "ground looks like that."
        )
        findings.append([_HOVERING, CARE, text])
    report = {"reachable_iou": numbers, "supported": supported, "speed": speed}
    return quality | report | {"verdict": _worst(findings), "findings": findings}


def times_of(frames: np.ndarray, rate: float) -> str:
    """Stretches of frames (ascending numbers) as times, the longest five."""
    pieces = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    longest = sorted(sorted(pieces, key=len)[-5:], key=lambda piece: piece[0])
    named = [f"{p[0] / rate:.2f}" + (f" to {p[-1] / rate:.2f} s" if len(p) > 1 else " s") for p in longest]
    return ", ".join(named) + (f" and {len(pieces) - 5} more stretches" if len(pieces) > 5 else "")


def _worst(findings: list[list[str]]) -> str:
    """The verdict that the findings amount to."""
    levels = [level for _, level, _ in findings]
    return REFUSE if REFUSE in levels else CARE if CARE in levels else USE


def _wrong_figure(n: dict) -> list[list[str]]:
    """What is no picture of the task's robot at all."""
    found = []
    if n["cut_frames"] > MAX_CUT:
        found.append(["border", REFUSE, _cut(n)])
    if n["kept"] < MIN_KEPT:
        found.append(["framing", REFUSE, _leaves(n)])
    if n["repeated"] > MAX_REPEATED[1] or n["change"] == 0.0:
        found.append(["frozen", REFUSE, "the robot stands still: give a clip in which it does what it is to learn."])
    # a mirrored robot may be nearer to the start pose upside down than upright
    if n["best_iou_upside_down"] > max(n["best_iou"], n["best_iou_mirrored"]) + MAX_TURNED:
        found.append(["upside down", REFUSE, "the robot is upside down: flip the clip vertically."])
    elif faces_left(n):
        text = "the robot faces left, the task's robot faces right: mirror the clip (--flip yes)."
        found.append(["flipped", REFUSE, text])
    if not AREA_RANGE[0] < n["area"] < AREA_RANGE[1] or n["best_iou"] < MIN_FIT:
        text = (
            f"the figure is not the task's robot, or not upright (area {n['area']:.2f} times the start pose's, best "
            f"overlap {n['best_iou']:.2f}): give a side view of this robot that faces right."
        )
        found.append(["other figure", REFUSE, text])
    return found


def _slow_changes(n: dict) -> list[list[str]]:
    """What changes over the clip."""
    found = []
    faded, zoom = n["contrast_change"], n["scale_change"]
    if abs(faded) > MAX_FADED[0]:
        text = f"the robot {'fades' if faded < 0 else 'darkens'}: its contrast changes by {faded:+.0%} over the clip."
        found.append(["fading", REFUSE if faded < -MAX_FADED[1] else CARE, text])
    if abs(zoom) > MAX_ZOOM[0]:
        text = f"the camera zooms: the robot's height changes by {zoom:+.0%} over the clip (--alignment smoothed)."
        found.append(["zoom", REFUSE if abs(zoom) > MAX_ZOOM[1] else CARE, text])
    if abs(n["width_change"]) > MAX_NARROWED[0] or abs(n["area_change"]) > MAX_NARROWED[1]:
        text = (
            f"the robot turns: against its height, its stride's width changes by {n['width_change']:+.0%} and its area "
            f"by {n['area_change']:+.0%} over the clip."
        )
        found.append(["turning", CARE, text])
    if n["identity_change"] > MAX_IDENTITY:
        text = f"the robot's colours change by {n['identity_change']:.0f} levels from head to foot: another look."
        found.append(["identity", CARE, text])
    return found


def _other_things(n: dict) -> list[list[str]]:
    """What is in the picture beside the robot, and what is missing of it."""
    found = []
    if n["shadow"] > MAX_SHADOW:
        text = f"a shadow lies under the robot, {n['shadow']:.2f} of its size long: the masks hold it."
        found.append(["shadow", CARE, text])
    if n["marks"]:
        text = f"something stands still in the picture ({', '.join(n['marks'])}): a watermark, a caption or a marker."
        found.append(["mark", CARE, text])
    if n["second_figure"] > MAX_EXTRA:
        text = f"something else of {n['second_figure']:.0%} of the robot's area is in the picture; it is left out."
        found.append(["extra object", CARE, text])
    if MAX_TOUCH < n["cut_frames"] <= MAX_CUT:
        found.append(["border", CARE, f"the robot touches the picture's rim in {n['cut_frames']:.0%} of the frames."])
    if n["area_jump"] > MAX_AREA_JUMP:
        text = f"the robot's area jumps by {n['area_jump']:.0%} in one step: limbs or haze come and go."
        found.append(["area jump", CARE, text])
    return found


def _time(n: dict, robot: str) -> list[list[str]]:
    """How the clip moves."""
    found = []
    if n["cuts"]:
        text = f"a hard cut at {', '.join(f'{t:.2f}' for t in n['cuts'][:5])} s: use one side of it (--trim)."
        found.append(["cut", REFUSE, text])
    if n["frozen_for"] > MAX_FROZEN and n["repeated"] <= MAX_REPEATED[1]:
        text = f"the clip stands still for {n['frozen_for']:.2f} s from {n['frozen_from']:.2f} s on."
        found.append(["frozen", CARE, text])
    elif MAX_REPEATED[0] < n["repeated"] <= MAX_REPEATED[1]:
        found.append(["repeated frames", CARE, f"{n['repeated']:.0%} of the frames repeat the one before."])
    if n["gaps"] > MAX_GAPS:
        found.append(["dropped frames", CARE, f"{n['gaps']:.0%} of the frames follow a gap: frames are missing."])
    if n["jitter"] > MAX_JITTER:
        found.append(["jitter", CARE, f"the trunk shakes by {n['jitter']:.1%} of the robot's size."])
    return found + _gait(n, robot)


def _gait(n: dict, robot: str) -> list[list[str]]:
    """Whether there is a gait, and at the robot's pace."""
    period, expected = n["gait_period"], GAIT_PERIODS.get(robot)
    if period is None:
        return [["irregular", CARE, "no regular gait: the legs do not repeat what they do."]]
    if expected is not None and period > MAX_PACE * expected:
        text = f"slow motion: the gait repeats every {period:.2f} s, {period / expected:.1f} times what is expected."
        return [["slow", CARE, text]]
    if expected is not None and period < expected / MAX_PACE:
        text = f"too fast: the gait repeats every {period:.2f} s, {period / expected:.1f} times what is expected."
        return [["fast", CARE, text]]
    return []


def refuse(path: str, quality: dict) -> None:
    """Refuse a judged clip that is not to be used, with the first reason."""
    for _, level, text in quality["findings"]:
        if level == REFUSE:
            raise ClipError(f"{path}: {text}")


def summary(quality: dict) -> str:
    """One line for a person."""
    period = quality["gait_period"]
    names = ", ".join(name for name, _, _ in quality.get("findings", []))
    return (
        f"reference quality: {quality.get('verdict', 'not judged')}{f' ({names})' if names else ''}; start IoU "
        f"{quality['start_iou']:.2f} (best {quality['best_iou']:.2f}), area {quality['area']:.2f} of the start "
        f"pose's, repeats every {'?' if period is None else f'{period:.2f}'} s, {_reachable(quality)}"
        f"{_mocap(quality)}"
    )


def notes(quality: dict) -> list[str]:
    """Lines for a contact sheet: the verdict first, then each finding; none for what was not judged."""
    if "verdict" not in quality:
        return []
    return [
        f"{quality['verdict']}; {_reachable(quality)}{_mocap(quality)}",
        *(text for _, _, text in quality["findings"]),
    ]


def _reachable(quality: dict) -> str:
    """The reachable IoU and the speed in words: only a lift knows them."""
    found, speed = quality.get("reachable_iou"), quality.get("speed")
    if not found:
        return "reachable IoU not measured"
    text = f"reachable IoU {found['median']:.2f} (low {found['low']:.2f})"
    return text if speed is None else f"{text}, lifted speed {speed:.2f} m/s"


def _mocap(quality: dict) -> str:
    """The distance to a film of motion capture in words; nothing where none was at hand."""
    found = quality.get("mocap")
    return f", {found['variant']} to mocap {found['mean']:.3f}" if found else ""


def ranking(quality: dict) -> tuple:
    """What candidates are sorted by, the best first: verdict, number of findings, overlap with e0."""
    return (USE, CARE, REFUSE).index(quality["verdict"]), len(quality["findings"]), -quality["best_fit"]
