//! Runs the measured functions on one processor, and the endpoints and this program on another, so that neither takes
//! the other's time.

use std::{fs, io, path::Path, sync::LazyLock, thread};

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Failure, Result};

/// The first and the last processor of this process; `None` if it has only one, or if the system cannot bind it to
/// one.
static ENDS: LazyLock<Option<(usize, usize)>> = LazyLock::new(ends);

/// Binds this thread to the first processor, and with it all threads that it starts later.
pub(crate) fn leave_the_functions_alone() -> Result<()> {
    ENDS.map_or(Ok(()), |(first, _)| bind(first)).map_err(Failure::to("bind this program to a processor"))
}

/// Calls `run` on the functions' processor, the last one. Processes and threads that it starts stay there.
pub(crate) fn on_the_functions<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let run = scope.spawn(move || {
            // If this fails, the figures are noisier, but still true.
            let _ = ENDS.map(|(_, last)| bind(last));
            run()
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The processor time in a thread's `schedstat`, in nanoseconds. Fails if the kernel does not keep it.
pub(crate) fn time_used(schedstat: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(schedstat)?;
    let first = text.split_whitespace().next().and_then(|first| first.parse().ok());
    first.ok_or_else(|| io::Error::other("the kernel keeps no schedstat"))
}

#[cfg(target_os = "linux")]
fn ends() -> Option<(usize, usize)> {
    let own = sched_getaffinity(None).ok()?;
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| own.is_set(*processor));
    processors.next().zip(processors.next_back())
}

#[cfg(target_os = "linux")]
fn bind(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}

/// Other systems have neither this nor the files that the figures come from: there the package only builds.
#[cfg(not(target_os = "linux"))]
fn ends() -> Option<(usize, usize)> {
    None
}

#[cfg(not(target_os = "linux"))]
fn bind(_: usize) -> io::Result<()> {
    Ok(())
}
