//! An authority, the broker's certificate, ours, and an authority that nobody knows, all PEM, made by `openssl`.

use std::{fs, path::Path, process::Command};

/// Of the private key in `client.key`.
pub const KEY_PASSWORD: &str = "key-password-of-tests";

/// Leaves ca.pem, broker.pem (key and certificate), client.pem, client.key and other-ca.pem in `folder`.
pub fn make(folder: &Path) {
    for (authority, name) in [("ca", "tests"), ("other-ca", "somebody else")] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={} -keyout {authority}.key -out {authority}.pem",
                name.replace(' ', "-")
            ),
        );
    }
    // For the name alone: by its address it is somebody else.
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    for (name, subject) in [("broker", "localhost"), ("client", "client")] {
        openssl(
            folder,
            &format!("req -newkey rsa:2048 -nodes -subj /CN={subject} -keyout {name}.plain -out {name}.csr"),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
            ),
        );
    }
    openssl(folder, &format!("pkey -in client.plain -aes256 -passout pass:{KEY_PASSWORD} -out client.key"));
    let keystore = ["broker.plain", "broker.pem", "ca.pem"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
    fs::write(folder.join("keystore.pem"), keystore.concat()).unwrap();
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("the openssl command is needed: apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
