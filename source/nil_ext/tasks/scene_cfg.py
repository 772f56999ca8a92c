# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""What every imitation task is simulated with: physics, renderers, and the scene with its camera."""

from __future__ import annotations

from dataclasses import MISSING

import isaaclab.sim as sim_utils
from isaaclab.assets import ArticulationCfg, AssetBaseCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.sensors import CameraCfg
from isaaclab.utils import configclass
from isaaclab_newton.physics import MJWarpSolverCfg, NewtonCfg
from isaaclab_newton.renderers import NewtonWarpRendererCfg
from isaaclab_ov.physics import OvPhysxCfg
from isaaclab_ov.renderers import OVRTXRendererCfg
from isaaclab_physx.physics import PhysxCfg
from isaaclab_physx.renderers import IsaacRtxRendererCfg
from isaaclab_tasks.utils import PresetCfg


@configclass
class PhysicsPresetCfg(PresetCfg):
    """Physics backends. ``physics=<name>`` on the command line."""

    newton_mjwarp: NewtonCfg = NewtonCfg(
        solver_cfg=MJWarpSolverCfg(
            njmax=200, nconmax=60, cone="pyramidal", impratio=1.0, integrator="implicitfast", use_mujoco_contacts=True
        ),
        num_substeps=1,
    )
    ovphysx: OvPhysxCfg = OvPhysxCfg()
    isaacsim_physx: PhysxCfg = PhysxCfg()
    default: NewtonCfg = newton_mjwarp


@configclass
class RendererPresetCfg(PresetCfg):
    """Renderers. ``renderer=<name>`` on the command line. Segmentation comes as ids, never as colours."""

    newton_renderer: NewtonWarpRendererCfg = NewtonWarpRendererCfg(colorize_semantic_segmentation=False)
    ovrtx: OVRTXRendererCfg = OVRTXRendererCfg(colorize_semantic_segmentation=False)
    isaacsim_rtx: IsaacRtxRendererCfg = IsaacRtxRendererCfg(colorize_semantic_segmentation=False)
    default: NewtonWarpRendererCfg = newton_renderer


@configclass
class ImitationSceneCfg(InteractiveSceneCfg):
    """A robot on flat ground, filmed by a camera that follows it."""

    ground = AssetBaseCfg(
        prim_path="/World/ground",
        # a slab of our own: Isaac Lab's ground plane is a file that has to be downloaded
        init_state=AssetBaseCfg.InitialStateCfg(pos=(0.0, 0.0, -0.5)),
        spawn=sim_utils.CuboidCfg(
            size=(1000.0, 1000.0, 1.0),
            collision_props=sim_utils.CollisionPropertiesCfg(),
            physics_material=sim_utils.RigidBodyMaterialCfg(static_friction=1.0, dynamic_friction=1.0),
            visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=(0.7, 0.7, 0.7)),
            semantic_tags=[("class", "ground")],
        ),
    )
    robot: ArticulationCfg = MISSING
    camera = CameraCfg(
        prim_path="{ENV_REGEX_NS}/Camera",
        data_types=["rgb", "semantic_segmentation"],
        width=112,
        height=112,
        spawn=sim_utils.PinholeCameraCfg(clipping_range=(0.1, 20.0)),
        renderer_cfg=RendererPresetCfg(),
    )
    light = AssetBaseCfg(prim_path="/World/light", spawn=sim_utils.DomeLightCfg(intensity=1500.0))
