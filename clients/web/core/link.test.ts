import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "./bytes";
import { Declined, Link, REPLY_BYTES_MAX, Unreachable } from "./link";

interface Heard { method: string; path: string; headers: Record<string, unknown>; body: Buffer }

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => (server.closeAllConnections(), server.close())));

const real = { fetch, after: (ms: number, call: () => void) => {
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
} };

/** A server on loopback that answers as told and remembers what it heard. */
async function stranger(answer: (response: ServerResponse) => void, world = real): Promise<{ link: Link; heard: Heard[] }> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      heard.push({ method: request.method!, path: request.url!, headers: request.headers, body: Buffer.concat(parts) });
      answer(response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { link: new Link(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, world), heard };
}

const problem = JSON.stringify({ slug: "busy", action: "retry", retry_after_s: 7, detail: "later" });

describe("an exchange", () => {
  test("packs what is worth packing, and brings its token", async () => {
    const { link, heard } = await stranger((response) => response.end("x\n"));
    const long = utf8("a".repeat(600));
    await link.exchange("/v1/sync", long, "token-1");
    await link.exchange("/v1/sync", utf8("short"));
    const told = { "content-encoding": "gzip", authorization: "Bearer token-1", "content-type": "application/x-ndjson" };
    expect(heard[0]!.headers).toMatchObject(told);
    expect(gunzipSync(heard[0]!.body).equals(long)).toBe(true);
    expect(heard[1]!.headers["content-encoding"]).toBeUndefined();
    expect(heard[1]!.body.toString()).toBe("short");
  });

  test("takes the part of an answer that arrives", async () => {
    const { link } = await stranger((response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("first part\n", () => response.socket!.destroy());
    });
    const answer = await link.exchange("/v1/sync", utf8("x"));
    expect([fromUtf8(answer.body), answer.whole]).toEqual(["first part\n", false]);
  });

  test("returns somebody else's page as it is, for statements to judge", async () => {
    const { link } = await stranger((response) => response.end("<html>Free WiFi</html>"));
    expect(await link.exchange("/v1/sync", utf8("x"))).toMatchObject({ status: 200, whole: true, problem: null });
  });

  test("reads a problem document of an error, and no other", async () => {
    const { link } = await stranger((response) => response.writeHead(503).end(problem));
    expect((await link.exchange("/v1/sync", utf8("x"))).problem).toMatchObject({ slug: "busy", retry_after_s: 7 });
    const page = await stranger((response) => response.writeHead(502).end("<html>Bad gateway</html>"));
    expect((await page.link.exchange("/v1/sync", utf8("x"))).problem).toBeNull();
    const fine = await stranger((response) => response.end(problem));
    expect((await fine.link.exchange("/v1/sync", utf8("x"))).problem).toBeNull();
  });

  test("does not follow a portal that sends it elsewhere", async () => {
    const portal = await stranger((response) => response.end("log in"));
    const { link } = await stranger((response) => response.writeHead(302, { location: portal.link.address }).end());
    await expect(link.exchange("/v1/sync", utf8("x"), "secret")).rejects.toMatchObject({ trouble: "foreign" });
    expect(portal.heard).toEqual([]);
  });

  test("stops reading what cannot be ours", async () => {
    const { link } = await stranger((response) => {
      response.writeHead(200);
      const more = (): void => { while (!response.destroyed && response.write(Buffer.alloc(1 << 20)));  };
      response.on("drain", more).on("close", () => response.off("drain", more));
      more();
    });
    const answer = await link.exchange("/v1/sync", utf8("x"));
    expect(answer.whole).toBe(false);
    expect(answer.body.length).toBeLessThan(REPLY_BYTES_MAX + (2 << 20));
  });
});

describe("nobody is there", () => {
  test("when nobody listens", async () => {
    const link = new Link("http://127.0.0.1:9", real);
    await expect(link.exchange("/v1/sync", utf8("x"))).rejects.toMatchObject({ trouble: "offline" });
    await expect(link.ask("GET", "/v1/keys")).rejects.toBeInstanceOf(Unreachable);
  });

  test("when the line stays silent for too long", async () => {
    const hasty = { ...real, after: (ms: number, call: () => void) => real.after(ms / 1000, call) };
    const { link } = await stranger(() => {}, hasty);
    await expect(link.exchange("/v1/sync", utf8("x"))).rejects.toMatchObject({ trouble: "offline" });
  });
});

describe("a question", () => {
  test("is answered with a document, declined with a problem, or not answered by us", async () => {
    const good = await stranger((response) => response.end('{"token":"t"}'));
    expect(await good.link.ask("POST", "/v1/token", { a: 1 })).toEqual({ token: "t" });
    expect(good.heard[0]).toMatchObject({ method: "POST", path: "/v1/token" });
    const declined = await stranger((response) => response.writeHead(403).end('{"slug":"bad-code","action":"refuse"}'));
    await expect(declined.link.ask("POST", "/v1/enrol", {})).rejects.toMatchObject({ slug: "bad-code", action: "refuse" });
    const page = await stranger((response) => response.end("<html></html>"));
    await expect(page.link.ask("GET", "/v1/keys")).rejects.toMatchObject({ trouble: "foreign" });
    const proxy = await stranger((response) => response.writeHead(502).end("<html></html>"));
    await expect(proxy.link.ask("GET", "/v1/keys")).rejects.toMatchObject({ trouble: "busy" });
  });

  test("with an action nobody knows is one to report", () => {
    expect(new Declined({ slug: "x", action: "dance" }).action).toBe("report");
    expect(new Declined({ slug: "x" }).action).toBe("report");
  });
});
