"""LoRA, distillation, quantization-aware training, SAM and a spectral-norm GAN: data/program-<name>.json and .bin."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from programs import write
from programs_b import decide, numbers


class LoRALinear(nn.Module):
    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base = base
        for parameter in base.parameters():
            parameter.requires_grad = False
        self.lora_A = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scaling = alpha / rank
        self.merged = False

    def forward(self, x):
        result = self.base(x)
        if self.merged:
            return result
        return result + (x @ self.lora_A.t() @ self.lora_B.t()) * self.scaling

    def merge(self):
        with torch.no_grad():
            self.base.weight += self.lora_B @ self.lora_A * self.scaling
        self.merged = True


class Classifier(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.fc1 = nn.Linear(8, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, 4)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def classified(run, count):
    """Examples of four classes."""
    labels = torch.arange(count) % 4
    x = 1.2 * torch.eye(8)[labels] + 0.7 * torch.randn(count, 8)
    return run.data("x", x), run.data("y", labels)


def correct(logits, y):
    """The number of right answers; no two answers may be too close to call."""
    decide(logits.topk(2, 1).values.diff(dim=1))
    return (logits.argmax(1) == y).sum().item()


def lora(run):
    """A model whose weights are frozen learns by matrices of low rank, which are merged into it at the end."""
    model = run.model(Classifier(16))
    model.fc1 = run.model(LoRALinear(model.fc1, 2, 8), "fc1")
    model.fc2 = run.model(LoRALinear(model.fc2, 2, 8), "fc2")
    x, y = classified(run, 32)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-2, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 3))
    accuracies, running = [], 0.0
    for step in range(10):
        part = slice(step % 2 * 16, step % 2 * 16 + 16)
        logits = model(x[part])
        loss = F.cross_entropy(logits, y[part])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        scheduler.step()
        run.follow("loss", loss)
        run.follow("norms", norm)
        running = running * 0.9 + loss.detach() * 0.1
        accuracies.append(correct(logits, y[part]) / 16)
    run.result("accuracies", numbers(run, accuracies))
    run.result("running", running)
    model.fc1.merge()
    model.fc2.merge()
    run.result("logits", model(x))
    run.result("weight", model.fc2.base.weight)


def distillation(run):
    """A teacher learns, then a student from its soft targets (the tutorial of knowledge distillation)."""
    teacher = run.model(Classifier(16), "teacher")
    student = run.model(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), "student")
    x, y = classified(run, 32)
    batches = [(x[:16], y[:16]), (x[16:], y[16:])]
    optimizer = torch.optim.Adam(teacher.parameters(), lr=3e-2)
    teacher.train()
    for epoch in range(3):
        running_loss = 0.0
        for inputs, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(teacher(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        run.follow("teacher", running_loss / 2)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-2)
    T = 2
    teacher.eval()
    student.train()
    for epoch in range(5):
        running_loss = 0.0
        for inputs, labels in batches:
            optimizer.zero_grad()
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            student_logits = student(inputs)
            soft_targets = F.softmax(teacher_logits / T, dim=-1)
            soft_prob = F.log_softmax(student_logits / T, dim=-1)
            soft_loss = torch.sum(soft_targets * (soft_targets.log() - soft_prob)) / soft_prob.size(0) * T**2
            label_loss = F.cross_entropy(student_logits, labels)
            loss = 0.25 * soft_loss + 0.75 * label_loss
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            run.follow("loss", loss)
            run.follow("soft", soft_loss)
        run.follow("epochs", running_loss / 2)
    with torch.no_grad():
        run.result("accuracy", numbers(run, 100 * correct(student(x), y) / 32))
        run.result("teacherAccuracy", numbers(run, 100 * correct(teacher(x), y) / 32))


class FakeQuantize(nn.Module):
    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high
        self.register_buffer("min_val", torch.tensor(0.0))
        self.register_buffer("max_val", torch.tensor(0.0))
        self.register_buffer("seen", torch.tensor(0.0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                # The first batch is taken as it is, the others are averaged.
                rate = torch.where(self.seen == 0, torch.ones_like(self.seen), torch.full_like(self.seen, 0.1))
                self.min_val.copy_(self.min_val + rate * (x.amin() - self.min_val))
                self.max_val.copy_(self.max_val + rate * (x.amax() - self.max_val))
                self.seen += 1
        low, high = self.min_val.clamp(max=0), self.max_val.clamp(min=0)
        scale = (high - low) / (self.high - self.low)
        zero_point = (self.low - low / scale).round().clamp(self.low, self.high)
        self.scale, self.zero_point = scale, zero_point
        # Halves would be rounded by chance; places outside the range have a limit instead.
        decide(*((value / scale) - (value / scale).floor() - 0.5 for value in (x, low)), least=2e-4)
        quantized = (x / scale).round() + zero_point
        inside = (quantized >= self.low) & (quantized <= self.high)
        dequantized = (quantized.clamp(self.low, self.high) - zero_point) * scale
        passed = torch.where(inside, x, x.detach())
        return passed + (dequantized - passed).detach()


class QATLinear(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.weight_fake_quant = FakeQuantize(-8, 7)
        self.activation_fake_quant = FakeQuantize(0, 15)

    def forward(self, x):
        return F.linear(self.activation_fake_quant(x), self.weight_fake_quant(self.weight), self.bias)


class QATNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = QATLinear(8, 12)
        self.fc2 = QATLinear(12, 4)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def qat(run):
    """Quantization-aware training in 4 bits: observers' running ranges, straight-through gradients; whole numbers in the end."""
    model = run.model(QATNet())
    x, y = classified(run, 32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    count, total, right = 0, 0.0, 0
    for step in range(10):
        part = slice(step % 2 * 16, step % 2 * 16 + 16)
        output = model(x[part])
        loss = F.cross_entropy(output, y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.follow("loss", loss)
        total += loss.item() * 16
        right += correct(output, y[part])
        count += 16
        run.follow("averages", total / count)
    run.result("accuracy", numbers(run, right / count))
    model.eval()
    with torch.no_grad():
        run.result("logits", model(x))
        fq = model.fc1.weight_fake_quant
        whole = ((model.fc1.weight / fq.scale).round() + fq.zero_point).clamp(-8, 7).int()
    run.result("scale", fq.scale)
    run.result("whole", whole)


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        grad_norm = torch.norm(
            torch.stack([p.grad.norm(p=2) for group in self.param_groups for p in group["params"]]), p=2
        )
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale)
        if zero_grad:
            self.zero_grad()
        return grad_norm

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()


def disable_running_stats(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.backup_momentum = module.momentum
            module.momentum = 0


def enable_running_stats(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d) and hasattr(module, "backup_momentum"):
            module.momentum = module.backup_momentum


def sam(run):
    """Sharpness-aware minimization: two gradients a step, at the weights and where the loss rises fastest."""
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    model = run.model(model)
    x, y = classified(run, 32)
    optimizer = SAM(model.parameters(), torch.optim.SGD, rho=0.05, lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer.base_optimizer, step_size=4, gamma=0.2)
    accuracies = []
    for step in range(10):
        part = slice(step % 2 * 16, step % 2 * 16 + 16)
        inputs, targets = x[part], y[part]
        enable_running_stats(model)
        predictions = model(inputs)
        loss = F.cross_entropy(predictions, targets, label_smoothing=0.1)
        loss.backward()
        run.follow("norms", optimizer.first_step(zero_grad=True))
        disable_running_stats(model)
        second = F.cross_entropy(model(inputs), targets, label_smoothing=0.1)
        second.backward()
        optimizer.second_step(zero_grad=True)
        with torch.no_grad():
            run.follow("loss", loss)
            run.follow("sharpness", second.item() - loss)
            accuracies.append(correct(predictions, targets) / 16)
            scheduler.step()
    run.result("accuracies", numbers(run, accuracies))
    run.result("runningMean", model[1].running_mean)
    model.eval()
    run.result("logits", model(x))


class SpectralNorm(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * 0.4)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_buffer("u", F.normalize(torch.randn(out_features), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(in_features), dim=0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                # Tensors of their own: the gradient of the pass before goes through the old ones.
                self.v = F.normalize(self.weight.t().mv(self.u), dim=0)
                self.u = F.normalize(self.weight.mv(self.v), dim=0)
        sigma = self.u.dot(self.weight.mv(self.v))
        return F.linear(x, self.weight / sigma, self.bias)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = SpectralNorm(2, 16)
        self.fc2 = SpectralNorm(16, 16)
        self.fc3 = SpectralNorm(16, 1)

    def forward(self, x):
        x = F.leaky_relu(self.fc1(x), 0.1)
        return self.fc3(F.leaky_relu(self.fc2(x), 0.1))


def spectral_gan(run):
    """A hinge GAN whose critic's weights are divided by their largest singular value, by a power iteration in forward."""
    generator = run.model(Generator(), "generator")
    discriminator = run.model(Discriminator(), "discriminator")
    angle = torch.rand(10, 16) * 2 * math.pi
    real = run.data("real", torch.stack([angle.cos(), angle.sin()], 2) + 0.1 * torch.randn(10, 16, 2))
    noise = run.data("noise", torch.randn(10, 2, 16, 4))
    optim_disc = torch.optim.Adam(discriminator.parameters(), lr=1e-2, betas=(0.0, 0.9))
    optim_gen = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.0, 0.9))
    scheduler_d = torch.optim.lr_scheduler.ExponentialLR(optim_disc, gamma=0.9)
    scheduler_g = torch.optim.lr_scheduler.ExponentialLR(optim_gen, gamma=0.9)
    for step in range(10):
        data = real[step]
        optim_disc.zero_grad()
        optim_gen.zero_grad()
        fake = generator(noise[step, 0])
        d_real, d_fake = discriminator(data), discriminator(fake.detach())
        disc_loss = F.relu(1.0 - d_real).mean() + F.relu(1.0 + d_fake).mean()
        disc_loss.backward()
        optim_disc.step()
        optim_disc.zero_grad()
        optim_gen.zero_grad()
        gen_loss = -discriminator(generator(noise[step, 1])).mean()
        gen_loss.backward()
        optim_gen.step()
        scheduler_d.step()
        scheduler_g.step()
        run.follow("discriminator", disc_loss)
        run.follow("generator", gen_loss)
        run.follow("scores", (d_real.mean() - d_fake.mean()))
    discriminator.eval()
    with torch.no_grad():
        sample = generator(noise[0, 0])
        run.result("sample", sample)
        run.result("judged", discriminator(sample))
        run.result("u", discriminator.fc2.u)
        run.result("sigma", discriminator.fc2.u.dot(discriminator.fc2.weight.mv(discriminator.fc2.v)))


if __name__ == "__main__":
    write("lora", lora)
    write("distillation", distillation)
    write("qat", qat)
    write("sam", sam)
    write("spectral-gan", spectral_gan)
