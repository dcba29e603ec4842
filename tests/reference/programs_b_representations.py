"""SimCLR, VQ-VAE and tiny NeRF: data/program-<name>.json and .bin."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from programs import write
from programs_b import decide, numbers


class SimCLR(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16))
        self.projector = nn.Sequential(nn.ReLU(), nn.Linear(16, 8))

    def forward(self, x):
        return self.projector(self.encoder(x))


def simclr(run):
    """Two views of each example are to be found among all: NT-Xent, AdamW, cosine annealing; then a linear probe."""
    model = run.model(SimCLR())
    labels = run.data("labels", torch.arange(16) % 4)
    centers = torch.randn(4, 12)
    x = run.data("x", centers[labels] + 0.5 * torch.randn(16, 12))
    noise = run.data("noise", 0.4 * torch.randn(10, 2, 8, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=1e-4)
    top1, positions = [], []
    for step in range(10):
        batch = x[step % 2 * 8 : step % 2 * 8 + 8]
        images = torch.cat([batch + noise[step, 0], batch + noise[step, 1]])
        feats = model(images)
        cos_sim = F.cosine_similarity(feats[:, None, :], feats[None, :, :], dim=-1)
        self_mask = torch.eye(cos_sim.shape[0], dtype=torch.bool)
        cos_sim = cos_sim.masked_fill(self_mask, -9e15)
        pos_mask = self_mask.roll(shifts=cos_sim.shape[0] // 2, dims=0)
        cos_sim = cos_sim / 0.2
        nll = -cos_sim[pos_mask] + torch.logsumexp(cos_sim, dim=-1)
        loss = nll.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        comb_sim = torch.cat([cos_sim[pos_mask][:, None], cos_sim.masked_fill(pos_mask, -9e15)], dim=-1)
        decide(comb_sim.sort(dim=-1).values[:, 2:].diff(dim=1))
        sim_argsort = comb_sim.argsort(dim=-1, descending=True).argmin(dim=-1)
        run.follow("loss", loss)
        top1.append((sim_argsort == 0).double().mean().item())
        positions.append(1 + sim_argsort.double().mean().item())
    run.result("top1", numbers(run, top1))
    run.result("positions", numbers(run, positions))
    model.eval()
    with torch.no_grad():
        features = model.encoder(x)
    run.result("features", features)
    run.result("runningVar", model.encoder[1].running_var)
    probe = run.model(nn.Linear(16, 4), "probe")
    optimizer = torch.optim.SGD(probe.parameters(), lr=0.5)
    for _ in range(5):
        preds = probe(features)
        loss = F.cross_entropy(preds, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.follow("probe", loss)
    run.result("probeAccuracy", (preds.argmax(-1) == labels).double().mean())


class VectorQuantizerEMA(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, commitment_cost, decay, epsilon=1e-5):
        super().__init__()
        self.embedding_dim, self.num_embeddings = embedding_dim, num_embeddings
        self.commitment_cost, self.decay, self.epsilon = commitment_cost, decay, epsilon
        self.register_buffer("embedding", torch.randn(num_embeddings, embedding_dim) * 0.5)
        self.register_buffer("ema_cluster_size", torch.zeros(num_embeddings))
        self.register_buffer("ema_w", torch.randn(num_embeddings, embedding_dim) * 0.5)

    def forward(self, inputs):
        inputs = inputs.permute(0, 2, 3, 1)
        flat_input = inputs.reshape(-1, self.embedding_dim)
        distances = (
            flat_input.pow(2).sum(1, keepdim=True)
            + self.embedding.pow(2).sum(1)
            - 2 * flat_input @ self.embedding.t()
        )
        self.gaps = distances.topk(2, 1, largest=False).values.diff(dim=1)
        encoding_indices = distances.argmin(1).unsqueeze(1)
        encodings = torch.zeros_like(distances).scatter(1, encoding_indices, 1)
        quantized = (encodings @ self.embedding).view(inputs.shape)
        if self.training:
            with torch.no_grad():
                size = self.ema_cluster_size * self.decay + (1 - self.decay) * encodings.sum(0)
                n = size.sum()
                size = (size + self.epsilon) / (n + self.num_embeddings * self.epsilon) * n
                self.ema_cluster_size.copy_(size)
                dw = encodings.t() @ flat_input
                self.ema_w.copy_(self.ema_w * self.decay + (1 - self.decay) * dw)
                # A buffer of its own: `quantized` is differentiated with the old one.
                self.embedding = self.ema_w / self.ema_cluster_size.unsqueeze(1)
        loss = self.commitment_cost * F.mse_loss(quantized.detach(), inputs)
        quantized = inputs + (quantized - inputs).detach()
        avg_probs = encodings.mean(0)
        perplexity = torch.exp(-(avg_probs * torch.log(avg_probs + 1e-10)).sum())
        return loss, quantized.permute(0, 3, 1, 2), perplexity, encoding_indices


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.vq = VectorQuantizerEMA(8, 4, 0.25, 0.9)
        self.decoder = nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1))

    def forward(self, x):
        loss, quantized, perplexity, _ = self.vq(self.encoder(x))
        return loss, self.decoder(quantized), perplexity


def vqvae(run):
    """A straight-through estimator, and a codebook that follows what is assigned to it."""
    model = run.model(VQVAE())
    images = torch.sin(torch.arange(8) * 0.9).view(1, 1, 1, 8) * torch.randn(8, 1, 8, 1) + 0.3 * torch.randn(8, 1, 8, 8)
    images = run.data("images", images)
    variance = images.var(unbiased=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(10):
        data = images[step % 2 * 4 : step % 2 * 4 + 4]
        optimizer.zero_grad()
        vq_loss, data_recon, perplexity = model(data)
        recon_error = F.mse_loss(data_recon, data) / variance
        loss = recon_error + vq_loss
        loss.backward()
        optimizer.step()
        decide(model.vq.gaps)
        run.follow("loss", loss)
        run.follow("recon", recon_error)
        run.follow("perplexity", perplexity)
    model.eval()
    with torch.no_grad():
        _, reconstruction, _ = model(images)
        _, _, _, codes = model.vq(model.encoder(images))
        decide(model.vq.gaps)
    run.result("reconstruction", reconstruction)
    run.result("codes", codes)
    run.result("embedding", model.vq.embedding)


class TinyNeRF(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(3 + 3 * 2 * 3, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


def positional_encoding(x, num_encoding_functions=3):
    encoding = [x]
    for frequency in 2.0 ** torch.arange(num_encoding_functions, dtype=x.dtype):
        for func in (torch.sin, torch.cos):
            encoding.append(func(x * frequency))
    return torch.cat(encoding, dim=-1)


def get_ray_bundle(height, width, focal_length, pose):
    ii, jj = torch.meshgrid(
        torch.arange(width, dtype=pose.dtype), torch.arange(height, dtype=pose.dtype), indexing="xy"
    )
    directions = torch.stack(
        [(ii - width * 0.5) / focal_length, -(jj - height * 0.5) / focal_length, -torch.ones_like(ii)], dim=-1
    )
    ray_directions = torch.sum(directions[..., None, :] * pose[:3, :3], dim=-1)
    ray_origins = pose[:3, -1].expand(ray_directions.shape)
    return ray_origins, ray_directions


def render_rays(model, ray_origins, ray_directions, noise):
    near, far, samples = 2.0, 6.0, 6
    depth = torch.linspace(near, far, samples, dtype=noise.dtype) + noise * (far - near) / samples
    query_points = ray_origins[..., None, :] + ray_directions[..., None, :] * depth[..., :, None]
    encoded = positional_encoding(query_points.reshape(-1, 3))
    field = model(encoded).reshape(*query_points.shape[:-1], 4)
    sigma, rgb = F.relu(field[..., 3]), torch.sigmoid(field[..., :3])
    dists = torch.cat([depth[..., 1:] - depth[..., :-1], torch.full_like(depth[..., :1], 1e10)], dim=-1)
    alpha = 1.0 - torch.exp(-sigma * dists)
    transmittance = torch.cumprod(1.0 - alpha + 1e-10, dim=-1)
    transmittance = torch.cat([torch.ones_like(transmittance[..., :1]), transmittance[..., :-1]], dim=-1)
    weights = alpha * transmittance
    return (weights[..., None] * rgb).sum(dim=-2), (weights * depth).sum(dim=-1), weights.sum(dim=-1)


def nerf(run):
    """Tiny NeRF: rays of a camera, points along them, a field, a picture; the peak signal-to-noise ratio after each step."""
    model = TinyNeRF()
    nn.init.constant_(model.layer3.bias, 0.3)
    model = run.model(model)
    angles = torch.tensor([0.0, 0.7, -0.5, 0.3])
    poses = torch.stack(
        [
            torch.tensor([[c, 0, s, 4 * s], [0, 1, 0, 0], [-s, 0, c, 4 * c], [0, 0, 0, 1.0]])
            for c, s in zip(angles.cos().tolist(), angles.sin().tolist())
        ]
    )
    poses = run.data("poses", poses)
    images = run.data("images", torch.rand(4, 5, 5, 3))
    noise = run.data("noise", torch.rand(11, 5, 5, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for i in range(10):
        ray_origins, ray_directions = get_ray_bundle(5, 5, 4.0, poses[i % 3])
        rgb_predicted, _, _ = render_rays(model, ray_origins, ray_directions, noise[i])
        loss = F.mse_loss(rgb_predicted, images[i % 3])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        run.follow("loss", loss)
        run.follow("psnr", -10 * math.log10(loss.item()))
    with torch.no_grad():
        rgb, depth, acc = render_rays(model, *get_ray_bundle(5, 5, 4.0, poses[3]), noise[10])
    run.result("rgb", rgb)
    run.result("depth", depth)
    run.result("acc", acc)


if __name__ == "__main__":
    write("simclr", simclr)
    write("vqvae", vqvae)
    write("nerf", nerf)
