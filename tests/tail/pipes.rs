//! A reader that leaves early, as `head` does, ends a command quietly.

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::{
    common::{Sandbox, assize},
    history::{HAM, History, message},
};

/// Its exit code and what it said, when nobody reads its stdout.
fn unread(command: &mut std::process::Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child
}

#[track_caller]
fn ends_quietly(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// It says by its exit code what it says when it is read, and panics no more than then.
#[track_caller]
fn ends_as_when_read(mut command: std::process::Command) {
    let read = command.output().unwrap();
    let unread = unread(&mut command).wait_with_output().unwrap();
    assert!(!read.stdout.is_empty(), "{read:?}");
    assert_eq!((unread.status, unread.stderr), (read.status, read.stderr));
}

#[test]
fn an_export_that_nobody_reads_to_the_end_is_no_failure() {
    let folder = tempfile::TempDir::new().unwrap();
    let texts = folder.path().join("texts.tsv");
    fs::write(&texts, "ham\thello there\n".repeat(20_000)).unwrap();
    ends_quietly(unread(&mut assize(&["features", "export", "--input", texts.to_str().unwrap()])));
    ends_quietly(unread(&mut assize(&["features", "contract"])));
}

#[test]
fn neither_are_schemas() {
    let folder = tempfile::TempDir::new().unwrap();
    let schema = folder.path().join("proposed.avsc");
    fs::write(&schema, assize::records::schema::MESSAGE).unwrap();
    let check = ["schema", "check", schema.to_str().unwrap()];
    for args in [
        &["schema", "print"][..],
        &["schema", "print", "message"],
        &check,
        &[&check[..], &["--format", "json"]].concat(),
        &["schema", "check", "--help"],
    ] {
        ends_quietly(unread(&mut assize(args)));
    }
    // What the pipeline says of it is on stdout; what the registry does not say, on stderr.
    fs::write(folder.path().join("assize.toml"), "[schemas]\nregistry = \"http://127.0.0.1:1/hidden\"\n").unwrap();
    let mut away = assize(&check);
    away.env("ASSIZE_CONFIG", folder.path().join("assize.toml")).env("ASSIZE_SCHEMAS__CACHE_FOLDER", "");
    let output = away.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(69) && String::from_utf8_lossy(&output.stdout).contains("read back\n"));
    assert!(said.starts_with("assize: schema registry: ") && said.contains("Connection refused"), "{said}");
    assert!(!said.contains("hidden") && said.lines().count() == 1, "{said}");
    ends_as_when_read(away);
}

#[test]
#[ignore = "needs a schema registry; run ./dev test"]
fn nor_is_what_was_registered() {
    let registry =
        std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into());
    let mut sandbox = Sandbox::without_topics("pipes-register");
    sandbox.configure(&format!("[schemas]\nregistry = \"{registry}\"\ncache_folder = \"\"\n"));
    ends_quietly(unread(&mut sandbox.assize(&["schema", "register"])));
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn nothing_that_writes_lines_minds() {
    let history = History::new("pipes");
    let sandbox: &Sandbox = &history.bench.sandbox;
    for args in [
        &["dlq", "list"][..],
        &["dlq", "list", "--format", "ndjson"],
        &["dlq", "stats"],
        &["dlq", "report"],
        &["dlq", "show", "0:0"],
        &["dlq", "show", "0:0", "--raw"],
        &["dlq", "codes"],
        &["watch", "messages", "--until-end", "--format", "ndjson"],
        &["watch", "messages", "--until-end"],
        &["audit"],
        &["topics", "check"],
    ] {
        ends_quietly(unread(&mut sandbox.assize(args)));
    }
    ends_as_when_read(sandbox.assize(&["doctor"]));
    ends_as_when_read(sandbox.assize(&["doctor", "--format", "json"]));
    // One that goes on ends with the first record that it cannot show.
    let mut watching = unread(&mut sandbox.assize(&["watch", "verdicts", "--format", "ndjson"]));
    let start = Instant::now();
    for round in 0.. {
        if watching.try_wait().unwrap().is_some() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it goes on");
        history.send(0, b"7", Some(&message(7, &format!("again-{round}"), HAM)), &[]);
        std::thread::sleep(Duration::from_millis(300));
    }
    ends_quietly(watching);
}
