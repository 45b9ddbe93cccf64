use crate::{drift::sketch::fnv1a, records::PredictionView};

/// Whether the prediction of this message is counted when `ratio`, 0..=1, of them are: always the same ones. A hash of the
/// id (FNV-1a, then the finalizer of MurmurHash3, which spreads it over all bits), as a fraction of 2^53, is below `ratio`;
/// so a larger ratio keeps those of a smaller one.
#[inline]
pub fn is_sampled(message_id: &str, ratio: f64) -> bool {
    ratio >= 1.0 || ((mixed(fnv1a(message_id.bytes())) >> 11) as f64) < ratio * (1_u64 << 53) as f64
}

/// `fmix64` (Appleby, MurmurHash3).
fn mixed(mut hash: u64) -> u64 {
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

/// When the message was written, milliseconds since the epoch. One that is stamped more than `future_ms_max` after its
/// decision counts as of the time of the decision, and `true` says so: clocks of producers are not to be trusted with the
/// end of a window.
pub fn event_ms(view: &PredictionView<'_>, future_ms_max: i64) -> (i64, bool) {
    match view.created_at > view.decided_at.saturating_add(future_ms_max) {
        true => (view.decided_at, true),
        false => (view.created_at, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_ids_is_sampled_and_always_the_same() {
        let ids: Vec<_> = (0..100_000).map(|id| format!("sms-{id:07}")).collect();
        for ratio in [0.001, 0.1, 0.5, 0.9] {
            let found: Vec<_> = ids.iter().filter(|id| is_sampled(id, ratio)).collect();
            let deviation = (ratio * (1.0 - ratio) * ids.len() as f64).sqrt();
            assert!(
                (found.len() as f64 - ratio * ids.len() as f64).abs() < 4.0 * deviation,
                "{ratio}: {}",
                found.len()
            );
            assert!(found.iter().all(|id| is_sampled(id, ratio + 0.05)));
        }
        assert!(ids.iter().all(|id| is_sampled(id, 1.0)) && !ids.iter().any(|id| is_sampled(id, 0.0)));
        // Written down: what was sampled must not depend on the version.
        assert_eq!(mixed(fnv1a(b"sms-0000000".iter().copied())), 0xe641_55a3_15b4_e10e);
    }
}
