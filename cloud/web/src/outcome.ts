// How a call ended, in few words.

import type { CallSummary } from "./types.js";

export interface Outcome {
  /** The final response's code, where there was one. */
  code: number | null;
  text: string;
  answered: boolean;
}

export function outcome(call: CallSummary | Omit<CallSummary, "verdict">): Outcome {
  const answered = call.answered_at !== null;
  return { code: call.status_code, text: text(call, answered), answered };
}

function text(call: Omit<CallSummary, "verdict">, answered: boolean): string {
  switch (call.ended_by) {
    case "caller":
      return "caller hung up";
    case "callee":
      return "callee hung up";
    case "cancelled":
      return "caller gave up";
    case "rejected":
      return call.reason_phrase || "rejected";
    case "timeout":
      return answered ? "no BYE seen" : "no answer to INVITE";
    case "capture_end":
      return "capture ended";
    default:
      return call.ended_by;
  }
}
