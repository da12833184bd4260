// The page's side of the service worker: installs it, notices a newer build, and changes over only when the user says so.
// It knows nothing of facts: an update replaces the app's files and touches nothing that was recorded.

import { signal } from "@preact/signals";

declare const __VERSION__: string;

const HOUR_MS = 3_600_000;

/** The version of the code that runs in this tab. */
export const version = __VERSION__;
/** A newer build lies on the phone, whole, and waits for `applyUpdate`. */
export const updateReady = signal(false);
/** The app's files are on the phone: it opens without signal. */
export const opensOffline = signal(false);
/** The app runs in a window of its own, from the home screen. */
export const installed = signal(false);
/** The browser would ask the user whether to install; null when it would not (or has). */
export const askToInstall = signal<(() => Promise<void>) | null>(null);

interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

let waiting: ServiceWorker | null = null;
let applying = false;

/** Change over to the newer build: this tab opens anew, others go on with what they have. */
export function applyUpdate(): void {
  applying = true;
  waiting?.postMessage("apply-update");
}

/** Begin: install the worker and look for updates now, whenever the app is looked at again, and hourly. */
export function keepUpToDate(): void {
  watchInstallation();
  if (!("serviceWorker" in navigator)) return; // an insecure origin; the app says so elsewhere
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (applying) location.reload();
  });
  navigator.serviceWorker.register(`${import.meta.env.BASE_URL}sw.js`, { updateViaCache: "none" }).then(watch, () => undefined);
}

function watch(registration: ServiceWorkerRegistration): void {
  notice(registration);
  registration.addEventListener("updatefound", () => notice(registration));
  const look = () => void registration.update().catch(() => undefined); // without signal there is nothing to find
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  setInterval(look, HOUR_MS);
  void navigator.serviceWorker.ready.then(() => (opensOffline.value = true));
}

function notice(registration: ServiceWorkerRegistration): void {
  registration.installing?.addEventListener("statechange", () => notice(registration));
  waiting = registration.active ? registration.waiting : null;
  updateReady.value = waiting !== null;
}

function watchInstallation(): void {
  const ownWindow = matchMedia("(display-mode: standalone)");
  const look = () => (installed.value = ownWindow.matches || "standalone" in navigator && navigator.standalone === true);
  ownWindow.addEventListener("change", look);
  look();
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    askToInstall.value = async () => {
      askToInstall.value = null;
      await (event as InstallPrompt).prompt();
    };
  });
}
