"""Golden runs of ported programs: generative models, image classifiers, sequences, equations and meta-learning, ten steps each."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from programs import write

STEPS = 10


def images(*shape):
    """Returns smooth random images in 0..1: blobs, which a model can learn to some extent."""
    *batch, channels, height, width = shape
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    place = torch.rand(*batch, channels, 2, 1, 1) * 1.2 - 0.6
    distance = (y - place[..., 0, :, :]) ** 2 + (x - place[..., 1, :, :]) ** 2
    return torch.exp(-4 * distance)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 16)
        self.fc21 = nn.Linear(16, 4)
        self.fc22 = nn.Linear(16, 4)
        self.fc3 = nn.Linear(4, 16)
        self.fc4 = nn.Linear(16, 64)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps):
        h1 = F.relu(self.fc1(x.view(-1, 64)))
        mu, logvar = self.fc21(h1), self.fc22(h1)
        return self.decode(mu + eps * torch.exp(0.5 * logvar)), mu, logvar


def vae(run):
    """pytorch/examples/vae."""

    def loss_function(recon_x, x, mu, logvar):
        bce = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction="sum")
        return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    data = run.data("images", images(5, 8, 1, 8, 8))
    eps = run.data("epsilon", torch.randn(11, 8, 4))
    sample = run.data("sample", torch.randn(4, 4))
    model = run.model(VAE())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step = 0
    for _ in range(2):
        train_loss = 0
        for x in data:
            optimizer.zero_grad()
            recon, mu, logvar = model(x, eps[step])
            loss = loss_function(recon, x, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
            run.follow("loss", loss / len(x))
            step += 1
        run.follow("average", train_loss / 40)
    with torch.no_grad():
        recon, mu, logvar = model(data[0], eps[10])
        run.follow("test", loss_function(recon, data[0], mu, logvar) / 8)
        run.result("comparison", torch.cat([data[0][:4], recon.view(8, 1, 8, 8)[:4]]))
        run.result("samples", model.decode(sample).view(4, 1, 8, 8))


def dcgan(run):
    """PyTorch's DCGAN tutorial."""
    nz, ngf, ndf = 4, 4, 4
    generator = nn.Module()
    generator.main = nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
        nn.BatchNorm2d(ngf * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Module()
    discriminator.main = nn.Sequential(
        nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ndf * 2),
        nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 2, 1, 2, 1, 0, bias=False),
        nn.Sigmoid(),
    )

    def weights_init(m):
        name = m.__class__.__name__
        if "Conv" in name:
            nn.init.normal_(m.weight, 0.0, 0.1)
        elif "BatchNorm" in name:
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.constant_(m.bias, 0)

    generator.apply(weights_init)
    discriminator.apply(weights_init)
    real = run.data("images", images(STEPS, 8, 1, 8, 8) * 2 - 1)
    noise = run.data("noise", torch.randn(STEPS, 8, nz, 1, 1))
    fixed = run.data("fixedNoise", torch.randn(4, nz, 1, 1))
    run.model(generator, "generator")
    run.model(discriminator, "discriminator")
    net_g, net_d = generator.main, discriminator.main
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(net_d.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(net_g.parameters(), lr=2e-3, betas=(0.5, 0.999))
    for step in range(STEPS):
        net_d.zero_grad()
        label = torch.full((8,), 1.0, dtype=run.dtype)
        output = net_d(real[step]).view(-1)
        err_d_real = criterion(output, label)
        err_d_real.backward()
        run.follow("D(x)", output.mean())
        fake = net_g(noise[step])
        label.fill_(0.0)
        output = net_d(fake.detach()).view(-1)
        err_d_fake = criterion(output, label)
        err_d_fake.backward()
        run.follow("D(G(z)) before", output.mean())
        run.follow("D loss", err_d_real + err_d_fake)
        optimizer_d.step()
        net_g.zero_grad()
        label.fill_(1.0)
        output = net_d(fake).view(-1)
        err_g = criterion(output, label)
        err_g.backward()
        run.follow("D(G(z)) after", output.mean())
        optimizer_g.step()
        run.follow("G loss", err_g)
        if step in (4, 9):
            with torch.no_grad():
                run.result(f"samples {step}", net_g(fixed))


def wgan_gp(run):
    """WGAN-GP as in PyTorch-GAN: the critic takes two steps for one of the generator."""

    def block(inputs, outputs):
        return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, 0.8), nn.LeakyReLU(0.2)]

    generator = nn.Module()
    generator.model = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), *block(8, 16), nn.Linear(16, 64), nn.Tanh())
    critic = nn.Module()
    critic.model = nn.Sequential(
        nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)
    )
    real = run.data("images", images(STEPS, 8, 1, 8, 8) * 2 - 1)
    noise = run.data("noise", torch.randn(STEPS, 8, 4))
    alphas = run.data("alpha", torch.rand(STEPS, 8, 1, 1, 1))
    run.model(generator, "generator")
    run.model(critic, "discriminator")

    def generate(z):
        return generator.model(z).view(-1, 1, 8, 8)

    def discriminate(img):
        return critic.model(img.view(img.shape[0], -1))

    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))
    for step in range(STEPS):
        optimizer_d.zero_grad()
        fake = generate(noise[step])
        real_validity, fake_validity = discriminate(real[step]), discriminate(fake.detach())
        interpolates = (alphas[step] * real[step] + (1 - alphas[step]) * fake.detach()).requires_grad_(True)
        d_interpolates = discriminate(interpolates)
        gradients = torch.autograd.grad(d_interpolates, interpolates, torch.ones_like(d_interpolates), create_graph=True)[0]
        penalty = ((gradients.view(8, -1).norm(2, dim=1) - 1) ** 2).mean()
        d_loss = -torch.mean(real_validity) + torch.mean(fake_validity) + 10 * penalty
        d_loss.backward()
        optimizer_d.step()
        run.follow("D loss", d_loss)
        run.follow("penalty", penalty)
        optimizer_g.zero_grad()
        if step % 2 == 0:
            fake = generate(noise[step])
            g_loss = -torch.mean(discriminate(fake))
            g_loss.backward()
            optimizer_g.step()
            run.follow("G loss", g_loss)
    run.result("samples", fake)


class Residual(nn.Module):
    """A block of the DDPM's UNet: two convolutions with group norm, and the time's embedding between them."""

    def __init__(self, inputs, outputs, time):
        super().__init__()
        self.norm1 = nn.GroupNorm(2, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.mlp = nn.Linear(time, outputs)
        self.norm2 = nn.GroupNorm(2, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.mlp(F.silu(t))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + self.skip(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8))
        self.head = nn.Conv2d(1, 4, 3, padding=1)
        self.down = Residual(4, 4, 8)
        self.downsample = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.middle = Residual(8, 8, 8)
        self.upsample = nn.Upsample(scale_factor=2)
        self.up = Residual(12, 4, 8)
        self.tail = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x, t):
        frequencies = torch.exp(-math.log(10000.0) * torch.arange(4) / 4).to(x.dtype)
        angles = t[:, None].to(x.dtype) * frequencies[None]
        t = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        skip = self.down(self.head(x), t)
        h = self.upsample(self.middle(self.downsample(skip), t))
        return self.tail(self.up(torch.cat([h, skip], 1), t))


def ddpm(run):
    """Denoising diffusion with a tiny UNet, warm-up, clipped gradients and an average of the weights."""
    T = 20
    data = run.data("images", images(STEPS, 4, 1, 8, 8) * 2 - 1)
    times = run.data("times", torch.randint(0, T, (STEPS, 4)))
    noise = run.data("noise", torch.randn(STEPS, 4, 1, 8, 8))
    steps = run.data("samplingNoise", torch.randn(5, 2, 1, 8, 8))
    model = run.model(UNet())
    ema = UNet().to(run.dtype)
    ema.load_state_dict(model.state_dict())
    betas = torch.linspace(1e-4, 0.2, T).to(run.dtype)
    alphas = 1 - betas
    cumulative = torch.cumprod(alphas, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 5))
    for step in range(STEPS):
        t, x0, eps = times[step], data[step], noise[step]
        a = cumulative.gather(0, t).view(-1, 1, 1, 1)
        x = a.sqrt() * x0 + (1 - a).sqrt() * eps
        loss = F.mse_loss(model(x, t), eps)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            for average, parameter in zip(ema.parameters(), model.parameters()):
                average.mul_(0.9).add_(parameter, alpha=0.1)
        run.follow("loss", loss)
        run.follow("norm", norm)
    with torch.no_grad():
        x = steps[0]
        for i, t in enumerate(range(3, -1, -1)):
            eps = ema(x, torch.full((2,), t))
            mean = (x - betas[t] / (1 - cumulative[t]).sqrt() * eps) / alphas[t].sqrt()
            x = mean + betas[t].sqrt() * steps[i + 1] if t > 0 else mean
        run.result("samples", x)


class BasicBlock(nn.Module):
    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        self.in_planes = 4
        self.conv1 = nn.Conv2d(3, 4, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = self._make_layer(4, 1, 1)
        self.layer2 = self._make_layer(8, 2, 2)
        self.linear = nn.Linear(8, num_classes)

    def _make_layer(self, planes, blocks, stride):
        layers = []
        for s in [stride] + [1] * (blocks - 1):
            layers.append(BasicBlock(self.in_planes, planes, s))
            self.in_planes = planes
        return nn.Sequential(*layers)

    def forward(self, x):
        out = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.linear(F.adaptive_avg_pool2d(out, 1).flatten(1))


def classified(count):
    """Returns images of four classes: which part of the picture is lit, by channel."""
    labels = torch.randint(0, 4, (count,))
    patterns = images(4, 3, 8, 8)
    return patterns[labels] + 0.3 * torch.randn(count, 3, 8, 8), labels


def resnet(run):
    """A ResNet as in pytorch-cifar: two epochs of five batches, then the accuracy in eval()."""
    x, y = classified(40)
    x, y = run.data("x", x), run.data("y", y)
    model = run.model(ResNet())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    for _ in range(2):
        model.train()
        total, correct = 0, 0
        for inputs, targets in zip(x.split(8), y.split(8)):
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = F.cross_entropy(outputs, targets)
            loss.backward()
            optimizer.step()
            _, predicted = outputs.max(1)
            total += targets.size(0)
            correct += predicted.eq(targets).sum().item()
            run.follow("loss", loss)
            run.follow("accuracy", correct / total)
        scheduler.step()
        model.eval()
        with torch.no_grad():
            outputs = torch.cat([model(inputs) for inputs in x.split(8)])
            run.follow("test loss", F.cross_entropy(outputs, y))
            run.follow("test accuracy", (outputs.argmax(1) == y).double().mean())
    for i, logits in enumerate(outputs.split(8)):
        run.result(f"logits {i}", logits)
    run.result("running mean", model.layer2[1].bn2.running_mean)


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x):
        return self.net(x)


class Attention(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.heads = heads
        self.scale = dim_head**-0.5
        self.norm = nn.LayerNorm(dim)
        self.toQkv = nn.Linear(dim, heads * dim_head * 3, bias=False)
        self.toOut = nn.Linear(heads * dim_head, dim)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (part.view(b, n, self.heads, -1).transpose(1, 2) for part in self.toQkv(self.norm(x)).chunk(3, -1))
        attention = (q @ k.transpose(-1, -2) * self.scale).softmax(-1)
        return self.toOut((attention @ v).transpose(1, 2).reshape(b, n, -1))


class ViT(nn.Module):
    """Its names are the keys of our state dict, so they are camelCase."""

    def __init__(self, dim=16, depth=2, patch=4, num_classes=4):
        super().__init__()
        self.patchEmbedding = nn.Conv2d(3, dim, patch, stride=patch)
        self.posEmbedding = nn.Parameter(torch.randn(1, 5, dim) * 0.1)
        self.clsToken = nn.Parameter(torch.randn(1, 1, dim) * 0.1)
        self.layers = nn.ModuleList(
            [nn.ModuleList([Attention(dim, 2, 8), FeedForward(dim, 32)]) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(dim)
        self.mlpHead = nn.Linear(dim, num_classes)

    def forward(self, img):
        x = self.patchEmbedding(img).flatten(2).transpose(1, 2)
        x = torch.cat([self.clsToken.expand(len(x), -1, -1), x], 1) + self.posEmbedding
        for attention, feed_forward in self.layers:
            x = attention(x) + x
            x = feed_forward(x) + x
        return self.mlpHead(self.norm(x)[:, 0])


def vit(run):
    """A Vision Transformer: AdamW without decay of vectors, OneCycleLR, smoothed labels, clipped gradients."""
    x, y = classified(80)
    x, y = run.data("x", x), run.data("y", y)
    model = run.model(ViT())
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=3e-3
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=STEPS)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    for images_, labels in zip(x.split(8), y.split(8)):
        logits = model(images_)
        loss = criterion(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        run.follow("loss", loss)
        run.follow("accuracy", (logits.argmax(-1) == labels).double().mean())
    with torch.no_grad():
        run.result("logits", model(x[:8]))


PROGRAMS = {
    "vae": vae,
    "dcgan": dcgan,
    "wgan-gp": wgan_gp,
    "ddpm": ddpm,
    "resnet": resnet,
    "vit": vit,
}

if __name__ == "__main__":
    for name, program in PROGRAMS.items():
        write(name, program)
