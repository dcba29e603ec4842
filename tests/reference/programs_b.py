"""DQN, actor-critic, GCN and matrix factorization: data/program-<name>.json and .bin.

These programs, and those of programs_b_representations.py and programs_b_weights.py, go in the order of their tutorials, ten steps each.
tests/programs/<name>.ts is the same program here.
"""

import copy
import math
from collections import namedtuple

import torch
from torch import nn
from torch.nn import functional as F

from programs import write


def numbers(run, values):
    """Returns Python's numbers as a tensor in the run's precision."""
    return torch.tensor(values, dtype=run.dtype)


def decide(*margins, least=2e-5):
    """Demands that no choice is so close that rounding could make it: `margins` are what the alternatives differ by."""
    for margin in margins:
        assert margin.abs().min() > least, f"too close to call: {margin.abs().min():.1e}"


class CartPole:
    """A pole on a cart, as in Gym's CartPole-v1, in plain numbers; the reward is the pole's height."""

    def reset(self, state):
        self.state = list(state)
        return self.state

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        force = 10.0 if action == 1 else -10.0
        sin, cos = math.sin(theta), math.cos(theta)
        temp = (force + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * cos / 1.1
        self.state = [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc]
        terminated = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        return self.state, math.cos(self.state[2]), terminated


Transition = namedtuple("Transition", ("state", "action", "next_state", "reward", "done"))


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(4, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, 2)

    def forward(self, x):
        return self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))


def dqn(run):
    """The DQN tutorial, with a soft update of the target network and once more with a hard one."""
    initial = run.model(QNetwork(), "policy")
    starts = run.data("starts", torch.rand(6, 4) * torch.tensor([0.1, 0.5, 0.2, 1.2]) - torch.tensor([0.05, 0.2, 0.05, 0.2]))
    chances = run.data("chances", torch.rand(17))
    randoms = run.data("randomActions", torch.randint(2, (17,)))
    samples = run.data("samples", torch.stack([torch.randperm(8 + i)[:8] for i in range(10)]))
    states = run.data("states", 0.3 * torch.randn(6, 4))
    for update in ("soft", "hard"):
        policy_net, target_net = copy.deepcopy(initial), copy.deepcopy(initial)
        optimizer = torch.optim.AdamW(policy_net.parameters(), lr=5e-3, amsgrad=True)
        env, memory, steps, rewards, durations = CartPole(), [], 0, [], []
        episode = duration = total = 0
        state = torch.tensor([env.reset(starts[0].tolist())], dtype=run.dtype)
        for t in range(17):
            if chances[t] > 0.4:
                with torch.no_grad():
                    q = policy_net(state)
                    decide(q[0, 0] - q[0, 1])
                    action = q.max(1).indices.view(1, 1)
            else:
                action = randoms[t].view(1, 1)
            observation, reward, terminated = env.step(action.item())
            next_state = torch.tensor([observation], dtype=run.dtype)
            memory.append(
                Transition(state, action, next_state, numbers(run, [reward]), numbers(run, [float(terminated)]))
            )
            state = next_state
            duration += 1
            total += reward
            if len(memory) >= 8:
                batch = Transition(*zip(*[memory[i] for i in samples[len(memory) - 8].tolist()]))
                state_action_values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
                with torch.no_grad():
                    next_state_values = target_net(torch.cat(batch.next_state)).max(1).values
                expected = next_state_values * 0.99 * (1 - torch.cat(batch.done)) + torch.cat(batch.reward)
                loss = F.smooth_l1_loss(state_action_values, expected.unsqueeze(1))
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_value_(policy_net.parameters(), 0.1)
                optimizer.step()
                steps += 1
                run.follow(update, loss)
                if update == "soft":
                    with torch.no_grad():
                        for target, policy in zip(target_net.parameters(), policy_net.parameters()):
                            target.copy_(policy * 0.05 + target * 0.95)
                elif steps % 4 == 0:
                    target_net.load_state_dict(policy_net.state_dict())
            if terminated:
                durations.append(duration)
                rewards.append(total)
                episode += 1
                duration = total = 0
                state = torch.tensor([env.reset(starts[episode].tolist())], dtype=run.dtype)
        assert 1 < len(durations) < len(starts)
        run.result(f"{update}.durations", torch.tensor(durations))
        run.result(f"{update}.rewards", numbers(run, rewards))
        with torch.no_grad():
            q = policy_net(states)
            decide(q[:, 0] - q[:, 1])
            run.result(f"{update}.values", q)
            run.result(f"{update}.greedy", q.argmax(1))
            run.result(f"{update}.targetValues", target_net(states))


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def actor_critic(run):
    """The actor-critic of PyTorch's examples: an action is read at each step, the gradient goes through all of them."""
    model = run.model(Policy())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    starts = run.data("starts", torch.rand(10, 4) * 0.1 - 0.05)
    chances = run.data("chances", torch.rand(10, 6))
    env, actions, running_reward, running = CartPole(), [], 1.0, []
    for episode in range(10):
        state = env.reset(starts[episode].tolist())
        saved_actions, rewards, ep_reward = [], [], 0
        for t in range(6):
            probs, state_value = model(torch.tensor(state, dtype=run.dtype))
            decide(probs[0] - chances[episode, t])
            action = (probs.detach().cumsum(0) < chances[episode, t]).sum().clamp(max=1)
            saved_actions.append((probs.log().gather(0, action.view(1)), state_value))
            state, reward, _ = env.step(action.item())
            reward -= 2 * abs(state[0])
            actions.append(action.item())
            rewards.append(reward)
            ep_reward += reward
        running_reward = 0.05 * ep_reward + (1 - 0.05) * running_reward
        running.append(running_reward)
        R, returns = 0, []
        for r in rewards[::-1]:
            R = r + 0.99 * R
            returns.insert(0, R)
        returns = numbers(run, returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-3)
        policy_losses, value_losses = [], []
        for (log_prob, value), R in zip(saved_actions, returns):
            advantage = R - value.item()
            policy_losses.append(-log_prob * advantage)
            value_losses.append(F.smooth_l1_loss(value, R.view(1)))
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        optimizer.step()
        run.follow("loss", loss)
    run.result("actions", torch.tensor(actions))
    run.result("runningRewards", numbers(run, running))
    with torch.no_grad():
        probs, values = model(starts)
        run.result("probs", probs)
        run.result("values", values)


class GCNConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, edge_index):
        row, col = edge_index
        x = self.lin(x)
        deg = x.new_zeros(x.size(0)).index_add(0, col, x.new_ones(col.size(0)))
        deg_inv_sqrt = deg.pow(-0.5)
        norm = deg_inv_sqrt[row] * deg_inv_sqrt[col]
        out = torch.zeros_like(x).index_add(0, col, norm.view(-1, 1) * x[row])
        return out + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = GCNConv(8, 12)
        self.conv2 = GCNConv(12, 3)

    def forward(self, x, edge_index, keep=None):
        x = F.relu(self.conv1(x, edge_index))
        if self.training:
            x = x * keep * 2
        return F.log_softmax(self.conv2(x, edge_index), dim=1)


def gcn(run):
    """Node classification with messages along edges; validation after each step, test accuracy at the end."""
    labels = torch.arange(24) % 3
    pairs = [(i, j) for i in range(24) for j in range(i) if torch.rand(1) < (0.3 if i % 3 == j % 3 else 0.06)]
    rows, cols = zip(*pairs)
    loops = tuple(range(24))
    edge_index = run.data("edges", torch.tensor([rows + cols + loops, cols + rows + loops]))
    x = run.data("x", 0.6 * F.one_hot(labels, 8) + torch.randn(24, 8))
    y = run.data("y", labels)
    keep = run.data("keep", (torch.rand(10, 24, 12) < 0.5).float())
    order = torch.randperm(24)
    train, val, test = run.data("train", order[:9]), run.data("val", order[9:15]), run.data("test", order[15:])
    model = run.model(GCN())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    accuracies = []
    for epoch in range(10):
        model.train()
        optimizer.zero_grad()
        output = model(x, edge_index, keep[epoch])
        loss_train = F.nll_loss(output[train], y[train])
        loss_train.backward()
        optimizer.step()
        model.eval()
        output = model(x, edge_index)
        loss_val = F.nll_loss(output[val], y[val])
        run.follow("train", loss_train)
        run.follow("val", loss_val)
        accuracies.append((output.argmax(1)[val] == y[val]).float().mean().item())
        decide(output.topk(2, 1).values.diff(dim=1))
    run.result("accuracies", numbers(run, accuracies))
    run.result("output", model(x, edge_index))
    run.result("test", (model(x, edge_index).argmax(1)[test] == y[test]).float().mean())


class MatrixFactorization(nn.Module):
    def __init__(self):
        super().__init__()
        self.user_factors = nn.Embedding(12, 8)
        self.item_factors = nn.Embedding(10, 8)
        self.user_biases = nn.Embedding(12, 1)
        self.item_biases = nn.Embedding(10, 1)
        self.mean = nn.Parameter(torch.tensor(3.0))

    def forward(self, user, item):
        pred = self.mean + self.user_biases(user) + self.item_biases(item)
        return pred.squeeze(1) + (self.user_factors(user) * self.item_factors(item)).sum(dim=1)


def matrix_factorization(run):
    """Ratings in batches; the rate falls where validation stops improving."""
    model = MatrixFactorization()
    for embedding in (model.user_factors, model.item_factors, model.user_biases, model.item_biases):
        nn.init.normal_(embedding.weight, std=0.3)
    model = run.model(model)
    places = torch.randperm(120)[:64]
    users, items = run.data("users", places // 10), run.data("items", places % 10)
    ratings = run.data("ratings", torch.randint(1, 6, (64,)).float())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.5, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=0, threshold=0.02)
    rates = []
    for epoch in range(5):
        running_loss = 0.0
        for batch in range(2):
            part = slice(24 * batch, 24 * batch + 24)
            optimizer.zero_grad()
            loss = F.mse_loss(model(users[part], items[part]), ratings[part])
            loss.backward()
            optimizer.step()
            run.follow("loss", loss)
            running_loss += loss.item() * 24
        run.follow("epochs", running_loss / 48)
        with torch.no_grad():
            val_loss = F.mse_loss(model(users[48:], items[48:]), ratings[48:]).item()
        scheduler.step(val_loss)
        run.follow("validation", val_loss)
        rates.append(optimizer.param_groups[0]["lr"])
    assert 0.01 < rates[-1] < 1.0
    run.result("rates", numbers(run, rates))
    with torch.no_grad():
        scores = model.user_factors.weight @ model.item_factors.weight.t() + model.item_biases.weight.t()
        best = scores.topk(4, 1).values
        decide(best.diff(dim=1))
        run.result("recommended", scores.topk(3, 1).indices)


if __name__ == "__main__":
    write("dqn", dqn, seed=5)
    write("actor-critic", actor_critic)
    write("gcn", gcn)
    write("matrix-factorization", matrix_factorization)
