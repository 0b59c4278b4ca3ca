//! Since when pods have been running that were there before the agent: by the age of their oldest process, which is the sandbox's.

use super::{Cgroups, Owner};
use crate::sockets;
use netwright_record::{Name, Time};
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// When the oldest process of each pod was started, to a hundredth of a second, never too late. `proc` and `mount` are as for
/// [`sockets::read`]. O(processes).
pub fn pods_started(proc: &Path, cgroups: &Cgroups, mount: &Path) -> HashMap<Name, Time> {
    let (boot, mut oldest) = (booted(Time::now()), HashMap::new());
    for pid in sockets::processes(proc) {
        let directory = proc.join(pid.to_string());
        let owner = sockets::cgroup_path(&directory, mount)
            .and_then(|path| cgroups.at(&path).map(|(_, cgroup)| cgroup.owner.clone()));
        let Some(Owner::Pod { uid }) = owner else { continue };
        let stat = fs::read_to_string(directory.join("stat")).unwrap_or_default();
        let Some(started) = started_ticks(&stat).and_then(|ticks| boot.checked_add(of_ticks(ticks)).ok()) else {
            continue;
        };
        let known = oldest.entry(uid).or_insert(started);
        *known = started.min(*known);
    }
    let milliseconds = |time: Time| Time::from_millisecond(time.as_millisecond()).unwrap_or(time);
    oldest.into_iter().map(|(uid, time)| (uid, milliseconds(time))).collect()
}

/// The time of day at which the machine was started, sleep counted.
fn booted(now: Time) -> Time {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec.unsigned_abs(), u32::try_from(up.tv_nsec).unwrap_or(0));
    now.checked_sub(up).unwrap_or(Time::UNIX_EPOCH)
}

fn of_ticks(ticks: u64) -> Duration {
    let per_second = clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1000) / per_second)
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): ticks between the machine's start and the process's. The second field, a name in
/// brackets, may hold anything.
fn started_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_whatever_the_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9";
        assert_eq!(started_ticks(stat), Some(4711));
        assert_eq!(started_ticks("7 (a) S 1"), None);
        assert_eq!(started_ticks(""), None);
    }

    #[test]
    fn this_process_was_started_a_moment_ago() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let now = Time::now();
        let started = booted(now).checked_add(of_ticks(started_ticks(&stat).unwrap())).unwrap();
        let ago = now.duration_since(started).as_millis();
        assert!((-20..600_000).contains(&ago), "{ago} ms");
    }
}
