# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Isaac Lab configuration of a :class:`~nil_ext.robots.robot.Robot`."""

from __future__ import annotations

from collections.abc import Callable

import isaaclab.sim as sim_utils
from isaaclab.actuators import IdealPDActuatorCfg
from isaaclab.assets import ArticulationCfg
from isaaclab.utils import configclass
from isaaclab_newton.sim.schemas import NewtonArticulationCfg
from isaaclab_physx.sim.schemas import PhysxArticulationCfg
from isaaclab_tasks.utils import PresetCfg, preset

from .robot import Robot

ROBOT_LABEL = "robot"
"""Semantic class of every pixel of the robot."""


SOLVER_ITERATIONS = 8
"""PhysX's position iterations of a robot's joints and contacts in a physics step. With PhysX's own 32, a step of 64 H1
takes 14.6 ms on one core, with 8 it takes 6.0, with 4 3.4; played open loop, the A1's trot gets 5 % and 7 % further
than with 32 (ours, measured; Isaac Lab's robots use 4 or 8)."""


@configclass
class RobotUsdCfg(sim_utils.UsdFileCfg):
    """A robot model from a package, converted to USD when it is spawned."""

    func: Callable | str = "nil_ext.robots.model:spawn_robot"

    usd_path: str = ""
    """Filled in when the robot is spawned."""

    model_package: str = ""
    """Package that holds the model; see :class:`~nil_ext.robots.robot.RobotModel`."""

    model_path: str = ""
    """Model file within the package."""

    keep_links: list[str] = []  # noqa: RUF012 (a configclass copies)
    """Links of a URDF that stay bodies of their own."""

    locked_joints: list[str] = []  # noqa: RUF012
    """Joints of a URDF that are fixed at 0."""

    colliding_links: list[str] = []  # noqa: RUF012
    """Links of a URDF that touch things; empty for all."""

    colour: tuple[float, float, float] = (0.3, 0.3, 0.3)
    """Colour of every part, linear RGB."""


def articulation_cfg(robot: Robot, action: str = "torque") -> ArticulationCfg:
    """The robot as an Isaac Lab articulation at ``{ENV_REGEX_NS}/Robot``, standing at its start pose e0.

    The motors are explicit (torque computed in every physics step and clipped at the limit): the converted models
    carry no joint drives, and implicit gains would be ignored silently on PhysX.

    Args:
        robot: the embodiment.
        action: ``torque``, ``position`` or ``residual``, the kind of action whose gains apply where no preset names
            one.
    """
    return ArticulationCfg(
        prim_path="{ENV_REGEX_NS}/Robot",
        spawn=RobotUsdCfg(
            model_package=robot.model.package,
            model_path=robot.model.path,
            keep_links=list(robot.model.keep_links),
            locked_joints=list(robot.model.locked_joints),
            colliding_links=list(robot.model.colliding_links),
            # the shapes of neighbours overlap in most models
            articulation_props=[
                PhysxArticulationCfg(
                    enabled_self_collisions=False,
                    solver_position_iteration_count=SOLVER_ITERATIONS,
                    solver_velocity_iteration_count=1,
                ),
                NewtonArticulationCfg(self_collision_enabled=False),
            ],
            semantic_tags=[("class", ROBOT_LABEL)],
            colour=robot.colour,
        ),
        init_state=ArticulationCfg.InitialStateCfg(
            pos=(0.0, 0.0, robot.start_height), joint_pos=dict(robot.start_joint_pos)
        ),
        actuators={
            "motors": action_preset(
                action,
                torque=_motors_cfg(robot, 0.0, 0.0),
                position=_motors_cfg(robot, dict(robot.stiffness), dict(robot.damping)),
                residual=_motors_cfg(robot, dict(robot.stiffness), dict(robot.damping)),
            )
        },
    )


def action_preset(action: str, **kinds: object) -> PresetCfg:
    """A preset with the names of ``kinds``, by default the one named by ``action``."""
    return preset(**kinds, default=kinds[action])


def _motors_cfg(robot: Robot, stiffness: dict | float, damping: dict | float) -> IdealPDActuatorCfg:
    return IdealPDActuatorCfg(
        joint_names_expr=[".*"],
        actuator_effort_limit=dict(robot.effort_limits),
        joint_effort_limit=dict(robot.effort_limits),
        stiffness=stiffness,
        damping=damping,
        armature=dict(robot.armature) or None,
    )
