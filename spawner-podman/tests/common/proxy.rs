//! A proxy before an engine's socket that spoils answers.

#![allow(dead_code)] // Each test uses some of it.

use std::io::{self, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a request. The engine gets it, unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The engine gets it so much later.
    Delay(Duration),
    /// This is the answer at once, if anything, and the engine gets it so much later.
    Late(Duration, &'static str),
    /// The engine never gets it, and the connection stays open.
    Swallow,
    /// The engine does it, and its answer never comes; the connection stays open.
    Hang,
    /// The engine never gets it; the connection is closed.
    Refuse,
    /// The engine does it, and its answer is cut after so many bytes: 0 is an answer that is lost.
    Cut(usize),
    /// The engine does it, and half of its answer's body is missing.
    HalfBody,
    /// The engine does it, and every letter of its answer's body is another one.
    Corrupt,
    /// The engine does it, and does not say which process is the container's first one, as if that were elsewhere.
    Pidless,
    /// The engine does it, and what comes is no HTTP.
    Garbage,
    /// The engine never gets it; the answer is status 500 with these words.
    Error(&'static str),
    /// The engine does it, and the answer is status 500 with these words all the same.
    FalseError(&'static str),
}

#[derive(Debug)]
struct Rule {
    method: String,
    part: String,
    fault: Fault,
    /// How often it is to happen still; `None` is for ever.
    times: Option<usize>,
}

#[derive(Debug)]
struct Shared {
    engine: PathBuf,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<String>>,
    streams: Mutex<Vec<UnixStream>>,
    ended: AtomicBool,
}

/// Listens until it is dropped; then all its connections end.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: PathBuf,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy that listens at `socket` for the engine at `address` (`unix:///…`). It spoils nothing yet.
    pub(crate) fn before(address: &str, socket: &Path) -> Self {
        let engine = address.strip_prefix("unix://").expect("the engine is reached by a socket").into();
        let listener = UnixListener::bind(socket).expect("the folder of the proxy's socket is there");
        let (rules, requests, streams) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { engine, rules, requests, streams, ended: AtomicBool::new(false) });
        let proxy = Self { socket: socket.to_owned(), shared: shared.clone() };
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if shared.ended.load(Ordering::SeqCst) {
                    break;
                }
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Err(error) = shared.serve(client) {
                        println!("proxy: {error}");
                    }
                });
            }
        });
        proxy
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Spoils every request of this method whose path has `part` in it.
    pub(crate) fn spoil(&self, method: &str, part: &str, fault: Fault) {
        self.rule(method, part, fault, None);
    }

    /// Spoils the next such request alone.
    pub(crate) fn spoil_next(&self, method: &str, part: &str, fault: Fault) {
        self.rule(method, part, fault, Some(1));
    }

    /// Spoils nothing any more. What hangs goes on hanging.
    pub(crate) fn mend(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Method and path of every request that came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    fn rule(&self, method: &str, part: &str, fault: Fault, times: Option<usize>) {
        let rule = Rule { method: method.to_owned(), part: part.to_owned(), fault, times };
        self.shared.rules.lock().unwrap().push(rule);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes whoever accepts.
        drop(UnixStream::connect(&self.socket));
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            close(&stream);
        }
        if let Err(error) = std::fs::remove_file(&self.socket) {
            println!("proxy: {}: {error}", self.socket.display());
        }
    }
}

impl Shared {
    fn serve(self: Arc<Self>, mut client: UnixStream) -> io::Result<()> {
        self.remember(&client)?;
        let (head, rest) = head(&mut client)?;
        let Some(line) = head.split(|&byte| byte == b'\r').next().filter(|line| !line.is_empty()) else {
            return Ok(());
        };
        let line = String::from_utf8_lossy(line).into_owned();
        let fault = self.fault(&line);
        self.requests.lock().unwrap().push(line);
        match &fault {
            Some(Fault::Delay(delay)) => thread::sleep(*delay),
            Some(Fault::Late(delay, answer)) => {
                client.write_all(answer.as_bytes())?;
                close(&client);
                thread::sleep(*delay);
            }
            // It stays open until the proxy ends.
            Some(Fault::Swallow) => return Ok(()),
            Some(Fault::Refuse) => {
                close(&client);
                return Ok(());
            }
            Some(Fault::Error(words)) => return refuse(&mut client, words),
            _ => {}
        }
        let mut engine = UnixStream::connect(&self.engine)?;
        self.remember(&engine)?;
        engine.write_all(&head)?;
        engine.write_all(&rest)?;
        if matches!(fault, Some(Fault::Late(..))) {
            // It is done when it is answered.
            return io::copy(&mut engine, &mut io::sink()).map(drop);
        }
        let (mut more, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
        thread::spawn(move || pass(&mut more, &mut to_engine));
        match fault {
            None | Some(Fault::Delay(_)) => pass(&mut engine, &mut client),
            Some(Fault::Cut(bytes)) => {
                // The engine has done it when it begins to answer.
                let mut first = [0; 4096];
                let read = engine.read(&mut first)?;
                pass(&mut first[..read].chain(engine).take(bytes as u64), &mut client);
                close(&client);
            }
            Some(fault) => spoil(&fault, &mut engine, &mut client)?,
        }
        Ok(())
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let (method, path) = line.split_once(' ')?;
        let mut rules = self.rules.lock().unwrap();
        let at = rules.iter().position(|rule| rule.method == method && path.contains(&rule.part))?;
        let fault = rules[at].fault.clone();
        match &mut rules[at].times {
            Some(1) => drop(rules.remove(at)),
            Some(times) => *times -= 1,
            None => {}
        }
        Some(fault)
    }

    fn remember(&self, stream: &UnixStream) -> io::Result<()> {
        self.streams.lock().unwrap().push(stream.try_clone()?);
        Ok(())
    }
}

/// Passes a whole answer on, spoilt.
fn spoil(fault: &Fault, engine: &mut UnixStream, client: &mut UnixStream) -> io::Result<()> {
    let (head, mut body) = head(engine)?;
    if matches!(fault, Fault::Hang) {
        return Ok(());
    }
    let (length, is_chunked) = (length(&head), is_chunked(&head));
    while length.is_some_and(|length| body.len() < length) || is_chunked && !body.ends_with(b"\r\n0\r\n\r\n")
    {
        let mut more = [0; 4096];
        let read = engine.read(&mut more)?;
        body.extend_from_slice(&more[..read]);
        if read == 0 {
            break;
        }
    }
    match fault {
        Fault::HalfBody => {
            client.write_all(&head)?;
            client.write_all(&body[..body.len() / 2])?;
        }
        Fault::Corrupt => {
            client.write_all(&head)?;
            client.write_all(&body.iter().map(|byte| byte ^ 0x15).collect::<Vec<_>>())?;
        }
        Fault::Pidless => {
            client.write_all(&head)?;
            // As long as it was, since its length has been said.
            client.write_all(String::from_utf8_lossy(&body).replace("\"Pid\":", "\"Pix\":").as_bytes())?;
        }
        Fault::FalseError(words) => refuse(client, words)?,
        _ => client.write_all(b"\0\xff\x17 this is no HTTP\r\n\r\n\0\0")?,
    }
    close(client);
    Ok(())
}

/// Everything up to the empty line, and what came with it of what follows.
fn head(stream: &mut UnixStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = head.split_off(end + 4);
            return Ok((head, rest));
        }
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok((head, Vec::new()));
        }
        head.extend_from_slice(&piece[..read]);
    }
}

/// The length of the body, where the head says it.
fn length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    line.trim().parse().ok()
}

/// Whether the body comes in chunks, the last of which is empty.
fn is_chunked(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).to_lowercase().contains("\r\ntransfer-encoding: chunked")
}

fn refuse(client: &mut UnixStream, words: &str) -> io::Result<()> {
    let body = format!("{{\"cause\":\"a fault\",\"message\":\"{words}\",\"response\":500}}");
    write!(
        client,
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    close(client);
    Ok(())
}

/// Until either side ends; then the other hears of it.
fn pass(from: &mut impl Read, to: &mut UnixStream) {
    let copied = io::copy(from, to);
    let end = to.shutdown(Shutdown::Write);
    if let (Err(error), _) | (_, Err(error)) = (copied, end) {
        // The other side has gone already.
        println!("proxy: {error}");
    }
}

fn close(stream: &UnixStream) {
    if let Err(error) = stream.shutdown(Shutdown::Both) {
        println!("proxy: {error}");
    }
}
