# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video similarity: a rollout that is the reference scores 1, and everything else less."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.perception.encoders.efficientnet import EfficientNetEncoder
from nil_ext.perception.encoders.encoder import Encoder
from nil_ext.perception.masks import fit_frames
from nil_ext.perception.similarity import VideoSimilarity, cosine, negative_l2


class PlainEncoder(Encoder):
    """Stores the frame's red channel as it is."""

    name = "plain"
    per_frame = True

    def frame(self, rgb, mask):
        return torch.where(mask, rgb[..., 0], 255).flatten(1).float()

    def clip(self, features):
        return features.flatten(1)

    def manifest(self):
        return {"name": self.name}


def reference(num_frames: int = 20, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    masks = torch.rand(num_frames, size, size, generator=generator) < 0.5
    shades = torch.randint(0, 200, (num_frames, size, size, 3), generator=generator, dtype=torch.uint8)
    return shades.masked_fill(~masks.unsqueeze(-1), 255), masks


def test_cosine_by_hand():
    a = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [3.0, 4.0]])
    b = torch.tensor([[0.0, 2.0], [2.0, 2.0], [1.0, 0.0], [-3.0, -4.0]])
    torch.testing.assert_close(cosine(a, b), torch.tensor([0.0, 1.0, 0.0, -1.0]))
    # About the centre (1, 1): (0, -1).(-1, 1), (0, 0).(1, 1), (-1, -1).(0, -1), (2, 3).(-4, -5).
    expected = [-1 / 2**0.5, 0.0, 1 / 2**0.5, -23 / (13 * 41) ** 0.5]
    torch.testing.assert_close(cosine(a, b, torch.ones(2)), torch.tensor(expected))


def test_negative_l2_by_hand():
    a = torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    torch.testing.assert_close(negative_l2(a, torch.tensor([[0.0, 0.0], [1.0, 1.0]])), torch.tensor([-5.0, 0.0]))
    torch.testing.assert_close(negative_l2(a, torch.tensor([3.0, 1.0])), torch.tensor([-3.0, -2.0]))


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="Unknown similarity 'dot': use one of cosine, l2"):
        VideoSimilarity(PlainEncoder(), *reference(), 1, kind="dot")


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("clip_length", "stride", "every"), [(8, 1, 1), (4, 3, 1), (8, 1, 4), (3, 2, 3), (1, 1, 1)])
def test_a_rollout_that_is_the_reference_scores_one(centred, clip_length, stride, every):
    frames, masks = reference()
    similarity = VideoSimilarity(
        PlainEncoder(), frames, masks, 3, clip_length=clip_length, clip_stride=stride, every=every, centred=centred
    )
    # Three environments that start at frames 0, 5 and 9, and the second falls and starts again at step 7.
    start, since = torch.tensor([0, 5, 9]), torch.zeros(3, dtype=torch.long)
    similarity.reset()
    for step in range(11):
        if step == 7:
            similarity.reset(torch.tensor([1]))
            since[1] = 0
        index = start + since
        if step % every == 0:
            similarity.update(frames[index], masks[index], index)
        torch.testing.assert_close(similarity.value, torch.ones(3), atol=1e-5, rtol=0)
        since += 1


def test_every_other_frame_scores_less_and_the_next_frame_most():
    frames, masks = reference()
    similarity = VideoSimilarity(PlainEncoder(), frames, masks, 20, clip_length=1)
    similarity.reset()
    value = similarity.update(frames, masks, torch.zeros(20, dtype=torch.long))
    assert value[0] == pytest.approx(1.0, abs=1e-5) and (value[1:] < 0.3).all()


@pytest.mark.parametrize(("kind", "identical"), [("cosine", 1.0), ("l2", 0.0)])
def test_an_episode_counts_as_the_reference_until_its_first_frame(kind, identical):
    frames, masks = reference()
    similarity = VideoSimilarity(PlainEncoder(), frames, masks, 3, every=2, kind=kind)
    assert similarity.value.tolist() == [identical] * 3
    far = similarity.update(frames[:3].flip(1), masks[:3].flip(1), torch.tensor([7, 8, 9])).clone()
    assert (far < identical - 0.5).all()
    similarity.reset(torch.tensor([False, True, False]))
    assert similarity.value.tolist() == [far[0], identical, far[2]]
    similarity.update(frames[7:10], masks[7:10], torch.tensor([7, 8, 9]))
    assert similarity.value[1] == pytest.approx(identical, abs=1e-4)  # its history begins with this frame
    assert (similarity.value[[0, 2]] < identical - 1e-2).all()


def test_a_video_compared_in_no_step_is_refused():
    with pytest.raises(InputError, match="set film_every to 1 or more"):
        VideoSimilarity(PlainEncoder(), *reference(), 1, every=0)
    for clip in ({"clip_length": 0}, {"clip_stride": 0}, {"clip_stride": -1}):
        with pytest.raises(
            InputError, match=r"shows nothing: set env\.commands\.reference\.clip_length and clip_stride"
        ):
            VideoSimilarity(PlainEncoder(), *reference(), 1, **clip)


def test_the_reference_is_resized_to_the_cameras_size():
    frames, masks = reference(12, 96)
    encoder = EfficientNetEncoder()
    similarity = VideoSimilarity(encoder, frames, masks, 2, size=64)
    seen, seen_masks = fit_frames(frames, masks, 64)
    similarity.reset()
    for t in range(12):
        index = torch.tensor([t, t])
        value = similarity.update(seen[index], seen_masks[index], index)
        torch.testing.assert_close(value, torch.ones(2), atol=1e-5, rtol=0)


def test_real_poses_half_a_gait_apart_are_told_apart(shared, tmp_path):
    from nil_ext.reference import alignment
    from nil_ext.reference.segmenters import background
    from nil_ext.reference.video import decode_video

    path = shared / "references" / "h1_walk.mp4"
    frames, _ = decode_video(path)
    masks = background.segment(frames[:64]).masks
    fit = alignment.align(masks, masks[0], 30.0)
    images, aligned = alignment.apply(fit, frames[:64], masks, 380)
    images, aligned = fit_frames(torch.from_numpy(images), torch.from_numpy(aligned), 64)
    encoder = EfficientNetEncoder()
    features = encoder.frame(images, aligned)
    centre = features.mean(0)

    def apart(lag: int, about: torch.Tensor | None) -> float:
        return cosine(features[lag:], features[: len(features) - lag], about).mean().item()

    # A step takes 16 frames: raw cosines stay high half a step away, centred ones turn negative; one step later the
    # silhouettes look alike again.
    assert apart(8, None) > 0.75 and apart(8, centre) < -0.2
    assert apart(1, centre) > 0.6 and apart(16, centre) > apart(8, centre) + 0.3


@pytest.mark.parametrize(("clip_stride", "frames"), [(1, 8), (4, 29)])
def test_memory_of_an_environment(clip_stride, frames):
    """(n_T - 1) * clip_stride + 1 frames of 8 x 8 x 40 features of 4 bytes: 80 KiB for 8 of them."""
    streams = VideoSimilarity(EfficientNetEncoder(), *reference(4, 64), 3, clip_stride=clip_stride)
    assert streams.bytes_per_env == frames * 8 * 8 * 40 * 4


def test_histories_that_do_not_fit_name_the_setting():
    with pytest.raises(InputError, match=r"^The frame histories .* 8 KiB each, .*: lower env\.scene\.num_envs"):
        VideoSimilarity(PlainEncoder(), *reference(), 10**10)


def test_no_simulator_is_needed():
    code = (
        "import sys, nil_ext.perception.similarity, nil_ext.perception.encoders.efficientnet, nil_ext.reference\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('isaaclab', 'warp', 'transformers')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
