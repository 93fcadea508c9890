//! Extended reports (RFC 3611): the VoIP metrics block.
//!
//! ```text
//!  0                   1                   2                   3
//! |     BT=7      |   reserved    |       block length = 8        |
//! |                        SSRC of source                         |
//! |   loss rate   | discard rate  | burst density |  gap density  |
//! |       burst duration          |         gap duration          |
//! |     round trip delay          |       end system delay        |
//! | signal level  |  noise level  |     RERL      |     Gmin      |
//! |   R factor    | ext. R factor |    MOS-LQ     |    MOS-CQ     |
//! |   RX config   |   reserved    |          JB nominal           |
//! |          JB maximum           |          JB abs max           |
//! ```

use ringside_protocol::cdr::VoipMetrics;

use crate::wire::reader::{Reader, Short};

/// Block type of the VoIP metrics (RFC 3611 §4.7).
const VOIP_METRICS: u8 = 7;

/// The VoIP metrics blocks of one packet, each with the source that it is about; ends at the first
/// block that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    pub(super) body: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = (u32, VoipMetrics);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut reader = Reader::new(self.body);
            let block_type = reader.u8().ok()?;
            reader.u8().ok()?;
            let words = reader.u16().ok()?;
            let block = reader.take(usize::from(words) * 4).ok()?;
            self.body = reader.rest();
            if block_type == VOIP_METRICS
                && let Ok(metrics) = voip_metrics(block)
            {
                return Some(metrics);
            }
        }
    }
}

fn voip_metrics(block: &[u8]) -> Result<(u32, VoipMetrics), Short> {
    let mut reader = Reader::new(block);
    let ssrc = reader.u32()?;
    let [loss_rate, discard_rate, burst_density, gap_density] = reader.array()?;
    let (burst_duration, gap_duration) = (reader.u16()?, reader.u16()?);
    let (round_trip_delay, end_system_delay) = (reader.u16()?, reader.u16()?);
    let [signal_level, noise_level, rerl, gmin] = reader.array()?;
    let [r_factor, ext_r_factor, mos_lq, mos_cq] = reader.array()?;
    let [rx_config, _] = reader.array()?;
    let (jb_nominal, jb_maximum, jb_abs_max) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let metrics = VoipMetrics {
        reports: 1,
        loss_rate,
        discard_rate,
        burst_density,
        gap_density,
        burst_duration,
        gap_duration,
        round_trip_delay,
        end_system_delay,
        signal_level: signal_level.cast_signed(),
        noise_level: noise_level.cast_signed(),
        rerl,
        gmin,
        r_factor,
        ext_r_factor,
        mos_lq,
        mos_cq,
        rx_config,
        jb_nominal,
        jb_maximum,
        jb_abs_max,
    };
    Ok((ssrc, metrics))
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, packets};
    use super::*;

    /// A block of another type, then the VoIP metrics.
    fn extended_report() -> Vec<u8> {
        let mut bytes = vec![0x80, 207, 0, 13, 0, 0, 0, 1];
        bytes.extend([4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend([7, 0, 0, 8, 0, 0, 0, 2]);
        bytes.extend([3, 5, 64, 1, 0, 200, 3, 232, 0, 90, 0, 40]);
        bytes.extend([0xec, 0xc4, 55, 16, 88, 127, 41, 39, 0xb0, 0, 0, 60, 0, 120, 1, 0]);
        bytes
    }

    fn blocks(bytes: &[u8]) -> Vec<(u32, VoipMetrics)> {
        let Some(Ok(Packet::ExtendedReport(blocks))) = packets(bytes).next() else {
            panic!("no extended report");
        };
        blocks.collect()
    }

    #[test]
    fn voip_metrics_are_read_and_other_blocks_passed_over() {
        let expected = VoipMetrics {
            reports: 1,
            loss_rate: 3,
            discard_rate: 5,
            burst_density: 64,
            gap_density: 1,
            burst_duration: 200,
            gap_duration: 1000,
            round_trip_delay: 90,
            end_system_delay: 40,
            signal_level: -20,
            noise_level: -60,
            rerl: 55,
            gmin: 16,
            r_factor: 88,
            ext_r_factor: 127,
            mos_lq: 41,
            mos_cq: 39,
            rx_config: 0xb0,
            jb_nominal: 60,
            jb_maximum: 120,
            jb_abs_max: 256,
        };
        assert_eq!(blocks(&extended_report()), [(2, expected)]);
    }

    #[test]
    fn every_truncation_ends_the_blocks() {
        let whole = extended_report();
        for words in 2..whole.len() / 4 {
            let mut cut = whole[..words * 4].to_vec();
            cut[3] = u8::try_from(words - 1).unwrap();
            assert!(blocks(&cut).is_empty(), "{words} words");
        }
    }
}
