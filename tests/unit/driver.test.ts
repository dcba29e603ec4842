// What set-up installs where there is no adapter: the right packages and source for each Linux, from apt's own settings.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

interface Plan {
  file?: { path: string; text: string } | null;
  commands?: string[][];
  hint?: string;
}

interface Driver {
  BACKPORTS_FILE: string;
  parseOsRelease(text: string): Record<string, string>;
  driverPlan(os: Record<string, string>, sources: string[]): Plan;
  browserPlan(os: Record<string, string>): Plan;
  asShell(plan: Plan): string[];
}

// Set-up runs before there are packages, so it isn't TypeScript.
const driver = (await import(pathToFileURL(resolve("scripts/driver.mjs")).href)) as Driver;

const debian12 = { ID: "debian", VERSION_ID: "12" };
const deb822 = `# the main archive
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/example.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/example.gpg
`;

/** The last words of a plan's install command. */
function installed(plan: Plan): string {
  return (plan.commands?.at(-1) ?? []).join(" ").replace(/^.* install -y /, "");
}

test("os-release is read with and without quotes", () => {
  const os = driver.parseOsRelease(
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nHOME_URL=\'x\'\n',
  );
  assert.equal(os, { PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)", ID: "debian", VERSION_ID: "12", HOME_URL: "x" });
});

test("Debian 12 gets backports from the host and with the key that it has already", () => {
  const plan = driver.driverPlan(debian12, ["", deb822]);
  assert.is(plan.file?.path, driver.BACKPORTS_FILE);
  const expected = `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/example.gpg
`;
  assert.is(plan.file?.text, expected);
  assert.is(installed(plan), "-t bookworm-backports mesa-vulkan-drivers libvulkan1");
});

test("sources in the one-line style are understood", () => {
  const line = "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main # ours\n";
  const { file } = driver.driverPlan(debian12, [`# deb http://old.example/ bookworm main\n${line}`]);
  const expected = `Types: deb
URIs: http://mirror.example/debian/
Suites: bookworm-backports
Components: main
Architectures: amd64
Signed-By: /k.gpg
`;
  assert.is(file?.text, expected);
});

test("a key that is written out in the source is taken over whole", () => {
  const inline = deb822.replace(
    "Signed-By: /usr/share/keyrings/example.gpg",
    "Signed-By:\n -----BEGIN\n .\n abc\n -----END",
  );
  const { file } = driver.driverPlan(debian12, [inline]);
  assert.match(file?.text ?? "", "Signed-By: \n -----BEGIN\n .\n abc\n -----END\n");
});

test("backports that are there already are not added again", () => {
  const plan = driver.driverPlan(debian12, [deb822, "deb http://mirror.example/debian bookworm-backports main"]);
  assert.is(plan.file, null);
  assert.is(installed(plan), "-t bookworm-backports mesa-vulkan-drivers libvulkan1");
});

test("backports that are switched off are added", () => {
  const off = "Enabled: no\nTypes: deb\nURIs: http://x.example\nSuites: bookworm-backports\nComponents: main\n";
  assert.ok(driver.driverPlan(debian12, [deb822, off]).file);
});

test("newer systems need no other source", () => {
  const systems: Record<string, string>[] = [
    { ID: "debian", VERSION_ID: "13" },
    { ID: "debian" },
    { ID: "ubuntu", ID_LIKE: "debian", VERSION_ID: "24.04" },
    { ID: "linuxmint", ID_LIKE: "ubuntu debian", VERSION_ID: "22" },
  ];
  for (const os of systems) {
    const plan = driver.driverPlan(os, [deb822]);
    assert.is(plan.file, null);
    assert.is(installed(plan), "mesa-vulkan-drivers libvulkan1");
  }
});

test("other systems get a hint", () => {
  assert.match(driver.driverPlan({ ID: "fedora" }, []).hint ?? "", "dnf install");
  assert.match(driver.driverPlan({ ID: "rocky", ID_LIKE: "rhel centos fedora" }, []).hint ?? "", "dnf install");
  assert.match(driver.driverPlan({ ID: "arch" }, []).hint ?? "", "pacman");
  assert.match(driver.driverPlan({}, []).hint ?? "", "lavapipe");
  assert.match(driver.driverPlan(debian12, ["deb http://x.example bullseye main"]).hint ?? "", "bookworm");
});

test("the commands for doing it by hand can be pasted into a shell", () => {
  const lines = driver.asShell(driver.driverPlan(debian12, [deb822]));
  assert.is(lines.length, 3);
  assert.is(
    lines[0],
    "printf '%s\\n' 'Types: deb' 'URIs: http://mirror.example/debian' 'Suites: bookworm-backports' " +
      `'Components: main' 'Signed-By: /usr/share/keyrings/example.gpg' | sudo tee ${driver.BACKPORTS_FILE}`,
  );
  assert.match(lines[2] ?? "", /^sudo apt-get install -y -t bookworm-backports mesa-vulkan-drivers libvulkan1$/);
});

test("Debian gets Chromium from its own archive; Ubuntu, whose package asks for a snap, a hint", () => {
  const { commands } = driver.browserPlan(debian12);
  assert.equal(commands?.at(-1), ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]);
  assert.match(driver.browserPlan({ ID: "ubuntu", ID_LIKE: "debian" }).hint ?? "", /\$CHROMIUM/);
});

test.run();
