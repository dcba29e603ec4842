"""Golden cases of the movement ops, and of joining, splitting and padding."""

import torch
from torch.nn import functional as F

from cases import INF, OMIT, Suite


def cut(x, *ranges):
    """Returns x[ranges] by the rules of wgrad's `slice`."""
    index = []
    for part in ranges:
        if isinstance(part, list):
            index.append(slice(*[None if end is OMIT else end for end in part + [OMIT] * (3 - len(part))]))
        else:
            index.append(slice(None) if part is None else part)
    return x[tuple(index)]


def spell(part):
    """Returns a range as JavaScript writes it."""
    if isinstance(part, list):
        return f"[{','.join('' if end is OMIT else str(end) for end in part)}]"
    return "null" if part is None else str(part)


def views(suite):
    """Ops that only renumber the elements."""
    x, cube = suite.randn(4, 6), suite.randn(2, 3, 4)
    for shape in ([6, 4], [2, -1], [-1], [2, 2, 3, 2]):
        suite.case("reshape", x, shape, note=f"{shape}")
    suite.case("reshape", torch.tensor(2.0), [1, 1], note="from 0-dim")
    suite.case("reshape", torch.tensor([2.0]), [], note="to 0-dim")
    suite.case("reshape", torch.zeros(0, 3), [3, 0, 2], note="0-size")
    suite.case("view", x, [3, 8])
    suite.case("flatten", cube)
    suite.case("flatten", cube, start_dim=1)
    suite.case("flatten", suite.randn(2, 3, 2, 2), start_dim=1, end_dim=2)
    suite.case("flatten", torch.tensor(1.0), note="0-dim")
    suite.case("unflatten", x, 1, [2, 3])
    suite.case("unflatten", x, -1, [3, -1])
    ones = suite.randn(1, 3, 1, 2)
    suite.case("squeeze", ones)
    suite.case("squeeze", ones, dim=0)
    suite.case("squeeze", ones, dim=-2)
    suite.case("squeeze", ones, dim=1, note="not 1")
    for dim in (0, 1, -1):
        suite.case("unsqueeze", x, dim)
    suite.case("permute", cube, [2, 0, 1])
    suite.case("permute", cube, [-1, 0, -2])
    suite.case("transpose", cube, 0, 2)
    suite.case("transpose", cube, -1, 1)
    suite.case("t", x)
    suite.case("t", suite.randn(3), note="1-D")
    suite.case("movedim", cube, 0, 2)
    suite.case("movedim", cube, [0, 1], [-1, 0])
    suite.case("expand", suite.randn(3, 1), [3, 4], by=lambda x, s: x.expand(s))
    suite.case("expand", suite.randn(3, 1), [2, -1, 4], by=lambda x, s: x.expand(s))
    suite.case("broadcastTo", suite.randn(4), [2, 3, 4], by=lambda x, s: x.broadcast_to(s))
    suite.case("broadcastTo", torch.tensor(2.0), [2, 0], by=lambda x, s: x.broadcast_to(s), note="0-size")
    suite.case("flip", cube, [0])
    suite.case("flip", cube, [1, -1])
    suite.case("flip", suite.randn(2, 3) > 0, [1], note="bool")
    suite.case("roll", x, 2, by=lambda x, s: torch.roll(x, s))
    suite.case("roll", x, 1, dims=0)
    suite.case("roll", x, -2, dims=-1)
    suite.case("roll", x, [1, -8], dims=[0, 1])
    suite.case("rot90", x)
    suite.case("rot90", cube, k=-1, dims=[1, 2])
    suite.case("rot90", cube, k=2, dims=[0, 2])


def slices(suite):
    """narrow, select, slice, diagonal, triangles."""
    x, cube = suite.randn(5, 6), suite.randn(3, 4, 5)
    suite.case("narrow", x, 0, 1, 3)
    suite.case("narrow", x, -1, 2, 2)
    suite.case("narrow", x, 1, 2, 0, note="empty")
    suite.case("select", cube, 1, 2)
    suite.case("select", cube, -1, -1)
    for ranges in (
        (2,),
        ([1, 4],),
        (None, [2, 5]),
        ([1, 5, 2], [0, 6, 3]),
        ([OMIT, 3],),
        ([2],),
        ([-3, -1],),
        (None, -2),
        (0, 0),
        ([0, 100],),
        ([3, 3],),
        ([OMIT, OMIT, 2], [1, OMIT, 2]),
    ):
        suite.case("slice", x, *ranges, by=cut, note=", ".join(map(spell, ranges)))
    suite.case("slice", cube, 1, None, [1, 5, 2], by=cut, note="3-D")
    for diagonal in (0, 1, -2):
        suite.case("tril", x, diagonal=diagonal)
        suite.case("triu", cube, diagonal=diagonal)
    suite.case("triu", torch.full((3, 3), -INF), diagonal=1, note="infinite", gradient=False)
    suite.case("diagonal", x)
    suite.case("diagonal", x, offset=2)
    suite.case("diagonal", cube, offset=-1, dim1=0, dim2=2)
    suite.case("diag", suite.randn(4))
    suite.case("diag", suite.randn(3), diagonal=1)
    suite.case("diag", x, diagonal=-1)
    suite.case("diagEmbed", suite.randn(2, 3))
    suite.case("diagEmbed", suite.randn(2, 3), offset=1, dim1=0, dim2=2)
    suite.case("unfold", x, 1, 3, 1, by=lambda x, *args: x.unfold(*args))
    suite.case("unfold", x, 0, 2, 2, by=lambda x, *args: x.unfold(*args))
    suite.case("unfold", x, -1, 2, 3, by=lambda x, *args: x.unfold(*args))


def joins(suite):
    """cat, stack, split, chunk, unbind, repeats, meshgrid."""
    a, b, c = suite.randn(2, 3), suite.randn(4, 3), suite.randn(2, 5)
    suite.case("cat", [a, b])
    suite.case("cat", [a, c], dim=1)
    suite.case("cat", [a, c, a], dim=-1, note="one tensor twice")
    suite.case("cat", [a, torch.zeros(0, 3), b], note="0-size part")
    suite.case("cat", [torch.tensor([1, 2]), torch.tensor([3])], note="i32")
    suite.case("cat", [suite.randn(3) > 0, suite.randn(2) > 0], note="bool")
    suite.case("cat", [suite.randn(1 + number, 2) for number in range(12)], note="twelve parts")
    for dim in (0, 1, -1):
        suite.case("stack", [a, a.neg(), a + 1], dim=dim)
    suite.case("stack", [torch.tensor(1.0), torch.tensor(2.0)], note="0-dim")
    suite.case("split", b, 2)
    suite.case("split", c, 2, dim=1, note="rest")
    suite.case("split", c, [1, 4], dim=-1, note="sizes")
    suite.case("chunk", c, 2, dim=1)
    suite.case("chunk", b, 3)
    suite.case("unbind", a)
    suite.case("unbind", a, dim=1)
    suite.case("repeat", a, [2, 1], by=lambda x, r: x.repeat(r))
    suite.case("repeat", a, [2, 1, 2], by=lambda x, r: x.repeat(r))
    suite.case("tile", a, [2], by=torch.tile)
    suite.case("tile", a, [3, 1, 2], by=torch.tile)
    suite.case("repeatInterleave", a, 2)
    suite.case("repeatInterleave", a, 3, dim=1)
    x, y = suite.randn(3), suite.randn(4)
    suite.case("meshgrid", x, y, by=lambda *t: torch.meshgrid(*t, indexing="ij"))
    suite.case("meshgrid", x, y, by=lambda *t, indexing: torch.meshgrid(*t, indexing=indexing), indexing="xy")
    suite.case("oneHot", torch.tensor([[0, 2], [1, 3]]), 4)


def padding(suite):
    """pad in its modes, and rearrangements of image blocks."""
    x = suite.randn(2, 3, 4, 5)
    suite.case("pad", x, [1, 2])
    suite.case("pad", x, [1, 0, 2, 1], value=-1.5)
    suite.case("pad", x, [-1, 2, 0, -2], note="negative")
    suite.case("pad", suite.randn(3), [2, 1], note="1-D")
    suite.case("pad", torch.tensor([[1, 2], [3, 4]]), [1, 1, 0, 1], value=9, note="i32")
    suite.case("pad", torch.zeros(2, 0), [1, 2], value=3.0, note="0-size")
    suite.case("pad", x, [0, 1, 0, 1, 0, 1, 0, 1], value=INF, note="infinite", gradient=False)
    for mode in ("reflect", "replicate", "circular"):
        suite.case("pad", x, [2, 1, 1, 3], mode=mode)
        suite.case("pad", x[0].clone(), [2, 3], mode=mode)
    image = suite.randn(2, 8, 3, 2)
    suite.case("pixelShuffle", image, 2)
    suite.case("pixelUnshuffle", suite.randn(1, 2, 4, 6), 2)
    for op in ("im2col", "unfold2d"):
        suite.case(op, x, [2, 3], by=F.unfold)
        suite.case(op, x, [2, 2], by=F.unfold, dilation=2, padding=1, stride=2)
    columns = suite.randn(2, 12, 9)
    for op in ("col2im", "fold"):
        suite.case(op, columns, [4, 4], [2, 2], by=F.fold)
        suite.case(op, columns, [5, 5], [2, 2], by=F.fold, padding=1, stride=2, dilation=1)


def main():
    """Writes ops-movement."""
    suite = Suite("movement")
    views(suite)
    slices(suite)
    joins(suite)
    padding(suite)
    suite.save()


if __name__ == "__main__":
    main()
