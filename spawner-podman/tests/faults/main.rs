//! What an engine that is killed, stopped or short of disk does to the clean-up, judged by the engine's own program and
//! by `/proc`. Needs an engine: `eval "$(scripts/podman.sh up DIR)"`; `SPAWNER_SKIP=podman` says that none is wanted.

mod disk;
mod engine;
mod meddler;
mod meddling;
mod silence;
