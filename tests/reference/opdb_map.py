"""Which of wgrad's ops each entry of PyTorch's op database is, and how its arguments are spelled.

The rules are the API's: required arguments in PyTorch's order, optional ones in one options object in camelCase, reductions
take (dim, keepdim) positionally, `max` and `min` of a dim return values only.
"""

import torch


class Skip(Exception):
    """A sample that the API has no words for; the text says why."""


class Hole:
    """Stands for an argument that is left out in front of others."""


HOLE = Hole()
DTYPES = {torch.float32: "f32", torch.int32: "i32", torch.int64: "i32", torch.bool: "bool"}
DROPPED = ("device", "layout", "memory_format", "pin_memory", "requires_grad", "out", "sparse", "inplace")


NUMBERS = ("alpha", "beta", "value", "a", "b", "start", "end", "step")


class Mapping:
    """An op of wgrad's: its name, PyTorch's parameters in order, and those that are positional here."""

    def __init__(self, ours, params="input", positional="input", fix=None, out=None, count_bools=False):
        """`count_bools`: what PyTorch makes of bool here is bool, what ours makes is i32, as of i32 operands."""
        self.ours = ours
        self.count_bools = count_bools
        self.params = params.split()
        self.positional = positional.split()
        self.fix = fix
        self.out = out

    def call(self, values):
        """Returns (args, options) of wgrad's call for PyTorch's positional and keyword arguments."""
        args, kwargs = values
        bound = {}
        for place, value in enumerate(args):
            if place >= len(self.params):
                raise Skip(f"more than {len(self.params)} arguments")
            name = self.params[place]
            if name.startswith("*"):
                bound[name] = list(args[place:])
                break
            bound[name] = value
        bound.update(kwargs)
        # Samples of bool have bool where a number is meant.
        for name in NUMBERS:
            if isinstance(bound.get(name), bool):
                bound[name] = int(bound[name])
        for name in DROPPED:
            bound.pop(name, None)
        if self.fix:
            bound = self.fix(bound)
        positional = [bound.pop(name, HOLE) for name in self.positional]
        while positional and positional[-1] is HOLE and not any(v is not None for v in bound.values()):
            positional.pop()
        positional = [HOLE if value is None else value for value in positional]
        while positional and positional[-1] is HOLE and not any(v is not None for v in bound.values()):
            positional.pop()
        flat = []
        for name, value in zip(self.positional, positional):
            flat.extend(value) if name.startswith("*") else flat.append(value)
        return flat, {camel(name): spell(value) for name, value in bound.items() if value is not None}


def camel(name):
    """Returns wgrad's spelling of a snake_case name."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def spell(value):
    """Returns dtypes by wgrad's names; a dtype that the engine has not is a reason to skip."""
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise Skip(f"the engine has no {value}")
        return DTYPES[value]
    return value


def rename(**names):
    """Returns a fix that renames arguments."""
    return lambda bound: {names.get(key, key): value for key, value in bound.items()}


def gather_ints(name):
    """Returns a fix for `f(x, 1, 2)` and `f(x, (1, 2))` alike: a list of whole numbers called `name`."""

    def fix(bound):
        values = bound.pop("*rest", [])
        if len(values) == 1 and isinstance(values[0], (tuple, list, torch.Size)):
            values = values[0]
        if values or name not in bound:
            bound[name] = list(values)
        return bound

    return fix


def swap(bound):
    """`__rsub__(x, y)` is y - x."""
    return {**bound, "input": bound["other"], "other": bound["input"]}


def variance(bound):
    """unbiased is correction 1 or 0; `var(x, False)` is var(x, unbiased=False)."""
    if isinstance(bound.get("dim"), bool):
        bound["unbiased"] = bound.pop("dim")
    if "unbiased" in bound:
        bound["correction"] = 1 if bound.pop("unbiased") else 0
    return bound


def dim_list(bound):
    """Lists as lists."""
    return {key: list(value) if isinstance(value, (tuple, torch.Size)) else value for key, value in bound.items()}


def sized(bound):
    """reps as a list."""
    values = bound.pop("*rest", [])
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    return {**bound, "reps": list(values)}


def slices(bound):
    """Python's index with whole numbers, slices and None… as ranges of `slice`."""
    index = bound.pop("index")
    index = index if isinstance(index, tuple) else (index,)
    ranges = []
    for part in index:
        if part is Ellipsis:
            after = len([p for p in index[index.index(Ellipsis) + 1 :]])
            ranges += [None] * (bound["input"].dim() - len(ranges) - after)
        elif isinstance(part, slice):
            if part.start is None and part.stop is None and part.step is None:
                ranges.append(None)
            else:
                triple = [HOLE if v is None else v for v in (part.start, part.stop, part.step)]
                ranges.append(triple)
        elif isinstance(part, int) and not isinstance(part, bool):
            ranges.append(part)
        else:
            raise Skip("an index that is no slice")
    return {**bound, "*ranges": ranges}


def one_slice(bound):
    """`slice(x, dim, start, end, step)`."""
    dim = bound.pop("dim", 0)
    part = [bound.pop("start", None), bound.pop("end", None), bound.pop("step", None)]
    ranges = [None] * (dim % bound["input"].dim()) + [[HOLE if v is None else v for v in part]]
    return {**bound, "*ranges": ranges}


def no_dtype(bound):
    """A dtype option of what has the dtype anyway."""
    dtype = bound.pop("dtype", None)
    if dtype is not None and (dtype is torch.bool or dtype is not bound["input"].dtype):
        raise Skip("a reduction in another dtype")
    return bound


def values_only(result):
    """Ours returns the values alone."""
    return result[0]


def without_ties(result):
    """Which of equal elements PyTorch finds is left open: integers often are equal."""
    return result if result.values.is_floating_point() else {"values": result.values}


def pad_mode(mode):
    """Fills in the mode of an entry."""

    def fix(bound):
        if "value" in bound and mode != "constant":
            bound.pop("value")
        return {**bound, "mode": mode, "pads": list(bound["pads"])}

    return fix


def interpolation(bound):
    """Modes that the API has."""
    if bound.get("mode", "nearest") not in ("nearest", "bilinear"):
        raise Skip(f"mode {bound['mode']}")
    return bound


def pool(bound):
    """Pools return values only."""
    if bound.pop("return_indices", False):
        raise Skip("indices of a pool")
    return bound


def attention(bound):
    """Drops what later versions of PyTorch dropped."""
    if bound.pop("dropout_p", 0.0) > 0:
        raise Skip("random")
    bound.pop("need_attn_weights", None)
    return bound


def no_random(bound):
    """Only what is not random."""
    if bound.get("training", True) and bound.get("p", 0.5) not in (0.0, 1.0):
        raise Skip("random")
    return bound


def long_norm(bound):
    """`norm(x, p, dim, keepdim)` and `vector_norm(x, ord, dim, keepdim)`."""
    if "ord" in bound:
        bound["p"] = bound.pop("ord")
    if bound.get("p") == "fro":
        bound.pop("p")
    if bound.get("p") == "nuc":
        raise Skip("a matrix norm")
    return no_dtype(bound)


def linalg_norm(bound):
    """linalg.norm of a matrix and an order is a matrix norm."""
    order = bound.get("ord")
    dim = bound.get("dim")
    count = len(dim) if isinstance(dim, (tuple, list)) else 1 if dim is not None else bound["input"].dim()
    if order is not None and count != 1:
        raise Skip("a matrix norm")
    return long_norm(bound)


def cdist(bound):
    """compute_mode chooses a kernel, not a result."""
    bound.pop("compute_mode", None)
    return bound


def tensor_args(bound):
    """A list of tensors, or several."""
    tensors = bound.pop("*tensors")
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    return {**bound, "*tensors": list(tensors)}


def legacy(bound):
    """`size_average` and `reduce` are gone."""
    for name in ("size_average", "reduce"):
        bound.pop(name, None)
    return bound


def scatter(bound):
    """With reduce it is scatterReduce here."""
    if bound.pop("reduce", None) is not None:
        raise Skip("scatter with reduce is scatterReduce here")
    return bound


def numbers_only(bound):
    """Ours wants numbers to add."""
    if bound["input"].dtype is torch.bool:
        raise Skip("bool, which is no number here")
    return bound


def spaced(bound):
    """linspace of integers depends on the processor in PyTorch 1.13: it cuts fractions off in blocks of a vector's size."""
    if bound.get("dtype") not in (None, torch.float32) and bound["steps"] > 4:
        raise Skip("integer linspace, which depends on the processor")
    return bound


def searchsorted(bound):
    """out_int32 chooses what ours always does."""
    bound.pop("out_int32", None)
    return bound


def arange(bound):
    """`arange(end)`, `arange(start, end)`, `arange(start, end, step)`."""
    first = bound.pop("a")
    end = bound.pop("b", bound.pop("end", None))
    return {**bound, "*range": [first] if end is None else [first, end]}


def made(bound):
    """`x.new_zeros(shape)` is zeros of x's dtype."""
    like = bound.pop("input")
    return {**bound, "dtype": bound.get("dtype") or like.dtype}


def as_shape(bound):
    """`reshape_as(x, other)` is reshape to other's shape."""
    return {"input": bound["input"], "shape": list(bound["other"].shape)}


def clamp_one(name):
    """`clamp_min(x, y)` is clamp with one option."""
    return lambda bound: {"input": bound["input"], name: bound["other"]}


def transposed(bound):
    """x.T of a matrix."""
    if bound["input"].dim() > 2:
        raise Skip("T of more than two dims")
    return bound


def last_two(bound):
    """x.mT."""
    if bound["input"].dim() < 2:
        raise Skip("mT of fewer than two dims")
    return {**bound, "a": -2, "b": -1}


def flips(dim):
    """fliplr and flipud."""
    return lambda bound: {**bound, "dims": [dim]}


def cast(dtype):
    """`x.int()` and so on."""
    return lambda bound: {**bound, "dtype_": dtype}


def with_mode(mode):
    """upsample_bilinear is interpolate with corners aligned."""

    def fix(bound):
        return {**bound, "mode": mode, **({"align_corners": True} if mode == "bilinear" else {})}

    return fix


UNARY = (
    "abs neg sign ceil floor trunc frac exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos"
    " atan sinh cosh tanh asinh acosh atanh sigmoid erf erfc erfinv lgamma digamma sinc isnan isinf isfinite logical_not"
    " bitwise_not deg2rad rad2deg t"
).split()
ACTIVATIONS = (
    "relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh hardsigmoid hardswish hardshrink softshrink"
    " tanhshrink"
).split()
BINARY = (
    "mul fmod remainder floor_divide maximum minimum atan2 hypot copysign xlogy logaddexp logaddexp2 eq ne lt le gt ge"
    " logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift pow isclose true_divide"
).split()
XY = "input other"

MAP = {name: Mapping(camel(name)) for name in UNARY}
MAP |= {f"nn.functional.{name}": Mapping(camel(name)) for name in ACTIVATIONS}
MAP |= {name: Mapping(camel(name), XY, XY) for name in BINARY}
MAP |= {
    "true_divide": Mapping("div", XY, XY),
    "add": Mapping("add", XY, XY),
    "sub": Mapping("sub", XY, XY),
    "div.no_rounding_mode": Mapping("div", XY, XY),
    "div.trunc_rounding": Mapping("div", XY, XY),
    "div.floor_rounding": Mapping("div", XY, XY),
    "rsub": Mapping("sub", XY, XY, swap),
    "__radd__": Mapping("add", XY, XY, swap),
    "__rsub__": Mapping("sub", XY, XY, swap),
    "__rmul__": Mapping("mul", XY, XY, swap),
    "__rdiv__": Mapping("div", XY, XY, swap),
    "__rpow__": Mapping("pow", XY, XY, swap),
    "__rmod__": Mapping("remainder", XY, XY, swap),
    "__rand__": Mapping("bitwiseAnd", XY, XY, swap),
    "__ror__": Mapping("bitwiseOr", XY, XY, swap),
    "__rxor__": Mapping("bitwiseXor", XY, XY, swap),
    "max.binary": Mapping("maximum", XY, XY),
    "min.binary": Mapping("minimum", XY, XY),
    "round": Mapping("round"),
    "round.decimals_0": Mapping("round"),
    "round.decimals_3": Mapping("round"),
    "round.decimals_neg_3": Mapping("round"),
    "logit": Mapping("logit", "input eps"),
    "nan_to_num": Mapping("nanToNum", "input nan posinf neginf"),
    "nn.functional.logsigmoid": Mapping("logSigmoid"),
    "nn.functional.threshold": Mapping("threshold", "input threshold value", "input threshold value"),
    "nn.functional.prelu": Mapping("prelu", "input weight", "input weight"),
    "nn.functional.glu": Mapping("glu", "input dim"),
    "clamp": Mapping("clamp", "input min max"),
    "clamp_min": Mapping("clamp", XY, fix=clamp_one("min")),
    "clamp_max": Mapping("clamp", XY, fix=clamp_one("max")),
    "where": Mapping("where", "input condition other", "condition input other"),
    "lerp": Mapping("lerp", "input end weight", "input end weight"),
    "addcmul": Mapping("addcmul", "input a b", "input a b"),
    "addcdiv": Mapping("addcdiv", "input a b", "input a b"),
    "masked_fill": Mapping("maskedFill", "input mask value", "input mask value"),
}

REDUCE = ("input dim keepdim", "input dim keepdim", dim_list)
MAP |= {name: Mapping(name, *REDUCE) for name in ("sum", "mean", "amax", "amin", "argmax", "argmin", "all", "any")}
MAP |= {
    "prod": Mapping("prod", *REDUCE[:2], lambda bound: dim_list(no_dtype(bound))),
    "nansum": Mapping("nansum", *REDUCE),
    "nanmean": Mapping("nanmean", *REDUCE),
    "logsumexp": Mapping("logsumexp", *REDUCE),
    "count_nonzero": Mapping("countNonzero", *REDUCE),
    "median": Mapping("median", *REDUCE),
    "max.reduction_with_dim": Mapping("max", *REDUCE, values_only),
    "min.reduction_with_dim": Mapping("min", *REDUCE, values_only),
    "max.reduction_no_dim": Mapping("max", *REDUCE),
    "min.reduction_no_dim": Mapping("min", *REDUCE),
    "var": Mapping("variance", *REDUCE[:2], lambda bound: dim_list(variance(bound))),
    "std": Mapping("std", *REDUCE[:2], lambda bound: dim_list(variance(bound))),
    "norm": Mapping("norm", "input p dim keepdim", fix=long_norm),
    "norm.nuc": Mapping("norm", "input p dim keepdim", fix=long_norm),
    "norm.fro": Mapping("norm", "input p dim keepdim", fix=long_norm),
    "norm.inf": Mapping("norm", "input p dim keepdim", fix=long_norm),
    "linalg.vector_norm": Mapping("norm", "input ord dim keepdim", fix=long_norm),
    "linalg.norm": Mapping("norm", "input ord dim keepdim", fix=linalg_norm),
    "softmax": Mapping("softmax", "input dim", "input dim"),
    "softmax.with_dtype": Mapping("softmax", "input dim", "input dim"),
    "nn.functional.softmin": Mapping("softmin", "input dim", "input dim"),
    "nn.functional.softmin.with_dtype": Mapping("softmin", "input dim", "input dim"),
    "log_softmax": Mapping("logSoftmax", "input dim", "input dim"),
    "log_softmax.dtype": Mapping("logSoftmax", "input dim", "input dim"),
    "cumsum": Mapping("cumsum", "input dim", "input dim"),
    "cumprod": Mapping("cumprod", "input dim", "input dim"),
    "cummax": Mapping("cummax", "input dim", "input dim"),
    "cummin": Mapping("cummin", "input dim", "input dim"),
    "logcumsumexp": Mapping("logcumsumexp", "input dim", "input dim"),
    "nn.functional.normalize": Mapping("normalize", "input p dim"),
}

MAP |= {
    "reshape": Mapping("reshape", "input shape", "input shape"),
    "reshape_as": Mapping("reshape", XY, "input shape", as_shape),
    "view": Mapping("view", "input shape", "input shape"),
    "view_as": Mapping("view", XY, "input shape", as_shape),
    "expand": Mapping("expand", "input *rest", "input shape", gather_ints("shape")),
    "expand_as": Mapping("expand", XY, "input shape", as_shape),
    "broadcast_to": Mapping("broadcastTo", "input shape", "input shape"),
    "flatten": Mapping("flatten", "input start_dim end_dim"),
    "unflatten": Mapping("unflatten", "input dim sizes", "input dim sizes"),
    "squeeze": Mapping("squeeze", "input dim"),
    "unsqueeze": Mapping("unsqueeze", "input dim", "input dim"),
    "permute": Mapping("permute", "input dims", "input dims"),
    "transpose": Mapping("transpose", "input a b", "input a b"),
    "T": Mapping("t", fix=transposed),
    "mT": Mapping("transpose", "input", "input a b", last_two),
    "movedim": Mapping("movedim", "input source destination", "input source destination"),
    "flip": Mapping("flip", "input dims", "input dims"),
    "fliplr": Mapping("flip", "input", "input dims", flips(1)),
    "flipud": Mapping("flip", "input", "input dims", flips(0)),
    "roll": Mapping("roll", "input shifts dims", "input shifts"),
    "narrow": Mapping("narrow", "input dim start length", "input dim start length"),
    "narrow_copy": Mapping("narrow", "input dim start length", "input dim start length"),
    "select": Mapping("select", "input dim index", "input dim index"),
    "slice": Mapping("slice", "input dim start end step", "input *ranges", one_slice),
    "__getitem__": Mapping("slice", "input index", "input *ranges", slices),
    "cat": Mapping("cat", "tensors dim", "tensors"),
    "stack": Mapping("stack", "tensors dim", "tensors"),
    "split": Mapping("split", "input size dim", "input size"),
    "split.list_args": Mapping("split", "input size dim", "input size"),
    "split_with_sizes": Mapping("split", "input size dim", "input size"),
    "chunk": Mapping("chunk", "input chunks dim", "input chunks"),
    "unbind": Mapping("unbind", "input dim"),
    "constant_pad_nd": Mapping("pad", "input pads value", "input pads", pad_mode("constant")),
    "nn.functional.pad.constant": Mapping("pad", "input pads mode value", "input pads", pad_mode("constant")),
    "nn.functional.pad.reflect": Mapping("pad", "input pads mode value", "input pads", pad_mode("reflect")),
    "nn.functional.pad.replicate": Mapping("pad", "input pads mode value", "input pads", pad_mode("replicate")),
    "nn.functional.pad.circular": Mapping("pad", "input pads mode value", "input pads", pad_mode("circular")),
    "repeat": Mapping("repeat", "input *rest", "input reps", sized),
    "tile": Mapping("tile", "input *rest", "input reps", sized),
    "repeat_interleave": Mapping("repeatInterleave", "input repeats dim", "input repeats"),
    "unfold": Mapping("unfold", "input dim size step", "input dim size step"),
    "tril": Mapping("tril", "input diagonal"),
    "triu": Mapping("triu", "input diagonal"),
    "diagonal": Mapping("diagonal", "input offset dim1 dim2"),
    "diag": Mapping("diag", "input diagonal"),
    "diag_embed": Mapping("diagEmbed", "input offset dim1 dim2"),
    "rot90": Mapping("rot90", "input k dims"),
    "meshgrid.variadic_tensors": Mapping("meshgrid", "*tensors", "*tensors", tensor_args),
    "meshgrid.list_of_tensors": Mapping("meshgrid", "*tensors", "*tensors", tensor_args),
    "nn.functional.one_hot": Mapping("oneHot", "input num_classes", "input num_classes"),
    "nn.functional.pixel_shuffle": Mapping("pixelShuffle", "input upscale_factor", "input upscale_factor"),
    "nn.functional.pixel_unshuffle": Mapping("pixelUnshuffle", "input downscale_factor", "input downscale_factor"),
    "nn.functional.unfold": Mapping("unfold2d", "input kernel_size dilation padding stride", "input kernel_size"),
    "int": Mapping("to", "input", "input dtype_", cast("i32")),
    "float": Mapping("to", "input", "input dtype_", cast("f32")),
    "bool": Mapping("to", "input", "input dtype_", cast("bool")),
}

MAP |= {
    "gather": Mapping("gather", "input dim index", "input dim index"),
    "scatter": Mapping("scatter", "input dim index src", "input dim index src", scatter),
    "scatter_add": Mapping("scatterAdd", "input dim index src", "input dim index src", numbers_only),
    "index_select": Mapping("indexSelect", "input dim index", "input dim index"),
    "index_add": Mapping("indexAdd", "input dim index source", "input dim index source", numbers_only),
    "take": Mapping("take", "input index", "input index"),
    "take_along_dim": Mapping("takeAlongDim", "input indices dim", "input indices"),
    "sort": Mapping("sort", "input dim descending"),
    "msort": Mapping("msort"),
    "argsort": Mapping("argsort", "input dim descending"),
    "topk": Mapping("topk", "input k dim largest sorted", "input k", out=without_ties),
    "searchsorted": Mapping("searchsorted", XY, XY, searchsorted),
    "bucketize": Mapping("searchsorted", XY, XY, lambda bound: searchsorted(swap(bound))),
    "bincount": Mapping("bincount", "input weights minlength"),
    "nn.functional.embedding": Mapping("embedding", "weight indices padding_idx", "indices weight"),
}
for reduce in ("sum", "prod", "mean", "amin", "amax"):
    MAP[f"scatter_reduce.{reduce}"] = Mapping(
        "scatterReduce", "input dim index src reduce", "input dim index src reduce", numbers_only
    )

MAP |= {
    "matmul": Mapping("matmul", XY, XY),
    "__rmatmul__": Mapping("matmul", XY, XY, swap),
    "mm": Mapping("mm", XY, XY),
    "bmm": Mapping("bmm", XY, XY),
    "mv": Mapping("mv", XY, XY),
    "dot": Mapping("dot", XY, XY),
    "vdot": Mapping("dot", XY, XY),
    "outer": Mapping("outer", XY, XY),
    "kron": Mapping("kron", XY, XY),
    "addmm": Mapping("addmm", "input a b", "input a b"),
    "addmm.decomposed": Mapping("addmm", "input a b", "input a b"),
    "baddbmm": Mapping("baddbmm", "input a b", "input a b"),
    "tensordot": Mapping("tensordot", "input other dims", XY),
    "einsum": Mapping("einsum", "tensors equation", "equation *tensors", rename(tensors="*tensors")),
    "cdist": Mapping("cdist", "input other p compute_mode", XY, cdist),
    "nn.functional.linear": Mapping("linear", "input weight bias", "input weight"),
    "nn.functional.bilinear": Mapping("bilinear", "input other weight bias", "input other weight"),
    "nn.functional.cosine_similarity": Mapping("cosineSimilarity", "input other dim eps", XY),
    "nn.functional.pairwise_distance": Mapping("pairwiseDistance", "input other p eps keepdim", XY),
}

CONV = "input weight bias stride padding dilation groups"
TRANSPOSE = "input weight bias stride padding output_padding groups dilation"
MAX_POOL = "input kernel_size stride padding dilation ceil_mode return_indices"
AVG_POOL = "input kernel_size stride padding ceil_mode count_include_pad divisor_override"
MAP |= {
    "nn.functional.conv1d": Mapping("conv1d", CONV, "input weight"),
    "nn.functional.conv2d": Mapping("conv2d", CONV, "input weight"),
    "nn.functional.conv_transpose1d": Mapping("convTranspose1d", TRANSPOSE, "input weight"),
    "nn.functional.conv_transpose2d": Mapping("convTranspose2d", TRANSPOSE, "input weight"),
    "nn.functional.max_pool1d": Mapping("maxPool1d", MAX_POOL, "input kernel_size", pool),
    "nn.functional.max_pool2d": Mapping("maxPool2d", MAX_POOL, "input kernel_size", pool),
    "nn.functional.avg_pool1d": Mapping("avgPool1d", AVG_POOL, "input kernel_size"),
    "nn.functional.avg_pool2d": Mapping("avgPool2d", AVG_POOL, "input kernel_size"),
    "nn.functional.adaptive_avg_pool1d": Mapping("adaptiveAvgPool1d", "input output_size", "input output_size"),
    "nn.functional.adaptive_avg_pool2d": Mapping("adaptiveAvgPool2d", "input output_size", "input output_size"),
    "nn.functional.adaptive_max_pool2d": Mapping(
        "adaptiveMaxPool2d", "input output_size return_indices", "input output_size", pool
    ),
    "nn.functional.interpolate.nearest": Mapping(
        "interpolate", "input size scale_factor mode align_corners", fix=interpolation
    ),
    "nn.functional.interpolate.bilinear": Mapping(
        "interpolate", "input size scale_factor mode align_corners", fix=interpolation
    ),
    "nn.functional.upsample_nearest": Mapping("interpolate", "input size scale_factor", fix=with_mode("nearest")),
    "nn.functional.upsample_bilinear": Mapping("interpolate", "input size scale_factor", fix=with_mode("bilinear")),
    "nn.functional.grid_sample": Mapping("gridSample", "input grid mode padding_mode align_corners", "input grid"),
    "nn.functional.batch_norm": Mapping(
        "batchNorm", "input mean variance weight bias training momentum eps", "input mean variance"
    ),
    "nn.functional.batch_norm.without_cudnn": Mapping(
        "batchNorm", "input mean variance weight bias training momentum eps", "input mean variance"
    ),
    "nn.functional.layer_norm": Mapping("layerNorm", "input shape weight bias eps", "input shape"),
    "nn.functional.group_norm": Mapping("groupNorm", "input num_groups weight bias eps", "input num_groups"),
    "nn.functional.instance_norm": Mapping(
        "instanceNorm", "input running_mean running_var weight bias use_input_stats momentum eps"
    ),
    "nn.functional.local_response_norm": Mapping("localResponseNorm", "input size alpha beta k", "input size"),
    "nn.functional.dropout": Mapping("dropout", "input p training", "input p", no_random),
    "nn.functional.dropout2d": Mapping("dropout2d", "input p training", "input p", no_random),
    "nn.functional._scaled_dot_product_attention": Mapping(
        "scaledDotProductAttention",
        "query key value attn_mask dropout_p need_attn_weights is_causal",
        "query key value",
        attention,
        values_only,
    ),
}

LOSS = "input target"
MAP |= {
    f"nn.functional.{name}": Mapping(camel(name), f"{LOSS} weight", LOSS, legacy)
    for name in (
        "mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy"
        " binary_cross_entropy_with_logits kl_div poisson_nll_loss hinge_embedding_loss soft_margin_loss"
    ).split()
}
MAP |= {
    "nn.functional.gaussian_nll_loss": Mapping("gaussianNllLoss", f"{LOSS} var", f"{LOSS} var"),
    "nn.functional.cosine_embedding_loss": Mapping("cosineEmbeddingLoss", "a b target", "a b target"),
    "nn.functional.margin_ranking_loss": Mapping("marginRankingLoss", "a b target", "a b target"),
    "nn.functional.triplet_margin_loss": Mapping(
        "tripletMarginLoss", "anchor positive negative", "anchor positive negative"
    ),
    "nn.functional.ctc_loss": Mapping(
        "ctcLoss",
        "log_probs targets input_lengths target_lengths",
        "log_probs targets input_lengths target_lengths",
    ),
    "arange": Mapping("arange", "a b step", "*range", arange),
    "linspace": Mapping("linspace", "start end steps", "start end steps", spaced),
    "eye": Mapping("eye", "n m", "n"),
    "zeros": Mapping("zeros", "shape", "shape"),
    "ones": Mapping("ones", "shape", "shape"),
    "zeros_like": Mapping("zerosLike"),
    "ones_like": Mapping("onesLike"),
    "full_like": Mapping("fullLike", "input value", "input value"),
    "new_zeros": Mapping("zeros", "input shape", "shape", made),
    "new_ones": Mapping("ones", "input shape", "shape", made),
    "new_full": Mapping("full", "input shape value", "shape value", made),
}

# "Sums and products of bool give i32", says the API.
for _name in (
    "add sub mul __radd__ __rmul__ __rsub__ rsub sign clamp_min clamp_max kron outer prod addcmul abs neg square"
).split():
    MAP[_name].count_bools = True
