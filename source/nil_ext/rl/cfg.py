# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""Settings of BRO for Isaac Lab. The only module of ``nil_ext.rl`` that imports it; tasks import it, nothing else.

Sources: JAX = the authors' repository naumix/BiggerRegularizedOptimistic; trials = our first trials on a 2-core CPU;
ours = our choice, not yet compared with others.
"""

from __future__ import annotations

from dataclasses import field

from isaaclab.utils import configclass
from isaaclab_rl.rsl_rl import RslRlBaseRunnerCfg, RslRlMLPModelCfg


@configclass
class TanhGaussianCfg(RslRlMLPModelCfg.DistributionCfg):
    """Tanh-squashed Gaussian, mean and standard deviation both from the network."""

    class_name: str = "nil_ext.rl.modules:TanhGaussian"
    """The distribution class."""

    log_std_range: tuple[float, float] = (-10.0, 2.0)
    """Range of the logarithm of the standard deviation before the tanh (JAX)."""

    mean_gain: float = 2.0**0.5
    """Gain of the mean's first weights (JAX: sqrt 2, which starts with actions near the bounds). Near 0 a fresh policy
    holds the action 0: with position targets the start pose."""


@configclass
class BroActorCfg(RslRlMLPModelCfg):
    """The policy. The optimistic actor takes its widths."""

    class_name: str = "nil_ext.rl.models:BroActor"
    """The model class."""

    hidden_dims: list[int] = field(default_factory=lambda: [256, 256])
    """Width of the input layer and of each residual block, all equal (JAX: width 256, one block)."""

    activation: str = "relu"
    """The activation (JAX)."""

    obs_normalization: bool = True
    """Whether observations are normalised (JAX: no; its tasks come scaled, ours do not)."""

    distribution_cfg: RslRlMLPModelCfg.DistributionCfg | None = TanhGaussianCfg()
    """The action distribution."""


@configclass
class BroCriticCfg(RslRlMLPModelCfg):
    """The quantile critics."""

    class_name: str = "nil_ext.rl.models:BroCritic"
    """The model class."""

    hidden_dims: list[int] = field(default_factory=lambda: [512, 512, 512])
    """Width of the input layer and of each residual block, all equal (JAX: width 512, two blocks)."""

    activation: str = "relu"
    """The activation (JAX)."""

    obs_normalization: bool = True
    """Whether observations are normalised (JAX: no; its tasks come scaled, ours do not)."""

    num_quantiles: int = 100
    """Quantiles of each critic (JAX)."""

    ensemble_size: int = 2
    """Number of critics, whose mean is the value; their minimum is never taken (JAX). The optimistic actor needs 2."""


@configclass
class BroAlgorithmCfg:
    """BRO's settings; the defaults are the authors'."""

    class_name: str = "nil_ext.rl.algorithms:BRO"
    """The algorithm class."""

    gamma: float = 0.99
    """Discount of one control step (JAX). It sets the horizon: 1 / (1 - gamma) steps."""

    n_step: int = 1
    """Rewards summed before bootstrapping (JAX: 1)."""

    tau: float = 0.005
    """Part of the critics that moves into the target critics at each update (JAX)."""

    batch_size: int = 128
    """Transitions of one update (JAX)."""

    reuse: float = 1280.0
    """How often each transition is drawn on average. A step of all environments earns reuse * num_envs / batch_size
    updates, and a fraction accumulates, so that neither more environments nor larger batches change how much is learned
    from each step (JAX: 10 updates of 128 after each step of its one environment; BRO-fast: 2, which is 256)."""

    warmup_transitions: int = 2500
    """Transitions collected with uniform actions before the first update (JAX)."""

    warmup_range: float = 1.0
    """Those actions are uniform in [-warmup_range, warmup_range] (JAX: 1). With position targets less lets the robot
    stand while the replay fills: of violent actions there is little to learn but that everything falls."""

    replay_size: int = 1_000_000
    """Transitions kept (JAX); :class:`nil_ext.rl.storage.ReplayRing` says what memory they take."""

    replay_precision: str = "float32"
    """Type in which the replay keeps observations, float32 or float16: half the memory for a relative error of 2^-11;
    batches are float32 either way (ours; JAX: float32)."""

    final_obs_fraction: float = 0.1
    """Final observations of truncated episodes kept, relative to replay_size: enough while such episodes last
    1 / final_obs_fraction steps on average. ``Loss/final_obs_lost`` in the log shows where it is not (ours)."""

    learning_rate: float = 3e-4
    """Learning rate of the networks (JAX)."""

    weight_decay: float = 1e-4
    """AdamW's weight decay, on all parameters (JAX)."""

    reward_scale: float = 1.0
    """Factor on the rewards the critics see (JAX: 1). The Huber loss turns linear at differences of 1, and the entropy
    is weighed against the rewards, so sums of scaled rewards over the horizon should be of order 1 to 10."""

    init_alpha: float = 1.0
    """Start value of the temperature (JAX)."""

    alpha_learning_rate: float = 3e-4
    """Learning rate of the temperature (JAX)."""

    target_entropy_scale: float = 0.5
    """The entropy aims at minus this times the number of actions [nat] (JAX)."""

    optimistic: bool = True
    """Whether a second, optimistic actor explores; otherwise the policy itself does (JAX: yes; its later bro_minimal:
    no, which saves about a third of an update)."""

    optimistic_share: float = 1.0
    """Share of the environments that follow the optimistic actor; the others follow the policy, so that the replay also
    holds what it would meet (JAX has one environment: 1)."""

    std_multiplier: float = 0.75
    """Standard deviation of the optimistic actor relative to the policy's (JAX)."""

    kl_target: float = 0.05
    """Divergence of the optimistic actor from the policy, per action [nat] (JAX)."""

    optimism_learning_rate: float = 3e-5
    """Learning rate of omega and lambda, which keep that divergence (JAX)."""

    exploration_scale: tuple[float, float] = (1.0, 1.0)
    """Range of the factors on the exploring standard deviation, spread evenly over the environments; a single one takes
    the middle (JAX has one environment: 1). From 0 on, part of the replay is what the policy itself meets when it does
    not explore; mixed exploration is Li et al. 2023's (PQL)."""

    policy_average: float = 0.0
    """Share of the training so far over which the weights of the policy are averaged that evaluation and export use
    (see :class:`nil_ext.rl.modules.PolicyAverage`); 0 for its newest weights (JAX)."""

    matmul_precision: str = "float32"
    """Precision of the networks' matrix products in updates: float32 or bfloat16. Weights, targets, log-probabilities,
    losses, optimisers and normalisers stay float32 or better either way (ours; JAX: float32). On CUDA our scripts let
    float32 products use TF32, as Isaac Lab's do."""

    compiled: bool = False
    """Whether the networks go through torch.compile, which needs a C++ compiler on the CPU (ours). Three updates equal
    the eager ones to 1e-10 in float64."""

    cuda_graphs: bool = False
    """Whether an update is recorded once as a CUDA graph and then replayed, which spares the launches of some hundred
    small kernels (ours). One GPU only."""

    reset_updates: tuple[int, ...] = ()
    """Numbers of updates after which all networks and optimisers start afresh; the replay stays (ours: off)."""

    reset_catch_up: int = 0
    """Updates that follow a reset at once, from the replay, before the fresh networks act; many environments would
    otherwise store what an untrained policy does (JAX: 0, with one environment)."""


@configclass
class BroRunnerCfg(RslRlBaseRunnerCfg):
    """BRO on a GPU with some hundred environments, whose steps are rendered and therefore dear (ours)."""

    class_name: str = "nil_ext.rl.runners:OffPolicyRunner"
    """The runner class. rsl_rl's own "OnPolicyRunner" trains the same algorithm, by iterations alone, and in turn: it
    knows none of ``max_minutes``, ``log_interval``, ``replay_save_limit`` and ``learn_beside``."""

    obs_groups: dict[str, list[str]] = field(default_factory=lambda: {"actor": ["policy"], "critic": ["policy"]})
    """Observation groups that actor and critic see."""

    init_at_random_ep_len: bool = False
    """Never: an episode's time is the reference's frame."""

    num_steps_per_env: int = 20
    """Steps of an iteration; updates run after every step, so this only sets the grain of reports and checkpoints."""

    max_iterations: int = 5_000
    """Iterations of a run, counted anew when it goes on (as rsl_rl's): 102M environment steps with 1024 environments
    (ours; the paper names no budget)."""

    max_minutes: float = float("inf")
    """Training time of a run, earlier sessions included [min]; whichever budget is used up first ends it."""

    log_interval: int = 10
    """Iterations between reports."""

    save_interval: int = 250
    """Iterations between checkpoints."""

    replay_save_limit: float = 1000.0
    """The replay is written beside the checkpoint while it is at most this large [MB]; 0 for never. Beyond it the file
    is removed, since an older one would not fit the checkpoint. Without it a resumed run refills the replay before its
    first update."""

    learn_beside: bool = False
    """Whether the updates that a step has earned run while the environment takes the next one, in a thread of their
    own, instead of between both (ours); a baseline's other network learns there too. What they learn from is drawn, and
    a discriminator's rewards given, before. The policy then acts without the newest step's updates. Without effect
    where it learns on a GPU or torch has one thread."""

    experiment_name: str = "nil"
    """Folder of the runs."""

    actor: BroActorCfg = BroActorCfg()
    """The policy."""

    critic: BroCriticCfg = BroCriticCfg()
    """The critics."""

    algorithm: BroAlgorithmCfg = BroAlgorithmCfg(
        n_step=3,
        tau=0.01,
        batch_size=2048,
        reuse=32.0,
        warmup_transitions=25_000,
        replay_size=2_000_000,
        replay_precision="float16",
        reward_scale=5.0,
        init_alpha=0.01,
        optimistic_share=0.75,
        reset_catch_up=2_000,
    )
    """The algorithm. 1024 environments earn 16 updates a step."""


_REFERENCE_BATCH_SIZE = 128
_REFERENCE_UPDATES_PER_STEP = 10


@configclass
class BroReferenceRunnerCfg(BroRunnerCfg):
    """The authors' settings, for comparison with their curves: float observations as they come, one environment.

    Their reuse earns ten updates a step for each environment: with 64 a step takes 640.
    """

    max_iterations: int = 50_000
    """One million steps of one environment (JAX)."""

    log_interval: int = 50
    """Iterations between reports."""

    save_interval: int = 2_500
    """Iterations between checkpoints."""

    actor: BroActorCfg = BroActorCfg(obs_normalization=False)
    """The policy."""

    critic: BroCriticCfg = BroCriticCfg(obs_normalization=False)
    """The critics."""

    algorithm: BroAlgorithmCfg = BroAlgorithmCfg(
        batch_size=_REFERENCE_BATCH_SIZE,
        reuse=_REFERENCE_UPDATES_PER_STEP * _REFERENCE_BATCH_SIZE,
        # JAX resets at these environment steps; updates start at step 2500, one environment step at a time.
        reset_updates=tuple(
            _REFERENCE_UPDATES_PER_STEP * (step - 2500)
            for step in (15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001)
        ),
    )
    """The algorithm."""


@configclass
class BroCpuRunnerCfg(BroRunnerCfg):
    """BRO on a 2-core CPU with 64 environments: updates, not samples, are what it has too few of (trials)."""

    device: str = "cpu"
    """Where it learns."""

    max_iterations: int = 1_000_000
    """Not the limit here."""

    max_minutes: float = 45.0
    """Training time [min]; start-up and the evaluation at the end come on top."""

    log_interval: int = 5
    """Iterations between reports: every 100 steps, some ten seconds."""

    save_interval: int = 100
    """Iterations between checkpoints: every few minutes."""

    learn_beside: bool = True
    """The renderer uses one core, which leaves the other to the updates."""

    actor: BroActorCfg = BroActorCfg(hidden_dims=[128, 128], distribution_cfg=TanhGaussianCfg(mean_gain=0.01))
    """The policy (trials: width 128). It begins by holding the start pose, from which there is something to learn."""

    critic: BroCriticCfg = BroCriticCfg(hidden_dims=[128, 128], num_quantiles=10)
    """The critics (trials: width 128, 10 quantiles)."""

    algorithm: BroAlgorithmCfg = BroAlgorithmCfg(
        n_step=3,
        gamma=0.92,
        batch_size=256,
        reuse=32.0,
        warmup_transitions=2_560,
        warmup_range=0.3,
        replay_size=500_000,
        replay_precision="float16",
        learning_rate=3e-3,
        reward_scale=10.0,
        init_alpha=0.002,
        target_entropy_scale=1.4,
        optimistic=False,
        policy_average=0.1,
    )
    """The algorithm (trials). 64 environments earn 8 updates a step. An update takes 9 ms on one thread and 6.5 ms on
    two where both are free; twice the width 16 and 11.5, a second critic block 12 and 9, the optimistic actor 13 and 10
    (measured at 70 observations, 19 actions). As updates are what there is too little of, each is ten times as large as
    the JAX code's: an H1 learned a clip's motion three to four times as fast (docs/results). gamma fits 25 Hz control
    (trials: .92 learned faster than .97); the same horizon at 100 Hz is .92 ** (1 / 4) = .979.
    """
