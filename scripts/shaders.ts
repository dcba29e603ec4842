// Writes the snapshots of kernels' texts and the blocks of docs/shaders.md: npm run shaders

import { writeSnapshots } from "../tests/support/shader-snapshots.ts";

writeSnapshots();
console.log("tests/unit/shaders and docs/shaders.md are written");
