//! The sidecar's program.

/// An idle sidecar spends its time on little but system calls, and musl's allocator makes more of
/// them for each renewal than all else together.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    mooring_sidecar::main()
}
