// A capture rule as the sentence builder holds it, and as text (protocol/src/rule/text/mod.rs).

export type Media = "nothing" | "headers" | "whole";
export type Kind =
  | "caller"
  | "callee"
  | "number"
  | "address"
  | "signalling address"
  | "media address"
  | "domain"
  | "header"
  | "agent"
  | "method"
  | "status"
  | "mos"
  | "loss"
  | "one_way";
export type Op = "=" | "contains" | "~" | "exists";

export interface Test {
  kind: Kind;
  negated: boolean;
  /** Of a header. */
  name: string;
  op: Op;
  value: string;
}

export interface Sentence {
  name: string;
  skips: boolean;
  sip: boolean;
  rtp: Media;
  rtcp: boolean;
  masks: boolean;
  until: string;
  aDay: string;
  priority: string;
  /** Whether all tests must hold, or one of them. */
  join: "and" | "or";
  tests: Test[];
}

export const KINDS: { kind: Kind; label: string; hint: string }[] = [
  { kind: "caller", label: "Caller is", hint: "+4930* or 200..299" },
  { kind: "callee", label: "Callee is", hint: "+4930* or 200..299" },
  { kind: "number", label: "Caller or callee is", hint: "+4930* or 200..299" },
  { kind: "address", label: "An address is in", hint: "192.0.2.0/24" },
  { kind: "signalling address", label: "A SIP address is in", hint: "192.0.2.0/24" },
  { kind: "media address", label: "A media address is in", hint: "192.0.2.0/24" },
  { kind: "domain", label: "SIP domain is", hint: "example.org or *.example.org" },
  { kind: "header", label: "Header", hint: "gate-7" },
  { kind: "agent", label: "User agent", hint: "Yealink" },
  { kind: "method", label: "A request is", hint: "REFER" },
  { kind: "status", label: "Final status is", hint: "486, 4xx or 400..499" },
  { kind: "mos", label: "MOS is below", hint: "3.5" },
  { kind: "loss", label: "Loss is above, %", hint: "5" },
  { kind: "one_way", label: "Audio goes one way", hint: "" },
];

export const newTest = (): Test => ({ kind: "caller", negated: false, name: "", op: "=", value: "" });

export const newSentence = (): Sentence => ({
  name: "",
  skips: false,
  sip: true,
  rtp: "whole",
  rtcp: true,
  masks: false,
  until: "",
  aDay: "",
  priority: "",
  join: "and",
  tests: [newTest()],
});

const quoted = (text: string) => `"${text.replace(/[\\"]/g, "\\$&")}"`;
/** A pattern with anything else in it stands in quotes. */
const word = (text: string) => (/^[^\s"(),=<>~]+$/.test(text) ? text : quoted(text));

function testText({ kind, name, op, value, negated }: Test): string {
  const text = value.trim();
  const compared = () =>
    op === "exists"
      ? "exists"
      : op === "~"
        ? `~ /${text.replace(/\\.|\//g, (found) => (found === "/" ? "\\/" : found))}/`
        : `${op} ${quoted(text)}`;
  const body = () => {
    switch (kind) {
      case "one_way":
        return kind;
      case "header":
        return `header ${name.trim()} ${compared()}`;
      case "agent":
        return `agent ${compared()}`;
      case "mos":
        return `mos < ${text}`;
      case "loss":
        return `loss > ${text.replace(/%$/, "")}%`;
      default:
        return `${kind} = ${word(text)}`;
    }
  };
  return (negated ? "not " : "") + body();
}

/** The text form; the server says what is wrong with it. */
export function toText(rule: Sentence): string {
  const kept = [
    rule.sip && "sip",
    rule.rtp === "whole" && "rtp",
    rule.rtp === "headers" && "rtp headers",
    rule.rtcp && "rtcp",
  ];
  const parts = [
    rule.name.trim() && `${quoted(rule.name.trim())}:`,
    rule.skips ? "skip" : `keep ${kept.filter(Boolean).join(", ")}`,
    !rule.skips && rule.masks && "masking dtmf",
    rule.until && `until ${rule.until}`,
    !rule.skips && rule.aDay.trim() && `at most ${rule.aDay.trim()} a day`,
    Number(rule.priority) !== 0 && `priority ${rule.priority.trim()}`,
    rule.tests.length > 0 && `when ${rule.tests.map(testText).join(` ${rule.join} `)}`,
  ];
  return parts.filter(Boolean).join(" ");
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[(),=<>]|~\s*\/(?:[^/\\]|\\.)*\/|[^\s"(),=<>~]+/gy;
const unquoted = (text: string) => text.slice(1, -1).replace(/\\(.)/g, "$1");

/** The sentence that a text of the server's is; null where the builder cannot show it. */
export function fromText(text: string): Sentence | null {
  const rule: Sentence = { ...newSentence(), sip: false, rtp: "nothing", rtcp: false, tests: [] };
  let rest = text.trim();
  const named = /^("(?:[^"\\]|\\.)*")\s*:/.exec(rest);
  if (named?.[1]) {
    rule.name = unquoted(named[1]);
    rest = rest.slice(named[0].length);
  }
  const tokens: string[] = [];
  for (let at = 0; at < rest.length; ) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(rest);
    if (found) tokens.push(found[0]);
    else if (/\S/.test(rest[at] ?? "")) return null;
    at = found ? TOKEN.lastIndex : at + 1;
  }
  let next = 0;
  const takes = (...words: string[]) => {
    const fits = words.every((one, i) => tokens[next + i] === one);
    if (fits) next += words.length;
    return fits;
  };
  const take = () => tokens[next++] ?? "";

  if (takes("skip")) rule.skips = true;
  else if (takes("keep")) {
    do {
      const what = take();
      if (what === "sip") rule.sip = true;
      else if (what === "rtcp") rule.rtcp = true;
      else if (what === "rtp") rule.rtp = takes("headers") ? "headers" : "whole";
      else return null;
    } while (takes(","));
  } else return null;
  while (next < tokens.length && !takes("when")) {
    if (takes("masking", "dtmf")) rule.masks = true;
    else if (takes("until")) rule.until = take();
    else if (takes("priority")) rule.priority = take();
    else if (takes("at", "most")) {
      rule.aDay = take();
      if (!takes("a", "day")) return null;
    } else return null;
  }
  const joins = new Set<string>();
  while (next < tokens.length) {
    const test = readTest(take, takes);
    if (!test) return null;
    rule.tests.push(test);
    if (next < tokens.length) joins.add(take());
  }
  if (joins.size > 1) return null;
  const [join = "and"] = joins;
  if (join !== "and" && join !== "or") return null;
  return { ...rule, join };
}

function readTest(take: () => string, takes: (...words: string[]) => boolean): Test | null {
  const test = { ...newTest(), negated: takes("not") };
  const first = take();
  const kind = KINDS.find((one) => one.kind === first)?.kind;
  if ((first === "signalling" || first === "media") && takes("address")) {
    test.kind = `${first} address`;
  } else if (kind) test.kind = kind;
  else return null;
  const value = () => {
    const text = take();
    return text.startsWith('"') ? unquoted(text) : text;
  };
  switch (test.kind) {
    case "one_way":
      return test;
    case "mos":
      return takes("<") ? { ...test, value: take() } : null;
    case "loss":
      return takes(">") ? { ...test, value: take().replace(/%$/, "") } : null;
    case "header":
      test.name = take();
      if (takes("exists")) return { ...test, op: "exists" };
      break;
    case "agent":
      break;
    default:
      return takes("=") ? { ...test, value: value() } : null;
  }
  if (takes("=")) return { ...test, value: value() };
  if (takes("contains")) return { ...test, op: "contains", value: value() };
  const expression = /^~\s*\/(.*)\/$/s.exec(take());
  return expression ? { ...test, op: "~", value: (expression[1] ?? "").replace(/\\\//g, "/") } : null;
}
