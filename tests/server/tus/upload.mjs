// Sends one file with an unmodified tus-js-client, the way the crew's phone will, and prints what happened as one JSON line.
// node upload.mjs URL FILE SHA256 [--chunk BYTES] [--urls FILE] [--stop-after BYTES] [--with-creation] [--override] [--retries N]
// `--urls` remembers the upload between runs; `--stop-after` leaves without a goodbye once so much was acknowledged.
import { createReadStream, statSync } from "node:fs";
import { parseArgs } from "node:util";
import * as tus from "tus-js-client";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    chunk: { type: "string" },
    urls: { type: "string" },
    "stop-after": { type: "string" },
    "with-creation": { type: "boolean", default: false },
    override: { type: "boolean", default: false },
    retries: { type: "string", default: "3" },
  },
});
const [endpoint, file, sha256] = positionals;
const requests = [];

function report(outcome, more = {}) {
  console.log(JSON.stringify({ outcome, requests, ...more }));
}

const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  uploadSize: statSync(file).size,
  chunkSize: values.chunk ? Number(values.chunk) : Infinity,
  metadata: { sha256, filename: "现场.jpg", filetype: "image/jpeg" },
  headers: { Crew: "17" },
  retryDelays: Array(Number(values.retries)).fill(10),
  uploadDataDuringCreation: values["with-creation"],
  overridePatchMethod: values.override,
  storeFingerprintForResuming: Boolean(values.urls),
  urlStorage: values.urls ? new tus.FileUrlStorage(values.urls) : undefined,
  fingerprint: async () => `photo-${sha256}`,
  onAfterResponse: (request, response) => {
    requests.push(`${request.getMethod()} ${response.getStatus()}`);
  },
  onChunkComplete: (_size, accepted) => {
    if (values["stop-after"] && accepted >= Number(values["stop-after"])) {
      report("stopped", { accepted });
      process.exit(0);
    }
  },
  onSuccess: () => report("done", { url: upload.url }),
  onError: (error) => {
    report("failed", { status: error.originalResponse?.getStatus() ?? 0, message: error.message });
    process.exitCode = 1;
  },
});

if (values.urls) {
  const [previous] = await upload.findPreviousUploads();
  if (previous) upload.resumeFromPreviousUpload(previous);
}
upload.start();
