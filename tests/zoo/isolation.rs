//! A malformed or hostile model ends at most the process that tries it: the zoo through `assize model verify`, and
//! mutated files, seeded, in the same trial that serving makes before it loads a model.

use std::{fs, path::Path, process::Command, time::Duration};

use assize::model::isolate::{self, Limits, TrialError};

use super::case::cases;

const ASSIZE: &str = env!("CARGO_BIN_EXE_assize");
const LIMITS: Limits = Limits { memory_mib: 1024, cpu_seconds: 20, wall: Duration::from_secs(60) };

fn trial(model: &Path) -> Result<String, TrialError> {
    isolate::trial(Some(ASSIZE.as_ref()), model, LIMITS)
}

#[test]
fn verify_says_what_is_wrong_and_exits_with_65() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo/files");
    for case in cases() {
        let Some(expected) = case.refused else { continue };
        let path = folder.join(format!("{}.onnx", case.name));
        let output = Command::new(ASSIZE).args(["model", "verify"]).arg(path).output().unwrap();
        let says = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{}: {says}", case.name);
        assert!(says.contains(&expected), "{}: {says}", case.name);
    }
}

#[test]
fn bundles_and_good_exports_pass_the_trial() {
    let says = trial("models/spam-sms".as_ref()).unwrap();
    assert!(says.contains("sparse first layer; its golden vectors come out"), "{says}");
    let says = trial("tests/zoo/files/random-forest-2.onnx".as_ref()).unwrap();
    assert_eq!(says, "reads 6 columns, gives 2 numbers a row, by flat trees");
}

#[test]
fn a_model_beyond_the_limits_is_refused() {
    let files = Path::new("tests/zoo/files");
    let limits = Limits { wall: Duration::ZERO, ..LIMITS };
    let error = isolate::trial(Some(ASSIZE.as_ref()), &files.join("logistic-2.onnx"), limits).unwrap_err();
    assert!(matches!(error, TrialError::Time { .. }), "{error}");
    let limits = Limits { memory_mib: 24, ..LIMITS };
    let error = isolate::trial(Some(ASSIZE.as_ref()), "models/spam-sms".as_ref(), limits).unwrap_err();
    assert!(matches!(error, TrialError::Crashed { memory_mib: 24, .. }), "{error}");
    let huge = tempfile::NamedTempFile::new().unwrap();
    huge.as_file().set_len(257 << 20).unwrap();
    let error = trial(huge.path()).unwrap_err();
    assert!(matches!(error, TrialError::TooLarge { .. }), "{error}");
}

#[test]
fn mutated_models_harm_no_one() {
    mutate(500);
}

/// cargo test --test zoo many_mutated -- --ignored --nocapture
#[test]
#[ignore = "takes minutes"]
fn many_mutated_models_harm_no_one() {
    mutate(10_000);
}

/// Every mutated file is loaded or refused: the trial answers, and this process, which made it, is there to hear it.
fn mutate(count: usize) {
    let zoo: Vec<_> = cases().into_iter().filter(|case| case.refused.is_none()).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutated.onnx");
    let mut random = Random(7);
    let (mut loaded, mut refused, mut crashed) = (0, 0, 0);
    for _ in 0..count {
        let original = &zoo[random.below(zoo.len())];
        fs::write(&path, random.mutate(original.onnx.clone())).unwrap();
        match trial(&path) {
            Ok(_) => loaded += 1,
            Err(TrialError::Refused { message }) => {
                refused += 1;
                assert!(!message.is_empty());
            }
            // The trial's process died within its limits: that is what it is for.
            Err(TrialError::Crashed { .. }) => crashed += 1,
            Err(error) => panic!("{} mutated: {error}", original.name),
        }
    }
    eprintln!("{count} mutated models: {loaded} loaded, {refused} refused, {crashed} crashed or outgrew their process");
    assert!(loaded > 0 && refused > 0, "mutations are too weak or too strong: {loaded} loaded, {refused} refused");
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// One to three changes: a bit, a byte, a number that is large in a varint, a part that is gone, doubled or moved.
    fn mutate(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(3) {
            let len = bytes.len();
            let at = self.below(len);
            let until = (at + 1 + self.below(24)).min(len);
            match self.below(16) {
                _ if len == 0 => bytes.push(self.below(256) as u8),
                // Most keep names readable and lengths as they are: what parses reaches what is behind the parser.
                0..=9 => bytes[at] ^= 1 << self.below(7),
                10 | 11 => bytes[at] = self.below(256) as u8,
                12 => bytes[at..until].fill([0, 0x7f, 0xff][self.below(3)]),
                13 => drop(bytes.drain(at..until)),
                14 => {
                    let part = bytes[at..until].to_vec();
                    let to = self.below(len);
                    bytes.splice(to..to, part);
                }
                _ => bytes.truncate(at + len / 2),
            }
        }
        bytes
    }
}
