//! Where code lies in the static program (`seldom.ld`).

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=seldom.ld");
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    if set("CARGO_CFG_TARGET_ENV") == "musl" {
        // A copy beside what is built: checkouts that build into one folder share this program's
        // answer, and the one that it named may be gone.
        let script = format!("{}/seldom.ld", set("OUT_DIR"));
        std::fs::copy("seldom.ld", &script)?;
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
    }
    Ok(())
}
