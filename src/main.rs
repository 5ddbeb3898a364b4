//! The program `spawner`.

mod cli;

fn main() -> std::process::ExitCode {
    // Here, before any thread and before anything large is in memory, is the place to fork the supervisor.
    spawner_conformance::serve_if_asked(cli::conformance::make);
    cli::main()
}
