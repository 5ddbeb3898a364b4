#!/bin/bash
# Type-checks the parts that macOS and FreeBSD can use, for the systems on which nothing can be run here.
#
#   scripts/check-other-systems.sh
#
# No linker for them is to be had on Debian, so nothing is linked; what a check does not see, nobody has seen. It takes a
# compiler with the sources of its standard library (Debian: rustc-web, cargo-web, rust-web-src), and installs nothing:
# where they are missing it says so and exits with 0.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
(($# == 0)) || { echo "usage: scripts/check-other-systems.sh" >&2 && exit 2; }

for file in /usr/bin/cargo /usr/bin/rustc /usr/lib/rustlib/src/rust/library/std/Cargo.toml; do
    if [[ ! -e $file ]]; then
        echo "skipped: $file is not there: apt-get install rustc-web cargo-web rust-web-src"
        exit 0
    fi
done

target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
packages=(--package spawner-core --package spawner-process --package spawner-conformance --package spawner)
systems=(x86_64-unknown-freebsd x86_64-apple-darwin aarch64-apple-darwin)

# check SYSTEM...: for all of these at the same time. A warning fails too, as it does for Linux. In one folder with what
# scripts/test-windows.sh builds, since what runs in the course of building is the same for all.
check() {
    said=$(RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_PROFILE_DEV_DEBUG=0 /usr/bin/cargo check --quiet --locked \
        -Zbuild-std=std,panic_abort "${@/#/--target=}" --target-dir "$target/other" "${packages[@]}" \
        --no-default-features --features "process,cli" 2>&1) && [[ -z $said ]]
}

failed=0
if check "${systems[@]}"; then
    printf '%s: checked\n' "${systems[@]}"
    exit
fi
# What it says does not tell which one it is about.
for system in "${systems[@]}"; do
    if check "$system"; then
        echo "$system: checked"
    else
        printf '%s\n' "$said" "$system: failed"
        failed=1
    fi
done
exit "$failed"
