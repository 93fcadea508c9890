// What each flag of a call means (protocol/src/cdr.rs, `flags`); a test compares the names.

export type Weight = "bad" | "warn" | "plain";

interface Flag {
  label: string;
  means: string;
  weight: Weight;
}

const FLAGS: Record<string, Flag> = {
  one_way: {
    label: "one way",
    means: "Media in one direction only although both were agreed.",
    weight: "bad",
  },
  no_media: { label: "no media", means: "Answered, and no RTP packet came.", weight: "bad" },
  silent: { label: "silent", means: "RTP flows and nobody speaks.", weight: "warn" },
  encrypted: { label: "encrypted", means: "The media is SRTP.", weight: "plain" },
  transferred: { label: "transferred", means: "REFER or Replaces was seen.", weight: "plain" },
  on_hold: { label: "on hold", means: "The call was put on hold at least once.", weight: "plain" },
  fax: { label: "fax", means: "T.38 was agreed.", weight: "plain" },
  nat: { label: "NAT", means: "RTP came from another address than the SDP said.", weight: "plain" },
  joined_late: { label: "joined late", means: "The call began before the capture.", weight: "plain" },
  capture_loss: {
    label: "capture loss",
    means: "The capture lost packets during the call: its loss figures are unreliable.",
    weight: "warn",
  },
  clock_unset: {
    label: "clock unset",
    means: "The sensor did not know the time when it saw the call.",
    weight: "warn",
  },
  evicted: {
    label: "evicted",
    means: "The sensor's table was full and the call was let go before its end.",
    weight: "warn",
  },
  early_media: { label: "early media", means: "Early media flowed before the answer.", weight: "plain" },
  forked: { label: "forked", means: "An INVITE was answered by several branches.", weight: "plain" },
  authenticated: {
    label: "authenticated",
    means: "A 401 or 407 was answered with credentials.",
    weight: "plain",
  },
  truncated: {
    label: "truncated",
    means: "The capture held only parts of some packets, or their SDP was unreadable.",
    weight: "plain",
  },
  recording: {
    label: "recording",
    means: "It records another call: its INVITE carries SIPREC metadata (RFC 7866).",
    weight: "plain",
  },
  unseen_media: {
    label: "mirror incomplete",
    means: "The mirror port shows one direction, or none: RTCP speaks of media, or a call was answered, that it does not show.",
    weight: "warn",
  },
};

export const flagInfo = (name: string): Flag =>
  FLAGS[name] ?? { label: name.replace(/_/g, " "), means: name, weight: "plain" };

export const flagNames = (): string[] => Object.keys(FLAGS);

/** Flags that a list shows before others, and those it leaves out unless asked. */
const QUIET = new Set(["authenticated", "truncated"]);

export function listedFlags(flags: string[]): string[] {
  const rank = { bad: 0, warn: 1, plain: 2 };
  return flags
    .filter((flag) => !QUIET.has(flag))
    .sort((a, b) => rank[flagInfo(a).weight] - rank[flagInfo(b).weight]);
}
