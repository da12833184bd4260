// One form of a photo on its way to the server, by tus-js-client as it is (tus 1.0.0, https://tus.io).
//
// The client keeps nothing of its own: where an upload goes on stands in our store. Its requests go over our link, so that
// time-outs, portals and problems are told apart as everywhere else, and the device's proof goes to our server only. Refuses
// to know what a photo shows and who may send it.

import type { FileReader, HttpRequest, HttpResponse, HttpStack, Upload } from "tus-js-client";
import type { Bytes } from "./bytes";
import { type Answer, Declined, type Link, stranger, Unreachable } from "./link";

/** Bytes of one request; the server keeps what arrives of it, so this is also how often progress is told. */
export const CHUNK_BYTES = 256 * 1024;
/** What is no larger travels with the request that creates the upload: one round trip less for every preview. */
const AT_ONCE_BYTES = 64 * 1024;
const TRIES = 3;

/** What is sent; `place` is the path of an upload begun earlier, and `sent` how many bytes it had. */
export interface Parcel { sha256: string; bytes: ArrayBuffer; place: string | null; sent: number }

export interface Road {
  link: Link;
  /** Headers that prove the device, made anew for every request: an assertion is good for two minutes. */
  proof: () => Promise<Record<string, string>>;
  /** Told after every step where the upload lives and how many bytes the server has. */
  reached: (place: string, sent: number) => void;
  /** Whether something more urgent waits; asked between requests. */
  hurry: () => boolean;
}

/** Brings the bytes to the server, wherever they stopped. False when it was interrupted. Rejects: Unreachable, Declined. */
export async function upload(parcel: Parcel, road: Road): Promise<boolean> {
  let { place } = parcel;
  for (let count = 1; ; count++) {
    try {
      return await attempt({ ...parcel, place }, { ...road, reached: (at, sent) => road.reached((place = at), sent) });
    } catch (error) {
      const slug = error instanceof Declined ? error.slug : "";
      if (count >= TRIES || !["bad-offset", "upload-gone", "not-found"].includes(slug)) throw error;
      if (slug !== "bad-offset") place = null; // the server forgot this upload, not the photo
    }
  }
}

async function attempt({ sha256, bytes, place, sent: before }: Parcel, road: Road): Promise<boolean> {
  const { link, proof, reached, hurry } = road;
  const { Upload } = await import("tus-js-client");
  return new Promise<boolean>((resolve, reject) => {
    const here = (): string => new URL(sending.url ?? "").pathname;
    const sending: Upload = new Upload(new Blob([bytes]), {
      endpoint: `${link.address}/v1/photos`,
      uploadUrl: place === null ? null : link.address + place,
      metadata: { sha256 },
      chunkSize: CHUNK_BYTES,
      uploadDataDuringCreation: bytes.byteLength <= AT_ONCE_BYTES,
      retryDelays: null,
      storeFingerprintForResuming: false,
      fingerprint: () => Promise.resolve(""),
      httpStack: new LinkStack(link),
      fileReader: WHOLE,
      onBeforeRequest: async (request) => {
        for (const [name, value] of Object.entries(await proof())) request.setHeader(name, value);
      },
      onUploadUrlAvailable: () => reached(here(), here() === place ? before : 0),
      onChunkComplete: (_, sent) => {
        reached(here(), sent);
        if (sent < bytes.byteLength && hurry()) void sending.abort().then(() => resolve(false));
      },
      onSuccess: () => resolve(true),
      onError: (error) => reject(reasonOf(error)),
    });
    sending.start();
  });
}

/** Our own error behind the client's; anything it says itself is about an answer that is not our server's. */
function reasonOf(error: Error & { causingError?: Error | null }): Error {
  const cause = error.causingError ?? error;
  if (cause instanceof Declined || cause instanceof Unreachable) return cause;
  return new Unreachable("foreign", error.message);
}

/** The bytes are in memory already. */
const WHOLE: FileReader = {
  openFile: (input: Blob) => Promise.resolve({
    size: input.size,
    slice: (from, to) => Promise.resolve({ value: input.slice(from, to), done: to >= input.size }),
    close: () => {},
  }),
};

/** The client's requests over our link. */
class LinkStack implements HttpStack {
  /** How much the server had already when it created the upload: it knows these bytes, and the client does not ask. */
  known = 0;

  constructor(readonly link: Link) {}

  createRequest(method: string, url: string): HttpRequest {
    return new LinkRequest(this, method, url);
  }

  getName(): string {
    return "LinkStack";
  }
}

class LinkRequest implements HttpRequest {
  private readonly headers: Record<string, string> = {};

  constructor(private readonly stack: LinkStack, private readonly method: string, private readonly url: string) {}

  getMethod = (): string => this.method;
  getURL = (): string => this.url;
  getUnderlyingObject = (): null => null;
  setProgressHandler = (): void => {};
  getHeader = (name: string): string | undefined => this.headers[name];
  setHeader = (name: string, value: string): void => { this.headers[name] = value; };
  /** Only asked between requests here; one that is under way ends by itself. */
  abort = (): Promise<void> => Promise.resolve();

  async send(body: Blob | null): Promise<HttpResponse> {
    const { method, headers, stack } = this;
    if (method === "PATCH" && Number(headers["Upload-Offset"]) < stack.known) throw new Declined({ slug: "bad-offset" });
    const bytes: { body?: Bytes } = body ? { body: new Uint8Array(await body.arrayBuffer()) } : {};
    // Only the path is taken from what the server named: the proof of the device goes to no other host.
    const answer = await stack.link.send(new URL(this.url).pathname, { method, headers, ...bytes });
    if (answer.problem) throw new Declined(answer.problem);
    if (!answer.headers.has("tus-resumable") || answer.status >= 500) throw stranger(answer.status);
    if (method === "POST") stack.known = Number(answer.headers.get("upload-offset"));
    return new LinkResponse(answer);
  }
}

class LinkResponse implements HttpResponse {
  constructor(private readonly answer: Answer) {}

  getStatus = (): number => this.answer.status;
  getHeader = (name: string): string | undefined => this.answer.headers.get(name) ?? undefined;
  getBody = (): string => "";
  getUnderlyingObject = (): null => null;
}
