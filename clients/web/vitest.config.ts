// Unit tests stand beside what they test and run in Node: it has WebCrypto, and IndexedDB by fake-indexeddb. Whoever needs a
// browser is tested in a real one, by tests/web.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "node", include: ["{core,crew,ui}/**/*.test.ts"] },
});
