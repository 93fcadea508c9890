// The one way to the server: JSON under /api/v1, errors as values with a sentence.

import type {
  ApiToken,
  AuditEntry,
  Call,
  CallPage,
  Captures,
  Claim,
  ClaimWay,
  DryRun,
  EnrolmentToken,
  LiveCalls,
  Me,
  NewShare,
  NewToken,
  Package,
  Peer,
  PeerPage,
  Person,
  Registration,
  RegistrationPage,
  Rule,
  RuleList,
  SavedSearch,
  Sensor,
  Share,
  SharedCall,
  Stats,
  Stranger,
  Terms,
  Upgrade,
} from "./types.js";
import type { Overview } from "./overview.js";

const BASE = "/api/v1";

/** What went wrong, in the server's words where it said any. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds to wait before the next attempt, where the server said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** No answer came: the network, or the server, is away. */
  get offline(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

let csrf = "";
let onLoggedOut: () => void = () => {};

/** The token that requests other than GET carry. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** Called when an answer says that the session is over. */
export function whenLoggedOut(callback: () => void): void {
  onLoggedOut = callback;
}

interface Options {
  method?: "GET" | "POST";
  body?: unknown;
  /** Bytes, in place of a body. */
  bytes?: ArrayBuffer;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const response = await ask(path, options);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (error) {
    // An answer that breaks off is a TypeError of fetch, too.
    if (error instanceof TypeError && !options.signal?.aborted) throw noAnswer();
    throw error;
  }
}

const noAnswer = () =>
  new ApiError(0, "no_answer", "The server does not answer. Check the network connection.");

/** The answer as it begins; one that is not of the 200s is thrown as what it says. */
async function ask(
  path: string,
  { method = "GET", body, bytes, signal, headers: more }: Options,
): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...more };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (bytes) headers["Content-Type"] = "application/octet-stream";
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (bytes) init.body = bytes;
  if (signal) init.signal = signal;

  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw noAnswer();
  }
  if (response.ok) return response;
  const failed = await failure(response);
  if (failed.status === 401 && path !== "/login") onLoggedOut();
  throw failed;
}

async function failure(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get("Retry-After"));
  let code = "";
  let message = "";
  try {
    const body = (await response.json()) as { error?: { code?: string; message?: string } };
    code = body.error?.code ?? "";
    message = body.error?.message ?? "";
  } catch {
    // Not JSON: something between here and the server answered.
  }
  return new ApiError(
    response.status,
    code || `http_${response.status}`,
    message || `The server answered with status ${response.status}.`,
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  );
}

const item = encodeURIComponent;

export const api = {
  login: (login: string, password: string) =>
    request<Me>("/login", { method: "POST", body: { login, password } }),
  logout: () => request<void>("/logout", { method: "POST" }),
  me: () => request<Me>("/me"),

  calls: (query: URLSearchParams, signal?: AbortSignal) => request<CallPage>(`/calls?${query}`, { signal }),
  call: (id: string, signal?: AbortSignal) => request<Call>(`/calls/${item(id)}`, { signal }),
  overview: (query: URLSearchParams, signal?: AbortSignal) =>
    request<Overview>(`/overview?${query}`, { signal }),
  stats: (query: URLSearchParams, signal?: AbortSignal) => request<Stats>(`/stats?${query}`, { signal }),
  registrations: (query: URLSearchParams, signal?: AbortSignal) =>
    request<RegistrationPage>(`/registrations?${query}`, { signal }),
  registration: (id: string, signal?: AbortSignal) =>
    request<Registration>(`/registrations/${item(id)}`, { signal }),
  peers: (query: URLSearchParams, signal?: AbortSignal) => request<PeerPage>(`/peers?${query}`, { signal }),
  peer: (id: string, signal?: AbortSignal) => request<Peer>(`/peers/${item(id)}`, { signal }),
  /** Where the same registrations or peers come as CSV. */
  recordsCsvAddress: (path: string, query: URLSearchParams) => `${BASE}${path}?${query}&format=csv`,
  /** Where the same calls come as a file. */
  exportAddress: (query: URLSearchParams, format: "csv" | "ndjson") => `${BASE}/calls?${query}&format=${format}`,

  searches: (signal?: AbortSignal) =>
    request<{ searches: SavedSearch[] }>("/searches", { signal }).then((body) => body.searches),
  saveSearch: (name: string, query: string, is_common: boolean) =>
    request<SavedSearch>("/searches", { method: "POST", body: { name, query, is_common } }),
  forgetSearch: (id: string) => request<unknown>(`/searches/${item(id)}/delete`, { method: "POST", body: {} }),

  shares: (call: string, signal?: AbortSignal) =>
    request<{ may_share: boolean; shares: Share[] }>(`/calls/${item(call)}/shares`, { signal }),
  share: (call: string, hours: number) =>
    request<NewShare>(`/calls/${item(call)}/shares`, { method: "POST", body: { hours } }),
  endShare: (call: string, share: string) =>
    request<unknown>(`/calls/${item(call)}/shares/${item(share)}/revoke`, { method: "POST", body: {} }),
  /** The call of a link, by its secret. */
  shared: (secret: string) => request<SharedCall>("/shared", { headers: { "X-Share": secret } }),

  live: (signal?: AbortSignal) => request<LiveCalls>("/live", { signal }),
  sensors: (signal?: AbortSignal) =>
    request<{ sensors: Sensor[] }>("/sensors", { signal }).then((body) => body.sensors),
  sensor: (id: string, signal?: AbortSignal) => request<Sensor>(`/sensors/${item(id)}`, { signal }),
  revoke: (id: string) => request<unknown>(`/sensors/${item(id)}/revoke`, { method: "POST" }),
  strangers: (signal?: AbortSignal) =>
    request<{ strangers: Stranger[] }>("/strangers", { signal }).then((body) => body.strangers),
  users: (signal?: AbortSignal) =>
    request<{ users: Person[] }>("/users", { signal }).then((body) => body.users),
  addUser: (body: Pick<Person, "login" | "role" | "rights">) =>
    request<Person & { password: string }>("/users", { method: "POST", body }),
  changeUser: (login: string, body: Partial<Pick<Person, "role" | "rights" | "is_disabled">>) =>
    request<Person>(`/users/${item(login)}`, { method: "POST", body }),
  resetPassword: (login: string) =>
    request<{ password: string }>(`/users/${item(login)}/password`, { method: "POST", body: {} }),
  changePassword: (old: string, fresh: string) =>
    request<unknown>("/me/password", { method: "POST", body: { old, new: fresh } }),
  apiTokens: (signal?: AbortSignal) =>
    request<{ api_tokens: ApiToken[] }>("/api_tokens", { signal }).then((body) => body.api_tokens),
  newApiToken: (name: string, days: number) =>
    request<ApiToken & { token: string }>("/api_tokens", { method: "POST", body: { name, days } }),
  revokeApiToken: (id: string) => request<unknown>(`/api_tokens/${item(id)}/revoke`, { method: "POST", body: {} }),
  enrolmentTokens: (signal?: AbortSignal) =>
    request<{ tokens: EnrolmentToken[] }>("/tokens", { signal }).then((body) => body.tokens),
  revokeEnrolmentToken: (id: string) => request<unknown>(`/tokens/${item(id)}/revoke`, { method: "POST", body: {} }),
  audit: (query: URLSearchParams, signal?: AbortSignal) =>
    request<{ entries: AuditEntry[]; next: string | null }>(`/audit?${query}`, { signal }),

  packages: (signal?: AbortSignal) =>
    request<{ packages: Package[] }>("/packages", { signal }).then((body) => body.packages),
  announcePackage: (body: { bytes: number; sha256: string; signature: string }) =>
    request<Package>("/packages", { method: "POST", body }),
  sendPiece: (id: number, offset: number, bytes: ArrayBuffer) =>
    request<Package>(`/packages/${id}?offset=${offset}`, { method: "POST", bytes }),
  deletePackage: (id: number) => request<unknown>(`/packages/${id}/delete`, { method: "POST", body: {} }),
  upgrades: (signal?: AbortSignal) =>
    request<{ upgrades: Upgrade[] }>("/upgrades", { signal }).then((body) => body.upgrades),
  beginUpgrade: (id: number, sensors: string[], inRings: boolean) =>
    request<Upgrade>("/upgrades", { method: "POST", body: { package: id, sensors, in_rings: inRings } }),
  resumeUpgrade: (id: number) => request<Upgrade>(`/upgrades/${id}/resume`, { method: "POST", body: {} }),
  cancelUpgrade: (id: number) => request<Upgrade>(`/upgrades/${id}/cancel`, { method: "POST", body: {} }),
  claimWay: () => request<ClaimWay>("/claims"),
  findClaim: (code: string) => request<Claim>("/claims", { method: "POST", body: { code } }),
  acceptClaim: (code: string, device: string) =>
    request<Claim>("/claims/accept", { method: "POST", body: { code, device } }),
  newToken: () => request<NewToken>("/tokens", { method: "POST", body: {} }),

  captures: (call: string, signal?: AbortSignal) => request<Captures>(`/captures/${item(call)}`, { signal }),
  askCapture: (call: string, body: unknown) =>
    request<{ transfer: string }>(`/captures/${item(call)}`, { method: "POST", body }),
  askDirect: (call: string, body: unknown) =>
    request<{ url: string }>(`/captures/${item(call)}`, { method: "POST", body }),
  keepCall: (call: string) =>
    request<{ state: "asked" | "kept"; packets?: number; bytes?: number }>(`/captures/${item(call)}/keep`, {
      method: "POST",
      body: {},
    }),
  terms: (signal?: AbortSignal) => request<Terms>("/retrieval", { signal }),
  setTerms: (body: Partial<Terms>) => request<Terms>("/retrieval", { method: "POST", body }),
  fetchCapture: (call: string, transfer: string, signal?: AbortSignal) =>
    ask(`/captures/${item(call)}/${item(transfer)}`, { signal }),
  cancelCapture: (call: string, transfer: string) =>
    request<unknown>(`/captures/${item(call)}/${item(transfer)}/cancel`, { method: "POST", body: {} }),

  rules: (signal?: AbortSignal) => request<RuleList>("/rules", { signal }),
  saveRule: (id: number | null, body: Pick<Rule, "text" | "sensors" | "is_enabled">) =>
    request<Rule>(id === null ? "/rules" : `/rules/${id}`, { method: "POST", body }),
  deleteRule: (id: number) => request<unknown>(`/rules/${id}/delete`, { method: "POST", body: {} }),
  dryRun: (text: string) => request<DryRun>("/rules/dry_run", { method: "POST", body: { text } }),

  changes: (since: number, wait: number, signal: AbortSignal) =>
    request<{ serial: number }>(`/changes?since=${since}&wait=${wait}`, { signal }),
};
