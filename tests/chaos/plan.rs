//! What is broken when: drawn from a seed before the run, so that the seed repeats it.

use std::time::Duration;

use crate::traffic::Random;

/// The process that comes and goes; those before it are meant to run all the time.
pub const GUEST: usize = 3;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// kill -9 of a process, which is started again at once.
    Kill,
    /// SIGSTOP for less than any timeout.
    PauseShort,
    /// SIGSTOP past the timeouts of transaction and session.
    PauseLong,
    /// The guest starts, or is asked to leave.
    JoinOrLeave,
    /// A second process with the identity of a live one.
    Rival,
    /// A broker stops in good order and starts again.
    BrokerRestart,
    /// A broker is killed, and started some seconds later.
    BrokerKill,
    /// Redis is killed, and comes back with nothing in it.
    RedisKill,
    /// The registry is killed, and started some seconds later.
    RegistryKill,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::PauseShort => "SIGSTOP, short",
            Self::PauseLong => "SIGSTOP, long",
            Self::JoinOrLeave => "join or leave",
            Self::Rival => "same identity twice",
            Self::BrokerRestart => "broker restart",
            Self::BrokerKill => "broker kill -9",
            Self::RedisKill => "Redis kill",
            Self::RegistryKill => "registry kill",
        }
    }

    /// How long it stays broken, milliseconds: at least, and at most.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::Kill | Self::JoinOrLeave | Self::Rival | Self::BrokerRestart => (0, 1),
            Self::PauseShort => (1_000, 3_000),
            Self::PauseLong => (8_000, 14_000),
            Self::BrokerKill | Self::RedisKill | Self::RegistryKill => (1_000, 8_000),
        }
    }
}

/// How often each is dealt: one round has all of them, so that a short run misses none.
const DECK: [(Action, usize); 9] = [
    (Action::Kill, 5),
    (Action::PauseShort, 2),
    (Action::PauseLong, 1),
    (Action::JoinOrLeave, 2),
    (Action::Rival, 1),
    (Action::BrokerRestart, 1),
    (Action::BrokerKill, 1),
    (Action::RedisKill, 1),
    (Action::RegistryKill, 1),
];
/// From one to the next, milliseconds.
const PAUSE_MS: (u64, u64) = (1_500, 5_500);

/// One entry of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since the start of the run.
    pub at: Duration,
    pub action: Action,
    /// How long it stays broken.
    pub lasts: Duration,
    /// Which process or broker; modulo how many there are.
    pub victim: usize,
}

/// Everything that goes wrong within `length`.
pub fn plan(seed: u64, length: Duration) -> Vec<Step> {
    let mut random = Random::new(seed);
    // The first numbers of a small seed are small.
    for _ in 0..32 {
        random.below(2);
    }
    let (mut steps, mut deck, mut at_ms) = (Vec::new(), Vec::new(), 2_000);
    while at_ms < length.as_millis() as u64 {
        if deck.is_empty() {
            deck = DECK.iter().flat_map(|(action, times)| std::iter::repeat_n(*action, *times)).collect();
        }
        let action = deck.swap_remove(random.below(deck.len() as u64) as usize);
        let lasts = Duration::from_millis(between(&mut random, action.lasts_ms()));
        steps.push(Step { at: Duration::from_millis(at_ms), action, lasts, victim: random.below(1 << 20) as usize });
        at_ms += between(&mut random, PAUSE_MS);
    }
    steps
}

fn between(random: &mut Random, (least, most): (u64, u64)) -> u64 {
    least + random.below(most - least)
}

#[test]
fn a_seed_repeats_its_plan_and_a_round_has_everything() {
    let minute = Duration::from_secs(60);
    assert_eq!(plan(7, minute), plan(7, minute));
    assert_ne!(plan(7, minute), plan(9, minute));
    let long = plan(7, 4 * minute);
    assert_eq!(plan(7, minute), long[..plan(7, minute).len()], "a longer run begins as the shorter one");
    let dealt = long.iter().take(15).map(|step| step.action).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(dealt.len(), DECK.len());
}
