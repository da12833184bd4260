// Who this phone is to the server, and what it believes of it: assertions, tokens, key lists, and the server's idea of the
// time.
//
// Works also when this phone's clock is wrong: what counts is how far it is off from the last word of the server. Refuses to
// know what is pushed or pulled.

import type { Bytes } from "./bytes";
import { KeyList, type PublicJwk, type Signer, thumbprint } from "./keys";
import { Declined, type Link } from "./link";
import type { Pocket } from "./pocket";
import { parseReply } from "./wire";
import { newId, type World } from "./world";

interface Parties {
  device: () => Promise<string>; signer: Signer; root: PublicJwk; pocket: Pocket; link: Link; world: World;
}

/** The setting that holds how far the server's clock is ahead, ms. */
export const CLOCK_OFF = "clock_off";
/** Less than this is the road, not the clock. */
const CLOCK_NEWS_MS = 2000;

export class Trust {
  /** How far the server's clock is ahead of this phone's. */
  private clockOff = 0;

  constructor(private readonly parties: Parties) {}

  /** The server said what time it is; screens that count down need it after a restart too. */
  async heardTime(serverMs: number): Promise<void> {
    const off = serverMs - this.parties.world.wallMs();
    const news = Math.abs(off - this.clockOff) > CLOCK_NEWS_MS;
    this.clockOff = off;
    if (news) await this.parties.pocket.setSettings({ [CLOCK_OFF]: off }).catch(() => {});
  }

  /** Headers that let photos travel by the device's key alone: a token may have expired long ago. */
  async proof(): Promise<Record<string, string>> {
    return { "Lamplighter-Assertion": await this.assertion() };
  }

  /** A new token for the device's key; or why there is none. Rejects with Unreachable. */
  async renewToken(): Promise<Declined | null> {
    const { link, pocket } = this.parties;
    for (let count = 1; ; count++) {
      try {
        const answer = await link.ask("POST", "/v1/token", { assertion: await this.assertion() });
        await pocket.setSettings({ token: String(answer["token"]) });
        return null;
      } catch (error) {
        if (!(error instanceof Declined)) throw error;
        const time = error.problem["time"];
        if (!Number.isSafeInteger(time) || count > 1) return error;
        await this.heardTime(Number(time));
      }
    }
  }

  /** A statement nobody here can verify may be signed by a key that is newer than this phone's list: true when it was. */
  async learnKeys(reply: Bytes): Promise<boolean> {
    const { link, pocket, signer, root, world } = this.parties;
    if (typeof parseReply(reply).statement !== "string") return false;
    const jws = String((await link.ask("GET", "/v1/keys"))["keys"]);
    const keys = await KeyList.verify(world.crypto.subtle, jws, root);
    if (!keys || jws === signer.keys.jws) return false;
    await pocket.setSettings({ keys: jws });
    signer.trust(keys);
    return true;
  }

  /** Whether this is a statement of our server, about whomever. */
  async believes(jws: unknown): Promise<boolean> {
    return typeof jws === "string" && (await this.parties.signer.statement(jws)) !== null;
  }

  private async assertion(): Promise<string> {
    const { device, signer, root, world } = this.parties;
    const iat = Math.floor((world.wallMs() + this.clockOff) / 1000);
    const aud = await thumbprint(world.crypto.subtle, root);
    return signer.assertion({ device: await device(), aud, iat, jti: newId(world) });
  }
}
