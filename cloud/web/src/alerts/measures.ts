// What can be measured, in words, and a rule as a sentence.

import { BANDS } from "../quality.js";
import { type Token, isField, tokenText } from "../filter.js";
import { plural } from "../format.js";
import { sensorName } from "../store.js";
import type { Measure, RuleContent, Severity } from "./types.js";

export interface MeasureInfo {
  measure: Measure;
  label: string;
  about: "calls" | "sensor" | "customer";
  unit: string;
  side: "above" | "below";
  usual: number;
  /** It has no threshold. */
  plain?: true;
  /** It looks at a window of time. */
  windowed?: true;
}

export const MEASURES: readonly MeasureInfo[] = [
  { measure: "share", label: "Share of calls", about: "calls", unit: "%", side: "above", usual: 5, windowed: true },
  { measure: "calls", label: "Number of calls", about: "calls", unit: "calls", side: "above", usual: 100, windowed: true },
  { measure: "mos", label: "Mean MOS", about: "calls", unit: "", side: "below", usual: 3.6, windowed: true },
  { measure: "asr", label: "Answered calls (ASR)", about: "calls", unit: "%", side: "below", usual: 40, windowed: true },
  { measure: "ner", label: "Network effectiveness (NER)", about: "calls", unit: "%", side: "below", usual: 90, windowed: true },
  { measure: "acd", label: "Average call duration (ACD)", about: "calls", unit: "seconds", side: "below", usual: 30, windowed: true },
  { measure: "offline", label: "Sensor not heard of", about: "sensor", unit: "minutes", side: "above", usual: 5 },
  { measure: "mirror_silent", label: "Mirror port silent", about: "sensor", unit: "minutes", side: "above", usual: 10 },
  { measure: "capture_drops", label: "Frames dropped before analysis", about: "sensor", unit: "%", side: "above", usual: 0.1, windowed: true },
  { measure: "capture_fault", label: "Capture does not work", about: "sensor", unit: "", side: "above", usual: 0, plain: true },
  { measure: "clock", label: "Clock is off", about: "sensor", unit: "seconds", side: "above", usual: 5 },
  { measure: "outbox", label: "Outbox filled", about: "sensor", unit: "%", side: "above", usual: 80 },
  { measure: "version", label: "Version is behind", about: "sensor", unit: "", side: "above", usual: 0, plain: true },
  { measure: "channels", label: "Calls in progress, of your limit", about: "customer", unit: "%", side: "above", usual: 90 },
  { measure: "certificate", label: "Certificate still valid", about: "customer", unit: "days", side: "below", usual: 14 },
];

const FIRST = MEASURES[0] as MeasureInfo;

export const measureInfo = (measure: Measure): MeasureInfo =>
  MEASURES.find((one) => one.measure === measure) ?? FIRST;

export const SEVERITIES: readonly { severity: Severity; word: string; means: string }[] = [
  { severity: "critical", word: "Critical", means: "somebody should look now" },
  { severity: "warning", word: "Warning", means: "somebody should look today" },
  { severity: "info", word: "Info", means: "worth knowing" },
];

export const severityWord = (severity: Severity): string =>
  SEVERITIES.find((one) => one.severity === severity)?.word ?? severity;

/** A rule that a person may begin with. */
export const newRule = (): RuleContent => ({
  name: "",
  measure: "share",
  filter: "band=degraded",
  among: "answered=true",
  side: "above",
  threshold: 5,
  least: 20,
  window_minutes: 15,
  bad_windows: 1,
  of_windows: 1,
  by_sensor: true,
  severity: "warning",
  channels: null,
  is_enabled: true,
});

/** The rule with another measure, and what usually goes with it. */
export function withMeasure(rule: RuleContent, measure: Measure): RuleContent {
  const { about, side, usual } = measureInfo(measure);
  const next = { ...rule, measure, side, threshold: usual };
  if (about === "calls") return measure === "share" ? next : { ...next, among: "" };
  return { ...next, filter: "", among: "", least: 0, bad_windows: 1, of_windows: 1, by_sensor: about === "sensor" };
}

/** The conditions of a filter as it stands in an address. */
export function tokensOfFilter(filter: string): Token[] {
  return [...new URLSearchParams(filter)].flatMap(([key, value]) => (isField(key) && value ? [{ key, value }] : []));
}

export const filterOfTokens = (tokens: Token[]): string =>
  new URLSearchParams(tokens.map(({ key, value }) => [key, value])).toString();

/** One condition in words: bands and flags as every list names them. */
export function conditionText(token: Token): string {
  if (token.key === "band") {
    const word = (value: string) => BANDS.find(({ band }) => band === value)?.word.toLowerCase() ?? value;
    const plain = token.value.replace(/^!/, "").split(",").map(word).join(" or ");
    return token.value.startsWith("!") ? `not ${plain}` : plain;
  }
  return tokenText(token, sensorName);
}

const conditions = (filter: string): string => tokensOfFilter(filter).map(conditionText).join(", ");

/** A threshold with its unit: "5 %", "3.6", "10 minutes". */
export function thresholdText({ measure, threshold }: RuleContent): string {
  const { unit } = measureInfo(measure);
  if (unit === "calls") return plural(threshold, "call");
  return unit ? `${threshold} ${unit}` : String(threshold);
}

/** A span of minutes: "15 minutes", "2 hours". */
export const windowText = (minutes: number): string =>
  minutes % 60 === 0 ? plural(minutes / 60, "hour") : plural(minutes, "minute");

/** The whole rule as one sentence. */
export function sentence(rule: RuleContent): string {
  const info = measureInfo(rule.measure);
  if (info.about !== "calls") return `${stateSentence(rule, info)}.`;
  const more = rule.side === "above" ? "More" : "Less";
  const span = windowText(rule.window_minutes);
  const where = rule.by_sensor ? " that one sensor sees" : "";
  const fits = conditions(rule.filter);
  const which = (text: string) => (text ? ` (${text})` : "");
  const first =
    rule.measure === "share"
      ? `${more} than ${thresholdText(rule)} of the calls${which(conditions(rule.among))}${where} in ${span} are: ${fits || "any"}.`
      : rule.measure === "calls"
        ? `${rule.side === "above" ? "More" : "Fewer"} than ${thresholdText(rule)}${which(fits)}${where} in ${span}.`
        : `${info.label} is ${more.toLowerCase()} than ${thresholdText(rule)}, of the calls${which(fits)}${where} in ${span}.`;
  const least =
    rule.least > 0 && rule.measure !== "calls" ? ` Fewer than ${plural(rule.least, "call")} say nothing.` : "";
  const windows =
    rule.of_windows > 1 ? ` It must be so in ${rule.bad_windows} of the last ${rule.of_windows} such windows.` : "";
  return first + least + windows;
}

function stateSentence(rule: RuleContent, { label, plain, windowed }: MeasureInfo): string {
  const sensors = conditions(rule.filter);
  const of = sensors ? ` (${sensors})` : "";
  if (plain) return `${label}${of}`;
  const side = rule.side === "above" ? "more than" : "less than";
  const span = windowed ? ` in ${windowText(rule.window_minutes)}` : "";
  return `${label}${of}: ${side} ${thresholdText(rule)}${span}`;
}
