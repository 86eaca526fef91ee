//! The sidecar's program.

fn main() -> std::process::ExitCode {
    mooring_sidecar::main()
}
