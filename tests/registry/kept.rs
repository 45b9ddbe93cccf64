//! What a process kept on disk, in the hands of the next one.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use assize::{
    codec::{CodecError, Lookup, wire},
    records::{
        Message,
        schema::{MESSAGE, VERDICT},
    },
};

use super::{
    Process,
    fake::{Fake, Mode},
    process,
};

/// A folder where a process has kept id 1 and the id of its verdicts, and the registry that gave them.
fn used() -> (tempfile::TempDir, Fake) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let first = process(&fake.url(), Some(folder.path()));
    first.wait_until_known(1, "first");
    first.schemas.verdict_writer("verdicts").unwrap();
    // The answer is there a moment before its file.
    let start = Instant::now();
    while !files(folder.path()).iter().any(|path| path.ends_with("id-1.avsc")) {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", files(folder.path()));
        std::thread::sleep(Duration::from_millis(10));
    }
    (folder, fake)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let inside = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    inside(folder).iter().flat_map(|folder| inside(folder)).collect()
}

/// Whether what `id` reads is a message.
fn reads_messages(process: &Process, id: u32) -> bool {
    let Lookup::Known(reader) = process.schemas.reader(id, &mut Duration::from_secs(1)) else { return false };
    let writer = process.schemas.message_writer("messages").unwrap();
    let message = Message {
        message_id: "m".into(),
        user_id: 1,
        text: "t".into(),
        language: None,
        metadata: std::collections::BTreeMap::new(),
        created_at: 1,
    };
    let mut value = Vec::new();
    writer.write(&message, &mut value);
    reader.read::<Message>(wire::split(&value).unwrap().1) == Ok(message)
}

#[test]
fn the_next_process_starts_and_reads_without_the_registry() {
    for mode in [
        Mode::Hang,
        Mode::Close,
        Mode::Status(500, "", ""),
        Mode::Status(401, "", ""),
        Mode::Status(429, "retry-after: 30\r\n", ""),
        // Wiped: what has an id was written with its schema all the same.
        Mode::NotFound,
    ] {
        let (folder, fake) = used();
        let name = format!("{mode:?}");
        fake.set(mode);
        let reading = process(&fake.url(), Some(folder.path()));
        let start = Instant::now();
        reading.wait_until_known(1, &name);
        assert!(start.elapsed() < Duration::from_secs(8), "{name}: {:?}", start.elapsed());
        let next = process(&fake.url(), Some(folder.path()));
        let start = Instant::now();
        let writer = next.schemas.verdict_writer("verdicts");
        assert!(writer.is_ok(), "{name}: {:?}", writer.err());
        // The verdicts' own id is read back by the restore.
        next.wait_until_known(7, &name);
        next.wait_until_known(1, &name);
        assert!(start.elapsed() < Duration::from_secs(8), "{name}: {:?}", start.elapsed());
        assert_eq!(next.look(2, 0), "away", "{name}: what was never known waits");
    }
}

#[test]
fn without_what_was_kept_there_is_no_start() {
    let (folder, fake) = used();
    fake.set(Mode::Close);
    let elsewhere = process(&fake.url(), None);
    assert!(matches!(elsewhere.schemas.verdict_writer("verdicts"), Err(CodecError::Registry(_))));
    let next = process(&fake.url(), Some(folder.path()));
    assert!(matches!(next.schemas.verdict_writer("other"), Err(CodecError::Registry(_))), "another subject");
    // A refusal is an answer.
    fake.set(Mode::Status(409, "", r#"{"error_code":409,"message":"incompatible"}"#));
    let next = process(&fake.url(), Some(folder.path()));
    let error = next.schemas.verdict_writer("verdicts").err().unwrap();
    assert!(matches!(&error, CodecError::Refused(text) if text.contains("incompatible")), "{error}");
}

#[test]
fn the_registry_wins_over_what_was_kept() {
    let (folder, fake) = used();
    fake.set(Mode::Schema(VERDICT.to_owned()));
    let next = process(&fake.url(), Some(folder.path()));
    next.wait_until_known(1, "wiped");
    assert!(!reads_messages(&next, 1), "id 1 is now that of verdicts");
    fake.set(Mode::Schema(MESSAGE.to_owned()));
    let next = process(&fake.url(), Some(folder.path()));
    next.wait_until_known(1, "and back");
    assert!(reads_messages(&next, 1));
}

#[test]
fn a_corrupt_file_is_no_schema() {
    let (folder, fake) = used();
    for path in files(folder.path()) {
        fs::write(path, "{\"type\": \"rec").unwrap();
    }
    fake.set(Mode::Close);
    let next = process(&fake.url(), Some(folder.path()));
    assert!(next.schemas.verdict_writer("verdicts").is_err());
    assert_eq!((next.look(1, 500), next.look(7, 0)), ("away", "away"));
    fake.set(Mode::Schema(MESSAGE.to_owned()));
    next.wait_until_known(1, "mended");
}

#[test]
fn a_folder_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let fake = Fake::start(Mode::Schema(MESSAGE.to_owned()));
    let process = process(&fake.url(), Some(&file));
    process.wait_until_known(1, "no folder");
}
