// The RTP streams of a made-up call, with the figures of each 10 s.

const CODECS = [
  { encoding_name: "PCMA", payload_type: 8, clock_rate: 8000, scale: "nb", best: 4.41 },
  { encoding_name: "PCMU", payload_type: 0, clock_rate: 8000, scale: "nb", best: 4.41 },
  { encoding_name: "G729", payload_type: 18, clock_rate: 8000, scale: "nb", best: 4.07 },
  { encoding_name: "G722", payload_type: 9, clock_rate: 8000, scale: "wb", best: 4.35 },
  { encoding_name: "opus", payload_type: 111, clock_rate: 48000, scale: null, best: null },
];

/** Both directions, or one where the call is one-way. */
export function media(random, kind, a, answerAt, total, at) {
  const codec =
    kind === "fax"
      ? { encoding_name: "t38", payload_type: 0, clock_rate: null, scale: null, best: null }
      : random.pick(CODECS);
  const rtp = (address, port) => address.replace(/:\d+$/, `:${port}`);
  const phone = rtp(a.phone, 11_780);
  const pbx = rtp(a.pbx, 16_002);
  const there = stream(
    random,
    kind === "one_way" ? "good" : kind,
    codec,
    phone,
    pbx,
    "caller_to_callee",
    answerAt,
    total,
    at,
  );
  if (kind === "one_way") return [there];
  return [
    there,
    stream(
      random,
      kind === "lossy" && random.chance(0.6) ? "good" : kind,
      codec,
      pbx,
      phone,
      "callee_to_caller",
      answerAt + 8_000,
      total,
      at,
    ),
  ];
}

function stream(random, kind, codec, src, dst, direction, from, total, at) {
  const seconds = (total - from) / 1e6;
  const pps = 50;
  const badness =
    kind === "lossy"
      ? random.between(0.02, 0.16)
      : kind === "jittery"
        ? random.between(0.002, 0.02)
        : random.chance(0.3)
          ? 0.0008
          : 0;
  const jitterBase = kind === "jittery" ? random.between(18, 55) : random.between(0.3, 4);
  const spell = random.between(0.1, 0.7);
  const intervals = [];
  for (let s = 0; s < seconds && intervals.length < 720; s += 10) {
    const length = Math.min(10, seconds - s);
    const here = s / seconds;
    const weight = badness && Math.abs(here - spell) < 0.16 ? 3 : 0.3;
    const expected = Math.max(1, Math.round(length * pps));
    const lost = Math.min(expected, Math.round(expected * badness * weight * random.between(0.4, 1.5)));
    const jitter = jitterBase * random.between(0.6, 1.4) * (weight > 1 ? 1.6 : 1);
    intervals.push({
      at_s: s,
      packets: expected - lost,
      lost,
      jitter_ms: Math.round(jitter * 10) / 10,
      mos: codec.best === null ? null : score(codec.best, lost / expected, jitter),
    });
  }
  const lost = intervals.reduce((sum, i) => sum + i.lost, 0);
  const packets = intervals.reduce((sum, i) => sum + i.packets, 0);
  const expected = packets + lost;
  const mos = codec.best === null || seconds < 2 ? null : score(codec.best, lost / expected, jitterBase);
  const jitterMean = codec.clock_rate === null ? null : Math.round(jitterBase * 1000) / 1000;
  return {
    src,
    dst,
    ssrc: Math.floor(random.next() * 2 ** 32),
    payload_type: codec.payload_type,
    encoding_name: codec.encoding_name,
    clock_rate: codec.clock_rate,
    ptime_ms: 20,
    dscp: random.pick([46, 46, 0]),
    direction,
    first_at: at(from + 20_000),
    last_at: at(total - 40_000),
    packets,
    dscp_change: null,
    bytes: packets * 160,
    expected,
    lost,
    duplicates: random.chance(0.1) ? 12 : 0,
    reordered: kind === "jittery" ? random.whole(2, 80) : 0,
    capture_lost: random.chance(0.3) ? null : 0,
    jitter_mean_ms: jitterMean,
    jitter_max_ms: jitterMean === null ? null : Math.round(jitterBase * 2700) / 1000,
    delta_max_ms: Math.round(random.between(20.5, kind === "lossy" ? 1400 : 80) * 1000) / 1000,
    burst_r: lost > 0 ? Math.round(random.between(0.95, 2.4) * 100) / 100 : null,
    mos,
    r: mos === null ? null : Math.round(mos * 21.2 * 10) / 10,
    mos_fixed_50: mos === null ? null : Math.max(1, Math.round((mos - jitterBase / 60) * 100) / 100),
    mos_fixed_200: mos === null ? null : Math.max(1, Math.round((mos - 0.06) * 100) / 100),
    mos_scale: mos === null ? null : codec.scale,
    mos_estimated: mos !== null && codec.encoding_name === "G722",
    mos_reason:
      mos !== null
        ? null
        : codec.encoding_name === "t38"
          ? "the stream is not speech"
          : seconds < 2
            ? "too few packets"
            : "no Ie and Bpl are published for the codec",
    discarded: mos === null ? null : kind === "jittery" ? random.whole(3, 60) : 0,
    discarded_fixed_50: mos === null ? null : kind === "jittery" ? random.whole(60, 400) : 0,
    discarded_fixed_200: mos === null ? null : 0,
    network_lost: lost,
    delta_mean_ms: 20,
    observed: [],
    level: { active_percent: random.whole(20, 70), speech_dbm0: -random.whole(14, 30), clipped_packets: 0 },
    drift_ppm: seconds > 60 ? random.whole(-60, 60) : null,
    described: null,
    preferred: null,
    cname: null,
    voip_metrics: null,
    rtcp: random.chance(0.75)
      ? {
          reports: Math.max(1, Math.floor(seconds / 5)),
          fraction_lost: Math.round(badness * 256) / 256,
          cumulative_lost: lost,
          interarrival_jitter: Math.round(jitterBase * 8),
          interarrival_jitter_ms: jitterMean,
          round_trip_ms: random.chance(0.7) ? Math.round(random.between(8, 90) * 1000) / 1000 : null,
        }
      : null,
    intervals,
  };
}

function score(best, loss, jitter) {
  const mos = best - loss * 22 - Math.max(0, jitter - 12) / 24;
  return Math.round(Math.max(1, mos) * 100) / 100;
}
