//! `ringside-sensor provision`: a box takes over what a technician has written.

use std::path::Path;

use super::{DONE, Stop, WRONG, print};
use crate::provision::{self, Taken};

pub(super) fn provision(file: &Path, into: &Path) -> Result<u8, Stop> {
    match provision::take_over(file, into).map_err(Stop::failed)? {
        Taken::Nothing => print(&format!("{}: nothing to take over\n", file.display())),
        Taken::All => {
            print(&format!("{} is taken over\n", file.display()))?;
            Ok(DONE)
        }
        Taken::Refused(problems) => {
            let lines: Vec<_> = problems.iter().map(|it| format!("  {it}")).collect();
            Err(Stop {
                code: WRONG,
                sentence: format!("{} is not taken over:\n{}", file.display(), lines.join("\n")),
            })
        }
    }
}
