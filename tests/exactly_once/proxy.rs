//! A TCP proxy that a test can cut or hang.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What it does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Open,
    /// Ends every connection.
    Cut,
    /// Takes them and says nothing.
    Hang,
}

struct State {
    mode: Mode,
    streams: Vec<TcpStream>,
}

/// A proxy on a port of its own.
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// In front of `upstream`, `host:port`.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { mode: Mode::Open, streams: Vec::new() }));
        let (shared, upstream) = (Arc::clone(&state), upstream.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = shared.lock().unwrap();
                if state.mode == Mode::Cut {
                    continue;
                }
                let server = TcpStream::connect(&upstream).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || copy(from, to, &shared));
                }
                state.streams.extend([client, server]);
            }
        });
        Self { port, state }
    }

    pub fn set(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        state.mode = mode;
        // What hung has lost bytes: it is no connection any more when the proxy opens again.
        if mode != Mode::Hang {
            state.streams.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        let mode = state.lock().unwrap().mode;
        if mode == Mode::Open && to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    while state.lock().unwrap().mode == Mode::Hang {
        thread::sleep(Duration::from_millis(50));
    }
    let _ = to.shutdown(Shutdown::Both);
}
