# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""The TimeSformer encoder against transformers' own forward pass and image processor, on a tiny random model."""

from __future__ import annotations

import functools
import json

import pytest
import torch
from transformers import AutoImageProcessor, TimesformerModel

from nil_ext.errors import InputError
from nil_ext.perception.encoders import make_encoder
from nil_ext.perception.encoders.timesformer import TimesformerEncoder
from nil_ext.perception.similarity import VideoSimilarity, cosine


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def video(num: int = 12, size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """A patterned square that moves to the right on white: frames (T, S, S, 3) and masks (T, S, S)."""
    generator = torch.Generator().manual_seed(3)
    texture = torch.randint(0, 200, (size, size, 3), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(num, size, size, dtype=torch.bool)
    for t in range(num):
        left = (size // 16 * t) % (size // 2)
        masks[t, size // 4 : 3 * size // 4, left : left + size // 3] = True
    return texture.expand(num, -1, -1, -1).masked_fill(~masks.unsqueeze(-1), 255), masks


def plain_hidden(folder, clip: torch.Tensor) -> torch.Tensor:
    """Final hidden state (1, tokens, C) of transformers' model and processor for frames (8, H, W, 3) uint8."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = TimesformerModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**processor(list(clip.numpy()), return_tensors="pt")).last_hidden_state


POOL = {"mean": lambda h: h.mean(dim=1), "class": lambda h: h[:, 0], "flat": lambda h: h.flatten(1)}


@pytest.mark.parametrize("size", [32, 16, 40, 64])  # the model's own, growing, and shrinking by two ratios
@pytest.mark.parametrize("pooling", list(POOL))
def test_embedding_is_that_of_transformers(tiny_timesformer, pooling, size):
    frames, masks = video(9, size)
    encoder = TimesformerEncoder(str(tiny_timesformer), pooling=pooling)
    stored = encoder.frame(frames, masks)
    assert stored.dtype == torch.uint8
    result = encoder.clip(torch.stack([stored[:8], stored[1:]]))
    expected = torch.cat([POOL[pooling](plain_hidden(tiny_timesformer, clip)) for clip in (frames[:8], frames[1:])])
    assert expected.std() > 0.1  # the network does something
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)
    assert result.dtype == torch.float32 and not result.requires_grad


def test_order_of_frames_counts(tiny_timesformer):
    frames, _ = video(8)
    encoder = TimesformerEncoder(str(tiny_timesformer))
    forth, back = encoder.clip(torch.stack([frames, frames.flip(0)]))
    assert (forth - back).abs().max() > 1e-3  # rounding: 1e-6


def test_bf16_is_close(tiny_timesformer):
    frames, _ = video(16)
    clips = torch.stack([frames[i : i + 8] for i in range(8)])
    exact = TimesformerEncoder(str(tiny_timesformer)).clip(clips)
    rough = TimesformerEncoder(str(tiny_timesformer), precision="bf16").clip(clips)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() > 0.0
    assert cosine(rough, exact).min() > 0.999
    # what the reward sees: the similarity of every pair of clips
    a, b = torch.triu_indices(8, 8, 1)
    assert (cosine(rough[a], rough[b]) - cosine(exact[a], exact[b])).abs().max() < 0.01


def test_dropped_patches_do_not_count(tiny_timesformer):
    """4 x 4 patches of 8 px: the robot fills the left half, so half of them show nothing but white."""
    frames, _ = video(9)
    frames[:, :, 16:] = 255
    frames[:, :, :16] = frames[:, :, :16].clamp(max=200)
    clips = torch.stack([frames[:8], frames[1:]])
    half = make_encoder("timesformer", weights=str(tiny_timesformer), tokens=0.5)
    assert half.manifest()["tokens"] == 0.5
    changed = clips.clone()
    changed[..., 20, 28, :] = 254  # far less than any patch of the robot holds
    torch.testing.assert_close(half.clip(changed), half.clip(clips), atol=0, rtol=0)
    exact = make_encoder("timesformer", weights=str(tiny_timesformer))
    assert (exact.clip(changed) - exact.clip(clips)).abs().max() > 0.0
    assert (half.clip(clips) - exact.clip(clips)).abs().max() > 1e-3  # another embedding


def test_only_the_tokens_of_the_kept_patches_go_through_the_layers(tiny_timesformer):
    """The robot fills the left half of 4 x 4 patches: tokens picked by name, patch by patch, give the same."""
    frames, _ = video(9)
    frames[:, :, 16:] = 255
    frames[:, :, :16] = frames[:, :, :16].clamp(max=200)
    half = make_encoder("timesformer", weights=str(tiny_timesformer), pooling="flat", tokens=0.5)
    network = half._network
    with torch.no_grad():
        tokens = network.embeddings(half.preprocess(frames[None, :8]))[0]  # the class's, then patch by patch 8 times
        kept = [tokens[0]]
        kept += [tokens[1 + 8 * (4 * row + column) + t] for row in range(4) for column in (0, 1) for t in range(8)]
        hidden = network.encoder(torch.stack(kept)[None], return_dict=True).last_hidden_state
        expected = network.layernorm(hidden).flatten(1)
    torch.testing.assert_close(half.clip(frames[None, :8]), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokens", [0.0, 1.5])
def test_an_impossible_share_of_tokens_is_refused(tiny_timesformer, tokens):
    with pytest.raises(InputError, match=f"encoder_tokens {tokens} is no share"):
        make_encoder("timesformer", weights=str(tiny_timesformer), tokens=tokens)


@pytest.mark.slow
def test_compiled_gives_the_same_numbers(tiny_timesformer, monkeypatch):
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend="eager")
    )  # captured, not lowered: seconds
    frames, _ = video(10)
    clips = torch.stack([frames[i : i + 8] for i in range(3)])
    encoder = make_encoder("timesformer", weights=str(tiny_timesformer), compiled=True)
    plain = make_encoder("timesformer", weights=str(tiny_timesformer))
    for count in (3, 2, 1):
        torch.testing.assert_close(encoder.clip(clips[:count]), plain.clip(clips[:count]), atol=1e-5, rtol=0)


def test_manifest_says_what_runs(tiny_timesformer):
    manifest = make_encoder("timesformer", weights=str(tiny_timesformer), pooling="class").manifest()
    assert json.loads(json.dumps(manifest)) == manifest
    assert (manifest["name"], manifest["pooling"], manifest["image_size"]) == ("timesformer", "class", 32)
    assert len(manifest["weights_sha256"]) == 64


# -- the similarity


def similarity(folder, num_envs: int = 3, size: int = 24, max_clips: int = 64, pooling="mean", **settings):
    encoder = TimesformerEncoder(str(folder), pooling=pooling, max_clips=max_clips)
    frames, masks = video(20, size)
    return frames, masks, VideoSimilarity(encoder, frames, masks, num_envs, **settings)


@pytest.mark.parametrize("kind", ["cosine", "l2"])
@pytest.mark.parametrize(("stride", "every"), [(1, 1), (2, 1), (1, 2)])
def test_a_rollout_that_is_the_reference_is_identical(tiny_timesformer, kind, stride, every):
    frames, masks, streams = similarity(tiny_timesformer, clip_stride=stride, every=every, kind=kind, centred=False)
    start, since = torch.tensor([0, 5, 9]), torch.zeros(3, dtype=torch.long)
    streams.reset()
    for step in range(11):
        if step == 7:  # the second falls and starts again
            streams.reset(torch.tensor([1]))
            since[1] = 0
        index = start + since
        if step % every == 0:
            streams.update(frames[index], masks[index], index)
        value = streams.value
        torch.testing.assert_close(value, torch.full((3,), 1.0 if kind == "cosine" else 0.0), atol=1e-4, rtol=0)
        since += 1
    same = value.clone()
    streams.reset()
    assert streams.update(frames[start].flip(2), masks[start].flip(2), start).max() < same.min() - 1e-3


def test_the_start_is_padded_with_the_first_frame(tiny_timesformer):
    frames, masks, streams = similarity(tiny_timesformer, num_envs=1, size=32, centred=False, clip_stride=2)
    rollout = frames.flip(0)  # anything but the reference
    streams.reset()
    seen = []
    for t in range(4):
        seen.append(streams.update(rollout[[t]], masks.flip(0)[[t]], torch.tensor([3 + t])).item())
    for t in range(4):
        back = [max(t - 2 * j, 0) for j in range(7, -1, -1)]
        ours, theirs = (
            plain_hidden(tiny_timesformer, clip).mean(1) for clip in (rollout[back], frames[[3 + i for i in back]])
        )
        assert seen[t] == pytest.approx(cosine(ours, theirs).item(), abs=1e-5)


def test_chunks_change_nothing(tiny_timesformer):
    values = []
    for max_clips in (1, 3, 64):
        frames, masks, streams = similarity(tiny_timesformer, num_envs=7, max_clips=max_clips, every=2)
        streams.reset()
        for t in range(9):
            if t == 4:
                streams.reset(torch.tensor([2, 5]))
            age = torch.full((7,), t) - 4 * (torch.tensor([0, 0, 1, 0, 0, 1, 0]) if t >= 4 else 0)
            picture = (age + torch.arange(7)) % 20
            value = streams.update(frames[picture], masks[picture], age).clone()
        values.append(value)
    assert value.std() > 1e-3
    torch.testing.assert_close(values[0], values[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(values[1], values[2], atol=1e-5, rtol=0)


def test_embeddings_of_the_reference_are_made_once(tiny_timesformer, cache, capsys):
    def table(**settings) -> torch.Tensor:
        return similarity(tiny_timesformer, **settings)[2].reference._embeddings

    first = table()
    assert "Encoding 132 clips of the reference with timesformer, once" in capsys.readouterr().out
    torch.testing.assert_close(table(), first, atol=0, rtol=0)
    assert capsys.readouterr().out == ""
    [folder] = (cache / "embeddings").iterdir()
    (folder / "clips.safetensors").write_bytes(b"half a fi")
    torch.testing.assert_close(table(), first)
    assert "Encoding 132 clips" in capsys.readouterr().out
    table()
    assert capsys.readouterr().out == ""
    # frame t has min(t, 7) + 1 ages: 36 + 12 * 8 clips; from frame 0 alone there is one a frame
    assert len(table(starts=(0,))) == 20
    assert len(table(pooling="class")) == 132
    assert len(list((cache / "embeddings").iterdir())) == 3


def test_episodes_that_begin_elsewhere_get_whole_clips(tiny_timesformer):
    _, _, streams = similarity(tiny_timesformer, starts=(0, 1))
    _, _, every = similarity(tiny_timesformer)
    newest, age = torch.arange(20).repeat_interleave(8), torch.arange(8).repeat(20)
    known = (newest - age <= 1) | (age == 7)
    whole = every.reference.embedding(newest, torch.full_like(age, 7))
    expected = torch.where(known.unsqueeze(1), every.reference.embedding(newest, age), whole)
    torch.testing.assert_close(streams.reference.embedding(newest, age), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(streams.reference.mean(), whole[::8].mean(0), atol=1e-5, rtol=0)


# -- settings that do not fit


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "max"}, "Unknown encoder_pooling 'max': use one of mean, class, flat."),
        ({"precision": "fp8"}, "Unknown encoder_precision 'fp8': use fp32 or bf16."),
        ({"max_clips": 0}, "encoder_batch 0 leaves nothing to encode: give at least 1."),
        ({"image_size": 64}, "encoder_size 64 does not fit .* which takes 32: leave it at 0."),
    ],
)
def test_settings_that_do_not_fit_are_refused(tiny_timesformer, settings, message):
    with pytest.raises(InputError, match=message):
        make_encoder("timesformer", weights=str(tiny_timesformer), **settings)


def test_another_clip_length_is_refused(tiny_timesformer):
    with pytest.raises(InputError, match=r"takes clips of 8 frames, not 4: set env.commands.reference.clip_length=8"):
        similarity(tiny_timesformer, clip_length=4)


def test_running_out_of_memory_names_the_settings(tiny_timesformer, monkeypatch):
    encoder = TimesformerEncoder(str(tiny_timesformer), max_clips=5)

    def full(pixels):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(encoder, "_forward", full)
    with pytest.raises(InputError, match=r"with 2 clips: lower env.commands.reference.encoder_batch \(now 5\)"):
        encoder.clip(torch.zeros(2, 8, 32, 32, 3, dtype=torch.uint8))
