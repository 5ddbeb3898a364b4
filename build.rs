//! Links the released program statically where that is possible.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if wanted()
        && let Some(folder) = stand_ins()
    {
        // For the program alone: with these in their way, tests and benchmarks would be half static.
        for argument in [&*format!("-L{}", folder.display()), "-static", "-no-pie"] {
            println!("cargo::rustc-link-arg-bin=spawner={argument}");
        }
    }
}

/// A started program spends a third of its time on shared libraries and relocations; `spawner run` is
/// started often.
fn wanted() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|own| own == value);
    is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && env::var("HOST") == env::var("TARGET")
}

/// Where the C compiler that links has this archive.
fn archive(name: &str) -> Option<PathBuf> {
    let printed = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(printed.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

/// A folder with linker scripts in place of the shared libraries that rustc asks for, each of which names the
/// archive of the same library. `None` where the host has not all of them.
fn stand_ins() -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os("OUT_DIR")?);
    for (library, archives) in [
        ("c", &["libc.a", "libgcc_eh.a", "libgcc.a", "libc.a"][..]),
        ("gcc_s", &["libgcc_eh.a", "libgcc.a", "libc.a"]),
        ("m", &["libm.a"]),
        ("dl", &["libdl.a"]),
        ("rt", &["librt.a"]),
        ("pthread", &["libpthread.a"]),
        ("util", &["libutil.a"]),
    ] {
        let paths: Option<Vec<_>> =
            archives.iter().map(|name| Some(archive(name)?.display().to_string())).collect();
        fs::write(folder.join(format!("lib{library}.so")), format!("GROUP ( {} )\n", paths?.join(" ")))
            .ok()?;
    }
    Some(folder)
}
