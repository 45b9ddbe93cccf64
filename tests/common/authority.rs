//! Certificates of a test's own, made with openssl.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assize::features::store::TlsFiles;

/// An authority with a certificate for 127.0.0.1, made anew for each test.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.openssl("req -x509 -newkey ec:curve.txt -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
        authority.issue("server", "IP:127.0.0.1");
        authority
    }

    /// Makes `<name>.pem` and `<name>.key`.
    pub(crate) fn issue(&self, name: &str, subject: &str) {
        self.openssl(&format!("req -newkey ec:curve.txt -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        std::fs::write(self.file("extensions.txt"), format!("subjectAltName={subject}\n")).unwrap();
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions.txt \
             -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        if !self.file("curve.txt").exists() {
            let words = "genpkey -genparam -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out curve.txt";
            self.run(words);
        }
        self.run(arguments);
    }

    fn run(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = openssl.output().expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What clients are told.
    pub(crate) fn trusted(&self) -> TlsFiles {
        TlsFiles { ca_file: Some(self.file("ca.pem")), ..TlsFiles::default() }
    }

    /// Options of a server that speaks TLS at `port`, with the certificate `name`.
    pub(crate) fn options(&self, port: u16, name: &str, asks_clients: bool) -> Vec<String> {
        let file = |file: String| text(&self.file(&file));
        let clients = if asks_clients { "yes" } else { "no" };
        let words = ["--tls-port", &port.to_string(), "--tls-cert-file", &file(format!("{name}.pem"))];
        let more = ["--tls-key-file", &file(format!("{name}.key")), "--tls-ca-cert-file", &file("ca.pem".into())];
        let last = ["--tls-auth-clients", clients];
        words.iter().chain(&more).chain(&last).map(|&word| word.to_owned()).collect()
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
