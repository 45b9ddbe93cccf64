//! A registry that does what a test tells it to: the faults that a real one cannot be asked for.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "public to the test that includes it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Mode {
    /// With this schema for every id, and with id 7 for what is registered.
    Schema(String),
    /// The same, to whoever sends this header line; to others 401.
    Guarded(&'static str, String),
    /// 404, in a registry's words.
    NotFound,
    /// The same for ids below this, with the schema for others.
    From(u32, String),
    /// A status, with more headers (each with its line end) and a body.
    Status(u16, &'static str, &'static str),
    /// With the schema, after so long.
    Slow(Duration, String),
    /// Takes the question and never answers.
    Hang,
    /// 200, and half of the body that was promised.
    Half,
    /// Closes the connection.
    Close,
}

struct State {
    mode: Mode,
    /// The heads of all requests.
    heads: Vec<String>,
}

/// A fake registry on a port of its own; gone when it is dropped.
pub struct Fake {
    state: Arc<Mutex<State>>,
    pub port: u16,
    stop: Arc<Mutex<bool>>,
}

impl Fake {
    pub fn start(mode: Mode) -> Self {
        Self::on(0, mode)
    }

    pub fn on(port: u16, mode: Mode) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let state = Arc::new(Mutex::new(State { mode, heads: Vec::new() }));
        let stop = Arc::new(Mutex::new(false));
        let fake = Self { state: Arc::clone(&state), port: listener.local_addr().unwrap().port(), stop };
        let stopped = Arc::clone(&fake.stop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if *stopped.lock().unwrap() {
                    return;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || answer(stream, &state));
            }
        });
        fake
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    pub fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }

    pub fn questions(&self) -> usize {
        self.heads().len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        *self.stop.lock().unwrap() = true;
        // Wakes the listener, which sees that it is to end.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One question a connection.
fn answer(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let mode = {
        let mut state = state.lock().unwrap();
        state.heads.push(head.clone());
        state.mode.clone()
    };
    let mut out = stream;
    let schema = |schema: &str| match head.starts_with("GET") {
        true => json!({"id": 7, "schema": schema}).to_string(),
        false => json!({"id": 7}).to_string(),
    };
    let id = head.split(['/', '?']).find_map(|part| part.parse::<u32>().ok());
    let written = match mode {
        Mode::From(least, text) if id >= Some(least) => out.write_all(response(200, "", &schema(&text)).as_bytes()),
        Mode::Schema(text) => out.write_all(response(200, "", &schema(&text)).as_bytes()),
        Mode::Guarded(line, text) if head.lines().any(|said| said.eq_ignore_ascii_case(line)) => {
            out.write_all(response(200, "", &schema(&text)).as_bytes())
        }
        Mode::Guarded(..) => out.write_all(response(401, "", "{}").as_bytes()),
        Mode::Slow(time, text) => {
            thread::sleep(time);
            out.write_all(response(200, "", &schema(&text)).as_bytes())
        }
        Mode::NotFound | Mode::From(..) => {
            out.write_all(response(404, "", r#"{"error_code":40403,"message":"Schema not found"}"#).as_bytes())
        }
        Mode::Status(status, headers, body) => out.write_all(response(status, headers, body).as_bytes()),
        Mode::Hang => {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Mode::Half => out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{\"schema\": \"{"),
        Mode::Close => Ok(()),
    };
    written.ok()
}

fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
