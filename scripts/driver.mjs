// Which software Vulkan driver and which browser a Linux system needs, and how they are installed there. Pure: reads nothing, runs nothing.

/** Where the additional Debian suite is written down. */
export const BACKPORTS_FILE = "/etc/apt/sources.list.d/wgrad-backports.sources";

const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];

/** Fields of /etc/os-release. */
export function parseOsRelease(text) {
  const fields = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim());
    if (match) fields[match[1]] = match[2] ?? match[3] ?? match[4];
  }
  return fields;
}

/**
 * How to install the driver.
 * @param os fields of /etc/os-release
 * @param sources texts of apt's source files, one-line style or deb822
 * @returns `{ file, commands }` for apt: a source file to write first (or null) and the commands to run after it as root;
 *   `{ hint }`, a sentence for the user, on a system where this cannot be done automatically
 */
export function driverPlan(os, sources) {
  const family = [os.ID ?? "", ...(os.ID_LIKE ?? "").split(" ")];
  if (!family.includes("debian") && !family.includes("ubuntu")) return { hint: otherHint(family) };
  const update = ["apt-get", "update"];
  const install = (options) => ["apt-get", "install", "-y", ...options, ...PACKAGES];
  const needsBackports = os.ID === "debian" && os.VERSION_ID === "12";
  if (!needsBackports) return { file: null, commands: [update, install([])] };

  // Debian 12's own Mesa (22.3) lacks what Dawn asks of an adapter; backports have 25.0.
  const suite = "bookworm-backports";
  const stanzas = sources.flatMap(parseSources);
  let file = null;
  if (!stanzas.some((s) => suitesOf(s).includes(suite))) {
    const base = stanzas.find((s) => suitesOf(s).includes("bookworm") && /\bmain\b/.test(s.Components ?? "main"));
    if (base === undefined)
      return { hint: "apt knows no source of Debian 12 (bookworm), so its backports can't be added." };
    file = { path: BACKPORTS_FILE, text: formatStanza({ ...base, Types: "deb", Suites: suite, Components: "main" }) };
  }
  return { file, commands: [update, install(["-t", suite])] };
}

/** How to install Chromium, in `driverPlan`'s form. */
export function browserPlan(os) {
  if (os.ID === "debian") {
    const install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"];
    return { file: null, commands: [["apt-get", "update"], install] };
  }
  // Ubuntu's own package only asks for a snap, which containers do not have.
  return { hint: "Install Chrome or Chromium with WebGPU, and name it in $CHROMIUM where it is not in the path." };
}

/** The same, as lines for a shell of a user who may use sudo. */
export function asShell({ file, commands }) {
  const lines = commands.map(
    (words) =>
      `sudo ${words
        .filter((w) => w !== "-qq")
        .map(quote)
        .join(" ")}`,
  );
  if (file === null) return lines;
  const text = file.text.trimEnd().split("\n").map(quote).join(" ");
  return [`printf '%s\\n' ${text} | sudo tee ${file.path}`, ...lines];
}

/** Active source stanzas of one file of apt's, whichever of the two styles it has. */
function parseSources(text) {
  return /^\s*Types\s*:/m.test(text) ? parseDeb822(text) : parseOneLine(text);
}

function parseDeb822(text) {
  const stanzas = [];
  for (const block of text.split(/\n\s*\n/)) {
    const stanza = {};
    let key = null;
    for (const line of block.split("\n")) {
      if (line.startsWith("#")) continue;
      const match = /^([A-Za-z-]+)\s*:\s*(.*)$/.exec(line);
      if (match) {
        key = match[1];
        stanza[key] = match[2];
      } else if (key !== null && /^\s+\S/.test(line)) {
        // A field that goes on, such as a key written out.
        stanza[key] += `\n${line}`;
      }
    }
    const active = !/^(no|false|without|off|disable)$/i.test(stanza.Enabled ?? "yes");
    if (stanza.URIs && stanza.Suites && active && /\bdeb\b/.test(stanza.Types ?? "")) stanzas.push(stanza);
  }
  return stanzas;
}

function parseOneLine(text) {
  const stanzas = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!match) continue;
    const stanza = { Types: "deb", URIs: match[2], Suites: match[3], Components: match[4].trim() };
    for (const option of (match[1] ?? "").split(/\s+/)) {
      const [name, value] = option.split("=");
      if (name === "signed-by") stanza["Signed-By"] = value;
      if (name === "trusted") stanza.Trusted = value;
      if (name === "arch") stanza.Architectures = value.replaceAll(",", " ");
    }
    stanzas.push(stanza);
  }
  return stanzas;
}

function suitesOf(stanza) {
  return stanza.Suites.split(/\s+/);
}

function formatStanza(stanza) {
  const fields = Object.entries(stanza).map(([key, value]) => `${key}: ${value}`);
  return `${fields.join("\n")}\n`;
}

function otherHint(family) {
  if (family.includes("fedora") || family.includes("rhel")) {
    return "Run: sudo dnf install mesa-vulkan-drivers vulkan-loader";
  }
  if (family.includes("arch")) return "Run: sudo pacman -S vulkan-swrast vulkan-icd-loader";
  if (family.includes("alpine")) return "Alpine's C library (musl) can't load Dawn; use a glibc system.";
  if (family.includes("suse")) return "Run: sudo zypper install libvulkan_lvp libvulkan1";
  return "Install the GPU's Vulkan driver, or Mesa's software driver (lavapipe, version 23 or later) and the Vulkan loader.";
}

function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
