"""PyTorch's recurrent and attention layers with their state, outputs and gradients: data/sequences.json and .bin."""

import torch
from torch import nn

from golden import Golden

golden = Golden("sequences")
generator = torch.Generator().manual_seed(11)


def snake(options):
    """Returns PyTorch's spelling of camelCase options."""
    return {"".join("_" + c.lower() if c.isupper() else c for c in key): value for key, value in options.items()}


def normal(*shape):
    """Returns normal numbers, exact in few bits."""
    return (torch.randn(shape, generator=generator) * 64).round() / 64


def flat(value):
    """Returns the tensors of nested tuples, in order; None stays."""
    if value is None or isinstance(value, torch.Tensor):
        return [value]
    return [tensor for item in value for tensor in flat(item)]


def stored(value):
    """Stores nested tensors and returns their numbers in the same nesting."""
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        return golden.add(value)
    return [stored(item) for item in value]


def run(name, arguments, options, inputs, call=None, build=None, second=None):
    """Returns a case: the layer in double precision against which f32 is compared."""
    torch.manual_seed(3)
    layer = build() if build else getattr(nn, name)(*arguments, **snake(options))
    layer.train()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(normal(*parameter.shape) * 0.5)
    before = {key: golden.add(value) for key, value in layer.state_dict().items()}
    layer.double()

    def leaf(value):
        if value is None:
            return None
        if isinstance(value, torch.Tensor):
            return value.double().requires_grad_() if value.is_floating_point() else value
        return tuple(leaf(item) for item in value)

    given = [leaf(value) for value in inputs]
    masks = {key: value.double() if value.is_floating_point() else value for key, value in (call or {}).items() if isinstance(value, torch.Tensor)}
    rest = {key: value for key, value in (call or {}).items() if not isinstance(value, torch.Tensor)}
    outputs = flat(layer(*given, **snake({**masks, **rest})))
    weights = [None if output is None else normal(*output.shape) for output in outputs]
    total = sum((output * weight).sum() for output, weight in zip(outputs, weights) if output is not None)
    total.backward()
    return {
        "name": name,
        "arguments": arguments,
        "options": options,
        **(second or {}),
        "state": before,
        "inputs": stored(inputs),
        "call": {**{key: golden.add(call[key]) for key in masks}, **({"plain": rest} if rest else {})},
        "outputs": stored(outputs),
        "weights": stored(weights),
        "inputGradients": stored([None if x is None else x.grad for x in flat(given)]),
        "gradients": {key: golden.add(value.grad) for key, value in layer.named_parameters()},
    }


def recurrent():
    """Returns the cases of RNN, LSTM, GRU and their cells."""
    T, B, I, H = 4, 3, 5, 4
    x = normal(T, B, I)

    def state(count, size=H):
        return normal(count, B, size)

    for name in ("RNN", "GRU"):
        yield run(name, [I, H], {}, [x])
        yield run(name, [I, H], {"numLayers": 2, "bidirectional": True}, [x, state(4)])
        yield run(name, [I, H], {"batchFirst": True, "bias": False}, [normal(B, T, I), state(1)])
        yield run(name, [I, H], {"bidirectional": True}, [normal(T, I), normal(2, H)])
    yield run("RNN", [I, H], {"nonlinearity": "relu", "numLayers": 2}, [x, state(2)])
    yield run("LSTM", [I, H], {}, [x])
    yield run("LSTM", [I, H], {"numLayers": 2, "bidirectional": True}, [x, (state(4), state(4))])
    yield run("LSTM", [I, H], {"batchFirst": True, "bias": False}, [normal(B, T, I), (state(1), state(1))])
    yield run("LSTM", [I, H], {"numLayers": 2}, [normal(T, I), (normal(2, H), normal(2, H))])
    yield run("LSTM", [I, H], {"projSize": 2, "numLayers": 2, "bidirectional": True}, [x, (state(4, 2), state(4))])
    yield run("LSTM", [I, 16], {}, [normal(9, 2, I)])
    yield run("RNNCell", [I, H], {}, [normal(B, I), normal(B, H)])
    yield run("RNNCell", [I, H], {"nonlinearity": "relu", "bias": False}, [normal(B, I)])
    yield run("GRUCell", [I, H], {}, [normal(B, I), normal(B, H)])
    yield run("GRUCell", [I, H], {}, [normal(I)])
    yield run("LSTMCell", [I, H], {}, [normal(B, I), (normal(B, H), normal(B, H))])
    yield run("LSTMCell", [I, H], {}, [normal(I), (normal(H), normal(H))])


def attention():
    """Returns the cases of MultiheadAttention. A boolean mask is true where attention is hidden."""
    L, S, N, E = 4, 5, 2, 6
    q, k, v = normal(L, N, E), normal(S, N, E), normal(S, N, E)
    padding = torch.tensor([[False, False, True, False, False], [False, False, False, True, True]])
    hidden = torch.ones(L, S).triu(2).bool()
    yield run("MultiheadAttention", [E, 2], {}, [q, k, v])
    yield run("MultiheadAttention", [E, 3], {"bias": False}, [q, k, v], {"needWeights": False})
    yield run("MultiheadAttention", [E, 2], {}, [q, k, v], {"keyPaddingMask": padding, "averageAttnWeights": False})
    yield run("MultiheadAttention", [E, 2], {}, [q, k, v], {"attnMask": hidden, "keyPaddingMask": padding})
    yield run("MultiheadAttention", [E, 2], {}, [q, k, v], {"attnMask": normal(L, S)})
    yield run("MultiheadAttention", [E, 2], {}, [q, k, v], {"attnMask": normal(2 * N, L, S)})
    options = {"addBiasKv": True, "addZeroAttn": True}
    yield run("MultiheadAttention", [E, 2], options, [q, k, v], {"attnMask": hidden, "keyPaddingMask": padding})
    options = {"kdim": 3, "vdim": 7, "batchFirst": True}
    yield run("MultiheadAttention", [E, 2], options, [normal(N, L, E), normal(N, S, 3), normal(N, S, 7)])
    yield run("MultiheadAttention", [E, 2], {}, [normal(L, E), normal(S, E), normal(S, E)])


def transformers():
    """Returns the cases of the Transformer layers and stacks, without dropout."""
    L, S, N, E = 4, 5, 2, 6
    base = {"dimFeedforward": 8, "dropout": 0.0}
    causal = torch.ones(L, L).triu(1).bool()
    padding = torch.tensor([[False, False, False, True], [False, False, False, False]])
    src, memory = normal(L, N, E), normal(S, N, E)
    encoder, decoder = "TransformerEncoderLayer", "TransformerDecoderLayer"
    yield run(encoder, [E, 2], base, [src])
    options = {**base, "activation": "gelu", "normFirst": True, "batchFirst": True}
    yield run(encoder, [E, 2], options, [normal(N, L, E)], {"srcMask": causal, "srcKeyPaddingMask": padding})
    yield run(decoder, [E, 2], base, [src, memory], {"tgtMask": causal, "tgtKeyPaddingMask": padding})
    options = {**base, "activation": "gelu", "normFirst": True, "batchFirst": True}
    masks = {"memoryKeyPaddingMask": torch.tensor([[False] * 4 + [True], [False] * 5])}
    yield run(decoder, [E, 2], options, [normal(N, L, E), normal(N, S, E)], masks)
    for name, layer in (("TransformerEncoder", encoder), ("TransformerDecoder", decoder)):

        def build(name=name, layer=layer):
            inner = getattr(nn, layer)(E, 2, **snake(base))
            return getattr(nn, name)(inner, 2, norm=nn.LayerNorm(E))

        stack = {"layer": {"name": layer, "arguments": [E, 2], "options": base}, "norm": E}
        masks = {"mask": causal} if name == "TransformerEncoder" else {"tgtMask": causal}
        inputs = [src] if name == "TransformerEncoder" else [src, memory]
        yield run(name, [2], {}, inputs, masks, build, stack)


golden.save(cases=[*recurrent(), *attention(), *transformers()])
