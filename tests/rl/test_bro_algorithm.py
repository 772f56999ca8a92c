# Copyright (c) 2026, nil_ext developers.
# SPDX-License-Identifier: BSD-3-Clause

"""How BRO treats ends of episodes, warm-up, credit and resets."""

from __future__ import annotations

import copy
import shutil
from dataclasses import fields

import pytest
import torch
from tensordict import TensorDict

from nil_ext.errors import InputError
from nil_ext.rl.algorithms import BRO
from nil_ext.rl.algorithms.allowed_settings import ALLOWED
from nil_ext.rl.algorithms.bro_learner import Batch
from nil_ext.rl.models import BroActor, BroCritic
from nil_ext.rl.runners import OffPolicyRunner
from nil_ext.rl.storage import ReplayRing

NUM_ENVS = 4


def make_bro(num_quantiles: int = 4, num_envs: int = NUM_ENVS, ensemble_size: int = 2, **settings) -> BRO:
    obs = TensorDict({"policy": torch.zeros(NUM_ENVS, 3)}, batch_size=[NUM_ENVS])
    groups = {"actor": ["policy"], "critic": ["policy"]}
    actor = BroActor(
        obs, groups, "actor", 2, [8, 8], distribution_cfg={"class_name": "nil_ext.rl.modules:TanhGaussian"}
    )
    critic = BroCritic(obs, groups, "critic", 2, [8, 8], num_quantiles=num_quantiles, ensemble_size=ensemble_size)
    # 4 environments and batches of 16: a reuse of 4 is an update a step
    settings = {"warmup_transitions": 0, "reuse": 4.0, "batch_size": 16} | settings
    device = settings.get("device", "cpu")
    return BRO(actor, critic, ReplayRing({"policy": 3}, 2, num_envs, 32, 1.0, device), **settings)


def observe(value: float, num_envs: int = NUM_ENVS) -> TensorDict:
    return TensorDict({"policy": torch.full((num_envs, 3), value)}, batch_size=[num_envs])


def test_terminations_end_the_value_and_time_outs_bootstrap_from_the_final_observation(monkeypatch):
    """Critic targets by hand: the target critic is replaced by a function of its observation."""
    alg = make_bro(gamma=0.5, init_alpha=1e-30, n_step=1, reward_scale=2.0)
    alg.replay = ReplayRing({"policy": 3}, 2, NUM_ENVS, 3, 1.0)
    alg.act(observe(1.0))
    # env 0 goes on, env 1 falls, env 2 times out, env 3's stale time-out flag comes without a done.
    dones = torch.tensor([0, 1, 1, 0])
    extras = {"time_outs": torch.tensor([False, False, True, True]), "final_obs": {"policy": torch.full((4, 3), 7.0)}}
    alg.process_env_step(observe(3.0), torch.tensor([1.0, 2.0, 3.0, 4.0]), dones, extras)
    # Both target critics see 10 times the observation's first entry, in each of the four quantiles.
    monkeypatch.setattr(alg.learner.target, "forward", lambda x: 10.0 * x[..., :1].expand(*x.shape[:-1], 4))
    seen = {}

    def capture(quantiles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen["targets"] = targets
        return quantiles.sum()

    monkeypatch.setattr("nil_ext.rl.algorithms.bro_learner.quantile_huber_loss", capture)
    everything = alg.replay.gather(torch.zeros(4, dtype=torch.long), torch.arange(4), 1, 0.5)
    monkeypatch.setattr(alg.replay, "sample", lambda *_: everything)
    batch = alg._sample(4)
    alg.learner._update_critic(batch, torch.zeros(4, 2))
    # 2 r + .5 * 10 * next: 2 + 15, 4 + 0, 6 + .5 * 70, 8 + 15
    assert seen["targets"].shape == (4, 4)
    torch.testing.assert_close(seen["targets"][:, 0], torch.tensor([17.0, 4.0, 41.0, 23.0]))


def test_the_target_is_the_mean_of_the_critics_minus_the_entropy_term(monkeypatch):
    alg = make_bro(gamma=0.5, init_alpha=0.1)
    members = torch.tensor([[[1.0, 2.0, 3.0, 4.0]], [[5.0, 0.0, 3.0, 8.0]]])
    monkeypatch.setattr(alg.learner.target, "forward", lambda x: members.expand(-1, x.shape[1], -1))
    monkeypatch.setattr(
        alg.actor.distribution, "rsample", lambda noise: (torch.zeros(len(noise), 2), torch.full((len(noise),), -2.0))
    )
    seen = {}
    monkeypatch.setattr(
        "nil_ext.rl.algorithms.bro_learner.quantile_huber_loss",
        lambda z, y: seen.update(targets=y) or z.sum(),
    )
    alg.act(observe(0.0))
    alg.process_env_step(observe(0.0), torch.ones(NUM_ENVS), torch.zeros(NUM_ENVS), {})
    alg.learner._update_critic(alg._sample(3), torch.zeros(3, 2))
    # quantile by quantile mean (3, 1, 3, 6), plus .1 * 2, halved, plus the reward 1
    torch.testing.assert_close(seen["targets"][0], torch.tensor([2.6, 1.6, 2.6, 4.1]))


def test_a_time_out_without_its_final_observation_is_refused():
    alg = make_bro()
    alg.act(observe(0.0))
    with pytest.raises(InputError, match="compute_final_obs"):
        alg.process_env_step(
            observe(0.0), torch.zeros(NUM_ENVS), torch.ones(NUM_ENVS), {"time_outs": torch.ones(NUM_ENVS)}
        )


def run_steps(alg: BRO, num_steps: int) -> list[int]:
    """Return the number of updates after each of some steps."""
    done, obs = [], observe(0.5, alg.replay.num_envs)
    for _ in range(num_steps):
        alg.act(obs)
        alg.process_env_step(obs, torch.zeros(len(obs)), torch.zeros(len(obs)), {})
        alg.update()
        done.append(alg.gradient_steps)
    return done


def test_each_observation_is_stored_once(monkeypatch):
    alg, stored = make_bro(), []
    store = alg.replay.observe
    monkeypatch.setattr(alg.replay, "observe", lambda obs: stored.append(obs) or store(obs))
    run_steps(alg, 5)
    assert len(stored) == 1 + 5  # the one it starts from, and one after each step
    alg.train_mode()
    run_steps(alg, 2)
    assert len(stored) == 6 + 1 + 2


def test_updates_start_after_the_warm_up_and_fractions_add_up():
    # 4 environments: 12 transitions after step 3, from then on half an update a step.
    assert run_steps(make_bro(warmup_transitions=12, reuse=2.0), 8) == [0, 0, 0, 1, 1, 2, 2, 3]
    # Without a warm-up updates wait for n steps.
    assert run_steps(make_bro(n_step=3, reuse=8.0), 4) == [0, 0, 2, 4]


@pytest.mark.parametrize(("num_envs", "updates"), [(1, 2), (64, 128), (1024, 2048)])
def test_each_transition_is_drawn_as_often_whatever_the_number_of_environments(monkeypatch, num_envs, updates):
    """Sixteen steps by hand: 32 times 1, 64 or 1024 a batch of 256 are 1/8, 8 or 128 updates a step."""
    alg = make_bro(num_envs=num_envs, reuse=32.0, batch_size=256)
    drawn = []
    monkeypatch.setattr(
        alg.learner, "step", lambda batch, _: drawn.append(len(batch.rewards)) or {"n": torch.zeros(())}
    )
    assert run_steps(alg, 16)[-1] == len(drawn) == updates
    assert sum(drawn) == 32 * alg.transitions


def test_warm_up_actions_are_uniform_and_later_ones_are_the_actors():
    alg = make_bro(warmup_transitions=8, optimistic=False)
    with torch.no_grad():
        alg.actor.mlp[-1].weight.zero_()
        alg.actor.mlp[-1].bias.copy_(torch.tensor([1.0, -1.0, -9.0, -9.0]))  # mean +-1, std e^-10
    warm = torch.cat([alg.act(observe(0.0)) for _ in range(500)])
    assert warm.abs().max() <= 1.0
    assert warm.mean(0).abs().max() < 0.06  # uniform on [-1, 1]: standard error .577 / sqrt(2000) = .013
    assert warm.std(0).sub(3**-0.5).abs().max() < 0.03
    alg.transitions = 8
    torch.testing.assert_close(
        alg.act(observe(0.0)), torch.tensor([[1.0, -1.0]]).tanh().expand(4, 2), atol=1e-3, rtol=0.0
    )


def test_the_optimistic_actor_shifts_the_mean_and_narrows_the_noise():
    alg = make_bro(std_multiplier=0.75)
    with torch.no_grad():
        alg.actor.mlp[-1].weight.zero_()
        alg.actor.mlp[-1].bias.copy_(torch.tensor([0.0, 0.0, 0.35, 0.35]))
    alg.learner.optimistic_actor.forward = lambda latent, mean: torch.tensor([[0.5, -0.5]])
    u = torch.cat([alg.act(observe(0.0)) for _ in range(5000)]).double().atanh()
    std = torch.exp(-10 + 6 * (1 + torch.tensor(0.35).tanh())).item()  # e^-1.98 = .138
    torch.testing.assert_close(u.mean(0), torch.tensor([0.5, -0.5]).double(), atol=0.01, rtol=0.0)
    torch.testing.assert_close(u.std(0), torch.full((2,), 0.75 * std).double(), atol=0.0, rtol=0.03)


def test_a_reset_draws_fresh_networks_and_forgets_the_moments():
    alg = make_bro(reset_updates=(3,), reuse=4.0)
    run_steps(alg, 3)
    before = {name: module.state_dict() for name, module in alg.learner.modules.items()}
    before = {f"{n}.{k}": v.clone() for n, state in before.items() for k, v in state.items() if k.endswith("weight")}
    alg.learner.reset()
    after = {f"{n}.{k}": v for n, module in alg.learner.modules.items() for k, v in module.state_dict().items()}
    matrices = [name for name, value in before.items() if value.dim() >= 2 and min(value.shape[-2:]) > 1]
    assert matrices
    assert all((before[name] - after[name]).abs().max() > 1e-3 for name in matrices)
    for key, value in alg.critic.mlp.state_dict().items():
        assert torch.equal(value, alg.learner.target.state_dict()[key])
    assert all(not optimizer.state for optimizer in alg.learner.optimizers.values())
    first = alg.actor.mlp[0].weight.clone()
    alg.learner.reset()
    assert not torch.equal(first, alg.actor.mlp[0].weight)  # fresh seeds, unlike the authors' code


def test_a_checkpoint_brings_back_moments_and_leaves_this_runs_rates():
    trained = make_bro(learning_rate=1e-3, weight_decay=1e-2, alpha_learning_rate=2e-3, optimism_learning_rate=2e-4)
    run_steps(trained, 3)
    saved = copy.deepcopy(trained.save())
    for state in saved["optimizer_state_dicts"].values():  # as of a run that went about it in another way
        for group in state["param_groups"]:
            group.update(fused=None, capturable=True, betas=(0.1, 0.2))
    alg = make_bro(learning_rate=1e-5, weight_decay=0.0, alpha_learning_rate=1e-4, optimism_learning_rate=1e-6)
    alg.load(saved)
    settings = {n: [(g["lr"], g["betas"]) for g in o.param_groups] for n, o in alg.learner.optimizers.items()}
    network, dual = (1e-5, (0.9, 0.999)), (0.5, 0.999)
    assert settings == {
        "actor": [network], "critic": [network], "optimistic_actor": [network],
        "duals": [(1e-4, dual), (1e-6, dual)],
    }  # fmt: skip
    assert alg.learner.optimizers["actor"].param_groups[0]["weight_decay"] == 0.0
    for name, optimizer in alg.learner.optimizers.items():
        assert all(group["fused"] and not group["capturable"] for group in optimizer.param_groups)
        mine, theirs = optimizer.state_dict()["state"], saved["optimizer_state_dicts"][name]["state"]
        assert mine.keys() == theirs.keys() != set()
        assert all(torch.equal(mine[i][key], value) for i, values in theirs.items() for key, value in values.items())
    run_steps(alg, 2)


def test_scheduled_resets_happen_at_their_update(monkeypatch):
    alg = make_bro(reset_updates=(2, 5), reuse=12.0)
    resets = []
    monkeypatch.setattr(alg.learner, "reset", lambda: resets.append(alg.gradient_steps))
    run_steps(alg, 3)
    assert resets == [2, 5]
    assert alg.gradient_steps == 9


def test_updates_leave_the_normaliser_alone_and_each_frame_counts_once():
    alg = make_bro(reuse=8.0)
    obs = observe(0.0)
    groups = {"actor": ["policy"], "critic": ["policy"]}
    alg.actor = BroActor(
        obs, groups, "actor", 2, [8, 8], obs_normalization=True,
        distribution_cfg={"class_name": "nil_ext.rl.modules:TanhGaussian"},
    )  # fmt: skip
    run_steps(alg, 5)
    assert alg.actor.obs_normalizer.count == 5 * NUM_ENVS


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("batch_size", 0, "1 or more"),
        ("n_step", 0, "1 or more"),
        ("replay_size", -5, "1 or more"),
        ("init_alpha", 0.0, "a number above 0"),
        ("gamma", 1.01, "a number from 0 to 1"),
        ("tau", float("nan"), "a number from 0 to 1"),
        ("optimistic_share", -0.1, "a number from 0 to 1"),
        ("learning_rate", -1e-3, "0 or more"),
        ("final_obs_fraction", -1.0, "0 or more"),
        ("warmup_transitions", -1, "0 or more"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(point_mass, train_cfg, name, value, words):
    train_cfg["algorithm"][name] = value
    with pytest.raises(InputError, match=rf"^agent\.algorithm\.{name} is {value}; write {words}\.$"):
        OffPolicyRunner(point_mass, train_cfg)


def test_every_setting_with_a_range_is_one_of_the_agents():
    cfg = pytest.importorskip("nil_ext.tasks.walk.baseline_cfg")
    names = {name for *_, names in ALLOWED for name in names}
    kinds = (cfg.BroAlgorithmCfg, cfg.AmpAlgorithmCfg, cfg.GaifoAlgorithmCfg, cfg.BcoAlgorithmCfg)
    assert names <= {field.name for kind in kinds for field in fields(kind)}


@pytest.mark.parametrize("settings", [{"warmup_transitions": 125}, {"n_step": 32}])
def test_training_with_a_replay_too_small_for_the_first_update_is_refused(settings):
    """It holds 31 steps of 4 environments. Who only plays needs none, with however many."""
    alg = make_bro(**settings)
    with pytest.raises(InputError, match=r"enlarge agent\.algorithm\.replay_size"):
        alg.train_mode()


def test_a_replay_just_large_enough_learns():
    for settings in ({"warmup_transitions": 124}, {"n_step": 31}):
        alg = make_bro(**settings)
        alg.train_mode()
        assert run_steps(alg, 32)[-1] > 0


@pytest.mark.parametrize("ensemble_size", [1, 3])
def test_the_optimistic_actor_needs_two_critics(ensemble_size):
    with pytest.raises(InputError, match=rf"agent\.critic\.ensemble_size is {ensemble_size}.*optimistic=false"):
        make_bro(ensemble_size=ensemble_size)
    run_steps(make_bro(ensemble_size=ensemble_size, optimistic=False), 3)


def test_part_of_the_environments_may_follow_the_policy_itself():
    alg = make_bro(std_multiplier=0.75, optimistic_share=0.5)
    with torch.no_grad():
        alg.actor.mlp[-1].weight.zero_()
        alg.actor.mlp[-1].bias.copy_(torch.tensor([0.0, 0.0, 0.35, 0.35]))
    alg.learner.optimistic_actor.forward = lambda latent, mean: torch.tensor([[0.5, -0.5]])
    latent = torch.zeros(NUM_ENVS, 3)
    u = torch.stack([alg.learner.explore(latent) for _ in range(500)]).double().atanh()  # (500, 4, 2)
    std = torch.exp(-10 + 6 * (1 + torch.tensor(0.35).tanh())).item()
    shift = torch.tensor([[0.5, -0.5]] * 2 + [[0.0, 0.0]] * 2).double()
    torch.testing.assert_close(u.mean(0), shift, atol=0.03, rtol=0.0)  # standard error .138 / sqrt(500) = .006
    wanted = std * torch.tensor([0.75, 0.75, 1.0, 1.0]).double()[:, None].expand(4, 2)
    torch.testing.assert_close(u.std(0), wanted, atol=0.0, rtol=0.15)


def test_a_reset_catches_up_before_the_fresh_networks_act(monkeypatch):
    alg = make_bro(reset_updates=(5,), reset_catch_up=100, reuse=8.0)
    resets = []
    monkeypatch.setattr(alg.learner, "reset", lambda: resets.append(alg.gradient_steps))
    # two updates a step; the reset comes with the sixth, within the third step, and its hundred in that step too
    assert run_steps(alg, 4) == [2, 4, 106, 108]
    assert resets == [5]


def updated_by(alg: BRO, reference: BRO) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Run the same update on both and return what each reports."""
    alg.load(reference.save())
    run_steps(reference, 3)
    batch, noise = reference._sample(64), torch.randn(3, 64, 2)
    alg.load(reference.save())
    return alg.learner.step(batch, noise), reference.learner.step(batch, noise)


def test_bfloat16_products_leave_everything_else_in_float32():
    alg, reference = make_bro(matmul_precision="bfloat16"), make_bro()
    rough, exact = updated_by(alg, reference)
    for name, value in exact.items():
        assert rough[name].dtype == torch.float32
        # bfloat16 has 8 bits: relative errors of about 2^-8 in each of four layers
        torch.testing.assert_close(rough[name], value, rtol=0.05, atol=0.02, msg=name)
    assert not torch.equal(rough["critic"], exact["critic"])
    assert {weight.dtype for weight in alg.weights} == {torch.float32}
    with pytest.raises(InputError, match="float32 or bfloat16"):
        make_bro(matmul_precision="float16")


def updates_side_by_side(alg: BRO, reference: BRO, count: int, dtype: torch.dtype, device: str, bound: float) -> None:
    """Run the same updates on both, from the same weights, and compare all they report and learn."""
    alg.load(reference.save())
    generator = torch.Generator(device).manual_seed(0)
    for update in range(count):
        values = [torch.randn(16, n, device=device, dtype=dtype, generator=generator) for n in (3, 3, 2, 1, 1, 3, 3)]
        batch = Batch(*values[:3], values[3][:, 0], values[4][:, 0].sigmoid(), *values[5:])
        noise = torch.randn(3, 16, 2, device=device, dtype=dtype, generator=generator)
        mine, theirs = alg.learner.step(batch, noise), reference.learner.step(batch, noise)
        for name, value in theirs.items():
            torch.testing.assert_close(mine[name], value, rtol=bound, atol=bound, msg=f"{name}, update {update}")
    for weight, other in zip(alg.weights, reference.weights, strict=True):
        torch.testing.assert_close(weight, other, rtol=bound, atol=bound)


@pytest.mark.slow  # compiles for two minutes
def test_a_compiled_update_equals_the_eager_one():
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler on the CPU")
    alg, reference = make_bro(compiled=True), make_bro()
    for each in (alg, reference):
        for module in each.learner.modules.values():
            module.double()
    # In float32 AdamW's first steps turn the sign of a gradient near zero into a whole step.
    updates_side_by_side(alg, reference, 3, torch.float64, "cpu", 1e-10)


@pytest.mark.gpu
def test_a_recorded_update_equals_the_eager_one():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    alg, reference = (make_bro(device="cuda", policy_average=0.5, cuda_graphs=graphs) for graphs in (True, False))
    # three run kernel by kernel, then the recording is made and replayed
    updates_side_by_side(alg, reference, 8, torch.float32, "cuda", 1e-4)


def test_cuda_graphs_are_refused_without_a_gpu():
    with pytest.raises(InputError, match="cuda_graphs needs one GPU"):
        make_bro(cuda_graphs=True)


def test_the_exploring_noise_is_spread_over_the_environments():
    obs = TensorDict({"policy": torch.zeros(32, 3)}, batch_size=[32])
    for settings in ({"optimistic": False}, {"optimistic_share": 0.5, "std_multiplier": 1.0}):
        alg = make_bro(exploration_scale=(0.0, 1.0), **settings)
        with torch.no_grad():
            alg.actor.mlp[-1].weight.zero_()
            alg.actor.mlp[-1].bias.copy_(torch.tensor([0.0, 0.0, 0.35, 0.35]))
        alg.learner.optimistic_actor.forward = lambda latent, mean: torch.zeros(1, 2)
        u = torch.stack([alg.learner.explore(obs["policy"]) for _ in range(2000)]).double().atanh()  # (2000, 32, 2)
        scale = u.std(dim=(0, 2)) / torch.exp(-10 + 6 * (1 + torch.tensor(0.35).tanh())).item()
        assert scale[0] == 0.0  # one meets what the policy itself meets
        for part in (scale[:16], scale[16:]):  # both halves span the range, with no gap beyond twice the even one
            gaps = torch.diff(torch.cat((torch.zeros(1), part.sort().values, torch.ones(1))))
            assert gaps.max() < 2.0 / 16 + 0.03


def test_a_single_environment_explores_with_the_middle_of_the_range():
    """Its place in the spread is the first, whose factor is the least: here 0."""
    alone, plain = (make_bro(exploration_scale=scale, optimistic=False) for scale in ((0.0, 2.0), (1.0, 1.0)))
    plain.actor.load_state_dict(alone.actor.state_dict())
    actions = []
    for alg in (alone, plain):
        torch.manual_seed(3)
        actions.append(alg.learner.explore(torch.zeros(1, 3)))
    torch.testing.assert_close(*actions, rtol=0.0, atol=0.0)


def test_the_policy_is_the_average_of_the_newest_weights():
    alg = make_bro(policy_average=0.5)
    assert alg.get_policy() is not alg.actor
    weights = []
    for _ in range(6):
        run_steps(alg, 1)
        weights.append(alg.actor.mlp[0].weight.detach().clone())
    # After n updates the newest counts 1 / max(1, n / 2): 1, 1, 2/3, 1/2, 2/5, 1/3.
    by_hand = weights[1]
    for share, newest in zip((2 / 3, 1 / 2, 2 / 5, 1 / 3), weights[2:], strict=True):
        by_hand = by_hand + share * (newest - by_hand)
    torch.testing.assert_close(alg.get_policy().mlp[0].weight, by_hand)
    assert not torch.equal(alg.get_policy().mlp[0].weight, alg.actor.mlp[0].weight)
    assert alg.get_policy().obs_normalizer is alg.actor.obs_normalizer

    saved = alg.save()
    other = make_bro(policy_average=0.5)
    other.load(saved)
    assert torch.equal(other.get_policy().mlp[0].weight, alg.get_policy().mlp[0].weight)
    assert other.learner.average.count == 6
    plain = make_bro()
    plain.load(saved)  # whether weights are averaged is a setting of the run that goes on
    assert torch.equal(plain.get_policy().mlp[0].weight, alg.actor.mlp[0].weight)
    other.load(plain.save())
    assert torch.equal(other.get_policy().mlp[0].weight, plain.actor.mlp[0].weight)

    alg.learner.reset()
    assert torch.equal(alg.get_policy().mlp[0].weight, alg.actor.mlp[0].weight)
    assert alg.learner.average.count == 0
    with pytest.raises(InputError, match="policy_average is 2"):
        make_bro(policy_average=2)
