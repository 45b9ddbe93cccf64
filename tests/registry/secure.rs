//! Who asks, and of whom: credentials, certificates, and that no secret is ever shown.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use assize::{
    config::{self, SecretSource},
    records::schema::MESSAGE,
};

use super::{
    fake::{Fake, Mode},
    process_with,
};

fn secret(folder: &tempfile::TempDir) -> SecretSource {
    let path = folder.path().join("secret");
    fs::write(&path, "hunter2\n").unwrap();
    SecretSource { file: Some(path), env: None }
}

fn config(url: &str) -> config::Schemas {
    config::Schemas { registry: Some(url.to_owned()), cache_folder: Some("".into()), ..config::Schemas::default() }
}

#[test]
fn a_user_or_a_token_goes_with_every_question() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let basic = config::Schemas { username: Some("assize".into()), password: secret(&folder), ..config(&fake.url()) };
    let bearer = config::Schemas { token: secret(&folder), ..config(&fake.url()) };
    // The base64 of assize:hunter2.
    for (config, expected) in
        [(basic, "authorization: Basic YXNzaXplOmh1bnRlcjI="), (bearer, "authorization: Bearer hunter2")]
    {
        let before = fake.questions();
        let process = process_with(&config);
        process.wait_until_known(1, expected);
        process.schemas.verdict_writer("verdicts").unwrap();
        let heads = &fake.heads()[before..];
        assert_eq!(heads.len(), 2);
        assert!(heads.iter().all(|head| head.to_lowercase().contains(&expected.to_lowercase())), "{heads:?}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn no_error_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [Mode::Status(401, "", r#"{"error_code":401,"message":"who?"}"#), Mode::Close, Mode::Half] {
        let fake = Fake::start(mode);
        let config = config::Schemas { token: secret(&folder), ..config(&fake.url()) };
        let error = process_with(&config).schemas.verdict_writer("verdicts").err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(text.contains("verdicts-value") && !text.contains("hunter2"), "{text}");
    }
}

/// `openssl s_server` as a registry with a certificate of its own: it answers with files that hold whole responses.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
                       -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out own.pem";
        let made = Command::new("openssl").args(request.split_whitespace()).current_dir(&folder).output();
        assert!(made.expect("openssl is installed").status.success());
        let body = serde_json::json!({"schema": MESSAGE}).to_string();
        let response = format!("HTTP/1.0 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        fs::create_dir_all(folder.path().join("schemas/ids")).unwrap();
        fs::write(folder.path().join("schemas/ids/1?deleted=true"), response).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-HTTP", "-cert", "own.pem", "-key", "key.pem", "-accept", &port.to_string()])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "openssl s_server does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        Self { child, port, folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_certificate_of_ones_own_is_trusted_when_it_is_named() {
    let server = Server::start();
    let url = format!("https://127.0.0.1:{}", server.port);
    let stranger = process_with(&config(&url));
    assert_eq!(stranger.look(1, 3_000), "away", "its certificate is nobody's");
    let trusting = config::Schemas { ca_file: Some(server.folder.path().join("own.pem")), ..config(&url) };
    process_with(&trusting).wait_until_known(1, "TLS");
}

#[test]
fn certificates_that_are_none_are_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for content in [None, Some(""), Some("no certificate")] {
        content.iter().for_each(|content| fs::write(&path, content).unwrap());
        let config = config::Schemas { ca_file: Some(path.clone()), ..config("https://127.0.0.1:1") };
        let error = assize::codec::Schemas::try_new(&config, runtime.handle()).err().unwrap().to_string();
        assert!(error.starts_with("config key schemas.ca_file: "), "{error}");
    }
}
