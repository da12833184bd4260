// The service worker: keeps the whole app on the phone, so that it opens without signal; an update is offered, never forced.
// It knows nothing of facts: never opens IndexedDB, clears nothing but its own old files, and leaves /v1/ and /r/ alone.

import { PrecacheController, PrecacheRoute } from "workbox-precaching";
import { NavigationRoute, registerRoute } from "workbox-routing";

declare const self: ServiceWorkerGlobalScope;
/** Every file of this build; the build writes the list in here (vite.config.ts). */
declare const __PRECACHE__: { url: string; revision: string | null; integrity: string }[];

const files = new PrecacheController({ cacheName: "lamplighter-crew" });
files.addToCacheList(__PRECACHE__);

registerRoute(new PrecacheRoute(files, { ignoreURLParametersMatching: [/./], directoryIndex: "index.html" }));
registerRoute(new NavigationRoute(files.createHandlerBoundToURL("index.html"), { allowlist: [/^\/crew(\/|$)/] }));
registerRoute(({ url }) => url.pathname.startsWith("/crew/assets/"), keptOrFetched);

/** A tab that opened before an update still asks for the old build's parts; they lie here until that tab is gone. */
async function keptOrFetched({ request }: { request: Request }): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}

/** Old files go only when no second tab can still be running on them; else they stay until the next update. */
async function tidyAndClaim(event: ExtendableEvent): Promise<void> {
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (tabs.length <= 1) await files.activate(event);
  await self.clients.claim();
}

self.addEventListener("install", (event) => void files.install(event));
self.addEventListener("activate", (event) => event.waitUntil(tidyAndClaim(event)));
self.addEventListener("message", (event) => {
  if (event.data === "apply-update") event.waitUntil(self.skipWaiting());
});
