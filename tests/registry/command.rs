//! `assize schema`.

use std::{fs, process::Command};

use assize::{codec::RecordWriter, records::schema::MESSAGE};

use super::{
    common::{Sandbox, assize, text, unique},
    fake::{Fake, Mode},
    process,
};

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap(), text(&output))
}

#[test]
fn prints_what_is_published() {
    let (code, printed) = run(&mut assize(&["schema", "print", "message"]));
    assert_eq!((code, printed.as_str()), (0, MESSAGE));
    let (code, listed) = run(&mut assize(&["schema", "print"]));
    assert_eq!((code, listed.lines().count()), (0, 4));
}

#[test]
fn check_tells_what_is_wrong_and_its_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proposed.avsc");
    let check = |schema: &str, registry: &str| {
        fs::write(&path, schema).unwrap();
        let mut command = assize(&["schema", "check", path.to_str().unwrap()]);
        command.env("ASSIZE_SCHEMAS__CACHE_FOLDER", "");
        if !registry.is_empty() {
            command.env("ASSIZE_SCHEMAS__REGISTRY", registry);
        }
        run(&mut command)
    };
    assert_eq!(check(MESSAGE, "").0, 0);
    let renamed = MESSAGE.replace("\"message_id\"", "\"messageId\"");
    let (code, said) = check(&renamed, "");
    assert!(code == 1 && said.contains("messageId message_id: aliases are not followed"), "{said}");
    let (code, said) = check("{", "");
    assert!(code == 1 && said.contains("JSON"), "{said}");

    let fake = Fake::start(Mode::Status(200, "", r#"{"is_compatible":false,"messages":["reader lacks x"]}"#));
    let (code, said) = check(MESSAGE, &fake.url());
    assert!(code == 1 && said.contains("does not take it for messages-value") && said.contains("reader lacks x"));
    fake.set(Mode::Status(200, "", r#"{"is_compatible":true}"#));
    assert_eq!(check(MESSAGE, &fake.url()).0, 0);
    fake.set(Mode::Status(404, "", r#"{"error_code":40401,"message":"no subject"}"#));
    assert_eq!(check(MESSAGE, &fake.url()).0, 0, "nothing that it could contradict");
    fake.set(Mode::Status(500, "", ""));
    let (code, said) = check(MESSAGE, &fake.url());
    assert!(code == 69 && said.contains("examples were written and read back"), "{said}");
    assert_eq!(check(&renamed, &fake.url()).0, 1, "which no registry could mend");
}

#[test]
fn check_speaks_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proposed.avsc");
    fs::write(&path, MESSAGE.replace("\"user_id\", \"type\": \"long\"", "\"user_id\", \"type\": \"string\"")).unwrap();
    let output = assize(&["schema", "check", path.to_str().unwrap(), "--format", "json"]).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["compatible"].as_bool(), output.status.code()), (Some(false), Some(1)));
    assert_eq!(found["proposal"]["fields"][1]["status"], "type");
}

fn registry() -> String {
    std::env::var("ASSIZE_TEST_REGISTRY").unwrap_or_else(|_| "http://127.0.0.1:18081/apis/ccompat/v7".into())
}

/// Each lane asks for its ids when it starts, and so does each process: the first start of all is a race.
#[test]
#[ignore = "needs a schema registry; run ./dev test"]
fn those_who_register_the_same_at_once_all_get_its_id() {
    let process = process(&registry(), None);
    for round in 0..20 {
        let topic = unique(&format!("race-{round}"));
        let writers: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| process.schemas.verdict_writer(&topic))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap().unwrap()).collect()
        });
        let written = |writer: &RecordWriter| {
            let mut value = Vec::new();
            writer.write(&7_i64, &mut value);
            value
        };
        assert!(writers.iter().all(|writer| written(writer) == written(&writers[0])), "round {round}");
    }
}

#[test]
#[ignore = "needs a schema registry; run ./dev test"]
fn registers_on_a_real_registry_once() {
    let registry = registry();
    let mut sandbox = Sandbox::without_topics("register");
    sandbox.configure(&format!("[schemas]\nregistry = \"{registry}\"\ncache_folder = \"\"\n"));
    let (code, first) = run(&mut sandbox.assize(&["schema", "register"]));
    assert!(code == 0 && first.matches(" new").count() == 3, "{first}");
    let (code, second) = run(&mut sandbox.assize(&["schema", "register"]));
    assert!(code == 0 && second == first.replace(" new", " there").replace("    there", "  there"), "{first}{second}");
    // The registry's own rules hold too: by default it has none.
    let path = sandbox.write("proposed.avsc", MESSAGE);
    let (code, said) = run(&mut sandbox.assize(&["schema", "check", path.to_str().unwrap()]));
    assert!(code == 0 && said.contains("the registry takes it for"), "{said}");
}

#[test]
fn there_must_be_a_registry_to_register_in() {
    let (code, said) = run(&mut assize(&["schema", "register"]));
    assert!(code == 69 && said.contains("schemas.registry"), "{said}");
}
