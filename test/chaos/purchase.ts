/**
 * One buyer's wish: one request, answered once, paid once. The payments are made by the official client; what the
 * buyer does when something goes wrong is not: some send the same payment again, some sign a new one, some hang up
 * before the answer can be there, some walk away.
 */
import { setTimeout as delay } from "node:timers/promises";
import { wrapFetchWithPayment } from "@x402/fetch";
import type { Hex } from "viem";
import { createPaymentClient } from "../../src/cli/paying-client.ts";
import type { Random } from "../simulation/random.ts";
import { type Answer, readAnswer, send } from "../support/payer.ts";

const MAX_PRICE = "$1";
/** Nobody is more stubborn than that; a platform at rest answers within a few. */
const TRIES_MAX = 500;
/** A request that gets no answer at all is given up after this; longer than any deadline of the platform. */
const PATIENCE_MS = 45_000;
/**
 * Well before a handler (`HANDLER_MS_MIN`) can have answered, so that no answer can have been written out; and only
 * on a first payment, because a stored answer is written out at once.
 */
const HANG_UP_MS_MAX = 40;
/** How long a handler takes at least, milliseconds. */
export const HANDLER_MS_MIN = 60;

const STYLES = ["patient", "careless", "moody", "quitter"] as const;

/** How often a buyer who failed signs again instead of sending the same payment once more. */
const SIGNS_AGAIN: Readonly<Record<(typeof STYLES)[number], number>> = {
  patient: 0,
  careless: 1,
  moody: 0.4,
  quitter: 0.5,
};

export class Purchase {
  readonly url: string;
  /** Every PAYMENT-SIGNATURE header that was sent for this request. */
  readonly headers: string[] = [];
  /** What was handed over: bodies of 200s. */
  readonly answers: Answer[] = [];
  /** Payments that were `settlement_unknown` at some time. */
  readonly unknown = new Set<string>();
  /** Answers no buyer should ever get. */
  readonly surprises: string[] = [];
  /** What it did and got, in order; for whoever has to find out what went wrong. */
  readonly history: string[] = [];
  readonly style: (typeof STYLES)[number];
  readonly #random: Random;
  readonly #client;

  /** @param random this buyer's own, so that its decisions do not depend on the others' timing */
  constructor(url: string, privateKey: Hex, random: Random) {
    this.url = url;
    this.#random = random;
    this.#client = createPaymentClient(privateKey, MAX_PRICE);
    this.style = random.pick(STYLES);
  }

  /** Tries until it has its answer, or it is over. */
  async run(isOver: () => boolean): Promise<void> {
    const random = this.#random;
    let signs = true;
    for (let tries = 0; tries < TRIES_MAX && !isOver(); tries += 1) {
      this.#note(signs ? "signs" : "sends again");
      const answer: Answer | null = await (signs ? this.#pay() : this.#resend()).catch(() => null);
      this.#note(`${answer?.status ?? "no answer"} ${answer?.code ?? answer?.paymentStatus ?? ""}`);
      if (answer !== null && this.#take(answer)) return;
      if (this.style === "quitter" && tries >= 1) return;
      signs =
        this.headers.length === 0 ||
        answer?.status === 402 ||
        random.chance(SIGNS_AGAIN[this.style]);
      await delay(random.between(50, 900));
    }
  }

  #note(what: string): void {
    this.history.push(`${new Date().toISOString()} ${what}`);
  }

  /** As any program would: 402, sign, send. */
  async #pay(): Promise<Answer> {
    const hangsUp = this.headers.length === 0 && this.#random.chance(0.3);
    const waitMs = hangsUp ? this.#random.between(0, HANG_UP_MS_MAX) : PATIENCE_MS;
    const recorded: typeof fetch = (input, init) => {
      const request = new Request(input, init);
      const header = request.headers.get("PAYMENT-SIGNATURE");
      if (header !== null) {
        this.headers.push(header);
        this.#note(`pays, and waits ${waitMs} ms`);
      }
      const timeoutMs = header === null ? PATIENCE_MS : waitMs;
      return fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
    };
    return await readAnswer(await wrapFetchWithPayment(recorded, this.#client)(this.url));
  }

  /** The latest payment again, by some several times at once. */
  async #resend(): Promise<Answer | null> {
    const header = this.headers.at(-1) ?? "";
    const copies = this.#random.chance(0.2) ? this.#random.between(2, 3) : 1;
    const results = await Promise.allSettled(
      Array.from({ length: copies }, () =>
        send(this.url, header, { signal: AbortSignal.timeout(PATIENCE_MS) }),
      ),
    );
    const answers = results.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    const paid = answers.filter(({ status }) => status === 200);
    for (const answer of paid.slice(1)) this.#take(answer);
    return paid[0] ?? answers[0] ?? null;
  }

  /** Notes an answer; true when it is what was wished for. */
  #take(answer: Answer): boolean {
    if (answer.status === 200) {
      this.answers.push(answer);
      return true;
    }
    if (answer.code === "settlement_unknown") {
      const { paymentId } = JSON.parse(answer.body) as { paymentId: string };
      this.unknown.add(paymentId);
    }
    const mayHappen =
      answer.status === 402 || answer.status >= 500 || answer.code === "payment_in_progress";
    if (!mayHappen) this.surprises.push(`${this.url} was answered ${answer.status} ${answer.code}`);
    return false;
  }
}
