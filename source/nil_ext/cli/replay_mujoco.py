# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Body of ``scripts/replay_mujoco.py``: a policy in another simulator, from its ONNX file alone. No Isaac Lab here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import require_writable
from ..reference.video import write_video
from ..rl.policy_file import read_contract, unpack_table
from ..robots.joint_names import match_names
from ..robots.model import model_file

TIME_STEP = 0.002
"""Longest physics step [s] (the paper's 500 Hz)."""

PICTURE = (480, 480)
"""Height and width of the video [pixel]."""


class ExportedPolicy:
    """An ONNX policy with its contract."""

    def __init__(self, file: Path) -> None:
        """Load it.

        Raises:
            InputError: When the file is absent or none of ours.
        """
        import onnxruntime as ort

        if not file.is_file():
            raise InputError(f"No such policy: '{file}'. scripts/play.py exports one beside its checkpoint.")
        try:
            self._session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common class for what a broken file raises
            raise InputError(f"'{file}' is no ONNX model: give the policy.onnx that scripts/play.py wrote.") from error
        self._input = self._session.get_inputs()[0].name
        self.contract = read_contract(self._session.get_modelmeta().custom_metadata_map, file)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Return the clipped actions (A,) for an observation (D,)."""
        [actions] = self._session.run(None, {self._input: observation[None].astype(np.float32)})
        clip = self.contract["action"]["clip"]
        return actions[0].clip(-clip, clip)


class MujocoRobot:
    """The contract's robot on flat ground, standing at e0."""

    def __init__(self, contract: dict) -> None:
        """Build the model: the robot's MJCF, a floor, a light; joint order is the contract's."""
        import mujoco

        self._mujoco = mujoco
        self.contract = contract
        source = contract["model"]
        if not source["path"].endswith(".xml"):
            raise InputError(f"The robot's model '{source['path']}' is no MJCF: only those can be replayed in MuJoCo.")
        spec = mujoco.MjSpec.from_file(str(model_file(source["package"], source["path"])))
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 0.05], friction=[1.0, 0.005, 0.0001], rgba=[0.7] * 3 + [1]
        )
        spec.add_texture(
            name="sky",
            type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            rgb1=[1.0, 1.0, 1.0],
            width=16,
            height=96,
        )
        spec.worldbody.add_light(pos=[0.0, 0.0, 4.0], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
        period = 1.0 / contract["control_rate"]
        self.substeps = int(np.ceil(period / TIME_STEP - 1e-9))
        spec.option.timestep = period / self.substeps
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        # the model's own actuators would pull every joint to 0 beside the contract's motors
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        names = [self.model.joint(index).name for index in range(self.model.njnt)]
        joints = [self.model.joint(place) for place in match_names(contract["joint_names"], names)]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self.root = self.model.body(contract["root"]).id
        self._start_pos = np.array(contract["start"]["joint_pos"])
        self._motors = {key: np.array(values) for key, values in contract["motors"].items()}
        action = contract["action"]
        self._moved = [contract["joint_names"].index(name) for name in action["joints"]]
        self._scale, self._offsets = np.array(action["scale"]), np.atleast_2d(action["offset"])
        self.reset()

    def reset(self) -> None:
        """Stand at e0, at rest."""
        self._mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:7] = [0.0, 0.0, self.contract["start"]["height"], 1.0, 0.0, 0.0, 0.0]
        self.data.qpos[self._qpos] = self._start_pos
        self._mujoco.mj_forward(self.model, self.data)
        self._command = self._start_pos

    def step(self, actions: np.ndarray, frame: int) -> None:
        """Run one control step; motors compute and clip their torque in every physics step, as in training.

        Args:
            actions: what the policy wants (A,).
            frame: frame of the reference in which the step begins.
        """
        last, self._command = self._command, self._offsets[min(frame, len(self._offsets) - 1)].copy()
        self._command[self._moved] += self._scale * actions
        position, ramped = self.contract["action"]["kind"] != "torque", self.contract["action"]["ramped"]
        limit = self._motors["effort_limit"]
        for substep in range(self.substeps):
            share = (substep + 1) / self.substeps if ramped else 1.0
            command = last + share * (self._command - last)
            torque = -self._motors["damping"] * self.joint_vel
            torque += self._motors["stiffness"] * (command - self.joint_pos) if position else command
            self.data.qfrc_applied[self._qvel] = torque.clip(-limit, limit)
            self._mujoco.mj_step(self.model, self.data)

    @property
    def joint_pos(self) -> np.ndarray:
        """Joint positions (J,) [rad]."""
        return self.data.qpos[self._qpos]

    @property
    def joint_pos_rel(self) -> np.ndarray:
        """Joint positions from e0 (J,) [rad]."""
        return self.joint_pos - self._start_pos

    @property
    def joint_vel(self) -> np.ndarray:
        """Joint velocities (J,) [rad/s]."""
        return self.data.qvel[self._qvel]

    @property
    def rotation(self) -> np.ndarray:
        """Rotation (3, 3) of the root link."""
        return self.data.xmat[self.root].reshape(3, 3)

    @property
    def lin_vel(self) -> np.ndarray:
        """Velocity of the root link's centre of mass in its frame (3,) [m/s]."""
        return self.rotation.T @ self.data.qvel[:3] + np.cross(self.ang_vel, self.model.body_ipos[self.root])

    @property
    def ang_vel(self) -> np.ndarray:
        """Angular velocity of the root link in its frame (3,) [rad/s]."""
        return self.data.qvel[3:6]

    @property
    def heading(self) -> np.ndarray:
        """Sine and cosine (2,) of the root's yaw."""
        across = self.rotation[:2, 0]
        return across[::-1] / np.linalg.norm(across)

    @property
    def fallen(self) -> bool:
        """Whether the root has left the contract's limits."""
        r = self.rotation
        angles = {
            "height": self.data.qpos[2] - self.contract["start"]["height"],
            "tilt": np.arcsin(np.clip(-r[2, 0], -1.0, 1.0)),
            "list": np.arctan2(r[2, 1], r[2, 2]),
            "heading": np.arctan2(r[1, 0], r[0, 0]),
        }
        return any(not low <= angles[name] <= high for name, (low, high) in self.contract["fall"].items())


class Observer:
    """Builds the policy's observation from the names in its contract."""

    def __init__(self, contract: dict) -> None:
        """Unpack the reference's table.

        Raises:
            InputError: When the contract names an observation that this program does not know.
        """
        self.terms = contract["observations"]
        self.frames = contract["reference"]["frames"]
        self._code = unpack_table(contract["reference"]["code"])
        self._rules: dict[str, Callable[[MujocoRobot, np.ndarray, int], np.ndarray]] = {
            "root_height": lambda robot, action, frame: robot.data.qpos[2:3],
            "root_lin_vel": lambda robot, action, frame: robot.lin_vel,
            "root_ang_vel": lambda robot, action, frame: robot.ang_vel,
            "gravity": lambda robot, action, frame: -robot.rotation[2],
            "heading": lambda robot, action, frame: robot.heading,
            "joint_pos": lambda robot, action, frame: robot.joint_pos_rel,
            "joint_vel": lambda robot, action, frame: robot.joint_vel,
            "last_action": lambda robot, action, frame: action,
            "reference": lambda robot, action, frame: self._code[frame],
            "phase": lambda robot, action, frame: np.array([2.0 * frame / (self.frames - 1) - 1.0]),
        }
        unknown = [term["name"] for term in self.terms if term["name"] not in self._rules]
        if unknown:
            raise InputError(f"The policy observes {', '.join(unknown)}, which the MuJoCo replay cannot rebuild.")

    def observe(self, robot: MujocoRobot, action: np.ndarray, frame: int) -> np.ndarray:
        """Return the observation (D,) at a reference frame, after an action (A,)."""
        return np.concatenate([term["scale"] * self._rules[term["name"]](robot, action, frame) for term in self.terms])


def replay(policy: ExportedPolicy, film: bool) -> tuple[dict[str, float], list[np.ndarray]]:
    """Run one episode from e0 until a fall or the reference's end.

    Returns:
        Seconds survived, seconds of the reference, forward speed [m/s]; and the pictures, one a control step.
    """
    contract = policy.contract
    robot, observer = MujocoRobot(contract), Observer(contract)
    camera = _Camera(robot) if film else None
    pictures = [camera.picture()] if camera else []
    action = np.zeros(len(contract["action"]["joints"]))
    steps = 0
    while steps < observer.frames - 1 and not robot.fallen:
        action = policy(observer.observe(robot, action, steps))
        robot.step(action, steps)
        steps += 1
        if camera:
            pictures.append(camera.picture())
    seconds = steps / contract["control_rate"]
    numbers = {
        "survived": seconds,
        "reference": (observer.frames - 1) / contract["control_rate"],
        "fell": float(robot.fallen),
        "forward_speed": float(robot.data.qpos[0]) / seconds,
    }
    return numbers, pictures


class _Camera:
    """Films the robot from its side, facing right."""

    def __init__(self, robot: MujocoRobot) -> None:
        import mujoco

        self._robot = robot
        try:
            self._renderer = mujoco.Renderer(robot.model, *PICTURE)
        except Exception as error:  # each OpenGL platform raises its own
            raise InputError(
                f"MuJoCo cannot draw here with MUJOCO_GL={os.environ.get('MUJOCO_GL', 'glfw')}: set MUJOCO_GL to egl "
                "or osmesa, or 'xvfb-run' with MUJOCO_GL=glfw, or add --no_video."
            ) from error
        self._view = mujoco.MjvCamera()
        self._view.azimuth, self._view.elevation, self._view.distance = 90.0, -5.0, 3.5

    def picture(self) -> np.ndarray:
        """Return the robot as it stands now (H, W, 3) uint8."""
        x, y, _ = self._robot.data.qpos[:3]
        self._view.lookat[:] = (x, y, 0.9)
        self._renderer.update_scene(self._robot.data, self._view)
        return self._renderer.render()


def run(argv: list[str]) -> None:
    """Replay, film, and say how it went."""
    parser = argparse.ArgumentParser(description="Replay an exported policy in MuJoCo on the CPU.")
    parser.add_argument("--policy", type=Path, required=True, help="The policy.onnx that scripts/play.py wrote.")
    parser.add_argument("--video", type=Path, help="Video to write; default: mujoco.mp4 beside the policy.")
    parser.add_argument("--no_video", action="store_true", help="Write no video; needs no OpenGL.")
    args = parser.parse_args(argv)
    if args.video and args.no_video:
        raise InputError(f"--video '{args.video}' is not written with --no_video: leave one of both out.")
    video = args.video or args.policy.with_name("mujoco.mp4")
    policy = ExportedPolicy(args.policy)
    if not args.no_video:
        require_writable(video.parent)
    contract = policy.contract
    print(f"[nil_ext] {contract['task']}: {contract['action']['kind']} control at {contract['control_rate']:g} Hz")
    numbers, pictures = replay(policy, film=not args.no_video)
    end = "fell" if numbers["fell"] else "stands"
    print(
        f"[nil_ext] MuJoCo: {end} after {numbers['survived']:.2f} of {numbers['reference']:.2f} s, "
        f"forward speed {numbers['forward_speed']:.3f} m/s"
    )
    if pictures:
        write_video(video, np.stack(pictures), contract["control_rate"])
        print(f"[nil_ext] Video: {video}")


def main() -> int:
    """Entry point of the script."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")  # read when mujoco is imported
    try:
        run(sys.argv[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0
