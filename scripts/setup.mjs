// Set-up: installs the npm packages and, where no WebGPU adapter is found on Debian or Ubuntu, the software driver; with
// --browser also Chromium, where it can. Runs before there is any package, asks for nothing, and does nothing that was done before.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./chromium.mjs";
import { asShell, browserPlan, driverPlan, parseOsRelease } from "./driver.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Waits for another apt to end, tries downloads again, and is quiet. */
const APT_OPTIONS = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
const STAMP = join(ROOT, "node_modules/.cache/wgrad/adapter.json");

const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
checkNode();
installPackages();
findAdapter();
if (process.argv.includes("--browser")) findBrowser();

function checkNode() {
  if (Number(process.versions.node.split(".")[0]) >= 20) return;
  fail(`wgrad needs Node 20 or later, this is ${process.version}.`);
}

/** Runs `npm ci` unless every package of the lock file is there in its version. */
function installPackages() {
  const missing = firstMissingPackage();
  if (missing === null) return;
  say(`installing the npm packages (${missing})`);
  const options = ["ci", "--include=dev", "--include=optional", "--loglevel=error", "--no-audit", "--no-fund"];
  // npm says where it is when it runs this script; npm.cmd needs a shell.
  const npm = process.env.npm_execpath;
  const inherited = { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] };
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...options], inherited)
    : spawnSync(`npm ${options.join(" ")}`, { ...inherited, shell: true });
  if (result.status !== 0) fail("npm could not install the packages. Run: npm ci");
}

function firstMissingPackage() {
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === "" || (entry.optional && !isForThisMachine(entry))) continue;
    const version = installedVersion(path);
    if (version === entry.version) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return version === null ? `${name} is missing` : `${name} is ${version}, not ${entry.version}`;
  }
  return null;
}

function isForThisMachine({ os, cpu, libc }) {
  // Which C library a Linux has takes longer to find out than it is worth: npm knows. What names no machine serves other optional packages.
  if (libc !== undefined || (os === undefined && cpu === undefined)) return false;
  const fits = (list, value) => list === undefined || list.includes(value);
  return fits(os, process.platform) && fits(cpu, process.arch);
}

function installedVersion(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path, "package.json"), "utf8")).version;
  } catch {
    return null;
  }
}

/** Makes sure that Dawn opens a device, with the software driver where there is no other. */
function findAdapter() {
  if (readStamp()?.key === adapterKey()) return;
  let found = probe();
  if (found.adapter === undefined) {
    say(`no WebGPU adapter found${found.problem ? ` (${found.problem})` : ""}`);
    installDriver();
    found = probe();
    if (found.adapter === undefined)
      fail(`still no WebGPU adapter after installing the software driver: ${found.problem}`);
  }
  say(`WebGPU adapter: ${found.adapter}`);
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, `${JSON.stringify({ key: adapterKey(), adapter: found.adapter })}\n`);
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, "utf8"));
  } catch {
    return null;
  }
}

/** Changes whenever it's worth asking Dawn again: another package, Node, or set of installed drivers. */
function adapterKey() {
  const drivers = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].map((folder) =>
    existsSync(folder) ? readdirSync(folder).sort() : [],
  );
  const chosen = [process.env.VK_ICD_FILENAMES, process.env.VK_DRIVER_FILES];
  const { version } = lock.packages["node_modules/webgpu"];
  const facts = [version, process.platform, process.arch, process.versions.modules, drivers, chosen];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** Opens a device in a process of its own, which may crash or hang in a driver. */
function probe() {
  const script = `
    const { create } = await import("webgpu");
    const gpu = create(process.platform === "linux" ? ["backend=vulkan"] : []);
    const adapter = await gpu.requestAdapter();
    if (adapter === null) throw new Error("none offered");
    const device = await adapter.requestDevice();
    const { description, vendor, device: model } = adapter.info;
    console.log(JSON.stringify(description || [vendor, model].join(" ")));
    device.destroy();
  `;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  const line = result.stdout?.split("\n").find((l) => l.startsWith('"'));
  if (line !== undefined) return { adapter: JSON.parse(line) };
  const thrown = /^(?:\w*Error.*?): (.*)$/m.exec(result.stderr ?? "")?.[1];
  return {
    problem: thrown ?? (result.signal ? `the attempt ended with ${result.signal}` : `exit code ${result.status}`),
  };
}

function installDriver() {
  if (process.platform !== "linux") fail("Update the graphics driver.");
  const plan = driverPlan(parseOsRelease(read("/etc/os-release")), aptSources());
  if (plan.hint !== undefined) fail(plan.hint);
  const prefix = rootPrefix();
  if (prefix === null) {
    fail(
      `Installing the software driver needs root. Run these commands, then try again:\n  ${asShell(plan).join("\n  ")}`,
    );
  }
  if (plan.file !== null) {
    say(`adding Debian's backports to apt's sources (${plan.file.path})`);
    run([...prefix, "tee", plan.file.path], plan.file.text, plan);
  }
  const [update, install] = plan.commands;
  say("installing the software driver with apt-get (mesa-vulkan-drivers); this can take a minute");
  // A broken source of somebody else's fails an update, too; whether the packages can be had, the install tells.
  run([...prefix, ...update, ...APT_OPTIONS], "", null);
  run([...prefix, "env", "DEBIAN_FRONTEND=noninteractive", ...install, ...APT_OPTIONS], "", plan);
}

/** Brings Chromium for the tests in it; they are skipped where that can't be done. */
function findBrowser() {
  if (process.env.CHROMIUM || findChromium() !== null) return;
  const plan =
    process.platform === "linux"
      ? browserPlan(parseOsRelease(read("/etc/os-release")))
      : { hint: "Install Chrome, or name a Chromium in $CHROMIUM." };
  const prefix = process.platform === "linux" ? rootPrefix() : null;
  if (plan.hint === undefined && prefix !== null) {
    say("installing Chromium with apt-get, for the tests in a browser; this can take some minutes");
    const [update, install] = plan.commands;
    spawnSync(prefix[0] ?? "env", [...prefix.slice(1), ...update, ...APT_OPTIONS], { stdio: "ignore" });
    const words = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", ...install, ...APT_OPTIONS];
    const result = spawnSync(words[0], words.slice(1), { encoding: "utf8", maxBuffer: 1 << 26 });
    if (findChromium() !== null) return;
    process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`.split("\n").slice(-10).join("\n"));
  }
  say("downloading Chromium with Playwright, for the tests in a browser; this can take some minutes");
  const cli = join(ROOT, "node_modules/playwright-core/cli.js");
  const download = spawnSync(process.execPath, [cli, "install", "--no-shell", "chromium"], { encoding: "utf8" });
  if (download.status === 0 && findChromium() !== null) return;
  const how = plan.hint ?? `Run: ${asShell({ file: null, commands: plan.commands }).join(" && ")}`;
  say(`there is no Chromium, so the tests in a browser will be skipped. ${how}`);
}

/** What goes before a command that needs root; null where this user has no way that asks for nothing. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n"] : null;
}

/** Runs quietly; where it fails and `plan` is given, shows what it printed and the commands for doing it by hand. */
function run([command, ...words], input, plan) {
  const result = spawnSync(command, words, { input, encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.status === 0 || plan === null) return;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`.split("\n").slice(-30).join("\n"));
  fail(`"${[command, ...words].join(" ")}" failed. To do it by hand:\n  ${asShell(plan).join("\n  ")}`);
}

function aptSources() {
  const folder = "/etc/apt/sources.list.d";
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const files = names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name));
  return ["/etc/apt/sources.list", ...files].map(read);
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function say(line) {
  console.log(`set-up: ${line}`);
}

function fail(line) {
  console.error(`set-up: ${line}`);
  process.exit(1);
}
