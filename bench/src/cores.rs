//! Who runs where: what is measured has a processor for itself, and the endpoints and this program's own work have
//! another, so that neither takes the other's time.

use std::{fs, io, path::Path, sync::LazyLock, thread};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Failure, Result};

/// The first and the last processor of this process, where it has more than one.
static ENDS: LazyLock<Option<(usize, usize)>> = LazyLock::new(|| {
    let own = sched_getaffinity(None).ok()?;
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| own.is_set(*processor));
    processors.next().zip(processors.next_back())
});

/// Binds this thread to the first processor, and so all threads that it starts later.
pub(crate) fn leave_the_functions_alone() -> Result<()> {
    ENDS.map_or(Ok(()), |(first, _)| bind(first)).map_err(Failure::to("bind this program to a processor"))
}

/// Runs something on the functions' processor, the last one. What it starts stays there.
pub(crate) fn on_the_functions<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let run = scope.spawn(move || {
            // Where this fails the figures are noisier, and no less true.
            let _ = ENDS.map(|(_, last)| bind(last));
            run()
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The processor time in a thread's `schedstat`, in nanoseconds.
pub(crate) fn time_used(schedstat: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(schedstat)?;
    let first = text.split_whitespace().next().and_then(|first| first.parse().ok());
    first.ok_or_else(|| io::Error::other("the kernel keeps no schedstat"))
}

fn bind(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}
