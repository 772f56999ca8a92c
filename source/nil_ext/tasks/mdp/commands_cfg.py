# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Configuration of the reference command."""

from __future__ import annotations

from dataclasses import MISSING

from isaaclab.managers import CommandTermCfg
from isaaclab.utils import configclass

from ...perception.encoders import TIMESFORMER


@configclass
class ReferenceCommandCfg(CommandTermCfg):
    """What to imitate, and how the rollout is compared with it."""

    class_type: type | str = "{DIR}.commands:ReferenceCommand"

    resampling_time_range: tuple[float, float] = (1.0e9, 1.0e9)
    """Never within an episode: a motion that is reset without a done flag would be bootstrapped across the cut."""

    filmed: bool = True
    """Whether steps are filmed and compared with the reference; else only while an evaluation reads along, and
    training runs at the speed of the physics (``--reward task``, ``--reward tracking``, and while a training follows
    joint angles first)."""

    film_every: int = 1
    """Film all robots and compare them with the reference in every k-th control step, and hold the imitation streams
    between (1 is the paper). The first step after all were reset together is filmed, as in an evaluation; an episode
    that begins between filmed steps counts as the reference until then, which it begins as."""

    asset_name: str = "robot"
    """Articulation that imitates."""

    camera_name: str = "camera"
    """Tiled camera that films it."""

    task: str = MISSING
    """Task id; names the embedded reference that is used when ``path`` is empty."""

    robot: str = MISSING
    """Robot name; a reference of another robot is refused."""

    path: str = ""
    """A prepared reference folder or a video file."""

    lift: bool = False
    """Whether the motion of a clip is found where it is not known: some minutes, then it is in the cache."""

    frame_per_step: bool = False
    """Whether each control step shows the reference's next frame, whatever its rate (the paper's literal alignment);
    else the reference is resampled to the control rate, by time."""

    camera_distance: float = MISSING
    """Distance of the camera from the root, along -y [m]."""

    camera_height: float = MISSING
    """Height of the point that the camera looks at above the ground [m]; seen from the side, its own height too."""

    camera_follows: str = "robot"
    """What the camera keeps in the middle of its picture: the ``robot`` (the paper), or the ``reference``, where its
    robot would be by now. Then one that is slower leaves the picture, so that the video itself tells how fast it goes.
    Only where the reference's motion is known, as a sketch's and a lifted clip's is."""

    camera_azimuth: float | None = None
    """How far the camera stands ahead of the robot's side [deg]: 0 is the side view, 90 would be from the front; None
    is where the reference shows the robot from. Another angle than that is refused: it is for drawing a sketch."""

    camera_elevation: float | None = None
    """How far the camera looks down [deg], or None, likewise; MuJoCo's elevation with the other sign. A clip's is found
    by the lift."""

    encoder: str = "timesformer"
    """Frozen encoder of the video similarity: ``timesformer`` (the paper; needs its weights) or ``efficientnet`` (comes
    with the packages; the ``cpu`` profile). Never swapped for another one: without weights the program says so and
    ends."""

    encoder_size: int = 0
    """Side of the encoder's input [pixel]; 0 is the encoder's own (efficientnet: 64, timesformer: 224, fixed)."""

    encoder_weights: str = TIMESFORMER
    """Local folder or hub id of a TimeSformer. What is on this machine goes first."""

    encoder_pooling: str = "mean"
    """What is kept of the TimeSformer's final hidden state: ``mean`` of the tokens, ``class`` token, or ``flat``."""

    encoder_precision: str = "fp32"
    """``fp32`` or ``bf16`` (timesformer)."""

    encoder_compiled: bool = False
    """Whether the TimeSformer goes through torch.compile."""

    encoder_batch: int = 64
    """Clips in one forward pass of the TimeSformer: lower it where memory runs out."""

    encoder_tokens: float = 1.0
    """Share of a clip's patches that the TimeSformer looks at, those that show most of the robot; 1 is the paper."""

    encoder_runtime: str = "auto"
    """What runs the efficientnet: ``onnx`` (ONNX Runtime, CPUs only), ``torch``, or the faster one on the device."""

    similarity: str = "cosine"
    """How embeddings are compared: ``cosine`` in [-1, 1] (CVPR), or ``l2``, their negative distance (arXiv v1)."""

    clip_length: int = 8
    """Frames in a clip, n_T (the paper: 8)."""

    clip_stride: int = 1
    """Filmed steps between neighbours of a clip. Eight consecutive frames at 100 Hz span only 70 ms."""

    centred: bool = False
    """Subtract the reference's mean clip embedding before the cosine; off is the paper's plain cosine.

    With the plain one a robot that stands still scores nearly as high as one that moves with the reference."""

    mask_score: str = "iou"
    """``iou`` is the paper's; ``soft`` blurs both masks and weighs pixels by how much the reference changes there;
    ``shaped`` is the mean of ``soft`` and exp(-(1 - soft) / 0.2). The plain IoU is logged with each of them."""

    lookahead: tuple[float, ...] = (0.04, 0.12)
    """Times ahead at which the policy sees the code of the reference's mask [s]."""

    code_size: int = 6
    """Coefficients of a mask's code; 0 for none, where the joint positions are observed."""

    observe_motion: bool = False
    """Whether the policy also sees the reference's joint positions at those times, where its motion is known. A side
    view's mask does not tell the left leg from the right one; they do."""

    start_along_reference: float = 0.0
    """Share of episodes that start at a random frame in the first 80 % of the reference, where its motion is within the
    fall limits; the rest start at e0.

    Only where the reference's motion is known, as a sketch's is: with a clip every episode starts at e0."""

    lost_below: float = 0.0
    """Plain mask IoU below which an episode ends as by a fall, because nothing is left to imitate; 0 is never (the
    paper). A robot that lies down or turns away is cut short long before a fall limit notices."""
