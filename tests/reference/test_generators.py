# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Video models: real pipelines of every class with few random weights, saved and loaded in the real format."""

from __future__ import annotations

import errno
import importlib.util
import json
import shutil
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nil_ext.errors import InputError
from nil_ext.reference import Reference, pipeline
from nil_ext.reference.candidates import Clip, judge_clips, write_clip
from nil_ext.reference.first_frame import FirstFrame
from nil_ext.reference.generators.diffusion import Sampling, VideoDiffusion, _model_id
from nil_ext.reference.generators.model_folder import find_model
from nil_ext.reference.generators.video_models import GENERATORS, VIDEO_MODELS, VideoModel, video_model
from nil_ext.reference.pipeline import Preparation
from nil_ext.reference.video import constant_rate, decode_video, write_video
from tiny_video_models import save_tiny

FRAMES = 9
SIZE = 64


def first_frame(shade: int = 90) -> FirstFrame:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[12:52, 28:36] = True
    return FirstFrame(np.where(mask[..., None], shade, 255).repeat(3, axis=2).astype(np.uint8), mask)


@pytest.fixture(scope="module", params=[*GENERATORS, "wan22"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoModel, Path]:
    """A family's settings for a short video, and a folder of its class."""
    folder = save_tiny(request.param, tmp_path_factory.mktemp("models") / request.param)
    return replace(video_model(request.param.removesuffix("22")), frames=FRAMES), folder


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> Callable[[VideoModel], VideoModel]:
    """Lets Wan's pipeline run here where accelerate and ftfy are not installed; changes nothing where they are.

    Neither has anything to do in these tests: on a CPU every part is float32, and the prompts are plain ASCII.
    """
    from diffusers import WanTransformer3DModel
    from diffusers.pipelines.wan import pipeline_wan_i2v

    def prepare(row: VideoModel) -> VideoModel:
        missing = [name for name in row.needs if importlib.util.find_spec(name) is None]
        if "accelerate" in missing:
            monkeypatch.setattr(WanTransformer3DModel, "_keep_in_fp32_modules", None)
        if "ftfy" in missing:
            monkeypatch.setattr(pipeline_wan_i2v, "ftfy", types.SimpleNamespace(fix_text=str), raising=False)
        return replace(row, needs=())

    return prepare


# -- sampling


def test_prompt_picture_and_seed_decide_what_is_drawn(family, without_packages, capfd):
    row, folder = family
    row = without_packages(row)
    diffusion = VideoDiffusion(row, find_model(row, str(folder)), "cpu")
    sampling = Sampling("The H1 robot agent is walking, camera follows the agent.", 2, row.guidance)
    video = diffusion.sample(first_frame(), sampling, 0, "candidate 1 of 2, seed 0")
    assert video.shape == (FRAMES, SIZE, SIZE, 3) and video.dtype == np.uint8
    assert video.std() > 5.0  # no blank pictures
    assert np.array_equal(diffusion.sample(first_frame(), sampling, 0), video)

    def changed(first: FirstFrame, sampling: Sampling, seed: int) -> float:
        return float((diffusion.sample(first, sampling, seed) != video).mean())

    assert changed(first_frame(), sampling, 1) > 0.3
    assert changed(first_frame(30), sampling, 0) > 0.01
    assert changed(first_frame(), replace(sampling, guidance=row.guidance + 3.0), 0) > 0.0 or row.generator in NO_CFG
    other = changed(first_frame(), replace(sampling, prompt="jumping"), 0)
    assert other > 0.01 if row.prompted else other == 0.0
    progress = capfd.readouterr().err
    assert "candidate 1 of 2, seed 0: 100%" in progress and "2/2" in progress
    about = diffusion.manifest()
    assert json.loads(json.dumps(about)) == about
    assert (about["pipeline"], about["model"], about["dtype"]) == (row.pipeline, folder.name, "float32")


NO_CFG = ("hunyuan",)
"""The tiny network's embedded guidance hardly matters; the argument's name is checked by the call itself."""


def test_a_model_that_draws_no_colours_is_refused(tmp_path):
    folder = save_tiny("ltx", tmp_path / "ltx")
    row = replace(video_model("ltx"), frames=FRAMES)
    diffusion = VideoDiffusion(row, folder, "cpu")
    torch.nn.init.constant_(diffusion.pipeline.transformer.proj_out.bias, float("nan"))
    with pytest.raises(InputError, match=r"numbers that are no colours \(seed 3\)"):
        diffusion.sample(first_frame(), Sampling("walking", 1, 3.0), 3)


# -- finding the weights


@pytest.fixture(scope="module")
def ltx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("ltx", tmp_path_factory.mktemp("models") / "ltx")


def refusal(generator: str, model: object) -> str:
    with pytest.raises(InputError) as caught:
        find_model(replace(video_model(generator), needs=()), str(model))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_folders_are_one_line(ltx: Path, tmp_path: Path):
    assert "No such model: './models/ltx'" in refusal("ltx", "./models/ltx")
    assert "model_index.json is missing" in refusal("ltx", tmp_path)
    line = refusal("svd", ltx)
    assert "is no 'svd' model (it holds LTXVideoTransformer3DModel, not UNetSpatioTemporalConditionModel)" in line
    (tmp_path / "model_index.json").write_text("{")
    assert "cannot be read" in refusal("ltx", tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: shutil.rmtree(f / "text_encoder"), "incomplete (text_encoder: nothing to load"),
        (lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").unlink(), "vae: no .safetensors weights"),
        (lambda f: truncate(f / "transformer" / "diffusion_pytorch_model.safetensors"), "is damaged"),
        (lambda f: lose_a_shard(f / "transformer"), "model-00002-of-00002.safetensors is missing"),
        (lambda f: to_pickle(f / "vae"), "vae: no .safetensors weights"),
        (lambda f: write_index(f / "transformer", '{"weight_map": {"a'), "model.safetensors.index.json is damaged"),
        (lambda f: write_index(f / "transformer", '{"metadata": {}}'), "model.safetensors.index.json is damaged"),
    ],
    ids=["no part", "no weights", "truncated", "no shard", "pickled", "cut index", "no map"],
)
def test_half_a_model_is_one_line(ltx: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str):
    folder = tmp_path / "ltx"
    shutil.copytree(ltx, folder)
    find_model(video_model("ltx"), str(folder))
    spoil(folder)
    assert message in refusal("ltx", folder)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_shard(part: Path) -> None:
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (part / "diffusion_pytorch_model.safetensors").rename(part / weights["a"])
    (part / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def write_index(part: Path, content: str) -> None:
    (part / "model.safetensors.index.json").write_text(content)


def to_pickle(part: Path) -> None:
    (part / "diffusion_pytorch_model.safetensors").rename(part / "diffusion_pytorch_model.bin")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("huggingface_hub.constants.HF_HUB_CACHE", "huggingface_hub.constants.HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(name, str(tmp_path / "hub"), raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return tmp_path / "hub"


def test_offline_hub_ids_are_one_line(hub: Path):
    for model in ("nil-ext-tests/no-such-model", None):
        with pytest.raises(InputError) as caught:
            find_model(video_model("ltx"), model)
        assert "cannot be had from the hub" in str(caught.value) and "\n" not in str(caught.value)


def test_a_cached_hub_model_is_found_offline_and_half_of_one_is_named(hub: Path, ltx: Path):
    snapshot = hub / "models--nil-ext-tests--ltx" / "snapshots" / ("0" * 40)
    shutil.copytree(ltx, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    row = video_model("ltx")
    assert find_model(row, "nil-ext-tests/ltx") == snapshot
    assert _model_id(snapshot) == {"model": "nil-ext-tests/ltx", "revision": "0" * 40}
    (snapshot / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    line = refusal("ltx", "nil-ext-tests/ltx")
    assert "'nil-ext-tests/ltx' is incomplete (transformer: no .safetensors weights" in line


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    row = replace(video_model("wan"), needs=("no_such_package",))
    with pytest.raises(InputError, match="'wan' models need packages that are missing: uv pip install no_such_package"):
        find_model(row, str(tmp_path))


# -- the table


def test_the_table_fits_diffusers():
    import inspect

    import diffusers

    for row in VIDEO_MODELS:
        arguments = inspect.signature(getattr(diffusers, row.pipeline).__call__).parameters
        used = {"image", "height", "width", "num_frames", "num_inference_steps", "generator", row.guidance_argument}
        assert used | set(row.extra) <= set(arguments), row.hub_id
        assert ("prompt" in arguments) == row.prompted
        assert hasattr(diffusers, row.backbone)
        assert all(side % row.multiple == 0 for size in row.sizes for side in size), row.hub_id
        assert 3.0 < row.frames / row.rate < 6.0  # the task's episode is 4 s long
        # causal video encoders take one frame and then groups of 4 or 8
        assert row.generator == "svd" or row.frames % (8 if row.generator == "ltx" else 4) == 1


def test_a_known_hub_id_brings_its_own_settings():
    assert video_model("wan").hub_id == "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
    assert video_model("wan", "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers").rate == 16.0
    assert video_model("wan", "/models/mine") is video_model("wan")
    with pytest.raises(InputError, match="give --generator ltx"):
        video_model("wan", "Lightricks/LTX-Video")


# -- candidates


TASK = {"task": "NIL-H1-Walk", "robot": "H1"}


@pytest.fixture(scope="module")
def sketch() -> Reference:
    """A clip as good as can be: the H1's embedded sketch."""
    return Reference.load(Path(__file__).resolve().parents[2] / "assets" / "references" / TASK["task"])


def test_candidates_are_prepared_ranked_and_kept(sketch, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
    good, masks = sketch.frames[:100:2], sketch.masks[:100:2]
    about = {"generator": "svd", "prompt": "", "first_frame": "abc"}
    clips = [
        write_clip(tmp_path / "seed_0.mp4", np.full_like(good, 255), 25.0, {**about, "seed": 0}, masks[0]),
        write_clip(tmp_path / "seed_1.mp4", good, 25.0, {**about, "seed": 1}, masks[0]),
    ]
    written = json.loads((tmp_path / "seed_1.json").read_text())
    assert written["seed"] == 1 and written["name"] == "seed_1.mp4" and len(written["sha256"]) == 64
    frames, times = decode_video(clips[1].path)
    assert constant_rate(times) == 25.0 and np.abs(frames.astype(int) - good).mean() < 3.0
    monkeypatch.setattr(
        "nil_ext.reference.against_mocap.StLpips", lambda device: lambda some, others: np.full(20, 0.07)
    )
    film = Reference(sketch.frames[:50], masks=sketch.masks[:50], rate=50.0)
    best = judge_clips(clips, masks[0], **TASK, output=tmp_path, settings=Preparation(interpolator="linear"), film=film)
    assert best == tmp_path / "seed_1"
    reference = Reference.load(best)
    assert reference.meta["source"] == {"kind": "generated", **written}
    ranking = json.loads((tmp_path / "ranking.json").read_text())
    assert [(row["rank"], Path(row["clip"]).name) for row in ranking] == [(1, "seed_1.mp4"), (None, "seed_0.mp4")]
    assert "no robot" in ranking[1]["refused"]
    assert ranking[0]["quality"]["mocap"]["mean"] == pytest.approx(0.07)
    assert "1. seed_1" in capsys.readouterr().out


def test_a_full_disk_is_one_line(sketch, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nil_ext.reference.candidates.write_video", full)
    with pytest.raises(InputError, match=r"Cannot write .*seed_0\.mp4 \(No space left on device\): make room"):
        write_clip(tmp_path / "seed_0.mp4", sketch.frames[:2], 25.0, {}, sketch.masks[0])


def test_nothing_usable_is_one_line(sketch, tmp_path, monkeypatch):
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
    write_video(tmp_path / "white.mp4", np.full_like(sketch.frames[:20], 255), 25.0)
    clips = [Clip(tmp_path / "white.mp4", "white")]
    with pytest.raises(InputError, match="None of the 1 videos can be used"):
        judge_clips(
            clips, sketch.masks[0], **TASK, output=tmp_path / "out", settings=Preparation(interpolator="linear")
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ranking.json"]


def test_what_no_clip_can_help_is_not_held_against_the_clips(sketch, tmp_path, monkeypatch):
    """No cache, no weights, a disk that fills up: one line that says so, no ranking and no half of the references."""
    for name in ("good", "other"):
        write_video(tmp_path / f"{name}.mp4", sketch.frames[:50:2], 25.0)
    clips = [Clip(tmp_path / f"{name}.mp4", name) for name in ("good", "other")]

    def refused(**settings) -> str:
        settings = Preparation(**({"interpolator": "linear"} | settings))
        with pytest.raises(InputError) as caught:
            judge_clips(clips, sketch.masks[0], **TASK, output=tmp_path / "out", settings=settings)
        assert not (tmp_path / "out").exists() and "\n" not in str(caught.value)
        return str(caught.value)

    with monkeypatch.context() as patched:  # found before anything is worked on
        patched.setattr(pipeline, "decode_video", lambda *_: pytest.fail("a clip was decoded"))
        (tmp_path / "file").touch()
        patched.setenv("NIL_CACHE_DIR", str(tmp_path / "file"))
        assert "Cannot make the cache folder" in refused()
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "references").touch()
        patched.setenv("NIL_CACHE_DIR", str(tmp_path / "cache"))
        assert "Cannot write to" in (line := refused()) and "set NIL_CACHE_DIR to a writable folder" in line
        patched.setenv("NIL_CACHE_DIR", str(tmp_path / "mine"))
        assert "No such RIFE weights" in refused(interpolator="rife", rife_weights="nope.pkl")
    monkeypatch.setenv("NIL_CACHE_DIR", str(tmp_path / "mine"))
    written, write = [], Reference.write

    def fill_up(reference: Reference, folder: Path) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(folder)
        write(reference, folder)

    monkeypatch.setattr(Reference, "write", fill_up)
    assert "(No space left on device): make room" in refused()
