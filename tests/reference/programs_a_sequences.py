"""Golden runs of ported programs: language, translation, speech, equations and meta-learning, ten steps each."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from programs import write

STEPS = 10


def practise(loss_of, *modules, steps=100):
    """Trains in f32 before the run begins, so that what the program says at its end is not all the same."""
    optimizer = torch.optim.Adam([p for module in modules for p in module.parameters()], lr=1e-2)
    for _ in range(steps):
        loss_of().backward()
        optimizer.step()
        optimizer.zero_grad()


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (part.view(B, T, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(torch.ones(T, T).tril() == 0, float("-inf")).softmax(-1)
        return self.c_proj((att @ v).transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, n_embd):
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd)
        self.c_proj = nn.Linear(4 * n_embd, n_embd)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = MLP(n_embd)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab_size=28, block_size=16, n_layer=2, n_head=2, n_embd=16):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, n_embd),
                wpe=nn.Embedding(block_size, n_embd),
                h=nn.ModuleList([Block(n_embd, n_head) for _ in range(n_layer)]),
                ln_f=nn.LayerNorm(n_embd),
            )
        )
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.2)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, idx):
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.size(1)))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


def nano_gpt(run):
    """karpathy/nanoGPT: gradients of two micro-batches, warm-up and cosine by hand, tied weights, greedy text."""
    characters = " .abcdefghijklmnopqrstuvwxyz"
    text = "the quick brown fox jumps over the lazy dog. " * 3
    tokens = run.data("tokens", torch.tensor([characters.index(c) for c in text]))
    starts = run.data("starts", torch.randint(0, len(text) - 9, (2 * STEPS + 2, 4)))

    def loss_of(ix):
        x = torch.stack([tokens[i : i + 8] for i in ix])
        y = torch.stack([tokens[i + 1 : i + 9] for i in ix])
        return F.cross_entropy(model(x).view(-1, 28), y.view(-1))

    model = GPT()
    practise(lambda: loss_of(torch.randint(0, len(text) - 9, (4,))), model)
    run.model(model)
    decay = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=1e-2, betas=(0.9, 0.95)
    )

    def get_lr(step):
        if step < 3:
            return 1e-2 * (step + 1) / 4
        return 1e-3 + 0.5 * (1 + math.cos(math.pi * (step - 3) / (STEPS - 3))) * (1e-2 - 1e-3)

    for step in range(STEPS):
        if step == 5:
            with torch.no_grad():
                for ix in starts[-2:]:
                    run.follow("evaluated", loss_of(ix))
        for group in optimizer.param_groups:
            group["lr"] = get_lr(step)
        for micro in range(2):
            loss = loss_of(starts[2 * step + micro]) / 2
            loss.backward()
        run.follow("norm", nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        optimizer.step()
        optimizer.zero_grad()
        run.follow("loss", loss * 2)
    idx = tokens[None, :5]
    with torch.no_grad():
        for _ in range(4):
            logits = model(idx)[:, -1]
            first, second = logits.topk(2).values[0]
            assert first - second > 1e-3, "a choice that rounding could change"
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], 1)
    for token in idx[0]:
        run.follow("generated", token)


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)

    def forward(self, x):
        return self.gru(self.embedding(x))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size, length):
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, hidden, target=None):
        x = torch.zeros(len(encoder_outputs), 1, dtype=torch.long)
        outputs, attentions = [], []
        for i in range(self.length):
            context, weights = self.attention(hidden.permute(1, 0, 2), encoder_outputs)
            output, hidden = self.gru(torch.cat((self.embedding(x), context), dim=2), hidden)
            output = self.out(output)
            outputs.append(output)
            attentions.append(weights)
            if target is not None:
                x = target[:, i].unsqueeze(1)
            else:
                best, x = output.topk(2)
                assert (best[..., 0] - best[..., 1]).min() > 1e-5, "a choice that rounding could change"
                x = x[..., 0].detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), torch.cat(attentions, dim=1)


def seq2seq(run):
    """PyTorch's translation tutorial: sequences are to be reversed; every second batch without teacher forcing."""
    words, length = 8, 4

    def pairs(count):
        inputs = torch.randint(2, words, (count, 4, length))
        inputs[..., -1] = 1
        return inputs, torch.cat([inputs[..., :-1].flip(-1), inputs[..., -1:]], -1)

    def loss_of(source, target, teacher_forcing):
        outputs, hidden = encoder(source)
        outputs, _ = decoder(outputs, hidden, target if teacher_forcing else None)
        return criterion(outputs.view(-1, words), target.view(-1))

    source, target = pairs(STEPS)
    source, target = run.data("input", source), run.data("target", target)
    encoder, decoder = EncoderRNN(words, 8), AttnDecoderRNN(8, words, length)
    criterion = nn.NLLLoss()
    practise(lambda: loss_of(*(x[0] for x in pairs(1)), True), encoder, decoder, steps=200)
    run.model(encoder, "encoder")
    run.model(decoder, "decoder")
    encoder_optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    decoder_optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    total = 0
    for step in range(STEPS):
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        loss = loss_of(source[step], target[step], step % 2 == 0)
        loss.backward()
        encoder_optimizer.step()
        decoder_optimizer.step()
        total += loss.item()
        run.follow("loss", loss)
    run.follow("average", total / STEPS)
    with torch.no_grad():
        outputs, hidden = encoder(source[0])
        outputs, attentions = decoder(outputs, hidden)
        for word in outputs.argmax(-1).flatten():
            run.follow("translated", word)
        run.result("attentions", attentions)


class CNNLayerNorm(nn.Module):
    def __init__(self, n_feats):
        super().__init__()
        self.layer_norm = nn.LayerNorm(n_feats)

    def forward(self, x):
        return self.layer_norm(x.transpose(2, 3).contiguous()).transpose(2, 3).contiguous()


class ResidualCNN(nn.Module):
    def __init__(self, channels, n_feats):
        super().__init__()
        self.cnn1 = nn.Conv2d(channels, channels, 3, 1, padding=1)
        self.cnn2 = nn.Conv2d(channels, channels, 3, 1, padding=1)
        self.layer_norm1 = CNNLayerNorm(n_feats)
        self.layer_norm2 = CNNLayerNorm(n_feats)

    def forward(self, x):
        out = self.cnn1(F.gelu(self.layer_norm1(x)))
        return self.cnn2(F.gelu(self.layer_norm2(out))) + x


class SpeechRecognitionModel(nn.Module):
    def __init__(self, n_class=6, n_feats=8):
        super().__init__()
        n_feats //= 2
        self.cnn = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.rescnn_layers = nn.Sequential(ResidualCNN(4, n_feats))
        self.fully_connected = nn.Linear(n_feats * 4, 8)
        self.birnn_norm = nn.LayerNorm(8)
        self.birnn = nn.GRU(8, 8, batch_first=True, bidirectional=True)
        self.classifier = nn.Sequential(nn.Linear(16, 8), nn.GELU(), nn.Linear(8, n_class))

    def forward(self, x):
        x = self.rescnn_layers(self.cnn(x))
        x = x.view(x.size(0), x.size(1) * x.size(2), x.size(3)).transpose(1, 2)
        x, _ = self.birnn(F.gelu(self.birnn_norm(self.fully_connected(x))))
        return self.classifier(x)


def ctc(run):
    """AssemblyAI's speech recognizer on tones: five letters, one band each; AdamW, OneCycleLR, greedy decoding."""

    def recordings(count):
        lengths = torch.randint(2, 5, (count, 4))
        letters = torch.randint(0, 5, (count, 4, 4))
        sound = 0.2 * torch.randn(count, 4, 1, 8, 24)
        for step in range(count):
            for item in range(4):
                for place in range(lengths[step, item]):
                    band = letters[step, item, place]
                    sound[step, item, 0, band : band + 3, 6 * place + 1 : 6 * place + 5] += 1
        return sound, letters, lengths

    def loss_of(sound, letters, lengths):
        output = F.log_softmax(model(sound), dim=2).transpose(0, 1)
        return criterion(output, letters, 3 * lengths, lengths)

    sound, letters, lengths = recordings(STEPS)
    sound, letters = run.data("spectrograms", sound), run.data("labels", letters)
    lengths = run.data("labelLengths", lengths)
    criterion = nn.CTCLoss(blank=5)
    model = SpeechRecognitionModel()
    practise(lambda: loss_of(*(x[0] for x in recordings(1))), model)
    run.model(model)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-2, steps_per_epoch=5, epochs=2, anneal_strategy="linear"
    )
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(sound[step], letters[step], lengths[step])
        loss.backward()
        optimizer.step()
        scheduler.step()
        run.follow("loss", loss)
        run.follow("learning rate", scheduler.get_last_lr()[0])
    with torch.no_grad():
        output = F.log_softmax(model(sound[0]), dim=2)
        best = output.topk(2).values
        assert (best[..., 0] - best[..., 1]).min() > 1e-4, "a choice that rounding could change"
        for row, count in zip(output.argmax(2), 3 * lengths[0]):
            row = row[:count].tolist()
            decoded = [letter for i, letter in enumerate(row) if letter != 5 and (i == 0 or letter != row[i - 1])]
            run.follow("decoded length", len(decoded))
            for letter in decoded:
                run.follow("decoded", letter)
        run.result("log probabilities", output)


def pinn(run):
    """Burgers' equation: u_t + u u_x = ν u_xx with its start and its borders."""
    x = run.data("x", torch.rand(32, 1) * 2 - 1).requires_grad_(True)
    t = run.data("t", torch.rand(32, 1)).requires_grad_(True)
    side = torch.cat([torch.linspace(-1, 1, 8)[:, None], torch.tensor([[-1.0], [1.0]]).repeat(4, 1)])
    x_data = run.data("xData", side)
    t_data = run.data("tData", torch.cat([torch.zeros(8, 1), torch.rand(8, 1)]))
    u_data = run.data("uData", torch.cat([-torch.sin(math.pi * side[:8]), torch.zeros(8, 1)]))
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    model = nn.Module()
    model.net = net
    run.model(model)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)

    def gradient(u, at):
        return torch.autograd.grad(u, at, torch.ones_like(u), create_graph=True)[0]

    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_u = torch.mean((u_data - net(torch.cat([x_data, t_data], 1))) ** 2)
        u = net(torch.cat([x, t], 1))
        u_t, u_x = gradient(u, t), gradient(u, x)
        u_xx = gradient(u_x, x)
        f = u_t + u * u_x - (0.01 / math.pi) * u_xx
        loss_f = torch.mean(f**2)
        loss = loss_u + loss_f
        loss.backward()
        optimizer.step()
        scheduler.step()
        run.follow("loss", loss)
        run.follow("loss_u", loss_u)
        run.follow("loss_f", loss_f)
    with torch.no_grad():
        run.result("prediction", net(torch.cat([x_data, t_data], 1)))


def odeint(func, y0, t):
    """Runge and Kutta's method of order 4."""
    ys = [y0]
    for t0, t1 in zip(t[:-1], t[1:]):
        h, y = t1 - t0, ys[-1]
        k1 = func(y)
        k2 = func(y + h * k1 / 2)
        k3 = func(y + h * k2 / 2)
        k4 = func(y + h * k3)
        ys.append(y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6)
    return torch.stack(ys)


def neural_ode(run):
    """torchdiffeq's demo: a spiral, batches of short pieces of it."""
    size, batch_time = 17, 4
    starts = run.data("starts", torch.stack([torch.randperm(size - batch_time)[:8] for _ in range(STEPS)]))
    model = nn.Module()
    model.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    for m in model.net.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, mean=0, std=0.1)
            nn.init.constant_(m.bias, val=0)
    run.model(model)

    def func(y):
        return model.net(y**3)

    t = torch.linspace(0.0, 3.0, size).to(run.dtype)
    true_a = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]]).to(run.dtype)
    true_y0 = torch.tensor([[2.0, 0.0]]).to(run.dtype)
    with torch.no_grad():
        true_y = odeint(lambda y: y**3 @ true_a, true_y0, t)
    run.result("trajectory", true_y)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
    average = None
    for step in range(STEPS):
        s = starts[step]
        optimizer.zero_grad()
        batch_y = torch.stack([true_y[s + i] for i in range(batch_time)])
        pred_y = odeint(func, true_y[s], t[:batch_time])
        loss = torch.mean(torch.abs(pred_y - batch_y))
        loss.backward()
        optimizer.step()
        average = loss.item() if average is None else average * 0.97 + loss.item() * 0.03
        run.follow("loss", loss)
        run.follow("average", average)
        if step % 5 == 4:
            with torch.no_grad():
                run.follow("total", torch.mean(torch.abs(odeint(func, true_y0, t) - true_y)))


def maml(run):
    """Sine waves: second derivatives through two inner steps, the meta-gradient assigned to `grad`."""
    tasks, shots = 2, 5
    amplitude = torch.rand(STEPS + 1, tasks, 1, 1) * 4.9 + 0.1
    phase = torch.rand(STEPS + 1, tasks, 1, 1) * math.pi
    x = torch.rand(STEPS + 1, tasks, 2 * shots, 1) * 10 - 5
    y = run.data("y", amplitude * torch.sin(x + phase))
    x = run.data("x", x)
    model = nn.Module()
    model.model = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    run.model(model)
    weights = list(model.parameters())
    optimizer = torch.optim.Adam(weights, lr=1e-2)

    def parameterised(x, w):
        x = F.relu(F.linear(x, w[0], w[1]))
        x = F.relu(F.linear(x, w[2], w[3]))
        return F.linear(x, w[4], w[5])

    def adapt(x, y, steps):
        temporary = [w.clone() for w in weights]
        for _ in range(steps):
            loss = F.mse_loss(parameterised(x, temporary), y)
            gradients = torch.autograd.grad(loss, temporary, create_graph=True)
            temporary = [w - 0.02 * g for w, g in zip(temporary, gradients)]
        return temporary

    for step in range(STEPS):
        meta_loss = 0
        for task in range(tasks):
            temporary = adapt(x[step, task, :shots], y[step, task, :shots], 2)
            meta_loss = meta_loss + F.mse_loss(parameterised(x[step, task, shots:], temporary), y[step, task, shots:])
        for w, g in zip(weights, torch.autograd.grad(meta_loss, weights)):
            w.grad = g
        optimizer.step()
        run.follow("loss", meta_loss / tasks)
    for steps in range(3):
        temporary = adapt(x[STEPS, 0, :shots], y[STEPS, 0, :shots], steps)
        run.follow("adapted", F.mse_loss(parameterised(x[STEPS, 0, shots:], temporary), y[STEPS, 0, shots:]))


PROGRAMS = {
    "nano-gpt": nano_gpt,
    "seq2seq": seq2seq,
    "ctc": ctc,
    "pinn": pinn,
    "neural-ode": neural_ode,
    "maml": maml,
}

if __name__ == "__main__":
    for name, program in PROGRAMS.items():
        write(name, program)
