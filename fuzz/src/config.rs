//! A config file, and after its first NUL lines NAME=VALUE of the environment: refused with a reason, or within limits.
#![no_main]

use assize::config::Config;

libfuzzer_sys::fuzz_target!(|input: &str| {
    let (file, environment) = input.split_once('\0').unwrap_or((input, ""));
    let environment = environment.lines().filter_map(|line| line.split_once('='));
    match Config::parse(file, environment.map(|(name, value)| (name.to_owned(), value.to_owned()))) {
        Ok(config) => {
            assert!((1..=512).contains(&config.stream.chunk_records_max));
            // What it prints of itself must print.
            let _ = format!("{config:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
