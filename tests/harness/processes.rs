//! The functions' processes, for tests that kill them or measure their memory.

use std::fs;

use rustix::process::Pid;

/// A process that runs a function's code.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: Pid,
    /// The function's name on AWS, which contains its name in the template.
    pub(crate) function: String,
}

/// The functions' processes among the emulator's children. Empty on systems without `/proc`, such as macOS.
pub(crate) fn of(emulator: Pid) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    ids.filter(|id| parent(*id) == Some(emulator))
        .filter_map(|id| Some(Process { id, function: function(id)? }))
        .collect()
}

/// The peak memory of a process, in KiB.
pub(crate) fn peak_memory(id: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}

/// See <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>: the parent follows the state, and the state
/// follows the name in parentheses, which can contain any character.
fn parent(id: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    Pid::from_raw(parent.parse().ok()?)
}

fn function(id: Pid) -> Option<String> {
    let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let name = variables.find_map(|variable| variable.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="))?;
    String::from_utf8(name.to_vec()).ok()
}
