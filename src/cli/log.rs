//! Logging, for those who ask for it.

use tracing_subscriber::filter::LevelFilter;

use super::failure::Failure;

/// The variable that says how much is logged.
const VARIABLE: &str = "SPAWNER_LOG";

/// Starts logging to standard error, where `-v` (debug) or `-vv` (trace) or the variable asks for it.
pub(crate) fn start(verbose: u8) -> Result<(), Failure> {
    let level = match (verbose, std::env::var_os(VARIABLE)) {
        (0, None) => return Ok(()),
        (0, Some(level)) => {
            let level = level.to_string_lossy().into_owned();
            level.parse::<LevelFilter>().map_err(|_| {
                Failure::new(format!(
                    "{VARIABLE}=`{level}` is no level: off, error, warn, info, debug or trace"
                ))
            })?
        }
        (1, _) => LevelFilter::DEBUG,
        (_, _) => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // What cannot be written cannot be complained about there either; the attempt would be a panic.
    log.log_internal_errors(false).init();
    Ok(())
}
