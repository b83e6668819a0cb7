/** How the command ends: scripts branch on the code, people read the message and its remedy. */

export const EXIT_CODES = {
  ok: 0,
  /** A defect, or something the other codes do not cover. */
  unexpected: 1,
  /** Wrong flags, arguments or files; nothing was sent. */
  usage: 2,
  /** The platform understood the request and refused it. */
  refused: 3,
  /** A payment or payout did not go through, or its outcome is not known. */
  payment: 4,
  /** The platform does not answer, or answers that it cannot. */
  unreachable: 5,
  /** `claw dev` cannot start: its state directory or port is in use. */
  inUse: 6,
} as const;

export type ExitReason = Exclude<keyof typeof EXIT_CODES, "ok">;

/** An expected failure of a command. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly reason: ExitReason;
  /** What to do about it; null when there is nothing more to say. */
  readonly remedy: string | null;
  constructor(reason: ExitReason, message: string, remedy: string | null = null) {
    super(message);
    this.reason = reason;
    this.remedy = remedy;
  }
}
