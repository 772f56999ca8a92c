# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""An exported H1 policy in ONNX Runtime and in MuJoCo, from its ONNX file alone."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mujoco
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from nil_ext.cli import replay_mujoco
from nil_ext.cli.replay_mujoco import ExportedPolicy, MujocoRobot, Observer, replay, run
from nil_ext.errors import InputError
from nil_ext.reference.video import decode_video
from nil_ext.rl.policy_file import pack_table, read_contract, unpack_table, write_contract
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.robots.g1 import G1
from nil_ext.robots.h1 import H1
from nil_ext.robots.model import model_file
from nil_ext.robots.robot import Robot

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "replay_mujoco.py"
FRAMES, CODES = 26, 12
SIZES = {
    "root_height": 1, "root_lin_vel": 3, "root_ang_vel": 3, "gravity": 3, "heading": 2, "joint_pos": 19,
    "joint_vel": 19, "last_action": 19, "reference": CODES, "phase": 1,
}  # fmt: skip
SCALES = {"root_ang_vel": 0.25, "joint_vel": 0.1, "reference": 0.5}


class Shape(VecEnv):
    """No environment, only the sizes of the H1's."""

    num_envs, num_actions, device, cfg = 2, 19, torch.device("cpu"), {}

    def get_observations(self) -> TensorDict:
        return TensorDict({"policy": torch.zeros(2, sum(SIZES.values()))}, batch_size=[2])

    def step(self, actions):
        raise NotImplementedError


def of_joints(values: dict[str, float], names: list[str]) -> list[float]:
    """Resolve the facts' regular expressions; 0 where none fits."""
    return [next((v for key, v in values.items() if re.fullmatch(key, name)), 0.0) for name in names]


def position_contract(robot: Robot) -> dict:
    """The contract that a robot's position control has, put together from its facts."""
    spec = mujoco.MjSpec.from_file(str(model_file(robot.model.package, robot.model.path)))
    # another order than the MJCF's: joints are found by name
    names = sorted(joint.name for joint in spec.joints if joint.type == mujoco.mjtJoint.mjJNT_HINGE)
    start = of_joints(robot.start_joint_pos, names)
    return {
        "task": f"NIL-{robot.name}-Walk", "robot": robot.name, "joint_names": names,
        "control_rate": 25.0, "physics_rate": 250.0,
        "observations": [{"name": n, "size": s, "scale": SCALES.get(n, 1.0)} for n, s in SIZES.items()],
        "action": {
            "kind": "position", "joints": names, "scale": of_joints(robot.action_scale, names), "offset": start,
            "ramped": False, "clip": 1.0,
        },
        "start": {"height": robot.start_height, "joint_pos": start},
        "motors": {
            "stiffness": of_joints(robot.stiffness, names), "damping": of_joints(robot.damping, names),
            "effort_limit": of_joints(robot.effort_limits, names),
        },
        "model": dataclasses.asdict(robot.model), "root": "pelvis", "fall": dataclasses.asdict(robot.fall),
        "reference": {
            "digest": "0" * 64, "frames": FRAMES,
            "code": pack_table(np.arange(FRAMES * CODES, dtype=np.float32).reshape(FRAMES, CODES)),
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> dict:
    return position_contract(H1)


@pytest.fixture(scope="module")
def runner() -> OffPolicyRunner:
    """A small policy whose normaliser has seen something and whose output layer is zero: it holds e0."""
    torch.manual_seed(0)
    model = {"hidden_dims": [16, 16], "activation": "relu", "obs_normalization": True}
    runner = OffPolicyRunner(
        Shape(),
        {
            "num_steps_per_env": 1, "save_interval": 1, "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
            "actor": {
                "class_name": "nil_ext.rl.models:BroActor",
                "distribution_cfg": {"class_name": "nil_ext.rl.modules:TanhGaussian"}, **model,
            },
            "critic": {"class_name": "nil_ext.rl.models:BroCritic", "distribution_cfg": None, **model},
            "algorithm": {
                "class_name": "nil_ext.rl.algorithms:BRO", "replay_size": 10, "final_obs_fraction": 0.1,
                "warmup_transitions": 0,
            },
        },
    )  # fmt: skip
    obs = torch.randn(50, sum(SIZES.values())) * 3.0 + 1.0
    runner.alg.actor.update_normalization(TensorDict({"policy": obs}, batch_size=[50]))
    torch.nn.init.zeros_(runner.alg.actor.mlp[-1].weight)
    return runner


def export(runner: OffPolicyRunner, contract: dict, folder: Path) -> Path:
    runner.alg.eval_mode()
    runner.export_policy_to_jit(str(folder))
    runner.export_policy_to_onnx(str(folder))
    write_contract(contract, folder / "policy.onnx", folder / "policy.pt")
    return folder / "policy.onnx"


@pytest.fixture(scope="module")
def exported(runner, contract, tmp_path_factory) -> Path:
    return export(runner, contract, tmp_path_factory.mktemp("exported"))


def test_onnx_runtime_and_torchscript_give_the_policys_actions(runner, contract, tmp_path):
    torch.nn.init.normal_(runner.alg.actor.mlp[-1].weight, std=0.3)
    try:
        file = export(runner, contract, tmp_path)
        policy = runner.get_inference_policy("cpu")
        obs = torch.randn(20, sum(SIZES.values())) * 3.0
        with torch.no_grad():
            expected = policy(TensorDict({"policy": obs}, batch_size=[20]))
    finally:
        torch.nn.init.zeros_(runner.alg.actor.mlp[-1].weight)
    assert expected.abs().max() > 0.1
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    actions = np.concatenate([session.run(None, {"obs": row[None].numpy()})[0] for row in obs])
    np.testing.assert_allclose(actions, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(ExportedPolicy(file)(obs[0].numpy()), expected[0].numpy(), atol=1e-5)
    torch.testing.assert_close(torch.jit.load(str(file.with_suffix(".pt")))(obs), expected, atol=1e-5, rtol=0.0)


def test_both_files_carry_the_contract(exported, contract):
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    stored = read_contract(session.get_modelmeta().custom_metadata_map, exported)
    assert stored == {"version": 2, **json.loads(json.dumps(contract))}
    onnx.checker.check_model(str(exported))
    extra = {"nil_ext.json": ""}
    torch.jit.load(str(exported.with_suffix(".pt")), _extra_files=extra)
    assert json.loads(extra["nil_ext.json"]) == stored
    table = unpack_table(stored["reference"]["code"])
    assert table.shape == (FRAMES, CODES)
    assert table[3].tolist() == [float(3 * CODES + i) for i in range(CODES)]


def test_the_observation_is_rebuilt_by_name(contract):
    robot, observer = MujocoRobot(contract), Observer(contract)
    action = np.linspace(-1.0, 1.0, 19)
    # Tilted 90 degrees about x: the world's down is the robot's -y; turning about its z at 2 rad/s.
    robot.data.qpos[3:7] = [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]
    robot.data.qvel[:6] = [0.3, 0.0, 0.0, 0.0, 0.0, 2.0]
    knee = contract["joint_names"].index("left_knee")
    robot.data.joint("left_knee").qpos[0] += 0.25
    robot.data.joint("left_knee").qvel[0] = 4.0
    mujoco.mj_forward(robot.model, robot.data)
    seen, start = {}, 0
    observation = observer.observe(robot, action, 5)
    for name, size in SIZES.items():
        seen[name] = observation[start : start + size]
        start += size
    assert start == len(observation)
    # The pelvis' centre of mass is at (-.0002, .00004, -.04522) of its frame: 2 x z cross it is (-.00008, -.0004, 0).
    np.testing.assert_allclose(seen["root_lin_vel"], [0.3 - 0.00008, -0.0004, 0.0], atol=1e-9)
    np.testing.assert_allclose(seen["root_ang_vel"], [0.0, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(seen["gravity"], [0.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(seen["root_height"], [H1.start_height])
    np.testing.assert_allclose(seen["heading"], [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(seen["joint_pos"], 0.25 * np.eye(19)[knee], atol=1e-12)
    np.testing.assert_allclose(seen["joint_vel"], 0.4 * np.eye(19)[knee], atol=1e-12)
    np.testing.assert_allclose(seen["last_action"], action)
    np.testing.assert_allclose(seen["reference"], 0.5 * (5 * CODES + np.arange(CODES)))
    np.testing.assert_allclose(seen["phase"], [-0.6])  # frame 5 of 0..25
    assert robot.fallen
    robot.data.qpos[3:7] = [np.cos(0.2), 0.0, 0.0, np.sin(0.2)]  # turned by 0.4 rad to its left
    mujoco.mj_forward(robot.model, robot.data)
    np.testing.assert_allclose(robot.heading, [np.sin(0.4), np.cos(0.4)], atol=1e-12)
    with pytest.raises(InputError, match="observes pixels"):
        Observer(contract | {"observations": [{"name": "pixels", "size": 1, "scale": 1.0}]})


def test_a_policy_that_holds_e0_stands_and_one_that_squats_falls(runner, contract, exported, tmp_path):
    numbers, pictures = replay(ExportedPolicy(exported), film=False)
    assert (numbers["survived"], numbers["reference"], numbers["fell"]) == (1.0, 1.0, 0.0)
    assert abs(numbers["forward_speed"]) < 0.1
    assert pictures == []
    limp = {**contract, "action": {**contract["action"], "kind": "torque"}}  # no torque: it collapses
    limp["motors"] = {**contract["motors"], "damping": [0.0] * 19}
    limp["action"]["offset"] = [0.0] * 19
    numbers, _ = replay(ExportedPolicy(export(runner, limp, tmp_path)), film=False)
    assert numbers["fell"] == 1.0
    assert 0.1 < numbers["survived"] < 1.0


def test_the_g1_stands_without_its_model_s_own_actuators():
    """Menagerie's G1 has position actuators, which at their default command of 0 pull every joint to 0."""
    robot = MujocoRobot(position_contract(G1))
    for _ in range(100):
        robot.step(np.zeros(29), 0)
        assert not robot.fallen
        assert not robot.data.qfrc_actuator.any()


def test_residual_targets_go_around_the_row_of_the_frame(contract):
    """The motors pull each joint towards the offset of the frame in which the step begins."""
    start = np.array(contract["start"]["joint_pos"])
    knee = contract["joint_names"].index("left_knee")
    rows = np.stack([start, start + 0.2 * np.eye(19)[knee]])
    robot = MujocoRobot(contract | {"action": {**contract["action"], "kind": "residual", "offset": rows.tolist()}})
    after = []
    for frame in (0, 1, 7):  # beyond the last row: the last row
        robot.reset()
        robot.step(np.zeros(19), frame)
        after.append(robot.joint_pos_rel[knee])
    assert abs(after[0]) < 0.03
    assert after[1] > 0.1
    assert after[2] == after[1]


def test_ramped_targets_start_where_the_last_ones_were_and_unmoved_joints_follow(contract):
    names, start = contract["joint_names"], np.array(contract["start"]["joint_pos"])
    knee, elbow = names.index("left_knee"), names.index("left_elbow")
    action = {**contract["action"], "kind": "residual", "ramped": True, "joints": ["left_knee"], "scale": [0.2]}
    action["offset"] = [(start + 0.3 * np.eye(19)[elbow]).tolist()]
    robot = MujocoRobot(contract | {"action": action})
    pulled = []

    def step(*_):
        pulled.append(robot.data.qfrc_applied[robot._qvel].copy())

    robot._mujoco = SimpleNamespace(mj_step=step)  # the robot stays as it is: torque is gain times target
    robot.step(np.array([1.0]), 0)
    stiffness, shares = robot._motors["stiffness"], np.arange(1, robot.substeps + 1) / robot.substeps
    np.testing.assert_allclose([torque[elbow] for torque in pulled], stiffness[elbow] * 0.3 * shares)
    np.testing.assert_allclose([torque[knee] for torque in pulled], stiffness[knee] * 0.2 * shares)
    robot.step(np.array([1.0]), 0)  # the same targets again
    np.testing.assert_allclose(pulled[-robot.substeps][elbow], stiffness[elbow] * 0.3)


def test_a_contract_of_before_moves_every_joint_at_once(contract):
    action = {key: value for key, value in contract["action"].items() if key not in ("joints", "ramped")}
    stored = {
        f"nil_ext.{key}": json.dumps(value) for key, value in {**contract, "version": 1, "action": action}.items()
    }
    read = read_contract(stored, Path("policy.onnx"))
    assert (read["action"]["joints"], read["action"]["ramped"]) == (contract["joint_names"], False)


def test_the_script_films_without_isaac_lab(exported, tmp_path):
    if shutil.which("xvfb-run") is None:
        pytest.skip("drawing needs a display or xvfb-run")
    code = (
        "import sys; from nil_ext.cli.replay_mujoco import main; status = main();"
        "sys.exit(status or any(name.split('.')[0].startswith('isaaclab') for name in sys.modules))"
    )
    video = tmp_path / "mujoco.mp4"
    command = ["xvfb-run", "-a", sys.executable, "-c", code, "--policy", str(exported), "--video", str(video)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, env={**os.environ, "MUJOCO_GL": "glfw"}
    )
    assert done.returncode == 0, done.stderr
    assert "NIL-H1-Walk: position control at 25 Hz" in done.stdout
    assert re.search(r"MuJoCo: stands after 1\.00 of 1\.00 s, forward speed -?0\.0\d\d m/s", done.stdout)
    frames, _ = decode_video(video)
    assert frames.shape == (FRAMES, 480, 480, 3)
    # the dark robot stands in the middle of the picture, not at its rim
    dark = (frames[0] < 60).all(axis=-1)
    assert dark[100:400, 180:300].mean() > 0.1
    assert dark[:, :60].mean() < 0.05


def test_a_video_that_cannot_be_written_is_refused_before_the_replay(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(replay_mujoco, "replay", None)
    with pytest.raises(InputError, match="Cannot write to '/proc/none'"):
        run(["--policy", str(exported), "--video", "/proc/none/mujoco.mp4"])
    with pytest.raises(InputError, match="is not written with --no_video: leave one of both out"):
        run(["--policy", str(exported), "--video", str(tmp_path / "mujoco.mp4"), "--no_video"])


def test_ctrl_c_is_one_line(exported, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(replay_mujoco, "replay", interrupted)
    monkeypatch.setattr(sys, "argv", ["replay_mujoco.py", "--policy", str(exported), "--no_video"])
    assert replay_mujoco.main() == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_files_that_cannot_be_replayed_are_refused(exported, contract, tmp_path):
    with pytest.raises(InputError, match="No such policy"):
        run(["--policy", str(tmp_path / "policy.onnx")])
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match="no ONNX model"):
        run(["--policy", str(tmp_path / "junk.onnx")])
    model = onnx.load(str(exported))
    onnx.helper.set_model_props(model, {})
    onnx.save(model, str(tmp_path / "bare.onnx"))
    with pytest.raises(InputError, match="carries no nil_ext contract"):
        run(["--policy", str(tmp_path / "bare.onnx")])
    onnx.helper.set_model_props(model, {"nil_ext.version": "3"})
    onnx.save(model, str(tmp_path / "newer.onnx"))
    with pytest.raises(InputError, match="contract version 3"):
        run(["--policy", str(tmp_path / "newer.onnx")])
    with pytest.raises(InputError, match="no MJCF"):
        MujocoRobot(contract | {"model": {"package": "", "path": "robot.urdf"}})
    assert SCRIPT.is_file()
