// Products of matrices, convolution, pooling, resizing and attention against float64.

import { test } from "uvu";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

// Products
checkOp(wg.matmul, {
  shapes: [
    [5, 7],
    [7, 3],
  ],
  more: [
    [
      [33, 20],
      [20, 36],
    ],
    [
      [64, 128],
      [128, 40],
    ],
    [
      [0, 7],
      [7, 3],
    ],
    [
      [5, 0],
      [0, 3],
    ],
    [
      [1, 7],
      [7, 1],
    ],
  ],
});
checkOp(wg.matmul, {
  shapes: [
    [4, 8],
    [8, 4],
  ],
  dtypes: ["i32", "u32"],
  more: [
    [[7], [7]],
    [[7], [7, 3]],
    [[5, 7], [7]],
  ],
});
checkOp(wg.matmul, {
  shapes: [
    [2, 3, 4],
    [2, 4, 5],
  ],
  more: [
    [
      [2, 3, 4],
      [4, 5],
    ],
    [
      [3, 4],
      [2, 4, 5],
    ],
    [
      [2, 1, 3, 4],
      [3, 4, 2],
    ],
    [
      [6, 17, 20],
      [6, 20, 9],
    ],
  ],
});
checkOp(wg.mm, {
  shapes: [
    [4, 6],
    [6, 8],
  ],
  layouts: ["transposed"],
});
checkOp(wg.bmm, {
  shapes: [
    [2, 4, 3],
    [2, 3, 5],
  ],
  more: [
    [
      [0, 4, 3],
      [0, 3, 5],
    ],
  ],
});
checkOp(wg.mv, { shapes: [[4, 6], [6]], more: [[[33, 70], [70]]] });
checkOp(wg.dot, {
  shapes: [[7], [7]],
  more: [
    [[1030], [1030]],
    [[0], [0]],
  ],
  dtypes: ["i32"],
});
checkOp(wg.outer, { shapes: [[4], [6]] });
checkOp(wg.linear, {
  shapes: [[5, 6], [4, 6], [4]],
  call: (x, w, bias) => wg.linear(x, w, { bias }),
  more: [
    [[2, 3, 6], [4, 6], [4]],
    [[6], [4, 6], [4]],
    [[0, 6], [4, 6], [4]],
    [[65, 36], [20, 36], [20]],
  ],
});
checkOp(wg.linear, { shapes: [[5, 6], [6]], layouts: [] });
checkOp(wg.bilinear, {
  shapes: [[5, 3], [5, 4], [2, 3, 4], [2]],
  call: (a, b, w, bias) => wg.bilinear(a, b, w, { bias }),
  more: [[[2, 2, 3], [2, 2, 4], [2, 3, 4], [2]]],
});
checkOp(wg.addmm, {
  shapes: [[3], [4, 5], [5, 3]],
  args: [{ beta: 0.5, alpha: -2 }],
  more: [
    [
      [4, 3],
      [4, 5],
      [5, 3],
    ],
  ],
});
checkOp(wg.baddbmm, {
  shapes: [
    [4, 1],
    [2, 4, 5],
    [2, 5, 3],
  ],
  args: [{ alpha: 3 }],
  layouts: ["sliced"],
});
checkOp(wg.tensordot, {
  shapes: [
    [2, 3, 4],
    [3, 4, 5],
  ],
  layouts: ["transposed"],
});
checkOp(wg.tensordot, {
  shapes: [
    [2, 3, 4],
    [5, 4, 2],
  ],
  args: [
    {
      dims: [
        [0, 2],
        [2, 1],
      ],
    },
  ],
  layouts: ["sliced"],
});
checkOp(wg.tensordot, { shapes: [[3], [4]], args: [{ dims: 0 }], layouts: [] });
checkOp(wg.kron, {
  shapes: [
    [2, 3],
    [3, 2],
  ],
  more: [[[2], [2, 3]]],
});
checkOp(wg.einsum, {
  shapes: [
    [2, 3, 4],
    [2, 4, 5],
  ],
  call: (a, b) => wg.einsum("bij,bjk->bik", a, b),
});
checkOp(wg.einsum, { shapes: [[3, 3]], call: (a) => wg.einsum("ii", a) });
checkOp(wg.einsum, {
  shapes: [
    [2, 3, 4],
    [4, 5],
  ],
  call: (a, b) => wg.einsum("...j,jk->k...", a, b),
  layouts: ["transposed"],
});
checkOp(wg.einsum, {
  shapes: [[3, 4], [4], [3]],
  call: (a, b, c) => wg.einsum("ij,j,i->", a, b, c),
  layouts: ["sliced"],
});

// Convolution
checkOp(wg.conv1d, {
  shapes: [[2, 3, 9], [4, 3, 3], [4]],
  call: (x, w, bias) => wg.conv1d(x, w, { bias, stride: 2, padding: 1 }),
});
checkOp(wg.conv1d, {
  shapes: [
    [3, 9],
    [4, 3, 2],
  ],
  args: [{ dilation: 3, padding: "same" }],
  layouts: [],
});
checkOp(wg.conv2d, {
  shapes: [[2, 3, 5, 6], [4, 3, 3, 2], [4]],
  call: (x, w, bias) => wg.conv2d(x, w, { bias }),
  more: [
    [[1, 3, 12, 13], [8, 3, 3, 2], [8]],
    [[0, 3, 5, 6], [4, 3, 3, 2], [4]],
  ],
});
checkOp(wg.conv2d, {
  shapes: [
    [2, 3, 5, 6],
    [4, 3, 3, 3],
  ],
  args: [{ stride: [2, 1], padding: [1, 2], dilation: [1, 2] }],
  layouts: ["transposed"],
});
checkOp(wg.conv2d, {
  shapes: [
    [2, 4, 5, 5],
    [6, 2, 2, 2],
  ],
  args: [{ groups: 2 }],
  layouts: ["sliced"],
});
checkOp(wg.conv2d, {
  shapes: [
    [1, 4, 5, 5],
    [4, 1, 3, 3],
  ],
  args: [{ groups: 4, padding: 1 }],
  layouts: [],
});
checkOp(wg.conv2d, {
  shapes: [
    [2, 5, 4, 4],
    [6, 5, 1, 1],
  ],
  args: [{ stride: 2 }],
  layouts: [],
});
checkOp(wg.conv3d, {
  shapes: [[1, 2, 4, 4, 5], [3, 2, 2, 3, 2], [3]],
  call: (x, w, bias) => wg.conv3d(x, w, { bias, padding: [1, 0, 1] }),
  layouts: ["transposed"],
});
checkOp(wg.convTranspose1d, {
  shapes: [[2, 3, 5], [3, 4, 3], [4]],
  call: (x, w, bias) => wg.convTranspose1d(x, w, { bias, stride: 2, padding: 1, outputPadding: 1 }),
  layouts: ["sliced"],
});
checkOp(wg.convTranspose2d, {
  shapes: [
    [2, 4, 3, 3],
    [4, 2, 3, 2],
  ],
  args: [{ stride: [2, 3], dilation: 2, groups: 2 }],
  layouts: ["transposed"],
});
checkOp(wg.convTranspose2d, {
  shapes: [
    [1, 2, 3, 4],
    [2, 3, 2, 2],
  ],
  layouts: [],
});

// Pooling
checkOp(wg.maxPool1d, { shapes: [[2, 3, 9]], args: [3, { stride: 2, padding: 1 }] });
checkOp(wg.maxPool1d, { shapes: [[3, 9]], args: [2, { dilation: 2, ceilMode: true }], layouts: [] });
checkOp(wg.maxPool2d, { shapes: [[2, 3, 6, 8]], args: [2], more: [[[0, 3, 4, 4]], [[2, 3, 7, 5]]], dtypes: ["i32"] });
checkOp(wg.maxPool2d, {
  shapes: [[2, 3, 6, 7]],
  args: [[3, 2], { stride: [2, 1], padding: 1, ceilMode: true }],
  layouts: ["transposed"],
});
checkOp(wg.avgPool1d, { shapes: [[2, 3, 9]], args: [3, { padding: 1, countIncludePad: false }] });
checkOp(wg.avgPool2d, { shapes: [[2, 3, 6, 8]], args: [2], more: [[[0, 3, 4, 4]]] });
checkOp(wg.avgPool2d, {
  shapes: [[2, 3, 6, 7]],
  args: [3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false }],
  layouts: ["transposed"],
});
checkOp(wg.avgPool2d, { shapes: [[2, 3, 6, 7]], args: [[2, 3], { divisorOverride: 5 }], layouts: [] });
checkOp(wg.adaptiveAvgPool1d, { shapes: [[2, 3, 9]], args: [4] });
checkOp(wg.adaptiveAvgPool2d, { shapes: [[2, 3, 6, 7]], args: [[3, 4]], more: [[[3, 5, 4]]] });
checkOp(wg.adaptiveAvgPool2d, { shapes: [[2, 3, 6, 8]], args: [[1, 2]], layouts: [] });
checkOp(wg.adaptiveMaxPool2d, { shapes: [[2, 3, 6, 7]], args: [[3, 4]], layouts: ["transposed"] });
checkOp(wg.adaptiveMaxPool2d, { shapes: [[2, 6, 8]], args: [[null, 4]], layouts: [] });

// Resizing
checkOp(wg.interpolate, { shapes: [[2, 3, 4]], args: [{ scaleFactor: 2 }], more: [[[0, 2, 3]]] });
checkOp(wg.interpolate, { shapes: [[2, 3, 4, 5]], args: [{ size: [7, 3] }] });
checkOp(wg.interpolate, { shapes: [[2, 3, 4, 5]], args: [{ size: [7, 3], mode: "bilinear" }] });
checkOp(wg.interpolate, {
  shapes: [[2, 3, 4, 5]],
  args: [{ size: [7, 8], mode: "bilinear", alignCorners: true }],
  layouts: ["sliced"],
});
checkOp(wg.interpolate, { shapes: [[1, 1, 4, 5]], args: [{ scaleFactor: [1.5, 0.7], mode: "bilinear" }], layouts: [] });

// Attention
const ATTENTION = {
  shapes: [
    [2, 4, 6],
    [2, 5, 6],
    [2, 5, 3],
  ],
} as const;
checkOp(wg.scaledDotProductAttention, {
  ...ATTENTION,
  more: [
    [
      [2, 3, 4, 6],
      [2, 3, 5, 6],
      [2, 3, 5, 4],
    ],
  ],
});
checkOp(wg.scaledDotProductAttention, {
  ...ATTENTION,
  args: [{ isCausal: true, scale: 0.3 }],
  layouts: ["transposed"],
});
checkOp(wg.scaledDotProductAttention, {
  shapes: [...ATTENTION.shapes, [4, 5]],
  call: (q, k, v, attnMask) => wg.scaledDotProductAttention(q, k, v, { attnMask }),
  layouts: ["sliced"],
});
checkOp(wg.scaledDotProductAttention, {
  shapes: [
    ...ATTENTION.shapes,
    { shape: [2, 4, 5], dtype: "bool", values: Array.from({ length: 40 }, (_, i) => (i % 3 === 1 ? 0 : 1)) },
  ],
  call: (q, k, v, attnMask) => wg.scaledDotProductAttention(q, k, v, { attnMask }),
  layouts: [],
});

test.run();
