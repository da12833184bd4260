// The build of the crew's app: crew/ becomes dist/crew, which the server hands out under /crew/ from its own origin.
// It knows nothing about screens. What it adds to Vite: the list of files inside sw.js, and a word on the first JS.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

import about from "./package.json" with { type: "json" };

const KEPT_OUT = /(^sw\.js|\.map)$/;
const HASHED = /^assets\//;

/** Writes into sw.js which files to keep for flight mode: all that were built. */
function precacheList(): Plugin {
  return {
    name: "precache-list",
    apply: "build",
    writeBundle({ dir = "" }, bundle) {
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk" || worker.imports.length > 0)
        this.error("sw.js shares code with the page and cannot stand alone");
      const paths = readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((found) => found.isFile())
        .map((found) =>
          join(found.parentPath, found.name)
            .slice(dir.length + 1)
            .replaceAll("\\", "/"),
        )
        .filter((path) => !KEPT_OUT.test(path))
        .sort();
      const entries = paths.map((path) => entry(path, readFileSync(join(dir, path))));
      const place = join(dir, "sw.js");
      const code = readFileSync(place, "utf8");
      if (!code.includes("__PRECACHE__")) this.error("sw.ts does not ask for __PRECACHE__");
      writeFileSync(place, code.replace("__PRECACHE__", JSON.stringify(entries)));
    },
  };
}

/** `integrity` keeps a hotel's log-in page, which answers 200 to everything, from being stored as one of our files. */
function entry(url: string, bytes: Buffer) {
  const sha256 = createHash("sha256").update(bytes).digest();
  const revision = HASHED.test(url) ? null : sha256.toString("hex").slice(0, 16);
  return { url, revision, integrity: `sha256-${sha256.toString("base64")}` };
}

/** Says how much script stands between a tap on the icon and the first screen: what index.html names, gzipped. */
function firstScript(): Plugin {
  return {
    name: "first-script",
    apply: "build",
    writeBundle({ dir = "" }) {
      const page = readFileSync(join(dir, "index.html"), "utf8");
      const named = [...page.matchAll(/(?:src|href)="\/crew\/([^"]+\.js)"/g)].map((match) => match[1] ?? "");
      const bytes = named.reduce((sum, path) => sum + gzipSync(readFileSync(join(dir, path))).length, 0);
      console.log(`first JS ${(bytes / 1024).toFixed(1)} KB gzip in ${named.length} file(s); the gate is 110 KB`);
    },
  };
}

export default defineConfig({
  base: "/crew/",
  root: "crew",
  define: { __VERSION__: JSON.stringify(process.env["LAMPLIGHTER_WEB_VERSION"] ?? about.version) },
  plugins: [precacheList(), firstScript()],
  worker: { format: "es" },
  build: {
    outDir: "../dist/crew",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the page's policy allows scripts and drawings only from files of its own
    rolldownOptions: {
      input: { index: "crew/index.html", sw: "crew/sw.ts" },
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
});
