// Movement, joining and indexing against float64.

import { test } from "uvu";
import type { Tensor } from "../../src/tensor.ts";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

const INTEGERS = ["i32", "u32", "bool"] as const;

// Shapes
checkOp(wg.reshape, { shapes: [[4, 6]], args: [[3, -1]], dtypes: INTEGERS, more: [[[0, 3]], [[64, 66]]] });
checkOp(wg.reshape, { shapes: [[2, 3, 4]], args: [[4, 3, 2]] });
checkOp(wg.view, { shapes: [[4, 6]], args: [[24]], layouts: [] });
checkOp(wg.flatten, { shapes: [[2, 3, 4]], args: [{ startDim: 1 }], more: [[[0, 3, 2]]] });
checkOp(wg.unflatten, { shapes: [[4, 6]], args: [1, [2, -1]], layouts: [] });
checkOp(wg.squeeze, { shapes: [[1, 4, 1, 3]], more: [[[1, 1]], [[]]], layouts: ["transposed"] });
checkOp(wg.squeeze, { shapes: [[1, 4, 1]], args: [{ dim: 0 }], layouts: [] });
checkOp(wg.unsqueeze, { shapes: [[4, 6]], args: [1], layouts: ["transposed"] });
checkOp(wg.permute, { shapes: [[2, 3, 4]], args: [[2, 0, -2]], dtypes: INTEGERS, more: [[[17, 5, 20]], [[0, 3, 2]]] });
checkOp(wg.transpose, { shapes: [[2, 3, 4]], args: [0, -1], more: [[[33, 2, 20]]] });
checkOp(wg.t, { shapes: [[4, 6]], more: [[[5]], [[]], [[65, 33]]] });
checkOp(wg.movedim, {
  shapes: [[2, 3, 4]],
  args: [
    [0, 1],
    [2, 0],
  ],
  layouts: ["sliced"],
});
checkOp(wg.expand, { shapes: [[3, 1]], args: [[2, -1, 4]], dtypes: INTEGERS, more: [[[1, 1]], [[0, 1]]] });
checkOp(wg.broadcastTo, { shapes: [[3, 1]], args: [[2, 3, 4]], layouts: ["transposed"], more: [[[]], [[4]]] });

// Parts
checkOp(wg.flip, { shapes: [[4, 6]], args: [[0, 1]], dtypes: INTEGERS, more: [[[0, 3]], [[33, 20]]] });
checkOp(wg.flip, { shapes: [[4, 6]], args: [[-1]] });
checkOp(wg.roll, { shapes: [[4, 6]], args: [[1, -2], { dims: [0, 1] }], more: [[[0, 3]], [[33, 20]]] });
checkOp(wg.roll, { shapes: [[4, 6]], args: [5] });
checkOp(wg.narrow, { shapes: [[4, 6]], args: [1, 2, 3], dtypes: INTEGERS, more: [[[0, 6]]] });
checkOp(wg.narrow, { shapes: [[4, 6]], args: [0, -2, 0], layouts: [] });
checkOp(wg.select, { shapes: [[4, 6]], args: [0, -1], more: [[[3, 0]]] });
checkOp(wg.slice, {
  shapes: [[5, 7]],
  args: [
    [1, 5, 2],
    [null, -2],
  ],
});
checkOp(wg.slice, { shapes: [[5, 7, 3]], args: [2, null, [1]], dtypes: INTEGERS });
checkOp(wg.slice, {
  shapes: [[5, 7]],
  args: [
    [3, 2],
    [0, 7, 3],
  ],
  layouts: [],
});
checkOp(wg.slice, { shapes: [[5, 7]], args: [null, [undefined, undefined, 3]], more: [[[40, 50]]] });
checkOp(wg.unfold, { shapes: [[3, 9]], args: [1, 3, 2], more: [[[3, 50]]] });
checkOp(wg.unfold, { shapes: [[9, 2]], args: [0, 4, 1] });
checkOp(wg.tril, { shapes: [[4, 6]], dtypes: INTEGERS, more: [[[2, 3, 3]], [[0, 3]]] });
checkOp(wg.triu, { shapes: [[4, 6]], args: [{ diagonal: 1 }], dtypes: INTEGERS });
checkOp(wg.tril, { shapes: [[4, 6]], args: [{ diagonal: -2 }], layouts: [] });
checkOp(wg.diagonal, { shapes: [[4, 6]], more: [[[3, 5, 2]], [[0, 4]]] });
checkOp(wg.diagonal, { shapes: [[2, 4, 5]], args: [{ offset: 1, dim1: 2, dim2: 0 }] });
checkOp(wg.diag, { shapes: [[5]], args: [{ diagonal: -1 }] });
checkOp(wg.diag, { shapes: [[4, 6]], layouts: [] });
checkOp(wg.diagEmbed, { shapes: [[3, 4]], more: [[[0, 3]], [[2, 0]]] });
checkOp(wg.diagEmbed, { shapes: [[3, 4]], args: [{ offset: -2, dim1: 0, dim2: 2 }], layouts: [] });
checkOp(wg.rot90, { shapes: [[4, 6]], dtypes: INTEGERS });
checkOp(wg.rot90, { shapes: [[2, 4, 3]], args: [{ k: 3, dims: [1, 2] }], layouts: [] });
checkOp(wg.rot90, { shapes: [[4, 6]], args: [{ k: 2 }], layouts: [] });
checkOp(wg.oneHot, {
  shapes: [{ shape: [4, 3], dtype: "i32", range: [0, 5] }],
  args: [5],
  layouts: ["transposed"],
  more: [[{ shape: [0], dtype: "u32" }]],
});

// Padding
checkOp(wg.pad, { shapes: [[4, 6]], args: [[1, 2, 0, 3]], dtypes: INTEGERS, more: [[[0, 2]], [[33, 21]]] });
checkOp(wg.pad, { shapes: [[4, 6]], args: [[1, -2, -1, 2], { value: 7.5 }] });
checkOp(wg.pad, { shapes: [[4, 6]], args: [[2, 3, 1, 2], { mode: "reflect" }] });
checkOp(wg.pad, { shapes: [[4, 6]], args: [[2, 3, 1, 5], { mode: "replicate" }], layouts: ["transposed"] });
checkOp(wg.pad, { shapes: [[4, 6]], args: [[6, 3, 1, 2], { mode: "circular" }], layouts: ["sliced"] });
checkOp(wg.pad, { shapes: [[4, 6]], args: [[-1, 2], { mode: "circular" }], layouts: [] });

// Joining and repeating
checkOp(wg.cat, {
  shapes: [
    [2, 6],
    [3, 6],
    [1, 6],
  ],
  call: (...x) => wg.cat(x),
  dtypes: INTEGERS,
  more: [[[0, 6], [3, 6], [0]]],
});
checkOp(wg.cat, {
  shapes: [
    [2, 4],
    [2, 8],
  ],
  call: (...x) => wg.cat(x, { dim: -1 }),
  more: [
    [
      [17, 20],
      [17, 3],
    ],
  ],
});
checkOp(wg.cat, {
  shapes: Array.from({ length: 14 }, (_, i) => [3, 1 + (i % 3)]),
  call: (...x) => wg.cat(x, { dim: 1 }),
  layouts: [],
});
checkOp(wg.cat, { shapes: [[3, 2], { shape: [2, 2], dtype: "i32" }], call: (a, b) => wg.cat([a, b, a]), layouts: [] });
checkOp(wg.stack, {
  shapes: [
    [2, 4],
    [2, 4],
    [2, 4],
  ],
  call: (...x) => wg.stack(x),
  more: [
    [[], []],
    [
      [0, 2],
      [0, 2],
    ],
  ],
});
checkOp(wg.stack, {
  shapes: [
    [2, 4],
    [2, 4],
  ],
  call: (...x) => wg.stack(x, { dim: -1 }),
  dtypes: INTEGERS,
});
checkOp(wg.split, { shapes: [[5, 6]], args: [2], more: [[[0, 3]]] });
checkOp(wg.split, { shapes: [[5, 6]], args: [[1, 0, 5], { dim: 1 }], layouts: ["transposed"] });
checkOp(wg.chunk, { shapes: [[5, 6]], args: [3, { dim: 0 }], layouts: ["transposed"] });
checkOp(wg.unbind, { shapes: [[3, 4]], args: [{ dim: 1 }], layouts: ["transposed"] });
checkOp(wg.repeat, { shapes: [[2, 3]], args: [[2, 1, 3]], dtypes: INTEGERS, more: [[[0, 3]], [[5]]] });
checkOp(wg.tile, { shapes: [[2, 3]], args: [[4]], layouts: ["transposed"] });
checkOp(wg.repeatInterleave, { shapes: [[3, 4]], args: [2, { dim: 0 }] });
checkOp(wg.repeatInterleave, { shapes: [[3, 4]], args: [[1, 0, 3, 2], { dim: 1 }], layouts: ["sliced"] });
checkOp(wg.repeatInterleave, { shapes: [[3, 2]], args: [3], layouts: [] });
checkOp(wg.meshgrid, { shapes: [[3], [4], [2]], layouts: ["sliced"] });
checkOp(wg.meshgrid, { shapes: [[3], [4]], args: [{ indexing: "xy" }], layouts: [] });

// Images
checkOp(wg.pixelShuffle, { shapes: [[2, 8, 3, 2]], args: [2], more: [[[0, 4, 2, 2]], [[8, 4, 4]]] });
checkOp(wg.pixelUnshuffle, { shapes: [[2, 2, 4, 6]], args: [2], more: [[[3, 8, 8]]] });
checkOp(wg.im2col, { shapes: [[2, 3, 5, 6]], args: [[2, 3], { padding: 1, stride: [2, 1] }], layouts: ["transposed"] });
checkOp(wg.unfold2d, { shapes: [[3, 5, 6]], args: [2, { dilation: 2 }], layouts: [] });
checkOp(wg.col2im, {
  shapes: [[2, 12, 12]],
  args: [[5, 5], 2, { stride: [1, 2], padding: [0, 1] }],
  layouts: ["transposed"],
});
checkOp(wg.fold, { shapes: [[8, 9]], args: [4, 2], layouts: [] });

// Reading by index
const rows = (shape: number[], size: number) => ({ shape, dtype: "i32", range: [0, size] }) as const;
checkOp(wg.gather, {
  shapes: [[4, 6], rows([3, 6], 4)],
  call: (x, i) => wg.gather(x, 0, i),
  dtypes: INTEGERS,
  more: [
    [[7, 3], rows([2, 3], 7)],
    [[4, 6], rows([0, 6], 4)],
  ],
});
checkOp(wg.gather, {
  shapes: [[4, 6], rows([2, 9], 6)],
  call: (x, i) => wg.gather(x, -1, i),
  more: [[[33, 20], rows([33, 5], 20)]],
});
checkOp(wg.gather, {
  shapes: [[4, 6], { shape: [4, 2], dtype: "u32", range: [0, 6] }],
  call: (x, i) => wg.gather(x, 1, i),
  layouts: [],
});
checkOp(wg.indexSelect, {
  shapes: [[4, 6], rows([5], 4)],
  call: (x, i) => wg.indexSelect(x, 0, i),
  dtypes: INTEGERS,
  more: [
    [[4, 6], rows([0], 4)],
    [[65, 12], rows([40], 65)],
  ],
});
checkOp(wg.indexSelect, { shapes: [[4, 6], rows([3], 6)], call: (x, i) => wg.indexSelect(x, 1, i) });
checkOp(wg.take, { shapes: [[4, 6], rows([2, 3], 24)] });
checkOp(wg.takeAlongDim, { shapes: [[4, 6], rows([4, 2], 6)], args: [{ dim: 1 }], more: [[[1, 6], rows([3, 2], 6)]] });
checkOp(wg.takeAlongDim, { shapes: [[4, 6], rows([5], 24)], layouts: [] });
checkOp(wg.embedding, {
  shapes: [rows([3, 2], 5), [5, 4]],
  more: [
    [rows([0], 5), [5, 4]],
    [rows([70], 33), [33, 12]],
  ],
});
checkOp(wg.embedding, {
  shapes: [{ shape: [5], dtype: "i32", values: [1, 0, 3, 1, 4] }, [5, 4]],
  call: (i, w) => withoutRow(i, w),
  layouts: [],
  second: false,
});

/** A row that gets no gradient: central differences would see one, so the row is taken out of the result. */
function withoutRow(index: Tensor, weight: Tensor): Tensor {
  return wg.embedding(index, weight, { paddingIdx: 1 }).mul(index.ne(1).to("f32").reshape([5, 1]));
}

// Writing by index
const EXPANDED = { layouts: ["transposed", "sliced"] } as const;
checkOp(wg.scatterAdd, {
  shapes: [[4, 6], rows([3, 6], 4), [3, 6]],
  call: (x, i, src) => wg.scatterAdd(x, 0, i, src),
  ...EXPANDED,
  dtypes: ["i32"],
  more: [
    [[4, 6], rows([2, 5], 4), [3, 6]],
    [[4, 6], rows([0, 6], 4), [3, 6]],
  ],
});
checkOp(wg.scatterAdd, {
  shapes: [[4, 6], rows([4, 9], 6), [4, 9]],
  call: (x, i, src) => wg.scatterAdd(x, 1, i, src),
  layouts: [],
});
checkOp(wg.scatter, {
  shapes: [[4, 6], rows([3, 6], 4), [3, 6]],
  call: (x, i, src) => wg.scatter(x, 0, i, src),
  ...EXPANDED,
  dtypes: INTEGERS,
});
checkOp(wg.scatter, { shapes: [[4, 6], rows([4, 2], 6)], call: (x, i) => wg.scatter(x, 1, i, 7.5), layouts: [] });
for (const reduce of ["sum", "prod", "mean", "amax", "amin"] as const) {
  const range = { range: [0.3, 2] } as const;
  checkOp(wg.scatterReduce, {
    shapes: [[4, 5], rows([3, 5], 4), [3, 5]],
    call: (x, i, src) => wg.scatterReduce(x, 0, i, src, reduce),
    ...range,
    layouts: ["sliced"],
  });
  checkOp(wg.scatterReduce, {
    shapes: [[4, 5], rows([4, 3], 5), [4, 3]],
    call: (x, i, src) => wg.scatterReduce(x, 1, i, src, reduce, { includeSelf: false }),
    ...range,
    layouts: [],
  });
}
checkOp(wg.indexAdd, {
  shapes: [[4, 6], rows([5], 4), [5, 6]],
  call: (x, i, src) => wg.indexAdd(x, 0, i, src),
  ...EXPANDED,
  dtypes: ["i32"],
});
checkOp(wg.indexAdd, {
  shapes: [[4, 6], rows([3], 6), [4, 3]],
  call: (x, i, src) => wg.indexAdd(x, 1, i, src, { alpha: -2 }),
  layouts: [],
});

// From shapes alone
checkOp(wg.zerosLike, { shapes: [[4, 6]], dtypes: INTEGERS, layouts: [] });
checkOp(wg.onesLike, { shapes: [[4, 6]], dtypes: INTEGERS, layouts: [] });
checkOp(wg.fullLike, { shapes: [[4, 6]], args: [3], dtypes: INTEGERS, layouts: [] });
checkOp(wg.eye, { shapes: [], args: [4, { m: 6 }] });
checkOp(wg.arange, { shapes: [], args: [2, 11, { step: 3 }] });
checkOp(wg.arange, { shapes: [], args: [0.5, -2, { step: -0.25 }] });
checkOp(wg.linspace, { shapes: [], args: [-1, 2, 7] });
checkOp(wg.full, { shapes: [], args: [[2, 3], 7.5] });
checkOp(wg.zeros, { shapes: [], args: [[2, 3], { dtype: "i32" }] });
checkOp(wg.ones, { shapes: [], args: [[], { dtype: "bool" }] });

// The last lane alone reads the input: the others would read in front of it.
checkOp(wg.pad, { shapes: [[1, 3]], args: [[0, 1], { mode: "replicate" }], layouts: [], f16: false });

test.run();
