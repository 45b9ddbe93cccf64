//! A schema registry of the test's own. It keeps its schemas in a file: ids stay what they were when it is killed.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::common::jars;

pub struct Registry {
    port: u16,
    process: Option<Child>,
    folder: TempDir,
}

impl Registry {
    /// Started, not waited for.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut registry = Self { port, process: None, folder: TempDir::with_prefix("assize-registry-").unwrap() };
        registry.spawn();
        registry
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    pub fn spawn(&mut self) {
        let folder = self.folder.path();
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut java = Command::new("java");
        java.env("REGISTRY_DATASOURCE_URL", format!("jdbc:h2:file:{}/schemas", folder.display()));
        java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dquarkus.http.host=127.0.0.1"]);
        java.args(["-Dquarkus.datasource.jdbc.initial-size=2", "-Dquarkus.datasource.jdbc.min-size=1"]);
        java.arg(format!("-Dquarkus.http.port={}", self.port)).arg("-jar").arg(application());
        let log_too = log.try_clone().unwrap();
        self.process = Some(java.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(log_too).spawn().unwrap());
    }

    /// Whether it answers questions.
    pub fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(3)))?;
            stream.write_all(b"GET /apis/ccompat/v7/subjects HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(" 200 "))
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn application() -> PathBuf {
    let folder = jars().parent().unwrap().join("registry");
    let mut files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .find_map(|file| {
            file.ok().map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "jar"))
        })
        .unwrap()
}
