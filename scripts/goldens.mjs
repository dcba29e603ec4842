// Regenerates the golden files of tests/reference/data from PyTorch: npm run goldens [name …], for instance `ops mlp`.
// `npm run goldens opdb-all` writes all of PyTorch's op test inputs to build/opdb, which `npm run opdb` then runs.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), "tests/reference");
const SCRIPTS = [
  "mlp",
  "cnn",
  "ops",
  "optimizers",
  "schedules",
  "layers",
  "sequences",
  "curves",
  "programs_a",
  "programs_a_sequences",
  "programs_b",
  "programs_b_representations",
  "programs_b_weights",
  "opdb",
];
const VERSION = "1.13";

const wanted = process.argv.slice(2);
/** Names that are not part of the goldens: a script with arguments. */
const EXTRA = { "opdb-all": ["opdb", "all"] };
const unknown = wanted.filter((name) => !SCRIPTS.includes(name) && EXTRA[name] === undefined);
if (unknown.length > 0)
  fail(`there is no ${unknown.join(", ")}. Known are ${[...SCRIPTS, ...Object.keys(EXTRA)].join(", ")}.`, 2);

const python = findPython();
for (const name of wanted.length > 0 ? wanted : SCRIPTS) {
  const [script, ...args] = EXTRA[name] ?? [name];
  const result = spawnSync(python, [join(FOLDER, `${script}.py`), ...args], {
    cwd: FOLDER,
    stdio: "inherit",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  if (result.status !== 0) fail(`${name}.py failed.`, 1);
}

/** A Python that has PyTorch: the one in $PYTHON, Debian's, or the first one of the path. */
function findPython() {
  const names = process.env.PYTHON ? [process.env.PYTHON] : ["/usr/bin/python3", "python3", "python"];
  for (const name of names) {
    const probe = spawnSync(name, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
    if (probe.status !== 0) continue;
    const version = probe.stdout.trim();
    if (!version.startsWith(VERSION)) {
      console.warn(
        `goldens: PyTorch ${version}; the files in the repository are from ${VERSION}, so expect differences.`,
      );
    }
    return name;
  }
  return fail(
    `no Python with PyTorch found (${names.join(", ")}). On Debian 12: sudo apt-get install python3-torch libopenblas0-pthread. ` +
      "Elsewhere install PyTorch for a Python and name it: PYTHON=/path/to/python npm run goldens",
    1,
  );
}

function fail(line, code) {
  console.error(`goldens: ${line}`);
  process.exit(code);
}
