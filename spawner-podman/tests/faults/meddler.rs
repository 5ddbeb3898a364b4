//! Sits on the way to an engine, and does something to a reply.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What becomes of a request.
pub(crate) enum Deed {
    Pass,
    /// The engine gets it, and nobody hears what it says.
    LoseReply,
    /// The engine gets it, and half of what it says arrives.
    HalveReply,
    /// The engine gets it, and what it says does not come; the connection stays open.
    WithholdReply,
    /// The engine never hears of it.
    Refuse(&'static str),
}

type Plan = dyn FnMut(&str) -> Deed + Send;

/// Passes requests on, one for each connection, but for those that its plan names by their first line
/// and their body.
pub(crate) struct Meddler {
    address: String,
    plan: Arc<Mutex<Box<Plan>>>,
}

impl Meddler {
    pub(crate) fn start(folder: &Path, engine: &str) -> Self {
        let socket = folder.join("meddler.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let plan: Arc<Mutex<Box<Plan>>> = Arc::new(Mutex::new(Box::new(|_| Deed::Pass)));
        let (shared, engine) = (Arc::clone(&plan), engine.trim_start_matches("unix://").to_owned());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (plan, engine) = (Arc::clone(&shared), engine.clone());
                std::thread::spawn(move || {
                    // A client that went away is none of its business.
                    serve(client, &engine, &plan).unwrap_or_default();
                });
            }
        });
        Self { address: format!("unix://{}", socket.display()), plan }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn plan(&self, plan: impl FnMut(&str) -> Deed + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }
}

/// The name of the container that this request is about to make.
pub(crate) fn name_in(request: &str) -> &str {
    let at = request.find("spawner-").expect("the container is named in the request");
    let name = request[at..].split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').next();
    name.unwrap_or_default()
}

fn serve(client: UnixStream, engine: &str, plan: &Mutex<Box<Plan>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length, mut upgrades) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        upgrades |= lower.starts_with("upgrade:");
        if lower == "\r\n" {
            break;
        }
        // Said again below.
        if upgrades || !lower.starts_with("connection:") {
            head += &line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = head.lines().next().unwrap_or_default();
    let deed = (plan.lock().unwrap())(&format!("{line}\n{}", String::from_utf8_lossy(&body)));
    if let Deed::Refuse(answer) = deed {
        return (&client).write_all(answer.as_bytes());
    }
    let mut upstream = UnixStream::connect(engine)?;
    head += if upgrades { "Connection: Upgrade\r\n\r\n" } else { "Connection: close\r\n\r\n" };
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(&body)?;
    if matches!(deed, Deed::Pass) {
        return pass(reader, client, upstream, upgrades);
    }
    let mut reply = Vec::new();
    upstream.read_to_end(&mut reply)?;
    match deed {
        Deed::HalveReply => (&client).write_all(&reply[..reply.len() / 2])?,
        // Until the client goes away.
        Deed::WithholdReply => drop(reader.read_to_end(&mut Vec::new())?),
        _ => {}
    }
    client.shutdown(Shutdown::Both)
}

fn pass(
    mut reader: BufReader<UnixStream>,
    mut client: UnixStream,
    mut upstream: UnixStream,
    both: bool,
) -> std::io::Result<()> {
    if both {
        let mut there = upstream.try_clone()?;
        std::thread::spawn(move || {
            let copied = std::io::copy(&mut reader, &mut there);
            copied.and_then(|_| there.shutdown(Shutdown::Write)).unwrap_or_default();
        });
    }
    std::io::copy(&mut upstream, &mut client)?;
    client.shutdown(Shutdown::Write)
}
