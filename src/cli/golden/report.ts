/** What `claw golden` prints: numbered steps with aligned values, or one JSON document a line. */
import { formatFields } from "../output.ts";

export type ReportValues = Readonly<Record<string, string>>;

export class GoldenReport {
  readonly #json: boolean;
  readonly #startedAtMs = performance.now();
  #steps = 0;
  constructor(json: boolean) {
    this.#json = json;
  }

  /** One step that has been made and checked. */
  step(title: string, values: ReportValues): void {
    this.#steps += 1;
    if (this.#json) {
      this.#line(JSON.stringify({ step: this.#steps, title, values }));
      return;
    }
    const number = String(this.#steps).padStart(2);
    this.#line(`${number}  ${title}\n${formatFields(Object.entries(values), "    ")}\n`);
  }

  /** The end: every step passed, and everything that was started has been stopped. */
  passed(): void {
    const elapsedMs = Math.round(performance.now() - this.#startedAtMs);
    this.#line(
      this.#json
        ? JSON.stringify({ passed: true, steps: this.#steps, elapsedMs })
        : `golden flow passed: ${this.#steps} steps in ${(elapsedMs / 1000).toFixed(1)} s`,
    );
  }

  #line(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}
