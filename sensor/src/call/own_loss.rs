//! Which of a stream's losses may be the sensor's own: those of the seconds in which the capture
//! missed packets.

/// Counts of one stream, brought up to date each second of a live capture.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnLoss {
    lost: u32,
    /// Lost in the last second, should the next one tell that packets were missed.
    open: u32,
    /// The stream's losses when it was last asked.
    known: u32,
}

impl OwnLoss {
    /// A second has passed, and the stream has lost so many in all; whether the sensor missed
    /// packets in it, and in the one before. A drop is counted a little before or after its gap is
    /// seen, so the seconds around it count, too.
    pub fn note(&mut self, lost: u32, is_lossy: bool, was_lossy: bool) {
        let new = lost.saturating_sub(self.known);
        self.known = lost;
        if is_lossy {
            self.lost += core::mem::take(&mut self.open) + new;
        } else if was_lossy {
            self.lost += new;
        } else {
            self.open = new;
        }
    }

    /// Of `lost` in all, those that may be the sensor's. A number that came late after all is
    /// nobody's loss.
    #[must_use]
    pub fn of(&self, lost: u32) -> u32 {
        self.lost.min(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten lost each second; which of them are the sensor's.
    fn own(lossy: &[bool]) -> u32 {
        let (mut own, mut was_lossy) = (OwnLoss::default(), false);
        for (lost, &is_lossy) in (10..).step_by(10).zip(lossy) {
            own.note(lost, is_lossy, was_lossy);
            was_lossy = is_lossy;
        }
        own.of(u32::MAX)
    }

    #[test]
    fn the_seconds_around_a_drop_count() {
        assert_eq!(own(&[false; 5]), 0);
        assert_eq!(own(&[false, false, true, false, false]), 30);
        assert_eq!(own(&[true, true, false, true]), 40, "no second twice");
        assert_eq!(own(&[true; 3]), 30);
    }

    #[test]
    fn never_more_than_was_lost() {
        let mut own = OwnLoss::default();
        own.note(10, true, false);
        assert_eq!(own.of(4), 4, "six came late");
        own.note(4, true, true);
        assert_eq!(own.of(4), 4);
    }
}
